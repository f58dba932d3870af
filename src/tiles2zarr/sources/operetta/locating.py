"""Where the index of a measurement lies, and the files that it names."""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
from contextlib import suppress
from pathlib import Path

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.sources.choosing import no_measurement, several_measurements
from tiles2zarr.sources.naming import within_folder

#: Names of an index, in small letters; where a folder holds several the first of these is read.
INDEX_NAMES = (
    "index.idx.xml",
    "index.xml",
    "index.ref.xml",
    "index.flex.xml",
    "imageindex.columbusidx.xml",
)
# What the root element is called, in any namespace.
_ROOT = b"EvaluationInputData"
_GLANCE = 4096
# Folders of images lie in the folder of their measurement, which also holds the layout of the assay.
_OF_IMAGES = frozenset({"images", "flex"})
# Folders between a measurement and its index: Harmony 5.1 and its archives nest them.
_BETWEEN = re.compile(
    r"images|flex|hs|harmony-archive|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
_ARCHIVES = frozenset({"hs", "harmony-archive"})
_DEEPEST = 4
_MOST_FOLDERS = 100
# Files that are looked for before the folders below are searched.
_PROBES = 5
_FLAT_FIELD_CORRECTED = "flex_"


def indexes_of(path: Path) -> list[list[Path]]:
    """The indexes of each folder that has some, the preferred one first.

    Args:
        path: an index itself, or the folder of a measurement, or one above or within it.
    """
    if path.is_file():
        is_one = path.name.lower() in INDEX_NAMES or path.suffix.lower() == ".xml"
        return [[path]] if is_one and _is_index(path) else []
    found: list[list[Path]] = []
    waiting = [(path, 0)]
    for folder, depth in waiting:
        indexes, folders = _listed(folder)
        if indexes:
            found.append(indexes)
            if depth == 0 or (depth == 1 and folder.name.lower() in _OF_IMAGES):
                return [indexes]
        elif depth < _DEEPEST:
            deeper = [below for below in folders if depth == 0 or _BETWEEN.fullmatch(below.name)]
            deeper.sort(key=lambda below: below.name.lower() not in _OF_IMAGES)
            waiting += [(below, depth + 1) for below in deeper][: _MOST_FOLDERS - len(waiting)]
    return found


def one_index(path: Path) -> tuple[Path, list[Path]]:
    """The index of the one measurement in a folder, and those that are left aside for it.

    Raises:
        SourceError: there is none, or there are several measurements.
    """
    found = indexes_of(path)
    if not found and not path.is_dir():
        raise no_measurement(path, "Index.xml")
    if not found:
        msg = (
            f"{path}: expected Index.idx.xml, Index.xml or Index.ref.xml there or in its folder Images, found none: "
            "give the folder of one measurement, exported from Harmony"
        )
        raise SourceError(msg)
    if len(found) > 1:
        raise several_measurements(path, [measurement_folder(indexes[0]) for indexes in found])
    (first, *others) = found[0]
    return first, others


def measurement_folder(index: Path) -> Path:
    """The folder of a measurement: the same whether its folder, its images or its index were given."""
    folder = Path(os.path.abspath(index)).parent
    while folder.name.lower() in _OF_IMAGES:
        folder = folder.parent
    return folder


def home_of(folder: Path) -> Path:
    """The folder that a measurement is called after: above those that archives put between, if it holds no other.

    Args:
        folder: of the measurement.
    """
    home, names = folder, set()
    while _BETWEEN.fullmatch(home.name):
        names.add(home.name.lower())
        home = home.parent
    return home if names & _ARCHIVES and len(indexes_of(home)) == 1 else folder


def layout_files(folder: Path) -> list[Path]:
    """What was done to the wells: the XML files of a folder ``Assaylayout``."""
    return [
        entry
        for below in _entries(folder)
        if below.name.lower() == "assaylayout" and below.is_dir()
        for entry in _entries(below)
        if entry.suffix.lower() == ".xml"
    ]


class ImageFiles:
    """Turns what an index calls its files into paths below the folder of the measurement.

    Args:
        index: the index file.
        folder: of the measurement, at or above the index.
        allow_outside: keep a path that leaves that folder.
    """

    def __init__(self, index: Path, folder: Path, *, allow_outside: bool) -> None:
        self._index = index
        self._folder = folder
        self._allow_outside = allow_outside
        start = Path(os.path.abspath(index)).parent.relative_to(folder).as_posix()
        self._prefix = "" if start == "." else f"{start}/"
        self._moved: list[tuple[str, str]] = []

    def paths(self, urls: list[str]) -> list[str]:
        """The path of each file, relative to the folder, with ``/``.

        Raises:
            SourceError: a path leaves the folder, or a file of that name lies in several folders below.
        """
        text = "".join(urls)
        if any(mark in text for mark in "/\\:\0"):
            paths = [self._path(url) for url in urls]
        else:
            paths = [f"{self._prefix}{url.strip()}" for url in urls]
        if not paths or self._any_there(paths):
            return paths
        below = self._files_below()
        found = [self._elsewhere(path, below) for path in paths]
        self._moved = [pair for pair in zip(paths, found, strict=True) if pair[0] != pair[1]]
        return found

    def findings(self) -> list[Finding]:
        """That files were found elsewhere than the index says, where they were."""
        if not self._moved:
            return []
        said, found = self._moved[0]
        message = f"{len(self._moved)} files are not where the index says but were found, such as {found} for {said}"
        return [Finding("info", "renamed-file", str(self._index), message)]

    def is_there(self, path: str) -> bool:
        """Whether a file exists."""
        return (self._folder / path).is_file()

    def _path(self, url: str) -> str:
        """A path that some other machine may have written."""
        relative = url.strip().replace("\\", "/")
        drive, tail = ntpath.splitdrive(relative)
        if drive or "://" in relative or tail.startswith("/"):
            if self._allow_outside and posixpath.isabs(relative) and os.path.exists(relative):
                return relative
            # Where the file was once; an export keeps it beside the index.
            return within_folder(self._prefix + posixpath.basename(tail), self._index)
        joined = posixpath.normpath(self._prefix + relative)
        return joined if self._allow_outside else within_folder(joined, self._index)

    def _any_there(self, paths: list[str]) -> bool:
        step = max(1, len(paths) // _PROBES)
        return any(self.is_there(path) for path in (*paths[:: step + 1], paths[0], paths[-1]))

    def _files_below(self) -> dict[str, list[str]]:
        """Every file below the folder, by its name in small letters."""
        below: dict[str, list[str]] = {}
        for root, folders, names in os.walk(self._folder):
            relative = os.path.relpath(root, self._folder).replace(os.sep, "/")
            depth = 0 if relative == "." else relative.count("/") + 1
            folders[:] = (
                sorted(name for name in folders if not name.startswith(".")) if depth < _DEEPEST else []
            )
            for name in names:
                if not name.startswith("."):
                    place = name if relative == "." else f"{relative}/{name}"
                    below.setdefault(name.lower().removeprefix(_FLAT_FIELD_CORRECTED), []).append(place)
        return below

    def _elsewhere(self, path: str, below: dict[str, list[str]]) -> str:
        name = posixpath.basename(path).lower().removeprefix(_FLAT_FIELD_CORRECTED)
        places = below.get(name, [path])
        if path in places:
            return path
        if len(places) > 1:
            found = f"{len(places)} ({', '.join(places[:3])})"
            msg = f"{self._index}: expected one file {posixpath.basename(path)}, found {found}: keep one copy"
            raise SourceError(msg)
        return places[0]


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """The indexes in a folder, the preferred one first, and the folders in it."""
    indexes, folders = [], []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower() in INDEX_NAMES:
                indexes.append(Path(entry.path))
            elif not entry.name.startswith(".") and not entry.name.endswith(".zarr") and entry.is_dir():
                folders.append(Path(entry.path))
    indexes.sort(key=lambda file: INDEX_NAMES.index(file.name.lower()))
    return [file for file in indexes if _is_index(file)], sorted(folders)


def _entries(folder: Path) -> list[Path]:
    """What a folder holds, without what macOS leaves there."""
    with suppress(OSError):
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return []


def _is_index(file: Path) -> bool:
    """Whether it is one; a damaged file is, too, if only Harmony gives it that name."""
    if file.name.lower() in INDEX_NAMES and file.name.lower() != "index.xml":
        return True
    try:
        with open(file, "rb") as handle:
            return _ROOT in handle.read(_GLANCE).replace(b"\0", b"")
    except OSError:
        return False
