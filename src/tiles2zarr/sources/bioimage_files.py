"""Files that hold whole images, alone or in a folder: which they are, and what their images are called."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError
from tiles2zarr.models import ImageInPlate, row_name
from tiles2zarr.models.values import valid_path_part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tiles2zarr.models import CollectionInterface
    from tiles2zarr.sources.base import ScanRequest

_MOST_LOOKED_INTO = 100


def image_files(path: Path, suffixes: Sequence[str], kind: str) -> tuple[Path, list[Path]]:
    """The folder of a source, and its files of one kind, in the order of their names.

    Args:
        path: one such file, or a folder of them.
        suffixes: in lower case, with the dot.
        kind: what messages call such a file.

    Raises:
        SourceError: there is none, or the folder cannot be listed.
    """
    if path.is_file():
        return path.parent, [path]
    files = [path / name for name in sorted(_listed(path)) if _has_suffix(name, suffixes)]
    if not files:
        expected = f"a {kind} file ({', '.join(suffixes)}) or a folder of them"
        below = subfolder_with(path, suffixes)
        if below is not None:
            msg = f"{path}: expected {expected}, found some in its subfolder {below} only: give that one"
            raise SourceError(msg)
        msg = f"{path}: expected {expected}, found none: check the path"
        raise SourceError(msg)
    return path, files


def claim(path: Path, suffixes: Sequence[str], kind: str, starts: Sequence[bytes] = ()) -> str | None:
    """Why a file, or a folder that has such files right in it, is of one kind; None when it is not.

    Args:
        path: the file or folder.
        suffixes: in lower case, with the dot.
        kind: what to call such a file.
        starts: what such a file may begin with; nothing: anything.
    """
    if path.is_file():
        is_one = _has_suffix(path.name, suffixes) and _starts_with(path, starts)
        return f"one {kind} file" if is_one else None
    try:
        names = _listed(path)
    except SourceError:
        return None
    found = [name for name in sorted(names) if _has_suffix(name, suffixes)]
    if not found or not _starts_with(path / found[0], starts):
        return None
    return f"{len(found)} {kind} file{'s' if len(found) > 1 else ''}"


def subfolder_with(folder: Path, suffixes: Sequence[str]) -> str | None:
    """The first subfolder that has files of a kind right in it; None where none of the first hundred has.

    Args:
        folder: where to look.
        suffixes: in lower case, with the dot.
    """
    try:
        with os.scandir(folder) as entries:
            below = sorted(
                entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")
            )
        return next(
            (
                name
                for name in below[:_MOST_LOOKED_INTO]
                if any(_has_suffix(file, suffixes) for file in _listed(folder / name))
            ),
            None,
        )
    except (OSError, SourceError):
        return None


class ImagePaths:
    """Gives every image a path of its own, from names that may be anything."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def path(self, *names: str) -> str:
        """Folders and a name, made valid; a number is added where another image has that path."""
        folders = [valid_path_part(name).removesuffix(".zarr") or "unnamed" for name in names]
        wanted = path = "/".join(valid_path_part(folder) for folder in folders)
        number = 1
        while path.casefold() in self._taken:
            number += 1
            path = f"{wanted}_{number}"
        self._taken.add(path.casefold())
        return path


class Images:
    """The images of all files of a source: wells of one plate, and images of their own.

    Attributes:
        paths: of images of their own.
    """

    def __init__(self, request: ScanRequest, plate: str) -> None:
        """Without any image.

        Args:
            request: what the user says.
            plate: name of the plate.
        """
        self.paths = ImagePaths()
        self._plate = plate
        self._acquisition_id = request.acquisition_id
        self._fields: dict[CollectionInterface, int] = defaultdict(int)

    def well(self, row: int, column: int) -> ImageInPlate:
        """The image of a well, whichever file it is in; row and column are counted from 1."""
        return ImageInPlate(
            plate_name=self._plate,
            row=row_name(row - 1),
            column=column,
            acquisition=self._acquisition_id,
        )

    def fields(self, image: CollectionInterface, count: int) -> int:
        """The first of so many numbers for fields of view: they are continued over the files that share an image."""
        first = self._fields[image]
        self._fields[image] += count
        return first


def _listed(folder: Path) -> list[str]:
    """Files in a folder that are not hidden."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()]
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"{folder}: expected a folder or file, found none that can be read ({reason}): check the path"
        raise SourceError(msg) from error


def _has_suffix(name: str, suffixes: Sequence[str]) -> bool:
    return name.lower().endswith(tuple(suffixes))


def _starts_with(file: Path, starts: Sequence[bytes]) -> bool:
    if not starts:
        return True
    try:
        with open(file, "rb") as handle:
            head = handle.read(max(map(len, starts)))
    except OSError:
        return False
    return not head or head.startswith(tuple(starts))
