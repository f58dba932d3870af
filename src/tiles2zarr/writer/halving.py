"""One level from the one before: the rounded mean of 2 x 2 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The sum of four pixels must fit. 64-bit integers have no wider type and go another way.
_WIDER = {"u1": "u2", "u2": "u4", "u4": "u8", "i1": "i2", "i2": "i4", "i4": "i8"}
# Two neighbours of these types are read as one number of the wider type: the sum needs no strided access.
_PAIRED = {"u1": ("u2", 8), "u2": ("u4", 16), "u4": ("u8", 32)}
# Rows of pairs that stay in the second-level cache while they are added.
_BAND_BYTES = 256 * 1024


def halve(block: NDArray[Any], out: NDArray[Any]) -> None:
    """Write the mean of every 2 x 2 pixels of a block, halves rounded upwards.

    Args:
        block: axes z, y, x; a last odd row or column is left out.
        out: axes z, y, x, half as high and wide, of the same type.
    """
    height, width = out.shape[1:]
    if not out.size:
        return
    even = block[:, : 2 * height, : 2 * width]
    rows = max(1, _BAND_BYTES // (2 * width * block.itemsize))
    add = _halved_pairs if block.dtype.str[1:] in _PAIRED and even.strides[2] == even.itemsize else _halved
    for plane, target in zip(even, out, strict=True):
        for start in range(0, height, rows):
            target[start : start + rows] = add(plane[2 * start : 2 * (start + rows)])


def _halved_pairs(rows: NDArray[Any]) -> NDArray[Any]:
    """Unsigned integers, two neighbours at a time; the sum does not care which of the two is the low half."""
    wider, bits = _PAIRED[rows.dtype.str[1:]]
    pairs = rows.view(wider)
    upper, lower = pairs[0::2], pairs[1::2]
    mask = pairs.dtype.type((1 << bits) - 1)
    total: NDArray[Any] = upper & mask
    total += upper >> bits
    total += lower & mask
    total += lower >> bits
    total += pairs.dtype.type(2)
    total >>= 2
    return total


def _halved(rows: NDArray[Any]) -> NDArray[Any]:
    """Any type: four strided views, added."""
    corners = [rows[dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)]
    mean: NDArray[Any]
    if rows.dtype.kind == "f":
        # In double precision, so that single precision is rounded once and cannot overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            mean = _added([corner.astype(np.float64) for corner in corners]) / 4
    elif (wider := _WIDER.get(rows.dtype.str[1:])) is not None:
        mean = (_added([corner.astype(wider) for corner in corners]) + 2) >> 2
    else:  # 64-bit integers: quarters and remainders apart, since the sum itself may not fit
        rest = _added([corner & 3 for corner in corners])
        mean = _added([corner >> 2 for corner in corners]) + ((rest + 2) >> 2)
    return mean


def _added(corners: list[NDArray[Any]]) -> NDArray[Any]:
    total: NDArray[Any] = corners[0] + corners[1]
    total += corners[2]
    total += corners[3]
    return total
