"""Image files for the tests of reading them: whole ones of every kind, and ways to damage them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

_RANDOM = np.random.default_rng(20250101)


def noise(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    """Pixels without two equal neighbours, so that any mix-up of places shows."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return _RANDOM.random(shape) < 0.5
    if kind.kind == "f":
        return _RANDOM.normal(0, 1000, shape).astype(kind)
    limits = np.iinfo(kind)
    return _RANDOM.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)


def smooth_colors(height: int, width: int, samples: int = 3) -> NDArray[np.uint8]:
    """What JPEG keeps nearly as it is."""
    y, x = np.mgrid[:height, :width]
    planes = [128 + 60 * np.sin(y / 23 + k) + 50 * np.cos(x / 31 - k) for k in range(samples)]
    return np.stack(planes, axis=-1).round().astype(np.uint8)


@dataclass(frozen=True)
class Case:
    """A file and what must come out of it.

    Attributes:
        name: of the test.
        planes: pixels of each plane, axes plane, y, x and for colours sample.
        write: puts them into a file.
        tolerance: largest difference that a lossy codec may make.
    """

    name: str
    planes: NDArray[Any]
    write: Callable[[Path], None]
    tolerance: int = 0


def tiff(name: str, planes: NDArray[Any], **options: Any) -> Case:
    """A TIFF of one page per plane by tifffile."""
    stored = planes
    if options.get("planarconfig") == "separate":
        stored = np.moveaxis(planes, -1, 1)
    stored = stored[0] if len(stored) == 1 else stored
    options = {"photometric": "rgb" if planes.ndim == 4 else "minisblack", **options}

    def write(path: Path) -> None:
        tifffile.imwrite(path, stored, **options)

    return Case(name, planes, write)


def lossy(case: Case, tolerance: int) -> Case:
    return Case(case.name, case.planes, case.write, tolerance)


def encoded(name: str, plane: NDArray[Any], data: bytes, tolerance: int = 0) -> Case:
    """A file of one plane from its bytes."""

    def write(path: Path) -> None:
        path.write_bytes(data)

    return Case(name, plane[None], write, tolerance)


def npy(name: str, array: NDArray[Any]) -> Case:
    def write(path: Path) -> None:
        with path.open("wb") as file:  # np.save would add an ending
            np.save(file, array)

    native = array.astype(array.dtype.newbyteorder("="))
    return Case(name, native.reshape(-1, *array.shape[-2:]), write)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, bits: int, color: int, rows: bytes, before_pixels: bytes = b"") -> bytes:
    """A PNG put together by hand; every row starts with its filter byte."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + before_pixels + pixels


def bmp(
    pixels: NDArray[np.uint8],
    *,
    top_down: bool = False,
    palette: NDArray[np.uint8] | None = None,
    packing: int | None = None,
) -> bytes:
    """A BMP put together by hand: grey with a palette, RGB, or RGBA by masks."""
    height, width, samples = pixels.shape if pixels.ndim == 3 else (*pixels.shape, 1)
    line = (width * samples + 3) // 4 * 4
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[samples]
    rows = pixels.reshape(height, width, samples)[:: 1 if top_down else -1, :, order]
    stored = b"".join(row.tobytes().ljust(line, b"\0") for row in rows)
    colors = b"" if palette is None else np.pad(palette[:, ::-1], ((0, 0), (0, 1))).tobytes()
    masks = struct.pack("<4I52x", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) if samples == 4 else b""
    size = 40 + len(masks)
    start = 14 + size + len(colors)
    packing = (3 if samples == 4 else 0) if packing is None else packing
    shape = (width, -height if top_down else height, 1, 8 * samples, packing)
    info = struct.pack("<IiiHHIIiiII", size, *shape, len(stored), 0, 0, len(colors) // 4, 0)
    return b"BM" + struct.pack("<IHHI", start + len(stored), 0, 0, start) + info + masks + colors + stored


GREY_RAMP = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)

_STACK = noise(3, 37, 53)
_COLORS = noise(2, 37, 53, 3, dtype="uint8")
_RGBA = noise(2, 37, 53, 4, dtype="uint8")
_RGB16 = noise(1, 64, 48, 3)
_SMOOTH = smooth_colors(64, 96)
_BITS = noise(37, 53, dtype="bool")
_TWELVE = noise(36, 52) >> 4


def _write_bits_reversed(path: Path) -> None:
    bits = np.unpackbits(_STACK[0].astype("<u2").view(np.uint8).reshape(37, 106, 1), axis=-1)
    reversed_bits = np.packbits(bits, axis=-1, bitorder="little").reshape(37, 106).view("<u2")
    write_with_tag(path, reversed_bits, 266, 2)


def _write_one_bit(path: Path) -> None:
    _write_packed(path, np.packbits(_BITS, axis=1), 53, 1)


def _write_twelve_bits(path: Path) -> None:
    first, second = _TWELVE[:, ::2], _TWELVE[:, 1::2]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=-1)
    _write_packed(path, packed.astype(np.uint8).reshape(36, -1), 52, 12)


def _write_packed(path: Path, rows: NDArray[np.uint8], width: int, bits: int) -> None:
    """Rows of bytes that hold pixels of an odd number of bits."""
    tifffile.imwrite(path, rows, metadata=None, rowsperstrip=10)
    change_tag(path, "ImageWidth", width)
    change_tag(path, "BitsPerSample", bits)


def _write_pyramid(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(_STACK[0], subifds=1, photometric="minisblack")
        writer.write(_STACK[0, ::2, ::2], subfiletype=1, photometric="minisblack")


EXACT_TIFFS = [
    tiff("uncompressed", _STACK),
    tiff("uncompressed big-endian", _STACK, byteorder=">"),
    tiff("uncompressed in strips", _STACK, rowsperstrip=5),
    Case("lowest bit first", _STACK[:1], _write_bits_reversed),
    tiff("uncompressed in tiles", _STACK, tile=(16, 32)),
    tiff("uncompressed in tiles big-endian", _STACK, tile=(16, 32), byteorder=">"),
    tiff("BigTIFF", _STACK, bigtiff=True),
    tiff("BigTIFF big-endian LZW", _STACK, bigtiff=True, byteorder=">", compression="lzw"),
    tiff("LZW", _STACK, compression="lzw"),
    tiff("LZW in strips with a predictor", _STACK, compression="lzw", predictor=2, rowsperstrip=7),
    tiff("LZW in tiles big-endian", _STACK, compression="lzw", tile=(32, 16), byteorder=">"),
    tiff("deflate", _STACK, compression="zlib"),
    tiff(
        "deflate of Adobe in tiles with a predictor",
        _STACK,
        compression="adobe_deflate",
        predictor=2,
        tile=(16, 16),
    ),
    tiff("zstd", _STACK, compression="zstd"),
    tiff(
        "zstd of floats with their predictor",
        noise(1, 37, 53, dtype="float32"),
        compression="zstd",
        predictor=3,
    ),
    tiff("LZMA", _STACK, compression="lzma"),
    tiff("packbits", _STACK, compression="packbits"),
    tiff("lossless JPEG 2000", _STACK, compression="jpeg2000", compressionargs={"level": 0}),
    tiff("lossless JPEG XL", _STACK, compression="jpegxl", compressionargs={"lossless": True}),
    tiff("PNG within TIFF", _STACK, compression="png"),
    tiff("white is zero", _STACK, photometric="miniswhite"),
    tiff("OME-TIFF", _STACK, ome=True),
    Case("OME-TIFF with pyramid levels beside the chain", _STACK[:1], _write_pyramid),
    tiff("ImageJ hyperstack", _STACK, imagej=True, metadata={"axes": "ZYX"}),
    tiff("ImageJ stack under one page header", _STACK, imagej=True, truncate=True, byteorder=">"),
    tiff("tifffile stack under one page header", _STACK, truncate=True),
    tiff("RGB chunky", _COLORS),
    tiff("RGB planar", _COLORS, planarconfig="separate"),
    tiff("RGB planar in tiles", _COLORS, planarconfig="separate", tile=(16, 16), compression="zlib"),
    tiff("RGB chunky in strips of LZW", _COLORS, compression="lzw", rowsperstrip=4, predictor=2),
    tiff("RGB of 16 bits planar big-endian", _RGB16, planarconfig="separate", byteorder=">"),
    tiff("RGBA chunky", _RGBA, extrasamples=["unassalpha"]),
    tiff(
        "RGBA planar in strips", _RGBA, planarconfig="separate", extrasamples=["unassalpha"], rowsperstrip=9
    ),
    Case("one bit", _BITS[None], _write_one_bit),
    Case("twelve bits packed", _TWELVE[None], _write_twelve_bits),
    *(
        tiff(f"{kind}", noise(1, 16, 21, dtype=kind))
        for kind in (
            "uint8",
            "int8",
            "int16",
            "uint32",
            "int32",
            "uint64",
            "int64",
            "float16",
            "float32",
            "float64",
        )
    ),
]

LOSSY_TIFFS = [
    lossy(
        tiff(
            "RGB as JPEG in tiles",
            _SMOOTH[None],
            compression="jpeg",
            compressionargs={"level": 95},
            tile=(32, 32),
        ),
        6,
    ),
    lossy(
        tiff(
            "YCbCr as JPEG in strips", _SMOOTH[None], subsampling=(2, 2), compression="jpeg", rowsperstrip=16
        ),
        12,
    ),
    lossy(tiff("grey as JPEG", np.ascontiguousarray(_SMOOTH[None, ..., 0]), compression="jpeg"), 6),
]

PICTURES = [
    encoded("PNG grey", _COLORS[0, ..., 0], imagecodecs.png_encode(_COLORS[0, ..., 0].copy())),
    encoded("PNG grey of 16 bits", _STACK[0], imagecodecs.png_encode(_STACK[0])),
    encoded("PNG RGB", _COLORS[0], imagecodecs.png_encode(_COLORS[0])),
    encoded("PNG RGB of 16 bits", _RGB16[0], imagecodecs.png_encode(_RGB16[0])),
    encoded("PNG RGBA", _RGBA[0], imagecodecs.png_encode(_RGBA[0])),
    encoded(
        "PNG of one bit",
        np.array([[255, 0, 255, 0, 0, 255, 0, 255]], np.uint8),
        png(8, 1, 1, 0, b"\0\xa5"),
    ),
    encoded(
        "PNG RGB with one colour transparent",
        np.array([[[5, 6, 7, 0], [5, 6, 8, 255]]], np.uint8),
        png(2, 1, 8, 2, b"\0\5\6\7\5\6\x08", png_chunk(b"tRNS", b"\0\5\0\6\0\7")),
    ),
    encoded("PNG with other data behind", _STACK[0], imagecodecs.png_encode(_STACK[0]) + b"more" * 40),
    encoded("JPEG RGB", _SMOOTH, imagecodecs.jpeg8_encode(_SMOOTH, level=95), 6),
    encoded("JPEG grey", _SMOOTH[..., 0], imagecodecs.jpeg8_encode(_SMOOTH[..., 0].copy(), level=95), 6),
    encoded(
        "JPEG with other data behind", _SMOOTH, imagecodecs.jpeg8_encode(_SMOOTH, level=95) + b"more" * 40, 6
    ),
    encoded("BMP grey", _COLORS[0, ..., 0], bmp(_COLORS[0, ..., 0], palette=GREY_RAMP)),
    encoded("BMP RGB", _COLORS[0], bmp(_COLORS[0])),
    encoded("BMP RGB top down", _COLORS[0], bmp(_COLORS[0], top_down=True)),
    encoded("BMP RGB in 32 bits", _RGBA[0, ..., :3], bmp(_RGBA[0], packing=0)),
    encoded("BMP RGBA", _RGBA[0], bmp(_RGBA[0])),
]

ARRAYS = [
    npy("NPY of two axes", noise(37, 53)),
    npy("NPY of three axes", noise(3, 37, 53, dtype="float32")),
    npy("NPY of four axes", noise(2, 3, 11, 13, dtype="uint8")),
    npy("NPY of five axes", noise(2, 1, 3, 11, 13, dtype="int16")),
    npy("NPY big-endian", noise(3, 37, 53).astype(">u2")),
    npy("NPY in Fortran order", np.asfortranarray(noise(2, 3, 11, 13))),
    npy("NPY in Fortran order of two axes big-endian", np.asfortranarray(noise(11, 13).astype(">u2"))),
    npy("NPY of truth values", noise(3, 11, 13, dtype="bool")),
]

CASES = [*EXACT_TIFFS, *LOSSY_TIFFS, *PICTURES, *ARRAYS]


def change_tag(path: Path, tag: str, value: Any, page: int = 0, **options: Any) -> None:
    """Give a tag of a finished TIFF another value."""
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[page].tags[tag].overwrite(value, **options)


def write_with_tag(path: Path, pixels: NDArray[Any], code: int, value: int) -> None:
    """An uncompressed TIFF with a tag that tifffile does not write for one."""
    extra = [(65000, 3, 1, value, True)]
    tifffile.imwrite(path, pixels, rowsperstrip=5, metadata=None, extratags=extra, byteorder="<")
    with tifffile.TiffFile(path) as tif:
        entry = tif.pages.first.tags[65000].offset
    patch(path, entry, struct.pack("<H", code))


def patch(path: Path, offset: int, data: bytes) -> None:
    """Overwrite bytes of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def next_page_pointer(path: Path, page: int) -> int:
    """Where a little-endian classic TIFF says what follows a page."""
    data = path.read_bytes()
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[page].offset
    return offset + 2 + 12 * struct.unpack_from("<H", data, offset)[0]


def structural_offsets(path: Path) -> set[int]:
    """Where headers, tags, their values and pixels of a TIFF's first and last page start and end (bytes)."""
    places = {4, 8, 16}
    with tifffile.TiffFile(path) as tif:
        for page in {tif.pages.first, tif.pages[-1]}:
            places |= {page.offset, page.offset + 2, page.offset + 8}
            for tag in page.tags:
                places |= {tag.offset, tag.offset + tif.tiff.tagsize, tag.valueoffset}
                places.add(tag.valueoffset + tag.valuebytecount)
            for segment in (0, len(page.dataoffsets) // 2, -1):
                offset, count = page.dataoffsets[segment], page.databytecounts[segment]
                places |= {offset, offset + count // 2, offset + count}
    return places
