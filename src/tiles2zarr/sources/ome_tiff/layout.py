"""Where the images of a document go, and where the fields of a well lie."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import Finding
from tiles2zarr.models import ImageInPlate, SingleImage
from tiles2zarr.models.values import valid_path_part
from tiles2zarr.sources.bioimage_files import ImagePaths
from tiles2zarr.sources.naming import plate_name
from tiles2zarr.sources.ome_tiff.naming import stem, without_ending
from tiles2zarr.sources.ome_tiff.wells import wells_of_plates
from tiles2zarr.sources.ome_xml import Layout
from tiles2zarr.sources.ome_xml.values import IN_PIXELS, WITHOUT_UNIT
from tiles2zarr.sources.settling import pixel_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tiles2zarr.models import CollectionInterface
    from tiles2zarr.sources.base import ScanRequest
    from tiles2zarr.sources.ome_tiff.joining import Gathered
    from tiles2zarr.sources.ome_tiff.wells import Wells
    from tiles2zarr.sources.ome_xml import OmeSample, OmeXml, Pages
    from tiles2zarr.sources.ome_xml.stage import Stage


@dataclass(frozen=True, slots=True, eq=False)
class _Fields:
    """Positions of the images of wells, by image of the document; µm, NaN where unknown, and what their units say."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    kind: NDArray[np.int64]


def layout_of(
    together: Gathered, stage: Stage, request: ScanRequest, base: str
) -> tuple[Layout, list[Finding]]:
    """Wells for the images of plates, images of their own for all others.

    Positions are those of the Plane elements, unless the samples of a plate tell its fields apart: then theirs. OME
    says nowhere which way Y points; as in images, down.

    Args:
        together: the documents.
        stage: of their pages.
        request: what the user says.
        base: what the source is called.

    Raises:
        SourceError: a well lies outside any plate.
        OptionsError: the plate's name is no valid name, or the runs would be numbered beyond 9999.
    """
    document, pages = together.document, together.pages
    wells = wells_of_plates(document, _plate_names(document, request, base), request.acquisition_id)
    collections: list[CollectionInterface] = [*wells.images]
    collection = np.full(len(document.images), -1, np.int64)
    field = np.zeros(len(document.images), np.int64)
    for image, (place, number) in wells.placed.items():
        collection[image], field[image] = place, number
    alone = [number for number in np.unique(pages.image).tolist() if collection[number] < 0]
    paths, counts = ImagePaths(), Counter(together.source[alone].tolist())
    for number in alone:
        collection[number] = len(collections)
        collections.append(SingleImage(image_path=_image_path(together, number, counts, paths)))
    findings = list(wells.findings)
    if alone and wells.placed:
        names = ", ".join(
            (document.images[number].name or document.images[number].id)[:80] for number in alone[:5]
        )
        message = f"expected each image in a well, found {len(alone)} in none ({names}): images of their own"
        findings.append(Finding("info", "assumed-value", document.where, message))
    x, y, kind = stage.x.copy(), stage.y.copy(), stage.kind.astype(np.int64)
    for samples in wells.samples:
        chosen = _of_samples(document, samples, wells, request)
        if chosen is not None:
            rows = np.isfinite(chosen.x)[pages.image]
            x[rows], y[rows] = chosen.x[pages.image[rows]], chosen.y[pages.image[rows]]
            kind[rows] = chosen.kind[pages.image[rows]]
    layout = Layout(tuple(collections), collection, field, x, y)
    _lay_out_unknown(document, pages, layout, request, findings)
    findings += _about_units(document, layout, pages, kind)
    return layout, findings


def _plate_names(document: OmeXml, request: ScanRequest, base: str) -> list[str]:
    """The name of each plate: the user's, else the source's; of several their own, or the user's and a number."""
    chosen = plate_name(request) if request.plate_name is not None else None
    images = {image.id for image in document.images}
    used = [
        any(one.image_id in images for well in plate.wells for one in well.samples)
        for plate in document.plates
    ]
    names: list[str] = []
    for plate, is_used in zip(document.plates, used, strict=True):
        own = plate.name.removesuffix(".zarr") if sum(used) > 1 and plate.name else base
        number, name = 1, chosen or valid_path_part(own, "plate")
        wanted = name
        while is_used and name in names:
            number += 1
            name = f"{wanted}_{number}"
        names.append(name if is_used else "")
    return names


def _image_path(together: Gathered, image: int, counts: Counter[int], paths: ImagePaths) -> str:
    """The path of an image of its own, by its file; where a document has several, also by its name."""
    source = int(together.source[image])
    located = together.sources[source]
    name, own = together.document.images[image].name, stem(located.file)
    if counts[source] > 1:
        first = int(np.searchsorted(together.source, source))
        return paths.path(own, without_ending(name) if name else f"image_{image - first + 1}")
    # One image in many files is not called as the first of them.
    is_spread = located.own is not None and len(set(located.paths)) > 1
    return paths.path(without_ending(name) if is_spread and name else own)


def _of_samples(
    document: OmeXml, samples: dict[int, OmeSample], wells: Wells, request: ScanRequest
) -> _Fields | None:
    """Positions of a plate's samples, where all have one and no two of a well share it."""
    shape = len(document.images)
    fields = _Fields(np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, np.int64))
    taken: set[tuple[int, float, float]] = set()
    for number, sample in samples.items():
        image = document.images[number]
        x, y = sample.x, sample.y
        width, height = pixel_size(request, image.pixelsize, image.pixelsize_y)
        place = (
            wells.placed[number][0],
            x.value * (width if x.kind == IN_PIXELS else 1.0),
            y.value * (height if y.kind == IN_PIXELS else 1.0),
        )
        if not np.isfinite(place).all() or place in taken:
            return None
        taken.add(place)
        fields.x[number], fields.y[number], fields.kind[number] = place[1], place[2], max(x.kind, y.kind)
    several = len({place for place, _, _ in taken}) < len(taken)
    return fields if several else None


def _lay_out_unknown(
    document: OmeXml, pages: Pages, layout: Layout, request: ScanRequest, findings: list[Finding]
) -> None:
    """Put fields side by side in wells where not all have a position, or all have the same."""
    owner = layout.collection[pages.image]
    inside = np.flatnonzero([isinstance(one, ImageInPlate) for one in layout.collections])
    images, first = np.unique(pages.image, return_index=True)
    fields: dict[int, list[tuple[int, int]]] = {}
    for image, row in zip(images.tolist(), first.tolist(), strict=True):
        fields.setdefault(int(layout.collection[image]), []).append((image, row))
    laid_out = 0
    for well in inside.tolist():
        members = sorted(fields.get(well, []), key=lambda member: layout.field[member[0]])
        places = {(float(layout.x[row]), float(layout.y[row])) for _, row in members}
        if len(members) < 2 or (np.isfinite(list(places)).all() and len(places) == len(members)):
            continue
        laid_out += 1
        across = ceil(sqrt(len(members)))
        widest = max(document.images[image].width for image, _ in members)
        highest = max(document.images[image].height for image, _ in members)
        for number, (image, _) in enumerate(members):
            one = document.images[image]
            width, height = pixel_size(request, one.pixelsize or one.pixelsize_y, one.pixelsize_y)
            rows = np.flatnonzero((pages.image == image) & (owner == well))
            layout.x[rows] = number % across * widest * width
            layout.y[rows] = number // across * highest * height
    if laid_out:
        message = (
            f"expected a position of its own for each field, found none in {laid_out} wells, whose fields are laid out "
            "side by side: check whether the order in which they are listed is theirs"
        )
        findings.append(Finding("warning", "assumed-value", document.where, message))


def _about_units(document: OmeXml, layout: Layout, pages: Pages, kind: NDArray[np.int64]) -> list[Finding]:
    """What to say of positions without a unit of length, where they decide how fields lie."""
    known = np.isfinite(layout.x)
    several = np.bincount(layout.collection[layout.collection >= 0], minlength=len(layout.collections)) > 1
    decides = known & several[layout.collection[pages.image]]
    findings = []
    if (decides & (kind == IN_PIXELS)).any():
        message = (
            "expected stage positions in a unit of length, found pixels or a reference frame: check that "
            "positions times the pixel size are the right distances"
        )
        findings.append(Finding("warning", "assumed-value", document.where, message))
    if (decides & (kind == WITHOUT_UNIT)).any():
        message = "expected a unit of stage positions, found none: µm is assumed"
        findings.append(Finding("info", "assumed-value", document.where, message))
    return findings
