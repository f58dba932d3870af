"""Tiles by column: a million of them cost arrays, not objects, and still read as a sequence of `Tile`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from tiles2zarr.core.loader_column import LoaderColumn
from tiles2zarr.core.plane_words import place_in_words
from tiles2zarr.core.tile import Scalar, Tile
from tiles2zarr.errors import OptionsError
from tiles2zarr.models import TileShape

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from numpy.typing import NDArray

    from tiles2zarr.models import AcquisitionDetails, CollectionInterface

AnyTile = Tile[Any, Any]
POSITIONS = ("x", "y", "z", "t")
LENGTHS = ("length_t", "length_c", "length_z", "length_y", "length_x")


@dataclass(frozen=True, slots=True, eq=False)
class Tiles(Sequence[AnyTile]):
    """A sequence of tiles, held by column.

    Columns are numpy arrays of one length. A column that refers to a shared value (field of view, collection,
    details) holds its index in the tuple beside it. Slices and selections share the tuples and copy only the
    columns.

    Attributes:
        x: stage position of each left edge, µm.
        y: stage position of each upper edge, µm, growing downwards.
        z: position of each first z-plane, µm.
        t: time of each first timepoint, s.
        c: index of each first channel.
        length_t: numbers of timepoints.
        length_c: numbers of channels.
        length_z: numbers of z-planes.
        length_y: heights, px.
        length_x: widths, px.
        fov: index into `fov_names`.
        fov_names: names of the fields of view, in field order.
        collection: index into `collections`.
        collections: the images the tiles belong to.
        details: index into `all_details`.
        all_details: what the tiles of each acquisition share.
        loaders: what fetches the pixels.
        attributes: per name one value or list of values for each tile.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.float64]
    t: NDArray[np.float64]
    c: NDArray[np.int64]
    length_t: NDArray[np.int64]
    length_c: NDArray[np.int64]
    length_z: NDArray[np.int64]
    length_y: NDArray[np.int64]
    length_x: NDArray[np.int64]
    fov: NDArray[np.int64]
    fov_names: tuple[str, ...]
    collection: NDArray[np.int64]
    collections: tuple[CollectionInterface, ...]
    details: NDArray[np.int64]
    all_details: tuple[AcquisitionDetails, ...]
    loaders: LoaderColumn
    attributes: Mapping[str, NDArray[np.object_]]

    @classmethod
    def from_tiles(cls, tiles: Iterable[AnyTile]) -> Tiles:
        """Gather tiles by column; `Tiles` come back as they are.

        Raises:
            OptionsError: there are none, or their loaders are of different types.
        """
        rows = tiles if isinstance(tiles, Tiles) else list(tiles)
        if not len(rows):
            msg = "no tiles: expected at least one"
            raise OptionsError(msg)
        if isinstance(rows, Tiles):
            return rows
        fov, fov_names = _factorize([tile.fov_name for tile in rows])
        collection, collections = _factorize([tile.collection for tile in rows], key=_identity)
        details, all_details = _factorize([tile.acquisition_details for tile in rows])
        names = dict.fromkeys(name for tile in rows for name in tile.attributes)
        starts = {
            axis: np.array([getattr(tile, f"start_{axis}") for tile in rows], float) for axis in POSITIONS
        }
        lengths = {name: np.array([getattr(tile, name) for tile in rows], np.int64) for name in LENGTHS}
        return cls(
            x=starts["x"],
            y=starts["y"],
            z=starts["z"],
            t=starts["t"],
            c=np.array([tile.start_c for tile in rows], np.int64),
            length_t=lengths["length_t"],
            length_c=lengths["length_c"],
            length_z=lengths["length_z"],
            length_y=lengths["length_y"],
            length_x=lengths["length_x"],
            fov=fov,
            fov_names=fov_names,
            collection=collection,
            collections=collections,
            details=details,
            all_details=all_details,
            loaders=LoaderColumn.from_loaders([tile.image_loader for tile in rows]),
            attributes={name: _objects([tile.attributes.get(name) for tile in rows]) for name in names},
        )

    @classmethod
    def joined(cls, parts: Sequence[Tiles]) -> Tiles:
        """The tiles of several sequences one after the other; fields of view of one name are one.

        Attributes are left out where some part has none of that name; all loaders are of one type.
        """
        if len(parts) == 1:
            return parts[0]
        names = tuple(dict.fromkeys(name for part in parts for name in part.fov_names))
        place = {name: index for index, name in enumerate(names)}
        collections = np.cumsum([0, *(len(part.collections) for part in parts)])
        details = np.cumsum([0, *(len(part.all_details) for part in parts)])
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in (*POSITIONS, "c", *LENGTHS)
        }
        shared = set.intersection(*(set(part.attributes) for part in parts))
        return cls(
            **columns,
            fov=np.concatenate(
                [np.array([place[name] for name in part.fov_names])[part.fov] for part in parts]
            ),
            fov_names=names,
            collection=np.concatenate(
                [part.collection + first for part, first in zip(parts, collections[:-1], strict=True)]
            ),
            collections=tuple(collection for part in parts for collection in part.collections),
            details=np.concatenate(
                [part.details + first for part, first in zip(parts, details[:-1], strict=True)]
            ),
            all_details=tuple(each for part in parts for each in part.all_details),
            loaders=LoaderColumn.joined([part.loaders for part in parts]),
            attributes={
                name: np.concatenate([part.attributes[name] for part in parts])
                for name in parts[0].attributes
                if name in shared
            },
        )

    def __len__(self) -> int:
        """How many tiles there are."""
        return len(self.x)

    @overload
    def __getitem__(self, index: int) -> AnyTile: ...
    @overload
    def __getitem__(self, index: slice) -> Tiles: ...
    def __getitem__(self, index: int | slice) -> AnyTile | Tiles:
        """One tile as an object, or a slice of them as columns."""
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return self._tile(range(len(self))[index])

    def _tile(self, row: int) -> AnyTile:
        """The tile of a row, without validating again what was valid as a column."""
        starts: dict[str, Any] = {f"start_{axis}": float(getattr(self, axis)[row]) for axis in POSITIONS}
        lengths: dict[str, Any] = {name: int(getattr(self, name)[row]) for name in LENGTHS}
        return Tile.model_construct(
            fov_name=self.fov_name(row),
            **starts,
            start_c=int(self.c[row]),
            **lengths,
            attributes={
                name: values_of(column[row])
                for name, column in self.attributes.items()
                if column[row] is not None
            },
            collection=self.collections[self.collection[row]],
            image_loader=self.loaders[row],
            acquisition_details=self.all_details[self.details[row]],
        )

    def fov_name(self, row: int) -> str:
        """The name of a tile's field of view."""
        return self.fov_names[int(self.fov[row])]

    def shape(self, row: int) -> TileShape:
        """The extent of a tile, axes t, c, z, y, x."""
        return TileShape(*(int(getattr(self, name)[row]) for name in LENGTHS))

    def describe(self, row: int, resource: Any | None = None, place: str | None = None) -> str:
        """A tile in a message: image, field of view, place and file.

        Args:
            row: its row.
            resource: what the loaders are given.
            place: where its planes lie in the image, in words; None: where nothing is known of other options.
        """
        collection = self.collections[self.collection[row]]
        source = self.loaders[row].describe_source(resource)
        return f"{collection.path()}, {self.fov_name(row)} ({place or self._place(row)}), {source}"

    def _place(self, row: int) -> str:
        """The planes of a tile as its image will number them, unless every field of view begins at plane 0."""
        details, shape = self.all_details[self.details[row]], self.shape(row)
        own = self.collection == self.collection[row]
        field = own & (self.fov == self.fov[row])
        first = float(self.z[field].min())
        with np.errstate(over="ignore"):
            z = sum(
                np.floor(np.round(distance / details.z_spacing, 6) + 0.5)
                for distance in (first - self.z[own].min(), self.z[row] - first)
            )
            t = np.floor(np.round((self.t[row] - self.t[own].min()) / details.t_spacing, 6) + 0.5)
        c = int(self.c[row])
        return place_in_words(
            details.channels, (c, c + shape.c - 1), (z, z + shape.z - 1), (t, t + shape.t - 1)
        )

    def take(self, rows: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Tiles:
        """The tiles of the given rows, or those where a mask is true."""
        columns = (*POSITIONS, "c", *LENGTHS, "fov", "collection", "details")
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in columns},
            loaders=self.loaders.take(rows),
            attributes={name: column[rows] for name, column in self.attributes.items()},
        )


def values_of(cell: Any) -> list[Scalar]:
    """What an attribute cell holds, always as a list."""
    return list(cell) if isinstance(cell, list) else [cell]


def _objects(cells: list[Any]) -> NDArray[np.object_]:
    # fromiter keeps cells that are lists as they are; assigning them to a slice would make a matrix of them.
    return np.fromiter(cells, object, len(cells))


def _identity(value: Any) -> Hashable:
    """Values of different classes differ even where their fields agree."""
    return type(value), value.model_dump_json()


def _factorize(values: list[Any], key: Any = None) -> tuple[NDArray[np.int64], tuple[Any, ...]]:
    """Codes and the distinct values, in order of first appearance."""
    codes: dict[Hashable, int] = {}
    distinct: list[Any] = []
    seen: dict[int, int] = {}
    column = np.empty(len(values), np.int64)
    for row, value in enumerate(values):
        code = seen.get(id(value))
        if code is None:
            code = codes.setdefault(key(value) if key else value, len(distinct))
            if code == len(distinct):
                distinct.append(value)
            seen[id(value)] = code
        column[row] = code
    return column, tuple(distinct)
