"""Yokogawa CellVoyager CV7000 and CV8000."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tiles2zarr.models import DefaultImageLoader
from tiles2zarr.sources.yokogawa.locating import CELLVOYAGER, claim
from tiles2zarr.sources.yokogawa.measurement import scan_measurement

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.models import ImageLoaderInterface
    from tiles2zarr.sources.base import Scan, ScanRequest


class CellVoyagerSource:
    """A measurement of a CellVoyager: ``MeasurementData.mlf`` and the images that it lists."""

    name: ClassVar[str] = CELLVOYAGER
    title: ClassVar[str] = "Yokogawa CellVoyager CV7000, CV8000"
    extra: ClassVar[str | None] = None
    libraries: ClassVar[tuple[str, ...]] = ()
    loader: ClassVar[type[ImageLoaderInterface]] = DefaultImageLoader

    def detect(self, path: Path) -> str | None:
        """Whether there is a list of measurement records whose images are called as a CellVoyager calls them."""
        return claim(path, CELLVOYAGER)

    def scan(self, request: ScanRequest) -> Scan:
        """All tiles of the measurement. No pixel is read.

        Raises:
            SourceError: there is no measurement, its files are damaged, or a record says something impossible.
        """
        return scan_measurement(request)
