"""Comparing what is on disk with what should be there: level by level, unit by unit, down to the chunk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.tiled_image import axis_order
from tiles2zarr.writer.arrays import UnreadableError, open_level
from tiles2zarr.writer.grid import relative
from tiles2zarr.writer.stored_level import StoredLevel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.models import Axis
    from tiles2zarr.writer.grid import Extent, Grid, UnitIndex

#: The tile that a pixel comes from: level, t, c, z, y, x → its description; None where no tile lies.
TileAt = Callable[[int, int, int, int, int, int], str | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """A chunk on disk that is not what it should be.

    Attributes:
        level: of the pyramid, 0 is the largest.
        chunk: the chunk's (or shard's) file below the level, such as ``0/0/1/2``; None: the whole level.
        tile: the tile that the first wrong pixel comes from; None where no tile lies, or none is known.
        kind: ``different-pixels``, ``missing-chunk``, ``unreadable-chunk``, ``unexpected-chunk`` (pixels where
            no tile lies), ``altered-chunk`` (the same pixels in other bytes), ``different-array`` (another
            shape, type, chunks or codec), ``unreadable-array``, ``different-digest`` (level 0 is not what was
            written).
    """

    level: int
    chunk: str | None
    tile: str | None
    kind: str


def in_order(differences: Sequence[Difference]) -> list[Difference]:
    """Differences by level and chunk; those of a whole level first."""
    return sorted(differences, key=lambda found: (found.level, found.chunk or "", found.kind))


class LevelComparison:
    """Takes the units of all levels as they should be, and notes every chunk on disk that is different."""

    def __init__(
        self, folder: Path, grid: Grid, axes: Sequence[Axis], data_type: str, tile_at: TileAt
    ) -> None:
        """Compare with the levels of an image.

        Args:
            folder: the image's folder.
            grid: how its levels should be cut.
            axes: the axes that its arrays should have.
            data_type: numpy's name of the pixel type that they should have.
            tile_at: the tile that a pixel comes from.
        """
        self._grid = grid
        self._axes = axes
        self._tile_at = tile_at
        self._lock = threading.Lock()
        self._differences: list[Difference] = []
        self._levels: dict[int, StoredLevel] = {}
        self._differing: set[tuple[int, UnitIndex]] = set()
        for level in range(grid.levels):
            self._open(folder, level, np.dtype(data_type))

    def put(self, level: int, unit: UnitIndex, extent: Extent, block: NDArray[Any]) -> None:
        """Compare the pixels of a unit (axes z, y, x)."""
        stored = self._levels.get(level)
        if stored is None:
            return
        try:
            is_same = not _differs(stored.read(unit, extent), block)
        except UnreadableError:
            is_same = False
        if not is_same:
            for key, part in stored.within(unit, extent):
                self._compare_file(level, stored, unit, key, part, block[relative(part, extent)])

    def stored(self, level: int) -> StoredLevel | None:
        """A level on disk; None where it is not the array that it should be."""
        return self._levels.get(level)

    def differs(self, level: int, unit: UnitIndex) -> bool:
        """Whether pixels of a unit that was put are others on disk."""
        return (level, unit) in self._differing

    def give_up(self, level: int) -> None:
        """Note that a level on disk is another array, and compare it no further."""
        del self._levels[level]
        self._note(Difference(level, None, None, "different-array"))

    def note(self, level: int, unit: UnitIndex, key: str, pixel: tuple[int, int, int], kind: str) -> None:
        """Note a chunk or shard, with the tile of one of its pixels (z, y, x)."""
        with self._lock:
            self._differing.add((level, unit))
        self._note(Difference(level, key, self._tile_at(level, unit.t, unit.c, *pixel), kind))

    def finish(self, covers: Callable[[int, UnitIndex], bool]) -> list[Difference]:
        """Every difference, by level and chunk; to be called once all units were put.

        Args:
            covers: whether a unit of a level was among them.
        """
        for level, stored in self._levels.items():
            for key in stored.keys():
                chunk, extent = stored.place(key)
                if not covers(level, self._grid.unit_at(chunk.t, chunk.c, extent)):
                    self._look_for_pixels(level, stored, key, chunk, extent)
        return self.differences

    @property
    def differences(self) -> list[Difference]:
        """What was noted so far, by level and chunk."""
        with self._lock:
            return in_order(self._differences)

    def _open(self, folder: Path, level: int, dtype: np.dtype[Any]) -> None:
        try:
            array = open_level(folder, level)
        except UnreadableError:
            self._note(Difference(level, None, None, "unreadable-array"))
            return
        order, grid = axis_order(self._axes), self._grid
        of_shard = grid.shard_at(level)
        shape, chunk, shard = (
            tuple(lengths[axis] for axis in order) if lengths is not None else None
            for lengths in (
                grid.shapes[level],
                (1, 1, *grid.chunk_at(level)),
                (1, 1, *of_shard) if of_shard is not None else None,
            )
        )
        found = (array.shape, array.chunks, array.shards, array.dtype, array.fill_value)
        if found != (shape, chunk, shard, dtype, 0):
            self._note(Difference(level, None, None, "different-array"))
        else:
            self._levels[level] = StoredLevel(folder / str(level), array, self._axes)

    def _compare_file(
        self, level: int, stored: StoredLevel, unit: UnitIndex, key: str, extent: Extent, block: NDArray[Any]
    ) -> None:
        """Compare the pixels of one chunk or shard."""
        try:
            found = stored.read(unit, extent)
        except UnreadableError:
            self.note(level, unit, key, first_pixel(block != 0, extent), "unreadable-chunk")
            return
        wrong = _different(found, block)
        if wrong.any():
            kind = "different-pixels" if stored.exists(key) else "missing-chunk"
            self.note(level, unit, key, first_pixel(wrong, extent), kind)

    def _look_for_pixels(
        self, level: int, stored: StoredLevel, key: str, chunk: UnitIndex, extent: Extent
    ) -> None:
        """Note a file where no tile lies, unless all its pixels are zero."""
        try:
            if stored.read(chunk, extent).any():
                self._note(Difference(level, key, None, "unexpected-chunk"))
        except UnreadableError:
            self._note(Difference(level, key, None, "unreadable-chunk"))

    def _note(self, difference: Difference) -> None:
        with self._lock:
            self._differences.append(difference)


def first_pixel(chosen: NDArray[np.bool_], extent: Extent) -> tuple[int, int, int]:
    """The first chosen pixel of an extent, or the very first where none is chosen: z, y, x of the level."""
    index = np.unravel_index(int(np.argmax(chosen)), chosen.shape)
    z, y, x = (span.start + int(offset) for span, offset in zip(extent, index, strict=True))
    return z, y, x


def _differs(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    """Whether any pixel is different; plane by plane, which takes less memory."""
    return any(bool(_different(*planes).any()) for planes in zip(found, expected, strict=True))


def _different(found: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.bool_]:
    """Which pixels are different; not-a-number equals itself."""
    different: NDArray[np.bool_] = found != expected
    if found.dtype.kind == "f":
        different &= ~(np.isnan(found) & np.isnan(expected))
    return different
