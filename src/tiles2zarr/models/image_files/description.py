"""What stands in the header of a TIFF's first page: its description, where vendors keep their metadata, and its size.

tifffile takes milliseconds for a file; where a hundred thousand files of a plate are looked at, only these tags are.
"""

from __future__ import annotations

import struct
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tiles2zarr.errors import SourceError
from tiles2zarr.models.image_files.opened import open_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tiles2zarr.models.image_files.opened import OpenImage

_WIDTH, _HEIGHT, _DESCRIPTION, _SAMPLES = 256, 257, 270, 277
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_TEXTS = frozenset({1, 2, 7})  # bytes, ASCII, undefined: each has been seen for a description
# Bytes. Vendors write the description right behind the tags, a few thousand bytes long: one read fetches both.
_BLOCK = 2**14
# Where tags begin so near to the start of the file, the block that starts there holds them, too.
_NEAR = 2**12
# On network file systems opening a file waits more than it works; there threads help. Where files come out of memory
# or from a fast disk, they only take the interpreter's lock from each other.
_THREADS, _WAITS = 8, 3.0
_FILES_AT_ONCE = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FirstPage:
    """What the first page of a TIFF says of itself.

    Attributes:
        description: the text of its ImageDescription, up to the first NUL; empty where it has none.
        height: rows, px.
        width: columns, px.
        samples: values per pixel: 3 for red, green, blue.
    """

    description: str
    height: int
    width: int
    samples: int = 1


@dataclass(frozen=True, slots=True)
class _Variant:
    """Where things are in a TIFF of one byte order and one width of addresses.

    Attributes:
        order: as `struct` writes it.
        place: format and place of the address of the first page.
        count: format of the number of tags.
        tag: format of a tag without its value: code, type, number of values.
        value: format of a tag's value where it is an address.
    """

    order: str
    place: tuple[str, int]
    count: str
    tag: str
    value: str


def _classic(order: str) -> _Variant:
    return _Variant(order, (f"{order}I", 4), f"{order}H", f"{order}HHI", f"{order}I")


def _big(order: str) -> _Variant:
    return _Variant(order, (f"{order}Q", 8), f"{order}Q", f"{order}HHQ", f"{order}Q")


_VARIANTS = {
    b"II*\0": _classic("<"),
    b"MM\0*": _classic(">"),
    b"II+\0": _big("<"),
    b"MM\0+": _big(">"),
}


def read_description(path: Path) -> str:
    """The ImageDescription of the first page of a TIFF; empty where it has none.

    Raises:
        SourceError: as `read_first_page`.
    """
    return read_first_page(path).description


def read_first_page(path: Path) -> FirstPage:
    """Description and size of the first page of a TIFF or BigTIFF. Nothing else of the file is looked at.

    Text that is no UTF-8 is taken for that of a western Windows.

    Raises:
        SourceError: the file is missing, unreadable, truncated, damaged or no TIFF.
    """
    with open_image(path) as file:
        block = _Block(file, 0)
        start = block.bytes_at(0, min(16, file.size))
        variant = _VARIANTS.get(start[:4])
        if variant is None:
            raise file.error(
                f"expected a TIFF file, found one that starts with {start[:8]!r}: choose another file"
            )
        form, place = variant.place
        if len(start) < place + struct.calcsize(form):
            raise file.truncated(place + struct.calcsize(form))
        (first,) = struct.unpack_from(form, start, place)
        if first == 0:
            raise file.error("expected a page, found none: truncated or never finished, copy it again")
        if first >= _NEAR:
            block = _Block(file, first)
        return _page(block, first, variant)


def each_first_page(paths: Sequence[Path], taken: Callable[[FirstPage], T]) -> Iterator[T | SourceError]:
    """What is taken of each file's first page, in the order of the files; the error of a file that cannot be read.

    The files are read one after another, or side by side as soon as that mostly waits.

    Args:
        paths: the files.
        taken: turns a first page into what is kept of it; a hundred thousand descriptions would fill the memory.
    """
    parts = iter([paths[start : start + _FILES_AT_ONCE] for start in range(0, len(paths), _FILES_AT_ONCE)])

    def look(part: Sequence[Path]) -> list[T | SourceError]:
        return [_taken(path, taken) for path in part]

    for part in parts:
        started, worked = time.perf_counter(), time.thread_time()
        looked = look(part)
        waits = time.perf_counter() - started > _WAITS * (time.thread_time() - worked)
        yield from looked
        if waits:
            break
    with ThreadPoolExecutor(_THREADS) as pool:
        for looked in pool.map(look, parts):
            yield from looked


def _taken(path: Path, taken: Callable[[FirstPage], T]) -> T | SourceError:
    try:
        page = read_first_page(path)
    except SourceError as error:
        return error
    return taken(page)


class _Block:
    """Part of a file, read once, from which what lies within it is taken."""

    def __init__(self, file: OpenImage, start: int) -> None:
        self.file = file
        self.start = start
        self._data = file.bytes_at(start, min(_BLOCK, file.size - start)) if start < file.size else b""

    def bytes_at(self, offset: int, count: int) -> bytes:
        """Exactly these bytes of the file."""
        begin = offset - self.start
        if begin >= 0 and begin + count <= len(self._data):
            return self._data[begin : begin + count]
        return self.file.bytes_at(offset, count)


def _page(block: _Block, start: int, variant: _Variant) -> FirstPage:
    counted = struct.calcsize(variant.count)
    (tags,) = struct.unpack(variant.count, block.bytes_at(start, counted))
    head, room = struct.calcsize(variant.tag), struct.calcsize(variant.value)
    entries = block.bytes_at(start + counted, tags * (head + room))
    found: dict[int, int] = {}
    text = None
    for place in range(0, len(entries), head + room):
        code, kind, count = struct.unpack_from(variant.tag, entries, place)
        if code == _DESCRIPTION and text is None and kind in _TEXTS:
            if count <= room:
                text = entries[place + head : place + head + count]
            else:
                (address,) = struct.unpack_from(variant.value, entries, place + head)
                text = block.bytes_at(address, count)
        elif (
            code in (_WIDTH, _HEIGHT, _SAMPLES)
            and count == 1
            and struct.calcsize(_NUMBERS.get(kind, "16s")) <= room
        ):
            (found[code],) = struct.unpack_from(variant.order + _NUMBERS[kind], entries, place + head)
    height, width = found.get(_HEIGHT, 0), found.get(_WIDTH, 0)
    if height < 1 or width < 1:
        msg = f"expected the height and width of its first page, found {height} x {width}"
        raise block.file.error(f"{msg}: the file is damaged, copy it again")
    return FirstPage(_decoded((text or b"").split(b"\0", 1)[0]), height, width, found.get(_SAMPLES, 1))


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("cp1252", errors="replace")
