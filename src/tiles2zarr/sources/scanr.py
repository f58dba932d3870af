"""Evident (Olympus) ScanR: TIFFs of one plane each, and ``metadata.ome.xml``, which knows no plate.

Wells are numbered row by row; the number stands in identity and name of each image and in the names of its files. How
many columns the plate has, only the labels of wells tell: ``B2`` as the 14th well means 12.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import DefaultImageLoader, ImageInPlate
from tiles2zarr.models.collection import row_index, row_name
from tiles2zarr.models.documents import one_line
from tiles2zarr.sources.naming import plate_name, within_folder
from tiles2zarr.sources.ome_xml import Layout, pages_of, parts_of, read_ome_xml, stage_of
from tiles2zarr.sources.ome_xml.listing import Listing
from tiles2zarr.sources.planes import file_loaders
from tiles2zarr.sources.scanning import scan_of
from tiles2zarr.sources.settling import pixel_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core.loader_column import LoaderColumn
    from tiles2zarr.models import ImageLoaderInterface
    from tiles2zarr.sources.base import Scan, ScanRequest
    from tiles2zarr.sources.ome_xml import OmeImage, OmeXml, Pages

_INDEX = "metadata.ome.xml"
_KEPT = ("AcquisitionLog.dat", "experiment_descriptor.dat", "experiment_descriptor.xml")
_HEAD = 2**16  # bytes
_IS_SCANR = re.compile(rb'Creator="[^"]*scan\^?r|ID="Image:W\d+P\d+"', re.IGNORECASE)
_ID = re.compile(r"W(\d+)P(\d+)$")
_NAME = re.compile(r"Well (\d+), Position (\d+)(?: \((.*)\))?", re.IGNORECASE)
_FILE = re.compile(r"(.*?)--W(\d+)--P(\d+)--Z\d+--T\d+--")
_LABEL = re.compile(r"([A-Za-z]{1,2})0*([1-9]\d?)")
_PLATES = ((96, 12), (384, 24), (1536, 48))  # wells and columns
_LARGEST_NUMBER = 10**5
_ROW = 0.1  # of the height of a field; what lies nearer is the same row


class ScanrSource:
    """Reads ScanR folders."""

    name: ClassVar[str] = "scanr"
    title: ClassVar[str] = "Evident ScanR"
    extra: ClassVar[str | None] = None
    libraries: ClassVar[tuple[str, ...]] = ()
    loader: ClassVar[type[ImageLoaderInterface]] = DefaultImageLoader

    def detect(self, path: Path) -> str | None:
        """A ``metadata.ome.xml`` of ScanR, right in the folder or in its ``data``."""
        index = find_index(path)
        return f"{index.name} is ScanR's" if index is not None and _is_scanr(index) else None

    def scan(self, request: ScanRequest) -> Scan:
        """A field of view for each position of each well.

        Raises:
            SourceError: the metadata are missing, damaged or contradict themselves.
        """
        index = find_index(Path(os.path.abspath(request.path)))
        if index is None:
            msg = (
                f"{request.path}: expected {_INDEX}, in it or in its folder data, found none: check the path"
            )
            raise SourceError(msg)
        document = read_ome_xml(index)
        if not document.images:
            msg = f"{index}: expected at least one image, found none: check the folder, or export it again"
            raise SourceError(msg)
        pages = pages_of(document, lambda _: 1)
        # Files are named from the acquisition's folder on, whichever path was given: so are images that are the same.
        home = index.parent.parent if index.parent.name.lower() == "data" else index.parent
        subfolder = "" if home == index.parent else f"{index.parent.name}/"
        paths = _paths(document, Listing(index.parent), subfolder)
        places = _places(document, pages)
        columns, findings = _columns(places, str(index))
        plate = plate_name(request, home)
        stage = stage_of(document, pages, request)
        collections, collection, field = _wells(places, columns, plate, request.acquisition_id, str(index))
        layout = Layout(collections, collection, field, stage.x, -stage.y)

        def loaders(rows: NDArray[np.int64]) -> LoaderColumn:
            return file_loaders([paths[file] for file in pages.file[rows].tolist()])

        parts = parts_of(document, pages, stage, layout, loaders)
        findings += [*document.findings, *_direction(document, layout, pages, request)]
        files = [index, *(file for file in map(home.joinpath, _KEPT) if file.is_file())]
        return scan_of(request, home, parts, metadata_files=files, findings=findings)


def find_index(path: Path) -> Path | None:
    """The ``metadata.ome.xml`` of a folder, of its ``data``, or the file itself; None where there is none."""
    if path.is_file():
        return path if path.name.lower() == _INDEX else None
    for folder in (path, path / "data", path / "Data"):
        if (folder / _INDEX).is_file():
            return folder / _INDEX
    return None


def _is_scanr(index: Path) -> bool:
    try:
        with open(index, "rb") as handle:
            return _IS_SCANR.search(handle.read(_HEAD)) is not None
    except OSError:
        return False


class _Place(NamedTuple):
    """Where an image was taken: number of its well, of its position, and what people call the well."""

    well: int
    position: int
    label: str


def _paths(document: OmeXml, listing: Listing, subfolder: str) -> list[str]:
    """The files, relative to the source's folder; their letters may differ in case from what the document says."""
    return [
        subfolder + (listing.find(file.name) or within_folder(file.name, document.where))
        for file in document.files
    ]


def _places(document: OmeXml, pages: Pages) -> list[_Place]:
    """The well and position of each image."""
    without_file = np.flatnonzero(pages.file < 0)
    if len(without_file):
        image = document.images[pages.image[without_file[0]]]
        msg = f"{document.where}, image {image.id}: expected the name of a file, found none: export it again"
        raise SourceError(msg)
    first = np.full(len(document.images), -1, np.int64)
    images, rows = np.unique(pages.image, return_index=True)
    first[images] = pages.file[rows]
    return [
        _place(document, image, document.files[file].name if file >= 0 else "")
        for image, file in zip(document.images, first.tolist(), strict=True)
    ]


def _place(document: OmeXml, image: OmeImage, file: str) -> _Place:
    said = [match for match in (_ID.search(image.id), _NAME.search(image.name)) if match is not None]
    in_file = _FILE.match(file.replace("\\", "/").rpartition("/")[2])
    numbers = [(int(match[1]), int(match[2])) for match in said]
    if in_file is not None:
        numbers.append((int(in_file[2]), int(in_file[3])))
    where = f"{document.where}, image {one_line(image.id, 80)}"
    if not numbers or numbers[0][0] < 1 or max(numbers[0]) > _LARGEST_NUMBER:
        found = f"{one_line(image.name, 80)!r}"
        msg = (
            f"{where}: expected the numbers of a well and a position (W14P1), found {found}: export it again"
        )
        raise SourceError(msg)
    if len(set(numbers)) > 1:
        found = " and ".join(f"W{well}P{position}" for well, position in dict.fromkeys(numbers))
        msg = f"{where}: expected one well and position, found {found}: correct the document, or export it again"
        raise SourceError(msg)
    name = _NAME.search(image.name)
    label = (name[3] or "") if name is not None else ""
    return _Place(*numbers[0], (label or (in_file[1] if in_file is not None else "")).strip())


def _columns(places: Sequence[_Place], where: str) -> tuple[int, list[Finding]]:
    """How many columns the plate has, as the labels of its wells tell."""
    matches = {(place.well, _LABEL.fullmatch(place.label)) for place in dict.fromkeys(places)}
    wells = {
        (well, row_index(match[1].upper()), int(match[2])) for well, match in matches if match is not None
    }
    telling = [(well, row, column) for well, row, column in wells if row or column != well]
    votes = Counter(
        (well - column) // row
        for well, row, column in telling
        if row and (well - column) % row == 0 and (well - column) // row >= column
    )
    columns, agreeing = votes.most_common(1)[0] if votes else (0, 0)
    if 2 * agreeing > len(telling):
        others = len(telling) - agreeing
        return columns, _disagreeing(others, columns, where) if others else []
    last = max(place.well for place in places)
    default = next((columns for count, columns in _PLATES if last <= count), None)
    if default is None:
        msg = f"{where}: expected at most 1536 wells, found well {last}: correct the document, or export it again"
        raise SourceError(msg)
    if wells and not telling:
        return max(default, last), []  # the first row only, in which number and column are the same
    message = (
        f"expected labels of wells that tell the number of columns (B2 for well 14), found none: {default} columns are "
        "assumed; check the names of wells"
    )
    return default, [Finding("warning", "assumed-value", where, message)]


def _disagreeing(count: int, columns: int, where: str) -> list[Finding]:
    message = f"expected labels of wells on {columns} columns, found {count} others: check the names of wells"
    return [Finding("warning", "assumed-value", where, message)]


def _wells(
    places: Sequence[_Place], columns: int, plate: str, acquisition_id: int, where: str
) -> tuple[tuple[ImageInPlate, ...], NDArray[np.int64], NDArray[np.int64]]:
    """The wells, and of each image its index among them and its field of view."""
    numbers = sorted({place.well for place in places})
    images = []
    for number in numbers:
        row, column = divmod(number - 1, columns)
        if row >= 702:
            msg = f"{where}: expected at most 702 rows of {columns} wells, found well {number}: correct the document"
            raise SourceError(msg)
        images.append(
            ImageInPlate(plate_name=plate, row=row_name(row), column=column + 1, acquisition=acquisition_id)
        )
    index = {number: place for place, number in enumerate(numbers)}
    collection = np.array([index[place.well] for place in places])
    position = np.array([place.position for place in places])
    return tuple(images), collection, position - min(1, int(position.min()))


def _direction(document: OmeXml, layout: Layout, pages: Pages, request: ScanRequest) -> list[Finding]:
    """What to say where the direction of Y matters: a well with several rows of fields."""
    y, well = layout.y, layout.collection[pages.image]
    known = np.isfinite(y)
    low = np.full(len(layout.collections), np.inf)
    high = -low
    np.minimum.at(low, well[known], y[known])
    np.maximum.at(high, well[known], y[known])
    heights = [
        image.height * pixel_size(request, image.pixelsize, image.pixelsize_y)[1] for image in document.images
    ]
    if not (high - low > _ROW * min(heights)).any():
        return []
    message = (
        "expected the metadata to say where Y points, found nothing: upwards is assumed, as facilities report; if rows "
        "of fields come in reverse order, set acquisition.stage_orientation.flip_y"
    )
    return [Finding("warning", "assumed-value", document.where, message)]
