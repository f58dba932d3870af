"""The one-pass pyramid: every unit of level 0 is filled once, and every level follows from the one below.

Units of level 0 are taken in Z-order by a few threads. A thread fills a unit, hands it to a sink, and halves it
into its quadrant of the unit above. Whoever completes a unit's last quadrant hands on that unit and goes on
upwards. So only the units along one path to the top are open for each thread, and memory does not grow with the
image. The sink writes the units, or compares them with what is on disk.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tiles2zarr.writer.blocks import Blocks
from tiles2zarr.writer.halving import halve
from tiles2zarr.writer.memory import give_back_large_arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import DTypeLike, NDArray

    from tiles2zarr.writer.grid import Extent, Grid, UnitIndex


_ALL_QUADRANTS = 4


class LevelSink(Protocol):
    """Takes the units of all levels, in any order and from any thread; each exactly once."""

    def put(self, level: int, unit: UnitIndex, extent: Extent, block: NDArray[Any]) -> None:
        """Take the pixels of a unit (axes z, y, x), which lie at `extent` of the level."""


@dataclass(slots=True)
class _OpenUnit:
    """A unit above level 0 whose quadrants are not all there yet."""

    block: NDArray[Any]
    missing: int


class Pyramid:
    """All levels of one image, unit by unit."""

    def __init__(
        self,
        grid: Grid,
        units: Sequence[UnitIndex],
        fill: Callable[[UnitIndex, NDArray[Any]], None],
        dtype: DTypeLike,
        sink: LevelSink,
    ) -> None:
        """Prepare to build.

        Args:
            grid: levels and units.
            units: the units of level 0 that may hold any pixel, in the order of work.
            fill: writes the pixels of a unit of level 0 into a block (axes z, y, x) that may hold anything; called once
                for each unit, from any thread.
            dtype: the pixel type.
            sink: takes the units of all levels.
        """
        self._grid = grid
        self._units = units
        self._fill = fill
        self._sink = sink
        self._level0 = frozenset(units)
        self._quadrants = _quadrants(units, grid.levels)
        self._blocks = Blocks(math.prod(grid.unit), dtype)
        self._open: dict[tuple[int, UnitIndex], _OpenUnit] = {}
        self._lock = threading.Lock()

    def build(self, threads: int, progress: Callable[[int], None]) -> None:
        """Build everything.

        Args:
            threads: how many units are in work at a time.
            progress: called with the number of pixels of level 0 done since the last call, by any thread.
        """

        def build_one(unit: UnitIndex) -> None:
            progress(self._build_from(unit))

        give_back_large_arrays()  # of whoever fills units and takes them
        _in_threads(build_one, iter(self._units), threads)

    def covers(self, level: int, unit: UnitIndex) -> bool:
        """Whether a unit of a level is among those that are built."""
        return unit in (self._quadrants[level] if level else self._level0)

    def _build_from(self, unit: UnitIndex) -> int:
        """Hand on a unit of level 0, and those above it that it completes; its number of pixels."""
        block = self._block(0, unit)
        self._fill(unit, block)
        pixels = block.size
        for level in range(self._grid.levels):
            if block.size:
                self._sink.put(level, unit, self._grid.extent(level, unit), block)
            complete = None
            if level + 1 < self._grid.levels:
                unit, complete = self._halve_into_parent(level + 1, unit, block)
            self._blocks.give_back(block)
            if complete is None:
                break
            block = complete
        return pixels

    def _block(self, level: int, unit: UnitIndex) -> NDArray[Any]:
        z, y, x = (part.stop - part.start for part in self._grid.extent(level, unit))
        return self._blocks.take((z, y, x))

    def _halve_into_parent(
        self, level: int, unit: UnitIndex, block: NDArray[Any]
    ) -> tuple[UnitIndex, NDArray[Any] | None]:
        """Fill the unit's quadrant of its parent; the parent's pixels when it was the last one."""
        parent = unit.parent()
        key = (level, parent)
        with self._lock:
            if key not in self._open:
                quadrants = self._quadrants[level][parent]
                self._open[key] = _OpenUnit(self._block(level, parent), quadrants)
                if quadrants < _ALL_QUADRANTS:
                    self._open[key].block[...] = 0
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
