"""Whether two programs that are compared have made the same image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import zarr

from dev.benchmarks.measuring import FailedRunError

if TYPE_CHECKING:
    from pathlib import Path


def refuse_unlike(ours: Path, theirs: Path) -> None:
    """Compare all arrays of two folders: the same levels, shapes, chunks, types and codecs, and level 0 pixel by pixel.

    Upper levels may differ by rounding.

    Raises:
        FailedRunError: something differs, so that a figure would mean nothing.
    """
    ours_at, theirs_at = (_arrays(folder) for folder in (ours, theirs))
    if ours_at != theirs_at:
        msg = f"{ours} and {theirs}: expected the same arrays, found {ours_at} and {theirs_at}"
        raise FailedRunError(msg)
    for place in ours_at:
        a, b = (zarr.open_array(folder / place, mode="r") for folder in (ours, theirs))
        facts = [(x.shape, x.chunks, x.shards, x.dtype, x.compressors) for x in (a, b)]
        if facts[0] != facts[1]:
            msg = f"{place}: expected the same array, found {facts[0]} and {facts[1]}"
            raise FailedRunError(msg)
        if place.endswith("/0") and not all(np.array_equal(a[c], b[c]) for c in range(a.shape[0])):
            msg = f"{place}: expected the same pixels, found others"
            raise FailedRunError(msg)


def _arrays(folder: Path) -> list[str]:
    found = [*folder.rglob(".zarray"), *folder.rglob("zarr.json")]
    places = (file.parent for file in found if file.name == ".zarray" or '"array"' in file.read_text())
    return sorted(place.relative_to(folder).as_posix() for place in places)
