"""From stage positions to pixel offsets: where each field of view of an image goes.

All functions are pure and depend only on the positions: the order of the fields is of no consequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from tiles2zarr.errors import OptionsError, PlacementError
from tiles2zarr.placement.corners import snap_to_corners
from tiles2zarr.placement.grid import GridMisfit, fit_grid, nearest_pixel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

Tiling = Literal["Auto", "Snap to Grid", "Snap to Corners", "Inplace"]


@dataclass(frozen=True, slots=True)
class FieldPlacement:
    """Where fields of view went, in the order in which they were given.

    Attributes:
        x: offset of each field from the image's left edge, px; the smallest is 0.
        y: offset of each field from the image's top edge, px, Y down; the smallest is 0.
        tiling: what was used: "Snap to Grid", "Snap to Corners" or "Inplace".
        displacement: distance in px between where the stage put a field, counted from the smallest stage
            position on each axis, and where it went.
    """

    x: Integers
    y: Integers
    tiling: str
    displacement: Floats


def place_fields(
    x: Floats,
    y: Floats,
    width: Integers,
    height: Integers,
    *,
    tiling: str,
    tolerance: float,
    names: Sequence[str] | None = None,
) -> FieldPlacement:
    """Turn the stage positions of an image's fields into whole pixel offsets.

    Args:
        x: stage position of each field's left edge, px, shape (fields,), finite, at least one.
        y: stage position of each field's top edge, px, Y down, shape (fields,).
        width: width of each field, px, shape (fields,).
        height: height of each field, px, shape (fields,).
        tiling: one of `Tiling`. "Auto" is the grid if one fits and leaves fields without neighbours where
            they are, else corners.
        tolerance: how far a field may lie from a grid node or from a neighbour's corner and still be snapped
            to it, px on each axis, inclusive.
        names: what messages call each field; None: by its index.

    Raises:
        PlacementError: "Snap to Grid" was asked for and the fields stand on no regular grid.
        OptionsError: the tiling mode is unknown.
    """
    match tiling:
        case "Inplace":
            return _inplace(x, y)
        case "Snap to Grid":
            grid = fit_grid(x, y, width, height, tolerance=tolerance)
            if isinstance(grid, GridMisfit):
                name = f"field {grid.field}" if names is None else names[grid.field]
                raise PlacementError(f"{name}: {grid.problem}")
            return _placement(x, y, grid.x, grid.y, "Snap to Grid")
        case "Snap to Corners":
            return _corners(x, y, width, height, tolerance)
        case "Auto":
            return _auto(x, y, width, height, tolerance)
        case _:
            expected = ", ".join(get_args(Tiling))
            raise OptionsError(
                f"tiling_mode: expected one of {expected}, found {tiling!r}; choose one of them"
            )


def _auto(x: Floats, y: Floats, width: Integers, height: Integers, tolerance: float) -> FieldPlacement:
    grid = fit_grid(x, y, width, height, tolerance=tolerance)
    if not isinstance(grid, GridMisfit):
        placement = _placement(x, y, grid.x, grid.y, "Snap to Grid")
        # Nothing but touching fields may drift away from the stage; 1 px is for rounding on both axes.
        if bool(np.all(placement.displacement[~grid.touching] <= tolerance + 1)):
            return placement
    return _corners(x, y, width, height, tolerance)


def _corners(x: Floats, y: Floats, width: Integers, height: Integers, tolerance: float) -> FieldPlacement:
    placed_x, placed_y = snap_to_corners(x, y, width, height, tolerance=tolerance)
    return _placement(x, y, placed_x, placed_y, "Snap to Corners")


def _inplace(x: Floats, y: Floats) -> FieldPlacement:
    return _placement(x, y, nearest_pixel(x - x.min()), nearest_pixel(y - y.min()), "Inplace")


def _placement(
    x: Floats, y: Floats, placed_x: Integers, placed_y: Integers, tiling: Tiling
) -> FieldPlacement:
    displacement = np.hypot(placed_x - (x - x.min()), placed_y - (y - y.min()))
    return FieldPlacement(placed_x, placed_y, tiling, displacement)
