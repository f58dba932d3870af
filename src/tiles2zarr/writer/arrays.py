"""Reading the arrays of an image's levels back: zarr-python, with the codecs of zarrs.

Another implementation than the one that wrote them, and one that refuses damaged chunks: numcodecs' Blosc decodes a
chunk that was cut off from whatever lies behind it in memory.
"""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.tiled_image import axis_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from tiles2zarr.models import Axis
    from tiles2zarr.writer.grid import Extent, UnitIndex

_PIPELINE = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}
# zarr's configuration holds for the whole process: of two threads that open arrays, the first to leave would
# take the pipeline from the other.
_CONFIGURED = threading.Lock()
_NOT_FOR_ZARRS = "Array is unsupported by ZarrsCodecPipeline"


class UnreadableError(Exception):
    """Stored pixels, or the document of an array, cannot be read or decoded."""


def open_level(folder: Path, level: int | str) -> zarr.Array[Any]:
    """An array that exists, for reading.

    Raises:
        UnreadableError: there is none, or its document is damaged.
    """
    import zarr

    with _readable(), _CONFIGURED, zarr.config.set(_PIPELINE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", _NOT_FOR_ZARRS)  # zarr-python's own pipeline reads it then
        return zarr.open_array(folder / str(level), mode="r")


def read_block(array: zarr.Array[Any], axes: Sequence[Axis], unit: UnitIndex, extent: Extent) -> NDArray[Any]:
    """The pixels of a level (axes z, y, x) of one timepoint and channel.

    Raises:
        UnreadableError: they cannot be read or decoded.
    """
    place = (slice(unit.t, unit.t + 1), slice(unit.c, unit.c + 1), *extent)
    lengths = tuple(part.stop - part.start for part in extent)
    with _readable():
        pixels: NDArray[Any] = np.asarray(array[tuple(place[axis] for axis in axis_order(axes))])
    return pixels.reshape(lengths)


def is_understood_as(array: zarr.Array[Any], document: dict[str, Any]) -> bool:
    """Whether an array's own document says the same as another, to zarr-python; attributes do not count."""
    metadata = array.metadata
    expected = type(metadata).from_dict({**document, "attributes": {}}).to_dict()
    return {**metadata.to_dict(), "attributes": {}} == expected


@contextmanager
def _readable() -> Iterator[None]:
    """One error for what zarr-python and the codecs raise, each in its own way."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, ArithmeticError) as error:
        raise UnreadableError(str(error)) from error
