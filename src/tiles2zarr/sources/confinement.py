"""The files that a table names, kept within its folder."""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.core.dataframe import A_NAME, TILES_TABLE, is_name, shown
from tiles2zarr.errors import SourceError
from tiles2zarr.models.documents import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
        SourceError: a path leaves the folder, by itself or through a symbolic link.
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
        SourceError: outside the folder, or no path at all.
    """
    if not is_name(path):
        msg = f"{shown(path)}: expected {A_NAME}: correct the path"
        raise SourceError(msg)
    relative = _relative(path, str(folder))
    if relative is None or _outside(relative, os.path.realpath(folder)):
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
    root = os.path.realpath(folder)
    parents = {posixpath.dirname(path) for path in paths if path is not None}
    escaping = {parent for parent in parents if _outside(parent, root)}
    links = {link for parent in parents - escaping for link in _links(parent, root)}.intersection(paths)
    escaping_links = {link for link in links if _outside(link, root)}
    for row, path in enumerate(paths):
        if path is None or path in escaping_links or (escaping and posixpath.dirname(path) in escaping):
            how = "found one outside" if path is None else "found one outside, through a symbolic link"
            where = f"{TILES_TABLE}, row {row + 1} ({one_line(found[row], 300)})"
            msg = f"{where}: expected a file in {folder}, {how}: {_REMEDY}"
            raise SourceError(msg)


def _links(parent: str, root: str) -> Iterator[str]:
    """The symbolic links in a subfolder; one listing tells, where asking for each file would take its time."""
    # What cannot be listed, preflight will say of its files.
    with suppress(OSError), os.scandir(os.path.join(root, parent)) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield posixpath.join(parent, entry.name)


def _outside(path: str, root: str) -> bool:
    """Whether symbolic links lead a file or subfolder out of the folder, whose own links are resolved."""
    return not Path(os.path.realpath(os.path.join(root, path))).is_relative_to(root)
