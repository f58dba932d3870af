"""Images of OME-XML that share their channels and pixel sizes, as planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import SourceError
from tiles2zarr.sources.ome_xml.channels import ChannelList, channel_keys
from tiles2zarr.sources.planes import Planes
from tiles2zarr.sources.spacing import median_step

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core.loader_column import LoaderColumn
    from tiles2zarr.models import CollectionInterface
    from tiles2zarr.sources.ome_xml.channels import ChannelKey
    from tiles2zarr.sources.ome_xml.document import OmeImage, OmeXml
    from tiles2zarr.sources.ome_xml.pages import Pages
    from tiles2zarr.sources.ome_xml.stage import Stage

_SAME = 1e-4  # relative; what rounding of a pixel size may leave
_NO_EXPOSURE = 1e-9  # s


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the images of a document go.

    Attributes:
        collections: the images to be made.
        collection: per image of the document its index into `collections`; -1: nowhere.
        field: per image of the document its field of view, from 0.
        x: per page the stage position, µm.
        y: per page the stage position, µm, growing downwards.
    """

    collections: tuple[CollectionInterface, ...]
    collection: NDArray[np.int64]
    field: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """What is needed of each image, by column: when it was begun, whether it is a time series, height and width."""

    acquired: NDArray[np.float64]
    is_series: NDArray[np.bool_]
    size: NDArray[np.int64]

    @classmethod
    def of(cls, images: Sequence[OmeImage]) -> _Columns:
        return cls(
            np.array([image.acquired for image in images]),
            np.array([image.sizes[2] > 1 for image in images]),
            np.array([(image.height, image.width) for image in images]),
        )


def parts_of(
    document: OmeXml,
    pages: Pages,
    stage: Stage,
    layout: Layout,
    loaders: Callable[[NDArray[np.int64]], LoaderColumn],
) -> list[Planes]:
    """The planes of all images that go somewhere.

    Fields of a well are one image: they share channels (whatever one of them has) and pixel sizes, and so do all wells
    with the same pixel sizes.

    Args:
        document: the document.
        pages: of its images.
        stage: of the pages.
        layout: of the images.
        loaders: what fetches the given pages.

    Raises:
        SourceError: fields of a well have different pixel sizes.
    """
    groups = _groups(document, layout)
    columns = _Columns.of(document.images)
    number = np.full(len(document.images), -1, np.int64)
    for index, members in enumerate(groups):
        number[members] = index
    part = number[pages.image]
    order = np.argsort(part, kind="stable")
    order = order[np.searchsorted(part[order], 0) :]
    starts = np.searchsorted(part[order], np.arange(len(groups) + 1))
    return [
        _part(document, columns, pages, stage, layout, loaders, members, np.sort(order[start:stop]))
        for members, start, stop in zip(groups, starts[:-1], starts[1:], strict=True)
        if stop > start
    ]


def _groups(document: OmeXml, layout: Layout) -> list[list[int]]:
    """Images by part, each in the order of the document."""
    keys: dict[int, Hashable] = {}
    firsts: dict[int, OmeImage] = {}
    groups: dict[Hashable, list[int]] = {}
    for index, collection in enumerate(layout.collection.tolist()):
        if collection < 0:
            continue
        image = document.images[index]
        if collection not in keys:
            keys[collection] = _key(image, index, layout.collections[collection])
            firsts[collection] = image
        else:
            _check_sizes(document, layout.collections[collection], firsts[collection], image)
        groups.setdefault(keys[collection], []).append(index)
    return list(groups.values())


def _key(image: OmeImage, index: int, collection: CollectionInterface) -> Hashable:
    sizes = (image.pixelsize, image.pixelsize_y)
    if "plate" in collection.attributes():
        return (
            sizes,
            image.z_spacing if image.sizes[0] > 1 else None,
            collection.attributes()["acquisition"],
        )
    # Spacings that follow from positions or times are an image's own.
    own = index if image.sizes[2] > 1 or (image.sizes[0] > 1 and image.z_spacing is None) else -1
    return (sizes, image.z_spacing, image.objective, channel_keys(image), own)


def _check_sizes(document: OmeXml, collection: CollectionInterface, first: OmeImage, other: OmeImage) -> None:
    for name in ("pixelsize", "pixelsize_y"):
        one, another = getattr(first, name), getattr(other, name)
        if one is not None and another is not None and abs(one - another) > _SAME * one:
            where = f"{document.where}, {collection.path()}"
            found = f"{one:g} and {another:g} µm ({first.name or first.id}, {other.name or other.id})"
            remedy = "give each objective a plate acquisition of its own"
            msg = f"{where}: expected fields of one pixel size, found {found}: {remedy}"
            raise SourceError(msg)


def _part(
    document: OmeXml,
    columns: _Columns,
    pages: Pages,
    stage: Stage,
    layout: Layout,
    loaders: Callable[[NDArray[np.int64]], LoaderColumn],
    members: Sequence[int],
    rows: NDArray[np.int64],
) -> Planes:
    images = [document.images[member] for member in members]
    image = pages.image[rows]
    keys = {member: channel_keys(document.images[member]) for member in members}
    channels = ChannelList.of(keys.values())
    index = _channel_indices(keys, channels, image, pages.c[rows])
    lengths = np.array(channels.lengths)[index]
    used, collection = np.unique(layout.collection[image], return_inverse=True)
    acquired = _acquired(columns, image, stage.since_start[rows])
    field, z, t = layout.field[image], pages.z[rows], pages.t[rows]
    place = [collection, field, index, z]
    increment = next((one.time_increment for one in images if one.time_increment is not None), None)
    measured = acquired is not None and median_step(acquired, t, place) is not None
    width = next((one.pixelsize for one in images if one.pixelsize is not None), None)
    height = next((one.pixelsize_y for one in images if one.pixelsize_y is not None), None)
    size = columns.size[image]
    return Planes(
        collections=tuple(layout.collections[number] for number in used.tolist()),
        collection=collection.astype(np.int64),
        field_names=tuple(f"FOV_{number + 1}" for number in range(int(field.max()) + 1)),
        field=field,
        channels=channels.flat(images[0].objective, _exposures(stage.exposure[rows], index)),
        c=np.array(channels.firsts)[index],
        z=z,
        t=t,
        x=np.nan_to_num(layout.x[rows], nan=0.0),
        y=np.nan_to_num(layout.y[rows], nan=0.0),
        height=size[:, 0],
        width=size[:, 1],
        loaders=loaders(rows),
        pixelsize=width if width is not None else height,
        pixelsize_y=height if width is not None and height != width else None,
        z_spacing=next((one.z_spacing for one in images if one.z_spacing is not None), None),
        t_spacing=None if measured else increment,
        focus=stage.focus[rows],
        acquired=acquired,
        length_c=lengths,
    )


def _channel_indices(
    keys: Mapping[int, tuple[ChannelKey, ...]],
    channels: ChannelList,
    image: NDArray[np.int64],
    c: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Which of the part's channels each page is of."""
    place = {key: number for number, key in enumerate(channels.keys)}
    rows: dict[tuple[ChannelKey, ...], list[int]] = {}
    table = np.zeros((max(keys) + 1, max(map(len, keys.values()))), np.int64)
    for member, own in keys.items():
        found = rows.get(own)
        if found is None:
            found = rows[own] = [place[key] for key in own]
        table[member, : len(own)] = found
    indices: NDArray[np.int64] = table[image, c]
    return indices


def _acquired(
    columns: _Columns, image: NDArray[np.int64], since_start: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """When each page was taken, s since 1970, or since the start where no date is stated.

    A date alone is the time of an image that has one timepoint.
    """
    date = columns.acquired[image]
    times = np.where(np.isfinite(date), date, 0.0) + since_start
    times = np.where(np.isfinite(since_start) | columns.is_series[image], times, date)
    return times if np.isfinite(times).any() else None


def _exposures(exposure: NDArray[np.float64], index: NDArray[np.int64]) -> dict[int, float]:
    """The median exposure time of each channel, s."""
    known = np.isfinite(exposure) & (exposure > _NO_EXPOSURE)
    return {
        number: float(f"{np.median(exposure[known & (index == number)]):.9g}")
        for number in np.unique(index[known]).tolist()
    }
