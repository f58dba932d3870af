"""Writing the arrays of an image's levels: their documents first, then every chunk once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tiles2zarr.writer.groups import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.writer.chunk_files import ChunkFiles
    from tiles2zarr.writer.digest import Level0Digest
    from tiles2zarr.writer.grid import Extent, UnitIndex


class LevelWriter:
    """Writes the units of all levels into their arrays, and takes the digest of level 0."""

    def __init__(self, folder: Path, levels: int, files: ChunkFiles, digest: Level0Digest) -> None:
        """Make empty arrays named 0, 1, … in a folder.

        Args:
            folder: the image's group.
            levels: how many there are.
            files: what their files are.
            digest: takes note of the pixels of level 0.
        """
        self._folders = [folder / str(level) for level in range(levels)]
        self._files = files
        self._digest = digest
        for level, place in enumerate(self._folders):
            place.mkdir()
            write_json(place / files.document_name, files.document(level))

    def put(self, level: int, unit: UnitIndex, extent: Extent, block: NDArray[Any]) -> None:
        """Write the pixels of a unit (axes z, y, x) where they belong; chunks of zeros are not stored.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        if level == 0:
            self._digest.add(unit, extent, block)
        for key, _, content in self._files.of_unit(level, unit, extent, block):
            if content is not None:
                write_chunk(self._folders[level] / key, content)


def write_chunk(file: Path, content: memoryview) -> None:
    """Write a file that is not there yet, and the folders above it.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    try:
        handle = file.open("xb")
    except FileNotFoundError:
        os.makedirs(file.parent, exist_ok=True)
        handle = file.open("xb")
    with handle:
        handle.write(content)
