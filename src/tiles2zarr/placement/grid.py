"""Whether fields of view stand on a regular grid, and which pixel offsets that grid gives them.

Each axis is looked at by itself: coordinates that lie close together are one node, the distances between
nodes give the pitch, and least squares refines it. A grid is accepted only when every field lies within the
tolerance of a node of its own. Overlapping and sparse grids keep their measured pitch; where the stage says
that fields (nearly) touch, the pitch becomes the field's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Booleans = NDArray[np.bool_]

# What micrometres divided by a pixel size may lose in floating point; far below anything that moves a pixel.
ROUNDING_NOISE = 1e-6
# No finer fractions of the smallest distance are tried as pitch: in the end one of them fits any positions.
_FINEST_FRACTION = 4
_REMEDY = "choose tiling mode Auto, Snap to Corners or Inplace"


@dataclass(frozen=True, slots=True)
class GridPlacement:
    """Fields of view that stand on a regular grid.

    Attributes:
        x: offset of each field from the left edge, px; the smallest is 0.
        y: offset of each field from the top edge, px; the smallest is 0.
        touching: which fields have a neighbour whose edge or corner the stage puts at theirs.
    """

    x: Integers
    y: Integers
    touching: Booleans


@dataclass(frozen=True, slots=True)
class GridMisfit:
    """Fields of view that stand on no regular grid.

    Attributes:
        field: index of the field that fits worst.
        problem: what was expected, what was found, what to do; its name is the caller's to say.
    """

    field: int
    problem: str


@dataclass(frozen=True, slots=True)
class _Axis:
    """The best spacing of one axis: every field's node, the pitch, the distance to the nearest node, px."""

    node: Integers
    pitch: float
    residual: Floats
    fits: bool


def nearest_pixel(values: NDArray[np.floating[Any]]) -> Integers:
    """Round pixel positions to whole pixels, halves up, blind to floating-point noise."""
    return np.floor(np.round(values, 6) + 0.5).astype(np.int64)


def fit_grid(
    x: Floats, y: Floats, width: Integers, height: Integers, *, tolerance: float
) -> GridPlacement | GridMisfit:
    """Find the regular grid that the fields stand on; rows, columns and single fields may be missing.

    The pitch of an axis is at least half a field. Where it is within the tolerance of the field's size,
    fields are placed exactly edge to edge (with half a field's pitch: every second one, as in a brick
    layout); across a gap in which that would drift by more than the tolerance, the stage's distance is kept.

    Args:
        x: stage position of each field's left edge, px, shape (fields,).
        y: stage position of each field's top edge, px, Y down, shape (fields,).
        width: width of each field, px.
        height: height of each field, px.
        tolerance: how far a field may lie from its node on each axis, px, inclusive; what exceeds a quarter
            of a field is not used, as nodes must stay apart.

    Returns:
        The offsets, or the field that fits worst and why.
    """
    odd = np.flatnonzero((width != width[0]) | (height != height[0]))
    if odd.size:
        return _odd_size(int(odd[0]), width, height)
    size_x, size_y = int(width[0]), int(height[0])
    x, y = x - x.min(), y - y.min()
    may_grow = 4 * tolerance < min(size_x, size_y)
    tolerance = min(tolerance, size_x / 4, size_y / 4)
    across, down = _fit_axis(x, size_x, tolerance), _fit_axis(y, size_y, tolerance)
    on_nodes = across.fits and down.fits
    misfit = _shared_node(across, down) if on_nodes else _off_node(across, down, tolerance, may_grow)
    if misfit is not None:
        return misfit
    reach_x = _reach(across, down.node, size_x, tolerance)
    reach_y = _reach(down, across.node, size_y, tolerance)
    return GridPlacement(
        x=_offsets(x, across, size_x, reach_x, tolerance),
        y=_offsets(y, down, size_y, reach_y, tolerance),
        touching=_touching(across.node, down.node, reach_x, reach_y),
    )


def _fit_axis(positions: Floats, size: int, tolerance: float) -> _Axis:
    """The likeliest spacing that every position fits; where none does, the one that most of them fit."""
    # Sorted, so that floating-point sums do not depend on the order in which fields were given.
    order = np.argsort(positions, kind="stable")
    ordered = positions[order]
    best = _fit_sorted(ordered, size, tolerance)
    node, residual = np.empty_like(best.node), np.empty_like(best.residual)
    node[order], residual[order] = best.node, best.residual
    return _Axis(node, best.pitch, residual, best.fits)


def _fit_sorted(ordered: Floats, size: int, tolerance: float) -> _Axis:
    cluster = _clusters(ordered, size, tolerance)
    if cluster[-1] == 0:
        fits = _spread(ordered, cluster, 0.0) <= 2 * tolerance + ROUNDING_NOISE
        return _Axis(cluster, 0.0, np.abs(ordered - np.median(ordered)), fits)
    centres = np.bincount(cluster, weights=ordered) / np.bincount(cluster)
    misfits = []
    for pitch in _candidate_pitches(centres, size, tolerance):
        axis = _fit_pitch(ordered, cluster, centres, pitch, size, tolerance)
        if axis.fits:
            return axis
        misfits.append(axis)
    return min(misfits, key=lambda axis: (int(np.sum(axis.residual > tolerance)), -axis.pitch))


def _clusters(ordered: Floats, size: int, tolerance: float) -> Integers:
    """Number sorted positions by the node they gather around; nodes are at least half a field apart."""
    same_node = max(2 * tolerance, size / 4)
    return np.concatenate(([0], np.cumsum(np.diff(ordered) > same_node))).astype(np.int64)


def _candidate_pitches(centres: Floats, size: int, tolerance: float) -> Iterator[float]:
    """Pitches worth trying, the likely ones first: the smallest distance between nodes, and fractions of it.

    A fraction is the pitch where no two neighbouring columns are there, as with columns 0, 2 and 5.
    """
    gaps = np.diff(centres)
    smallest = max(size / 2 - 2 * tolerance, size / 4)
    wide = gaps[gaps >= smallest]
    if wide.size:
        near = float(np.median(wide[wide <= 1.25 * wide.min()]))
        for parts in range(1, _FINEST_FRACTION + 1):
            if near / parts >= smallest:
                yield near / parts
        yield float(np.median(wide))
    yield float(size)


def _fit_pitch(
    ordered: Floats, cluster: Integers, centres: Floats, pitch: float, size: int, tolerance: float
) -> _Axis:
    """Number the nodes that a rough pitch gives, refine the pitch, and judge the result."""
    # Every distance is rounded by itself, so that the error of a rough pitch does not add up along the axis.
    steps = nearest_pixel(np.diff(centres) / pitch)
    node = np.concatenate(([0], np.cumsum(steps))).astype(np.int64)[cluster]
    allowed = 2 * tolerance + ROUNDING_NOISE
    if node[-1] > 0:
        pitch = _least_squares_pitch(ordered, node)
        if _spread(ordered, node, pitch) > allowed:
            pitch = _tightest_pitch(ordered, node, pitch, allowed)
    offset = ordered - node * pitch
    coarse = 2 * pitch >= size - tolerance - ROUNDING_NOISE and pitch > 2 * tolerance
    fits = coarse and _spread(ordered, node, pitch) <= allowed
    away = offset - np.median(offset)
    return _Axis(node, pitch, np.abs(away - pitch * np.rint(away / pitch)), fits)


def _least_squares_pitch(ordered: Floats, node: Integers) -> float:
    """The pitch that the middles of the nodes agree on best: the middle, so that no stray field tilts it."""
    used, begin, count = np.unique(node, return_index=True, return_counts=True)
    middle = (ordered[begin + (count - 1) // 2] + ordered[begin + count // 2]) / 2
    deviation = used - used.mean()
    return float(deviation @ middle / (deviation @ deviation))


def _tightest_pitch(ordered: Floats, node: Integers, pitch: float, allowed: float) -> float:
    """Move a least-squares pitch until the fields lie within the allowed spread, or as tightly as they can.

    The spread is a convex function of the pitch, so halving an interval finds its minimum.
    """
    reach = _spread(ordered, node, pitch)
    low, high = pitch - reach, pitch + reach
    for _ in range(60):
        offset = ordered - node * pitch
        top, bottom = int(np.argmax(offset)), int(np.argmin(offset))
        if offset[top] - offset[bottom] <= allowed or node[top] == node[bottom]:
            break
        if node[top] > node[bottom]:
            low = pitch
        else:
            high = pitch
        pitch = (low + high) / 2
    return pitch


def _spread(positions: Floats, node: Integers, pitch: float) -> float:
    """How far fields scatter around the nodes of a pitch, px, from one side to the other."""
    return float(np.ptp(positions - node * pitch))


def _off_node(across: _Axis, down: _Axis, tolerance: float, may_grow: bool) -> GridMisfit:
    distance = np.hypot(across.residual, down.residual)
    field = int(np.argmax(distance))
    grow = ", or a larger tiling_tolerance" if may_grow else ""
    return GridMisfit(
        field,
        f"expected within {tolerance:g} px of a node of a regular grid (pitch at least half a "
        f"field and twice the tolerance), found {distance[field]:.2f} px away at the best pitch, "
        f"{across.pitch:.2f} x {down.pitch:.2f} px; {_REMEDY}{grow}",
    )


def _shared_node(across: _Axis, down: _Axis) -> GridMisfit | None:
    """Two fields on one node, or None."""
    code = across.node * (int(down.node.max()) + 1) + down.node
    order = np.argsort(code, kind="stable")
    shared = np.flatnonzero(np.diff(code[order]) == 0)
    if not shared.size:
        return None
    field = int(order[shared[0] + 1])
    distance = float(np.hypot(across.residual[field], down.residual[field]))
    return GridMisfit(
        field,
        f"expected a grid node of its own, found {distance:.2f} px from another field's; {_REMEDY}",
    )


def _odd_size(field: int, width: Integers, height: Integers) -> GridMisfit:
    return GridMisfit(
        field,
        f"expected {width[0]} x {height[0]} px like the first field, as a grid has equal fields, "
        f"found {width[field]} x {height[field]} px; {_REMEDY}",
    )


def _reach(axis: _Axis, other: Integers, size: int, tolerance: float) -> int:
    """How many nodes further a field begins where this one ends; 0 when fields overlap or stand apart."""
    if axis.pitch == 0:
        return 0
    allowed = tolerance + ROUNDING_NOISE
    if abs(axis.pitch - size) <= allowed:
        return 1
    # Rows shifted by half a field; but fields half a field apart in one row are an overlapping grid.
    brick = abs(2 * axis.pitch - size) <= allowed and not _has_neighbour(axis.node, other, 1, 0).any()
    return 2 if brick else 0


def _offsets(positions: Floats, axis: _Axis, size: int, reach: int, tolerance: float) -> Integers:
    """Pixel offset of every field on one axis, 0 for the first node."""
    if reach == 0:
        return nearest_pixel(axis.node * axis.pitch)
    exact = size / reach
    if _spread(positions, axis.node, exact) <= 2 * tolerance + ROUNDING_NOISE:
        return nearest_pixel(axis.node * exact)
    # The exact pitch drifts away from the stage: that is meant for fields that touch, but not across a gap in
    # which the drift exceeds the tolerance. What follows such a gap starts where the stage says.
    node, inverse = np.unique(axis.node, return_inverse=True)
    apart = np.diff(node) * abs(axis.pitch - exact) > tolerance + ROUNDING_NOISE
    run = np.concatenate(([0], np.cumsum(apart)))
    start = node[np.concatenate(([0], np.flatnonzero(apart) + 1))][run]
    offset = nearest_pixel(start * axis.pitch) + nearest_pixel((node - start) * exact)
    placed: Integers = offset[inverse.reshape(-1)]
    return placed


def _touching(across: Integers, down: Integers, reach_x: int, reach_y: int) -> Booleans:
    """Which fields have a neighbour edge to edge or corner to corner."""
    touching = np.zeros(across.shape, dtype=np.bool_)
    for step_x in {-reach_x, 0, reach_x}:
        for step_y in {-reach_y, 0, reach_y}:
            if step_x or step_y:
                touching |= _has_neighbour(across, down, step_x, step_y)
    return touching


def _has_neighbour(across: Integers, down: Integers, step_x: int, step_y: int) -> Booleans:
    """Which fields have another one so many nodes further; a step is at most two nodes."""
    rows = int(down.max()) + 5
    code = across * rows + down
    return np.isin(code + step_x * rows + step_y, code)
