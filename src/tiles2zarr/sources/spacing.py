"""Spacings that an instrument does not state, but that follow from where and when it took its planes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Steps of less than this share of the largest one are noise of a focus drive or a clock, not another plane.
_NOISE = 1e-3


def median_step(
    values: NDArray[np.float64], numbers: NDArray[np.int64], groups: Sequence[NDArray[np.int64]]
) -> float | None:
    """The median distance of two values whose numbers differ by one, within groups; None where there are none.

    A distance over several numbers (a plane between is lost) counts as so many equal steps. Of an even number of
    steps it is the lower middle one, which somebody took, where a mean of two would be invented.

    Args:
        values: NaN where unknown.
        numbers: such as the number of a z-plane.
        groups: codes; values are compared only where all of these agree.
    """
    known = np.isfinite(values)
    if known.sum() < 2:
        return None
    values, numbers = values[known], numbers[known]
    group = place_codes([codes[known] for codes in groups])
    order = np.lexsort((numbers, group))
    between = np.diff(numbers[order])
    is_step = (np.diff(group[order]) == 0) & (between > 0)
    steps = np.abs(np.diff(values[order])[is_step] / between[is_step])
    if not len(steps) or not steps.max() > 0:
        return None
    middle = np.percentile(steps[steps > _NOISE * steps.max()], 50, method="lower")
    return float(f"{middle:.9g}")


def place_codes(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """One number per row, equal where all columns are equal."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, inverse = np.unique(column, return_inverse=True)
        code = np.unique(code * len(values) + inverse, return_inverse=True)[1]
    return code
