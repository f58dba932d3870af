"""Images that are there already: whether one is the very image that a job would make, and what to say if not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tiles2zarr.core.job import recorded_options, shaping_part
from tiles2zarr.models import OverwriteMode
from tiles2zarr.writer.plate import completion_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tiles2zarr.core.job import ImageJob

_MOST_NAMED = 3


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
    for file in job.image.tiles.loaders.source_files(job.resource):
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
