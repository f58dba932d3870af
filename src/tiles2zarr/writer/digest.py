"""A digest of level 0: the CRC-32C of every chunk's pixels, and one over all of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tiles2zarr.writer.grid import Block, UnitIndex

#: Index of a chunk along t, c, z, y, x.
ChunkIndex = tuple[int, int, int, int, int]


class Level0Digest:
    """Gathers the digests of chunks, in any order and from any thread; the result does not depend on either."""

    def __init__(self, chunk: Block) -> None:
        """Digest chunks of the given lengths."""
        self._chunk = chunk
        self._digests: dict[ChunkIndex, int] = {}
        self._lock = threading.Lock()

    def add(self, unit: UnitIndex, extent: tuple[slice, slice, slice], block: NDArray[Any]) -> None:
        """Take note of all chunks of a block (axes z, y, x) that starts at a chunk's border. Chunks of zeros count as absent."""
        chunk = self._chunk
        found: dict[ChunkIndex, int] = {}
        for z in range(0, block.shape[0], chunk.z):
            for y in range(0, block.shape[1], chunk.y):
                for x in range(0, block.shape[2], chunk.x):
                    pixels = block[z : z + chunk.z, y : y + chunk.y, x : x + chunk.x]
                    if pixels.any():
                        starts = (part.start + offset for part, offset in zip(extent, (z, y, x), strict=True))
                        place = tuple(start // length for start, length in zip(starts, chunk, strict=True))
                        found[(unit.t, unit.c, *place)] = crc32c(pixels)  # type: ignore[index]
        with self._lock:
            self._digests.update(found)

    @property
    def chunks(self) -> dict[ChunkIndex, int]:
        """The digest of each chunk that holds anything but zeros, sorted."""
        return dict(sorted(self._digests.items()))

    def value(self) -> str:
        """The digest of the whole level, eight hexadecimal digits."""
        lines = (f"{'.'.join(map(str, index))}:{digest:08x}\n" for index, digest in sorted(self._digests.items()))
        return f"{google_crc32c.value(''.join(lines).encode()):08x}"


def crc32c(pixels: NDArray[Any]) -> int:
    """The CRC-32C of pixels as they lie in a little-endian file."""
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).view()
    little.flags.writeable = False  # the library reads only what cannot change under it, then without a copy
    return int(google_crc32c.value(little))
