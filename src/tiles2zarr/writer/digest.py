"""A digest of level 0: the CRC-32C of every chunk's pixels, and one over all of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

from tiles2zarr.writer.chunk_files import is_blank
from tiles2zarr.writer.grid import cells, number_of, relative

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tiles2zarr.models import TileShape
    from tiles2zarr.writer.grid import Block, UnitIndex

#: Index of a chunk along t, c, z, y, x.
ChunkIndex = tuple[int, int, int, int, int]


class Level0Digest:
    """Gathers the digests of chunks, in any order and from any thread; neither shows in the result."""

    def __init__(self, shape: TileShape, chunk: Block) -> None:
        """Digest a level of this extent, cut into chunks of these lengths."""
        self._shape = shape
        self._chunk = chunk
        self._digests: dict[ChunkIndex, int] = {}
        self._lock = threading.Lock()

    def add(self, unit: UnitIndex, extent: tuple[slice, slice, slice], block: NDArray[Any]) -> None:
        """Take note of all chunks of a block (axes z, y, x) that starts at a chunk's border.

        Chunks of zeros count as absent.
        """
        found: dict[ChunkIndex, int] = {}
        for part in cells(extent, self._chunk):
            pixels = block[relative(part, extent)]
            if not is_blank(pixels):
                found[unit.t, unit.c, *number_of(part, self._chunk)] = crc32c(pixels)
        with self._lock:
            self._digests.update(found)

    @property
    def chunks(self) -> dict[ChunkIndex, int]:
        """The digest of each chunk that holds anything but zeros, sorted."""
        return dict(sorted(self._digests.items()))

    def value(self) -> str:
        """The digest of the whole level, eight hexadecimal digits.

        Of its extent, too: rows of zeros that somebody adds to an array show in no chunk.
        """
        lines = [".".join(map(str, self._shape))]
        lines += [f"{'.'.join(map(str, index))}:{digest:08x}" for index, digest in self.chunks.items()]
        text = "\n".join(lines)
        return f"{google_crc32c.value(text.encode()):08x}"


def crc32c(pixels: NDArray[Any]) -> int:
    """The CRC-32C of pixels as they lie in a little-endian file."""
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).view()
    little.flags.writeable = False  # the library reads only what cannot change under it, then without a copy
    return int(google_crc32c.value(little))
