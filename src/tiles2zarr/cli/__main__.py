"""``python -m tiles2zarr.cli`` is the command ``tiles2zarr``."""

from __future__ import annotations

from tiles2zarr.cli import main

main()
