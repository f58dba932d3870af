"""One file or folder per microscope format, all with the interface of `tiles2zarr.sources.base`.

A Fractal server starts one process per image, and pays for every import: only the format that is asked for is imported.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
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
#: What ``--format`` may name, besides ``auto``.
FORMATS: tuple[str, ...] = tuple(_CLASSES)


@cache
def source_by_name(name: str) -> Source:
    """The format of that name.

    Raises:
        UnknownFormatError: there is none.
    """
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

    Raises:
        SourceError: there is no such folder or file.
        UnknownFormatError: no format claims it, or several do.
    """
    if not os.path.exists(path):
        msg = f"{path}: expected a folder or file, found nothing there: check the path"
        raise SourceError(msg)
    claims = [(source, reason) for source in every_source() if (reason := source.detect(path)) is not None]
    if len(claims) == 1:
        return claims[0][0]
    if not claims:
        remedy = (
            f"say which with --format (one of {', '.join(FORMATS)}), see `tiles2zarr formats` for what each needs, "
            "or put a tiles.csv beside the images"
        )
        msg = f"{path}: no known format: {remedy}"
        raise UnknownFormatError(msg)
    found = "; ".join(f"{source.name} ({reason})" for source, reason in claims)
    msg = f"{path}: more than one format matches: {found}: choose one with --format"
    raise UnknownFormatError(msg)
