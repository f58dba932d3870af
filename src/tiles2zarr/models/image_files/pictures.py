"""PNG, JPEG and BMP: one plane per file, headers read here, pixels of PNG and JPEG by imagecodecs."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.models.image_files.opened import ImageFormat, sample_bands

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tiles2zarr.models.image_files.opened import ImageHeader, OpenImage

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_DEFLATE_RATIO = 1100  # deflate expands at most 1032 times
_BASELINE_EXTENDED_PROGRESSIVE = (0xC0, 0xC1, 0xC2)
_MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)  # red, green, blue, alpha of a BMP
_MOST_PADDING = 2**16  # bytes that are looked at together
_NOT_A_FRAME = (0xC4, 0xC8, 0xCC)  # tables and an extension, whose markers lie among those of frames


def _png_header(file: OpenImage) -> ImageHeader:
    """Grey of fewer than 8 bits is scaled to uint8, as the PNG specification defines its samples."""
    name, width, height, bits, color = struct.unpack(">4x4sIIBB", file.bytes_at(8, 18))
    if name != b"IHDR" or bits not in (1, 2, 4, 8, 16):
        raise file.error("expected a PNG header, found other bytes: the file is damaged")
    named = file.bytes_at(12, 21)
    if zlib.crc32(named[:17]) != int.from_bytes(named[17:], "big"):
        raise file.error("wrong checksum of chunk b'IHDR': the file is damaged, copy it again")
    chunks = _png_chunks(file)
    if b"acTL" in chunks:
        raise file.error("expected one image, found an animated PNG: save its frames as separate files")
    if b"IDAT" not in chunks:
        raise file.error("expected pixels, found none before the end: the file is damaged, copy it again")
    samples = {0: 1, 2: 3, 6: 4}.get(color)
    if samples is None or (b"tRNS" in chunks and samples == 1):
        found = "palette colours" if color == 3 else "grey with transparency"
        raise file.error(f"expected grey, RGB or RGBA pixels, found {found}: save it as grey or RGB")
    if b"tRNS" in chunks:
        samples = 4  # the decoder turns the transparent colour into alpha
    header = file.header(1, height, width, samples, np.dtype(np.uint16 if bits == 16 else np.uint8))
    file.check_claim(height * width * samples * bits // 8, _DEFLATE_RATIO * file.size)
    return header


def _png_chunks(file: OpenImage) -> set[bytes]:
    """Names of the chunks before the pixels, once the end is known to be there."""
    whole = file.size > 45 and file.bytes_at(file.size - 12, 12) == _PNG_END
    names: set[bytes] = set()
    offset = 8
    while True:
        length, name = struct.unpack(">I4s4x", file.bytes_at(offset, 12))  # at least a checksum follows
        names.add(name)
        if name == b"IEND" or (whole and name == b"IDAT"):
            return names
        offset += 12 + length


def _check_png_sums(data: bytes) -> None:
    """Each chunk's checksum; the decoder would write about a wrong one to standard error."""
    view = memoryview(data)
    offset, name = 8, b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, offset)
        end = offset + 8 + length
        if zlib.crc32(view[offset + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            msg = f"wrong checksum of chunk {name!r}"
            raise ValueError(msg)
        offset = end + 4


def _jpeg_header(file: OpenImage) -> ImageHeader:
    frame: tuple[int, int, int] | None = None
    offset = 2
    while True:
        fill, marker, length = struct.unpack(">BBH", file.bytes_at(offset, 4))
        if fill == 0xFF and marker == 0xFF:
            padded = file.bytes_at(offset, min(_MOST_PADDING, file.size - offset))
            offset += max(1, len(padded) - len(padded.lstrip(b"\xff")) - 1)
            continue
        if fill != 0xFF or length < 2:
            raise file.error(f"expected a JPEG marker at byte {offset}, found none: the file is damaged")
        if marker == 0xDA:
            break
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME:
            precision, height, width, samples = struct.unpack(">BHHB", file.bytes_at(offset + 4, 6))
            if marker not in _BASELINE_EXTENDED_PROGRESSIVE or precision != 8:
                found = f"{precision} bits, frame type {marker - 0xC0}"
                raise file.error(f"expected a lossy JPEG of 8 bits, found {found}: save it as TIFF or PNG")
            if samples == 4:
                raise file.error("expected grey or RGB pixels, found four colours (CMYK): save it as RGB")
            frame = height, width, samples
        offset += 2 + length
    if frame is None:
        raise file.error("expected a JPEG frame before the pixels, found none: the file is damaged")
    _check_jpeg_end(file, offset)
    return file.header(1, *frame, np.dtype(np.uint8))


def _check_jpeg_end(file: OpenImage, pixels: int) -> None:
    """The decoder fills missing pixels with grey and says nothing: the end marker must be there.

    Most files end with it. Cameras append other data; then it is sought from the pixels on, among which it
    cannot occur by chance.
    """
    end = b"\xff\xd9"
    length = file.size - pixels
    tail = file.bytes_at(file.size - min(64, length), min(64, length))
    if not tail.rstrip(b"\0").endswith(end) and end not in file.bytes_at(pixels, length):
        raise file.error("expected an end marker after the pixels, found none: truncated, copy it again")


@dataclass(frozen=True, slots=True)
class _Bitmap:
    header: ImageHeader
    start: int  # bytes before the pixels
    line: int  # bytes of one row, padded
    depth: int  # bytes of one pixel
    top_down: bool


def _bitmap(file: OpenImage) -> _Bitmap:
    start, size = struct.unpack("<10xII", file.bytes_at(0, 18))
    if size not in (40, 52, 56, 108, 124) or start < 14 + size:
        msg = f"expected a BMP header of Windows, found one of {size} bytes with pixels at byte {start}"
        raise file.error(f"{msg}: damaged or a dialect, save it again as TIFF or PNG")
    width, height, bits, packing, colors = struct.unpack("<ii2xHI12xI", file.bytes_at(18, 32))
    masks = struct.unpack("<4I", file.bytes_at(54, 16)) if packing == 3 else _MASKS
    alpha = packing == 3 and size >= 56 and masks[3] != 0
    known = masks[:3] == _MASKS[:3] and (not alpha or masks[3] == _MASKS[3])
    if (bits, packing) not in ((8, 0), (24, 0), (32, 0), (32, 3)) or not known:
        msg = f"expected a plain BMP of 8, 24 or 32 bits per pixel, found {bits} bits, compression {packing}"
        raise file.error(f"{msg}: save it again as TIFF or PNG")
    if bits == 8 and not _is_grey_ramp(file.bytes_at(14 + size, 4 * min(colors or 256, 256))):
        raise file.error("expected grey or RGB pixels, found palette colours: save it as grey or RGB")
    samples = 1 if bits == 8 else 4 if alpha else 3
    header = file.header(1, abs(height), width, samples, np.dtype(np.uint8))
    line = (width * bits + 31) // 32 * 4
    if start + line * header.height > file.size:
        raise file.truncated(start + line * header.height)
    return _Bitmap(header, start, line, bits // 8, height < 0)


def _bmp_header(file: OpenImage) -> ImageHeader:
    return _bitmap(file).header


def _is_grey_ramp(palette: bytes) -> bool:
    """Whether each entry (blue, green, red, unused) shows its own index as grey."""
    colors = np.frombuffer(palette, np.uint8).reshape(-1, 4)[:, :3]
    return bool((colors == np.arange(len(colors))[:, None]).all())


def _decode_png(file: OpenImage) -> NDArray[Any]:
    import imagecodecs

    data = file.bytes_at(0, file.size)
    with file.reading("the pixels"):
        _check_png_sums(data)
        return imagecodecs.png_decode(data)


def _decode_jpeg(file: OpenImage) -> NDArray[Any]:
    import imagecodecs

    data = file.bytes_at(0, file.size)
    with file.reading("the pixels"):
        return imagecodecs.jpeg8_decode(data)


def _decode_bmp(file: OpenImage) -> NDArray[Any]:
    """Not by imagecodecs, whose older releases know fewer kinds of it."""
    bitmap = _bitmap(file)
    height, width = bitmap.header.height, bitmap.header.width
    lines = file.values_at(np.dtype(np.uint8), bitmap.start, height * bitmap.line).reshape(height, -1)
    pixels = lines[:: 1 if bitmap.top_down else -1, : width * bitmap.depth].reshape(height, width, -1)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[bitmap.header.samples]
    return pixels[..., 0] if bitmap.depth == 1 else pixels[..., order]


def _picture(
    read_header: Callable[[OpenImage], ImageHeader], decode: Callable[[OpenImage], NDArray[Any]]
) -> ImageFormat:
    def plane(file: OpenImage, index: int, target: NDArray[Any] | None = None) -> NDArray[Any]:
        del target  # codecs make an array of their own
        header = read_header(file)
        file.check_index(index, header.planes)
        pixels = decode(file)
        expected = (header.height, header.width) + ((header.samples,) if header.samples > 1 else ())
        if pixels.shape != expected or pixels.dtype.name != header.dtype:
            found = f"{pixels.shape} {pixels.dtype.name}"
            raise file.error(f"expected {expected} {header.dtype}, decoded {found}: the file is damaged")
        return np.ascontiguousarray(pixels)

    def sample(file: OpenImage, index: int) -> NDArray[Any]:
        pixels = plane(file, index)
        return np.concatenate([pixels[start:stop].ravel() for start, stop in sample_bands(*pixels.shape[:2])])

    return ImageFormat(read_header, plane, sample)


PNG = _picture(_png_header, _decode_png)
JPEG = _picture(_jpeg_header, _decode_jpeg)
BMP = _picture(_bmp_header, _decode_bmp)
