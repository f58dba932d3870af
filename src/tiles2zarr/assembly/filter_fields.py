"""The fields of tiles that filters may name, as codes and distinct values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.tiles import values_of
from tiles2zarr.models import ImageInPlate, SingleImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core import Tiles
    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.models import CollectionInterface


@dataclass(frozen=True, slots=True)
class Column:
    """One field of all tiles.

    Attributes:
        field: its name.
        codes: per tile the index into `values`.
        values: what the tiles of each code have; several values where a tile covers several, or where a value
            has several spellings.
    """

    field: str
    codes: NDArray[np.int64]
    values: tuple[list[Scalar], ...]


_PLACES: dict[str, Callable[[Any], list[Scalar]]] = {
    "plate": lambda image: [image.plate_path.removesuffix(".zarr"), image.plate_path],
    "well": lambda image: [image.well, f"{image.row}{image.column}"],
    "row": lambda image: [image.row],
    "column": lambda image: [image.column],
    "acquisition": lambda image: [image.acquisition],
}


def field_names(tiles: Tiles) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that these tiles have, and their attributes."""
    kinds = {type(tiles.collections[code]) for code in np.unique(tiles.collection)}
    places = [*_PLACES] if any(issubclass(kind, ImageInPlate) for kind in kinds) else []
    if any(issubclass(kind, SingleImage) for kind in kinds):
        places.append("image_path")
    files = ["file_path"] if "file_path" in tiles.loaders.fields else []
    return (*places, "fov_name", "channel", "c", "z", "t", *files), tuple(tiles.attributes)


def column_of(tiles: Tiles, field: str) -> Column | None:
    """A field by its name; None where the tiles have no such field.

    A field of the list comes before an attribute that is called the same.
    """
    fields, attributes = field_names(tiles)
    if field in fields:
        return _own(tiles, field)
    if field in attributes:
        cells = tiles.attributes[field]
        codes, keys = _factorized(_hashable(cell) for cell in cells)
        return Column(field, codes, tuple(list(key[1]) for key in keys))
    return None


def _own(tiles: Tiles, field: str) -> Column:
    if field == "fov_name":
        return Column(field, *_used(tiles.fov, tiles.fov_names, lambda name: [name]))
    if field in _PLACES:
        return Column(field, *_used(tiles.collection, tiles.collections, lambda image: _place(image, field)))
    if field == "image_path":
        return Column(field, *_used(tiles.collection, tiles.collections, _image_path))
    if field == "file_path":
        codes, paths = _factorized(tiles.loaders.fields["file_path"])
        return Column(field, codes, tuple([path] for path in paths))
    if field in ("c", "channel"):
        return _channels(tiles, field)
    return _planes(tiles, field)


def _place(image: CollectionInterface, field: str) -> list[Scalar]:
    return _PLACES[field](image) if isinstance(image, ImageInPlate) else []


def _image_path(image: CollectionInterface) -> list[Scalar]:
    return [image.image_path] if isinstance(image, SingleImage) else []


def _channels(tiles: Tiles, field: str) -> Column:
    codes, rows = _combined(tiles.c, tiles.length_c, tiles.details)
    values: list[list[Scalar]] = []
    for row in rows:
        covered = range(int(tiles.c[row]), int(tiles.c[row] + tiles.length_c[row]))
        if field == "c":
            values.append(list(covered))
        else:
            known = tiles.all_details[tiles.details[row]].channels
            values.append([_label(index, known) for index in covered])
    return Column(field, codes, tuple(values))


def _label(index: int, known: Sequence[Any] | None) -> str:
    """What a channel is called in the output: by its number where nobody named it."""
    return known[index].channel_label if known is not None and index < len(known) else f"channel_{index}"


def _planes(tiles: Tiles, field: str) -> Column:
    """Positions (µm, s) of all planes of a tile."""
    starts, lengths = getattr(tiles, field), getattr(tiles, f"length_{field}")
    codes, rows = _combined(np.unique(starts, return_inverse=True)[1], lengths, tiles.details)
    values: list[list[Scalar]] = []
    for row in rows:
        step = getattr(tiles.all_details[tiles.details[row]], f"{field}_spacing")
        values.append([float(starts[row] + step * index) for index in range(int(lengths[row]))])
    return Column(field, codes, tuple(values))


def _used(
    codes: NDArray[np.int64], distinct: Sequence[Any], values: Callable[[Any], list[Scalar]]
) -> tuple[NDArray[np.int64], tuple[list[Scalar], ...]]:
    """Codes and values of those that tiles still refer to."""
    used, inverse = np.unique(codes, return_inverse=True)
    return inverse, tuple(values(distinct[code]) for code in used)


def _combined(*columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One code per tile, equal where all columns are equal, and the first row of each code."""
    codes = np.zeros(len(columns[0]), np.int64)
    rows = np.zeros(1, np.int64)
    for column in columns:
        _, rows, codes = np.unique(
            codes * (int(column.max()) + 1) + column, return_index=True, return_inverse=True
        )
    return codes, rows


def _factorized(values: Iterable[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Codes and distinct values, in order of first appearance."""
    known: dict[Any, int] = {}
    codes = np.fromiter((known.setdefault(value, len(known)) for value in values), np.int64)
    return codes, list(known)


def _hashable(cell: Any) -> tuple[tuple[type, ...], tuple[Scalar, ...]]:
    """An attribute's cell as a key; the types keep 1, 1.0 and True apart."""
    values = values_of(cell)
    return tuple(type(value) for value in values), tuple(values)
