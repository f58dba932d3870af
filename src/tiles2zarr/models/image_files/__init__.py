"""Image files read plane by plane: TIFF and BigTIFF, PNG, JPEG, BMP, NPY.

The content of a file decides what it is, not its name. Pixels come as they are stored: nothing is flipped by
an orientation tag, inverted by a photometric tag or scaled to a range. Every failure is a `SourceError` of
one line that names the file.

A plane is a page of the file. Of a TIFF these are the pages of its main chain, in file order; pages that the
file itself flags as reduced-resolution copies (pyramid levels, thumbnails) or as transparency masks are not
counted. A stack with one page header for all of its planes (ImageJ beyond 4 GB, MetaMorph STK, tifffile)
counts all of them.

Colours are RGB or RGBA. A palette is refused, since its indices are no intensities, unless each index stands
for its own brightness of one hue: so do Photoshop and ImageJ save grey images, and then the indices are the
pixels. Masks of one bit come as ``bool``, other odd bit depths in the next larger integer, grey PNGs of fewer
than 8 bits scaled to ``uint8`` as that format defines them.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tiles2zarr.models.image_files import npy, pictures, tiff
from tiles2zarr.models.image_files.opened import ImageFormat, ImageHeader, OpenImage, open_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SUFFIXES", "ImageHeader", "read_header", "read_header_from", "read_plane", "sample_plane"]

SUFFIXES = frozenset({".tif", ".tiff", ".btf", ".tf8", ".png", ".jpg", ".jpeg", ".bmp", ".npy"})
"""Endings, in lower case, of the files that are worth opening; compare with ``path.suffix.lower()``."""

_FORMATS: dict[bytes, ImageFormat] = {
    b"II*\0": tiff.FORMAT,
    b"MM\0*": tiff.FORMAT,
    b"II+\0": tiff.FORMAT,
    b"MM\0+": tiff.FORMAT,
    b"\x89PNG\r\n\x1a\n": pictures.PNG,
    b"\xff\xd8\xff": pictures.JPEG,
    b"\x93NUMPY": npy.FORMAT,
    b"BM": pictures.BMP,
}


def read_header(path: Path) -> ImageHeader:
    """Number, shape and type of the planes of a file, without decoding pixels.

    As far as headers tell, the file is also checked to be whole: all data that they point to lie within it.

    Raises:
        SourceError: the file is missing, unreadable, truncated, damaged or of a kind that is not supported,
            or its pages differ in shape or type.
    """
    with _recognised(path) as (file, image_format):
        return image_format.header(file)


def read_header_from(path: Path, first: int) -> ImageHeader:
    """As `read_header`, of the planes from one on that are like it: files of several images hold different ones.

    Returns:
        The number of these planes is zero or less where the file ends before `first`.
    """
    with _recognised(path) as (file, image_format):
        if image_format.header_from is not None:
            return image_format.header_from(file, first)
        header = image_format.header(file)
        return replace(header, planes=header.planes - first)


def read_plane(path: Path, index: int, target: NDArray[Any] | None = None) -> NDArray[Any]:
    """The pixels of one plane, counted from 0.

    Args:
        path: the file.
        index: the plane.
        target: where to put them; left alone where they do not fit it or cannot be read straight into it.

    Returns:
        A C-contiguous array of its own in native byte order, axes (y, x), or (y, x, sample) for colours; or
        one that shares the memory of `target`.

    Raises:
        SourceError: as `read_header`, for this plane; also if there is no such plane or it cannot be decoded.
    """
    with _recognised(path) as (file, image_format):
        return image_format.plane(file, index, target)


def sample_plane(path: Path, index: int) -> NDArray[Any]:
    """Some pixels of one plane, the same ones each time, for display ranges.

    They are rows, strips or tiles spread evenly over the plane, some ten thousand pixels, or all of a small
    plane.

    Returns:
        A one-dimensional array; of colours the samples of each pixel follow each other.

    Raises:
        SourceError: as `read_plane`.
    """
    with _recognised(path) as (file, image_format):
        return image_format.sample(file, index)


@contextmanager
def _recognised(path: Path) -> Iterator[tuple[OpenImage, ImageFormat]]:
    with open_image(path) as file:
        start = file.bytes_at(0, min(8, file.size))
        for magic, image_format in _FORMATS.items():
            if start.startswith(magic):
                yield file, image_format
                return
        raise file.error(f"expected a TIFF, PNG, JPEG, BMP or NPY file, found one that starts with {start!r}")
