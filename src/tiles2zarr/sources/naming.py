"""Names: of plates and wells, and of the files that a vendor's metadata name."""

from __future__ import annotations

import ntpath
import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

from tiles2zarr.errors import OptionsError, SourceError
from tiles2zarr.models import ImageInPlate, well_name
from tiles2zarr.models.documents import one_line
from tiles2zarr.models.values import path_part, valid_path_part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tiles2zarr.sources.base import ScanRequest


def plate_name(request: ScanRequest, folder: Path | None = None) -> str:
    """The plate's name: the user's, else that of the folder or file that the user gave, made valid.

    Args:
        request: what the user says.
        folder: the instrument's own folder; where the user gave a file or folder within it, its name counts, since
            ``Images`` or ``data`` says nothing.

    Raises:
        OptionsError: the user's is no valid name.
    """
    if request.plate_name is not None:
        try:
            return path_part(request.plate_name)
        except ValueError as error:
            msg = f"name of the plate: {error}"
            raise OptionsError(msg) from error
    path = Path(os.path.abspath(request.path))
    if folder is not None and (home := Path(os.path.abspath(folder))) in path.parents:
        path = home
    return valid_path_part(path.stem if path.is_file() else path.name)


def wells_of(
    names: Iterable[str], plate: str, acquisition_id: int, projection: str = ""
) -> tuple[ImageInPlate, ...]:
    """The images of wells.

    Args:
        names: such as ``A01`` or ``AF48``.
        plate: name of the plate.
        acquisition_id: 0-based number of the acquisition.
        projection: see `ImageInPlate`.

    Raises:
        ValueError: a name is no well.
    """
    images = []
    for name in map(well_name, names):
        letters = name.rstrip("0123456789")
        images.append(
            ImageInPlate(
                plate_name=plate,
                row=letters,
                column=int(name.removeprefix(letters)),
                acquisition=acquisition_id,
                projection=projection,
            )
        )
    return tuple(images)


def within_folder(path: str, where: object) -> str:
    r"""A file that a vendor's metadata name, as a relative path with ``/`` that stays within the folder.

    Args:
        path: such as ``Images\\a.tif``.
        where: what messages call the metadata.

    Raises:
        SourceError: it is absolute, climbs out of the folder, or is no path.

    >>> within_folder("Images\\\\a.tif", "Index.xml")
    'Images/a.tif'
    """
    relative = posixpath.normpath(path.strip().replace("\\", "/"))
    is_absolute = posixpath.isabs(relative) or bool(ntpath.splitdrive(relative)[0])
    if not path.strip() or "\0" in path or is_absolute or relative.split("/")[0] in ("..", "."):
        msg = f"{where}: expected files below its own folder, found {one_line(path, 200)!r}: correct the path"
        raise SourceError(msg)
    return relative
