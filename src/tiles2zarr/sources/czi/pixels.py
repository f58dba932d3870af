"""The pixels of a CZI file's sub-blocks, decoded, and the loader of one of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tiles2zarr.errors import SourceError
from tiles2zarr.models import FileLoader, PixelHeader, PlaneIndex, TileShape
from tiles2zarr.sources.czi.container import CziContainer
from tiles2zarr.sources.unreadable import unreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tiles2zarr.sources.czi.container import Stored


@dataclass(frozen=True, slots=True)
class PixelType:
    """What the vendor's number of a pixel type stands for.

    Attributes:
        dtype: numpy's name.
        samples: 1 for grey; 3 or 4 for blue, green, red and, as the fourth, transparency.
    """

    dtype: str
    samples: int


PIXEL_TYPES = {
    0: PixelType("uint8", 1),
    1: PixelType("uint16", 1),
    2: PixelType("float32", 1),
    3: PixelType("uint8", 3),
    4: PixelType("uint16", 3),
    8: PixelType("float32", 3),
    9: PixelType("uint8", 4),
    12: PixelType("int32", 1),
    13: PixelType("float64", 1),
}
#: JPEG, LZW, JPEG XR, and Zstandard without and with a header that may say that bytes were sorted.
COMPRESSIONS = {0: "none", 1: "jpeg", 2: "lzw", 4: "jpegxr", 5: "zstd0", 6: "zstd1"}


class CziImageLoader(FileLoader):
    """One sub-block of a CZI file: one plane of one tile.

    The colours of a colour plane are the channels of its tile, in the order red, green, blue.

    Attributes:
        file_path: absolute, or relative to the resource.
        position: where in the file the sub-block begins, in bytes.
        height: rows, px.
        width: columns, px.
        pixel_type: the vendor's number of the pixel type.
    """

    position: Annotated[int, Field(ge=0)]
    height: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]
    pixel_type: int

    def load_data(self, resource: Any | None = None) -> NDArray[Any]:
        """The whole plane, axes y and x; of a colour plane c, y and x."""
        pixels = self._pixels(resource)
        return pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

    def load_plane(self, plane: PlaneIndex, shape: TileShape, resource: Any | None = None) -> NDArray[Any]:
        """The plane, or one colour of it."""
        import numpy as np

        pixels = self._pixels(resource)
        colors = 1 if pixels.ndim == 2 else pixels.shape[2]
        if shape[3:] != pixels.shape[:2] or (shape.c != colors) or plane.t or plane.z:
            expected, found = f"{tuple(shape)} (t, c, z, y, x)", f"{pixels.shape[:2]} with {colors} colours"
            msg = f"{self.describe_source(resource)}: expected {expected}, found {found}: correct the tile's lengths"
            raise SourceError(msg)
        return pixels if colors == 1 else np.ascontiguousarray(pixels[..., plane.c])

    def read_header(self, resource: Any | None = None) -> PixelHeader:
        """Shape and type, as the directory of the file says them."""
        pixel_type = PIXEL_TYPES[self.pixel_type]
        return PixelHeader(
            planes=1,
            height=self.height,
            width=self.width,
            samples=pixel_type.samples,
            dtype=pixel_type.dtype,
            is_shared=True,
        )

    def describe_source(self, resource: Any | None = None) -> str:
        """The file and the place in it."""
        return f"{super().describe_source(resource)} (sub-block at byte {self.position})"

    def _pixels(self, resource: Any | None) -> NDArray[Any]:
        file = self.source_file(resource)
        try:
            with open(file, "rb") as handle:
                stored = CziContainer(file, handle).stored(self.position)
        except OSError as error:
            raise unreadable(file, error) from error
        return _checked(stored, self, self.describe_source(resource))


def _checked(stored: Stored, loader: CziImageLoader, where: str) -> NDArray[Any]:
    """The decoded plane, which must be what the directory said."""
    expected = (loader.pixel_type, loader.height, loader.width)
    found = (stored.pixel_type, stored.height, stored.width)
    if found != expected:
        remedy = "the file is damaged or was changed since it was scanned"
        msg = f"{where}: expected pixel type, height and width {expected}, found {found}: {remedy}"
        raise SourceError(msg)
    return decoded(stored, where)


def decoded(stored: Stored, where: str) -> NDArray[Any]:
    """The pixels of a sub-block, axes y and x, and colours red, green, blue as a third axis.

    Raises:
        SourceError: the data are damaged, or compressed in a way that is not supported.
    """
    pixel_type = PIXEL_TYPES[stored.pixel_type]
    shape = (stored.height, stored.width, pixel_type.samples)
    try:
        pixels = _decompressed(stored, shape, pixel_type.dtype)
    except (RuntimeError, ValueError, struct.error, IndexError, MemoryError) as error:
        kind = COMPRESSIONS.get(stored.compression, stored.compression)
        reason = " ".join(str(error).split())[:120]
        msg = f"{where}: expected pixels compressed with {kind}, found damaged data ({reason}): copy the file again"
        raise SourceError(msg) from error
    if pixel_type.samples == 1:
        return pixels.reshape(shape[:2])
    return pixels.reshape(shape)[..., 2::-1]


def _decompressed(stored: Stored, shape: tuple[int, int, int], dtype: str) -> NDArray[Any]:
    import numpy as np

    little = np.dtype(dtype).newbyteorder("<")
    size = shape[0] * shape[1] * shape[2] * little.itemsize
    data: bytes | bytearray
    match COMPRESSIONS.get(stored.compression):
        case "none":
            data = stored.data
        case "jpeg" | "jpegxr" as kind:
            return _picture(stored.data, kind, shape, dtype)
        case "lzw":
            import imagecodecs

            data = imagecodecs.lzw_decode(stored.data, out=size)
        case "zstd0":
            data = _zstd(stored.data, size)
        case "zstd1":
            data = _zstd1(stored.data, size, little.itemsize)
        case _:
            msg = "of a kind that is not supported"
            raise ValueError(msg)
    if len(data) < size:
        msg = f"{len(data)} bytes instead of {size}"
        raise ValueError(msg)
    return np.frombuffer(data, little, shape[0] * shape[1] * shape[2]).astype(dtype, copy=False)


def _picture(data: bytes, kind: str, shape: tuple[int, int, int], dtype: str) -> NDArray[Any]:
    """A JPEG or JPEG XR picture; both decoders give colours as red, green, blue, the others the file's order."""
    import imagecodecs

    pixels: NDArray[Any] = (
        imagecodecs.jpeg_decode(data) if kind == "jpeg" else imagecodecs.jpegxr_decode(data)
    )
    if pixels.dtype != dtype or pixels.size != shape[0] * shape[1] * shape[2]:
        msg = f"a picture of {pixels.shape} {pixels.dtype}"
        raise ValueError(msg)
    return pixels if shape[2] == 1 else pixels.reshape(shape)[..., [2, 1, 0, 3][: shape[2]]]


def _zstd(data: bytes, size: int) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.zstd_decode(data, out=size))


def _zstd1(data: bytes, size: int, itemsize: int) -> bytes | bytearray:
    """A header of one or three bytes, whose third may say that low bytes come first, then the high ones."""
    length = data[0]
    if length not in (1, 3) or (length == 3 and data[1] != 1):
        msg = f"a header of {length} bytes"
        raise ValueError(msg)
    decompressed = _zstd(data[length:], size)
    if length == 3 and data[2] & 1 and itemsize == 2:
        half = len(decompressed) // 2
        sorted_bytes = bytearray(2 * half)
        sorted_bytes[::2], sorted_bytes[1::2] = decompressed[:half], decompressed[half : 2 * half]
        return sorted_bytes
    return decompressed
