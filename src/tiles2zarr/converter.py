"""From sources to images: `plan` finds everything out before a pixel moves, `convert_image` does one image.

This is the only file that names every stage.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tiles2zarr.assembly.contrast import sample_windows
from tiles2zarr.assembly.filters import apply_filters
from tiles2zarr.assembly.gaps import Gap, find_gaps, gap_columns
from tiles2zarr.assembly.headers import read_headers
from tiles2zarr.assembly.structure import check_structure, gap_findings
from tiles2zarr.core.job import DeclaredGap, ImageJob, recorded_options
from tiles2zarr.core.tiled_image import joined, tiled_image_from_tiles
from tiles2zarr.errors import (
    Finding,
    ImplausibleExtentError,
    OptionsError,
    OutputError,
    OutputExistsError,
    PlacementError,
    PreflightError,
    SourceError,
    Tiles2ZarrError,
)
from tiles2zarr.models import AcquisitionOptions, ConverterOptions, Grouping, ImageInPlate, MissingTiles, OverwriteMode
from tiles2zarr.placement import displacements, place_image
from tiles2zarr.sources import detect_source, source_by_name
from tiles2zarr.sources.base import Scan, ScanRequest
from tiles2zarr.version import __version__
from tiles2zarr.writer.commit import staged
from tiles2zarr.writer.conditions import write_conditions
from tiles2zarr.writer.groups import read_attributes
from tiles2zarr.writer.image import ImageLayout, layout_image, write_image, write_metadata
from tiles2zarr.writer.image_metadata import type_range
from tiles2zarr.writer.plate import RECORD, check_plate, list_in_well, write_plates
from tiles2zarr.writer.tables import Table, condition_table

if TYPE_CHECKING:
    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.core.tiled_image import TiledImage

Status = Literal["converted", "skipped", "failed"]


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
class PlannedImage:
    """An image, and what is known of it before it is converted.

    Attributes:
        job: what to do.
        placed: its tiles at pixel offsets; None where they cannot be placed.
        layout: how it will be written; None where it cannot.
        gaps: planes without a tile.
        bytes_in: bytes of pixels of its tiles, uncompressed.
    """

    job: ImageJob
    placed: PlacedImage | None
    layout: ImageLayout | None
    gaps: tuple[Gap, ...]
    bytes_in: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is known before a pixel moves.

    Attributes:
        zarr_dir: the destination folder.
        options: how to convert.
        mode: what to do about images that are there already.
        images: what will be converted.
        findings: everything that was noticed.
    """

    zarr_dir: Path
    options: ConverterOptions
    mode: OverwriteMode
    images: tuple[PlannedImage, ...]
    findings: tuple[Finding, ...] = field(default=())

    def refuse_errors(self) -> None:
        """Make sure that nothing forbids the conversion.

        Raises:
            PreflightError: something does; every finding is in it.
        """
        if any(finding.severity == "error" for finding in self.findings):
            raise PreflightError(self.findings)


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What became of one image.

    Attributes:
        zarr_url: where it is.
        status: converted, skipped because it was complete, or failed.
        tiles: how many tiles it has.
        bytes_in: bytes of pixels of its tiles, uncompressed.
        bytes_out: bytes of its files.
        seconds: how long it took.
        verified: every pixel was compared with its source; None: not asked for.
        error: why it failed.
    """

    zarr_url: str
    status: Status
    tiles: int
    bytes_in: int
    bytes_out: int
    seconds: float
    verified: bool | None = None
    error: str | None = None


def plan(
    acquisitions: Sequence[Acquisition],
    zarr_dir: Path,
    options: ConverterOptions,
    mode: OverwriteMode = OverwriteMode.NO_OVERWRITE,
) -> Plan:
    """Find out what will be converted, and everything that is wrong with it. Writes nothing, decodes a few sampled planes only.

    Args:
        acquisitions: what to convert.
        zarr_dir: the destination folder.
        options: how to convert.
        mode: what to do about images that are there already.

    Raises:
        SourceError: a source cannot be read at all.
        OptionsError: options that contradict the sources.
    """
    findings: list[Finding] = []
    images: list[PlannedImage] = []
    for acquisition in acquisitions:
        jobs, noticed = _scan(acquisition, zarr_dir, options, mode)
        findings += noticed
        planned, noticed = _preflight(jobs)
        images += planned
        findings += noticed
    findings += _output_findings(images, zarr_dir)
    return Plan(zarr_dir, options, mode, tuple(images), tuple(findings))


def begin(plan: Plan) -> None:
    """Write what must be there before the first image: plates and wells, none of their images listed yet.

    Raises:
        PreflightError: the plan has errors.
        OutputError: the destination cannot take the result.
    """
    plan.refuse_errors()
    images = [planned.job.image for planned in plan.images]
    set_up_plates(plan.zarr_dir, images, plan.options)


def set_up_plates(zarr_dir: Path, images: Sequence[TiledImage[Any, Any]], options: ConverterOptions) -> None:
    """Write the plates and wells of these images, and what was done to the wells.

    Raises:
        OutputError: the destination cannot take the result.
    """
    how = options.omezarr_options
    try:
        zarr_dir.mkdir(parents=True, exist_ok=True)
        write_plates(zarr_dir, [image.collection for image in images if isinstance(image.collection, ImageInPlate)], how.ngff_version)
        write_conditions(zarr_dir, images, how.ngff_version)
    except OSError as error:
        raise _unwritable(str(zarr_dir), error) from error


def convert_image(
    job: ImageJob,
    *,
    share: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> ImageResult:
    """Convert one image: write it beside its place, publish it in one step, list it in its well.

    Args:
        job: what to do.
        share: how many images this process converts at the same time; threads and cache are divided by it.
        progress: called with the number of pixels of level 0 written since the last call, from any thread.

    Raises:
        SourceError: a tile cannot be read, or is not what it should be.
        PreflightError: the tiles do not make an image.
        OutputExistsError: another image is in its place, and the mode forbids to replace it.
        OutputError: the destination cannot take it.
    """
    started = time.monotonic()
    try:
        with staged(job.target) as staging:
            if _is_complete(job):
                result = _result(job, "skipped", job.target, started)
            else:
                _refuse_existing(job)
                _write(job, staging.folder, share, progress)
                result = _result(job, "converted", staging.folder, started)
                staging.publish()
            if isinstance(job.image.collection, ImageInPlate):
                list_in_well(job.target)
    except OSError as error:
        raise _unwritable(job.zarr_url, error) from error
    return result


def _scan(
    acquisition: Acquisition, zarr_dir: Path, options: ConverterOptions, mode: OverwriteMode
) -> tuple[list[ImageJob], list[Finding]]:
    """The jobs of an acquisition."""
    source = detect_source(acquisition.path) if acquisition.format == "auto" else source_by_name(acquisition.format)
    chosen = acquisition.options if acquisition.options is not None else options.acquisition
    request = ScanRequest(
        acquisition.path, acquisition.plate_name, acquisition.acquisition_id, chosen, acquisition.allow_outside
    )
    scan = source.scan(request)
    tiles = apply_filters(scan.tiles, chosen.filters)
    images = tiled_image_from_tiles(
        tiles=tiles, split_per_fov=options.grouping is Grouping.PER_FOV, numbered_in=scan.tiles
    )
    options = options.model_copy(update={"acquisition": chosen})
    gaps = _declared_gaps(scan)
    used = {c for image in images for c in _channels_of(image)}
    jobs = []
    for image in images:
        fields = {image.tiles.fov_names[code] for code in np.unique(image.tiles.fov)}
        jobs.append(
            ImageJob(
                image=image,
                zarr_url=str(zarr_dir / image.path),
                options=options,
                mode=mode,
                resource=scan.resource,
                format=source.name,
                unused_channels=tuple(c for c in range(len(image.channels)) if c not in used),
                declared_gaps=tuple(gap for gap in gaps.get(image.collection.path(), ()) if gap.fov_name in fields),
            )
        )
    return jobs, list(scan.findings)


def _declared_gaps(scan: Scan) -> dict[str, list[DeclaredGap]]:
    gaps: dict[str, list[DeclaredGap]] = {}
    for gap in scan.known_gaps:
        gaps.setdefault(gap.image, []).append(DeclaredGap(gap.fov_name, gap.c, gap.z, gap.t, gap.reason))
    return gaps


def _channels_of(image: TiledImage[Any, Any]) -> set[int]:
    first, count = image.tiles.c, image.tiles.length_c
    return {int(c) for start, length in zip(*np.unique(np.stack([first, count]), axis=1), strict=True) for c in range(start, start + length)}


def _preflight(jobs: Sequence[ImageJob]) -> tuple[list[PlannedImage], list[Finding]]:
    """Place the images, read the headers of their files, sample display ranges, lay them out."""
    findings: list[Finding] = []
    placed = [_placed(job, findings) for job in jobs]
    headers = read_headers([job.image for job in jobs], [job.resource for job in jobs])
    findings += headers.findings
    images = [replace(job.image, data_type=dtype) for job, dtype in zip(jobs, headers.data_types, strict=True)]
    if not any(finding.severity == "error" for finding in findings):
        try:
            windows = sample_windows(images, [job.resource for job in jobs])
        except SourceError as error:
            findings.append(_finding("unreadable-file", error))
        else:
            images = [replace(image, windows=windows) for image in images]
    planned = []
    for job, image, (place, gaps), size in zip(jobs, images, placed, headers.bytes_in, strict=True):
        layout = _layout(place, image, job.options, findings)
        planned.append(PlannedImage(job.with_image(image), place, layout, gaps, size))
    return planned, findings


def _placed(job: ImageJob, findings: list[Finding]) -> tuple[PlacedImage | None, tuple[Gap, ...]]:
    try:
        placed = place_image(job.image, job.options)
    except PlacementError as error:
        code = "implausible-extent" if isinstance(error, ImplausibleExtentError) else "displaced"
        findings.append(_finding(code, error))
        return None, ()
    noticed = [*displacements(placed, job.options), *check_structure(placed, job.resource)]
    findings += noticed
    if any(finding.severity == "error" for finding in noticed):
        return None, ()
    gaps = _gaps(job, placed)
    findings += gap_findings(placed, gaps, fill=job.options.missing_tiles is MissingTiles.FILL)
    return placed, tuple(gaps)


def _gaps(job: ImageJob, placed: PlacedImage) -> list[Gap]:
    size = placed.image.pixel_size
    tiles = placed.image.tiles
    z, t = float(tiles.z.min()), float(tiles.t.min())
    declared = {
        (gap.fov_name, round((gap.t - t) / size["t"]), gap.c, round((gap.z - z) / size["z"])): gap.reason for gap in job.declared_gaps
    }
    return find_gaps(placed, job.unused_channels, {(name, c, t, z): reason for (name, t, c, z), reason in declared.items()})


def _layout(
    placed: PlacedImage | None, image: TiledImage[Any, Any], options: ConverterOptions, findings: list[Finding]
) -> ImageLayout | None:
    if placed is None or image.data_type is None:
        return None
    try:
        return layout_image(placed, image.data_type, options)
    except OptionsError as error:
        findings.append(_finding("memory-limit", error))
        return None


def _output_findings(images: Sequence[PlannedImage], zarr_dir: Path) -> Iterator[Finding]:
    """What the destination has against the plan."""
    seen: set[str] = set()
    for planned in images:
        job = planned.job
        path = job.image.path
        if path in seen:
            yield Finding("error", "duplicate-image", path, "expected one acquisition with this plate, well and number, found two: give them different acquisition ids")
        seen.add(path)
        if job.target.exists() and (
            job.mode is OverwriteMode.NO_OVERWRITE or (job.mode is OverwriteMode.EXTEND and not _is_complete(job))
        ):
            yield Finding("error", "output-exists", path, _existing(job))
    plates = {planned.job.image.collection.plate_path: planned.job for planned in images if isinstance(planned.job.image.collection, ImageInPlate)}
    for plate, job in plates.items():
        try:
            check_plate(zarr_dir / plate, job.options.omezarr_options.ngff_version)
        except OutputError as error:
            yield _finding("output-exists", error)


def _is_complete(job: ImageJob) -> bool:
    """Whether the very image that the job would make is there; of an image that may be replaced nothing is asked."""
    if job.mode is OverwriteMode.OVERWRITE or not job.target.exists():
        return False
    record = (read_attributes(job.target) or {}).get(RECORD)
    is_same: bool = record is not None and record.get("fingerprint") == job.fingerprint()
    return is_same


def _existing(job: ImageJob) -> str:
    if job.mode is OverwriteMode.EXTEND:
        return "expected no image or this very one, found one of another source or other options: use mode Overwrite to replace it, or another plate name or acquisition id"
    return "expected no image, found one: use mode Extend to keep it, mode Overwrite to replace it, or another plate name or acquisition id"


def _refuse_existing(job: ImageJob) -> None:
    if job.target.exists() and job.mode is not OverwriteMode.OVERWRITE:
        msg = f"{job.zarr_url}: {_existing(job)}"
        raise OutputExistsError(msg)


def _write(job: ImageJob, folder: Path, share: int, progress: Callable[[int], None]) -> None:
    """Write the image of a job into an empty folder."""
    findings: list[Finding] = []
    placed, gaps = _placed(job, findings)
    data_type = job.image.data_type
    if data_type is None:
        headers = read_headers([job.image], [job.resource])
        findings += headers.findings
        data_type = headers.data_types[0] or job.image.tiles.loaders[0].find_data_type(job.resource)
    if placed is None or any(finding.severity == "error" for finding in findings):
        raise PreflightError(findings)
    options = job.options
    layout = layout_image(placed, data_type, options)
    memory = layout.memory.shared(share)
    windows = job.image.windows or (type_range(data_type),) * len(job.image.channels)
    tables = list(_further_tables(job.image, gaps))
    digest = write_image(folder, placed, layout, data_type, options, job.resource, tables, memory, progress)
    record = {
        "version": __version__,
        "acquisition": getattr(job.image.collection, "acquisition", 0),
        "fingerprint": job.fingerprint(),
        "sources": job.source_digest(),
        "level0": digest.value(),
        "verified": None,
        "format": job.format,
        "tiling": placed.tiling,
        "options": recorded_options(options),
    }
    write_metadata(folder, placed, layout.grid, data_type, windows, options, record)


def _further_tables(image: TiledImage[Any, Any], gaps: Sequence[Gap]) -> Iterator[Table]:
    conditions = image.conditions()
    if conditions:
        yield condition_table(conditions)
    if gaps:
        yield Table("gaps", "generic_table", gap_columns(gaps))


def _result(job: ImageJob, status: Status, folder: Path, started: float) -> ImageResult:
    tiles = job.image.tiles
    itemsize = np.dtype(job.image.data_type or "uint16").itemsize
    pixels = int((tiles.length_t * tiles.length_c * tiles.length_z * tiles.length_y * tiles.length_x).sum())
    size = sum(entry.stat().st_size for entry in folder.rglob("*") if entry.is_file())
    return ImageResult(job.zarr_url, status, len(tiles), pixels * itemsize, size, round(time.monotonic() - started, 3))


def image_attributes(job: ImageJob) -> dict[str, Scalar]:
    """What Fractal's image list says of an image: plate, well, acquisition, and what was done to it.

    Several values of one attribute are joined by ``; ``; numbers that JSON cannot say are left out.
    """
    attributes: dict[str, Scalar] = dict(job.image.collection.attributes())
    for name, values in job.image.attributes.items():
        if name not in attributes:
            attributes[name] = _listable(values)
    return attributes


def _listable(values: Sequence[Scalar]) -> Scalar:
    value = joined([value for value in values if not (isinstance(value, float) and not np.isfinite(value))])
    return value.replace("\0", "") if isinstance(value, str) else value


def _finding(code: str, error: Tiles2ZarrError) -> Finding:
    """An error as a finding: what stands before the first colon is where it is."""
    where, _, message = str(error).partition(": ")
    return Finding("error", code, where, message)


def _unwritable(place: str, error: OSError) -> OutputError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return OutputError(f"{place}: cannot be written: {reason} ({error.filename or 'no file named'}): free space or grant access, then run again with mode Extend")
