"""Tiles whose files are gone: told once each, and filled where that is asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tiles2zarr.core.tiled_image import TiledImage

    Images = Sequence[TiledImage[Any, Any]]


def lost_tiles(images: Images, resource: Any | None) -> list[tuple[int, ...]]:
    """For each image the rows of the tiles whose files are gone; none at all where no file of any image is there.

    Args:
        images: of an acquisition.
        resource: what the loaders are given.
    """
    lost = [_lost_rows(image, resource) for image in images]
    if all(len(rows) == len(image.tiles) for rows, image in zip(lost, images, strict=True)):
        return [()] * len(images)  # whoever reads the headers refuses that
    return lost


def loss_findings(images: Images, lost: Sequence[tuple[int, ...]], resource: Any | None) -> Iterator[Finding]:
    """A warning for each lost tile; images without any file are named together.

    Args:
        images: of an acquisition.
        lost: what `lost_tiles` says of them.
        resource: what the loaders are given.
    """
    without: list[str] = []
    for image, rows in zip(images, lost, strict=True):
        tiles = image.tiles
        if rows and len(rows) == len(tiles):
            fields = ", ".join(dict.fromkeys(tiles.fov_name(row) for row in rows))
            without.append(f"{image.path} ({fields})")
            continue
        for row in rows:
            message = "expected a file, found none: find it, or leave its planes filled and recorded in the gaps table"
            yield Finding("warning", "missing-file", tiles.describe(row, resource), message)
    if without:
        named = "1 image" if len(without) == 1 else f"{len(without)} images"
        message = (
            f"expected some file of each image, found none of {named}, left out: {'; '.join(without)}: "
            "find their files to have them converted"
        )
        yield Finding("warning", "missing-file", str(resource), message)


def told_once(
    findings: Sequence[Finding], images: Images, resources: Sequence[Any | None]
) -> tuple[Finding, ...]:
    """Findings of the headers of all files of a run; where every file is missing, one instead of one for each."""
    missing = [finding for finding in findings if finding.code == "missing-file"]
    if not missing or len(missing) < sum(len(image.tiles) for image in images):
        return tuple(findings)
    files: dict[Path, None] = {}
    for image, resource in zip(images, resources, strict=True):
        files.update(dict.fromkeys(image.tiles.loaders.source_files(resource)))
    if len(files) == 1:
        where = missing[0].where
        message = (
            "expected the one image file that the source names, found none: copy it, or correct its name"
        )
    else:
        where = str(resources[0])
        message = (
            f"expected {len(files)} image files, found none of them (the first: {next(iter(files))}): "
            "only the metadata were copied: copy the images, too"
        )
    rest = [finding for finding in findings if finding.code != "missing-file"]
    return Finding("error", "missing-file", where, message), *rest


def found_again(image: TiledImage[Any, Any], lost: Sequence[int], resource: Any | None) -> Path | None:
    """A file that was lost when a run was planned, and is there now; None where none is."""
    files = (image.tiles.loaders[row].source_file(resource) for row in lost)
    return next((file for file in files if file is not None and not _is_gone(file)), None)


def _lost_rows(image: TiledImage[Any, Any], resource: Any | None) -> tuple[int, ...]:
    loaders = image.tiles.loaders
    gone = {file for file in loaders.source_files(resource) if _is_gone(file)}
    if not gone:
        return ()
    return tuple(row for row, loader in enumerate(loaders) if loader.source_file(resource) in gone)


def _is_gone(file: Path) -> bool:
    """Whether there is no such file; one that may not be looked at is not gone."""
    try:
        os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False
