"""The arrays of an image's levels, through zarr-python with the zarrs codec pipeline."""

from __future__ import annotations

import os
import re
import sys
import threading
import warnings
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.tiled_image import axis_order
from tiles2zarr.models import Compression

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from tiles2zarr.models import Axis, OmeZarrOptions
    from tiles2zarr.writer.digest import Level0Digest
    from tiles2zarr.writer.grid import Extent, Grid, UnitIndex

# zarrs orders the chunks of a shard by whichever of its threads comes first: one thread makes the bytes the
# same each time. The parallelism is ours. The variable is read when zarrs is loaded.
if "zarrs" not in sys.modules:
    os.environ.setdefault("RAYON_NUM_THREADS", "1")

_PIPELINE = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}
# zarr's configuration holds for the whole process: of two threads that open arrays, the first to leave would
# take the pipeline from the other.
_CONFIGURED = threading.Lock()
_NOT_FOR_ZARRS = "Array is unsupported by ZarrsCodecPipeline"
_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")
_DEFAULT_LEVEL = {Compression.BLOSC_LZ4: 5, Compression.ZSTD: 3}


class UnreadableError(Exception):
    """Stored pixels, or the document of an array, cannot be read or decoded."""


@cache
def encoder() -> str:
    """What makes the bytes of chunks, with its release: the same makes the same bytes of the same pixels."""
    return ", ".join(f"{library} {version(library)}" for library in ("zarrs", "numcodecs"))


def create_levels(
    folder: Path, grid: Grid, axes: Sequence[Axis], dtype: str, options: OmeZarrOptions
) -> list[zarr.Array[Any]]:
    """Empty arrays named 0, 1, … in a folder, one for each level. Chunks of zeros are never stored.

    Args:
        folder: the image's group.
        grid: levels, chunks and shards.
        axes: the axes of the arrays, of t, c, z, y, x.
        dtype: numpy's name of the pixel type.
        options: NGFF version and compression.
    """
    import zarr

    order = axis_order(axes)
    is_v2 = options.ngff_version == "0.4"

    def select(lengths: Sequence[int]) -> tuple[int, ...]:
        return tuple(lengths[axis] for axis in order)

    arrays = []
    with _CONFIGURED, zarr.config.set({**_PIPELINE, "array.write_empty_chunks": False}):
        for level, shape in enumerate(grid.shapes):
            array: zarr.Array[Any] = zarr.create_array(
                store=folder / str(level),
                shape=select(shape),
                chunks=select((1, 1, *grid.chunk)),
                shards=select((1, 1, *grid.shard)) if grid.shard is not None else None,
                dtype=dtype,
                compressors=_compressor(options),
                filters=None,
                fill_value=0,
                zarr_format=2 if is_v2 else 3,
                chunk_key_encoding={"name": "v2" if is_v2 else "default", "separator": "/"},
                dimension_names=None if is_v2 else list(axes),
            )
            arrays.append(array)
    return arrays


def open_level(folder: Path, level: int | str) -> zarr.Array[Any]:
    """An array that exists, for reading.

    Raises:
        UnreadableError: there is none, or its document is damaged.
    """
    import zarr

    with _readable(), _CONFIGURED, zarr.config.set(_PIPELINE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", _NOT_FOR_ZARRS)  # zarr-python's own pipeline reads it then
        return zarr.open_array(folder / str(level), mode="r")


class LevelWriter:
    """Writes the units of all levels into their arrays, and takes the digest of level 0."""

    def __init__(self, arrays: Sequence[zarr.Array[Any]], axes: Sequence[Axis], digest: Level0Digest) -> None:
        """Write into arrays with these axes, one for each level."""
        self._arrays = arrays
        self._axes = axes
        self._digest = digest

    def put(self, level: int, unit: UnitIndex, extent: Extent, block: NDArray[Any]) -> None:
        """Write the pixels of a unit (axes z, y, x) where they belong.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        if level == 0:
            self._digest.add(unit, extent, block)
        write_block(self._arrays[level], self._axes, unit, extent, block)


def write_block(
    array: zarr.Array[Any], axes: Sequence[Axis], unit: UnitIndex, extent: Extent, block: NDArray[Any]
) -> None:
    """Write pixels (axes z, y, x) of one timepoint and channel.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    order = axis_order(axes)
    with _system_errors():
        array[_selection(unit, extent, order)] = block.reshape(
            tuple((1, 1, *block.shape)[axis] for axis in order)
        )


def read_block(array: zarr.Array[Any], axes: Sequence[Axis], unit: UnitIndex, extent: Extent) -> NDArray[Any]:
    """The pixels of a level (axes z, y, x) of one timepoint and channel.

    Raises:
        UnreadableError: they cannot be read or decoded.
    """
    lengths = tuple(part.stop - part.start for part in extent)
    with _readable():
        pixels: NDArray[Any] = np.asarray(array[_selection(unit, extent, axis_order(axes))])
    return pixels.reshape(lengths)


@contextmanager
def _readable() -> Iterator[None]:
    """One error for what zarr-python, zarrs and the codecs raise, each in its own way."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, ArithmeticError) as error:
        raise UnreadableError(str(error)) from error


def _selection(unit: UnitIndex, extent: Extent, order: Sequence[int]) -> tuple[slice, ...]:
    place = (slice(unit.t, unit.t + 1), slice(unit.c, unit.c + 1), *extent)
    return tuple(place[axis] for axis in order)


@contextmanager
def _system_errors() -> Iterator[None]:
    """Errors of the system as what they are: zarrs makes a RuntimeError of each."""
    try:
        yield
    except RuntimeError as error:
        code = _SYSTEM_ERROR.search(str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1]))) from error


def _compressor(options: OmeZarrOptions) -> Any:
    from zarr.codecs import BloscCodec, ZstdCodec

    if options.compression is Compression.NONE:
        return None
    default = _DEFAULT_LEVEL[options.compression]
    level = default if options.compression_level is None else options.compression_level
    if options.ngff_version == "0.5":
        if options.compression is Compression.ZSTD:
            return ZstdCodec(level=level)
        return BloscCodec(cname="lz4", clevel=level, shuffle="shuffle")
    from numcodecs.blosc import SHUFFLE, Blosc
    from numcodecs.zstd import Zstd

    if options.compression is Compression.ZSTD:
        return Zstd(level=level)
    return Blosc(cname="lz4", clevel=level, shuffle=SHUFFLE)
