"""What a compute task tells Fractal's image list about the image it made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypedDict

from tiles2zarr.writer.groups import group_version, read_ngff
from tiles2zarr.writer.plate import completion_record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tiles2zarr.core.tile import Scalar


class ImageListUpdate(TypedDict):
    """One image.

    Attributes:
        zarr_url: where it is.
        attributes: what images are grouped and filtered by, such as ``plate``, ``well`` and ``acquisition``.
        types: yes or no of an image: ``is_3D``, more than one z-plane.
    """

    zarr_url: str
    attributes: dict[str, Scalar]
    types: dict[str, bool]


class ImageListUpdateDict(TypedDict):
    """What a compute task returns.

    Attributes:
        image_list_updates: one image.
    """

    image_list_updates: list[ImageListUpdate]


def update_of(zarr_url: str, target: Path, attributes: Mapping[str, Scalar]) -> ImageListUpdateDict:
    """The update for a finished image; whether it is 3D is read from the image itself.

    Args:
        zarr_url: where it is, as Fractal calls it.
        target: where it is.
        attributes: what images are grouped and filtered by.
    """
    update: ImageListUpdate = {
        "zarr_url": zarr_url,
        "attributes": dict(attributes),
        "types": {"is_3D": _is_3d(target)},
    }
    return {"image_list_updates": [update]}


def state_of(target: Path) -> str | None:
    """What an image is known by until another one is published in its place; None where there is none."""
    for name in (".zattrs", "zarr.json"):
        try:
            state = (target / name).stat()
        except OSError:
            continue
        return f"{state.st_ino}-{state.st_mtime_ns}"
    return None


def is_published(target: Path, replaces: str | None) -> bool:
    """Whether a complete image stands there, other than the one it was to replace."""
    record = completion_record(target)
    return record is not None and (replaces is None or state_of(target) != replaces)


def _is_3d(target: Path) -> bool:
    multiscale = read_ngff(target)["multiscales"][0]
    axes = [axis["name"] for axis in multiscale["axes"]]
    name = ".zarray" if group_version(target) == "0.4" else "zarr.json"
    array: dict[str, Any] = json.loads((target / multiscale["datasets"][0]["path"] / name).read_bytes())
    return "z" in axes and int(array["shape"][axes.index("z")]) > 1
