"""Yokogawa CellVoyager CQ1 and CQ3000 (CQ3K)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tiles2zarr.models import DefaultImageLoader
from tiles2zarr.sources.yokogawa.locating import CQ, claim
from tiles2zarr.sources.yokogawa.measurement import scan_measurement

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.models import ImageLoaderInterface
    from tiles2zarr.sources.base import Scan, ScanRequest


class Cq3kSource:
    """A measurement of a CQ1 or CQ3K: ``MeasurementData.mlf``, images like ``Image/W0001F0001T0001Z001C1.tif``."""

    name: ClassVar[str] = CQ
    title: ClassVar[str] = "Yokogawa CQ1, CQ3000 (CQ3K)"
    extra: ClassVar[str | None] = None
    libraries: ClassVar[tuple[str, ...]] = ()
    loader: ClassVar[type[ImageLoaderInterface]] = DefaultImageLoader

    def detect(self, path: Path) -> str | None:
        """Whether there is a list of measurement records whose images are called as a CQ calls them."""
        return claim(path, CQ)

    def scan(self, request: ScanRequest) -> Scan:
        """All tiles of the measurement. No pixel is read.

        Raises:
            SourceError: there is no measurement, its files are damaged, or a record says something impossible.
        """
        return scan_measurement(request)
