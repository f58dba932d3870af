"""What became of a run, as a value and as a JSON document."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import Finding
from tiles2zarr.version import __version__
from tiles2zarr.writer.groups import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tiles2zarr.converter import ImageResult

#: The report of the last run, in its destination folder: beside the plates and images.
REPORT_FILE = "conversion_report.json"


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What became of a run.

    Attributes:
        images: every image of the run, in the order of the plan.
        findings: everything that was noticed before.
        seconds: how long it took.
        peak_memory_mb: largest resident memory of a process, MB.
        tiles2zarr_version: what made it.
        run: what was run: source, destination, mode and options, and when it began (UTC); empty for none.
    """

    images: tuple[ImageResult, ...]
    findings: tuple[Finding, ...]
    seconds: float
    peak_memory_mb: float
    tiles2zarr_version: str
    run: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_nothing(cls) -> ConversionReport:
        """The report of a run that was refused."""
        return cls((), (), 0.0, 0.0, __version__)

    @property
    def failed(self) -> tuple[ImageResult, ...]:
        """The images that were not converted."""
        return tuple(image for image in self.images if image.status == "failed")

    def document(self) -> dict[str, Any]:
        """The report as ``--json`` prints it."""
        return {
            "images": [asdict(image) for image in self.images],
            "findings": [finding.as_dict() for finding in self.findings],
            "seconds": self.seconds,
            "peak_memory_mb": self.peak_memory_mb,
            "tiles2zarr_version": self.tiles2zarr_version,
            "run": dict(self.run),
        }

    def written_to(self, zarr_dir: Path) -> ConversionReport:
        """Write the report beside the plates and images; where that fails, the report says so.

        Args:
            zarr_dir: the destination folder.
        """
        file = zarr_dir / REPORT_FILE
        try:
            write_json(file, self.document())
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            message = f"cannot be written: {reason}: free space or grant access; the images are not affected"
            finding = Finding("warning", "unwritten-report", str(file), message)
            return replace(self, findings=(*self.findings, finding))
        return self
