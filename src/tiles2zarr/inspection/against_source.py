"""Comparing images with the source that they were converted from, under the options that they were converted with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tiles2zarr.converter import Acquisition, compare
from tiles2zarr.errors import (
    Finding,
    OutputError,
    PreflightError,
    SourceError,
    Tiles2ZarrError,
    UnknownFormatError,
)
from tiles2zarr.existing_images import files_changed_since, some
from tiles2zarr.inspection.differences import ImageDifference, listed_otherwise, of_image
from tiles2zarr.models import OverwriteMode
from tiles2zarr.models.documents import options_of
from tiles2zarr.planning import jobs_of
from tiles2zarr.writer.groups import read_ngff
from tiles2zarr.writer.plate import completion_record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tiles2zarr.core.job import ImageJob


class SourceComparison:
    """Compares images, one by one, with what a source makes."""

    def __init__(
        self, source: Path, acquisition_id: int | None, allow_outside: bool, memory_limit_gib: float
    ) -> None:
        """Compare with a source.

        Args:
            source: the folder or file that the instrument left behind.
            acquisition_id: the run of the instrument that it is of; images of others are passed over. None: all.
            allow_outside: tiles may lie outside the source's folder.
            memory_limit_gib: peak memory, GiB.
        """
        self._source = source
        self._acquisition_id = acquisition_id
        self._allow_outside = allow_outside
        self._runtime = {"memory_limit_gib": memory_limit_gib, "verify": True}
        self._jobs: dict[str, dict[str, ImageJob]] = {}
        self._expected: dict[Path, set[str]] = {}
        self._compared: set[Path] = set()
        self._unscanned: SourceError | None = None
        self.differences: list[ImageDifference] = []
        self.findings: list[Finding] = []

    @property
    def compared(self) -> int:
        """How many images were compared so far."""
        return len(self._compared)

    def add(self, image: Path) -> None:
        """Compare an image."""
        record = completion_record(image)
        if record is None or not record["format"]:
            self._refuse(
                image,
                "expected an image that tiles2zarr converted from files, found no whole record of it: "
                "validate it without --against",
            )
        elif self._acquisition_id in (None, record["acquisition"]):
            plate = _plate_of(image)
            try:
                jobs = self._jobs_of(plate, record)
            except Tiles2ZarrError as error:
                if isinstance(error, SourceError) and not isinstance(error, UnknownFormatError):
                    self._unscanned = error
                self._refuse(
                    image,
                    f"expected the source of its record, found another ({error}): give its own source",
                )
            else:
                self._add(image, plate, record, jobs)

    def finish(self, store: Path) -> None:
        """Note the images that the source makes, and that the store lacks; to be called last.

        Raises:
            SourceError: the source cannot be read at all.
        """
        if self._unscanned is not None and not self._compared:
            raise self._unscanned
        for root, paths in self._expected.items():
            for image in sorted(root / path for path in paths):
                if store in (image, *image.parents) and image not in self._compared:
                    self.differences.append(ImageDifference(str(image), None, None, None, "missing-image"))

    def _add(
        self, image: Path, plate: Path | None, record: Mapping[str, Any], jobs: Mapping[str, ImageJob]
    ) -> None:
        root, path = _place(image, plate, jobs)
        if path is None:
            self._refuse(
                image,
                "expected an image that the source makes, found one that it does not: give its own source",
            )
            return
        self._expected.setdefault(root, set()).update(jobs)
        self._compared.add(image)
        job = replace(jobs[path], zarr_url=str(image))
        self._note_changes(job, record)
        try:
            self.differences += listed_otherwise(image)
            self.differences += of_image(image, compare(job))
        except PreflightError as error:
            self.findings += error.findings
        except SourceError as error:
            self.findings.append(Finding.of("unreadable-file", error))

    def _note_changes(self, job: ImageJob, record: Mapping[str, Any]) -> None:
        """Say when a source is not as it was. Whether that matters, the pixels say."""
        if record.get("sources") != job.source_digest():
            changed = [str(file) for file in files_changed_since(job)]
            which = f": {some(changed)}" if changed else ""
            message = f"size or time of source files changed since it was converted{which}"
            self.findings.append(Finding("info", "changed-source", str(job.target), message))

    def _refuse(self, image: Path, message: str) -> None:
        self.findings.append(Finding("error", "unknown-image", str(image), message))

    def _jobs_of(self, plate: Path | None, record: Mapping[str, Any]) -> dict[str, ImageJob]:
        """The jobs of all images that the source makes with the options of a record.

        By path: below the plate for those of a plate, below the destination for others.
        """
        key = repr((plate, record["acquisition"], record["format"], record["options"]))
        if key not in self._jobs:
            acquisition = Acquisition(
                self._source,
                record["format"],
                plate.name.removesuffix(".zarr") if plate is not None else None,
                record["acquisition"],
                allow_outside=self._allow_outside,
            )
            options = options_of({**self._without_lost_table(record["options"]), "runtime": self._runtime})
            jobs, _ = jobs_of(acquisition, None, options, OverwriteMode.EXTEND)
            paths = (job.image.path if plate is None else job.image.path.partition("/")[2] for job in jobs)
            self._jobs[key] = dict(zip(paths, jobs, strict=True))
        return self._jobs[key]

    def _without_lost_table(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Recorded options, without a condition table that is not beside the source: no pixel depends on it."""
        acquisition = options.get("acquisition")
        table = acquisition.get("condition_table_path") if isinstance(acquisition, dict) else None
        if isinstance(acquisition, dict) and table and not (self._source / str(table)).exists():
            return {**options, "acquisition": {**acquisition, "condition_table_path": None}}
        return dict(options)


def _plate_of(image: Path) -> Path | None:
    """The plate that an image is in; None for an image of its own."""
    try:
        return image.parents[2] if "well" in read_ngff(image.parent) else None
    except OutputError:
        return None


def _place(image: Path, plate: Path | None, jobs: Mapping[str, ImageJob]) -> tuple[Path, str | None]:
    """The folder that the paths of jobs begin in, and the image's own path; None where no job is for it.

    Nobody knows where the destination of an image of its own began, so the longest path that fits is taken.
    """
    if plate is not None:
        path = image.relative_to(plate).as_posix()
        return plate, path if path in jobs else None
    for root in reversed(image.parents):
        path = image.relative_to(root).as_posix()
        if path in jobs:
            return root, path
    return image.parent, None
