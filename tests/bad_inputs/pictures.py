"""PNG, JPEG, BMP and NPY files that are cut, lie, or are called what they are not."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

from tests.bad_inputs.scene import SIDE, TILE, BadInput, Scene, content
from tests.models.image_file_cases import GREY_RAMP, bmp, png, png_chunk
from tests.table_plates import pixels_of

if TYPE_CHECKING:
    from collections.abc import Callable

_PIXELS = pixels_of(21, side=SIDE)
_BYTES = _PIXELS.astype(np.uint8)
_ROWS = b"".join(b"\0" + row.astype(">u2").tobytes() for row in _PIXELS)
_PNG = png(16, 12, 16, 0, _ROWS, png_chunk(b"tEXt", b"Comment\0by hand"))
_JPEG = bytes(imagecodecs.jpeg8_encode(_BYTES))
_BMP = bmp(_BYTES, palette=GREY_RAMP)


def called(suffix: str, data: bytes) -> Callable[[Scene], object]:
    """The tile as a file of another ending, of which the table knows."""

    def spoil(scene: Scene) -> None:
        scene.tile.unlink()
        name = TILE.removesuffix(".tif") + suffix
        (scene.folder / name).write_bytes(data)
        scene.plate.rows[1]["file_path"] = name
        scene.plate.write_table()

    return spoil


def sized(width: int, height: int) -> bytes:
    """A JPEG whose frame claims another size."""
    frame = _JPEG.index(b"\xff\xc0")
    return _JPEG[: frame + 5] + struct.pack(">HH", height, width) + _JPEG[frame + 9 :]


def with_byte(data: bytes, place: int, value: int) -> bytes:
    return data[:place] + bytes([value]) + data[place + 1 :]


def png_borders(data: bytes) -> dict[int, str]:
    """Where chunks of a PNG begin, and where their names and checksums do."""
    found, offset = {8: "after its mark"}, 8
    while offset < len(data):
        length, name = struct.unpack_from(">I4s", data, offset)
        parts = {
            "in the length of": 2,
            "before the name of": 4,
            "before the data of": 8,
            "before the checksum of": 8 + length,
        }
        found |= {offset + step: f"{what} {name.decode()}" for what, step in parts.items()}
        offset += 12 + length
        found[offset] = f"after {name.decode()}"
    return {size: what for size, what in found.items() if size < len(data)}


def jpeg_borders(data: bytes) -> dict[int, str]:
    """Where markers of a JPEG begin, and the middle and end of its pixels."""
    found, offset = {2: "after its mark", 3: "in the first marker"}, 2
    while True:
        marker, length = struct.unpack_from(">xBH", data, offset)
        found |= {
            offset + 2: f"in marker {marker:02X} at {offset}",
            offset + 3 + length // 2: f"within marker {marker:02X} at {offset}",
        }
        found[offset + 2 + length] = f"after marker {marker:02X} at {offset}"
        offset += 2 + length
        if marker == 0xDA:
            break
    return found | {
        (offset + len(data)) // 2: "within the pixels",
        len(data) - 2: "before its end",
        len(data) - 1: "in its end",
    }


def npy(
    shape: object = SIDE,
    descr: object = "<u2",
    fortran: object = False,
    version: int = 1,
    data: bytes = _PIXELS.tobytes(),
) -> bytes:
    header = repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode()
    return npy_header(header, version) + data


def npy_header(header: bytes, version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header


_NPY = npy()
_NPY_TILE = "{folder}/A01_f0_t0_c1_z0.npy: "
_NPY_CUTS = {
    7: "in its version",
    9: "in the length of its header",
    30: "in its header",
    len(_NPY) - 384: "before its pixels",
    len(_NPY) - 1: "in its last pixel",
}
_BMP_CUTS = {
    10: "in its header",
    14: "before its second header",
    40: "in its second header",
    100: "in its palette",
    1078: "before its pixels",
    len(_BMP) - 1: "in its last pixel",
}
_CUT = "(truncated|damaged|expected a TIFF|found none)"

CASES = [
    *(
        BadInput(
            f"png: cut {what}", called(".png", _PNG[:size]), rf"{{folder}}/A01_f0_t0_c1_z0.png: .*{_CUT}"
        )
        for size, what in png_borders(_PNG).items()
    ),
    *(
        BadInput(
            f"jpeg: cut {what}", called(".jpg", _JPEG[:size]), rf"{{folder}}/A01_f0_t0_c1_z0.jpg: .*{_CUT}"
        )
        for size, what in jpeg_borders(_JPEG).items()
    ),
    *(
        BadInput(
            f"bmp: cut {what}", called(".bmp", _BMP[:size]), rf"{{folder}}/A01_f0_t0_c1_z0.bmp: .*{_CUT}"
        )
        for size, what in _BMP_CUTS.items()
    ),
    *(
        BadInput(f"npy: cut {what}", called(".npy", _NPY[:size]), rf"{_NPY_TILE}.*{_CUT}")
        for size, what in _NPY_CUTS.items()
    ),
    BadInput(
        "png: claims 10^5 x 10^5 px",
        content(png(100_000, 100_000, 8, 0, b"\0\1\2")),
        "{tile}: .*its header claims 10000000000",
    ),
    BadInput(
        "png: claims 2^31 - 1 columns",
        content(png(2**31 - 1, 2**31 - 1, 16, 6, b"\0\1\2")),
        "{tile}: .*its header claims",
    ),
    BadInput("png: of no columns", content(png(0, 12, 16, 0, _ROWS)), "{tile}: expected at least one pixel"),
    BadInput("png: 3 bits", content(png(16, 12, 3, 0, _ROWS)), "{tile}: expected a PNG header"),
    BadInput(
        "png: wrong checksum of the header",
        content(with_byte(_PNG, 30, _PNG[30] ^ 1)),
        "{tile}: .*checksum of chunk b'IHDR'",
    ),
    BadInput(
        "png: a width that its checksum denies",
        content(with_byte(_PNG, 19, 17)),
        "{tile}: .*checksum of chunk b'IHDR'",
    ),
    BadInput(
        "png: wrong checksum of the pixels",
        content(with_byte(_PNG, len(_PNG) - 13, _PNG[-13] ^ 1)),
        "{tile}: .*checksum of chunk b'IDAT'",
    ),
    BadInput(
        "png: a chunk of 2^32 - 1 bytes",
        content(_PNG[:33] + b"\xff\xff\xff\xff" + _PNG[37:]),
        "{tile}: .*(truncated|damaged)",
    ),
    BadInput(
        "png: no pixels", content(_PNG[:33] + png_chunk(b"IEND", b"")), "{tile}: expected pixels, found none"
    ),
    BadInput(
        "png: a palette",
        content(png(2, 1, 8, 3, b"\0\1\0", png_chunk(b"PLTE", bytes(range(6))))),
        "{tile}: expected grey, RGB or RGBA pixels, found palette colours",
    ),
    BadInput(
        "png: animated",
        content(png(16, 12, 16, 0, _ROWS, png_chunk(b"acTL", struct.pack(">II", 2, 0)))),
        "{tile}: expected one image, found an animated PNG",
    ),
    BadInput(
        "jpeg: claims 65535 x 65535 px",
        content(sized(65535, 65535)),
        "{tile}: expected 12 x 16 px .height x width., found 65535 x 65535",
        errors=2,
    ),
    BadInput("jpeg: of no rows", content(sized(16, 0)), "{tile}: expected at least one pixel"),
    BadInput(
        "jpeg: grey of 8 bits among 16",
        content(_JPEG),
        "{tile}: expected uint16 as most tiles of the image, found uint8",
    ),
    BadInput("jpeg: markers without end", content(b"\xff\xd8" + b"\xff" * 3_000_000), "{tile}: .*truncated"),
    BadInput(
        "bmp: claims 2^30 x 2^30 px",
        content(_BMP[:18] + struct.pack("<ii", 2**30, 2**30) + _BMP[26:]),
        "{tile}: .*its header claims",
    ),
    BadInput(
        "bmp: claims one row more",
        content(_BMP[:18] + struct.pack("<ii", 16, 13) + _BMP[26:]),
        "{tile}: .*truncated",
    ),
    BadInput(
        "bmp: a text that begins like one",
        content(b"BM is the name of this well\n" * 9),
        "{tile}: expected a BMP header",
    ),
    BadInput(
        "npy: objects",
        content(npy(descr="|O", data=b"cos\nsystem\n(S'touch pwned'\ntR.")),
        "{tile}: expected pixels of 1 to 64 bit integers or floats, found object",
    ),
    BadInput("npy: records", content(npy(descr=[("a", "<u2")])), "{tile}: the NPY header cannot be read"),
    BadInput("npy: texts", content(npy(descr="<U4")), "{tile}: expected pixels"),
    BadInput("npy: complex numbers", content(npy(descr="<c8")), "{tile}: expected pixels .*complex64"),
    BadInput("npy: one axis", content(npy(shape=(192,))), "{tile}: expected an array of at least two axes"),
    BadInput("npy: claims 10^12 planes", content(npy(shape=(10**12, 12, 16))), "{tile}: .*truncated"),
    BadInput("npy: claims 10^400 columns", content(npy(shape=(12, 10**400))), "{tile}: .*claims"),
    BadInput(
        "npy: a negative length", content(npy(shape=(-12, -16))), "{tile}: the NPY header cannot be read"
    ),
    BadInput(
        "npy: an empty axis", content(npy(shape=(0, 12, 16), data=b"")), "{tile}: expected at least one pixel"
    ),
    BadInput("npy: version 9", content(npy(version=9)), "{tile}: expected NPY version 1.0 or 2.0"),
    BadInput(
        "npy: a header of 2^32 - 1 bytes",
        content(npy(version=2)[:8] + b"\xff\xff\xff\xff" + bytes(50)),
        "{tile}: expected an NPY header of at most",
    ),
    BadInput(
        "npy: a program for a header",
        content(npy_header(b"__import__('os').abort()")),
        "{tile}: the NPY header cannot be read",
    ),
    BadInput(
        "npy: a header of brackets",
        content(npy_header(b"(" * 9_000)),
        "{tile}: the NPY header cannot be read",
    ),
    BadInput(
        "npy: a header of minus signs",
        content(npy_header(b"-" * 9_000 + b"1")),
        "{tile}: the NPY header cannot be read",
    ),
    BadInput(
        "npy: in Fortran order, of another shape",
        content(npy(shape=(16, 12), fortran=True)),
        "{tile}: expected 12 x 16 px .height x width., found 16 x 12",
    ),
    BadInput("npy: a second array behind", content(_NPY * 2), "{tile}: .*more than one array"),
]
