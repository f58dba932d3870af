"""CZI files as planes: images, fields of view and channels, joined where they share channels and pixel size."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.loader_column import LoaderColumn
from tiles2zarr.errors import Finding
from tiles2zarr.models import ChannelInfo, ImageInPlate, SingleImage, row_name
from tiles2zarr.sources.czi.pixels import PIXEL_TYPES, CziImageLoader
from tiles2zarr.sources.czi.reading import index_of
from tiles2zarr.sources.planes import NotTaken, Planes

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.models import CollectionInterface
    from tiles2zarr.sources.bioimage_files import ImagePaths
    from tiles2zarr.sources.czi.reading import CziFile

#: Dimensions of which each value becomes channels of its own, and what they are called.
_AS_CHANNELS = {"H": "phase", "I": "illumination", "V": "view", "B": "block", "R": "rotation"}
# Numbers of a damaged file span more places than can be listed.
_MOST_PLACES = 5_000_000
_COLORS = (("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF"))


@dataclass(frozen=True, slots=True, eq=False)
class _Used:
    """The channels of a file: each sub-block's first one, and how many it holds."""

    channels: tuple[ChannelInfo, ...]
    first: NDArray[np.int64]
    lengths: NDArray[np.int64]


def parts_of(
    files: Sequence[CziFile], plate: str, acquisition_id: int, paths: ImagePaths
) -> tuple[list[Planes], list[Finding]]:
    """The planes of all files, those with equal channels and pixel sizes in one part."""
    findings: list[Finding] = []
    groups: dict[Hashable, list[tuple[CziFile, _Used]]] = defaultdict(list)
    for file in files:
        used = _channels(file)
        document = file.document
        groups[used.channels, document.pixelsize, document.pixelsize_y, document.z_spacing].append(
            (file, used)
        )
        findings += _findings(file)
    images = _Images(plate, acquisition_id, paths)
    return [_part(members, images) for members in groups.values()], findings


class _Images:
    """The image of each scene, and the next free number of a field of view in it."""

    def __init__(self, plate: str, acquisition_id: int, paths: ImagePaths) -> None:
        self._plate = plate
        self._acquisition_id = acquisition_id
        self._paths = paths
        self._fields: dict[CollectionInterface, int] = defaultdict(int)

    def image(self, file: CziFile, number: int, *, is_alone: bool) -> CollectionInterface:
        scene = file.document.scenes.get(number)
        if scene is not None and scene.well is not None:
            row, column = scene.well
            return ImageInPlate(
                plate_name=self._plate,
                row=row_name(row - 1),
                column=column,
                acquisition=self._acquisition_id,
            )
        stem = file.file.stem
        if is_alone:
            return SingleImage(image_path=self._paths.path(stem))
        name = (scene.name if scene is not None else "") or f"scene {number + 1}"
        return SingleImage(image_path=self._paths.path(stem, name))

    def fields(self, image: CollectionInterface, count: int) -> int:
        """The first of so many numbers for fields of view."""
        first = self._fields[image]
        self._fields[image] += count
        return first


def _part(members: Sequence[tuple[CziFile, _Used]], images: _Images) -> Planes:
    collections: dict[CollectionInterface, int] = {}
    columns: dict[str, list[NDArray[Any]]] = defaultdict(list)
    for file, used in members:
        collection, field = _places(file, images, collections)
        blocks = file.blocks
        columns["collection"].append(collection)
        columns["field"].append(field)
        columns["c"].append(used.first)
        columns["length_c"].append(used.lengths)
        columns["z"].append(index_of(blocks, "Z"))
        columns["t"].append(index_of(blocks, "T"))
        columns["x"].append(file.x)
        columns["y"].append(file.y)
        columns["height"].append(blocks.height)
        columns["width"].append(blocks.width)
        columns["acquired"].append(file.acquired)
    joined = {name: np.concatenate(arrays) for name, arrays in columns.items()}
    document = members[0][0].document
    y = document.pixelsize_y
    return Planes(
        collections=tuple(collections),
        field_names=tuple(f"FOV_{number + 1}" for number in range(int(joined["field"].max(initial=-1)) + 1)),
        channels=members[0][1].channels,
        loaders=_loaders([file for file, _ in members]),
        pixelsize=document.pixelsize,
        pixelsize_y=y if y is not None and y != document.pixelsize else None,
        z_spacing=document.z_spacing,
        collection=joined["collection"],
        field=joined["field"],
        c=joined["c"],
        z=joined["z"],
        t=joined["t"],
        x=joined["x"],
        y=joined["y"],
        height=joined["height"],
        width=joined["width"],
        acquired=joined["acquired"],
        length_c=joined["length_c"],
        not_taken=tuple(_not_taken(joined)),
    )


def _places(
    file: CziFile, images: _Images, collections: dict[CollectionInterface, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index of the image and number of the field of view of each sub-block."""
    collection = np.zeros(len(file.blocks), np.int64)
    field = np.zeros(len(file.blocks), np.int64)
    scenes = np.unique(file.scene)
    for scene in scenes:
        rows = file.scene == scene
        image = images.image(file, int(scene), is_alone=len(scenes) == 1)
        collection[rows] = collections.setdefault(image, len(collections))
        tiles, rank = np.unique(file.tile[rows], return_inverse=True)
        field[rows] = rank.reshape(-1) + images.fields(image, len(tiles))
    return collection, field


def _not_taken(planes: Mapping[str, NDArray[Any]]) -> Iterator[NotTaken]:
    """Places among the fields, channels, planes and timepoints of an image of which the file has no sub-block.

    The directory lists all that was written: what it lacks was never taken, as after a run that was stopped,
    or where a channel has a single plane.
    """
    axes = ("field", "c", "z", "t")
    for collection in np.unique(planes["collection"]).tolist():
        rows = planes["collection"] == collection
        levels, ranks = zip(
            *(np.unique(planes[axis][rows], return_inverse=True) for axis in axes), strict=True
        )
        shape = tuple(len(level) for level in levels)
        if np.prod(shape, dtype=object) > _MOST_PLACES:
            continue
        is_missing = np.ones(shape, bool)
        is_missing[tuple(rank.reshape(-1) for rank in ranks)] = False
        for place in np.argwhere(is_missing).tolist():
            field, c, z, t = (int(level[index]) for level, index in zip(levels, place, strict=True))
            yield NotTaken(collection, field, c, z, t, "the file has no such sub-block")


def _loaders(files: Sequence[CziFile]) -> LoaderColumn:
    names = [name for file in files for name in [file.file.name] * len(file.blocks)]
    columns = {
        "position": np.concatenate([file.blocks.position for file in files]),
        "height": np.concatenate([file.blocks.height for file in files]),
        "width": np.concatenate([file.blocks.width for file in files]),
        "pixel_type": np.concatenate([file.blocks.pixel_type for file in files]),
    }
    fields = {name: np.fromiter(column.tolist(), object, len(names)) for name, column in columns.items()}
    return LoaderColumn(
        CziImageLoader, {"file_path": np.fromiter(names, object, len(names)), **fields}, len(names)
    )


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


def _findings(file: CziFile) -> list[Finding]:
    found = []
    for name, word in _AS_CHANNELS.items():
        count = len(np.unique(index_of(file.blocks, name)))
        if count > 1:
            message = (
                f"expected one {word} (dimension {name}), found {count}: each becomes channels of its own"
            )
            found.append(Finding("info", "assumed-value", str(file.file), message))
    return found
