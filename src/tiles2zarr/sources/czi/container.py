"""The segments of a CZI file: where its metadata and sub-blocks lie, without a vendor library.

A CZI file is a chain of segments (ZISRAW). The file header points to the sub-block directory, to the XML metadata
and to the attachments; the directory has an entry for each sub-block, which is one plane of one tile.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

MAGIC = b"ZISRAWFILE"
#: The dimensions that a sub-block may lie along, besides X and Y. S: scene, M: tile of a mosaic, H: phase,
#: I: illumination, V: view, B: block, R: rotation.
DIMENSIONS = "SMZCTHIVBR"
_SEGMENT = struct.Struct("<16sqq")
_HEADER_SIZE = _SEGMENT.size
_ENTRY = struct.Struct(
    "<2siqiiB5si"
)  # schema, pixel type, position, part, compression, pyramid, spare, dimensions
_DIMENSION = np.dtype(
    [("name", "S4"), ("start", "<i4"), ("size", "<i4"), ("origin", "<f4"), ("stored", "<i4")]
)
_MOST_DIMENSIONS = 40
_ATTACHMENT = np.dtype(
    [
        ("schema", "S2"),
        ("spare", "V10"),
        ("position", "<i8"),
        ("part", "<i4"),
        ("guid", "V16"),
        ("kind", "S8"),
        ("name", "S80"),
    ]
)
_REMEDY = "the file is damaged or incomplete, copy it again"


@dataclass(frozen=True, slots=True, eq=False)
class SubBlocks:
    """The directory, by column: one row for each sub-block, in the order of the file.

    Attributes:
        position: where the sub-block's segment begins in the file.
        pixel_type: the vendor's number of the pixel type.
        compression: the vendor's number of the compression.
        part: the file of a document in several files; 0 for this one.
        is_scaled: it belongs to the pyramid, or is stored at another size than it stands for.
        x: left edge in the document's pixels.
        y: upper edge in the document's pixels.
        width: px.
        height: px.
        index: per dimension of `DIMENSIONS` that occurs, the position along it; -1 where a sub-block lacks it.
    """

    position: NDArray[np.int64]
    pixel_type: NDArray[np.int64]
    compression: NDArray[np.int64]
    part: NDArray[np.int64]
    is_scaled: NDArray[np.bool_]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    width: NDArray[np.int64]
    height: NDArray[np.int64]
    index: Mapping[str, NDArray[np.int64]]

    def __len__(self) -> int:
        """How many sub-blocks there are."""
        return len(self.position)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> SubBlocks:
        """The sub-blocks of the given rows, or those where a mask is true."""
        names = ("position", "pixel_type", "compression", "part", "is_scaled", "x", "y", "width", "height")
        return SubBlocks(
            **{name: getattr(self, name)[rows] for name in names},
            index={name: column[rows] for name, column in self.index.items()},
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """A sub-block's data as they are stored.

    Attributes:
        pixel_type: the vendor's number of the pixel type.
        compression: the vendor's number of the compression.
        height: rows, px.
        width: columns, px.
        data: the bytes.
    """

    pixel_type: int
    compression: int
    height: int
    width: int
    data: bytes


class CziContainer:
    """An open CZI file. Reads what is asked for, and checks that it lies within the file.

    Raises:
        SourceError: the file is no CZI file, or it is damaged, empty or incomplete.
    """

    def __init__(self, file: Path, handle: BinaryIO) -> None:
        self.file = file
        self._handle = handle
        self._size = os.fstat(handle.fileno()).st_size

    def directory(self) -> SubBlocks:
        """All sub-blocks of the file."""
        position = self._pointer(52)
        if not position:
            msg = f"{self.file}: expected a directory of sub-blocks, found none: {_REMEDY}"
            raise SourceError(msg)
        data = self._segment(position, b"ZISRAWDIRECTORY", "directory")
        (count,) = struct.unpack_from("<i", data)
        return self._entries(data, count)

    def metadata(self) -> bytes:
        """The document's XML; empty where there is none."""
        position = self._pointer(60)
        if not position:
            return b""
        data = self._segment(position, b"ZISRAWMETADATA", "metadata")
        (length,) = struct.unpack_from("<i", data)
        return data[256 : 256 + max(length, 0)]

    def time_stamps(self) -> NDArray[np.float64]:
        """Seconds of each timepoint since the start, as an attachment lists them; empty where there is none."""
        position = self._pointer(72)
        if not position:
            return np.empty(0)
        data = self._segment(position, b"ZISRAWATTDIR", "list of attachments")
        (count,) = struct.unpack_from("<i", data)
        if not 0 <= count <= (len(data) - 256) // _ATTACHMENT.itemsize:
            return np.empty(0)
        for entry in np.frombuffer(data, _ATTACHMENT, count, 256):
            if entry["name"] == b"TimeStamps" and not entry["part"]:
                return self._times(int(entry["position"]))
        return np.empty(0)

    def tags(self, position: int) -> bytes:
        """The XML of one sub-block: where and when it was taken; empty where there is none."""
        head = self._read(position, _HEADER_SIZE + 16 + _ENTRY.size, "sub-block")
        length, _, _ = struct.unpack_from("<iiq", head, _HEADER_SIZE)
        if length <= 0:
            return b""
        return self._read(position + self._payload(head, position), length, "sub-block")

    def stored(self, position: int) -> Stored:
        """The data of one sub-block as they are stored."""
        most = _HEADER_SIZE + 16 + _ENTRY.size + _MOST_DIMENSIONS * _DIMENSION.itemsize
        head = self._read(position, min(most, self._size - position), "sub-block")
        length, _, size = struct.unpack_from("<iiq", head, _HEADER_SIZE)
        start = position + self._payload(head, position) + max(length, 0)
        entry = _ENTRY.unpack_from(head, _HEADER_SIZE + 16)
        columns = np.frombuffer(head, _DIMENSION, entry[7], _HEADER_SIZE + 16 + _ENTRY.size)
        stored = dict(zip(columns["name"].tolist(), columns["stored"].tolist(), strict=True))
        data = self._read(start, size, "sub-block")
        return Stored(entry[1], entry[4], stored.get(b"Y", 0), stored.get(b"X", 0), data)

    def _payload(self, head: bytes, position: int) -> int:
        """Where, from a sub-block's segment on, its XML begins, once the head is known to be one."""
        if not head.startswith(b"ZISRAWSUBBLOCK") or len(head) < _HEADER_SIZE + 16 + _ENTRY.size:
            raise self._damaged(f"a sub-block at byte {position}")
        schema, *_, count = _ENTRY.unpack_from(head, _HEADER_SIZE + 16)
        if schema != b"DV" or not 0 < count <= _MOST_DIMENSIONS:
            raise self._damaged(f"a sub-block at byte {position}")
        return _HEADER_SIZE + int(max(256, 16 + _ENTRY.size + count * _DIMENSION.itemsize))

    def _entries(self, data: bytes, count: int) -> SubBlocks:
        """The directory's entries; each has as many dimensions as it says, most files have one kind of entry."""
        if not 0 <= count <= (len(data) - 128) // _ENTRY.size:
            raise self._damaged(f"{count} entries in the directory")
        starts = np.empty(count, np.int64)
        fields = []
        offset = 128
        for row in range(count):
            if offset + _ENTRY.size > len(data):
                raise self._damaged(f"a directory that ends within entry {row} of {count}")
            entry = _ENTRY.unpack_from(data, offset)
            if entry[0] != b"DV" or not 0 < entry[7] <= _MOST_DIMENSIONS:
                raise self._damaged(f"no valid entry {row} of {count} in the directory")
            fields.append(entry)
            starts[row] = offset + _ENTRY.size
            offset = int(starts[row]) + entry[7] * _DIMENSION.itemsize
        if offset > len(data):
            raise self._damaged(f"a directory that ends within entry {count - 1} of {count}")
        return _columns(data, fields, starts)

    def _times(self, position: int) -> NDArray[np.float64]:
        data = self._segment(position, b"ZISRAWATTACH", "attachment")
        if len(data) < 264:
            return np.empty(0)
        (count,) = struct.unpack_from("<i", data, 260)
        return np.frombuffer(data, "<f8", min(max(count, 0), (len(data) - 264) // 8), 264).astype(np.float64)

    def _pointer(self, offset: int) -> int:
        """A position that the file header names, 0 where it names none."""
        head = self._read(0, _HEADER_SIZE + 80, "header")
        if not head.startswith(MAGIC):
            msg = f"{self.file}: expected a CZI file, found {bytes(head[:10])!r} at its start: {_REMEDY}"
            raise SourceError(msg)
        return int(struct.unpack_from("<q", head, _HEADER_SIZE + offset)[0])

    def _segment(self, position: int, name: bytes, what: str) -> bytes:
        kind, allocated, used = _SEGMENT.unpack(self._read(position, _HEADER_SIZE, what))
        if kind.rstrip(b"\0") != name:
            raise self._damaged(f"no {what} at byte {position}")
        length = used or allocated
        if length < 4:
            raise self._damaged(f"an empty {what}")
        return self._read(position + _HEADER_SIZE, length, what)

    def _read(self, position: int, length: int, what: str) -> bytes:
        if position < 0 or length < 0 or position + length > self._size:
            expected, found = (
                f"bytes {position} to {position + length} ({what})",
                f"a file of {self._size} bytes",
            )
            msg = f"{self.file}: expected {expected}, found {found}: {_REMEDY}"
            raise SourceError(msg)
        self._handle.seek(position)
        data = self._handle.read(length)
        if len(data) < length:
            raise self._damaged(f"a {what} of {len(data)} bytes instead of {length}")
        return data

    def _damaged(self, found: str) -> SourceError:
        msg = f"{self.file}: expected a valid CZI file, found {found}: {_REMEDY}"
        return SourceError(msg)


def _columns(data: bytes, fields: list[tuple[object, ...]], starts: NDArray[np.int64]) -> SubBlocks:
    """Entries as columns, those with as many dimensions at once."""
    counts = np.array([entry[7] for entry in fields], np.int64)
    raw = np.frombuffer(data, np.uint8)
    index = {name: np.full(len(fields), -1, np.int64) for name in DIMENSIONS}
    extent = {name: np.zeros((len(fields), 3), np.int64) for name in "XY"}
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        spans = starts[rows][:, None] + np.arange(count * _DIMENSION.itemsize)
        dimensions = raw[spans].view(_DIMENSION).reshape(len(rows), count)
        for name in DIMENSIONS:
            found, column = np.nonzero(dimensions["name"] == name.encode())
            index[name][rows[found]] = dimensions["start"][found, column]
        for name in "XY":
            found, column = np.nonzero(dimensions["name"] == name.encode())
            cells = dimensions[found, column]
            extent[name][rows[found]] = np.stack([cells["start"], cells["size"], cells["stored"]], axis=1)
    x, y = extent["X"], extent["Y"]
    pyramid = np.array([entry[5] for entry in fields], np.int64)
    return SubBlocks(
        position=np.array([entry[2] for entry in fields], np.int64),
        pixel_type=np.array([entry[1] for entry in fields], np.int64),
        compression=np.array([entry[4] for entry in fields], np.int64),
        part=np.array([entry[3] for entry in fields], np.int64),
        is_scaled=(pyramid != 0) | (x[:, 1] != x[:, 2]) | (y[:, 1] != y[:, 2]),
        x=x[:, 0],
        y=y[:, 0],
        width=x[:, 1],
        height=y[:, 1],
        index={name: column for name, column in index.items() if (column >= 0).any()},
    )
