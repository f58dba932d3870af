"""Plates of OME-XML: which image is which field of which well, in which run of the instrument."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tiles2zarr.errors import Finding, OptionsError, SourceError
from tiles2zarr.models import ImageInPlate
from tiles2zarr.models.collection import row_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tiles2zarr.sources.ome_xml import OmePlate, OmeSample, OmeXml
    from tiles2zarr.sources.ome_xml.document import OmeWell

_MOST_COLUMNS, _MOST_ACQUISITIONS = 999, 10_000


@dataclass(slots=True)
class Wells:
    """The wells of a document's plates.

    Attributes:
        images: one for each well and run.
        placed: per index of an image of the document its index into `images` and its field of view, from 0.
        samples: per index of an image of the document its sample, by plate.
        findings: samples of no run, samples without image.
    """

    images: list[ImageInPlate] = field(default_factory=list)
    placed: dict[int, tuple[int, int]] = field(default_factory=dict)
    samples: list[dict[int, OmeSample]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def wells_of_plates(document: OmeXml, names: list[str], acquisition_id: int) -> Wells:
    """Where the images of a document lie.

    Rows and columns are counted by their indices: what a naming convention calls them is for display. Each plate
    acquisition is an acquisition of its own, numbered from `acquisition_id` on.

    Args:
        document: the document.
        names: of its plates.
        acquisition_id: 0-based number of the first run.

    Raises:
        SourceError: a well lies outside any plate, or two wells claim one image.
        OptionsError: the runs would be numbered beyond 9999.
    """
    wells = Wells()
    index = {image.id: number for number, image in enumerate(document.images)}
    for plate, name in zip(document.plates, names, strict=True):
        runs = _runs(plate, document.where, acquisition_id, wells.findings)
        places: dict[tuple[int, int, int], int] = {}
        counts: dict[int, int] = {}
        samples: dict[int, OmeSample] = {}
        for well, sample in _samples(plate):
            number = index.get(sample.image_id or "")
            if number is None or number in wells.placed:
                continue  # an image of another file of the plate, or one that was listed before
            run = runs.get(sample.id, runs[""])
            key = (well.row, well.column, run)
            if key not in places:
                places[key] = len(wells.images)
                wells.images.append(_image(document, name, well, acquisition_id + run))
            place = places[key]
            wells.placed[number] = (place, counts.get(place, 0))
            counts[place] = counts.get(place, 0) + 1
            samples[number] = sample
        wells.samples.append(samples)
    return wells


def _samples(plate: OmePlate) -> Iterator[tuple[OmeWell, OmeSample]]:
    for well in plate.wells:
        for sample in well.samples:
            yield well, sample


def _runs(plate: OmePlate, where: str, acquisition_id: int, findings: list[Finding]) -> dict[str, int]:
    """The run of each sample; under the empty name that of all others."""
    if len(plate.acquisitions) < 2:
        return {"": 0}
    runs: dict[str, int] = {}
    for number, samples in enumerate(plate.acquisitions):
        for sample in samples:
            runs.setdefault(sample, number)
    others = sum(sample.id not in runs for _, sample in _samples(plate) if sample.image_id)
    runs[""] = len(plate.acquisitions)
    if others:
        message = (
            f"expected each field in one of {len(plate.acquisitions)} plate acquisitions, found {others} in none: "
            f"they become acquisition {acquisition_id + runs['']}"
        )
        findings.append(Finding("info", "assumed-value", where, message))
    return runs


def _image(document: OmeXml, plate: str, well: OmeWell, acquisition: int) -> ImageInPlate:
    if well.column >= _MOST_COLUMNS or well.row >= 702:
        found = f"row {well.row}, column {well.column} (counted from 0)"
        msg = f"{document.where}: expected wells within 702 rows and 999 columns, found {found}: correct the document"
        raise SourceError(msg)
    if acquisition >= _MOST_ACQUISITIONS:
        msg = f"acquisition_id: expected numbers up to 9999, found {acquisition} for a run: choose a smaller one"
        raise OptionsError(msg)
    return ImageInPlate(
        plate_name=plate, row=row_name(well.row), column=well.column + 1, acquisition=acquisition
    )
