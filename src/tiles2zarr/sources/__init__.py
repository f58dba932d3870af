"""One file per microscope format, all with the interface of `tiles2zarr.sources.base`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError, UnknownFormatError
from tiles2zarr.sources.table import TableSource

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.sources.base import Source

#: Every format, in the order in which they are asked.
SOURCES: tuple[Source, ...] = (TableSource(),)


def source_by_name(name: str) -> Source:
    """The format of that name.

    Raises:
        UnknownFormatError: there is none.
    """
    for source in SOURCES:
        if source.name == name:
            return source
    known = ", ".join(source.name for source in SOURCES)
    msg = f"unknown format {name!r}: expected auto or one of {known}"
    raise UnknownFormatError(msg)


def detect_source(path: Path) -> Source:
    """The one format that claims a folder or file.

    Raises:
        SourceError: there is no such folder or file.
        UnknownFormatError: no format claims it, or several do.
    """
    if not os.path.exists(path):
        msg = f"{path}: expected a folder or file, found nothing there: check the path"
        raise SourceError(msg)
    claims = [(source, reason) for source in SOURCES if (reason := source.detect(path)) is not None]
    if len(claims) == 1:
        return claims[0][0]
    known = ", ".join(source.name for source in SOURCES)
    if not claims:
        remedy = (
            f"say which with --format (one of {known}), see `tiles2zarr formats` for what each needs, or put a "
            "tiles.csv beside the images"
        )
        msg = f"{path}: no known format: {remedy}"
        raise UnknownFormatError(msg)
    found = "; ".join(f"{source.name} ({reason})" for source, reason in claims)
    msg = f"{path}: more than one format matches: {found}: choose one with --format"
    raise UnknownFormatError(msg)
