"""A level on disk: its pixels, and the files of its chunks (or shards) with their keys and indices."""

from __future__ import annotations

import math
import os
import stat
from typing import TYPE_CHECKING, Any

from tiles2zarr.core.tiled_image import axis_order
from tiles2zarr.models import TileShape
from tiles2zarr.writer.arrays import UnreadableError, read_block
from tiles2zarr.writer.grid import Block, UnitIndex, cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from tiles2zarr.models import Axis
    from tiles2zarr.writer.digest import ChunkIndex
    from tiles2zarr.writer.grid import Extent

_SURPLUS = 2**20


class StoredLevel:
    """One level of an image on disk. A file of it holds one chunk, or one shard where there are shards."""

    def __init__(self, folder: Path, array: zarr.Array[Any], axes: Sequence[Axis]) -> None:
        """Look at an array in a folder, whose axes are of t, c, z, y, x."""
        self.array = array
        self._folder = folder
        self._axes = axes
        self._order = axis_order(axes)
        self._shape = in_full(array.shape, axes)
        self._cell = Block(*in_full(array.shards or array.chunks, axes)[2:])
        # No codec makes more of what it cannot compress, and an index of a few bytes for each chunk of a shard.
        self._most_bytes = 2 * math.prod(self._cell) * array.dtype.itemsize + _SURPLUS

    def read(self, unit: UnitIndex, extent: Extent) -> NDArray[Any]:
        """The pixels (axes z, y, x) of one timepoint and channel; zeros where nothing is stored.

        Raises:
            UnreadableError: a file cannot be read or decoded, is far too large, or no plain file: a pipe would never
                end, and what somebody appended might not fit the memory.
        """
        for key, _ in self.within(unit, extent):
            self._refuse_odd(self._folder / key)
        return read_block(self.array, self._axes, unit, extent)

    def within(self, unit: UnitIndex, extent: Extent) -> Iterator[tuple[str, Extent]]:
        """The keys of the files that hold pixels of a unit, each with the pixels that it holds of them."""
        for z, y, x in cells(extent, self._cell):
            index = (z.start // self._cell.z, y.start // self._cell.y, x.start // self._cell.x)
            yield self._key((unit.t, unit.c, *index)), (z, y, x)

    def exists(self, key: str) -> bool:
        """Whether there is a file of this key."""
        return (self._folder / key).is_file()

    def keys(self) -> set[str]:
        """The keys of all files that readers of the array may look at."""
        found = set()
        for folder, _, names in os.walk(self._folder):
            relative = os.path.relpath(folder, self._folder).replace(os.sep, "/")
            for name in names:
                key = f"{relative}/{name}" if relative != "." else name
                if self._index(key) is not None:
                    found.add(key)
        return found

    def place(self, key: str) -> tuple[UnitIndex, Extent]:
        """Timepoint and channel, and the pixels, of a key that `keys` gave."""
        index = self._index(key)
        if index is None:
            msg = f"no chunk of this array: {key}"
            raise ValueError(msg)
        z, y, x = (
            slice(number * step, min((number + 1) * step, length))
            for number, step, length in zip(index[2:], self._cell, self._shape[2:], strict=True)
        )
        return UnitIndex(*index), (z, y, x)

    def _refuse_odd(self, file: Path) -> None:
        try:
            facts = file.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            raise UnreadableError(str(error)) from error
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > self._most_bytes:
            msg = f"{file}: expected a file of at most {self._most_bytes} bytes, found something else"
            raise UnreadableError(msg)

    def _key(self, index: ChunkIndex) -> str:
        return str(self.array.metadata.encode_chunk_key(tuple(index[axis] for axis in self._order)))

    def _index(self, key: str) -> ChunkIndex | None:
        """The index of a key; None for the name of any other file, and for chunks beyond the array."""
        numbers = [int(part) for part in key.split("/") if part.isdecimal()]
        if len(numbers) != len(self._order):
            return None
        index = dict(zip(self._order, numbers, strict=True))
        t, c, z, y, x = (index.get(axis, 0) for axis in range(5))
        inside = t < self._shape[0] and c < self._shape[1]
        inside &= all(
            number * step < length
            for number, step, length in zip((z, y, x), self._cell, self._shape[2:], strict=True)
        )
        return (t, c, z, y, x) if inside and self._key((t, c, z, y, x)) == key else None


def in_full(lengths: Sequence[int], axes: Sequence[Axis]) -> TileShape:
    """Lengths along t, c, z, y and x, of an array that may lack some of these axes."""
    known = dict(zip(axis_order(axes), lengths, strict=True))
    return TileShape(*(known.get(axis, 1) for axis in range(5)))
