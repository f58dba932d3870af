"""Painting tiles into a block: which pixel is kept where they overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.models import OverlapMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

#: Where a piece goes in the block (rows, columns), and a function that fetches its pixels.
Piece = tuple[tuple[slice, slice], "Callable[[], NDArray[Any]]"]

# What a mode takes beside the block, bytes per pixel of a plane: masks, sums, counts.
_SCRATCH = {OverlapMode.LAST: 0, OverlapMode.FIRST: 0, OverlapMode.MAXIMUM: 2, OverlapMode.MEAN: 16}
# Rows of sums that are divided at a time.
_BAND_PIXELS = 2**16


def scratch_bytes(mode: OverlapMode, pixels: int) -> int:
    """How much memory painting a plane takes, beside the plane itself and the tiles.

    Args:
        mode: what is kept where tiles overlap.
        pixels: of the plane.
    """
    return _SCRATCH[mode] * pixels


def paint(block: NDArray[Any], pieces: Sequence[Piece], mode: OverlapMode) -> None:
    """Paint pieces of tiles, in tile order, into a block of zeros (axes y, x).

    ``Last`` and ``First`` keep the pixel of the last or first tile, ``Maximum`` the largest, ``Mean`` the
    mean with halves rounded upwards.
    """
    if len(pieces) == 1 or mode is OverlapMode.LAST:
        for place, fetch in pieces:
            block[place] = fetch()
    elif mode is OverlapMode.FIRST:
        for place, fetch in reversed(pieces):
            block[place] = fetch()
    elif mode is OverlapMode.MAXIMUM:
        _paint_maximum(block, pieces)
    elif block.dtype.kind in "iu" and block.dtype.itemsize == 8:
        _paint_mean_of_long_integers(block, pieces)
    else:
        _paint_mean(block, pieces)


def _paint_maximum(block: NDArray[Any], pieces: Sequence[Piece]) -> None:
    covered = np.zeros(block.shape, bool)
    for place, fetch in pieces:
        pixels, target, seen = fetch(), block[place], covered[place]
        np.maximum(target, pixels, out=target, where=seen)
        np.copyto(target, pixels, where=~seen)
        seen[...] = True


def _paint_mean(block: NDArray[Any], pieces: Sequence[Piece]) -> None:
    is_float = block.dtype.kind == "f"
    count = _coverage(block, pieces)
    total: NDArray[Any] = np.zeros(block.shape, np.float64 if is_float else np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        for place, fetch in pieces:
            total[place] += fetch()
    for rows in _bands(block):
        if is_float:
            block[rows] = total[rows] / count[rows]
        else:
            block[rows] = (2 * total[rows] + count[rows]) // (2 * count[rows])


def _paint_mean_of_long_integers(block: NDArray[Any], pieces: Sequence[Piece]) -> None:
    """Quotients and remainders apart, since the sum itself may not fit."""
    count = _coverage(block, pieces)
    rest = np.zeros_like(block)
    for place, fetch in pieces:
        pixels, divisor = fetch(), count[place].astype(block.dtype)
        block[place] += pixels // divisor
        rest[place] += pixels % divisor
    for rows in _bands(block):
        divisor = count[rows].astype(block.dtype)
        block[rows] += (2 * rest[rows] + divisor) // (2 * divisor)


def _coverage(block: NDArray[Any], pieces: Sequence[Piece]) -> NDArray[np.int32]:
    """How many pieces cover each pixel, 1 where none does."""
    count = np.zeros(block.shape, np.int32)
    for place, _ in pieces:
        count[place] += 1
    return np.maximum(count, 1, out=count)


def _bands(block: NDArray[Any]) -> Iterator[slice]:
    """Rows of a block, a few at a time, so that nothing temporary is as large as the block."""
    rows = max(1, _BAND_PIXELS // max(1, block.shape[1]))
    return (slice(start, start + rows) for start in range(0, block.shape[0], rows))
