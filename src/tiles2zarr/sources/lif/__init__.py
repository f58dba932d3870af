"""Leica LIF: each series an image, each tile of a tile scan a field of view."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tiles2zarr.errors import Finding
from tiles2zarr.sources.bioimage_files import ImagePaths, claim, image_files
from tiles2zarr.sources.lif.container import MAGIC, read_lif
from tiles2zarr.sources.lif.pixels import LifImageLoader
from tiles2zarr.sources.lif.planes import planes_of
from tiles2zarr.sources.lif.series import elements_of, read_series
from tiles2zarr.sources.scanning import scan_of

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.models import ImageLoaderInterface
    from tiles2zarr.sources.base import Scan, ScanRequest
    from tiles2zarr.sources.planes import Planes

__all__ = ["LifImageLoader", "LifSource"]

_SUFFIXES = (".lif",)


class LifSource:
    """Reads LIF files, one or a folder of them, without a vendor library."""

    name: ClassVar[str] = "lif"
    title: ClassVar[str] = "Leica LIF"
    extra: ClassVar[str | None] = None
    libraries: ClassVar[tuple[str, ...]] = ()
    loader: ClassVar[type[ImageLoaderInterface]] = LifImageLoader

    def detect(self, path: Path) -> str | None:
        """A LIF file, or a folder with some right in it."""
        return claim(path, _SUFFIXES, "LIF", (MAGIC,))

    def scan(self, request: ScanRequest) -> Scan:
        """An image for each series, a field of view for each of its tiles.

        Raises:
            SourceError: a file is damaged or incomplete, or holds what cannot be converted.
        """
        folder, files = image_files(request.path, _SUFFIXES, "LIF")
        paths = ImagePaths()
        parts: list[Planes] = []
        findings: list[Finding] = []
        for file in files:
            found, said = _parts(file, paths, request)
            parts += found
            findings += said
        return scan_of(request, folder, parts, findings=findings)


def _parts(file: Path, paths: ImagePaths, request: ScanRequest) -> tuple[list[Planes], list[Finding]]:
    """The planes of every series of a file."""
    lif = read_lif(file)
    parts: list[Planes] = []
    findings: list[Finding] = []
    for path, element in elements_of(lif.root):
        where = f"{file}, series {'/'.join(path)}"
        if element.find("Data/Image") is None:
            if element.find("Data/SingleMoleculeDetection") is not None:
                message = (
                    "expected an image, found a histogram of photon arrival times, which is left out: "
                    "export it from LAS X if it is needed"
                )
                findings.append(Finding("warning", "unreadable-file", where, message))
            continue
        series = read_series(path, element, where)
        if series.size == 0:
            message = "expected pixels, found none: the series was never taken and is left out"
            findings.append(Finding("info", "not-imaged", where, message))
            continue
        planes, said = planes_of(series, lif, paths.path(file.stem, *path), request, where)
        parts.append(planes)
        findings += said
    return parts, findings
