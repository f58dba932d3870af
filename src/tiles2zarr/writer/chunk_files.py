"""The files that the chunks (or shards) of an array are stored in: their keys and indices."""

from __future__ import annotations

import os
from itertools import product
from typing import TYPE_CHECKING, Any

from tiles2zarr.core.tiled_image import axis_order
from tiles2zarr.models import TileShape
from tiles2zarr.writer.grid import Block, UnitIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import zarr

    from tiles2zarr.models import Axis
    from tiles2zarr.writer.digest import ChunkIndex
    from tiles2zarr.writer.grid import Extent


class ChunkFiles:
    """The files of one level.

    A file holds one chunk, or one shard where there are shards.
    """

    def __init__(self, folder: Path, array: zarr.Array[Any], axes: Sequence[Axis]) -> None:
        """Look at the files of an array in a folder, whose axes are of t, c, z, y, x."""
        self._folder = folder
        self._array = array
        self._order = axis_order(axes)
        self._shape = in_full(array.shape, axes)
        self._cell = Block(*in_full(array.shards or array.chunks, axes)[2:])

    def within(self, unit: UnitIndex, extent: Extent) -> Iterator[tuple[str, Extent]]:
        """The keys of the files that hold pixels of a unit, each with the pixels that it holds of them."""
        parts = [
            [slice(start, min(start + step, part.stop)) for start in range(part.start, part.stop, step)]
            for part, step in zip(extent, self._cell, strict=True)
        ]
        for z, y, x in product(*parts):
            index = (z.start // self._cell.z, y.start // self._cell.y, x.start // self._cell.x)
            yield self._key((unit.t, unit.c, *index)), (z, y, x)

    def exists(self, key: str) -> bool:
        """Whether there is a file of this key."""
        return (self._folder / key).is_file()

    def stored(self) -> set[str]:
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
        """Timepoint and channel, and the pixels, of a key that `stored` gave."""
        index = self._index(key)
        if index is None:
            msg = f"no chunk of this array: {key}"
            raise ValueError(msg)
        z, y, x = (
            slice(number * step, min((number + 1) * step, length))
            for number, step, length in zip(index[2:], self._cell, self._shape[2:], strict=True)
        )
        return UnitIndex(*index), (z, y, x)

    def _key(self, index: ChunkIndex) -> str:
        return str(self._array.metadata.encode_chunk_key(tuple(index[axis] for axis in self._order)))

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
