"""The chunks of an ND2 file: where each frame lies, and whether it is all there.

The metadata are read by the package nd2. It gives a black frame for one that is missing or cut off; here the map of
chunks at the end of the file tells the difference.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import SourceError
from tiles2zarr.sources.unreadable import unreadable

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

#: What an ND2 file begins with, from version 2 on.
MAGIC = b"\xda\xce\xbe\x0a"
#: What the JPEG 2000 files begin with that were called ND2 before.
LEGACY_MAGIC = b"\x00\x00\x00\x0c"
#: Before the pixels of a frame comes the time at which it was taken.
TIME = 8
_HEADER = struct.Struct("<4sIQ")  # magic, length of the name, length of the data
_ENTRY = struct.Struct("<QQ")
_MAP_NAME = b"ND2 FILEMAP SIGNATURE NAME 0001!"
_END_NAME = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_FRAME, _TIMES = b"ImageDataSeq|", b"CustomData|AcqTimesCache!"
_REMEDY = "the file is damaged or incomplete, copy it again"


@dataclass(frozen=True, slots=True, eq=False)
class Chunks:
    """Where the frames of a file lie.

    Attributes:
        frames: per number of a frame, the byte at which its chunk begins.
        size: bytes in the file.
        times: when each frame was taken, s since the start; may be shorter than there are frames.
    """

    frames: dict[int, int]
    size: int
    times: NDArray[np.float64]


def read_chunks(file: Path) -> Chunks:
    """The map of a file's chunks.

    Raises:
        SourceError: the file is no ND2 file, or it is damaged, empty or incomplete.
    """
    try:
        with open(file, "rb") as handle:
            return _chunks(file, handle)
    except OSError as error:
        raise unreadable(file, error) from error


def chunk_at(file: Path, handle: BinaryIO, position: int, size: int, name: bytes) -> tuple[int, int]:
    """First byte and length of the data of a chunk.

    Raises:
        SourceError: there is no such chunk, or it is not all in the file.
    """
    handle.seek(position)
    head = handle.read(_HEADER.size)
    if len(head) == _HEADER.size:
        magic, name_length, length = _HEADER.unpack(head)
        start = position + _HEADER.size + name_length
        if magic == MAGIC and start + length <= size and handle.read(len(name)) == name:
            return start, length
    msg = f"{file}: expected chunk {name.decode(errors='replace')} at byte {position}, found none: {_REMEDY}"
    raise SourceError(msg)


def frame_name(frame: int) -> bytes:
    """What the chunk of a frame is called."""
    return _FRAME + f"{frame}!".encode()


def _chunks(file: Path, handle: BinaryIO) -> Chunks:
    size = os.fstat(handle.fileno()).st_size
    magic = handle.read(4)
    if magic == LEGACY_MAGIC:
        remedy = "open it in NIS-Elements and save it anew"
        msg = f"{file}: expected an ND2 file of version 2 or 3, found a legacy one (JPEG 2000): {remedy}"
        raise SourceError(msg)
    if magic != MAGIC or size < len(_END_NAME) + 8:
        msg = f"{file}: expected an ND2 file, found {magic!r} at its start: {_REMEDY}"
        raise SourceError(msg)
    handle.seek(size - len(_END_NAME) - 8)
    tail = handle.read()
    if not tail.startswith(_END_NAME):
        msg = f"{file}: expected a map of chunks at its end, found none: {_REMEDY}"
        raise SourceError(msg)
    start, length = chunk_at(file, handle, int.from_bytes(tail[-8:], "little"), size, _MAP_NAME)
    handle.seek(start)
    positions = _positions(file, handle.read(length))
    frames = {int(name[len(_FRAME) : -1]): place for name, place in positions.items() if _is_frame(name)}
    times = np.empty(0)
    if _TIMES in positions:
        start, length = chunk_at(file, handle, positions[_TIMES], size, _TIMES)
        handle.seek(start)
        times = np.frombuffer(handle.read(length - length % 8), "<f8") / 1000
    return Chunks(frames, size, times)


def _positions(file: Path, data: bytes) -> dict[bytes, int]:
    """The entries of the map: a name that ends with an exclamation mark, a position and a length."""
    positions: dict[bytes, int] = {}
    place = 0
    while (end := data.find(b"!", place) + 1) and end + _ENTRY.size <= len(data):
        name = data[place:end]
        if name == _END_NAME:
            return positions
        positions[name] = _ENTRY.unpack_from(data, end)[0]
        place = end + _ENTRY.size
    if data[place : place + len(_END_NAME)] == _END_NAME:
        return positions
    msg = f"{file}: expected an end of the map of chunks, found none: {_REMEDY}"
    raise SourceError(msg)


def _is_frame(name: bytes) -> bool:
    return name.startswith(_FRAME) and name[len(_FRAME) : -1].isdigit()
