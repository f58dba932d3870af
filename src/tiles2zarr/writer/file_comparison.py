"""Comparing the very bytes of chunk files: also what no reader sees in a pixel, such as damaged padding.

The same pixels make the same bytes each time. So every unit is written once more, into a scratch folder, and its
files are held against those on disk. Only where they differ are the pixels looked at.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.writer.arrays import create_levels, write_block
from tiles2zarr.writer.chunk_files import ChunkFiles
from tiles2zarr.writer.comparison import Difference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.models import Axis, OmeZarrOptions
    from tiles2zarr.writer.comparison import LevelComparison, TileAt
    from tiles2zarr.writer.grid import Extent, Grid, UnitIndex


class FileComparison:
    """Takes the units of all levels as they should be, and notes every file on disk that is different."""

    def __init__(
        self,
        folder: Path,
        scratch: Path,
        grid: Grid,
        axes: Sequence[Axis],
        data_type: str,
        options: OmeZarrOptions,
        pixels: LevelComparison,
        tile_at: TileAt,
    ) -> None:
        """Compare with the levels of an image.

        Args:
            folder: the image's folder.
            scratch: an empty folder; holds no more than the units in work.
            grid: how its levels should be cut.
            axes: the axes that its arrays should have.
            data_type: numpy's name of the pixel type that they should have.
            options: how it was written.
            pixels: compares the pixels of units whose bytes differ.
            tile_at: the tile that a pixel comes from.
        """
        self._folder = folder
        self._scratch = scratch
        self._axes = axes
        self._pixels = pixels
        self._tile_at = tile_at
        self._arrays = create_levels(scratch, grid, axes, data_type, options)
        self._files = [
            ChunkFiles(scratch / str(level), array, axes) for level, array in enumerate(self._arrays)
        ]
        self._lock = threading.Lock()
        self._same = 0
        self._altered: list[Difference] = []

    def put(self, level: int, unit: UnitIndex, extent: Extent, block: NDArray[Any]) -> None:
        """Compare the files that hold the pixels of a unit (axes z, y, x)."""
        write_block(self._arrays[level], self._axes, unit, extent, block)
        is_same = True
        for key, part in self._files[level].within(unit, extent):
            fresh = self._scratch / str(level) / key
            expected, found = _content(fresh), _content(self._folder / str(level) / key)
            fresh.unlink(missing_ok=True)
            if expected != found:
                is_same = False
                self._note(level, unit, key, part, block[_inside(part, extent)])
            elif expected is not None:
                with self._lock:
                    self._same += 1
        if is_same:
            self._pixels.leave_out(level, unit, extent)
        else:
            self._pixels.put(level, unit, extent, block)

    def finish(self) -> list[Difference]:
        """Every difference, by level and chunk; to be called once all units were put.

        Other releases of a codec make other bytes of the same pixels. So bytes count only if those of some other
        file of the image are the same.
        """
        differences = self._pixels.finish()
        known = {(found.level, found.chunk) for found in differences}
        wrong_levels = {found.level for found in differences if found.chunk is None}
        if self._same:
            differences += [
                found
                for found in self._altered
                if (found.level, found.chunk) not in known and found.level not in wrong_levels
            ]
        return sorted(differences)

    def _note(self, level: int, unit: UnitIndex, key: str, part: Extent, block: NDArray[Any]) -> None:
        place = np.unravel_index(int(np.argmax(block != 0)), block.shape)
        z, y, x = (span.start + int(offset) for span, offset in zip(part, place, strict=True))
        tile = self._tile_at(level, unit.t, unit.c, z, y, x)
        with self._lock:
            self._altered.append(Difference(level, key, tile, "altered-chunk"))


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _inside(part: Extent, whole: Extent) -> Extent:
    z, y, x = (
        slice(inner.start - outer.start, inner.stop - outer.start)
        for inner, outer in zip(part, whole, strict=True)
    )
    return z, y, x
