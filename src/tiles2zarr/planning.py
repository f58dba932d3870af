"""Finding everything out before a pixel moves: from sources to a plan, with all findings in one go."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tiles2zarr.assembly.conditions import with_conditions
from tiles2zarr.assembly.contrast import sample_windows, shifted_values
from tiles2zarr.assembly.filters import apply_filters
from tiles2zarr.assembly.gaps import Gap, find_gaps, never_acquired
from tiles2zarr.assembly.headers import read_headers
from tiles2zarr.assembly.lost_files import loss_findings, lost_tiles, told_once
from tiles2zarr.assembly.structure import check_structure, gap_findings, is_plausible, uneven_extents
from tiles2zarr.core.job import DeclaredGap, ImageJob, Request
from tiles2zarr.core.tiled_image import tiled_image_from_tiles
from tiles2zarr.errors import (
    Finding,
    ImplausibleExtentError,
    OptionsError,
    PlacementError,
    PreflightError,
    SourceError,
    errors_first,
)
from tiles2zarr.existing_images import existing, output_findings, refuse_unusable, twice
from tiles2zarr.models import Grouping, ImageInPlate, MissingTiles, OverwriteMode
from tiles2zarr.placement import displacements, place_image
from tiles2zarr.provenance import clashing, untyped, with_ome_xml, with_origin, without_heavy_files
from tiles2zarr.sources import detect_source, source_by_name
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.writer.image import layout_image
from tiles2zarr.writer.room import room_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
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
        plate_name: name of the plate; None: the folder's name made valid.
        acquisition_id: 0-based number of the run; None: the lowest that its plate has left in this plan.
        options: what replaces the source's own account; None: the run's ``options.acquisition``.
        allow_outside: tiles may lie outside the source's folder.
    """

    path: Path
    format: str = "auto"
    plate_name: str | None = None
    acquisition_id: int | None = 0
    options: AcquisitionOptions | None = None
    allow_outside: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What the tiles of an image alone say.

    Attributes:
        placed: the tiles whose files are there at pixel offsets; None where they cannot be placed.
        gaps: planes without such a tile.
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
        placed: its tiles whose files are there at pixel offsets; None where they cannot be placed.
        layout: how it will be written; None where it cannot.
        gaps: planes without such a tile.
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
        findings: everything that was noticed, errors first.
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


class Scanned(NamedTuple):
    """What an acquisition holds.

    Attributes:
        jobs: one for each image that can be converted.
        findings: what was noticed.
        left_out: paths of images of which no file is there, below any destination.
    """

    jobs: list[ImageJob]
    findings: list[Finding]
    left_out: tuple[str, ...] = ()


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
        OutputError: the destination is a file, or has a name that Zarr cannot write.
    """
    if zarr_dir is not None:
        refuse_unusable(zarr_dir)
    findings: list[Finding] = []
    images: list[PlannedImage] = []
    for scanned in _numbered(acquisitions, partial(jobs_of, zarr_dir=zarr_dir, options=options, mode=mode)):
        planned, noticed = _preflight(scanned.jobs)
        images += planned
        findings += [*scanned.findings, *noticed]
    findings += [
        *twice([planned.job.image for planned in images]),
        *untyped([planned.job.image for planned in images]),
        *clashing(planned.job for planned in images),
    ]
    if zarr_dir is not None:
        images = [replace(planned, existing=existing(planned.job)) for planned in images]
        findings += output_findings([(each.job, each.is_complete) for each in images], zarr_dir)
        findings += room_findings((each.layout for each in images if not each.is_complete), zarr_dir)
        if not _has_errors(findings):
            jobs = with_ome_xml([(planned.job, planned.placed) for planned in images])
            images = [replace(planned, job=job) for planned, job in zip(images, jobs, strict=True)]
    return Plan(zarr_dir, options, mode, tuple(images), errors_first(findings))


def jobs_of(
    acquisition: Acquisition, zarr_dir: Path | None, options: ConverterOptions, mode: OverwriteMode
) -> Scanned:
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
            acquisition.acquisition_id or 0,
            chosen,
            acquisition.allow_outside,
        )
    )
    tiles = apply_filters(with_conditions(scan.tiles, scan.conditions), chosen.filters)
    per_fov = options.grouping is Grouping.PER_FOV
    images = tiled_image_from_tiles(tiles=tiles, split_per_fov=per_fov, numbered_in=scan.tiles)
    fills = options.missing_tiles is MissingTiles.FILL
    lost = lost_tiles(images, scan.resource) if fills else [()] * len(images)
    options = options.model_copy(update={"acquisition": chosen})
    request = Request(acquisition.plate_name, acquisition.acquisition_id or 0)
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
            lost=rows,
            request=request,
        )
        for image, rows in zip(images, lost, strict=True)
    ]
    # Also planes that were lost were acquired: images without any file say so of the others.
    jobs, not_kept = with_origin(compared(jobs), scan, allow_outside=acquisition.allow_outside)
    findings = [*scan.findings, *loss_findings(images, lost, scan.resource), *not_kept]
    left_out = {job.image.path for job in jobs if len(job.lost) == len(job.image.tiles)}
    return Scanned([job for job in jobs if job.image.path not in left_out], findings, tuple(left_out))


def _numbered(acquisitions: Sequence[Acquisition], scan: Callable[[Acquisition], Scanned]) -> list[Scanned]:
    """The jobs of acquisitions; those without a number get the lowest that their plates have left.

    Which plates those are only a scan can tell, so one that does not become number 0 is scanned twice.
    """
    taken: dict[str, set[int]] = {}
    found: dict[int, Scanned] = {}
    stated_first = sorted(
        range(len(acquisitions)), key=lambda index: acquisitions[index].acquisition_id is None
    )
    for index in stated_first:
        scanned = scan(acquisitions[index])
        if acquisitions[index].acquisition_id is None:
            used = set[int]().union(*(taken.get(image.plate_path, ()) for image in _wells(scanned.jobs)))
            number = next(number for number in range(len(used) + 1) if number not in used)
            if number:
                scanned = scan(replace(acquisitions[index], acquisition_id=number))
        for image in _wells(scanned.jobs):
            taken.setdefault(image.plate_path, set()).add(image.acquisition)
        found[index] = scanned
    return [found[index] for index in range(len(acquisitions))]


def _wells(jobs: Sequence[ImageJob]) -> list[ImageInPlate]:
    collections = (job.image.collection for job in jobs)
    return [collection for collection in collections if isinstance(collection, ImageInPlate)]


def draft(job: ImageJob) -> Draft:
    """Place the tiles of an image and check what can be seen without opening a file."""
    try:
        placed = place_image(job.image, job.options)
    except PlacementError as error:
        code = "implausible-extent" if isinstance(error, ImplausibleExtentError) else "displaced"
        return Draft(None, (), (Finding.of(code, error),))
    findings = [*displacements(placed, job.options), *check_structure(placed, job.resource)]
    kept = placed.keeping(~job.is_lost())
    if _has_errors(findings):
        return Draft(kept, (), tuple(findings))
    gaps = _gaps(job, placed)
    findings += gap_findings(placed, gaps, fill=job.options.missing_tiles is MissingTiles.FILL)
    return Draft(kept, tuple(gaps), tuple(findings))


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
    images = [job.present for job in jobs]
    headers = read_headers([job.image for job in jobs], resources, [job.lost for job in jobs])
    findings += told_once(headers.findings, images, resources)
    images = [
        replace(image, data_type=dtype) for image, dtype in zip(images, headers.data_types, strict=True)
    ]
    if not _has_errors(findings):
        try:
            windows = sample_windows(images, resources)
        except SourceError as error:
            findings.append(Finding.of("unreadable-file", error))
        else:
            images = [replace(image, windows=sampled) for image, sampled in zip(images, windows, strict=True)]
            findings += shifted_values(images)
    known, too_heavy = without_heavy_files(
        [
            job.with_image(replace(job.image, data_type=image.data_type, windows=image.windows))
            for job, image in zip(jobs, images, strict=True)
        ]
    )
    findings += too_heavy
    planned = []
    for job, each, size in zip(known, drafts, headers.bytes_in, strict=True):
        layout, noticed = _layout(each, job.image, job.options)
        findings += noticed
        planned.append(PlannedImage(job, each.placed, layout, each.gaps, size))
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
    return find_gaps(placed, never, reasons, job.is_lost())


def _has_errors(findings: Iterable[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)
