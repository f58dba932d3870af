"""Compressed grey strips of a TIFF, each decoded straight to its place in the plane.

tifffile makes up to three arrays of each strip and copies the last one into the plane. That takes a fifth of
the time where strips are single rows, and up to half of it where memory comes from the system anew each time.
Strips as most instruments write them need only the same codec of imagecodecs, told where to put the pixels.
(Of tiles that saves little: those, colours and rarer kinds of pixels are left to tifffile.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

    from tiles2zarr.models.image_files.opened import OpenImage
    from tiles2zarr.models.image_files.tiff_page import Pixels

# The functions of imagecodecs that tifffile decodes these compressions with, and that fill a buffer.
_CODECS = {5: "lzw", 8: "deflate", 32946: "deflate", 32773: "packbits", 34926: "zstd", 50000: "zstd"}
_NO_PREDICTOR, _DIFFERENCES = 1, 2
_SAMPLE_FORMAT = 339


@dataclass(frozen=True, slots=True)
class Strips:
    """The compressed strips of a page, from top to bottom.

    Attributes:
        pixels: what is in the page.
        stored: type of the pixels in the byte order of the file.
        rows: of a strip; the last one may have fewer.
        offsets: place (bytes) of each in the file; those of strips that the plane does not need may follow.
        counts: bytes of each in the file.
        differences: whether pixels are stored as differences to their left neighbours.
        codec: decompresses a strip into a buffer, and returns as much of the buffer as it filled.
    """

    pixels: Pixels
    stored: np.dtype[Any]
    rows: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    differences: bool
    codec: Callable[..., Any]

    @classmethod
    def of(cls, tif: TiffFile, page: TiffPage, pixels: Pixels) -> Strips | None:
        """Those of a checked page; None where there are none, or where they need more than a codec."""
        codec = _codec(page.compression)
        if (
            codec is None
            or page.is_tiled
            or pixels.samples != 1
            or page.predictor not in (_NO_PREDICTOR, _DIFFERENCES)
            or page.fillorder != 1
            or page.bitspersample != 8 * pixels.dtype.itemsize
            or page.is_subsampled
            or not isinstance(page.tags.valueof(_SAMPLE_FORMAT, default=1), int)
        ):
            return None
        differences = page.predictor == _DIFFERENCES
        places = page.dataoffsets, page.databytecounts
        return cls(pixels, pixels.stored(tif), page.rowsperstrip, *places, differences, codec)

    def plane(self, file: OpenImage, target: NDArray[Any] | None = None) -> NDArray[Any]:
        """The decoded pixels in native byte order, axes y, x.

        Args:
            file: holds them.
            target: an array that they fit into; None: one of their own.

        Raises:
            SourceError: the file ends too early, a codec finds it damaged, or a strip holds too few pixels.
        """
        with file.reading("the pixels"):
            if target is None:
                target = np.empty((self.pixels.height, self.pixels.width), self.pixels.dtype)
            plane = target.view(self.stored)
            self._fill(plane.reshape(-1).view(np.uint8), file)
            if not self.stored.isnative:
                plane = plane.byteswap(inplace=True).view(self.pixels.dtype)
            if self.differences:
                from imagecodecs import delta_decode

                delta_decode(plane, axis=-1, out=plane)
        return plane

    def _fill(self, data: NDArray[np.uint8], file: OpenImage) -> None:
        """Decompress all strips into the bytes of the plane."""
        size = self.rows * self.pixels.width * self.stored.itemsize
        starts = range(0, len(data), size)
        packed = memoryview(bytearray(max(self.counts[: len(starts)])))
        for number, (start, offset, count) in enumerate(zip(starts, self.offsets, self.counts, strict=False)):
            strip = packed[:count]
            file.read_into(strip, offset)
            room = data[start : start + size]
            found = len(self.codec(strip, out=room))
            if found != len(room):
                msg = f"expected {len(room)} bytes of pixels in strip {number}, decoded {found}"
                raise file.error(f"{msg}: the file is damaged, copy it again")


def _codec(compression: int) -> Callable[..., Any] | None:
    """The function for a compression; None where there is none, or imagecodecs was built without it."""
    import imagecodecs

    name = _CODECS.get(compression)
    if name is None or not getattr(imagecodecs, name.upper()).available:
        return None
    codec: Callable[..., Any] = getattr(imagecodecs, f"{name}_decode")
    return codec
