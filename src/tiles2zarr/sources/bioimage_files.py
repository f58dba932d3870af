"""Files that hold whole images, alone or in a folder: which they are, and what their images are called."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError
from tiles2zarr.models.values import valid_path_part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TABLES = frozenset({"tiles.csv", "tiles.parquet"})


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
        msg = f"{path}: expected a {kind} file ({', '.join(suffixes)}) or a folder of them, found none: check the path"
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
    if _TABLES & {name.lower() for name in names}:
        return None
    found = [name for name in sorted(names) if _has_suffix(name, suffixes)]
    if not found or not _starts_with(path / found[0], starts):
        return None
    return f"{len(found)} {kind} file{'s' if len(found) > 1 else ''}"


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
