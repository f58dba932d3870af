"""Checking an image against itself, without its source.

Level 0 is held against the digest that was taken while it was written, every other level against the one below.
"""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.models import OverlapMode, RuntimeOptions
from tiles2zarr.writer.arrays import open_level, read_block
from tiles2zarr.writer.chunk_files import ChunkFiles, in_full
from tiles2zarr.writer.comparison import UNREADABLE, Difference, LevelComparison
from tiles2zarr.writer.digest import Level0Digest
from tiles2zarr.writer.file_comparison import FileComparison
from tiles2zarr.writer.grid import Block, UnitIndex, grid_of, in_z_order
from tiles2zarr.writer.memory import Decoded, plan_memory
from tiles2zarr.writer.pyramid import Pyramid

if TYPE_CHECKING:
    from collections.abc import Sequence

    import zarr
    from numpy.typing import NDArray

    from tiles2zarr.models import Axis, OmeZarrOptions
    from tiles2zarr.writer.grid import Extent, Grid


def check_image(
    folder: Path, axes: Sequence[Axis], levels: int, digest: str, options: OmeZarrOptions
) -> list[Difference]:
    """Compare an image on disk with itself.

    Args:
        folder: the image's folder.
        axes: the axes of its arrays.
        levels: how many it has.
        digest: of level 0, as the completion record has it.
        options: how it was written, as the completion record has it.

    Returns:
        every difference; a chunk of a level above 0 is named when it does not follow from the level below.
    """
    try:
        array = open_level(folder, 0)
    except UNREADABLE:
        return [Difference(0, None, None, "unreadable-array")]
    grid = _grid(array, axes, levels)
    runtime = RuntimeOptions(verify=True)
    memory = plan_memory(
        str(folder), grid, array.dtype.itemsize, Decoded(0, used_again=False), OverlapMode.LAST, runtime
    )
    stored = _StoredLevel(array, axes, grid, ChunkFiles(folder / "0", array, axes))
    pixels = LevelComparison(folder, grid, axes, array.dtype.name, _no_tile)
    with TemporaryDirectory(prefix="tiles2zarr-") as scratch:
        files = FileComparison(folder, Path(scratch), grid, axes, array.dtype.name, options, pixels, _no_tile)
        sink = _Trusting(files, pixels, stored)
        Pyramid(grid, stored.units(), stored.fill, sink).build(memory.threads, lambda _: None)
        differences = [*stored.unreadable, *files.finish()]
    if not stored.unreadable and stored.digest.value() != digest:
        differences.insert(0, Difference(0, None, None, "different-digest"))
    return differences


class _StoredLevel:
    """Level 0 as it is on disk."""

    def __init__(self, array: zarr.Array[Any], axes: Sequence[Axis], grid: Grid, files: ChunkFiles) -> None:
        self._array = array
        self._axes = axes
        self._grid = grid
        self._files = files
        self._lock = threading.Lock()
        self.digest = Level0Digest(grid.chunk)
        self.unreadable: list[Difference] = []
        self.damaged: list[UnitIndex] = []

    def units(self) -> list[UnitIndex]:
        """The units that anything is stored of."""
        found = set()
        for key in self._files.stored():
            chunk, extent = self._files.place(key)
            place = (part.start // step for part, step in zip(extent, self._grid.unit, strict=True))
            found.add(UnitIndex(chunk.t, chunk.c, *place))
        return in_z_order(found)

    def fill(self, unit: UnitIndex) -> NDArray[Any]:
        """The pixels of a unit; zeros where they cannot be read."""
        extent = self._grid.extent(0, unit)
        try:
            block = read_block(self._array, self._axes, unit, extent)
        except UNREADABLE:
            self._note(unit, extent)
            return np.zeros([part.stop - part.start for part in extent], self._array.dtype)
        self.digest.add(unit, extent, block)
        return block

    def _note(self, unit: UnitIndex, extent: Extent) -> None:
        for key, part in self._files.within(unit, extent):
            try:
                read_block(self._array, self._axes, unit, part)
            except UNREADABLE:
                with self._lock:
                    self.unreadable.append(Difference(0, key, None, "unreadable-chunk"))
                    self.damaged.append(unit)


class _Trusting:
    """Compares what level 0 says, except where level 0 itself cannot be read."""

    def __init__(self, files: FileComparison, pixels: LevelComparison, stored: _StoredLevel) -> None:
        self._files = files
        self._pixels = pixels
        self._stored = stored

    def put(self, level: int, unit: UnitIndex, extent: Extent, block: NDArray[Any]) -> None:
        """Compare a unit that follows from readable ones."""
        if any(_ancestor(damaged, level) == unit for damaged in self._stored.damaged):
            self._pixels.leave_out(level, unit, extent)
        else:
            self._files.put(level, unit, extent, block)


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
