"""NPY files: arrays whose last two axes are y and x; the axes before them count planes."""

from __future__ import annotations

import ast
import struct
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.models.image_files.opened import ImageFormat, sample_bands

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tiles2zarr.models.image_files.opened import ImageHeader, OpenImage


_LONGEST_HEADER = 10_000  # bytes, as numpy has it: beyond, parsing it may exhaust the stack


@dataclass(frozen=True, slots=True)
class _Stored:
    shape: tuple[int, ...]
    dtype: np.dtype[Any]  # in the byte order of the file
    offset: int  # bytes before the first value
    header: ImageHeader
    fortran: bool


def _stored(file: OpenImage) -> _Stored:
    version = file.bytes_at(6, 2)
    if version not in (b"\1\0", b"\2\0"):
        # Version 3 only exists for field names beyond Latin-1, and pixels have no fields.
        raise file.error(f"expected NPY version 1.0 or 2.0, found {version!r}: save an array of numbers")
    size = struct.calcsize("<H" if version[0] == 1 else "<I")
    length = int.from_bytes(file.bytes_at(8, size), "little")
    if length > _LONGEST_HEADER:
        raise file.error(
            f"expected an NPY header of at most {_LONGEST_HEADER} bytes, found {length}: it is damaged"
        )
    text = file.bytes_at(8 + size, length)
    offset = 8 + size + length
    with file.reading("the NPY header"):
        shape, fortran, dtype = _parse(text.decode("latin1"))
    if len(shape) < 2:
        raise file.error(f"expected an array of at least two axes (…, y, x), found shape {shape}")
    header = file.header(prod(shape[:-2]), shape[-2], shape[-1], 1, dtype)
    end = offset + prod(shape) * dtype.itemsize
    if end > file.size:
        raise file.truncated(end)
    if end < file.size:
        raise file.error(f"expected {end} bytes for shape {shape}, found {file.size}: more than one array?")
    return _Stored(shape, dtype, offset, header, fortran)


def _parse(text: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The three entries of a header.

    Not by numpy's own reader: that one warns, and mends headers of Python 2 by tokenising them.
    """
    entries = ast.literal_eval(text.strip())
    shape, fortran, described = entries["shape"], entries["fortran_order"], entries["descr"]
    if type(shape) is not tuple or not all(type(length) is int and length >= 0 for length in shape):
        msg = f"shape {shape!r}"
        raise ValueError(msg)
    if type(fortran) is not bool or not isinstance(described, str):
        msg = f"fortran_order {fortran!r}, descr {described!r}"
        raise ValueError(msg)
    return shape, fortran, np.dtype(described)


def _header(file: OpenImage) -> ImageHeader:
    return _stored(file).header


def _plane(file: OpenImage, index: int, target: NDArray[Any] | None) -> NDArray[Any]:
    del target  # no instrument writes such files
    stored = _stored(file)
    file.check_index(index, stored.header.planes)
    return _rows(file, stored, index, 0, stored.header.height)


def _sample(file: OpenImage, index: int) -> NDArray[Any]:
    stored = _stored(file)
    file.check_index(index, stored.header.planes)
    bands = sample_bands(stored.header.height, stored.header.width)
    return np.concatenate([_rows(file, stored, index, start, stop) for start, stop in bands]).ravel()


def _rows(file: OpenImage, stored: _Stored, index: int, start: int, stop: int) -> NDArray[Any]:
    """Rows of one plane (half-open)."""
    height, width = stored.header.height, stored.header.width
    if stored.fortran:
        with file.reading("the pixels"):
            mapped = np.memmap(file.handle, stored.dtype, "r", stored.offset, stored.shape, "F")
            place = np.unravel_index(index, stored.shape[:-2]) if len(stored.shape) > 2 else ()
            return np.array(mapped[place][start:stop], stored.dtype.newbyteorder("="), order="C", subok=False)
    offset = stored.offset + (index * height + start) * width * stored.dtype.itemsize
    return file.values_at(stored.dtype, offset, (stop - start) * width).reshape(-1, width)


FORMAT = ImageFormat(_header, _plane, _sample)
