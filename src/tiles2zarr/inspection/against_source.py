"""Comparing images with the source that they were converted from, under the options that they were converted with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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
from tiles2zarr.models import ImageInPlate, OverwriteMode
from tiles2zarr.models.documents import options_of
from tiles2zarr.planning import jobs_of
from tiles2zarr.writer.groups import read_ngff
from tiles2zarr.writer.plate import completion_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tiles2zarr.core.job import ImageJob


@dataclass(slots=True)
class _Run:
    """What the source makes with the options of a record.

    Attributes:
        jobs: by the path of their image below the destination.
        left_out: paths of images that it names and has no file of.
        roots: folders of its plates by their path below the destination, of "" the destination itself. Plates may
            have been moved, renamed or copied.
    """

    jobs: Mapping[str, ImageJob]
    left_out: tuple[str, ...]
    roots: dict[str, dict[Path, None]] = field(default_factory=dict)

    @property
    def plates(self) -> list[str]:
        """The plates that it makes, by their path below the destination."""
        return list(dict.fromkeys(_plate_path(job) for job in self.jobs.values() if job.is_in_plate))

    def expected(self) -> Iterator[Path]:
        """Every image that should be there, as far as anybody knows where."""
        beside = {root.parent: None for plate, roots in self.roots.items() if plate for root in roots}
        destinations = self.roots.get("") or beside
        plates = self.plates
        for path in (*self.jobs, *self.left_out):
            plate = next((each for each in plates if path.startswith(f"{each}/")), "")
            roots = self.roots.get(plate) if plate else None
            for root in roots or destinations:
                yield root / (path.removeprefix(f"{plate}/") if roots else path)


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
        self._runs: dict[str, _Run] = {}
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
                run = self._run_of(plate, record)
            except Tiles2ZarrError as error:
                if isinstance(error, SourceError) and not isinstance(error, UnknownFormatError):
                    self._unscanned = error
                self._refuse(
                    image,
                    f"expected the source of its record, found another ({error}): give its own source",
                )
            else:
                self._add(image, plate, record, run)

    def finish(self, store: Path) -> None:
        """Note the images that the source makes, and that the store lacks; to be called last.

        Raises:
            SourceError: the source cannot be read at all.
        """
        if self._unscanned is not None and not self._compared:
            raise self._unscanned
        expected = {image for run in self._runs.values() for image in run.expected()}
        for image in sorted(expected - self._compared):
            if store in (image, *image.parents):
                self.differences.append(ImageDifference(str(image), None, None, None, "missing-image"))

    def _add(self, image: Path, plate: Path | None, record: Mapping[str, Any], run: _Run) -> None:
        path = _path_in(run, image, plate)
        if path is None:
            self._refuse(
                image,
                "expected an image that the source makes, found one that it does not: give its own source",
            )
            return
        self._compared.add(image)
        job = replace(run.jobs[path], zarr_url=str(image))
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

    def _run_of(self, plate: Path | None, record: Mapping[str, Any]) -> _Run:
        """What the source makes when it is asked for what the run of a record asked it for."""
        asked = record.get("plate_name")
        if "plate_name" not in record and plate is not None:
            asked = plate.name.removesuffix(".zarr")
        key = repr((asked, record["acquisition"], record["format"], record["options"]))
        if key not in self._runs:
            acquisition = Acquisition(
                self._source,
                record["format"],
                asked,
                record["acquisition"],
                allow_outside=self._allow_outside,
            )
            options = options_of({**self._without_lost_table(record["options"]), "runtime": self._runtime})
            scanned = jobs_of(acquisition, None, options, OverwriteMode.EXTEND)
            # Planes whose file is lost are compared with black ones, as the run filled them.
            self.findings += [finding for finding in scanned.findings if finding.code == "missing-file"]
            self._runs[key] = _Run({job.image.path: job for job in scanned.jobs}, scanned.left_out)
        return self._runs[key]

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


def _plate_path(job: ImageJob) -> str:
    collection = job.image.collection
    return collection.plate_path if isinstance(collection, ImageInPlate) else ""


def _path_in(run: _Run, image: Path, plate: Path | None) -> str | None:
    """The path that a run gives an image; None where it makes no such image.

    Of a plate that was renamed only what lies in it tells, and nobody knows where the destination of an image of its
    own began, so the longest path that fits is taken.
    """
    if plate is not None:
        inner = image.relative_to(plate).as_posix()
        plates = sorted(run.plates, key=lambda each: each.rpartition("/")[2] != plate.name)
        for each in plates:
            if f"{each}/{inner}" in run.jobs:
                run.roots.setdefault(each, {})[plate] = None
                return f"{each}/{inner}"
        return None
    for root in reversed(image.parents):
        path = image.relative_to(root).as_posix()
        if path in run.jobs and not run.jobs[path].is_in_plate:
            run.roots.setdefault("", {})[root] = None
            return path
    return None
