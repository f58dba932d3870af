"""The tiled image: all tiles that become one OME-Zarr image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from tiles2zarr.core.tiles import AnyTile, Tiles, values_of
from tiles2zarr.errors import OptionsError
from tiles2zarr.models import (
    AXES,
    AcquisitionDetails,
    Axis,
    ChannelInfo,
    CollectionInterfaceType,
    DataTypeEnum,
    ImageLoaderInterfaceType,
    default_axes_builder,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.models import CollectionInterface


@dataclass(frozen=True, slots=True)
class TiledImage(Generic[CollectionInterfaceType, ImageLoaderInterfaceType]):
    """All tiles that become one OME-Zarr image: a well of one acquisition, or one field of view of it.

    Attributes:
        path: the image's path below the destination folder.
        collection: where the image belongs.
        tiles: its tiles, at their stage positions.
        details: what the tiles share.
        data_type: numpy's name of the output's pixel type; None until the headers were read.
        windows: display range (start, end) of each channel; None until pixels were sampled.
    """

    path: str
    collection: CollectionInterface
    tiles: Tiles
    details: AcquisitionDetails
    data_type: str | None = None
    windows: tuple[tuple[float, float], ...] | None = None

    @property
    def regions(self) -> Sequence[AnyTile]:
        """The tiles as objects, each with its ``fov_name``."""
        return self.tiles

    @property
    def name(self) -> str:
        """The image's name: its path without folders."""
        return self.path.rsplit("/", 1)[-1].removesuffix(".zarr")

    @property
    def channels(self) -> tuple[ChannelInfo, ...]:
        """One per channel index of the acquisition."""
        if self.details.channels is not None:
            return self.details.channels
        count = int((self.tiles.c + self.tiles.length_c).max())
        return _numbered_channels(count)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of the output."""
        if self.details.axes is not None:
            return self.details.axes
        several = bool((self.tiles.length_t > 1).any() or (self.tiles.t != self.tiles.t[0]).any())
        return tuple(default_axes_builder(several))

    @property
    def pixel_size(self) -> dict[Axis, float]:
        """Spacing along t (s), z, y and x (µm)."""
        details = self.details
        return {
            "t": details.t_spacing,
            "z": details.z_spacing,
            "y": details.pixel_height,
            "x": details.pixelsize,
        }

    @property
    def pixels(self) -> int:
        """Pixels of all tiles."""
        tiles = self.tiles
        area = tiles.length_y * tiles.length_x
        return int((tiles.length_t * tiles.length_c * tiles.length_z * area).sum())

    @property
    def attributes(self) -> dict[str, list[Scalar]]:
        """Per attribute the distinct values of the tiles, in tile order."""
        return {
            name: list(
                dict.fromkeys(value for cell in column if cell is not None for value in values_of(cell))
            )
            for name, column in self.tiles.attributes.items()
        }

    def conditions(self) -> dict[str, list[Scalar]]:
        """The attributes as columns, one row for each distinct combination that some tile has.

        Cells of several values are joined.
        """
        columns = self.tiles.attributes
        rows = dict.fromkeys(
            tuple(joined(values_of(cell)) for cell in row) for row in zip(*columns.values(), strict=True)
        )
        return {name: [row[index] for row in rows] for index, name in enumerate(columns)}

    def document(self) -> dict[str, Any]:
        """The image as a JSON document; columns of one value are written once."""
        tiles = self.tiles
        used, fov = np.unique(tiles.fov, return_inverse=True)
        numbers = {name: _packed(getattr(tiles, name).tolist()) for name in _NUMBERS}
        return {
            "path": self.path,
            "collection": self.collection.model_dump(mode="json"),
            "details": self.details.model_dump(mode="json", exclude_unset=True),
            "data_type": self.data_type,
            "windows": self.windows,
            "tiles": {
                "count": len(tiles),
                **numbers,
                "fov": _packed(fov.tolist()),
                "fov_names": [tiles.fov_names[code] for code in used],
                "loader": {name: _packed(column.tolist()) for name, column in tiles.loaders.fields.items()},
                "attributes": {name: _packed(column.tolist()) for name, column in tiles.attributes.items()},
            },
        }

    @classmethod
    def from_document(
        cls,
        document: Mapping[str, Any],
        collection_type: type[CollectionInterfaceType],
        image_loader_type: type[ImageLoaderInterfaceType],
    ) -> TiledImage[CollectionInterfaceType, ImageLoaderInterfaceType]:
        """The image of a JSON document.

        Args:
            document: what `document` returned.
            collection_type: the type of its collection.
            image_loader_type: the type of its tiles' loaders.
        """
        from tiles2zarr.core.loader_column import LoaderColumn

        columns = document["tiles"]
        count = columns["count"]
        kinds = dict.fromkeys(_NUMBERS, np.int64) | dict.fromkeys(("x", "y", "z", "t"), np.float64)
        collection = collection_type.model_validate(document["collection"])
        details = AcquisitionDetails.model_validate(document["details"])
        loader = {name: _objects(values, count) for name, values in columns["loader"].items()}
        windows = document["windows"]
        tiles = Tiles(
            **{name: _numbers(columns[name], count, kind) for name, kind in kinds.items()},
            fov=_numbers(columns["fov"], count, np.int64),
            fov_names=tuple(columns["fov_names"]),
            collection=np.zeros(count, np.int64),
            collections=(collection,),
            details=np.zeros(count, np.int64),
            all_details=(details,),
            loaders=LoaderColumn(image_loader_type, loader, count),
            attributes={name: _objects(values, count) for name, values in columns["attributes"].items()},
        )
        return cls(
            path=document["path"],
            collection=collection,
            tiles=tiles,
            details=details,
            data_type=document["data_type"],
            windows=tuple((low, high) for low, high in windows) if windows is not None else None,
        )


# More channels than any instrument has; beyond it an index is a mistake.
_MOST_CHANNELS = 1000
_NUMBERS = ("x", "y", "z", "t", "c", "length_t", "length_c", "length_z", "length_y", "length_x")


def tiled_image_from_tiles(
    *,
    tiles: Iterable[AnyTile],
    split_per_fov: bool = False,
    resource: Any | None = None,
    numbered_in: Tiles | None = None,
) -> list[TiledImage[Any, Any]]:
    """Group tiles into images: one for each collection, or for each field of view of it.

    Args:
        tiles: tiles of any number of images.
        split_per_fov: every field of view becomes an image of its own, ``f{n}`` added to its path, n counted
            from 0 in field order.
        resource: not needed; accepted so that other converters' code runs.
        numbered_in: the tiles that `tiles` were chosen from; fields of view are counted among these, so that
            a filter does not change the numbers. None: `tiles` themselves.

    Returns:
        the images, in the order in which their first tiles come.

    Raises:
        OptionsError: the tiles of one image disagree on their acquisition's details, or two collections have
            one path.
    """
    del resource
    columns = Tiles.from_tiles(tiles)
    counted = columns if numbered_in is None else numbered_in
    columns = replace(columns, all_details=_settled(columns.all_details, counted))
    paths: dict[str, CollectionInterface] = {}
    images: list[TiledImage[Any, Any]] = []
    numbers = _field_numbers(counted) if split_per_fov else {}
    for rows in _groups(columns.collection):
        part = columns.take(rows)
        collection = columns.collections[part.collection[0]]
        path = collection.path()
        if paths.setdefault(path, collection) is not collection:
            remedy = "give each a plate, well, acquisition or image path of its own"
            msg = f"{path}: expected one collection with this path, found two: {remedy}"
            raise OptionsError(msg)
        if split_per_fov:
            fields = {numbers[part.collection[0], part.fov[group[0]]]: group for group in _groups(part.fov)}
            images += [_image(part.take(fields[n]), _suffixed(path, f"f{n}")) for n in sorted(fields)]
        else:
            images.append(_image(part, path))
    return images


def _settled(all_details: Sequence[AcquisitionDetails], tiles: Tiles) -> tuple[AcquisitionDetails, ...]:
    """The details of each acquisition, with channels and axes that hold for all of its images.

    Channels that nobody named are numbered; there is a time axis where some image has several timepoints.
    """
    settled = []
    for code, details in enumerate(all_details):
        rows = np.flatnonzero(tiles.details == code)
        changes: dict[str, Any] = {}
        if details.channels is None and len(rows):
            changes["channels"] = _found_channels(tiles, rows)
        if details.axes is None and len(rows):
            changes["axes"] = tuple(default_axes_builder(_has_several_timepoints(tiles, rows)))
        settled.append(details.model_copy(update=changes) if changes else details)
    return tuple(settled)


def _found_channels(tiles: Tiles, rows: NDArray[np.int64]) -> tuple[ChannelInfo, ...]:
    """Channels that nobody named, one for each index; every index must be some tile's."""
    channels = _numbered_channels(int((tiles.c + tiles.length_c)[rows].max()))
    spans = np.unique(np.stack([tiles.c[rows], tiles.length_c[rows]]), axis=1).T.tolist()
    used = {c for first, count in spans for c in range(first, first + count)}
    for index in range(len(channels)):
        if index not in used:
            msg = (
                f"channel index {index}: expected a tile, since channel {len(channels) - 1} has one, found none: "
                "start_c counts from 0; correct it, or name all channels"
            )
            raise OptionsError(msg)
    return channels


def _numbered_channels(count: int) -> tuple[ChannelInfo, ...]:
    if count > _MOST_CHANNELS:
        msg = (
            f"channel index {count - 1}: expected at most {_MOST_CHANNELS} channels: "
            "correct start_c or name the channels"
        )
        raise OptionsError(msg)
    return tuple(ChannelInfo(channel_label=f"channel_{c}") for c in range(count))


def _has_several_timepoints(tiles: Tiles, rows: NDArray[np.int64]) -> bool:
    if (tiles.length_t[rows] > 1).any():
        return True
    first = np.full(len(tiles.collections), np.inf)
    np.minimum.at(first, tiles.collection[rows], tiles.t[rows])
    return bool((tiles.t[rows] != first[tiles.collection[rows]]).any())


def _field_numbers(tiles: Tiles) -> dict[tuple[int, int], int]:
    """The number of each field of view within its image, counted from 0 in field order."""
    numbers: dict[tuple[int, int], int] = {}
    last: dict[int, int] = {}
    for collection, field in np.unique(np.stack([tiles.collection, tiles.fov]), axis=1).T.tolist():
        numbers[collection, field] = last[collection] = last.get(collection, -1) + 1
    return numbers


def _image(tiles: Tiles, path: str) -> TiledImage[Any, Any]:
    first = tiles.all_details[tiles.details[0]]
    for code in np.unique(tiles.details):
        if tiles.all_details[code] != first:
            found = f"{first!r} and {tiles.all_details[code]!r}"
            msg = f"{path}: expected one acquisition_details for all its tiles, found several: {found}"
            raise OptionsError(msg)
    data_type = None if first.data_type is DataTypeEnum.AUTODETECT else first.data_type.value
    return TiledImage(path, tiles.collections[tiles.collection[0]], tiles, first, data_type)


def _groups(codes: np.ndarray[Any, np.dtype[np.int64]]) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """Rows of each code, in order of first appearance; one stable sort however many rows there are."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=codes[order[0]] - 1))
    return sorted(np.split(order, starts[1:]), key=lambda rows: int(rows[0]))


def _suffixed(path: str, suffix: str) -> str:
    return f"{path.removesuffix('.zarr')}{suffix}.zarr" if path.endswith(".zarr") else f"{path}{suffix}"


def _packed(values: list[Any]) -> Any:
    """The one value of a column that has only one, else all of them; a list is always a column."""
    first = values[0]
    if isinstance(first, list) or any(value != first or type(value) is not type(first) for value in values):
        return values
    return first


def _objects(values: Any, count: int) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.fromiter(values if isinstance(values, list) else [values] * count, object, count)


def _numbers(values: Any, count: int, kind: type[Any]) -> np.ndarray[Any, Any]:
    return np.asarray(values, kind) if isinstance(values, list) else np.full(count, values, kind)


def joined(values: Sequence[Scalar]) -> Scalar:
    """One value for several: itself when it is alone, else their texts with ``; `` between them.

    >>> joined(["DMSO"]), joined(["a", None, 2]), joined([])
    ('DMSO', 'a; 2', None)
    """
    present = [value for value in values if value is not None]
    return present[0] if len(present) == 1 else "; ".join(map(str, present)) or None


def axis_order(axes: Iterable[Axis]) -> tuple[int, ...]:
    """Where each of the given axes stands among t, c, z, y, x.

    >>> axis_order(("c", "y", "x"))
    (1, 3, 4)
    """
    return tuple(AXES.index(axis) for axis in axes)
