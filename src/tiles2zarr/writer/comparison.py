"""Comparing what is on disk with what should be there: level by level, unit by unit, down to the chunk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.tiled_image import axis_order
from tiles2zarr.writer.arrays import open_level, read_block
from tiles2zarr.writer.chunk_files import ChunkFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from tiles2zarr.models import Axis
    from tiles2zarr.writer.grid import Extent, Grid, UnitIndex

#: The tile that a pixel comes from: level, t, c, z, y, x → its description; None where no tile lies.
TileAt = Callable[[int, int, int, int, int, int], str | None]

# What reading a damaged chunk or a damaged array document raises, whichever codec or library meets it.
UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError)


@dataclass(frozen=True, slots=True)
class _Level:
    """A level on disk."""

    array: zarr.Array[Any]
    files: ChunkFiles
    seen: set[str]


@dataclass(frozen=True, slots=True)
class Difference:
    """A chunk on disk that is not what it should be.

    Attributes:
        level: of the pyramid, 0 is the largest.
        chunk: the chunk's (or shard's) file below the level, such as ``0/0/1/2``; None: the whole level.
        tile: the tile that the first wrong pixel comes from; None where no tile lies, or none is known.
        kind: ``different-pixels``, ``missing-chunk``, ``unreadable-chunk``, ``unexpected-chunk`` (pixels where
            no tile lies), ``altered-chunk`` (the same pixels in other bytes), ``different-array`` (another
            shape, type or chunks), ``unreadable-array``, ``different-digest`` (level 0 is not what was written).
    """

    level: int
    chunk: str | None
    tile: str | None
    kind: str

    def __lt__(self, other: Difference) -> bool:
        """By level and chunk."""
        return (self.level, self.chunk or "", self.kind) < (other.level, other.chunk or "", other.kind)


class LevelComparison:
    """Takes the units of all levels as they should be, and notes every chunk on disk that is different."""

    def __init__(
        self,
        folder: Path,
        grid: Grid,
        axes: Sequence[Axis],
        data_type: str,
        tile_at: TileAt,
        levels: Iterable[int] | None = None,
    ) -> None:
        """Compare with the levels of an image.

        Args:
            folder: the image's folder.
            grid: how its levels should be cut.
            axes: the axes that its arrays should have.
            data_type: numpy's name of the pixel type that they should have.
            tile_at: the tile that a pixel comes from.
            levels: which of the levels; None: all. Units of others are ignored.
        """
        self._axes = axes
        self._tile_at = tile_at
        self._lock = threading.Lock()
        self._differences: list[Difference] = []
        self._levels: dict[int, _Level] = {}
        for level in range(grid.levels) if levels is None else levels:
            self._open(folder, level, grid, np.dtype(data_type))

    def put(self, level: int, unit: UnitIndex, extent: Extent, block: NDArray[Any]) -> None:
        """Compare the pixels of a unit (axes z, y, x)."""
        stored = self._levels.get(level)
        if stored is None:
            return
        parts = list(stored.files.within(unit, extent))
        with self._lock:
            stored.seen.update(key for key, _ in parts)
        try:
            is_same = not _differs(read_block(stored.array, self._axes, unit, extent), block)
        except UNREADABLE:
            is_same = False
        if not is_same:
            for key, part in parts:
                z, y, x = (
                    slice(piece.start - whole.start, piece.stop - whole.start)
                    for piece, whole in zip(part, extent, strict=True)
                )
                self._compare_file(level, stored, unit, key, part, block[z, y, x])

    def leave_out(self, level: int, unit: UnitIndex, extent: Extent) -> None:
        """Do not compare a unit."""
        stored = self._levels.get(level)
        if stored is not None:
            with self._lock:
                stored.seen.update(key for key, _ in stored.files.within(unit, extent))

    def finish(self) -> list[Difference]:
        """Every difference, by level and chunk; to be called once all units were put."""
        for level, stored in self._levels.items():
            for key in stored.files.stored() - stored.seen:
                self._look_for_pixels(level, stored, key)
        return sorted(self._differences)

    def _open(self, folder: Path, level: int, grid: Grid, dtype: np.dtype[Any]) -> None:
        try:
            array = open_level(folder, level)
        except UNREADABLE:
            self._note(level, None, None, "unreadable-array")
            return
        order = axis_order(self._axes)
        shape, chunk, shard = (
            tuple(lengths[axis] for axis in order) if lengths is not None else None
            for lengths in (
                grid.shapes[level],
                (1, 1, *grid.chunk),
                (1, 1, *grid.shard) if grid.shard is not None else None,
            )
        )
        if (array.shape, array.chunks, array.shards, array.dtype) != (shape, chunk, shard, dtype):
            self._note(level, None, None, "different-array")
        else:
            files = ChunkFiles(folder / str(level), array, self._axes)
            self._levels[level] = _Level(array, files, set())

    def _compare_file(
        self, level: int, stored: _Level, unit: UnitIndex, key: str, extent: Extent, block: NDArray[Any]
    ) -> None:
        """Compare the pixels of one chunk or shard."""
        try:
            found = read_block(stored.array, self._axes, unit, extent)
        except UNREADABLE:
            kind, wrong = "unreadable-chunk", block != 0
        else:
            if not _differs(found, block):
                return
            kind = "different-pixels" if stored.files.exists(key) else "missing-chunk"
            wrong = _different(found, block)
        z, y, x = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        place = (extent[0].start + int(z), extent[1].start + int(y), extent[2].start + int(x))
        self._note(level, key, self._tile_at(level, unit.t, unit.c, *place), kind)

    def _look_for_pixels(self, level: int, stored: _Level, key: str) -> None:
        """Note a file where no tile lies, unless all its pixels are zero."""
        unit, extent = stored.files.place(key)
        try:
            if read_block(stored.array, self._axes, unit, extent).any():
                self._note(level, key, None, "unexpected-chunk")
        except UNREADABLE:
            self._note(level, key, None, "unreadable-chunk")

    def _note(self, level: int, chunk: str | None, tile: str | None, kind: str) -> None:
        with self._lock:
            self._differences.append(Difference(level, chunk, tile, kind))


def _differs(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    """Whether any pixel is different; plane by plane, which takes less memory."""
    return any(bool(_different(*planes).any()) for planes in zip(found, expected, strict=True))


def _different(found: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.bool_]:
    """Which pixels are different; not-a-number equals itself."""
    different: NDArray[np.bool_] = found != expected
    if found.dtype.kind == "f":
        different &= ~(np.isnan(found) & np.isnan(expected))
    return different
