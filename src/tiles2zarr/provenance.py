"""Where images come from: OME-XML of what is known of them, and the vendor's own metadata files.

A plate keeps both once for all of its images, written by init; an image of its own keeps them in its own folder,
written by whoever writes the image: init has made the OME-XML, which knows when planes were taken.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tiles2zarr.core.plane_times import PlaneTimes
from tiles2zarr.errors import Finding, PlacementError
from tiles2zarr.models import ImageInPlate
from tiles2zarr.placement import place_image
from tiles2zarr.writer.groups import write_bytes
from tiles2zarr.writer.ome_document import (
    FILE,
    FOLDER,
    check_document,
    make_group,
    rendered,
    write_document,
)
from tiles2zarr.writer.ome_image import PIXEL_TYPES, OmeImage, ome_image
from tiles2zarr.writer.vendor_files import bytes_of, copy_vendor_files, vendor_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.core.job import ImageJob, VendorFile
    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.models import ConverterOptions
    from tiles2zarr.sources.base import Scan
    from tiles2zarr.writer.groups import NgffVersion

# An image of its own has its own copy of the metadata files. Those of a thousand images in one table would outweigh
# the pixels: bytes that every image may have, and bytes of pixels that pay for one more.
_ALWAYS, _BYTES_OF_A_BYTE = 2**20, 10


class Origin(NamedTuple):
    """What is known of an image besides its tiles.

    Attributes:
        image: its tiles.
        placed: the same at pixel offsets; None where they cannot be placed.
        acquired: when its planes were taken, see `PlaneTimes.of`.
        files: the vendor's metadata.
    """

    image: TiledImage[Any, Any]
    placed: PlacedImage | None
    acquired: NDArray[np.float64] | None = None
    files: Sequence[VendorFile] = ()


def with_origin(
    jobs: Sequence[ImageJob], scan: Scan, *, allow_outside: bool
) -> tuple[list[ImageJob], tuple[Finding, ...]]:
    """The jobs of a scan, each with the metadata files and moments of its image, and what cannot be kept."""
    files, findings = vendor_files(scan.metadata_files, scan.resource, allow_outside=allow_outside)
    times = PlaneTimes(scan.tiles, scan.acquired)
    return [replace(job, metadata_files=files, acquired=times.of(job.image)) for job in jobs], findings


def without_heavy_files(jobs: Sequence[ImageJob]) -> tuple[list[ImageJob], list[Finding]]:
    """The jobs of a scan once their pixel types are known, and what is not kept since it outweighs the pixels.

    Args:
        jobs: of one scan, so that all have the same metadata files.
    """
    size = bytes_of(jobs[0].metadata_files) if jobs else 0
    chosen = []
    for job in jobs:
        pixels = job.image.pixels * np.dtype(job.image.data_type or "uint16").itemsize
        is_much = not job.is_in_plate and size > max(_ALWAYS, pixels // _BYTES_OF_A_BYTE)
        chosen.append(replace(job, metadata_files=()) if is_much else job)
    without = sum(not job.metadata_files for job in chosen) if size else 0
    findings = []
    if without:
        message = (
            f"expected metadata files that are small beside an image, found {size / 1e6:.3g} MB for each of {without} "
            "images: they are not copied, keep the source"
        )
        findings.append(Finding("warning", "uncopied-file", str(jobs[0].resource), message))
    return chosen, findings


def untyped(images: Iterable[TiledImage[Any, Any]]) -> Iterator[Finding]:
    """The images whose pixel type OME-XML has no name for; all that share one are one finding."""
    by_type: dict[str, list[str]] = {}
    for image in images:
        if image.data_type is not None and image.data_type not in PIXEL_TYPES:
            by_type.setdefault(image.data_type, []).append(image.path)
    for data_type, paths in by_type.items():
        more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
        message = (
            f"expected a pixel type that OME-XML has a name for, found {data_type}: "
            f"{FOLDER}/{FILE} says nothing of the image{more}, set data_type to have it in"
        )
        yield Finding("info", "undocumented-image", paths[0], message)


def clashing(jobs: Iterable[ImageJob]) -> Iterator[Finding]:
    """Metadata files of two sources that would be one in a plate: the first one is kept."""
    kept: dict[tuple[str, int, str], str] = {}
    told: set[str] = set()
    for job in jobs:
        place = job.image.collection
        if isinstance(place, ImageInPlate):
            for source, target in job.metadata_files:
                first = kept.setdefault((place.plate_path, place.acquisition, target.casefold()), source)
                if first != source and source not in told:
                    told.add(source)
                    message = (
                        f"expected metadata files of one acquisition to have different names, found {first} as well: "
                        "it is not copied, give the acquisitions different ids"
                    )
                    yield Finding("warning", "uncopied-file", source, message)


def with_ome_xml(origins: Sequence[tuple[ImageJob, PlacedImage | None]]) -> list[ImageJob]:
    """The jobs, those of images of their own with the OME-XML that goes into their folder."""
    jobs = []
    for job, placed in origins:
        said = None
        if not job.is_in_plate:
            said = _described(Origin(job.image, placed, job.acquired), job.image.path.removesuffix(".zarr"))
        jobs.append(replace(job, ome_xml=rendered([said]).decode()) if said is not None else job)
    return jobs


def placed_or_none(image: TiledImage[Any, Any], options: ConverterOptions) -> PlacedImage | None:
    """An image of which enough is known for OME-XML at pixel offsets; None for any other."""
    if image.data_type not in PIXEL_TYPES:
        return None
    try:
        return place_image(image, options)
    except PlacementError:  # whoever converts it says so
        return None


def check_plates(zarr_dir: Path, plates: Iterable[str]) -> None:
    """Make sure that images can be added to the OME-XML of these plates; writes nothing.

    Raises:
        OutputError: the document of one cannot be read, or is somebody else's.
    """
    for plate in plates:
        check_document(zarr_dir / plate)


def keep_in_plates(zarr_dir: Path, origins: Iterable[Origin], ngff_version: NgffVersion) -> None:
    """Write what the plates of these images keep of them; what earlier runs said of other images stays.

    Args:
        zarr_dir: the destination, with the plates in it.
        origins: of images in plates; others are passed over.
        ngff_version: version of the plates.

    Raises:
        OutputError: the document of a plate cannot be read.
        SourceError: a metadata file cannot be read.
    """
    said: dict[str, list[OmeImage]] = {}
    unsaid: dict[str, set[str]] = {}
    files: dict[tuple[str, int], dict[str, VendorFile]] = {}
    for origin in origins:
        place = origin.image.collection
        if isinstance(place, ImageInPlate):
            path = origin.image.path.removeprefix(f"{place.plate_path}/")
            known = _described(origin, path)
            if known is not None:
                said.setdefault(place.plate_path, []).append(known)
            elif origin.image.data_type is not None:  # whatever an earlier run said of it is wrong now
                unsaid.setdefault(place.plate_path, set()).add(path)
            own = files.setdefault((place.plate_path, place.acquisition), {})
            for file in origin.files:
                own.setdefault(file.target.casefold(), file)
    for plate in said | unsaid:
        write_document(zarr_dir / plate, said.get(plate, ()), ngff_version, unsaid.get(plate, ()))
    for (plate, acquisition), copied in files.items():
        if copied:
            make_group(zarr_dir / plate, ngff_version)
            folder = zarr_dir / plate / FOLDER / f"acquisition_{acquisition}"
            copy_vendor_files(folder, list(copied.values()))


def keep_in_image(folder: Path, job: ImageJob) -> None:
    """Write what an image of its own keeps, into its folder; an image of a plate keeps nothing.

    Raises:
        SourceError: a metadata file cannot be read.
    """
    if job.is_in_plate or (job.ome_xml is None and not job.metadata_files):
        return
    make_group(folder, job.options.omezarr_options.ngff_version)
    if job.ome_xml is not None:
        write_bytes(folder / FOLDER / FILE, job.ome_xml.encode())
    copy_vendor_files(folder / FOLDER / "acquisition_0", job.metadata_files)


def _described(origin: Origin, path: str) -> OmeImage | None:
    """What OME-XML says of an image; None where too little is known of it, or it has no pixel type."""
    data_type = origin.image.data_type
    if origin.placed is None or data_type not in PIXEL_TYPES:
        return None
    return ome_image(path, origin.placed, data_type, origin.acquired)
