"""One file or folder per microscope format, all with the interface of `tiles2zarr.sources.base`.

A Fractal server starts one process per image, and pays for every import: only the format that is asked for is imported.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, cast

from tiles2zarr.errors import SourceError, UnknownFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.sources.base import Source

# The class of each format, in the order in which they are listed. The module is called as the format.
_CLASSES = {
    "table": "TableSource",
    "operetta": "OperettaSource",
    "cellvoyager": "CellVoyagerSource",
    "cq3k": "Cq3kSource",
    "imagexpress": "ImageXpressSource",
    "imagexpress_hcsai": "ImageXpressHcsAiSource",
    "scanr": "ScanrSource",
    "ome_tiff": "OmeTiffSource",
    "czi": "CziSource",
    "lif": "LifSource",
    "nd2": "Nd2Source",
    "bioimage": "BioimageSource",
}
# Where several formats claim a folder, those of the lowest rank have it.
_INSTRUMENTS = 1
_RANKS = {"table": 0, "ome_tiff": 2, "czi": 2, "lif": 2, "nd2": 2, "bioimage": 3}
# A file of pixels: what an instrument left behind is a folder, or is named by a file of metadata.
_PIXELS = (".tif", ".tiff", ".btf", ".czi", ".lif", ".nd2")
# Of a folder that nobody claims, to say what is in it.
_FOLDERS_TRIED, _ENTRIES_LOOKED_AT = 20, 1000
#: What ``--format`` may name, besides ``auto``.
FORMATS: tuple[str, ...] = tuple(_CLASSES)


def source_by_name(name: str) -> Source:
    """The format of that name, in letters of any size.

    Raises:
        UnknownFormatError: there is none.
    """
    return _source(name.lower() if name.lower() in _CLASSES else name)


@cache
def _source(name: str) -> Source:
    if name not in _CLASSES:
        known = ", ".join(FORMATS)
        msg = f"unknown format {name!r}: expected auto or one of {known}"
        raise UnknownFormatError(msg)
    module = import_module(f"{__name__}.{name}")
    return cast("Source", getattr(module, _CLASSES[name])())


def every_source() -> tuple[Source, ...]:
    """Every format, in the order in which they are listed."""
    return tuple(map(source_by_name, FORMATS))


def is_installed(source: Source) -> bool:
    """Whether the libraries of a format's extra are there; none of them is imported."""
    return all(find_spec(library) is not None for library in source.libraries)


def detect_source(path: Path) -> Source:
    """The one format that claims a folder or file.

    A table of tiles goes before everything else, instruments before containers, and the general reader comes last.

    Raises:
        SourceError: there is no such folder or file.
        UnknownFormatError: no format claims it, or several do.
    """
    if not os.path.exists(path):
        msg = f"{path}: expected a folder or file, found nothing there: check the path"
        raise SourceError(msg)
    claims = _claims(path)
    if len(claims) == 1:
        return claims[0][0]
    if not claims:
        below = _claimed_below(path)
        remedy = (
            f"give {below}"
            if below
            else "name one with --format (`tiles2zarr formats` lists them), or describe the images in a tiles.csv"
        )
        msg = f"{path}: expected a known format, found {_seen(path)}: {remedy}"
        raise UnknownFormatError(msg)
    found = "; ".join(f"{source.name} ({reason})" for source, reason in claims)
    msg = f"{path}: more than one format matches: {found}: choose one with --format"
    raise UnknownFormatError(msg)


def _claims(path: Path) -> list[tuple[Source, str]]:
    """The formats that claim a path, with their reasons.

    A table was put there by somebody on purpose; containers lie in folders of every instrument. Once some have claimed
    it, those that would yield to them are not asked, and not imported.
    """
    by_rank: dict[int, list[str]] = {}
    for name in FORMATS:
        by_rank.setdefault(_RANKS.get(name, _INSTRUMENTS), []).append(name)
    if path.suffix.lower() in _PIXELS and path.is_file():
        by_rank.pop(_INSTRUMENTS, None)
    for rank in sorted(by_rank):
        asked = ((source, source.detect(path)) for source in map(source_by_name, by_rank[rank]))
        if claims := [(source, reason) for source, reason in asked if reason is not None]:
            return claims
    return []


def _claimed_below(path: Path) -> str:
    """The first subfolder that a format claims, for a message; empty where there is none."""
    if not path.is_dir():
        return ""
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    for folder in folders[:_FOLDERS_TRIED]:
        if claims := _claims(folder):
            return f"its folder {folder.name} ({claims[0][0].name}: {claims[0][1]})"
    return ""


def _seen(path: Path) -> str:
    """What is in a folder, by the endings of its files, for a message."""
    if not path.is_dir():
        return "a file that is of none, or damaged"
    with os.scandir(path) as entries:
        names = [
            entry.name for entry in islice(entries, _ENTRIES_LOOKED_AT) if not entry.name.startswith(".")
        ]
    endings = Counter(os.path.splitext(name)[1].lower() or "without an ending" for name in names)
    seen = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(3))
    return f"{len(names)} entries ({seen})" if names else "an empty folder"
