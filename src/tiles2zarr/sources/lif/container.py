"""The blocks of a LIF file: its XML, and where the pixels of each series lie, without a vendor library.

A LIF file begins with a block of XML. After it come memory blocks, each with a name that a series refers to.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError
from tiles2zarr.sources.unreadable import unreadable
from tiles2zarr.sources.xml import parse_xml

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO
    from xml.etree.ElementTree import Element

MAGIC = b"\x70\x00\x00\x00"
_TEST = 0x2A
_HEADER = struct.Struct("<IIBI")  # block, its size, test, number of characters
_MEMORY = {1: struct.Struct("<IIBIBI"), 2: struct.Struct("<IIBQBI")}
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_MOST_XML = 2**30
_REMEDY = "the file is damaged or incomplete, copy it again"


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a file.

    Attributes:
        start: first byte.
        size: bytes.
    """

    start: int
    size: int


@dataclass(frozen=True, slots=True)
class LifFile:
    """What a LIF file is made of.

    Attributes:
        file: its path.
        root: its XML.
        blocks: the memory blocks by name.
        size: bytes in the file.
    """

    file: Path
    root: Element
    blocks: dict[str, Block]
    size: int


def read_lif(file: Path) -> LifFile:
    """XML and list of blocks.

    Raises:
        SourceError: the file is no LIF file, or it is damaged, empty or incomplete.
    """
    try:
        with open(file, "rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            text = _xml(file, handle, size)
            root = parse_xml(_DECLARATION.sub("", text, count=1), f"{file} (metadata)")
            return LifFile(file, root, _blocks(file, handle, size, root.get("Version", "")), size)
    except OSError as error:
        raise unreadable(file, error) from error


def _xml(file: Path, handle: BinaryIO, size: int) -> str:
    head = handle.read(_HEADER.size)
    if len(head) < _HEADER.size or not head.startswith(MAGIC):
        msg = f"{file}: expected a LIF file, found {head[:4]!r} at its start: {_REMEDY}"
        raise SourceError(msg)
    _, _, test, length = _HEADER.unpack(head)
    if test != _TEST or 2 * length > min(size - _HEADER.size, _MOST_XML):
        msg = f"{file}: expected metadata of {2 * length} bytes, found a file of {size}: {_REMEDY}"
        raise SourceError(msg)
    return handle.read(2 * length).decode("utf-16-le", errors="replace")


def _blocks(file: Path, handle: BinaryIO, size: int, version: str) -> dict[str, Block]:
    """The memory blocks up to the end of the file; the last one may be cut off, as whoever uses it will say."""
    layout = _MEMORY.get(int(version) if version.isdecimal() else 0)
    if layout is None:
        msg = f"{file}: expected version 1 or 2 of the format, found {version!r}: convert it in LAS X"
        raise SourceError(msg)
    blocks: dict[str, Block] = {}
    while len(head := handle.read(layout.size)) == layout.size:
        kind, _, test, length, test_of_name, characters = layout.unpack(head)
        place = handle.tell() - layout.size
        if kind != MAGIC[0] or test != _TEST or test_of_name != _TEST or 2 * characters > size:
            msg = f"{file}: expected a memory block at byte {place}, found something else: {_REMEDY}"
            raise SourceError(msg)
        name = handle.read(2 * characters).decode("utf-16-le", errors="replace")
        blocks[name] = Block(handle.tell(), length)
        handle.seek(length, os.SEEK_CUR)
    return blocks
