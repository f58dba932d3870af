"""The images on the disk, which are not always called as the list says.

Facilities turn TIFF into PNG to save room, copy them into a folder of their own, or through a system that
changes the case of names.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import Finding
from tiles2zarr.models.documents import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# In the order in which they are preferred: whatever the compression, TIFF is what the instrument wrote.
_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
_IMAGE_FOLDERS = ("Image", "Images")


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Where the images of a list lie.

    Attributes:
        paths: relative to the folder, with ``/``; as the list says it where there is no such file.
        present: which of them are there.
        findings: what differs from the list.
    """

    paths: list[str]
    present: NDArray[np.bool_]
    findings: tuple[Finding, ...]


def find_images(folder: Path, names: NDArray[np.object_], mlf: Path) -> ImageFiles:
    """Look for images with one listing per folder."""
    listings: dict[str, dict[str, str]] = {}
    paths, present = [], np.zeros(len(names), bool)
    renamed: list[tuple[str, str]] = []
    for row, name in enumerate(names.tolist()):
        found = _find(folder, name, listings)
        present[row] = found is not None
        if found is not None and found != name:
            renamed.append((name, found))
        paths.append(found if found is not None else name)
    findings = []
    if renamed:
        said, found = renamed[0]
        example = f"{one_line(said, 200)} is {one_line(found, 200)}"
        message = f"{len(renamed)} images are not called as the list says: {example}"
        findings.append(Finding("info", "renamed-file", str(mlf), message))
    return ImageFiles(paths, present, tuple(findings))


def _find(folder: Path, name: str, listings: dict[str, dict[str, str]]) -> str | None:
    parent, base = posixpath.split(name)
    if (found := _in_folder(folder, parent, base, listings)) is not None:
        return found
    for other in dict.fromkeys(posixpath.join(parent, image) for image in _IMAGE_FOLDERS):
        if (found := _in_folder(folder, other, base, listings)) is not None:
            return found
    return _in_folder(folder, "", base, listings) if parent else None


def _in_folder(folder: Path, parent: str, base: str, listings: dict[str, dict[str, str]]) -> str | None:
    listing = listings.get(parent)
    if listing is None:
        listing = listings[parent] = _listing(folder / parent)
    if base in listing:
        return posixpath.join(parent, base)
    found = listing.get(base.lower())
    if found is None:
        stem = posixpath.splitext(base)[0].lower()
        found = next((listing[stem + suffix] for suffix in _SUFFIXES if stem + suffix in listing), None)
    return posixpath.join(parent, found) if found is not None else None


def _listing(folder: Path) -> dict[str, str]:
    """Names as they are, and in small letters."""
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError:
        return {}
    return {**{name.lower(): name for name in names}, **{name: name for name in names}}
