"""What a destination holds, as a reader sees it while it is written: whole images, or none."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from tests import reference

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Tree = Mapping[str, bytes | None]
    Pixels = NDArray[Any]

HIDDEN = (".part", ".lock", ".staging", ".old", ".tiles2zarr")
# Holds times; every run of the command line writes its own.
REPORT = "conversion_report.json"


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, hidden or not: files with their bytes, folders with None."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }
    found.pop(REPORT, None)
    return found


def stray(folder: Path) -> list[str]:
    """Whatever only a run at work may have."""
    return [path for path in tree(folder) if path.endswith(HIDDEN)]


def images_of(zarr_dir: Path) -> dict[str, dict[str, bytes | None]]:
    """The images of the plates of a finished destination, by path."""
    return {str(image.relative_to(zarr_dir)): tree(image) for image in final_names(zarr_dir)}


def final_names(zarr_dir: Path) -> list[Path]:
    """Folders that a reader takes for images."""
    return [
        image
        for image in zarr_dir.glob("*.zarr/*/*/*")
        if not image.name.startswith(".")
        and image.is_dir()
        and image.parents[1].name not in ("tables", "OME")
    ]


def look(zarr_dir: Path, whole: Mapping[str, Collection[Tree]], must_be: bool = False) -> int:
    """Look at a destination as a reader does: what it finds must be whole; how many images it found.

    Args:
        zarr_dir: the destination.
        whole: by path what an image may be, byte by byte.
        must_be: every one of them must be there at any time.
    """
    if zarr_dir.is_dir():
        for plate in zarr_dir.glob("*.zarr"):
            look_at_metadata(plate)
    found = final_names(zarr_dir)
    for image in found:
        path = str(image.relative_to(zarr_dir))
        assert read_whole(image) in whole[path], f"{path}: {sorted(tree(image))}"
    if must_be:
        assert {str(image.relative_to(zarr_dir)) for image in found} == whole.keys()
    return len(found)


def look_at_metadata(plate: Path) -> None:
    """The wells that a plate lists are there, and the images that they list."""
    for well in attributes(plate).get("plate", {}).get("wells", []):
        for image in attributes(plate / well["path"])["well"]["images"]:
            assert "tiles2zarr" in attributes(plate / well["path"] / image["path"], ome=False)


def attributes(group: Path, ome: bool = True) -> dict[str, Any]:
    """The attributes of a group of either version; empty where there is none."""
    try:
        found: dict[str, Any] = json.loads((group / ".zattrs").read_bytes())
    except FileNotFoundError:
        try:
            found = json.loads((group / "zarr.json").read_bytes())["attributes"]
        except FileNotFoundError:
            return {}
        return dict(found["ome"]) if ome else found
    return found


def read_whole(image: Path) -> dict[str, bytes | None]:
    """An image, read while no other took its place."""
    while True:
        before = os.stat(image).st_ino
        try:
            found = tree(image)
        except FileNotFoundError:
            assert os.stat(image).st_ino != before, f"{image} lost a file"
            continue
        if os.stat(image).st_ino == before:
            return found


def assert_pixels(image: Path, level0: Pixels, levels: int) -> None:
    """Every pixel of every level is what it should be, read by zarr."""
    group = zarr.open_group(image, mode="r")
    for number, expected in enumerate(reference.pyramid(level0, levels)):
        np.testing.assert_array_equal(np.asarray(group[str(number)][...]), expected)  # type: ignore[index]
    assert len(list(group.arrays())) == levels
    assert "fingerprint" in group.attrs["tiles2zarr"]  # type: ignore[operator]
