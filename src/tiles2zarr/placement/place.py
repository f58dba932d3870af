"""From stage positions to pixel offsets: orientation, jitter, tiling, offsets, each once, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tiles2zarr.core.placed_image import FieldsOfView, PlacedImage
from tiles2zarr.errors import Finding, ImplausibleExtentError, PlacementError
from tiles2zarr.models import OffsetRemoval, TileShape, TilingMode, ZOffsetRemoval
from tiles2zarr.placement.fields import place_fields
from tiles2zarr.placement.grid import nearest_pixel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.core.tiles import Tiles
    from tiles2zarr.models import Axis, ConverterOptions, StageOrientation

# Rounding to whole pixels moves a corner by at most half a diagonal.
_ROUNDING = 0.7072
# A plane that is further than this share of a step from its place is no jitter of a focus drive.
_STEADY = 0.25
# No stage travels further, and no offset beyond this fits the arithmetic of pixel areas.
_FURTHEST = 2**31


def place_image(image: TiledImage[Any, Any], options: ConverterOptions) -> PlacedImage:
    """Give every tile of an image its pixel offset. Depends on nothing but the tiles and the options.

    Args:
        image: the tiles at their stage positions.
        options: tiling mode and tolerance, corrections, largest displacement.

    Raises:
        PlacementError: the positions fit no pixel grid of a plausible extent, the tiling mode does not fit them,
            or a field of view would be moved further than ``max_displacement``.
    """
    tiles, size = image.tiles, image.pixel_size
    stage_x, stage_y = oriented_positions(tiles, image.details.stage_orientation)
    position = _Positions(stage_x / size["x"], stage_y / size["y"])
    _refuse_implausible(image, position)
    first, field = _first_tiles(tiles)
    tile_x, tile_y, tiling = _place_in_plane(image, position, first, field, options)
    corrections = options.alignment_correction
    per_field = corrections.remove_z_offset is ZOffsetRemoval.PER_FOV
    z = _steps(image, tiles.z, "z", field, each_from_zero=per_field)
    t = _steps(image, tiles.t, "t", np.zeros(len(tiles), np.int64), each_from_zero=False)
    count = len(first)
    moved_x = (tile_x - position.x) * size["x"]
    moved_y = (tile_y - position.y) * size["y"]
    fields = FieldsOfView(
        names=tuple(tiles.fov_name(row) for row in first),
        code=tiles.fov[first],
        x=_smallest(tile_x, field, count),
        y=_smallest(tile_y, field, count),
        z=_smallest(z, field, count),
        width=_largest(tiles.length_x, field, count),
        height=_largest(tiles.length_y, field, count),
        depth=_largest(z + tiles.length_z, field, count) - _smallest(z, field, count),
        stage_x=tiles.x[first],
        stage_y=tiles.y[first],
        stage_z=_smallest(tiles.z, field, count),
        displacement=_largest(
            np.hypot(moved_x - np.median(moved_x), moved_y - np.median(moved_y)), field, count
        ),
    )
    _refuse_displaced(image, fields, options)
    shape = TileShape(
        t=int((t + tiles.length_t).max()),
        c=len(image.channels),
        z=int((z + tiles.length_z).max()),
        y=int((tile_y + tiles.length_y).max()),
        x=int((tile_x + tiles.length_x).max()),
    )
    placed = first if corrections.remove_xy_jitter else np.arange(len(tiles))
    origin: dict[Axis, tuple[bool, float]] = {
        "t": (corrections.remove_t_offset is OffsetRemoval.KEEP, float(tiles.t.min())),
        "z": (corrections.remove_z_offset is ZOffsetRemoval.KEEP, float(tiles.z.min())),
        "y": (corrections.remove_xy_offset is OffsetRemoval.KEEP, float(stage_y[placed].min())),
        "x": (corrections.remove_xy_offset is OffsetRemoval.KEEP, float(stage_x[placed].min())),
    }
    translation = {axis: value for axis, (is_kept, value) in origin.items() if is_kept}
    return PlacedImage(image, shape, tile_x, tile_y, z, t, fields, tiling, translation)


class _Positions(NamedTuple):
    """Positions of all tiles along the image's axes, px."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]


def _place_in_plane(
    image: TiledImage[Any, Any],
    position: _Positions,
    first: NDArray[np.int64],
    field: NDArray[np.int64],
    options: ConverterOptions,
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """The left and upper edge of each tile, px, and the tiling that was used."""
    tiles, count = image.tiles, len(first)
    is_left = image.details.registered and options.tiling_mode is TilingMode.AUTO
    tiling = TilingMode.INPLACE if is_left else options.tiling_mode
    placed = place_fields(
        position.x[first],
        position.y[first],
        _largest(tiles.length_x, field, count),
        _largest(tiles.length_y, field, count),
        tiling=tiling.value,
        tolerance=options.tiling_tolerance,
        names=[f"{image.path}, {tiles.fov_name(row)}" for row in first],
    )
    x, y = placed.x[field], placed.y[field]
    if options.alignment_correction.remove_xy_jitter:
        return x, y, placed.tiling
    x = x + nearest_pixel(position.x - position.x[first][field])
    y = y + nearest_pixel(position.y - position.y[first][field])
    return x - x.min(), y - y.min(), placed.tiling


def displacements(placed: PlacedImage, options: ConverterOptions) -> list[Finding]:
    """A warning for each axis along which tiles were moved by more than the tolerance."""
    return [*_moved_in_plane(placed, options), *_moved_between_planes(placed)]


def _moved_between_planes(placed: PlacedImage) -> Iterator[Finding]:
    """z-planes and timepoints that lie off the regular steps of their axis."""
    tiles, field = placed.image.tiles, placed.field_of_tiles()
    for axis, unit, position, index in (("z", "µm", tiles.z, placed.z), ("t", "s", tiles.t, placed.t)):
        spacing = placed.image.pixel_size["z" if axis == "z" else "t"]
        group = field if axis == "z" else np.zeros(len(tiles), np.int64)
        first = _smallest(position, group, int(group.max()) + 1)[group]
        start = _smallest(index, group, int(group.max()) + 1)[group]
        off = np.abs(position - first - (index - start) * spacing)
        worst = int(np.argmax(off))
        if off[worst] > _STEADY * spacing:
            message = (
                f"expected {axis} positions at steps of {spacing:g} {unit}, found {position[worst]:g} {unit}, "
                f"{off[worst]:.3g} {unit} off plane {index[worst]}: correct the positions or {axis}_spacing"
            )
            yield Finding("warning", "displaced", tiles.describe(worst), message)


def _moved_in_plane(placed: PlacedImage, options: ConverterOptions) -> list[Finding]:
    fields, size = placed.fields, placed.image.pixel_size
    limit = (options.tiling_tolerance + _ROUNDING) * max(size["x"], size["y"])
    moved = np.flatnonzero(fields.displacement > limit)
    if not len(moved):
        return []
    worst = int(moved[np.argmax(fields.displacement[moved])])
    name, distance = fields.names[worst], fields.displacement[worst]
    apart = _spread(placed, options)
    if apart[worst] > limit:
        message = (
            f"expected all tiles of a field of view at one X and Y, found {name} spread over {apart[worst]:.4g} µm; "
            "all were placed where its first tile is: give tiles that lie elsewhere a field of view of their own, "
            "or set alignment_correction.remove_xy_jitter to false"
        )
    else:
        message = (
            f"{len(moved)} of {len(fields)} fields of view moved by more than {limit:.3g} µm from their stage "
            f"position ({placed.tiling}), the furthest, {name}, by {distance:.4g} µm: "
            "set tiling_mode to Inplace to keep the stage's positions"
        )
    return [Finding("warning", "displaced", f"{placed.image.path}, {name}", message)]


def _spread(placed: PlacedImage, options: ConverterOptions) -> NDArray[np.float64]:
    """How far apart the stage put the tiles of each field of view that are placed together, µm."""
    count = len(placed.fields)
    if not options.alignment_correction.remove_xy_jitter:
        return np.zeros(count)
    tiles, field = placed.image.tiles, placed.field_of_tiles()
    spans = (
        _largest(values, field, count) - _smallest(values, field, count) for values in (tiles.x, tiles.y)
    )
    return np.asarray(np.hypot(*spans))


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
    axis: Literal["z", "t"],
    group: NDArray[np.int64],
    *,
    each_from_zero: bool,
) -> NDArray[np.int64]:
    """The index of each tile along an axis.

    The start of a group is rounded once, and the steps within it by themselves: so the planes of a stack that
    begins half a step off stay apart.
    """
    spacing = image.pixel_size[axis]
    start = _smallest(position, group, int(group.max()) + 1)
    steps = (start - start.min()) / spacing
    within = (position - start[group]) / spacing
    if max(steps.max(), within.max()) >= _FURTHEST:
        tile = int(np.argmax(position))
        msg = (
            f"{image.tiles.describe(tile)}: expected a {axis} position within {_FURTHEST} steps of {spacing:g}, "
            f"found {position[tile]:g}: {axis} or its spacing is wrong"
        )
        raise ImplausibleExtentError(msg)
    inside = nearest_pixel(within)
    return inside if each_from_zero else nearest_pixel(steps)[group] + inside


def _refuse_implausible(image: TiledImage[Any, Any], position: _Positions) -> None:
    for values, axis in ((position.x, "x"), (position.y, "y")):
        if np.ptp(values) >= _FURTHEST:
            size = image.pixel_size["x" if axis == "x" else "y"]
            tile = int(np.argmax(np.abs(values)))
            msg = (
                f"{image.tiles.describe(tile)}: implausible extent: expected positions within {_FURTHEST} px of "
                f"each other, found {axis} = {values[tile] * size:.6g} µm, {np.ptp(values):.3g} px from the "
                f"others: correct the position or the pixel size ({size:g} µm)"
            )
            raise ImplausibleExtentError(msg)


def _refuse_displaced(image: TiledImage[Any, Any], fields: FieldsOfView, options: ConverterOptions) -> None:
    worst = int(np.argmax(fields.displacement))
    limit = options.max_displacement
    if limit is not None and fields.displacement[worst] > limit:
        msg = (
            f"{image.path}, {fields.names[worst]}: expected to stay within max_displacement = {limit:g} µm of its "
            f"stage position, found {fields.displacement[worst]:.4g} µm: "
            "set tiling_mode to Inplace or raise max_displacement"
        )
        raise PlacementError(msg)


def _largest(values: NDArray[Any], group: NDArray[np.int64], count: int) -> NDArray[Any]:
    result = np.full(count, values.min(), values.dtype)
    np.maximum.at(result, group, values)
    return result


def _smallest(values: NDArray[Any], group: NDArray[np.int64], count: int) -> NDArray[Any]:
    result = np.full(count, values.max(), values.dtype)
    np.minimum.at(result, group, values)
    return result
