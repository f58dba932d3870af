"""Sound TIFF files, cut wherever something begins, lies or ends in them."""

from __future__ import annotations

import functools
import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from tests.bad_inputs.scene import SIDE, BadInput, Scene, single_tile
from tests.bad_inputs.tiffs import tiff_bytes
from tests.table_plates import pixels_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIXELS = pixels_of(11, side=SIDE)
_PLANES = [pixels_of(11, number, side=SIDE) for number in range(3)]


def directory_last() -> bytes:
    """A TIFF as libtiff leaves it: strips, then the directory, then what does not fit into it."""
    strips = [_PIXELS[start : start + 4].astype("<u2").tobytes() for start in range(0, 12, 4)]
    offsets = [8 + sum(map(len, strips[:number])) for number in range(3)]
    start = 8 + sum(map(len, strips))
    software = b"a microscope of some maker or other\0"
    tags = [(256, 3, 1, 16), (257, 3, 1, 12), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
    values = start + 2 + 12 * 10 + 4
    tags += [(273, 4, 3, values), (277, 3, 1, 1), (278, 3, 1, 4), (279, 4, 3, values + 12)]
    tags += [(305, 2, len(software), values + 24)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    listed = struct.pack("<3I", *offsets) + struct.pack("<3I", *map(len, strips))
    head = b"II*\0" + struct.pack("<I", start)
    return head + b"".join(strips) + struct.pack("<H", 10) + entries + bytes(4) + listed + software


def imagej_stack() -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.stack(_PLANES), imagej=True, truncate=True, metadata={"axes": "ZYX"})
    return buffer.getvalue()


#: The file, and how many planes it holds.
WHOLE: dict[str, tuple[bytes, int]] = {
    "in strips": (bytes(tiff_bytes(_PIXELS)), 1),
    "big-endian": (bytes(tiff_bytes(_PIXELS, byteorder=">")), 1),
    "BigTIFF": (bytes(tiff_bytes(_PIXELS, bigtiff=True)), 1),
    "in LZW": (bytes(tiff_bytes(_PIXELS, compression="lzw", predictor=2)), 1),
    "in deflate, tiled": (bytes(tiff_bytes(_PIXELS, compression="zlib", tile=(16, 16))), 1),
    "in zstd": (bytes(tiff_bytes(_PIXELS, compression="zstd", bigtiff=True)), 1),
    "in JPEG": (bytes(tiff_bytes(_PIXELS.astype(np.uint8), compression="jpeg", tile=(16, 16))), 1),
    "of three pages": (bytes(tiff_bytes(_PLANES)), 3),
    "of three pages, BigTIFF": (
        bytes(tiff_bytes(_PLANES, bigtiff=True, compression="zlib", rowsperstrip=6)),
        3,
    ),
    "of ImageJ": (imagej_stack(), 3),
    "with its directory last": (directory_last(), 1),
}


def places(data: bytes) -> dict[int, str]:
    """Where to cut: the number of bytes that are left, and what begins or lies there."""
    found: dict[int, str] = {}
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        layout = tif.tiff
        for size in (1, 2, 3, 4, layout.offsetsize, layout.offsetsize + 2):
            found.setdefault(size, "in the header")
        for number, page in enumerate(tif.pages):
            for size, what in _page_places(page, layout, number):
                found.setdefault(size, what)
    for behind in (1, 2):
        found.setdefault(len(data) - behind, "short of its end")
    return {size: what for size, what in sorted(found.items()) if 0 < size < len(data)}


def _page_places(page: Any, layout: Any, number: int) -> Iterator[tuple[int, str]]:
    yield page.offset, f"before directory {number}"
    yield page.offset + 1, f"in the count of directory {number}"
    for tag in page.tags:
        yield tag.offset, f"before tag {tag.code} of page {number}"
        yield tag.offset + layout.tagsize // 2, f"in tag {tag.code} of page {number}"
        if not tag.offset <= tag.valueoffset < tag.offset + layout.tagsize:
            yield tag.valueoffset, f"before the values of tag {tag.code} of page {number}"
            yield (
                tag.valueoffset + tag.valuebytecount // 2,
                f"in the values of tag {tag.code} of page {number}",
            )
            yield tag.valueoffset + tag.valuebytecount - 1, f"at the end of tag {tag.code} of page {number}"
    follower = page.offset + layout.tagnosize + len(page.tags) * layout.tagsize
    yield follower, f"before the follower of page {number}"
    yield follower + layout.offsetsize // 2, f"in the follower of page {number}"
    for segment, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        yield offset, f"before strip {segment} of page {number}"
        yield offset + count // 2, f"in strip {segment} of page {number}"
        yield offset + count - 1, f"at the end of strip {segment} of page {number}"


def write_whole(scene: Scene, kind: str) -> None:
    """Make the plate one tile of this kind."""
    data, planes = WHOLE[kind]
    single_tile(scene, data, length_z=planes)


def _cut(kind: str, size: int, scene: Scene) -> None:
    data, planes = WHOLE[kind]
    single_tile(scene, data[:size], length_z=planes)


CASES = [
    BadInput(
        f"cut: a TIFF {kind}, {what} ({size} bytes left)",
        functools.partial(_cut, kind, size),
        "{tile}: .*(truncated|damaged|never finished|expected a TIFF)",
    )
    for kind, (data, _) in WHOLE.items()
    for size, what in places(data).items()
]
