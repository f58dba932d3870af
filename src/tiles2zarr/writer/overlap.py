"""Painting tiles into a block: which pixel is kept where they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.models import OverlapMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

#: Where a piece goes in the block (rows, columns), and a function that fetches its pixels.
Piece = tuple[tuple[slice, slice], "Callable[[], NDArray[Any]]"]


def paint(block: NDArray[Any], pieces: Sequence[Piece], mode: OverlapMode) -> None:
    """Paint pieces of tiles, in tile order, into a block of zeros (axes y, x).

    ``Last`` and ``First`` keep the pixel of the last or first tile, ``Maximum`` the largest, ``Mean`` the mean with halves rounded upwards.
    """
    if len(pieces) == 1 or mode is OverlapMode.LAST:
        for place, fetch in pieces:
            block[place] = fetch()
    elif mode is OverlapMode.FIRST:
        for place, fetch in reversed(pieces):
            block[place] = fetch()
    elif mode is OverlapMode.MAXIMUM:
        _paint_maximum(block, pieces)
    else:
        _paint_mean(block, pieces)


def _paint_maximum(block: NDArray[Any], pieces: Sequence[Piece]) -> None:
    covered = np.zeros(block.shape, bool)
    for place, fetch in pieces:
        pixels = fetch()
        block[place] = np.where(covered[place], np.maximum(block[place], pixels), pixels)
        covered[place] = True


def _paint_mean(block: NDArray[Any], pieces: Sequence[Piece]) -> None:
    is_float = block.dtype.kind == "f"
    total = np.zeros(block.shape, np.float64 if is_float else np.int64)
    count = np.zeros(block.shape, np.int64)
    for place, fetch in pieces:
        total[place] += fetch()
        count[place] += 1
    np.maximum(count, 1, out=count)
    block[...] = total / count if is_float else (2 * total + count) // (2 * count)
