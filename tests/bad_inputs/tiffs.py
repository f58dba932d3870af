"""TIFF files whose headers lie."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from tests.bad_inputs.scene import SIDE, TILE, BadInput, Scene, content
from tests.bad_inputs.tables import cells
from tests.table_plates import pixels_of

if TYPE_CHECKING:
    from collections.abc import Callable

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _DESCRIPTION = 256, 257, 258, 259, 262, 270
_OFFSETS, _SAMPLES, _ROWS, _COUNTS, _PLANAR, _FORMAT = 273, 277, 278, 279, 284, 339
_SHORT, _LONG, _ASCII = 3, 4, 2


def tiff_bytes(pixels: Any = None, **options: Any) -> bytearray:
    """A small little-endian TIFF of three strips; a list of pixels becomes pages."""
    pixels = pixels_of(7, side=SIDE) if pixels is None else pixels
    options = {"photometric": "minisblack", "metadata": None, "byteorder": "<", "rowsperstrip": 4, **options}
    if "tile" in options:
        del options["rowsperstrip"]
    buffer = io.BytesIO()
    with tifffile.TiffWriter(
        buffer, bigtiff=options.pop("bigtiff", False), byteorder=options.pop("byteorder")
    ) as writer:
        for page in pixels if isinstance(pixels, list) else [pixels]:
            writer.write(page, **options)
    return bytearray(buffer.getvalue())


def directory(data: bytes, page: int = 0) -> int:
    """Where a page's list of tags begins, in a little-endian classic TIFF."""
    (offset,) = struct.unpack_from("<I", data, 4)
    for _ in range(page):
        (offset,) = struct.unpack_from("<I", data, after(data, offset))
    return int(offset)


def after(data: bytes, offset: int) -> int:
    """Where a directory says what follows it."""
    (count,) = struct.unpack_from("<H", data, offset)
    return int(offset + 2 + 12 * count)


def entry(data: bytes, code: int) -> int:
    """Where a tag of the first page stands."""
    start = directory(data)
    (count,) = struct.unpack_from("<H", data, start)
    places = range(start + 2, start + 2 + 12 * count, 12)
    return next(place for place in places if struct.unpack_from("<H", data, place) == (code,))


def tag(
    code: int, value: int | None = None, *, kind: int | None = None, count: int | None = None, **options: Any
) -> Callable[[Scene], object]:
    """The tile's TIFF with another type, count or value of one tag."""
    data = tiff_bytes(**options)
    place = entry(data, code)
    if kind is not None:
        struct.pack_into("<H", data, place + 2, kind)
    if count is not None:
        struct.pack_into("<I", data, place + 4, count)
    if value is not None:
        struct.pack_into("<I", data, place + 8, value)
    return content(bytes(data))


def listed(code: int, value: int, index: int = 2, **options: Any) -> Callable[[Scene], object]:
    """The tile's TIFF with another offset or byte count of one strip."""
    data = tiff_bytes(**options)
    kind, _, place = struct.unpack_from("<HII", data, entry(data, code) + 2)
    pattern = "<H" if kind == _SHORT else "<I"
    struct.pack_into(pattern, data, place + index * struct.calcsize(pattern), value)
    return content(bytes(data))


def without_tag(code: int) -> Callable[[Scene], object]:
    """The tile's TIFF with a tag that nobody knows in place of one."""
    data = tiff_bytes()
    struct.pack_into("<H", data, entry(data, code), 65_000)
    return content(bytes(data))


def predicted() -> Callable[[Scene], object]:
    """Uncompressed pixels with a predictor, which tifffile does not write."""
    data = tiff_bytes(extratags=[(65_000, _SHORT, 1, 2, True)])
    struct.pack_into("<H", data, entry(data, 65_000), 317)
    return content(bytes(data))


def at(offset: int, pattern: str, value: int) -> Callable[[Scene], object]:
    data = tiff_bytes()
    struct.pack_into(pattern, data, offset, value)
    return content(bytes(data))


def entries(count: int) -> Callable[[Scene], object]:
    """The tile's TIFF with another number of tags."""
    return at(directory(tiff_bytes()), "<H", count)


def followed(
    page: int, by: int | None = None, *, at_page: int = 0, pages: int = 3
) -> Callable[[Scene], object]:
    """Pages of which one is followed by a place, or by another page."""
    data = tiff_bytes([pixels_of(number, side=SIDE) for number in range(pages)])
    target = directory(data, at_page) if by is None else by
    struct.pack_into("<I", data, after(data, directory(data, page)), target)
    return content(bytes(data))


def written(pixels: Any = None, **options: Any) -> Callable[[Scene], object]:
    """The tile's TIFF, sound but not what is wanted."""
    return content(bytes(tiff_bytes(pixels, **options)))


def described(text: str, **options: Any) -> Callable[[Scene], object]:
    return written(description=text, **options)


def mixed_types(scene: Scene) -> None:
    tifffile.imwrite(scene.tile, scene.plate.pixels[TILE].astype("uint8"))


_PIXELS = pixels_of(7, side=SIDE)
_BYTES = _PIXELS.astype(np.uint8)
_COLORS = np.stack([_PIXELS] * 3, axis=-1)
_PALETTE = np.random.default_rng(5).integers(0, 65535, (3, 256)).astype(np.uint16)
_HUGE = 2**31
#: Of files in which one lie looks like another.
_ODD = (
    "{tile}: .*(damaged|truncated|never finished|of at least 1, found|set data_type"
    "|expected pixels of 1 to 64 bit)"
)
_DAMAGED = "{tile}: .*(damaged|truncated)"

CASES = [
    BadInput("tiff: two bytes of its mark", content(b"II"), "{tile}: expected a TIFF"),
    BadInput("tiff: its mark only", content(b"II*\0"), _DAMAGED),
    BadInput(
        "tiff: a header and no directory", content(b"II*\0\0\0\0\0"), "{tile}: expected pages, found none"
    ),
    BadInput(
        "tiff: BigTIFF with offsets of 9 bytes",
        content(b"II+\0\x09\0\0\0" + bytes(100)),
        "{tile}: .*header cannot be read",
    ),
    BadInput("tiff: big-endian by its mark only", content(b"MM\0*" + bytes(tiff_bytes()[4:])), _DAMAGED),
    BadInput("tiff: directory beyond the file", at(4, "<I", 10**6), _DAMAGED),
    BadInput("tiff: directory at 2^32 - 1", at(4, "<I", 2**32 - 1), _DAMAGED),
    BadInput("tiff: directory within the header", at(4, "<I", 2), _ODD),
    BadInput("tiff: directory among the pixels", at(4, "<I", len(tiff_bytes()) - 100), _ODD),
    BadInput("tiff: directory of no tags", entries(0), _ODD),
    BadInput("tiff: directory of two tags", entries(2), _ODD),
    BadInput("tiff: directory of 65535 tags", entries(65535), _DAMAGED),
    BadInput(
        "tiff: a page that follows itself",
        followed(0, at_page=0),
        "{tile}: page 0 is followed by an earlier one",
    ),
    BadInput("tiff: pages in a ring", followed(2, at_page=0), "{tile}: page 2 is followed by an earlier one"),
    BadInput(
        "tiff: a loop among later pages",
        followed(2, at_page=1),
        "{tile}: page 2 is followed by an earlier one",
    ),
    BadInput("tiff: a next page beyond the file", followed(0, 10**6), _DAMAGED),
    BadInput("tiff: a next page among the pixels", followed(0, 500), _ODD),
    BadInput("tiff: a next page in the header", followed(0, 2), _ODD),
    BadInput("tiff: width 2^31", tag(_WIDTH, _HUGE, kind=_LONG), "{tile}: .*claims|{tile}: .*2147483648"),
    BadInput("tiff: height 2^31", tag(_LENGTH, _HUGE, kind=_LONG), _ODD),
    BadInput("tiff: width and height 2^32 - 1", tag(_WIDTH, 2**32 - 1, kind=_LONG), _ODD),
    BadInput("tiff: width 0", tag(_WIDTH, 0), "{tile}: expected imagewidth of at least 1, found 0"),
    BadInput("tiff: height 0", tag(_LENGTH, 0), "{tile}: expected imagelength of at least 1, found 0"),
    BadInput("tiff: width is a text", tag(_WIDTH, kind=_ASCII), _ODD),
    BadInput(
        "tiff: width of an unknown type", tag(_WIDTH, kind=99), "{tile}: tag 256 of page 0 cannot be read"
    ),
    BadInput("tiff: 2^32 - 1 widths", tag(_WIDTH, count=2**32 - 1), _ODD),
    BadInput("tiff: 2^32 - 1 bit depths", tag(_BITS, count=2**32 - 1), _ODD),
    BadInput("tiff: no width", without_tag(_WIDTH), _ODD),
    BadInput("tiff: no height", without_tag(_LENGTH), _ODD),
    BadInput("tiff: no offsets", without_tag(_OFFSETS), _ODD),
    BadInput("tiff: no byte counts", without_tag(_COUNTS), _ODD),
    BadInput("tiff: strips in a volatile place", listed(_OFFSETS, 2**32 - 1), _DAMAGED),
    BadInput("tiff: a strip that begins behind the file", listed(_OFFSETS, len(tiff_bytes())), _DAMAGED),
    BadInput(
        "tiff: a strip in the header",
        listed(_OFFSETS, 0),
        "{tile}: .*without data: the file was never finished",
    ),
    BadInput(
        "tiff: a strip of no bytes", listed(_COUNTS, 0), "{tile}: .*without data: the file was never finished"
    ),
    BadInput("tiff: a strip of 65535 bytes", listed(_COUNTS, 65535), _DAMAGED),
    BadInput("tiff: a strip of too few bytes", listed(_COUNTS, 10), "{tile}: .*claims"),
    BadInput("tiff: a strip of too few bytes, another of too many", listed(_COUNTS, 10, index=0), _ODD),
    BadInput(
        "tiff: overlapping strips that end behind the file",
        listed(_OFFSETS, len(tiff_bytes()) - 20, index=0),
        _DAMAGED,
    ),
    BadInput(
        "tiff: fewer offsets than strips",
        tag(_OFFSETS, count=2),
        "{tile}: expected 3 strips or tiles, found 2 offsets",
    ),
    BadInput(
        "tiff: fewer byte counts than strips",
        tag(_COUNTS, count=2),
        "{tile}: .*found 3 offsets, 2 byte counts|{tile}: ",
    ),
    BadInput("tiff: 2^32 - 1 offsets", tag(_OFFSETS, count=2**32 - 1), _ODD),
    BadInput("tiff: offsets as texts", tag(_OFFSETS, kind=_ASCII), _ODD),
    BadInput("tiff: strips of no rows", tag(_ROWS, 0), "{tile}: expected rowsperstrip of at least 1"),
    BadInput(
        "tiff: a strip cut in half by its list", tag(_ROWS, 1), "{tile}: expected 12 strips or tiles, found 3"
    ),
    BadInput("tiff: 0 bits", tag(_BITS, 0), _ODD),
    BadInput("tiff: 3 bits", tag(_BITS, 3), _ODD),
    BadInput("tiff: 24 bits of a float", tag(_BITS, 24, pixels=_PIXELS.astype(np.float32)), _ODD),
    BadInput("tiff: 65535 bits", tag(_BITS, 65535), "{tile}: expected pixels of 1 to 64 bit"),
    BadInput("tiff: 128 bits", tag(_BITS, 128), "{tile}: expected pixels of 1 to 64 bit"),
    BadInput(
        "tiff: sample format 9",
        tag(_FORMAT, 9, pixels=_PIXELS.astype(np.int16)),
        "{tile}: expected pixels of 1 to 64 bit",
    ),
    BadInput(
        "tiff: complex numbers",
        written(_PIXELS.astype(np.complex64)),
        "{tile}: expected pixels of 1 to 64 bit integers or floats, found complex64",
    ),
    BadInput("tiff: no samples", tag(_SAMPLES, 0), "{tile}: expected samplesperpixel of at least 1, found 0"),
    BadInput(
        "tiff: 65535 samples",
        tag(_SAMPLES, 65535),
        "{tile}: expected 1 .grey., 3 .RGB. or 4 .RGBA. samples per pixel, found 65535",
    ),
    BadInput(
        "tiff: grey with a second sample",
        written(np.stack([_PIXELS] * 2, axis=-1), planarconfig="contig"),
        "{tile}: expected 1 .grey., .*found 2",
    ),
    BadInput(
        "tiff: an unknown compression",
        tag(_COMPRESSION, 12345),
        "{tile}: its compression 12345 cannot be read",
    ),
    BadInput("tiff: compression 0", tag(_COMPRESSION, 0), "{tile}: its compression .* cannot be read"),
    BadInput(
        "tiff: fax", tag(_COMPRESSION, 4), "{tile}: expected pixels of 1 bit, since they are stored as fax"
    ),
    BadInput(
        "tiff: LZW that claims 4000 times its bytes",
        tag(_LENGTH, 4_000_000, kind=_LONG, compression="lzw", rowsperstrip=12),
        _ODD,
    ),
    BadInput(
        "tiff: deflate that claims 2^31 rows",
        tag(_LENGTH, _HUGE, kind=_LONG, compression="zlib", rowsperstrip=12),
        _ODD,
    ),
    BadInput(
        "tiff: zstd that claims 2^31 columns",
        tag(_WIDTH, _HUGE, kind=_LONG, compression="zstd", rowsperstrip=12),
        _ODD,
    ),
    BadInput(
        "tiff: a predictor on uncompressed pixels",
        predicted(),
        "{tile}: expected no predictor on uncompressed pixels",
    ),
    BadInput(
        "tiff: an unknown predictor", tag(317, 99, compression="lzw", predictor=2), "{tile}: .*predictor"
    ),
    BadInput(
        "tiff: the predictor of floats on integers",
        tag(317, 3, compression="lzw", predictor=2),
        "{tile}: .*predictor",
    ),
    BadInput(
        "tiff: an unknown planar configuration",
        tag(_PLANAR, 9, pixels=_COLORS, photometric="rgb"),
        _ODD,
    ),
    BadInput(
        "tiff: an unknown photometric",
        tag(_PHOTOMETRIC, 99),
        "{tile}: expected grey, RGB or RGBA pixels, found 1 samples of kind 99",
    ),
    BadInput(
        "tiff: CMYK",
        written(np.stack([_BYTES] * 4, axis=-1), photometric="separated"),
        "{tile}: expected grey, RGB or RGBA pixels, found .*SEPARATED",
    ),
    BadInput(
        "tiff: a palette of colours",
        written(_BYTES, photometric="palette", colormap=_PALETTE),
        "{tile}: expected grey or RGB pixels, found palette colours",
    ),
    BadInput(
        "tiff: RGB for grey",
        written(_COLORS, photometric="rgb"),
        "{tile}: expected a grey image, found 3 colours per pixel: set length_c = 3",
    ),
    BadInput(
        "tiff: a volume in one page",
        written(np.ones((16, 16, 16), np.uint16), tile=(16, 16, 16), volumetric=True),
        "{tile}: expected planes, found a volume in one page",
    ),
    BadInput(
        "tiff: Zeiss LSM",
        written(extratags=[(34412, 1, 8, b"12345678", True)]),
        "{tile}: expected a TIFF, found a Zeiss LSM file",
    ),
    BadInput(
        "tiff: tiles of no width", tag(322, 0, tile=(16, 16)), "{tile}: expected tilewidth of at least 1"
    ),
    BadInput("tiff: tiles 2^31 wide", tag(322, _HUGE, kind=_LONG, tile=(16, 16)), _ODD),
    BadInput(
        "tiff: tiles 2^31 wide, compressed",
        tag(322, _HUGE, kind=_LONG, tile=(16, 16), compression="zlib"),
        _ODD,
    ),
    BadInput(
        "tiff: tiles smaller than listed",
        tag(322, 1, tile=(16, 16)),
        "{tile}: expected 16 strips or tiles, found 1",
    ),
    BadInput(
        "tiff: another pixel type",
        mixed_types,
        "{tile}: expected uint16 as most tiles of the image, found uint8",
    ),
    BadInput(
        "tiff: another shape",
        written(np.ones((12, 17), np.uint16)),
        "{tile}: expected 12 x 16 px .height x width., found 12 x 17",
    ),
    BadInput(
        "tiff: turned by 90 degrees",
        written(_PIXELS.T.copy()),
        "{tile}: expected 12 x 16 px .height x width., found 16 x 12",
    ),
    BadInput(
        "tiff: too many pages", written([_PIXELS] * 3), "{tile}: expected 1 plane .t 1, c 1, z 1., found 3"
    ),
    BadInput(
        "tiff: too few pages",
        cells("length_z", 3),
        "c0_z0.tif: expected 3 planes .t 1, c 1, z 3., found 1",
    ),
    BadInput(
        "tiff: pages of two shapes",
        written([_PIXELS, _PIXELS[:8]]),
        "{tile}: expected pages that are alike, found 12 x 16 px.* 8 x 16 px.* in page 1",
    ),
    BadInput(
        "tiff: pages of two types",
        written([_PIXELS, _BYTES]),
        "{tile}: expected pages that are alike, found .*uint16, and .*uint8 in page 1",
    ),
    BadInput(
        "tiff: ImageJ's description of 10^9 images",
        described("ImageJ=1.54f\nimages=1000000000\nslices=1000000000\n"),
        "{tile}: its description says 1000000000 planes",
    ),
    BadInput(
        "tiff: a description nested 100000 deep",
        described('{"shape": ' + "[" * 100_000 + ', "truncated": true}'),
        "{tile}: .*description",
    ),
    BadInput(
        "tiff: a description of a huge shape",
        described('{"shape": [1000000000, 12, 16], "truncated": true}'),
        "{tile}: its description says 1000000000 planes",
    ),
]
