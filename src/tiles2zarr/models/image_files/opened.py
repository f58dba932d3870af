"""A file opened for one call: its bytes, its values, and what goes wrong with them."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tiles2zarr.errors import SourceError
from tiles2zarr.models.documents import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_PIXEL_TYPES = frozenset(
    {"bool", "float16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
_LARGEST_PLANE = 64 * 2**30
"""Bytes; no camera or stitcher writes a larger plane, a damaged header easily claims one."""

_SAMPLE_PIXELS = 2**16
_SAMPLE_BANDS = 8
_SAMPLE_SEGMENTS = 4  # fewer than bands, since each is decoded as a whole

# What tifffile, imagecodecs and numpy raise for damaged files. Caught around their calls only, never around
# arithmetic of this package, where each of these would be a bug.
_DECODING_ERRORS = (
    ValueError,  # shapes and types that do not fit
    RuntimeError,  # every codec of imagecodecs; NotImplementedError for kinds that tifffile leaves out
    TypeError,  # tags whose value is of another type or count than tifffile computes with
    AttributeError,  # the same
    LookupError,  # tags or codecs that are missing
    ArithmeticError,  # strips or tiles of zero length, sizes beyond 64 bits
    ImportError,  # a codec that this imagecodecs was built without
    MemoryError,  # sizes from a damaged header
    OSError,  # the disk or the network
    struct.error,  # headers that end too early
    zlib.error,  # where imagecodecs has no deflate
    SyntaxError,  # NPY headers are Python literals
)


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the headers of an image file say; all of its planes are alike.

    Attributes:
        planes: pages of the file; of an NPY file the product of its leading axes.
        height: rows, px.
        width: columns, px.
        samples: values per pixel: 1 grey, 3 RGB, 4 RGBA.
        dtype: numpy's name of the pixel type, such as ``uint16``.
    """

    planes: int
    height: int
    width: int
    samples: int
    dtype: str


@dataclass(frozen=True, slots=True)
class OpenImage:
    """An image file while it is open.

    Attributes:
        path: as the caller gave it.
        handle: at no particular position.
        size: bytes.
        identity: device, inode, size and time of the last change (ns): equal only for the same content.
    """

    path: Path
    handle: BinaryIO
    size: int
    identity: tuple[int, int, int, int]

    def error(self, message: str) -> SourceError:
        """An error about this file."""
        return _error(self.path, message)

    def truncated(self, expected: int) -> SourceError:
        """The error of a file that is shorter than its headers say (bytes)."""
        return self.error(f"expected at least {expected} bytes, found {self.size}: truncated, copy it again")

    def bytes_at(self, offset: int, count: int) -> bytes:
        """Exactly these bytes."""
        if offset + count > self.size:
            raise self.truncated(offset + count)
        try:
            self.handle.seek(offset)
            found = self.handle.read(count)
        except OSError as error:
            raise self.error(f"cannot be read ({error})") from error
        if len(found) != count:
            raise self.truncated(offset + count)
        return found

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill a buffer of bytes with those from a place of the file on."""
        expected = offset + len(buffer)
        if expected > self.size:
            raise self.truncated(expected)
        self.handle.seek(offset)
        if self.handle.readinto(buffer) != len(buffer):  # type: ignore[attr-defined]
            raise self.truncated(expected)

    def values_at(
        self, dtype: np.dtype[Any], offset: int, count: int, target: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Values of the file read straight into an array, in native byte order.

        Args:
            dtype: as they are stored.
            offset: place (bytes) of the first one.
            count: how many.
            target: a contiguous array of as many in native byte order; None: one of their own.
        """
        if offset + count * dtype.itemsize > self.size:
            raise self.truncated(offset + count * dtype.itemsize)
        with self.reading("the pixels"):
            values = np.empty(count, dtype) if target is None else target.reshape(-1).view(dtype)
            self.read_into(values.data.cast("B"), offset)
        if not dtype.isnative:
            values = values.byteswap(inplace=True).view(dtype.newbyteorder("="))
        return values

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Turns what the libraries raise for damaged files into the error of this file."""
        try:
            yield
        except _decoding_errors() as error:
            said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            msg = f"{what} cannot be read: the file is damaged or of a kind that is not supported"
            raise self.error(f"{msg} ({said:.200})") from error

    def header(self, planes: int, height: int, width: int, samples: int, dtype: np.dtype[Any]) -> ImageHeader:
        """The header of this file, once it is known to be plausible."""
        if dtype.name not in _PIXEL_TYPES:
            raise self.error(f"expected pixels of 1 to 64 bit integers or floats, found {dtype.name[:80]}")
        if planes < 1 or height < 1 or width < 1:
            raise self.error(f"expected at least one pixel, found {planes} planes of {height} x {width} px")
        if samples not in (1, 3, 4):
            raise self.error(f"expected 1 (grey), 3 (RGB) or 4 (RGBA) samples per pixel, found {samples}")
        self.check_claim(height * width * samples * dtype.itemsize)
        return ImageHeader(planes, height, width, samples, dtype.name)

    def check_claim(self, claimed: int, possible: int = _LARGEST_PLANE) -> None:
        """Refuse a size (bytes) that no file like this can hold, before memory is asked for."""
        most = min(possible, _LARGEST_PLANE)
        if claimed > most:
            msg = f"expected at most {most} bytes in a plane of this file, its header claims {claimed}"
            raise self.error(f"{msg}: truncated or damaged, copy it again")

    def check_index(self, index: int, planes: int) -> None:
        """Refuse a plane that the file has not."""
        if not 0 <= index < planes:
            raise self.error(f"found planes 0 to {planes - 1}, asked for {index}: check the number of pages")


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """How files of one format are read; every function starts from the open file.

    Attributes:
        header: the file's header, after all checks that cost no decoding.
        plane: one plane, axes y, x and for colours sample; may be read into a given array that fits.
        sample: some pixels of one plane, one axis.
        header_from: the header of the planes from one on that are alike; None: all planes of such files are.
    """

    header: Callable[[OpenImage], ImageHeader]
    plane: Callable[[OpenImage, int, NDArray[Any] | None], NDArray[Any]]
    sample: Callable[[OpenImage, int], NDArray[Any]]
    header_from: Callable[[OpenImage, int], ImageHeader] | None = None


def _decoding_errors() -> tuple[type[Exception], ...]:
    """Asked for only when something was raised: importing tifffile takes its time."""
    from tifffile import TiffFileError

    return (*_DECODING_ERRORS, TiffFileError)  # in older releases it is no ValueError


@contextmanager
def open_image(path: Path) -> Iterator[OpenImage]:
    """Open an image file for reading and close it again.

    Raises:
        SourceError: it is missing, no plain file, not permitted or empty.
    """
    try:
        # Before opening: a named pipe would block.
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            found = "a folder" if stat.S_ISDIR(mode) else "a device or pipe"
            raise _error(path, f"expected an image file, found {found}")
        handle = open(path, "rb")  # closed below, where errors of the body pass untouched
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _error(
            path, "no such file: copy the missing file, correct its name, or set missing_tiles to Fill"
        ) from error
    except PermissionError as error:
        raise _error(path, "permission denied: ask for the right to read it") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file system takes
        raise _error(path, f"cannot be opened ({error})") from error
    with handle:
        facts = os.fstat(handle.fileno())
        if not facts.st_size:
            raise _error(path, "expected an image file, found an empty one: copy it again")
        identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        yield OpenImage(path, handle, facts.st_size, identity)


def sample_bands(height: int, width: int) -> list[tuple[int, int]]:
    """Ranges of rows (half-open) spread evenly over a plane; the whole of a small one.

    >>> sample_bands(10, 10), sample_bands(2048, 8192)[:2]
    ([(0, 10)], [(128, 129), (384, 385)])
    """
    rows = -(-_SAMPLE_PIXELS // (_SAMPLE_BANDS * width))
    if rows * _SAMPLE_BANDS >= height:
        return [(0, height)]
    starts = [(2 * band + 1) * height // (2 * _SAMPLE_BANDS) - rows // 2 for band in range(_SAMPLE_BANDS)]
    return [(start, start + rows) for start in starts]


def sample_segments(rows: int, columns: int, pixels: int) -> list[tuple[int, int]]:
    """Places (row, column) in a grid of strips or tiles, spread evenly; all of a small grid.

    Rows go down in equal steps, columns follow the golden ratio, so that no column of tiles is preferred.

    Args:
        rows: strips or tiles from top to bottom.
        columns: tiles from left to right, 1 for strips.
        pixels: px of one of them.
    """
    wanted = max(_SAMPLE_SEGMENTS, -(-_SAMPLE_PIXELS // pixels))
    if wanted >= rows * columns:
        return [(row, column) for row in range(rows) for column in range(columns)]
    golden = (5**0.5 - 1) / 2
    steps = [(k + 0.5) / wanted for k in range(wanted)]
    places = {(int(step * rows), int(step * wanted * golden % 1 * columns)) for step in steps}
    return sorted(places)


def sample_step(rows: int, width: int) -> int:
    """Every how many rows of decoded ones are kept, so that a sample stays small."""
    return max(1, min(rows, rows * width // _SAMPLE_PIXELS))


def _error(path: Path, message: str) -> SourceError:
    """One line, whatever characters the name or a library's message holds."""
    return SourceError(one_line(f"{path}: {message}"))
