"""Finding everything out before a pixel moves: from sources to a plan, with all findings in one go."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tiles2zarr.assembly.conditions import with_conditions
from tiles2zarr.assembly.contrast import sample_windows, shifted_values
from tiles2zarr.assembly.filters import apply_filters
from tiles2zarr.assembly.gaps import Gap, find_gaps, never_acquired
from tiles2zarr.assembly.headers import read_headers
from tiles2zarr.assembly.lost_files import without_lost_files
from tiles2zarr.assembly.structure import check_structure, gap_findings, is_plausible, uneven_extents
from tiles2zarr.core.job import DeclaredGap, ImageJob
from tiles2zarr.core.tiled_image import tiled_image_from_tiles
from tiles2zarr.errors import (
    Finding,
    ImplausibleExtentError,
    OptionsError,
    OutputError,
    PlacementError,
    PreflightError,
    SourceError,
)
from tiles2zarr.existing_images import is_complete, why_it_exists
from tiles2zarr.models import Grouping, ImageInPlate, MissingTiles, OverwriteMode
from tiles2zarr.placement import displacements, place_image
from tiles2zarr.provenance import check_plates, clashing, untyped, with_ome_xml, with_origin
from tiles2zarr.sources import detect_source, source_by_name
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.writer.conditions import check_conditions
from tiles2zarr.writer.image import layout_image
from tiles2zarr.writer.plate import check_plate
from tiles2zarr.writer.room import room_findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.models import AcquisitionDetails, AcquisitionOptions, ConverterOptions
    from tiles2zarr.sources.base import Scan
    from tiles2zarr.writer.image import ImageLayout


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One run of an instrument, to be converted.

    Attributes:
        path: the folder or file it left behind.
        format: name of its format, or ``auto``.
        plate_name: name of the plate; None: what the source says, else the folder's name made valid.
        acquisition_id: 0-based number of the run.
        options: what replaces the source's own account; None: the run's ``options.acquisition``.
        allow_outside: tiles may lie outside the source's folder.
    """

    path: Path
    format: str = "auto"
    plate_name: str | None = None
    acquisition_id: int = 0
    options: AcquisitionOptions | None = None
    allow_outside: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What the tiles of an image alone say.

    Attributes:
        placed: the tiles at pixel offsets; None where they cannot be placed.
        gaps: planes without a tile.
        findings: everything that was noticed.
    """

    placed: PlacedImage | None
    gaps: tuple[Gap, ...]
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing forbids to convert it."""
        return self.placed is not None and not _has_errors(self.findings)


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """An image, and what is known of it before it is converted.

    Attributes:
        job: what to do.
        placed: its tiles at pixel offsets; None where they cannot be placed.
        layout: how it will be written; None where it cannot.
        gaps: planes without a tile.
        bytes_in: bytes of pixels of its tiles, uncompressed.
        existing: what is in its place: this very image, one to be replaced, or nothing that may stay or go.
    """

    job: ImageJob
    placed: PlacedImage | None
    layout: ImageLayout | None
    gaps: tuple[Gap, ...]
    bytes_in: int
    existing: Literal["complete", "replaced"] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.existing == "complete"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is known before a pixel moves.

    Attributes:
        zarr_dir: the destination folder; None for a plan that only looks.
        options: how to convert.
        mode: what to do about images that are there already.
        images: what will be converted.
        findings: everything that was noticed.
    """

    zarr_dir: Path | None
    options: ConverterOptions
    mode: OverwriteMode
    images: tuple[PlannedImage, ...]
    findings: tuple[Finding, ...] = ()

    def refuse_errors(self) -> None:
        """Make sure that nothing forbids the conversion.

        Raises:
            PreflightError: something does; every finding is in it.
        """
        if _has_errors(self.findings):
            raise PreflightError(self.findings)


def plan(
    acquisitions: Sequence[Acquisition],
    zarr_dir: Path | None,
    options: ConverterOptions,
    mode: OverwriteMode = OverwriteMode.NO_OVERWRITE,
) -> Plan:
    """Find out what will be converted, and everything that is wrong with it.

    Writes nothing, and decodes a few sampled planes only.

    Args:
        acquisitions: what to convert.
        zarr_dir: the destination folder; None: only look at the sources.
        options: how to convert.
        mode: what to do about images that are there already.

    Raises:
        SourceError: a source cannot be read at all.
        OptionsError: options that contradict the sources.
        OutputError: the destination has a name that Zarr cannot write.
    """
    if zarr_dir is not None:
        _refuse_unwritable_name(zarr_dir)
    findings: list[Finding] = []
    images: list[PlannedImage] = []
    for acquisition in acquisitions:
        jobs, noticed = jobs_of(acquisition, zarr_dir, options, mode)
        findings += noticed
        planned, noticed = _preflight(jobs)
        images += planned
        findings += noticed
    findings += _twice(images)
    findings += [
        *untyped([planned.job.image for planned in images]),
        *clashing(planned.job for planned in images),
    ]
    if zarr_dir is not None:
        images = [replace(planned, existing=_existing(planned.job)) for planned in images]
        findings += _output_findings(images, zarr_dir)
        findings += room_findings((each.layout for each in images if not each.is_complete), zarr_dir)
        if not _has_errors(findings):
            jobs = with_ome_xml([(planned.job, planned.placed) for planned in images])
            images = [replace(planned, job=job) for planned, job in zip(images, jobs, strict=True)]
    return Plan(zarr_dir, options, mode, tuple(images), tuple(findings))


def jobs_of(
    acquisition: Acquisition, zarr_dir: Path | None, options: ConverterOptions, mode: OverwriteMode
) -> tuple[list[ImageJob], list[Finding]]:
    """Scan an acquisition: a job for each of its images, and what was noticed.

    Args:
        acquisition: what to convert.
        zarr_dir: the destination folder; None: the jobs have paths below any destination.
        options: how to convert.
        mode: what to do about images that are there already.

    Raises:
        SourceError: the source cannot be read at all.
        OptionsError: options that contradict the source.
    """
    is_open = acquisition.format == "auto"
    source = detect_source(acquisition.path) if is_open else source_by_name(acquisition.format)
    chosen = acquisition.options if acquisition.options is not None else options.acquisition
    scan = source.scan(
        ScanRequest(
            acquisition.path,
            acquisition.plate_name,
            acquisition.acquisition_id,
            chosen,
            acquisition.allow_outside,
        )
    )
    tiles = apply_filters(with_conditions(scan.tiles, scan.conditions), chosen.filters)
    lost: tuple[Finding, ...] = ()
    if options.missing_tiles is MissingTiles.FILL:
        tiles, lost = without_lost_files(tiles, scan.resource)
    per_fov = options.grouping is Grouping.PER_FOV
    images = tiled_image_from_tiles(tiles=tiles, split_per_fov=per_fov, numbered_in=scan.tiles)
    options = options.model_copy(update={"acquisition": chosen})
    gaps = _declared_gaps(scan)
    jobs = [
        ImageJob(
            image=image,
            zarr_url=str(zarr_dir / image.path) if zarr_dir is not None else image.path,
            options=options,
            mode=mode,
            resource=scan.resource,
            format=source.name,
            declared_gaps=_of_fields(gaps.get(image.collection.path(), ()), image),
        )
        for image in images
    ]
    jobs, not_kept = with_origin(compared(jobs), scan, allow_outside=acquisition.allow_outside)
    return jobs, [*scan.findings, *lost, *not_kept]


def draft(job: ImageJob) -> Draft:
    """Place the tiles of an image and check what can be seen without opening a file."""
    try:
        placed = place_image(job.image, job.options)
    except PlacementError as error:
        code = "implausible-extent" if isinstance(error, ImplausibleExtentError) else "displaced"
        return Draft(None, (), (Finding.of(code, error),))
    findings = [*displacements(placed, job.options), *check_structure(placed, job.resource)]
    if _has_errors(findings):
        return Draft(placed, (), tuple(findings))
    gaps = _gaps(job, placed)
    findings += gap_findings(placed, gaps, fill=job.options.missing_tiles is MissingTiles.FILL)
    return Draft(placed, tuple(gaps), tuple(findings))


def compared(jobs: Sequence[ImageJob]) -> list[ImageJob]:
    """The jobs of images, each knowing which planes its acquisition never took.

    Only what the images of an acquisition lack together was never taken; an image by itself cannot tell.
    """
    placed: dict[AcquisitionDetails, list[PlacedImage]] = {}
    for job in jobs:
        # Images that cannot be placed are reported when they are drafted; they say nothing of the others.
        with suppress(PlacementError):
            image = place_image(job.image, job.options)
            if is_plausible(image):
                placed.setdefault(job.image.details, []).append(image)
    never = {details: never_acquired(images) for details, images in placed.items()}
    return [replace(job, never=never.get(job.image.details)) for job in jobs]


def _declared_gaps(scan: Scan) -> dict[str, list[DeclaredGap]]:
    gaps: dict[str, list[DeclaredGap]] = {}
    for gap in scan.known_gaps:
        gaps.setdefault(gap.image, []).append(DeclaredGap(gap.fov_name, gap.c, gap.z, gap.t, gap.reason))
    return gaps


def _of_fields(gaps: Iterable[DeclaredGap], image: TiledImage[Any, Any]) -> tuple[DeclaredGap, ...]:
    """The gaps of an image's own fields of view."""
    fields = {image.tiles.fov_names[code] for code in np.unique(image.tiles.fov)}
    return tuple(gap for gap in gaps if gap.fov_name in fields)


def _preflight(jobs: Sequence[ImageJob]) -> tuple[list[PlannedImage], list[Finding]]:
    """Place the images, read the headers of their files, sample display ranges, lay them out."""
    drafts = [draft(job) for job in jobs]
    findings = [finding for each in drafts for finding in each.findings]
    findings += uneven_extents([each.placed for each in drafts if each.placed is not None])
    resources = [job.resource for job in jobs]
    headers = read_headers([job.image for job in jobs], resources)
    findings += headers.findings
    images = [
        replace(job.image, data_type=dtype) for job, dtype in zip(jobs, headers.data_types, strict=True)
    ]
    if not _has_errors(findings):
        try:
            windows = sample_windows(images, resources)
        except SourceError as error:
            findings.append(Finding.of("unreadable-file", error))
        else:
            images = [replace(image, windows=sampled) for image, sampled in zip(images, windows, strict=True)]
            findings += shifted_values(images)
    planned = []
    for job, image, each, size in zip(jobs, images, drafts, headers.bytes_in, strict=True):
        layout, noticed = _layout(each, image, job.options)
        findings += noticed
        planned.append(PlannedImage(job.with_image(image), each.placed, layout, each.gaps, size))
    return planned, findings


def _layout(
    each: Draft, image: TiledImage[Any, Any], options: ConverterOptions
) -> tuple[ImageLayout | None, list[Finding]]:
    if not each.is_sound or each.placed is None or image.data_type is None:
        return None, []
    try:
        return layout_image(each.placed, image.data_type, options), []
    except OptionsError as error:
        return None, [Finding.of("memory-limit", error)]


def _gaps(job: ImageJob, placed: PlacedImage) -> list[Gap]:
    """The gaps of an image, those that its source declares with their reasons."""
    reasons = {}
    for gap in job.declared_gaps:
        t, z = placed.plane_index(gap.fov_name, gap.z, gap.t)
        reasons[gap.fov_name, gap.c, t, z] = gap.reason
    never = job.never if job.never is not None else never_acquired([placed])
    return find_gaps(placed, never, reasons)


def _refuse_unwritable_name(zarr_dir: Path) -> None:
    try:
        str(zarr_dir).encode()
    except UnicodeEncodeError as error:
        msg = (
            f"{zarr_dir}: expected a destination whose name is UTF-8, found other bytes: choose another name"
        )
        raise OutputError(msg) from error


def _twice(images: Sequence[PlannedImage]) -> Iterator[Finding]:
    seen: set[str] = set()
    for planned in images:
        path = planned.job.image.path.casefold()  # some file systems tell no case
        if path in seen:
            message = (
                "expected one acquisition with this plate, well and number, found two: "
                "give them different acquisition ids"
            )
            yield Finding("error", "duplicate-image", planned.job.image.path, message)
        seen.add(path)


def _existing(job: ImageJob) -> Literal["complete", "replaced"] | None:
    if job.mode is OverwriteMode.OVERWRITE:
        return "replaced" if os.path.lexists(job.target) else None
    return "complete" if is_complete(job) else None


def _output_findings(images: Sequence[PlannedImage], zarr_dir: Path) -> Iterator[Finding]:
    """What the destination has against the plan."""
    versions: dict[str, Any] = {}
    for planned in images:
        job = planned.job
        is_there = job.mode is not OverwriteMode.OVERWRITE and os.path.lexists(job.target)
        if is_there and not (job.mode is OverwriteMode.EXTEND and planned.is_complete):
            yield Finding("error", "output-exists", job.image.path, why_it_exists(job))
        if isinstance(job.image.collection, ImageInPlate):
            versions[job.image.collection.plate_path] = job.options.omezarr_options.ngff_version
    checks = [partial(check_plate, zarr_dir / plate, version) for plate, version in versions.items()]
    checks += [partial(check_plates, zarr_dir, [plate]) for plate in versions]
    checks.append(partial(check_conditions, zarr_dir, [planned.job.image for planned in images]))
    for check in checks:
        try:
            check()
        except OutputError as error:
            yield Finding.of("unusable-output", error)


def _has_errors(findings: Iterable[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)
