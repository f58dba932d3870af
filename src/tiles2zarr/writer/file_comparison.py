"""Comparing the very bytes of chunk files: also what no reader sees in a pixel, such as damaged padding.

The same codecs make the same bytes of the same pixels each time. So every unit is encoded once more, and its files are
held against those on disk. Only where they differ are the pixels looked at. Meant for images whose record says that
the codecs were those of today; others make other bytes.
"""

from __future__ import annotations

import stat
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.writer.arrays import is_understood_as
from tiles2zarr.writer.chunk_files import ChunkFiles
from tiles2zarr.writer.comparison import LevelComparison, first_pixel
from tiles2zarr.writer.grid import relative

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.models import Axis, OmeZarrOptions
    from tiles2zarr.writer.comparison import Difference, TileAt
    from tiles2zarr.writer.grid import Extent, Grid, UnitIndex


class FileComparison:
    """Takes the units of all levels as they should be, and notes every file on disk that is different."""

    def __init__(
        self,
        folder: Path,
        grid: Grid,
        axes: Sequence[Axis],
        data_type: str,
        options: OmeZarrOptions,
        tile_at: TileAt,
    ) -> None:
        """Compare with the levels of an image.

        Args:
            folder: the image's folder.
            grid: how its levels should be cut.
            axes: the axes that its arrays should have.
            data_type: numpy's name of the pixel type that they should have.
            options: how it was written.
            tile_at: the tile that a pixel comes from.
        """
        self._folder = folder
        self._pixels = LevelComparison(folder, grid, axes, data_type, tile_at)
        self._files = ChunkFiles(grid, axes, data_type, options)
        self._lock = threading.Lock()
        self._altered: list[tuple[int, UnitIndex, str, tuple[int, int, int]]] = []
        for level in range(grid.levels):
            stored = self._pixels.stored(level)
            if stored is not None and not is_understood_as(stored.array, self._files.document(level)):
                self._pixels.give_up(level)

    def put(self, level: int, unit: UnitIndex, extent: Extent, block: NDArray[Any]) -> None:
        """Compare the files that hold the pixels of a unit (axes z, y, x)."""
        if self._pixels.stored(level) is None:
            return
        altered = [
            (level, unit, file.key, first_pixel(block[relative(file.extent, extent)] != 0, file.extent))
            for file in self._files.of_unit(level, unit, extent, block)
            if not _is_content(self._folder / str(level) / file.key, file.content)
        ]
        if altered:
            self._pixels.put(level, unit, extent, block)
            with self._lock:
                self._altered += altered

    def differs(self, level: int, unit: UnitIndex) -> bool:
        """Whether pixels of a unit that was put are others on disk."""
        return self._pixels.differs(level, unit)

    def finish(self, covers: Callable[[int, UnitIndex], bool]) -> list[Difference]:
        """Every difference, by level and chunk; to be called once all units were put.

        Args:
            covers: whether a unit of a level was among them.
        """
        known = {(found.level, found.chunk) for found in self._pixels.finish(covers)}
        for level, unit, key, pixel in self._altered:
            if (level, key) not in known:
                self._pixels.note(level, unit, key, pixel, "altered-chunk")
        return self._pixels.differences


def _is_content(file: Path, expected: memoryview | None) -> bool:
    """Whether a plain file holds these bytes; None: whether there is none."""
    try:
        facts = file.stat()
        if expected is None or not stat.S_ISREG(facts.st_mode) or facts.st_size != len(expected):
            return False
        return np.array_equal(np.frombuffer(file.read_bytes(), np.uint8), expected)
    except FileNotFoundError:
        return expected is None
    except OSError:
        return False
