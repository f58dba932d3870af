"""The one-pass writer: every plane is decoded once, every chunk of every level is encoded and written once.

Units of level 0 are taken in Z-order by a few threads. A thread fills a unit, writes it, and halves it into
its quadrant of the unit above. Whoever completes a unit's last quadrant writes that unit and goes on upwards.
So only the units along one path to the top are open for each thread, and memory does not grow with the image.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.writer.arrays import write_block
from tiles2zarr.writer.halving import halve
from tiles2zarr.writer.overlap import paint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import zarr
    from numpy.typing import NDArray

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.models import Axis, OverlapMode
    from tiles2zarr.writer.digest import Level0Digest
    from tiles2zarr.writer.grid import Grid, UnitIndex
    from tiles2zarr.writer.overlap import Piece
    from tiles2zarr.writer.planes import Coverage, PlaneReader


@dataclass(slots=True)
class _OpenUnit:
    """A unit above level 0 whose quadrants are not all there yet."""

    block: NDArray[Any]
    missing: int


class PyramidWriter:
    """Writes all levels of one image."""

    def __init__(
        self,
        placed: PlacedImage,
        grid: Grid,
        coverage: Coverage,
        reader: PlaneReader,
        arrays: Sequence[zarr.Array[Any]],
        axes: Sequence[Axis],
        overlap: OverlapMode,
        digest: Level0Digest,
    ) -> None:
        """Prepare to write.

        Args:
            placed: tiles at pixel offsets.
            grid: levels and units.
            coverage: which unit needs which planes.
            reader: decodes them.
            arrays: one for each level.
            axes: the axes of the arrays.
            overlap: which pixel is kept where tiles overlap.
            digest: takes note of every chunk of level 0.
        """
        self._placed = placed
        self._grid = grid
        self._coverage = coverage
        self._reader = reader
        self._arrays = arrays
        self._axes = axes
        self._overlap = overlap
        self._digest = digest
        self._quadrants = _quadrants(coverage.units, grid.levels)
        self._open: dict[tuple[int, UnitIndex], _OpenUnit] = {}
        self._lock = threading.Lock()

    def write(self, threads: int, progress: Callable[[int], None]) -> None:
        """Write everything.

        Args:
            threads: how many units are in work at a time.
            progress: called with the number of pixels of level 0 written since the last call, by any thread.
        """

        def write_one(unit: UnitIndex) -> None:
            progress(self._write_unit(unit))

        if threads == 1:
            for unit in self._coverage.units:
                write_one(unit)
        else:
            _in_threads(write_one, iter(self._coverage.units), threads)

    def _write_unit(self, unit: UnitIndex) -> int:
        block = self._fill(unit)
        extent = self._grid.extent(0, unit)
        self._digest.add(unit, extent, block)
        write_block(self._arrays[0], self._axes, unit, extent, block)
        pixels = block.size
        for level in range(1, self._grid.levels):
            unit, complete = self._halve_into_parent(level, unit, block)
            if complete is None:
                break
            block = complete
            if block.size:
                write_block(self._arrays[level], self._axes, unit, self._grid.extent(level, unit), block)
        return pixels

    def _fill(self, unit: UnitIndex) -> NDArray[Any]:
        """The pixels of a unit of level 0, axes z, y, x."""
        z, y, x = self._grid.extent(0, unit)
        block = np.zeros((z.stop - z.start, y.stop - y.start, x.stop - x.start), self._arrays[0].dtype)
        planes = self._coverage.planes_of[unit]
        depths = self._coverage.planes.z[planes]
        for depth in range(z.start, z.stop):
            pieces = [self._piece(int(plane), y, x) for plane in planes[depths == depth]]
            paint(block[depth - z.start], pieces, self._overlap)
        return block

    def _piece(self, plane: int, y: slice, x: slice) -> Piece:
        """The part of a plane that lies within the given rows and columns."""
        tile = self._coverage.planes.tile[plane]
        top, left = int(self._placed.y[tile]), int(self._placed.x[tile])
        shape = self._reader.shape(int(tile))
        rows = slice(max(y.start, top), min(y.stop, top + shape.y))
        columns = slice(max(x.start, left), min(x.stop, left + shape.x))
        target = (
            slice(rows.start - y.start, rows.stop - y.start),
            slice(columns.start - x.start, columns.stop - x.start),
        )

        def fetch() -> NDArray[Any]:
            return self._reader.read(plane)[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]

        return target, fetch

    def _halve_into_parent(
        self, level: int, unit: UnitIndex, block: NDArray[Any]
    ) -> tuple[UnitIndex, NDArray[Any] | None]:
        """Fill the unit's quadrant of its parent; the parent's pixels when it was the last one."""
        parent = unit.parent()
        key = (level, parent)
        with self._lock:
            if key not in self._open:
                z, y, x = (part.stop - part.start for part in self._grid.extent(level, parent))
                self._open[key] = _OpenUnit(np.zeros((z, y, x), block.dtype), self._quadrants[level][parent])
            waiting = self._open[key]
        top, left = unit.i % 2 * self._grid.unit.y // 2, unit.j % 2 * self._grid.unit.x // 2
        height, width = block.shape[1] // 2, block.shape[2] // 2
        halve(block, waiting.block[:, top : top + height, left : left + width])
        with self._lock:
            waiting.missing -= 1
            if waiting.missing:
                return parent, None
            del self._open[key]
        return parent, waiting.block


def _quadrants(units: Sequence[UnitIndex], levels: int) -> list[Counter[UnitIndex]]:
    """For each level how many units of the level below are halved into each unit; nothing for level 0."""
    counts: list[Counter[UnitIndex]] = [Counter()]
    below: Sequence[UnitIndex] = units
    for _ in range(1, levels):
        counts.append(Counter(unit.parent() for unit in below))
        below = list(counts[-1])
    return counts


def _in_threads(work: Callable[[UnitIndex], None], units: Iterator[UnitIndex], threads: int) -> None:
    """Work on units in their order, at most `threads` at a time; the first failure ends it."""
    lock = threading.Lock()
    stopped = threading.Event()

    def take_units() -> None:
        while not stopped.is_set():
            with lock:
                unit = next(units, None)
            if unit is None:
                return
            work(unit)

    with ThreadPoolExecutor(threads, thread_name_prefix="unit") as pool:
        futures = {pool.submit(take_units) for _ in range(threads)}
        try:
            while futures:
                done, futures = wait(futures, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        finally:
            # Also when Ctrl-C or SIGTERM interrupts the wait: the threads end after the unit in work.
            stopped.set()
