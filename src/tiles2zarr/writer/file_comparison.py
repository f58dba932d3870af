"""Comparing the very bytes of chunk files: also what no reader sees in a pixel, such as damaged padding.

The same codecs make the same bytes of the same pixels each time. So every unit is written once more, into a scratch
folder, and its files are held against those on disk. Only where they differ are the pixels looked at. Meant for
images whose record says that the codecs were those of today; others make other bytes.
"""

from __future__ import annotations

import stat
import threading
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import OutputError
from tiles2zarr.writer.arrays import create_levels, write_block
from tiles2zarr.writer.comparison import LevelComparison, first_pixel
from tiles2zarr.writer.grid import relative
from tiles2zarr.writer.stored_level import StoredLevel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import zarr
    from numpy.typing import NDArray

    from tiles2zarr.models import Axis, OmeZarrOptions
    from tiles2zarr.writer.comparison import Difference, TileAt
    from tiles2zarr.writer.grid import Extent, Grid, UnitIndex


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder in the system's place for temporary files, gone afterwards.

    Raises:
        OutputError: there is no room in it, or no such place.
    """
    try:
        with TemporaryDirectory(prefix="tiles2zarr-") as folder:
            yield Path(folder)
    except OSError as error:
        place, reason = error.filename or "temporary folder", error.strerror or str(error)
        msg = f"{place}: cannot be written: {reason}: free space, or set TMPDIR to another folder"
        raise OutputError(msg) from error


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
            tile_at: the tile that a pixel comes from.
        """
        self._folder = folder
        self._scratch = scratch
        self._axes = axes
        self._pixels = LevelComparison(folder, grid, axes, data_type, tile_at)
        self._arrays = create_levels(scratch, grid, axes, data_type, options)
        self._files = [
            StoredLevel(scratch / str(level), array, axes) for level, array in enumerate(self._arrays)
        ]
        self._lock = threading.Lock()
        self._altered: list[tuple[int, UnitIndex, str, tuple[int, int, int]]] = []
        for level, array in enumerate(self._arrays):
            stored = self._pixels.stored(level)
            if stored is not None and _document(stored.array) != _document(array):
                self._pixels.give_up(level)

    def put(self, level: int, unit: UnitIndex, extent: Extent, block: NDArray[Any]) -> None:
        """Compare the files that hold the pixels of a unit (axes z, y, x)."""
        if self._pixels.stored(level) is None:
            return
        write_block(self._arrays[level], self._axes, unit, extent, block)
        altered = [
            (level, unit, key, first_pixel(block[relative(part, extent)] != 0, part))
            for key, part in self._files[level].within(unit, extent)
            if not self._is_same(level, key)
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

    def _is_same(self, level: int, key: str) -> bool:
        """Whether a file is on disk as it was just written; what was just written is removed."""
        fresh, kept = self._scratch / str(level) / key, self._folder / str(level) / key
        try:
            return _are_same(fresh, kept)
        finally:
            fresh.unlink(missing_ok=True)


def _are_same(first: Path, second: Path) -> bool:
    """Whether two plain files hold the same bytes, or neither is there."""
    try:
        facts = second.stat()
    except FileNotFoundError:
        return not first.exists()
    except OSError:
        return False
    if not first.exists() or not stat.S_ISREG(facts.st_mode) or facts.st_size != first.stat().st_size:
        return False
    try:
        content = second.read_bytes()
    except OSError:
        return False
    return content == first.read_bytes()


def _document(array: zarr.Array[Any]) -> dict[str, Any]:
    """What an array says of its chunks and codecs, as this release of zarr-python understands it."""
    document: dict[str, Any] = dict(array.metadata.to_dict())
    document.pop("attributes", None)
    return document
