"""What is there already where images will go: whether one is the very image of a job, and what to say if not."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from tiles2zarr.core.job import recorded_options, shaping_part
from tiles2zarr.errors import Finding, OutputError
from tiles2zarr.models import ImageInPlate, OverwriteMode
from tiles2zarr.writer.conditions import check_conditions
from tiles2zarr.writer.ome_document import check_document
from tiles2zarr.writer.plate import check_plate, completion_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tiles2zarr.core.job import ImageJob
    from tiles2zarr.core.tiled_image import TiledImage

_MOST_NAMED = 3


def refuse_unusable(zarr_dir: Path) -> None:
    """Refuse a destination that can be none.

    Raises:
        OutputError: it is a file, lies below one, or has a name that Zarr cannot write.
    """
    try:
        str(zarr_dir).encode()
    except UnicodeEncodeError as error:
        msg = (
            f"{zarr_dir}: expected a destination whose name is UTF-8, found other bytes: choose another name"
        )
        raise OutputError(msg) from error
    for place in (zarr_dir, *zarr_dir.parents):
        if os.path.lexists(place):
            if os.path.exists(place) and not os.path.isdir(place):
                kind = "a file" if os.path.isfile(place) else "a device or pipe"
                msg = f"{place}: expected a folder as destination, found that it is {kind}: give a folder"
                raise OutputError(msg)
            return


def twice(images: Sequence[TiledImage[Any, Any]]) -> Iterator[Finding]:
    """Images of one run that would be in the same place."""
    seen: set[str] = set()
    for image in images:
        path = image.path.casefold()  # some file systems tell no case
        if path in seen:
            message = (
                "expected one acquisition with this plate, well and number, found two: "
                "give them different acquisition ids"
            )
            yield Finding("error", "duplicate-image", image.path, message)
        seen.add(path)


def existing(job: ImageJob) -> Literal["complete", "replaced"] | None:
    """What is in the place of an image: this very one, one to be replaced, or nothing that may stay or go."""
    if job.mode is OverwriteMode.OVERWRITE:
        return "replaced" if os.path.lexists(job.target) else None
    return "complete" if is_complete(job) else None


def output_findings(jobs: Sequence[tuple[ImageJob, bool]], zarr_dir: Path) -> Iterator[Finding]:
    """What a destination has against jobs.

    Args:
        jobs: each with whether its very image is there.
        zarr_dir: the destination.
    """
    versions: dict[str, Any] = {}
    for job, is_there in jobs:
        is_taken = job.mode is not OverwriteMode.OVERWRITE and os.path.lexists(job.target)
        # Asked once more: another run, at the same time, may have finished it since; `convert_image` skips it then.
        if is_taken and not (job.mode is OverwriteMode.EXTEND and (is_there or is_complete(job))):
            yield Finding("error", "output-exists", job.image.path, why_it_exists(job))
        if isinstance(job.image.collection, ImageInPlate):
            versions[job.image.collection.plate_path] = job.options.omezarr_options.ngff_version
    checks = [partial(check_plate, zarr_dir / plate, version) for plate, version in versions.items()]
    checks += [partial(check_document, zarr_dir / plate) for plate in versions]
    checks.append(partial(check_conditions, zarr_dir, [job.image for job, _ in jobs]))
    for check in checks:
        try:
            check()
        except OutputError as error:
            yield Finding.of("unusable-output", error)


def is_complete(job: ImageJob) -> bool:
    """Whether the very image that the job would make is there. One that may be replaced never counts."""
    if job.mode is OverwriteMode.OVERWRITE or not os.path.lexists(job.target):
        return False
    record = completion_record(job.target)
    return record is not None and record["fingerprint"] == job.fingerprint()


def why_it_exists(job: ImageJob) -> str:
    """What to say about an image that is in the way of a job: what is there, how it differs, what to do."""
    if job.mode is OverwriteMode.EXTEND:
        return (
            f"expected no image or this very one, found {_difference(job)}: "
            "use mode Overwrite to replace it, or another plate name or acquisition id"
        )
    return (
        "expected no image, found one: use mode Extend to keep it, mode Overwrite to replace it, "
        "or another plate name or acquisition id"
    )


def files_changed_since(job: ImageJob) -> Iterator[Path]:
    """Source files of a job that are gone, or were changed after the image in its place was finished."""
    finished = max(
        file.stat().st_mtime_ns for name in (".zattrs", "zarr.json") if (file := job.target / name).exists()
    )
    for file in job.present.tiles.loaders.source_files(job.resource):
        try:
            if file.stat().st_mtime_ns > finished:
                yield file
        except OSError:
            yield file


def _difference(job: ImageJob) -> str:
    record = completion_record(job.target)
    if record is None:
        return "one without a whole record of tiles2zarr"
    changed = list(_changed_options(record["options"], recorded_options(job.options)))
    if changed:
        return f"one made with other options ({some(changed)})"
    if record.get("sources") != job.source_digest():
        named = [str(file) for file in files_changed_since(job)]
        which = f" ({some(named)} changed since)" if named else ""
        return f"one made from other source files{which}"
    return "one made from other tiles (their files, places, channels, pixel size or conditions)"


def _changed_options(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Each option that shapes the image and is another now, with both values."""
    before, now = (dict(_flat(shaping_part(options))) for options in (there, wanted))
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield f"{name} = {before.get(name)!r}, now {now.get(name)!r}"


def _flat(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def some(named: list[str]) -> str:
    """The first few of many, and how many more there are."""
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return ", ".join(named[:_MOST_NAMED]) + more
