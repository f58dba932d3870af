"""Whether a store is what it should be: conforming OME-Zarr, and pixel for pixel what its source has."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiles2zarr.converter import Acquisition, compare
from tiles2zarr.errors import Finding, OptionsError, PreflightError, SourceError
from tiles2zarr.existing_images import files_changed_since
from tiles2zarr.inspection.conformance import survey
from tiles2zarr.models import OverwriteMode
from tiles2zarr.models.documents import options_of
from tiles2zarr.planning import jobs_of
from tiles2zarr.writer.groups import read_ngff
from tiles2zarr.writer.plate import completion_record
from tiles2zarr.writer.self_check import check_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tiles2zarr.core.job import ImageJob
    from tiles2zarr.inspection.conformance import Survey
    from tiles2zarr.writer.comparison import Difference

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class ImageDifference:
    """What differs in an image.

    Attributes:
        image: its folder, as it was found.
        level: of the pyramid; None: the image as a whole.
        chunk: the chunk's (or shard's) file below the level; None: the level as a whole.
        tile: the tile that the first wrong pixel comes from; None where none is known.
        kind: see `tiles2zarr.writer.comparison.Difference`; ``missing-image``: the source has it, the store
            does not.
    """

    image: str
    level: int | None
    chunk: str | None
    tile: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class Validation:
    """What `validate` found out.

    Attributes:
        conforms: it is OME-Zarr as the specification has it.
        identical: every pixel of every level is what the source has; None: nobody asked for it.
        differences: every chunk that is not what it should be.
        findings: everything else that was noticed.
        images: how many images were looked at.
    """

    conforms: bool
    identical: bool | None
    differences: tuple[ImageDifference, ...]
    findings: tuple[Finding, ...]
    images: int

    @property
    def is_sound(self) -> bool:
        """Whether it conforms, and nothing that was looked at differs."""
        return self.conforms and self.identical is not False and not self.differences

    def document(self) -> dict[str, Any]:
        """The validation as ``--json`` prints it."""
        return {
            "conforms": self.conforms,
            "identical": self.identical,
            "differences": [asdict(difference) for difference in self.differences],
            "findings": [finding.as_dict() for finding in self.findings],
            "images": self.images,
        }


def validate(
    zarr: str | Path,
    *,
    against: str | Path | None = None,
    allow_outside: bool = False,
    looking_at: Callable[[Path], None] = lambda _: None,
) -> Validation:
    """Check OME-Zarr by the official models, and the pixels of what tiles2zarr converted.

    With a source every pixel of every level is compared with it, under the options that the completion records
    hold. Without one level 0 is held against the digest that was taken while it was written, and every other
    level against the one below.

    Args:
        zarr: an image, a plate, or a folder of them.
        against: the source that it was converted from.
        allow_outside: tiles may lie outside the source's folder.
        looking_at: called with each image before its pixels are looked at.

    Raises:
        OptionsError: there is nothing at `zarr`.
        SourceError: the source cannot be read at all.
    """
    store = Path(os.path.abspath(zarr))
    if not store.is_dir():
        msg = f"{store}: expected a folder with OME-Zarr, found none: give an image, a plate, or a folder of them"
        raise OptionsError(msg)
    found = survey(store)
    conforms = all(finding.severity != "error" for finding in found.findings)
    if against is None:
        unsound = {finding.where for finding in found.findings}
        differences = _against_themselves(
            [image for image in found.images if str(image) not in unsound], looking_at
        )
        findings: list[Finding] = []
        identical = None
    else:
        source = _Source(Path(os.path.abspath(against)), allow_outside)
        differences, findings = _against_source(found, store, source, looking_at)
        is_whole = bool(found.images) and all(finding.severity != "error" for finding in findings)
        identical = is_whole and not differences
    return Validation(
        conforms, identical, tuple(differences), (*found.findings, *findings), len(found.images)
    )


def _against_themselves(images: Iterable[Path], looking_at: Callable[[Path], None]) -> list[ImageDifference]:
    """Hold images against their own digests; those of other programs have none."""
    differences: list[ImageDifference] = []
    for image in images:
        record = completion_record(image)
        if record is not None:
            looking_at(image)
            multiscale = read_ngff(image)["multiscales"][0]
            axes = [axis["name"] for axis in multiscale["axes"]]
            options = options_of(record["options"]).omezarr_options
            found = check_image(image, axes, len(multiscale["datasets"]), record["level0"], options)
            differences += _of_image(image, found)
    return differences


def _against_source(
    found: Survey, store: Path, source: _Source, looking_at: Callable[[Path], None]
) -> tuple[list[ImageDifference], list[Finding]]:
    """Compare images with a source; a plate, or a folder, lacks none that the source has."""
    differences: list[ImageDifference] = []
    findings: list[Finding] = []
    roots: set[Path] = set()
    compared: set[Path] = set()
    for image in found.images:
        record = completion_record(image)
        if record is None or not record.get("format"):
            message = (
                "expected an image that tiles2zarr converted, found no record of its format and options: "
                "validate it without --against"
            )
            findings.append(Finding("error", "unknown-image", str(image), message))
            continue
        jobs = source.jobs(_plate_name(image), record)
        job = next((jobs[path] for path in _paths(image) if path in jobs), None)
        if job is None:
            message = (
                "expected an image that the source has, found one that it does not make: check the source"
            )
            findings.append(Finding("error", "unknown-image", str(image), message))
            continue
        roots.add(image.parents[len(Path(job.image.path).parts) - 1])
        compared.add(image)
        looking_at(image)
        different, noticed = _compared(replace(job, zarr_url=str(image)), record)
        differences += different
        findings += noticed
    for root in sorted(roots):
        for path in source.paths():
            image = root / path
            if store in image.parents and image not in compared:
                differences.append(ImageDifference(str(image), None, None, None, "missing-image"))
    return differences, findings


def _compared(job: ImageJob, record: Mapping[str, Any]) -> tuple[list[ImageDifference], list[Finding]]:
    """What differs in one image, and what keeps it from being compared."""
    findings = []
    if record.get("sources") != job.source_digest():
        changed = [str(file) for file in files_changed_since(job)]
        which = f", of {', '.join(changed[:_MOST_NAMED])}" if changed else ""
        message = f"size or time of its source files changed since it was converted{which}"
        findings.append(Finding("info", "changed-source", job.image.path, message))
    try:
        return _of_image(job.target, compare(job)), findings
    except PreflightError as error:
        return [], [*findings, *error.findings]
    except SourceError as error:
        where, _, message = str(error).partition(": ")
        return [], [*findings, Finding("error", "unreadable-file", where, message)]


def _of_image(image: Path, differences: Iterable[Difference]) -> list[ImageDifference]:
    return [
        ImageDifference(str(image), found.level, found.chunk, found.tile, found.kind) for found in differences
    ]


def _plate_name(image: Path) -> str | None:
    """The name of the plate that an image is in; None for an image of its own."""
    if "well" not in read_ngff(image.parent):
        return None
    return image.parents[2].name.removesuffix(".zarr")


def _paths(image: Path) -> Iterator[str]:
    """What the path of an image within its destination may be: nobody knows where that begins."""
    parts = image.parts
    return ("/".join(parts[-count:]) for count in range(1, len(parts)))


class _Source:
    """The source of images, scanned once for each set of options that any of them was converted with."""

    def __init__(self, path: Path, allow_outside: bool) -> None:
        self._path = path
        self._allow_outside = allow_outside
        self._known: dict[str, dict[str, ImageJob]] = {}

    def jobs(self, plate_name: str | None, record: Mapping[str, Any]) -> dict[str, ImageJob]:
        """The jobs of all images that the source makes with the options of a record, by path."""
        key = repr((plate_name, record["acquisition"], record["format"], record["options"]))
        if key not in self._known:
            options = options_of({**record["options"], "runtime": {"verify": True}})
            acquisition = Acquisition(
                self._path,
                record["format"],
                plate_name,
                record["acquisition"],
                allow_outside=self._allow_outside,
            )
            jobs, _ = jobs_of(acquisition, None, options, OverwriteMode.EXTEND)
            self._known[key] = {job.image.path: job for job in jobs}
        return self._known[key]

    def paths(self) -> list[str]:
        """The paths of all images, with every set of options that was asked for."""
        return sorted({path for jobs in self._known.values() for path in jobs})
