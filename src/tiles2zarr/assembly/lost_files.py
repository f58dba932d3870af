"""Tiles whose files are gone: left out where gaps are to be filled, each with a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.assembly.headers import Findings
from tiles2zarr.errors import Finding

if TYPE_CHECKING:
    from tiles2zarr.core.tiles import Tiles


def without_lost_files(tiles: Tiles, resource: Any | None) -> tuple[Tiles, tuple[Finding, ...]]:
    """The tiles whose files are there, and a warning for each other; all of them where none is there.

    Args:
        tiles: of an acquisition.
        resource: what the loaders are given.
    """
    lost = {file for file in tiles.loaders.source_files(resource) if not file.exists()}
    if not lost:
        return tiles, ()
    is_lost = np.array([loader.source_file(resource) in lost for loader in tiles.loaders])
    if is_lost.all():
        return tiles, ()
    findings = Findings()
    findings.add(
        Finding(
            "warning",
            "missing-file",
            tiles.describe(int(row), resource),
            "expected a file, found none: find it, or leave its planes filled and recorded in the gaps table",
        )
        for row in np.flatnonzero(is_lost)
    )
    return tiles.take(~is_lost), findings.shortened()
