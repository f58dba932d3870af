"""The files that a table names, kept within its folder."""

from __future__ import annotations

import os
import posixpath
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core.tiles import Tiles

_REMEDY = "move the file into the folder, or allow files outside it (allow_outside)"


def confine(tiles: Tiles, folder: Path, *, allow_outside: bool) -> Tiles:
    r"""The tiles with file paths relative to the folder, written with ``/``.

    A table that was made on Windows may say ``\``.

    Args:
        tiles: their loaders have a ``file_path``.
        folder: an absolute path.
        allow_outside: keep a path that leaves the folder, as it is.

    Raises:
        SourceError: a path leaves the folder, by itself or through a symbolic link to another folder.
    """
    found = tiles.loaders.fields["file_path"]
    paths = found.tolist()
    if _any_suspicious(paths):
        paths = [_relative(path, str(folder)) for path in paths]
    if not allow_outside:
        _refuse_outside(found, paths, folder)
    kept = np.fromiter(
        (path if path is not None else given for path, given in zip(paths, found, strict=True)), object
    )
    fields = {**tiles.loaders.fields, "file_path": kept}
    return replace(tiles, loaders=replace(tiles.loaders, fields=fields))


def confined_path(path: str, folder: Path, *, allow_outside: bool) -> Path:
    """Where a file lies that is named relative to the folder.

    Raises:
        SourceError: outside the folder.
    """
    relative = _relative(path, str(folder))
    if relative is None or _outside(posixpath.dirname(relative), folder):
        if allow_outside:
            return folder / path
        msg = f"{path}: expected a file in {folder}, found one outside: {_REMEDY}"
        raise SourceError(msg)
    return folder / relative


def _any_suspicious(paths: Sequence[str]) -> bool:
    """Whether some path is absolute, climbs, doubles or was written for Windows; in most tables none is."""
    text = "\n".join(paths)
    return paths[0].startswith(("/", "./")) or any(
        mark in text for mark in ("\n/", "./", "..", "//", "\\", ":")
    )


def _relative(path: str, folder: str) -> str | None:
    """The normalised path relative to the folder, None where it leaves it."""
    if os.name != "nt" and path[1:3] in (":\\", ":/"):
        return None  # a drive of Windows
    root = os.path.join(folder, "")
    absolute = os.path.normpath(os.path.join(root, path.replace("\\", "/")))
    if not os.path.normcase(absolute).startswith(os.path.normcase(root)):
        return None
    return absolute[len(root) :].replace(os.sep, "/")


def _refuse_outside(found: NDArray[np.object_], paths: Sequence[str | None], folder: Path) -> None:
    parents = {path.rpartition("/")[0] for path in paths if path is not None}
    escaping = {parent for parent in parents if _outside(parent, folder)}
    for row, path in enumerate(paths):
        if path is None or (escaping and path.rpartition("/")[0] in escaping):
            how = "found one outside" if path is None else "found one outside, through a symbolic link"
            msg = f"tiles table, row {row + 1} ({found[row]}): expected a file in {folder}, {how}: {_REMEDY}"
            raise SourceError(msg)


def _outside(parent: str, folder: Path) -> bool:
    """Whether symbolic links lead a subfolder out of the folder."""
    return not Path(os.path.realpath(folder / parent)).is_relative_to(os.path.realpath(folder))
