"""Zeiss CZI: each tile of a mosaic a field of view of its own, scenes in wells as a plate."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tiles2zarr.sources.bioimage_files import Images, claim, image_files
from tiles2zarr.sources.bioimage_parts import joined
from tiles2zarr.sources.czi.container import MAGIC
from tiles2zarr.sources.czi.parts import findings_of, planes_of
from tiles2zarr.sources.czi.pixels import CziImageLoader
from tiles2zarr.sources.czi.reading import read_file
from tiles2zarr.sources.naming import plate_name
from tiles2zarr.sources.scanning import scan_of

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.models import ImageLoaderInterface
    from tiles2zarr.sources.base import Scan, ScanRequest

__all__ = ["CziImageLoader", "CziSource"]

_SUFFIXES = (".czi",)


class CziSource:
    """Reads CZI files, one or a folder of them, without a vendor library."""

    name: ClassVar[str] = "czi"
    title: ClassVar[str] = "Zeiss CZI"
    extra: ClassVar[str | None] = None
    libraries: ClassVar[tuple[str, ...]] = ()
    loader: ClassVar[type[ImageLoaderInterface]] = CziImageLoader

    def detect(self, path: Path) -> str | None:
        """A CZI file, or a folder with some right in it."""
        return claim(path, _SUFFIXES, "CZI", (MAGIC,))

    def scan(self, request: ScanRequest) -> Scan:
        """A field of view for each tile of each scene.

        Raises:
            SourceError: a file is damaged or incomplete, or holds what cannot be converted.
        """
        folder, files = image_files(request.path, _SUFFIXES, "CZI")
        images = Images(request, plate_name(request))
        documents = [read_file(file, request) for file in files]
        parts = joined([(document.file, planes_of(document, images)) for document in documents])
        findings = [finding for document in documents for finding in findings_of(document)]
        return scan_of(request, folder, parts, findings=findings)
