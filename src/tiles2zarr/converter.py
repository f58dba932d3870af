"""From sources to images: `plan` finds everything out before a pixel moves, `convert_image` does one image.

Together with `tiles2zarr.planning` this is the only file that names every stage.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tiles2zarr.assembly.gaps import gap_columns
from tiles2zarr.assembly.headers import read_headers, stored_type
from tiles2zarr.assembly.lost_files import found_again
from tiles2zarr.core.job import ImageJob, Request, recorded_options
from tiles2zarr.core.tiled_image import joined
from tiles2zarr.errors import (
    OptionsError,
    OutputError,
    OutputExistsError,
    PreflightError,
    SourceError,
    VerificationError,
)
from tiles2zarr.existing_images import is_complete, why_it_exists
from tiles2zarr.models import ImageInPlate, OverwriteMode
from tiles2zarr.planning import (
    Acquisition,
    Plan,
    PlannedImage,
    draft,
    plan,
)
from tiles2zarr.provenance import Origin, check_plates, keep_in_image, keep_in_plates, placed_or_none
from tiles2zarr.version import __version__
from tiles2zarr.writer.chunk_files import encoder
from tiles2zarr.writer.commit import staged
from tiles2zarr.writer.conditions import check_conditions, write_conditions
from tiles2zarr.writer.image import (
    compare_files,
    compare_pixels,
    layout_image,
    write_image,
    write_metadata,
)
from tiles2zarr.writer.image_metadata import type_range
from tiles2zarr.writer.plate import completion_record, list_in_well, write_plates
from tiles2zarr.writer.tables import Table, condition_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tiles2zarr.assembly.gaps import Gap
    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.models import ConverterOptions
    from tiles2zarr.writer.comparison import Difference
    from tiles2zarr.writer.image import ImageLayout

__all__ = [
    "Acquisition",
    "ImageResult",
    "Plan",
    "PlannedImage",
    "begin",
    "compare",
    "convert_image",
    "image_attributes",
    "plan",
    "set_up_plates",
]

Status = Literal["converted", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What became of one image.

    Attributes:
        zarr_url: where it is.
        status: converted, skipped because it was complete, or failed.
        tiles: how many tiles it has.
        bytes_in: bytes of pixels of its tiles, uncompressed.
        bytes_out: bytes of its files, its metadata left out.
        seconds: how long it took.
        verified: every pixel of every level was read back and equals its source; None: not asked for, or not
            come to.
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


def begin(plan: Plan) -> None:
    """Write what must be there before the first image: plates and wells, none of their images listed yet.

    Raises:
        PreflightError: the plan has errors.
        OutputError: the destination cannot take the result, or the plan has none.
    """
    plan.refuse_errors()
    if plan.zarr_dir is None:
        msg = "no destination: expected a plan with a folder to write to"
        raise OutputError(msg)
    origins = [
        Origin(planned.job.image, planned.placed, planned.job.acquired, planned.job.metadata_files)
        for planned in plan.images
    ]
    _set_up(plan.zarr_dir, origins, plan.options)


def set_up_plates(zarr_dir: Path, images: Sequence[TiledImage[Any, Any]], options: ConverterOptions) -> None:
    """Write the plates and wells of these images, what was done to the wells, and OME-XML of images of a known type.

    Raises:
        OutputError: the destination cannot take the result.
    """
    _set_up(zarr_dir, [Origin(image, placed_or_none(image, options)) for image in images], options)


def _set_up(zarr_dir: Path, origins: Sequence[Origin], options: ConverterOptions) -> None:
    """Write the plates and wells of these images, what was done to the wells, and where the images come from."""
    version = options.omezarr_options.ngff_version
    images = [origin.image for origin in origins]
    wells = [image.collection for image in images if isinstance(image.collection, ImageInPlate)]
    try:
        check_conditions(zarr_dir, images)
        check_plates(zarr_dir, {well.plate_path for well in wells})
        zarr_dir.mkdir(parents=True, exist_ok=True)
        write_plates(zarr_dir, wells, version)
        write_conditions(zarr_dir, images, version)
        keep_in_plates(zarr_dir, origins, version)
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
        OptionsError: the system has less memory than was planned with.
        VerificationError: it was to be verified, and what is on disk differs from the source.
    """
    started = time.monotonic()
    try:
        with staged(job.target, waiting=lambda: progress(0)) as staging:
            if is_complete(job):
                if job.options.runtime.verify:
                    _verify(job, job.target, _lay_out(job)[0], share, progress)
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
    except MemoryError as error:
        msg = (
            f"{job.image.path}: expected enough memory, found that the system has no more: "
            "use fewer workers or a smaller memory_limit_gib, then run again with mode Extend"
        )
        raise OptionsError(msg) from error
    return result


def image_attributes(job: ImageJob) -> dict[str, Scalar]:
    """What Fractal's image list says of an image: plate, well, acquisition, and what was done to it.

    Several values of one attribute are joined by ``; ``; numbers that JSON cannot say are left out.
    """
    attributes: dict[str, Scalar] = dict(job.image.collection.attributes())
    for name, values in job.image.attributes.items():
        if name not in attributes:
            attributes[name] = _listable(values)
    return attributes


def _refuse_existing(job: ImageJob) -> None:
    if os.path.lexists(job.target) and job.mode is not OverwriteMode.OVERWRITE:
        msg = f"{job.zarr_url}: {why_it_exists(job)}"
        raise OutputExistsError(msg)


def compare(job: ImageJob) -> list[Difference]:
    """Compare the image of a job, as it is on disk, with its source. Changes nothing.

    Every pixel of every level, and every byte of every chunk where the codecs are those that it was written with.

    Args:
        job: what the image should be.

    Returns:
        every chunk that is not what it should be; none for an identical image.

    Raises:
        SourceError: a tile cannot be read, or is not what it should be.
        PreflightError: the tiles do not make an image.
        OptionsError: one unit of work does not fit the memory limit.
    """
    layout, _ = _lay_out(job)
    record = completion_record(job.target)
    how = encoder(job.options.omezarr_options.compression)
    compare_image = compare_files if record is not None and record["encoder"] == how else compare_pixels
    return compare_image(job.target, layout, job.resource, layout.memory, lambda _: None)


def _verify(
    job: ImageJob, folder: Path, layout: ImageLayout, share: int, progress: Callable[[int], None]
) -> None:
    """Read an image back.

    Raises:
        VerificationError: it is not what its source has.
    """
    memory = layout.memory.shared(share)
    differences = compare_pixels(folder, layout, job.resource, memory, progress)
    if differences:
        first = differences[0]
        chunk = f", chunk {first.chunk}" if first.chunk is not None else ""
        tile = f", of {first.tile}" if first.tile is not None else ""
        msg = (
            f"{job.image.path}: expected on disk what the source has, found {len(differences)} differences, the first "
            f"in level {first.level}{chunk}{tile} ({first.kind}): check disk and memory, then convert it again with "
            "mode Overwrite"
        )
        raise VerificationError(msg)


def _write(job: ImageJob, folder: Path, share: int, progress: Callable[[int], None]) -> None:
    """Write the image of a job into an empty folder, and verify it where that is asked for."""
    _refuse_found_again(job)
    layout, gaps = _lay_out(job)
    sources = job.source_digest()
    options, channels = job.options, job.image.channels
    sampled = job.image.windows or (type_range(layout.data_type),) * len(channels)
    windows = [channel.window or window for channel, window in zip(channels, sampled, strict=True)]
    tables = list(_further_tables(job.image, gaps))
    digest = write_image(folder, layout, job.resource, tables, layout.memory.shared(share), progress)
    if options.runtime.verify:
        _verify(job, folder, layout, share, progress)
    if job.source_digest() != sources:
        msg = f"{job.image.path}: its source files changed while they were converted: run again once they are complete"
        raise SourceError(msg)
    size = sum(entry.stat().st_size for entry in folder.rglob("*") if entry.is_file())
    keep_in_image(folder, job)
    write_metadata(folder, layout, windows, _record(job, layout, sources, digest.value(), size))


def _refuse_found_again(job: ImageJob) -> None:
    """Refuse to fill planes whose file is there: the record would say that it was used.

    Raises:
        SourceError: a file that was gone when the run was planned is there.
    """
    found = found_again(job.image, job.lost, job.resource)
    if found is not None:
        msg = (
            f"{found}: expected no file as when the run was planned, found one: run again to have its planes"
        )
        raise SourceError(msg)


def _record(job: ImageJob, layout: ImageLayout, sources: str, level0: str, size: int) -> dict[str, Any]:
    """The completion record of an image: what it was made from, how, and what came out."""
    asked = job.request or Request(None, 0)
    return {
        "version": __version__,
        "encoder": encoder(job.options.omezarr_options.compression),
        "acquisition": getattr(job.image.collection, "acquisition", asked.acquisition_id),
        "plate_name": asked.plate_name,
        "fingerprint": job.fingerprint(sources),
        "sources": sources,
        "level0": level0,
        "verified": job.options.runtime.verify,
        "bytes": size,
        "format": job.format,
        "tiling": layout.placed.tiling,
        "options": recorded_options(job.options),
    }


def _lay_out(job: ImageJob) -> tuple[ImageLayout, Sequence[Gap]]:
    """How the image of a job is written, and its gaps, once nothing forbids to convert it.

    Raises:
        PreflightError: something does.
    """
    each = draft(job)
    findings = list(each.findings)
    data_type = job.image.data_type
    if data_type is None:  # nobody has read the headers yet
        headers = read_headers([job.image], [job.resource], [job.lost])
        findings += headers.findings
        data_type = headers.data_types[0]
    if each.placed is None or any(finding.severity == "error" for finding in findings):
        raise PreflightError(findings)
    if data_type is None:  # the loaders have no headers
        data_type = stored_type(job.present.tiles.loaders[0].find_data_type(job.resource))
    return layout_image(each.placed, data_type, job.options), each.gaps


def _further_tables(image: TiledImage[Any, Any], gaps: Sequence[Gap]) -> Iterator[Table]:
    conditions = image.conditions()
    if conditions:
        yield condition_table(conditions)
    if gaps:
        yield Table("gaps", "generic_table", gap_columns(gaps))


def _result(job: ImageJob, status: Status, folder: Path, started: float) -> ImageResult:
    record = completion_record(folder) or {}
    image = job.present
    itemsize = np.dtype(image.data_type or "uint16").itemsize
    seconds = round(time.monotonic() - started, 3)
    size = record.get("bytes", 0)
    verified = True if job.options.runtime.verify else None
    bytes_in = image.pixels * itemsize
    return ImageResult(job.zarr_url, status, len(image.tiles), bytes_in, size, seconds, verified)


def _listable(values: Sequence[Scalar]) -> Scalar:
    value = joined([value for value in values if not (isinstance(value, float) and not np.isfinite(value))])
    return value.replace("\0", "") if isinstance(value, str) else value


def _unwritable(place: str, error: OSError) -> OutputError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    named = f" ({error.filename})" if error.filename else ""
    return OutputError(
        f"{place}: cannot be written: {reason}{named}: "
        "free space or grant access, then run again with mode Extend"
    )
