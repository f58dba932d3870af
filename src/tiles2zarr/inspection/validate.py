"""Whether a store is what it should be: conforming OME-Zarr, and pixel for pixel what its source has."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import Finding, OptionsError, errors_first
from tiles2zarr.inspection.against_source import SourceComparison
from tiles2zarr.inspection.conformance import Survey
from tiles2zarr.inspection.differences import ImageDifference, listed_otherwise, of_image
from tiles2zarr.models import AXES, RuntimeOptions
from tiles2zarr.models.documents import options_of
from tiles2zarr.writer.groups import read_ngff
from tiles2zarr.writer.plate import completion_record
from tiles2zarr.writer.self_check import check_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tiles2zarr.models import OmeZarrOptions

_MEMORY = RuntimeOptions().memory_limit_gib


@dataclass(frozen=True, slots=True)
class Validation:
    """What `validate` found out.

    Attributes:
        conforms: it is OME-Zarr as the specification has it.
        identical: every image was compared with the source, and nothing differs; None: nobody asked for it.
        differences: every chunk that is not what it should be.
        findings: everything else that was noticed.
        images: how many images there are.
        checked: how many of them had their pixels looked at.
    """

    conforms: bool
    identical: bool | None
    differences: tuple[ImageDifference, ...]
    findings: tuple[Finding, ...]
    images: int
    checked: int

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
            "images_found": self.images,
            "images_checked": self.checked,
        }


def validate(
    store: str | Path,
    *,
    against: str | Path | None = None,
    acquisition_id: int | None = None,
    allow_outside: bool = False,
    memory_limit_gib: float = _MEMORY,
    looking_at: Callable[[Path], None] = lambda _: None,
) -> Validation:
    """Check OME-Zarr by the official models, and the pixels of what tiles2zarr converted.

    With a source every image is compared with it, under the options that the completion records hold: every pixel of
    every level, and every byte of every chunk where the codecs are those that it was written with. Without one,
    level 0 is held against the digest that was taken while it was written, and every other level against the one
    below.

    Args:
        store: an image, a plate, or a folder of them.
        against: the source that it was converted from.
        acquisition_id: the run of the instrument that the source is of; images of others are not compared.
        allow_outside: tiles may lie outside the source's folder.
        memory_limit_gib: peak memory, GiB.
        looking_at: called with each image before its pixels are looked at.

    Raises:
        OptionsError: there is nothing at `store`, or one unit of an image does not fit the memory limit.
        SourceError: the source cannot be read at all.
    """
    folder = Path(os.path.abspath(store))
    if not folder.is_dir():
        msg = (
            f"{folder}: expected a folder with OME-Zarr, found none: "
            "give an image, a plate, or a folder of them"
        )
        raise OptionsError(msg)
    found = Survey(folder)
    if against is None:
        differences, findings, checked = _against_themselves(found, memory_limit_gib, looking_at)
        return Validation(
            found.conforms,
            None,
            differences,
            errors_first((*found.findings, *findings)),
            len(found.images),
            checked,
        )
    source = SourceComparison(Path(os.path.abspath(against)), acquisition_id, allow_outside, memory_limit_gib)
    for image in found.images:
        looking_at(image)
        source.add(image)
    source.finish(folder)
    if not source.compared and not source.findings:
        message = (
            "expected images to compare with the source, found none: check the path and the acquisition id"
        )
        source.findings.append(Finding("error", "unknown-image", str(folder), message))
    is_whole = all(finding.severity != "error" for finding in source.findings)
    return Validation(
        found.conforms,
        is_whole and not source.differences,
        tuple(source.differences),
        errors_first((*found.findings, *source.findings)),
        len(found.images),
        source.compared,
    )


def _against_themselves(
    found: Survey, memory_limit_gib: float, looking_at: Callable[[Path], None]
) -> tuple[tuple[ImageDifference, ...], list[Finding], int]:
    """Hold images against their own digests: what differs, what was noticed, and how many were looked at."""
    differences: list[ImageDifference] = []
    findings: list[Finding] = []
    wrong = {finding.where for finding in found.findings if finding.severity == "error"}
    runtime = RuntimeOptions(memory_limit_gib=memory_limit_gib, verify=True)
    checked = 0
    for image in found.images:
        record = completion_record(image)
        if str(image) in wrong:
            continue
        if record is None:
            message = "found no digest of its pixels: convert it with tiles2zarr to have more than its metadata checked"
            findings.append(Finding("info", "unknown-image", str(image), message))
            continue
        multiscale = read_ngff(image)["multiscales"][0]
        axes, levels = [axis["name"] for axis in multiscale["axes"]], len(multiscale["datasets"])
        options = _recorded(record)
        if options is None or not set(axes) <= set(AXES):
            message = (
                "expected options and axes as this release writes them, found others: "
                "convert it again to have more than its metadata checked"
            )
            findings.append(Finding("warning", "unknown-image", str(image), message))
            continue
        checked += 1
        otherwise = listed_otherwise(image)
        if otherwise:
            differences += otherwise
            continue
        looking_at(image)
        differences += of_image(image, check_image(image, axes, levels, record, options, runtime))
    return tuple(differences), findings, checked


def _recorded(record: Mapping[str, Any]) -> OmeZarrOptions | None:
    """How an image was written; None where the record is of another release or somebody's own."""
    try:
        return options_of(record["options"]).omezarr_options
    except OptionsError:
        return None
