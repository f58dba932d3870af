"""``python -m tiles2zarr`` is the command ``tiles2zarr``."""

from __future__ import annotations

from tiles2zarr.cli import main

main()
