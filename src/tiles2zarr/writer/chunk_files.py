"""The files of an array as bytes: its document, and what each chunk (or shard) of it is on disk.

Both follow from the Zarr specifications, versions 2 and 3. A thread encodes a chunk from the memory it was made in,
into memory that it keeps for the next one, and waits for no other thread. Reading back is another implementation's:
`tiles2zarr.writer.arrays`.
"""

from __future__ import annotations

import math
import threading
from functools import cache, cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import google_crc32c
import numpy as np

from tiles2zarr.core.tiled_image import axis_order
from tiles2zarr.errors import OptionsError
from tiles2zarr.models import Compression
from tiles2zarr.writer.blocks import fresh_memory
from tiles2zarr.writer.grid import cells, number_of, relative

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.models import Axis, OmeZarrOptions
    from tiles2zarr.writer.grid import Block, Extent, Grid, UnitIndex

_DEFAULT_LEVEL = {Compression.BLOSC_LZ4: 5, Compression.ZSTD: 3}
# MiB that zstd takes up to a level, measured on chunks of 32 MiB, rounded up.
_ZSTD_TABLES = ((9, 16), (12, 48), (15, 72), (19, 96), (20, 176), (21, 336), (22, 400))
# In the index of a shard: offset and length of a chunk that is not stored.
_ABSENT = 2**64 - 1
_INDEX_ENTRY, _CHECKSUM = 16, 4  # bytes
# Bytes that Blosc needs beside those of the pixels, and the most of these that the codecs count.
_BLOSC_OVERHEAD = 16
_MOST_PIXEL_BYTES = 2**31 - 1 - _BLOSC_OVERHEAD
# Rows that are looked at together for the first pixel that is not zero.
_BAND = 16


class ChunkFile(NamedTuple):
    """The file of a chunk (or shard).

    Attributes:
        key: where it lies below its level.
        extent: the pixels of the level that it holds.
        content: its bytes, good until the next file is asked for; None where all its pixels are zero: it is not stored.
    """

    key: str
    extent: Extent
    content: memoryview | None


class _Encode(Protocol):
    """Writes what a codec makes of a contiguous array to the start of a buffer, and tells how many bytes that are."""

    def __call__(self, pixels: NDArray[Any], out: NDArray[np.uint8]) -> int:
        """Encode."""


class _Room(threading.local):
    """Memory of one thread: for a file, and for a chunk that must be made whole first. Taken when it is needed."""

    def __init__(self, file_bytes: int, chunk_bytes: int) -> None:
        self._file_bytes = file_bytes
        self._chunk_bytes = chunk_bytes

    @cached_property
    def file(self) -> NDArray[np.uint8]:
        return fresh_memory(self._file_bytes)

    @cached_property
    def chunk(self) -> NDArray[np.uint8]:
        return fresh_memory(self._chunk_bytes)


@cache
def encoder(compression: Compression) -> str:
    """What makes the bytes of chunks, with its release: the same makes the same bytes of the same pixels."""
    if compression is Compression.NONE:
        return "none"
    if compression is Compression.ZSTD:
        return f"numcodecs {version('numcodecs')}"
    import imagecodecs

    # Whoever builds imagecodecs chooses the libraries.
    libraries = f"{imagecodecs.blosc_version()}, {imagecodecs.lz4_version()}"
    return f"imagecodecs {version('imagecodecs')}, {libraries}"


def codec_bytes(options: OmeZarrOptions) -> int:
    """How much memory a codec takes beside pixels and file: tables, whose size depends on the level."""
    if options.compression is not Compression.ZSTD:
        return 0
    level = _level_of(options)
    return next(size for highest, size in _ZSTD_TABLES if level <= highest) * 2**20


def check_chunk(path: str, grid: Grid, itemsize: int, options: OmeZarrOptions) -> None:
    """Make sure that the codec can take a chunk.

    Raises:
        OptionsError: it is too large.
    """
    z, y, x = grid.chunk
    size = z * y * x * itemsize
    if options.compression is not Compression.NONE and size > _MOST_PIXEL_BYTES:
        msg = (
            f"{path}: expected chunks of less than 2 GiB, the most that {options.compression.value} takes, "
            f"found chunks of {z} x {y} x {x} (z, y, x), {size / 2**30:.1f} GiB: use smaller ones"
        )
        raise OptionsError(msg)


class ChunkFiles:
    """Makes the files of an image's arrays. Safe to use from several threads."""

    def __init__(self, grid: Grid, axes: Sequence[Axis], data_type: str, options: OmeZarrOptions) -> None:
        """Make files as the options say.

        Args:
            grid: levels, chunks and shards.
            axes: the axes of the arrays, of t, c, z, y, x and in this order.
            data_type: numpy's name of the pixel type.
            options: NGFF version and compression.
        """
        self._grid = grid
        self._axes = axes
        self._order = axis_order(axes)
        self._dtype = np.dtype(data_type).newbyteorder("<")
        self._options = options
        self._encode = _codec(options, self._dtype.itemsize)
        chunk_pixels = math.prod(grid.chunk)
        chunks = math.prod(grid.shard or grid.chunk) // chunk_pixels
        chunk_bytes = chunk_pixels * self._dtype.itemsize
        file_bytes = chunks * (_most_encoded(chunk_bytes) + _INDEX_ENTRY) + _CHECKSUM
        self._room = _Room(file_bytes, chunk_bytes)

    @property
    def document_name(self) -> str:
        """What the file is called that makes a folder an array."""
        return ".zarray" if self._options.ngff_version == "0.4" else "zarr.json"

    def document(self, level: int) -> dict[str, Any]:
        """What makes a folder the array of a level: its shape, type, chunks and codecs."""
        return self._document_v2(level) if self._options.ngff_version == "0.4" else self._document_v3(level)

    def of_unit(
        self, level: int, unit: UnitIndex, extent: Extent, block: NDArray[Any]
    ) -> Iterator[ChunkFile]:
        """The files that hold the pixels of a unit, one after the other.

        Args:
            level: of the pyramid.
            unit: timepoint and channel.
            extent: where the pixels lie in the level; starts at a border of chunks (or shards).
            block: the pixels, axes z, y, x.
        """
        cell, chunk = self._grid.cell_at(level), self._grid.chunk_at(level)
        for part in cells(extent, cell):
            pixels, room = block[relative(part, extent)], self._room.file
            size = (
                self._fill_with_chunk(room, pixels, chunk)
                if self._grid.shard is None
                else self._fill_with_shard(room, pixels, chunk, cell)
            )
            content = room[:size].data if size else None
            yield ChunkFile(self._key((unit.t, unit.c, *number_of(part, cell))), part, content)

    def _key(self, index: Sequence[int]) -> str:
        key = "/".join(map(str, self._selected(index)))
        return key if self._options.ngff_version == "0.4" else f"c/{key}"

    def _fill_with_chunk(self, out: NDArray[np.uint8], pixels: NDArray[Any], chunk: Block) -> int:
        """Write a chunk to the start of a buffer; its bytes, 0 where all its pixels are zero."""
        if is_blank(pixels):
            return 0
        if pixels.shape != chunk or not pixels.flags.c_contiguous or pixels.dtype != self._dtype:
            size = math.prod(chunk) * self._dtype.itemsize
            whole = self._room.chunk[:size].view(self._dtype).reshape(chunk)
            if pixels.shape != chunk:
                whole[...] = 0  # beyond the image
            whole[tuple(map(slice, pixels.shape))] = pixels
            pixels = whole
        return self._encode(pixels, out)

    def _fill_with_shard(
        self, out: NDArray[np.uint8], pixels: NDArray[Any], chunk: Block, shard: Block
    ) -> int:
        """Write chunks one after the other, then where each begins and how long it is, then the checksum of that."""
        parts = list(cells((slice(0, shard.z), slice(0, shard.y), slice(0, shard.x)), chunk))
        index = np.full((len(parts), 2), _ABSENT, "<u8")
        end = 0
        for number, part in enumerate(parts):
            size = self._fill_with_chunk(out[end:], pixels[part], chunk)
            if size:
                index[number] = end, size
                end += size
        if not end:
            return 0
        table = index.tobytes()
        table += google_crc32c.value(table).to_bytes(_CHECKSUM, "little")
        out[end : end + len(table)] = np.frombuffer(table, np.uint8)
        return end + len(table)

    def _document_v2(self, level: int) -> dict[str, Any]:
        return {
            "zarr_format": 2,
            "shape": self._selected(self._grid.shapes[level]),
            "chunks": self._selected((1, 1, *self._grid.chunk_at(level))),
            "dtype": self._dtype.str,
            "fill_value": self._dtype.type(0).item(),
            "order": "C",
            "filters": None,
            "compressor": _compressor_v2(self._options),
            "dimension_separator": "/",
        }

    def _document_v3(self, level: int) -> dict[str, Any]:
        little = {"name": "bytes", "configuration": {"endian": "little"}}
        plain = {"name": "bytes"} if self._dtype.itemsize == 1 else little
        codecs = [plain, *_compressors_v3(self._options, self._dtype.itemsize)]
        if self._grid.shard is not None:
            sharding = {
                "chunk_shape": self._selected((1, 1, *self._grid.chunk_at(level))),
                "codecs": codecs,
                "index_codecs": [little, {"name": "crc32c"}],
                "index_location": "end",
            }
            codecs = [{"name": "sharding_indexed", "configuration": sharding}]
        cell = self._selected((1, 1, *self._grid.cell_at(level)))
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": self._selected(self._grid.shapes[level]),
            "data_type": self._dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": cell}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": self._dtype.type(0).item(),
            "codecs": codecs,
            "dimension_names": list(self._axes),
            "attributes": {},
        }

    def _selected(self, values: Sequence[int]) -> tuple[int, ...]:
        """Of values along t, c, z, y and x those of the axes that there are."""
        return tuple(values[axis] for axis in self._order)


def is_blank(pixels: NDArray[Any]) -> bool:
    """Whether all pixels (axes z, y, x) are zero; looks no further than the first rows that are not.

    The zero below zero of floating point is none: it would be read back as another.
    """
    if pixels.dtype.kind == "f":
        pixels = pixels.view(f"u{pixels.itemsize}")
    bands = (plane[start : start + _BAND] for plane in pixels for start in range(0, plane.shape[0], _BAND))
    return not any(band.any() for band in bands)


def _level_of(options: OmeZarrOptions) -> int:
    """The level of a codec that compresses."""
    if options.compression_level is None:
        return _DEFAULT_LEVEL[options.compression]
    return options.compression_level


def _compressor_v2(options: OmeZarrOptions) -> dict[str, Any] | None:
    if options.compression is Compression.NONE:
        return None
    if options.compression is Compression.ZSTD:
        return {"id": "zstd", "level": _level_of(options)}
    return {"id": "blosc", "cname": "lz4", "clevel": _level_of(options), "shuffle": 1, "blocksize": 0}


def _compressors_v3(options: OmeZarrOptions, itemsize: int) -> list[dict[str, Any]]:
    if options.compression is Compression.NONE:
        return []
    level = _level_of(options)
    if options.compression is Compression.ZSTD:
        return [{"name": "zstd", "configuration": {"level": level, "checksum": False}}]
    blosc = {"cname": "lz4", "clevel": level, "shuffle": "shuffle", "typesize": itemsize, "blocksize": 0}
    return [{"name": "blosc", "configuration": blosc}]


def _most_encoded(size: int) -> int:
    """The most bytes that a codec makes of so many, when it cannot compress them."""
    return size + size // 128 + 1024


def _codec(options: OmeZarrOptions, itemsize: int) -> _Encode:
    if options.compression is Compression.NONE:
        return _as_it_is
    level = _level_of(options)
    if options.compression is Compression.ZSTD:
        from numcodecs.zstd import Zstd

        codec = Zstd(level=level)
        return lambda pixels, out: _as_it_is(np.frombuffer(codec.encode(pixels), np.uint8), out)
    import imagecodecs

    blosc_encode: Callable[..., Any] = imagecodecs.blosc_encode  # its types know of no arrays

    def encode(pixels: NDArray[Any], out: NDArray[np.uint8]) -> int:
        # With more room Blosc would make another choice for what it cannot compress; others give it as much.
        room = out[: pixels.nbytes + _BLOSC_OVERHEAD]
        encoded = blosc_encode(
            pixels,
            level=level,
            compressor="lz4",
            shuffle="shuffle",
            typesize=itemsize,
            blocksize=0,
            numthreads=1,
            out=room,
        )
        return len(encoded)

    return encode


def _as_it_is(pixels: NDArray[Any], out: NDArray[np.uint8]) -> int:
    out[: pixels.nbytes] = pixels.reshape(-1).view(np.uint8)
    return pixels.nbytes
