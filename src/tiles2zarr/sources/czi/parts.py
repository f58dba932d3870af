"""A CZI file as planes: images, fields of view and channels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.loader_column import LoaderColumn
from tiles2zarr.errors import Finding
from tiles2zarr.models import ChannelInfo, SingleImage
from tiles2zarr.sources.bioimage_parts import field_names, never_written
from tiles2zarr.sources.czi.pixels import PIXEL_TYPES, CziImageLoader
from tiles2zarr.sources.czi.reading import index_of
from tiles2zarr.sources.planes import Planes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tiles2zarr.models import CollectionInterface
    from tiles2zarr.sources.bioimage_files import Images
    from tiles2zarr.sources.czi.reading import CziFile

#: Dimensions of which each value becomes channels of its own, and what they are called.
_AS_CHANNELS = {"H": "phase", "I": "illumination", "V": "view", "B": "block", "R": "rotation"}
_COLORS = (("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF"))


@dataclass(frozen=True, slots=True, eq=False)
class _Used:
    """The channels of a file: each sub-block's first one, and how many it holds."""

    channels: tuple[ChannelInfo, ...]
    first: NDArray[np.int64]
    lengths: NDArray[np.int64]


def planes_of(file: CziFile, images: Images) -> Planes:
    """A plane for each sub-block; the directory lists all that was written, so what it lacks was never taken."""
    used, blocks, document = _channels(file), file.blocks, file.document
    collections, collection, field, is_mosaic = _places(file, images)
    y = document.pixelsize_y
    planes = Planes(
        collections=collections,
        collection=collection,
        field_names=field_names(field),
        field=field,
        channels=used.channels,
        c=used.first,
        z=index_of(blocks, "Z"),
        t=index_of(blocks, "T"),
        x=file.x,
        y=file.y,
        height=blocks.height,
        width=blocks.width,
        loaders=_loaders(file),
        pixelsize=document.pixelsize,
        pixelsize_y=y if y is not None and y != document.pixelsize else None,
        z_spacing=document.z_spacing,
        acquired=file.acquired,
        length_c=used.lengths,
        is_registered=is_mosaic,
    )
    return replace(planes, not_taken=tuple(never_written(planes, "the file has no such sub-block")))


def findings_of(file: CziFile) -> list[Finding]:
    """What there is to say of a file."""
    found = []
    for name, word in _AS_CHANNELS.items():
        count = len(np.unique(index_of(file.blocks, name)))
        if count > 1:
            message = (
                f"expected one {word} (dimension {name}), found {count}: each becomes channels of its own"
            )
            found.append(Finding("info", "assumed-value", str(file.file), message))
    return found


def _places(
    file: CziFile, images: Images
) -> tuple[tuple[CollectionInterface, ...], NDArray[np.int64], NDArray[np.int64], bool]:
    """The images, of each sub-block its image and field of view, and whether some scene is a mosaic."""
    collections: dict[CollectionInterface, int] = {}
    collection = np.zeros(len(file.blocks), np.int64)
    field = np.zeros(len(file.blocks), np.int64)
    scenes = np.unique(file.scene)
    is_mosaic = False
    for scene in scenes:
        rows = file.scene == scene
        image = _image(file, int(scene), images, is_alone=len(scenes) == 1)
        collection[rows] = collections.setdefault(image, len(collections))
        tiles, rank = np.unique(file.tile[rows], return_inverse=True)
        field[rows] = rank.reshape(-1) + images.fields(image, len(tiles))
        is_mosaic = is_mosaic or len(tiles) > 1
    return tuple(collections), collection, field, is_mosaic


def _image(file: CziFile, number: int, images: Images, *, is_alone: bool) -> CollectionInterface:
    scene = file.document.scenes.get(number)
    if scene is not None and scene.well is not None:
        return images.well(*scene.well)
    stem = file.file.stem
    if is_alone:
        return SingleImage(image_path=images.paths.path(stem))
    name = (scene.name if scene is not None else "") or f"scene {number + 1}"
    return SingleImage(image_path=images.paths.path(stem, name))


def _loaders(file: CziFile) -> LoaderColumn:
    blocks = file.blocks
    columns = {
        "position": blocks.position,
        "height": blocks.height,
        "width": blocks.width,
        "pixel_type": blocks.pixel_type,
    }
    count = len(blocks)
    fields = {name: np.fromiter(column.tolist(), object, count) for name, column in columns.items()}
    names = np.full(count, file.file.name, object)
    return LoaderColumn(CziImageLoader, {"file_path": names, **fields}, count)


def _channels(file: CziFile) -> _Used:
    """A channel for each number of the C dimension and each phase, illumination … that it was taken with.

    A colour channel takes three.
    """
    blocks = file.blocks
    varying = [name for name in _AS_CHANNELS if len(np.unique(index_of(blocks, name))) > 1]
    keys = np.stack([index_of(blocks, name) for name in ("C", *varying)], axis=1)
    combinations, inverse = np.unique(keys, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    samples = np.array(
        [min(PIXEL_TYPES[number].samples, 3) for number in blocks.pixel_type.tolist()], np.int64
    )
    channels: list[ChannelInfo] = []
    first = np.zeros(len(combinations), np.int64)
    for row, combination in enumerate(combinations.tolist()):
        first[row] = len(channels)
        known = dict(file.document.channels.get(combination[0], {}))
        label = " ".join(known.pop("label", "").split())[:150] or f"channel {combination[0] + 1}"
        pairs = zip(varying, combination[1:], strict=True)
        label += "".join(f" {_AS_CHANNELS[name]} {value + 1}" for name, value in pairs)
        channels += _colors(label, known) if samples[inverse == row].max() == 3 else [_channel(label, known)]
    return _Used(tuple(channels), first[inverse], samples)


def _channel(label: str, known: Mapping[str, Any]) -> ChannelInfo:
    return ChannelInfo(channel_label=label, **known)


def _colors(label: str, known: Mapping[str, Any]) -> list[ChannelInfo]:
    return [_channel(f"{label} {name}", {**known, "color": color}) for name, color in _COLORS]
