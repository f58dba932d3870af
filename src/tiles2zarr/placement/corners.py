"""Fields of view that meet at a corner or an edge's end, placed edge to edge; all others stay where they are.

Fields whose corners the stage puts at the same point are walked from neighbour to neighbour, which
gives groups that are rigid in pixels; every group then goes to where the stage has it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.placement.grid import ROUNDING_NOISE, nearest_pixel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

# Corners as (right, bottom). Fields that meet share a point which is not the same corner of both.
_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
_MEETINGS = tuple((a, b) for i, a in enumerate(_CORNERS) for b in _CORNERS[i + 1 :])


def snap_to_corners(
    x: Floats, y: Floats, width: Integers, height: Integers, *, tolerance: float
) -> tuple[Integers, Integers]:
    """Place fields that share a corner or an edge's end edge to edge, each group where the stage has it.

    A group goes to the whole pixel nearest to the median of its stage positions, except that what holds the
    smallest coordinate of an axis begins at 0 there: fields without neighbours keep their rounded position.

    Args:
        x: stage position of each field's left edge, px, shape (fields,).
        y: stage position of each field's top edge, px, Y down, shape (fields,).
        width: width of each field, px; fields may differ.
        height: height of each field, px.
        tolerance: how far apart two corners may lie and still be one, px on each axis, inclusive; what
            exceeds a quarter of the smallest field is not used, as fields would touch whatever they overlap.

    Returns:
        x and y offset of every field, px; the smallest is 0 on each axis.
    """
    # One row per distinct field, sorted by y then x: the outcome must not depend on the order of the fields.
    table, inverse = np.unique(
        np.column_stack((y - y.min(), x - x.min(), height, width)), axis=0, return_inverse=True
    )
    size = table[:, 2:].astype(np.int64)
    near = min(tolerance, float(size.min()) / 4) + ROUNDING_NOISE
    group, relative = _walk(len(table), *_meetings(table[:, :2], size, near))
    original = inverse.reshape(-1)
    placed_y = _place_groups(table[:, 0], relative[:, 0], group)[original]
    placed_x = _place_groups(table[:, 1], relative[:, 1], group)[original]
    return placed_x, placed_y


def _meetings(place: Floats, size: Integers, near: float) -> tuple[Integers, Integers, Integers]:
    """Pairs of fields that share a corner point, and the step (y, x) in px from the first to the second."""
    firsts, seconds, steps = [], [], []
    for (right_a, bottom_a), (right_b, bottom_b) in _MEETINGS:
        corner_a, corner_b = size * (bottom_a, right_a), size * (bottom_b, right_b)
        first, second = _close_points(place + corner_a, place + corner_b, near)
        firsts.append(first)
        seconds.append(second)
        steps.append(corner_a[first] - corner_b[second])
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(steps)


def _close_points(points: Floats, others: Floats, near: float) -> tuple[Integers, Integers]:
    """Index pairs of points and others that lie within a distance of each other on both axes."""
    side = max(near, 1.0)
    cell, other_cell = (np.floor(each / side).astype(np.int64) for each in (points, others))
    # Codes of different cells may coincide, those of equal cells always do; the distance decides.
    stride = np.int64(max(np.ptp(cell[:, 1]), np.ptp(other_cell[:, 1])) + 3)
    code = other_cell[:, 0] * stride + other_cell[:, 1]
    order = np.argsort(code, kind="stable")
    ordered = code[order]
    firsts, seconds = [], []
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            wanted = (cell[:, 0] + down) * stride + cell[:, 1] + across
            low, high = np.searchsorted(ordered, wanted), np.searchsorted(ordered, wanted, side="right")
            count = high - low
            first = np.repeat(np.arange(len(points)), count)
            within = np.arange(first.size) - np.repeat(np.cumsum(count) - count, count)
            second = order[low[first] + within]
            close = (np.abs(points[first] - others[second]) <= near).all(axis=1)
            firsts.append(first[close])
            seconds.append(second[close])
    return np.concatenate(firsts), np.concatenate(seconds)


def _walk(fields: int, first: Integers, second: Integers, step: Integers) -> tuple[Integers, Integers]:
    """Follow the meetings breadth first: the group of every field, and its (y, x) in px within the group."""
    source, target = np.concatenate((first, second)), np.concatenate((second, first))
    both_ways = np.concatenate((step, -step))
    # A stable sort: where two fields share more than one corner, the first kind of corner counts.
    order = np.lexsort((target, source))
    begin = np.searchsorted(source[order], np.arange(fields + 1)).tolist()
    targets, steps = target[order].tolist(), both_ways[order].tolist()
    group = [-1] * fields
    relative = [(0, 0)] * fields
    groups = 0
    for start in range(fields):
        if group[start] >= 0:
            continue
        group[start] = groups
        queue = deque([start])
        while queue:
            here = queue.popleft()
            down, across = relative[here]
            for meeting in range(begin[here], begin[here + 1]):
                there = targets[meeting]
                if group[there] < 0:
                    group[there] = groups
                    relative[there] = (down + steps[meeting][0], across + steps[meeting][1])
                    queue.append(there)
        groups += 1
    return np.array(group, dtype=np.int64), np.array(relative, dtype=np.int64)


def _place_groups(stage: Floats, relative: Integers, group: Integers) -> Integers:
    """Offsets on one axis: each group as near to the stage as whole pixels allow, none before 0."""
    distance = stage - relative
    order = np.lexsort((distance, group))
    begin = np.flatnonzero(np.diff(group[order], prepend=-1))
    count = np.diff(begin, append=len(group))
    ranked = distance[order]
    median = (ranked[begin + (count - 1) // 2] + ranked[begin + count // 2]) / 2
    edge = np.minimum.reduceat(relative[order], begin)
    start = np.maximum(nearest_pixel(median) + edge, 0)
    # Were this group to begin elsewhere, taking the smallest offset to 0 would move everything else too.
    start[group[np.argmin(stage)]] = 0
    placed: Integers = relative + (start - edge)[group]
    return placed
