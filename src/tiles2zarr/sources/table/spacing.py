"""From the units of a table to µm, s and pixels; spacings that nobody stated."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from tiles2zarr.core.dataframe import TILES_TABLE, shown
from tiles2zarr.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    from numpy.typing import NDArray

    from tiles2zarr.core.tiles import Tiles
    from tiles2zarr.models import AcquisitionDetails

_ROUNDING = 0.05  # px; positions are commonly written with two decimals
_NOISE = 1e-3  # of the largest step: two positions closer than that are one position, computed in two ways


def step_per_axis(details: AcquisitionDetails) -> dict[str, float]:
    """What one pixel, plane or timepoint measures, in µm (s for t)."""
    return {"x": details.pixelsize, "y": details.pixel_height, "z": details.z_spacing, "t": details.t_spacing}


def lengths_in_pixels(
    table: pd.DataFrame, axes: Collection[str], details: AcquisitionDetails
) -> pd.DataFrame:
    """The table with lengths in pixels, planes and timepoints, where those of some axes are µm or s.

    Raises:
        SourceError: a length is no whole number of pixels; its row is named.
    """
    import pandas as pd

    columns = {}
    for axis in sorted(axes):
        name, step = f"length_{axis}", step_per_axis(details)[axis]
        if name not in table.columns:
            continue
        found = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        pixels = np.rint(found / step)
        bad = np.flatnonzero(~(np.abs(found / step - pixels) <= _ROUNDING))
        if len(bad):
            row = int(bad[0])
            expected = f"a whole multiple of {step:g} (its unit is world)"
            where = f"{TILES_TABLE}, row {row + 1} ({table['file_path'].iloc[row]}), column {name}"
            msg = f"{where}: expected {expected}, found {shown(table[name].iloc[row])}"
            raise SourceError(msg)
        columns[name] = pixels
    return table.assign(**columns)


def starts_in_world(tiles: Tiles, axes: Collection[str], details: AcquisitionDetails) -> Tiles:
    """The tiles with positions in µm (s for t), where those of some axes are pixels, planes or timepoints."""
    steps = step_per_axis(details)
    return replace(tiles, **{axis: getattr(tiles, axis) * steps[axis] for axis in axes})


def median_step(tiles: Tiles, axis: Literal["z", "t"]) -> float | None:
    """The median distance of neighbouring positions within a field of view; None where it cannot be told.

    Fields of view are not compared with each other: an autofocus starts each at a position of its own. Tiles
    of several planes say nothing of the distance of these planes.
    """
    lengths, values = (tiles.length_z, tiles.z) if axis == "z" else (tiles.length_t, tiles.t)
    if (lengths > 1).any():
        return None
    other = np.unique(tiles.t if axis == "z" else tiles.z, return_inverse=True)[1]
    field = (tiles.collection, tiles.fov, tiles.c)
    steps = _steps(values, _groups(*field, other))
    if not len(steps):  # such as an autofocus that moves from timepoint to timepoint
        steps = _steps(values, _groups(*field))
    if not len(steps):
        return None
    # Of an even number of steps the lower middle one: a mean of two is a step that nobody took.
    middle = np.percentile(steps[steps > _NOISE * steps.max()], 50, method="lower")
    return float(f"{middle:.9g}")


def _steps(values: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distances of neighbouring distinct values of each group."""
    order = np.lexsort((values, group))
    steps: NDArray[np.float64] = np.diff(values[order])[np.diff(group[order]) == 0]
    return steps[steps > 0]


def _groups(*columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number per row, equal where all columns are equal."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        code = np.unique(code * (int(column.max()) + 1) + column, return_inverse=True)[1]
    return code
