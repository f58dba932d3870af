"""From stage positions to pixel offsets: orientation, jitter, offsets, tiling, each once and in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.placed_image import FieldsOfView, PlacedImage
from tiles2zarr.errors import Finding, ImplausibleExtentError, PlacementError
from tiles2zarr.models import OffsetRemoval, TileShape, ZOffsetRemoval
from tiles2zarr.placement.fields import place_fields

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.core.tiles import Tiles
    from tiles2zarr.models import Axis, ConverterOptions, StageOrientation

# Rounding to whole pixels moves a corner by at most half a diagonal.
_ROUNDING = 0.7072
# No stage travels further, and no offset beyond this fits the arithmetic of pixel areas.
_FURTHEST = 2**31


def place_image(image: TiledImage[Any, Any], options: ConverterOptions) -> PlacedImage:
    """Give every tile of an image its pixel offset. Depends on nothing but the tiles and the options.

    Args:
        image: the tiles at their stage positions.
        options: tiling mode and tolerance, corrections, largest displacement.

    Raises:
        PlacementError: the positions fit no pixel grid of a plausible extent, the tiling mode does not fit them, or a field of
            view would be moved further than ``max_displacement``.
    """
    tiles, size = image.tiles, image.pixel_size
    stage_x, stage_y = oriented_positions(tiles, image.details.stage_orientation)
    x, y = stage_x / size["x"], stage_y / size["y"]
    first, field = _first_tiles(tiles)
    _refuse_implausible(image, x, y)
    width, height = _largest(tiles.length_x, field, len(first)), _largest(tiles.length_y, field, len(first))
    names = tuple(tiles.fov_name(row) for row in first)
    placed = place_fields(
        x[first],
        y[first],
        width,
        height,
        tiling=options.tiling_mode.value,
        tolerance=options.tiling_tolerance,
        names=[f"{image.path}, {name}" for name in names],
    )
    corrections = options.alignment_correction
    tile_x, tile_y = placed.x[field], placed.y[field]
    if not corrections.remove_xy_jitter:
        tile_x, tile_y = tile_x + _rounded(x - x[first][field]), tile_y + _rounded(y - y[first][field])
        tile_x, tile_y = tile_x - tile_x.min(), tile_y - tile_y.min()
    z_origin, z = _steps(
        image,
        tiles.z,
        size["z"],
        "z",
        field if corrections.remove_z_offset is ZOffsetRemoval.PER_FOV else None,
    )
    t_origin, t = _steps(image, tiles.t, size["t"], "t", None)
    moved_x, moved_y = tile_x - (x - x.min()), tile_y - (y - y.min())
    distance = np.hypot(
        (moved_x - np.median(moved_x)) * size["x"], (moved_y - np.median(moved_y)) * size["y"]
    )
    ends = (
        t + tiles.length_t,
        tiles.c + tiles.length_c,
        z + tiles.length_z,
        tile_y + tiles.length_y,
        tile_x + tiles.length_x,
    )
    t_end, _, z_end, y_end, x_end = (int(end.max()) for end in ends)
    fields = FieldsOfView(
        names=names,
        code=tiles.fov[first],
        x=_smallest(tile_x, field, len(first)),
        y=_smallest(tile_y, field, len(first)),
        z=_smallest(z, field, len(first)),
        width=width,
        height=height,
        depth=_largest(z + tiles.length_z, field, len(first)) - _smallest(z, field, len(first)),
        stage_x=tiles.x[first],
        stage_y=tiles.y[first],
        stage_z=_smallest(tiles.z, field, len(first)),
        displacement=_largest(distance, field, len(first)),
    )
    _refuse_displaced(image, fields, options)
    translation: dict[Axis, float] = {}
    if corrections.remove_t_offset is OffsetRemoval.KEEP:
        translation["t"] = t_origin
    if corrections.remove_z_offset is ZOffsetRemoval.KEEP:
        translation["z"] = z_origin
    if corrections.remove_xy_offset is OffsetRemoval.KEEP:
        translation |= {"y": float(stage_y.min()), "x": float(stage_x.min())}
    shape = TileShape(t_end, len(image.channels), z_end, y_end, x_end)
    return PlacedImage(image, shape, tile_x, tile_y, z, t, fields, placed.tiling, translation)


def displacements(placed: PlacedImage, options: ConverterOptions) -> list[Finding]:
    """A warning for an image some of whose fields of view were moved by more than the tolerance."""
    fields, size = placed.fields, placed.image.pixel_size
    limit = (options.tiling_tolerance + _ROUNDING) * max(size["x"], size["y"])
    moved = np.flatnonzero(fields.displacement > limit)
    if not len(moved):
        return []
    worst = int(moved[np.argmax(fields.displacement[moved])])
    message = (
        f"{len(moved)} of {len(fields)} fields of view moved by more than {limit:.3g} µm from their stage position ({placed.tiling}), "
        f"the furthest, {fields.names[worst]}, by {fields.displacement[worst]:.4g} µm: set tiling_mode to Inplace to keep the stage's positions"
    )
    return [Finding("warning", "displaced", f"{placed.image.path}, {fields.names[worst]}", message)]


def oriented_positions(
    tiles: Tiles, orientation: StageOrientation
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions along the image's own axes, µm: swapped first, then turned.

    A tile's start is where its first pixel lies, so that turning an axis only changes the sign.
    """
    x, y = (tiles.y, tiles.x) if orientation.swap_xy else (tiles.x, tiles.y)
    return -x if orientation.flip_x else x, -y if orientation.flip_y else y


def _first_tiles(tiles: Tiles) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row of each field's first tile (by t, c, z), in field order, and the field of each tile."""
    order = np.lexsort((tiles.z, tiles.c, tiles.t, tiles.fov))
    _, starts, inverse = np.unique(tiles.fov[order], return_index=True, return_inverse=True)
    field = np.empty(len(tiles), np.int64)
    field[order] = inverse
    return order[starts], field


def _steps(
    image: TiledImage[Any, Any],
    position: NDArray[np.float64],
    spacing: float,
    axis: Axis,
    field: NDArray[np.int64] | None,
) -> tuple[float, NDArray[np.int64]]:
    """The origin of an axis and the index of each tile along it, counted from the image's or the field's first."""
    origin = float(position.min())
    start = np.full(len(position), origin)
    if field is not None:
        start = np.full(int(field.max()) + 1, np.inf)
        np.minimum.at(start, field, position)
        start = start[field]
    index = (position - start) / spacing
    if index.max() >= _FURTHEST:
        tile = int(np.argmax(index))
        msg = f"{image.tiles.describe(tile)}: expected a {axis} position within {_FURTHEST} steps of {spacing:g}, found {position[tile]:g}: {axis} or its spacing is wrong"
        raise ImplausibleExtentError(msg)
    return origin, _rounded(index)


def _refuse_implausible(image: TiledImage[Any, Any], x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    for values, axis in ((x, "x"), (y, "y")):
        if np.ptp(values) >= _FURTHEST:
            size = image.pixel_size["x" if axis == "x" else "y"]
            tile = int(np.argmax(np.abs(values)))
            msg = (
                f"{image.tiles.describe(tile)}: implausible extent: expected positions within {_FURTHEST} px of each other, found "
                f"{axis} = {values[tile] * size:.6g} µm, {np.ptp(values):.3g} px from the others: correct the position or the pixel size ({size:g} µm)"
            )
            raise ImplausibleExtentError(msg)


def _refuse_displaced(image: TiledImage[Any, Any], fields: FieldsOfView, options: ConverterOptions) -> None:
    worst = int(np.argmax(fields.displacement))
    limit = options.max_displacement
    if limit is not None and fields.displacement[worst] > limit:
        msg = (
            f"{image.path}, {fields.names[worst]}: expected to stay within max_displacement = {limit:g} µm of its stage position, found "
            f"{fields.displacement[worst]:.4g} µm: set tiling_mode to Inplace or raise max_displacement"
        )
        raise PlacementError(msg)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """To the nearest whole number, halves upwards: the same everywhere, unlike rounding halves to even."""
    return np.floor(values + 0.5).astype(np.int64)


def _largest(values: NDArray[Any], group: NDArray[np.int64], count: int) -> NDArray[Any]:
    result = np.zeros(count, values.dtype)
    np.maximum.at(result, group, values)
    return result


def _smallest(values: NDArray[Any], group: NDArray[np.int64], count: int) -> NDArray[Any]:
    result = np.full(count, values.max(), values.dtype)
    np.minimum.at(result, group, values)
    return result
