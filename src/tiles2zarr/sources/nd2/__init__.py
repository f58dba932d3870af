"""Nikon ND2: positions of the stage as fields of view, or as wells."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tiles2zarr.sources.bioimage_files import Images, claim, image_files
from tiles2zarr.sources.bioimage_parts import joined
from tiles2zarr.sources.naming import plate_name
from tiles2zarr.sources.nd2.chunks import LEGACY_MAGIC, MAGIC
from tiles2zarr.sources.nd2.parts import planes_of
from tiles2zarr.sources.nd2.pixels import Nd2ImageLoader
from tiles2zarr.sources.nd2.reading import read_nd2
from tiles2zarr.sources.scanning import scan_of

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.errors import Finding
    from tiles2zarr.models import ImageLoaderInterface
    from tiles2zarr.sources.base import Scan, ScanRequest
    from tiles2zarr.sources.planes import Planes

__all__ = ["Nd2ImageLoader", "Nd2Source"]

_SUFFIXES = (".nd2",)


class Nd2Source:
    """Reads ND2 files, one or a folder of them: metadata with the package nd2, pixels without."""

    name: ClassVar[str] = "nd2"
    title: ClassVar[str] = "Nikon ND2"
    extra: ClassVar[str | None] = "nd2"
    libraries: ClassVar[tuple[str, ...]] = ("nd2",)
    loader: ClassVar[type[ImageLoaderInterface]] = Nd2ImageLoader

    def detect(self, path: Path) -> str | None:
        """An ND2 file, or a folder with some right in it."""
        return claim(path, _SUFFIXES, "ND2", (MAGIC, LEGACY_MAGIC))

    def scan(self, request: ScanRequest) -> Scan:
        """A field of view for each position of the stage.

        Raises:
            MissingExtraError: the package nd2 is not installed.
            SourceError: a file is damaged or incomplete, or holds what cannot be converted.
        """
        folder, files = image_files(request.path, _SUFFIXES, "ND2")
        images = Images(request, plate_name(request))
        parts: list[tuple[Path, Planes]] = []
        findings: list[Finding] = []
        for file in files:
            planes, said = planes_of(read_nd2(file), images)
            parts.append((file, planes))
            findings += said
        return scan_of(request, folder, joined(parts), findings=findings)
