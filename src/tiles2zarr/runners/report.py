"""What became of a run, as a value and as a JSON document."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiles2zarr.converter import ImageResult
    from tiles2zarr.errors import Finding


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What became of a run.

    Attributes:
        images: every image of the run, in the order of the plan.
        findings: everything that was noticed before.
        seconds: how long it took.
        peak_memory_mb: largest resident memory of a process, MB.
        tiles2zarr_version: what made it.
    """

    images: tuple[ImageResult, ...]
    findings: tuple[Finding, ...]
    seconds: float
    peak_memory_mb: float
    tiles2zarr_version: str

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
        }
