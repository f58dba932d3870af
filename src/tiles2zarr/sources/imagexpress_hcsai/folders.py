"""Where MetaXpress Acquire puts an acquisition: one folder with a `.jdce` for each kind of images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tiles2zarr.errors import SourceError
from tiles2zarr.sources.choosing import no_measurement, several_measurements

PLANES, STACKS, MONTAGES = "experiment", "experiment_z_stack", "experiment_montage"
_DEPTH, _FOLDERS, _GLANCE = 3, 200, 2000
_SUFFIX, _PROTOCOL = ".jdce", ".mxprotocol"


@dataclass(frozen=True, slots=True)
class Run:
    """One acquisition.

    Attributes:
        folder: what paths are relative to.
        descriptors: the `.jdce` of each folder of images.
        montages: a folder of stitched images that is not read; None: there is none.
        protocols: `.mxprotocol` files.
    """

    folder: Path
    descriptors: tuple[Path, ...]
    montages: Path | None
    protocols: tuple[Path, ...]


def is_descriptor(name: str) -> bool:
    """Whether a file is called as the description of an acquisition."""
    return name.lower().endswith(_SUFFIX) and not name.startswith(".")


def is_protocol(name: str) -> bool:
    """Whether a file is called as the protocol of an acquisition."""
    return name.lower().endswith(_PROTOCOL) and not name.startswith(".")


def descriptors_below(path: Path, most: int | None = _GLANCE) -> list[Path]:
    """The `.jdce` files of a folder, or where it has none those of the folders below.

    Args:
        path: the folder.
        most: how many entries of each folder are looked at; None: all.
    """
    level, looked = [path], 0
    found: list[Path] = []
    for _ in range(_DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            looked += 1
            if most is not None and looked > _FOLDERS:
                return found
            files, folders = _listed(folder, most)
            descriptors = [file for file in files if is_descriptor(file.name)]
            found += descriptors
            below += [] if descriptors else folders
        level = sorted(below)
    return found


def run_of(path: Path) -> Run:
    """The one acquisition at a path.

    Args:
        path: a `.jdce`, the folder that holds it, one of its parents, or the `.mxprotocol` beside such folders.

    Raises:
        SourceError: there is none, or there are several.
    """
    path = Path(os.path.abspath(path))
    if not path.is_dir():
        if not path.exists() or not (is_descriptor(path.name) or is_protocol(path.name)):
            raise no_measurement(path, ".jdce")
        if is_descriptor(path.name) and descriptors_below(path.parent, most=None) != [path]:
            return Run(path.parent, (path,), None, ())
        path = path.parent
    path = _whole(path)
    found = descriptors_below(path, most=None)
    if not found:
        msg = f"{path}: expected a .jdce file, found none: choose the folder that MetaXpress Acquire wrote"
        raise SourceError(msg)
    units = {file.parent for file in found}
    roots = {unit.parent for unit in units}
    names = {unit.name.lower() for unit in units}
    if len(found) > len(units) or (
        len(units) > 1 and (len(roots) > 1 or not names <= {PLANES, STACKS, MONTAGES})
    ):
        raise several_measurements(path, found)
    if units == {path}:
        return Run(path, tuple(found), None, ())
    (root,) = roots
    is_montage = {file: file.parent.name.lower() == MONTAGES for file in found}
    read = [file for file in found if not is_montage[file]] or found
    unread = [file.parent for file in found if file not in read]
    protocols = [file for file in _listed(root, None)[0] if is_protocol(file.name)]
    return Run(root, tuple(sorted(read)), unread[0] if unread else None, tuple(sorted(protocols)))


def _whole(folder: Path) -> Path:
    """The folder of the run, where the one given is all that it has of it: ``experiment`` means the run, then."""
    if folder.name.lower() not in (PLANES, STACKS):
        return folder
    units = {file.parent for file in descriptors_below(folder.parent, most=None)}
    others = {unit for unit in units if unit.name.lower() != MONTAGES or unit.parent != folder.parent}
    return folder.parent if others == {folder} else folder


def _listed(folder: Path, most: int | None) -> tuple[list[Path], list[Path]]:
    """Files and folders in a folder; of a folder that cannot be listed none."""
    files: list[Path] = []
    folders: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, most):
                if not entry.name.startswith("."):
                    (folders if entry.is_dir() else files).append(Path(entry.path))
    except OSError:
        return [], []
    return files, folders
