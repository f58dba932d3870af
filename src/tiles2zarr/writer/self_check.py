"""Checking an image against itself, without its source.

Level 0 is held against the digest that was taken while it was written, every other level against the one below.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tiles2zarr.models import OverlapMode
from tiles2zarr.writer.arrays import UnreadableError, open_level
from tiles2zarr.writer.chunk_files import codec_bytes, encoder
from tiles2zarr.writer.comparison import Difference, LevelComparison
from tiles2zarr.writer.digest import Level0Digest
from tiles2zarr.writer.file_comparison import FileComparison
from tiles2zarr.writer.grid import Block, grid_of, in_z_order
from tiles2zarr.writer.memory import Decoded, plan_memory
from tiles2zarr.writer.pyramid import Pyramid
from tiles2zarr.writer.stored_level import StoredLevel, in_full

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from tiles2zarr.models import Axis, OmeZarrOptions, RuntimeOptions
    from tiles2zarr.writer.grid import Extent, Grid, UnitIndex


def check_image(
    folder: Path,
    axes: Sequence[Axis],
    levels: int,
    record: Mapping[str, Any],
    options: OmeZarrOptions,
    runtime: RuntimeOptions,
) -> list[Difference]:
    """Compare an image on disk with itself.

    Args:
        folder: the image's folder.
        axes: the axes of its arrays.
        levels: how many it has.
        record: its completion record.
        options: how it was written.
        runtime: memory and threads.

    Returns:
        every difference; a chunk of a level above 0 is named when it does not follow from the level below, and
        nothing is said of what would follow from it.

    Raises:
        OptionsError: not even one unit fits the memory limit.
    """
    try:
        array = open_level(folder, 0)
    except UnreadableError:
        return [Difference(0, None, None, "unreadable-array")]
    grid, data_type = _grid(array, axes, levels), array.dtype.name
    decoded, codec = Decoded(0, used_again=False), codec_bytes(options)
    memory = plan_memory(str(folder), grid, array.dtype.itemsize, decoded, codec, OverlapMode.LAST, runtime)
    level0 = _Level0(StoredLevel(folder / "0", array, axes), grid)
    comparison: LevelComparison | FileComparison = (
        FileComparison(folder, grid, axes, data_type, options, _no_tile)
        if record["encoder"] == encoder(options.compression)
        else LevelComparison(folder, grid, axes, data_type, _no_tile)
    )
    pyramid = Pyramid(grid, level0.units(), level0.fill, data_type, _LowestDamage(comparison, level0))
    pyramid.build(memory.threads, lambda _: None)
    differences = [*level0.unreadable, *comparison.finish(pyramid.covers)]
    if not level0.unreadable and level0.digest.value() != record["level0"]:
        differences.insert(0, Difference(0, None, None, "different-digest"))
    return differences


class _Level0:
    """Level 0 as it is on disk.

    Attributes:
        digest: of what was read so far.
        unreadable: chunks that cannot be read.
        damaged: units of any level, with their level, that differ or cannot be read.
    """

    def __init__(self, stored: StoredLevel, grid: Grid) -> None:
        self._stored = stored
        self._grid = grid
        self._lock = threading.Lock()
        self.digest = Level0Digest(grid.shapes[0], grid.chunk)
        self.unreadable: list[Difference] = []
        self.damaged: list[tuple[int, UnitIndex]] = []

    def units(self) -> list[UnitIndex]:
        """The units that anything is stored of."""
        places = map(self._stored.place, self._stored.keys())
        return in_z_order({self._grid.unit_at(chunk.t, chunk.c, extent) for chunk, extent in places})

    def fill(self, unit: UnitIndex, block: NDArray[Any]) -> None:
        """Write the pixels of a unit into a block; zeros where they cannot be read."""
        extent = self._grid.extent(0, unit)
        try:
            block[...] = self._stored.read(unit, extent)
        except UnreadableError:
            self._note(unit, extent)
            block[...] = 0
        else:
            self.digest.add(unit, extent, block)

    def is_above_damage(self, level: int, unit: UnitIndex) -> bool:
        """Whether a unit is damaged itself, or follows from one that is."""
        return any(
            below <= level and _ancestor(damaged, level - below) == unit for below, damaged in self.damaged
        )

    def _note(self, unit: UnitIndex, extent: Extent) -> None:
        self.damaged.append((0, unit))
        for key, part in self._stored.within(unit, extent):
            try:
                self._stored.read(unit, part)
            except UnreadableError:
                with self._lock:
                    self.unreadable.append(Difference(0, key, None, "unreadable-chunk"))


class _LowestDamage:
    """Compares units, but none above a unit that differs or cannot be read: it would only follow from damage."""

    def __init__(self, comparison: LevelComparison | FileComparison, level0: _Level0) -> None:
        self._comparison = comparison
        self._level0 = level0

    def put(self, level: int, unit: UnitIndex, extent: Extent, block: NDArray[Any]) -> None:
        """Compare a unit."""
        if not self._level0.is_above_damage(level, unit):
            self._comparison.put(level, unit, extent, block)
            if self._comparison.differs(level, unit):
                self._level0.damaged.append((level, unit))


def _no_tile(level: int, t: int, c: int, z: int, y: int, x: int) -> None:
    """Nothing is known of tiles."""


def _ancestor(unit: UnitIndex, level: int) -> UnitIndex:
    for _ in range(level):
        unit = unit.parent()
    return unit


def _grid(array: zarr.Array[Any], axes: Sequence[Axis], levels: int) -> Grid:
    chunk = Block(*in_full(array.chunks, axes)[2:])
    shard = Block(*in_full(array.shards, axes)[2:]) if array.shards is not None else None
    return grid_of(in_full(array.shape, axes), chunk, shard, levels, array.dtype.itemsize)
