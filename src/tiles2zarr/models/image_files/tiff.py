"""TIFF and BigTIFF: tifffile parses the tags and decodes, what it only logs is refused here.

tifffile ends a damaged chain of pages early (and follows one that bites its tail beyond page 100 without
end), skips tags that it cannot read, and fills strips that are missing; all of that would become wrong
pixels. So the chain is followed here, and each page is checked before a pixel of it is decoded.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.models.image_files.opened import (
    ImageFormat,
    open_image,
    sample_bands,
    sample_segments,
    sample_step,
)
from tiles2zarr.models.image_files.tiff_page import (
    Pixels,
    TiffDirectory,
    check_page,
    is_aside,
    stacked_planes,
)
from tiles2zarr.models.image_files.tiff_strips import Strips

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

    from tiles2zarr.models.image_files.opened import ImageHeader, OpenImage


class _SilentHere(threading.local):
    """Drops what tifffile logs in a thread that reads here: all that matters of it is raised."""

    reading = False

    def filter(self, record: logging.LogRecord) -> bool:
        return not self.reading


_silence = _SilentHere()
logging.getLogger("tifffile").addFilter(_silence.filter)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the planes of a file are.

    Attributes:
        header: of the first plane; its number of planes is that of the file.
        pages: place (bytes) of the page header of each plane; a single one when all planes share it.
        kinds: the planes at which others begin than before, their pages, and their pixels.
    """

    header: ImageHeader
    pages: tuple[int, ...]
    kinds: tuple[tuple[int, int, Pixels], ...]


def _header(file: OpenImage) -> ImageHeader:
    layout = _layout_from_start(file)
    if len(layout.kinds) > 1:
        (_, _, first), (_, number, other) = layout.kinds[:2]
        found = f"{first.described()}, and {other.described()} in page {number}"
        raise file.error(f"expected pages that are alike, found {found}: split the file")
    return layout.header


def _header_from(file: OpenImage, first: int) -> ImageHeader:
    layout = _kept_layout(file.path, file.identity) if first else _layout_from_start(file)
    begins = [begin for begin, _, _ in layout.kinds]
    kind = max(bisect_right(begins, first) - 1, 0)
    end = begins[kind + 1] if kind + 1 < len(begins) else layout.header.planes
    pixels = layout.kinds[kind][2]
    header = file.header(layout.header.planes, pixels.height, pixels.width, pixels.samples, pixels.dtype)
    return replace(header, planes=end - first)


def _plane(file: OpenImage, index: int, target: NDArray[Any] | None) -> NDArray[Any]:
    with _tags(file) as tif:
        page, pixels, skipped = _find(file, tif, index)
        if target is not None and not pixels.fit(target):
            target = None
        if page.is_final:
            offset = page.dataoffsets[0] + skipped * pixels.nbytes
            values = file.values_at(pixels.stored(tif), offset, pixels.count, target)
        else:
            values = _decoded(file, tif, page, pixels, target)
        if values.size != pixels.count or values.dtype != pixels.dtype:
            found = f"{values.size} {values.dtype.name}"
            raise file.error(f"expected {pixels.count} {pixels.dtype.name} values, decoded {found}")
    return pixels.with_samples_last(values)


def _decoded(
    file: OpenImage, tif: TiffFile, page: TiffPage, pixels: Pixels, target: NDArray[Any] | None
) -> NDArray[Any]:
    strips = Strips.of(tif, page, pixels)
    if strips is not None:
        return strips.plane(file, target)
    with file.reading("the pixels"):
        values: NDArray[Any] = page.asarray(maxworkers=1)
    return values


def _sample(file: OpenImage, index: int) -> NDArray[Any]:
    with _tags(file) as tif:
        page, pixels, skipped = _find(file, tif, index)
        if page.is_final:
            offset = page.dataoffsets[0] + skipped * pixels.nbytes
            return _sampled_rows(file, pixels, pixels.stored(tif), offset)
        return _sampled_segments(file, page, pixels)


@contextmanager
def _tags(file: OpenImage) -> Iterator[TiffFile]:
    """The file as tifffile sees it, its first page read.

    The flags switch off what tifffile does to the pages of three vendors: two would be counted otherwise than
    in the file, the third is refused by `check_page`.
    """
    from tifffile import TiffFile

    before, _silence.reading = _silence.reading, True
    try:
        file.handle.seek(0)
        with file.reading("its TIFF header"):
            tif = TiffFile(file.handle, size=file.size, is_lsm=False, is_scanimage=False, is_ndpi=False)
            some = bool(tif.pages)
        if not some:
            raise file.error("expected pages, found none: truncated or never finished, copy it again")
        yield tif  # nothing to close: the handle is the caller's
    finally:
        _silence.reading = before


def _find(file: OpenImage, tif: TiffFile, index: int) -> tuple[TiffPage, Pixels, int]:
    """The page that holds a plane, what is in it, and how many planes of the same page lie before it."""
    page = tif.pages.first
    if index == 0 and not is_aside(page):
        # The usual file has one page: nothing else of it is looked at.
        return page, check_page(file, TiffDirectory.of(file, tif, page)), 0
    layout = _kept_layout(file.path, file.identity)
    file.check_index(index, layout.header.planes)
    shared = len(layout.pages) == 1
    page = _page_at(file, tif, layout.pages[0 if shared else index])
    return page, check_page(file, TiffDirectory.of(file, tif, page)), index if shared else 0


def _layout_from_start(file: OpenImage) -> _Layout:
    """The layout of a file that may have a single page, as most have: only that of others is kept."""
    with _tags(file) as tif:
        start = TiffDirectory.of(file, tif, tif.pages.first)
        if start.after == 0:
            return _layout(file, tif, start)
    return _kept_layout(file.path, file.identity)


@lru_cache(maxsize=32)
def _kept_layout(path: Path, identity: tuple[int, int, int, int]) -> _Layout:
    """The layout of a file of many pages, kept while the planes of that file are fetched one by one.

    Args:
        path: the file.
        identity: part of the key only, so that a changed file is looked at again.
    """
    with open_image(path) as file, _tags(file) as tif:
        return _layout(file, tif, TiffDirectory.of(file, tif, tif.pages.first))


def _layout(file: OpenImage, tif: TiffFile, start: TiffDirectory) -> _Layout:
    """All planes of the file; if every page is flagged as a copy of another, the flags are not believed.

    Args:
        file: as it lies on the disk.
        tif: the same as tifffile sees it.
        start: its first page.
    """
    found: list[int] = []
    kinds: list[tuple[int, int, Pixels]] = []
    asides: list[int] = []
    for directory in _directories(file, tif, start):
        page = directory.page
        if is_aside(page):
            asides.append(page.offset)
        else:
            _add_kind(kinds, len(found), page.index, check_page(file, directory))
            found.append(page.offset)
    if not found:
        for number, offset in enumerate(asides):
            page = _page_at(file, tif, offset, number)
            _add_kind(kinds, len(found), number, check_page(file, TiffDirectory.of(file, tif, page)))
            found.append(offset)
    first = kinds[0][2]
    planes = stacked_planes(file, tif, first) if len(found) + len(asides) == 1 else len(found)
    header = file.header(planes, first.height, first.width, first.samples, first.dtype)
    return _Layout(header, tuple(found), tuple(kinds))


def _add_kind(kinds: list[tuple[int, int, Pixels]], plane: int, page: int, pixels: Pixels) -> None:
    """Note where planes begin that differ from those before."""
    if not kinds or kinds[-1][2].described() != pixels.described():
        kinds.append((plane, page, pixels))


def _directories(file: OpenImage, tif: TiffFile, directory: TiffDirectory) -> Iterator[TiffDirectory]:
    """The pages of the main chain from its first one on; each is dropped after its turn."""
    seen: set[int] = set()
    while True:
        seen.add(directory.page.offset)
        yield directory
        if directory.after == 0:
            return
        if directory.after in seen:
            raise file.error(f"page {len(seen) - 1} is followed by an earlier one: the file is damaged")
        page = _page_at(file, tif, directory.after, len(seen))
        directory = TiffDirectory.of(file, tif, page)


def _page_at(file: OpenImage, tif: TiffFile, offset: int, number: int = 0) -> TiffPage:
    from tifffile import TiffPage

    if offset == tif.pages.first.offset:
        return tif.pages.first
    if offset >= file.size:
        raise file.truncated(offset + 1)
    with file.reading(f"page {number}"):
        tif.filehandle.seek(offset)
        return TiffPage(tif, index=number)


def _sampled_rows(file: OpenImage, pixels: Pixels, stored: np.dtype[Any], offset: int) -> NDArray[Any]:
    """Bands of rows of pixels that lie in the file as they are."""
    planes, depth = (pixels.samples, 1) if pixels.planar else (1, pixels.samples)
    row = pixels.width * depth
    bands = []
    for start, stop in sample_bands(pixels.height, pixels.width):
        places = [(plane * pixels.height + start) * row * stored.itemsize for plane in range(planes)]
        parts = [file.values_at(stored, offset + place, (stop - start) * row) for place in places]
        bands.append(np.stack(parts, axis=-1).ravel() if pixels.planar else parts[0])
    return np.concatenate(bands)


def _sampled_segments(file: OpenImage, page: TiffPage, pixels: Pixels) -> NDArray[Any]:
    """Rows of evenly spread strips or tiles, which are all that is decoded."""
    rows, width = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    down, across = -(-pixels.height // rows), -(-pixels.width // width)
    places = sample_segments(down, across, rows * width)
    step = sample_step(rows, len(places) * width)
    sampled = []
    for row, column in places:
        numbers = [(s * down + row) * across + column for s in range(pixels.samples if pixels.planar else 1)]
        height, breadth = min(rows, pixels.height - row * rows), min(width, pixels.width - column * width)
        parts = [_segment(file, page, number)[:height:step, :breadth] for number in numbers]
        sampled.append(np.concatenate(parts, axis=-1).ravel())
    return np.concatenate(sampled)


def _segment(file: OpenImage, page: TiffPage, number: int) -> NDArray[Any]:
    """One strip or tile, axes y, x, sample."""
    data = file.bytes_at(page.dataoffsets[number], page.databytecounts[number])
    with file.reading("the pixels"):
        values, _, _ = page.decode(data, number, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
    if values is None:
        raise file.error(f"strip or tile {number} holds no pixels: the file was never finished")
    segment: NDArray[Any] = values[0]
    return segment


FORMAT = ImageFormat(_header, _plane, _sample, _header_from)
