"""Operetta, Operetta CLS, Opera Phenix and Phenix Plus: what Harmony exports, and Columbus."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tiles2zarr.errors import Finding
from tiles2zarr.models import DefaultImageLoader, ImageInPlate
from tiles2zarr.sources.operetta.index import read_index
from tiles2zarr.sources.operetta.layout import read_layouts
from tiles2zarr.sources.operetta.locating import indexes_of, layout_files, measurement_folder, one_index
from tiles2zarr.sources.operetta.planes import planes_of
from tiles2zarr.sources.scanning import scan_of

if TYPE_CHECKING:
    from tiles2zarr.models import ImageLoaderInterface
    from tiles2zarr.sources.base import Scan, ScanRequest

__all__ = ["OperettaSource"]

_FEWEST_MEASUREMENTS_OF_A_SHELF = 2


class OperettaSource:
    """Reads the index of a measurement, in any version of Harmony."""

    name: ClassVar[str] = "operetta"
    title: ClassVar[str] = "PerkinElmer / Revvity Operetta, Opera Phenix (Harmony, Columbus)"
    extra: ClassVar[str | None] = None
    libraries: ClassVar[tuple[str, ...]] = ()
    loader: ClassVar[type[ImageLoaderInterface]] = DefaultImageLoader

    def detect(self, path: Path) -> str | None:
        """An index in the folder, in its folder of images, or in the one measurement below it."""
        found = indexes_of(path)
        if not found:
            return None
        if len(found) >= _FEWEST_MEASUREMENTS_OF_A_SHELF:
            return f"{len(found)} measurements, such as {found[0][0]}"
        return f"it holds {found[0][0].name}"

    def scan(self, request: ScanRequest) -> Scan:
        """A tile for each image that was taken.

        Raises:
            SourceError: there is no index, or several measurements; the index is damaged; or an image lacks what
                says where it belongs.
        """
        file, others = one_index(Path(os.path.abspath(request.path)))
        folder = measurement_folder(file)
        index = read_index(file)
        planes, findings = planes_of(request, index, folder)
        conditions, layouts, unread = read_layouts(layout_files(folder))
        imaged = {image.well for image in planes.collections if isinstance(image, ImageInPlate)}
        if others:
            names = ", ".join(other.name for other in others)
            message = f"{file.name} is read, {names} beside it is not: give the file itself to read that one"
            findings.append(Finding("info", "unused-file", str(others[0]), message))
        return scan_of(
            request,
            folder,
            [planes],
            metadata_files=[file, *others, *layouts],
            findings=[*findings, *unread],
            conditions={well: said for well, said in conditions.items() if well in imaged},
        )
