"""Room on a disk: what images take at most, and whether there is enough."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tiles2zarr.writer.image import ImageLayout

# Microscope images shrink to between a third and all of their size: with less room than this share of it,
# a conversion is sure to fail.
_SMALLEST_SHARE = 0.25


def room_findings(layouts: Iterable[ImageLayout | None], zarr_dir: Path) -> Iterator[Finding]:
    """Whether the disk of a destination can hold images that are laid out like this."""
    needed, free = sum(map(written_bytes, layouts)), free_bytes(zarr_dir)
    if free is not None and needed > free:
        is_hopeless = needed * _SMALLEST_SHARE > free
        message = (
            f"expected room for up to {needed / 1e9:.3g} GB (uncompressed), found {free / 1e9:.3g} GB free: "
            "free some space or choose another destination"
        )
        yield Finding("error" if is_hopeless else "warning", "disk-room", str(zarr_dir), message)


def free_bytes(zarr_dir: Path) -> int | None:
    """The room on the disk of a destination, which need not exist yet; None where nobody can tell."""
    existing = next((folder for folder in (zarr_dir, *zarr_dir.parents) if os.path.isdir(folder)), None)
    return shutil.disk_usage(existing).free if existing is not None else None


def written_bytes(layout: ImageLayout | None) -> int:
    """Bytes of all levels of an image, uncompressed: what it takes on disk at most; 0 where nothing is laid out."""
    if layout is None:
        return 0
    first = layout.grid.shapes[0]
    share = sum(shape.y * shape.x for shape in layout.grid.shapes) / (first.y * first.x)
    return int(layout.pixels * share) * np.dtype(layout.data_type).itemsize
