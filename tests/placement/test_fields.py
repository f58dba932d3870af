"""From stage positions to pixel offsets, in every tiling mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tiles2zarr.errors import OptionsError, PlacementError
from tiles2zarr.placement.fields import FieldPlacement, place_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MODES = ("Auto", "Snap to Grid", "Snap to Corners", "Inplace")
seeds = st.integers(0, 2**32 - 1)
lattices = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40, unique=True)


def placed(
    x: Sequence[float] | NDArray[np.float64],
    y: Sequence[float] | NDArray[np.float64],
    size: int,
    tiling: str = "Auto",
    tolerance: float = 1.0,
) -> FieldPlacement:
    sizes = np.full(len(x), size, dtype=np.int64)
    return place_fields(
        np.asarray(x, dtype=float),
        np.asarray(y, dtype=float),
        sizes,
        sizes,
        tiling=tiling,
        tolerance=tolerance,
    )


def places(placement: FieldPlacement) -> list[tuple[int, int]]:
    return list(zip(placement.x.tolist(), placement.y.tolist(), strict=True))


def test_inplace_rounds_each_field_to_the_nearest_pixel_halves_up() -> None:
    placement = placed([10.25, 11.75, 12.0, 30.74], [-7, -5.1, -6.5, -7], 256, "Inplace")

    assert places(placement) == [(0, 0), (2, 2), (2, 1), (20, 0)]
    assert placement.tiling == "Inplace"
    assert placement.displacement == pytest.approx([0, np.hypot(0.5, 0.1), np.hypot(0.25, 0.5), 0.49])


def test_the_displacement_of_a_snapped_field_is_its_distance_to_where_the_stage_put_it() -> None:
    placement = placed([0, 1999.7, 0, 1999.7], [0, 0, 1999.6, 1999.6], 2000)

    assert placement.displacement == pytest.approx([0, 0.3, 0.4, 0.5])


def test_cellvoyager_cv8000_fields_650_micrometres_apart_touch() -> None:
    x = np.array([-567.1, 82.8, -567.1, 82.8]) / 0.325
    y = np.array([-247.0, -247.0, 402.9, 402.9]) / 0.325

    for tiling in ("Auto", "Snap to Grid", "Snap to Corners"):
        assert places(placed(x, y, 2000, tiling)) == [(0, 0), (2000, 0), (0, 2000), (2000, 2000)]
    assert places(placed(x, y, 2000, "Inplace")) == [(0, 0), (2000, 0), (0, 2000), (2000, 2000)]


def test_operetta_fields_exactly_one_field_apart_touch() -> None:
    for tiling in MODES:
        assert places(placed([-1080.0, 0.0], [540.0, 540.0], 1080, tiling)) == [(0, 0), (1080, 0)]


def test_metaxpress_sites_keep_their_overlap() -> None:
    x, y = (np.array(axis, dtype=float) * 315 / 1.3672 for axis in zip(*np.ndindex(3, 3), strict=True))

    placement = placed(x, y, 256)

    assert placement.tiling == "Snap to Grid"
    assert places(placement) == [(a, b) for a in (0, 230, 461) for b in (0, 230, 461)]
    assert placement.displacement.max() < 0.71


def test_a_spiral_without_its_corner_fields_is_a_grid() -> None:
    order = [(2, 2), (3, 2), (3, 3), (2, 3), (1, 3), (1, 2), (1, 1), (2, 1), (3, 1), (4, 1), (4, 2), (4, 3)]
    order += [(3, 4), (2, 4), (1, 4), (0, 3), (0, 2), (0, 1), (1, 0), (2, 0), (3, 0)]
    x, y = (np.array(axis) * 1999.7 for axis in zip(*order, strict=True))

    placement = placed(x, y, 2000)

    assert placement.tiling == "Snap to Grid"
    assert places(placement) == [(2000 * column, 2000 * row) for column, row in order]


def test_auto_takes_corners_where_the_camera_is_turned_against_the_stage() -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(1080.0 * np.arange(6), 1080.0 * np.arange(6)))

    placement = placed(x - y * 0.0008, y + x * 0.0008, 1080)

    assert placement.tiling == "Snap to Corners"
    assert places(placement) == list(zip(x.astype(int).tolist(), y.astype(int).tolist(), strict=True))


def test_auto_takes_corners_where_a_grid_would_carry_a_lone_field_along() -> None:
    x = [*(1999.2 * i for i in range(20)), 1999.2 * 19]
    y = [0.0] * 20 + [1999.2 * 9]

    automatic, grid = placed(x, y, 2000), placed(x, y, 2000, "Snap to Grid")

    assert automatic.tiling == "Snap to Corners"
    assert places(automatic)[:20] == places(grid)[:20] == [(2000 * i, 0) for i in range(20)]
    assert places(automatic)[20] == (37985, 17993)
    assert places(grid)[20] == (38000, 17993)


def test_auto_takes_corners_for_fields_of_different_sizes() -> None:
    placement = place_fields(
        np.array([0.0, 199.8]),
        np.zeros(2),
        np.array([200, 50]),
        np.array([100, 100]),
        tiling="Auto",
        tolerance=1,
    )

    assert placement.tiling == "Snap to Corners"
    assert places(placement) == [(0, 0), (200, 0)]


def test_sparse_fields_are_not_moved() -> None:
    """A peer moved such fields by 17 µm."""
    x = np.array([-1203.4, 455.1, 2307.9, 91.2, -640.0]) / 0.325
    y = np.array([880.3, -1290.6, 77.7, 1544.4, -35.5]) / 0.325

    placement = placed(x, y, 2000)

    assert placement.displacement.max() < 0.71
    assert places(placement) == places(placed(x, y, 2000, "Inplace"))


def test_snap_to_grid_refuses_what_is_no_grid_and_names_the_worst_field() -> None:
    with pytest.raises(
        PlacementError, match=r"^field 2: expected within 1 px of .* found 700\.00 px away"
    ) as caught:
        placed(
            [0, 2000, 4000, 6000, 0, 2000, 4000, 6000],
            [0, 0, 700, 0, 2000, 2000, 2000, 2000],
            2000,
            "Snap to Grid",
        )

    assert "larger tiling_tolerance" in str(caught.value)


def test_an_unknown_tiling_mode_is_refused() -> None:
    with pytest.raises(OptionsError, match="found 'Diagonal'"):
        placed([0.0], [0.0], 100, "Diagonal")


positions = st.lists(
    st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)) | st.tuples(st.integers(0, 5), st.integers(0, 5)),
    min_size=1,
    max_size=30,
)


@given(positions, st.sampled_from(["Auto", "Snap to Corners", "Inplace"]), st.sampled_from([2, 3, 256]))
def test_offsets_are_whole_and_begin_at_zero(
    points: list[tuple[float, float]], tiling: str, size: int
) -> None:
    x, y = zip(*points, strict=True)

    placement = placed(x, y, size, tiling)

    assert placement.x.dtype == placement.y.dtype == np.int64
    assert placement.x.shape == placement.y.shape == placement.displacement.shape == (len(points),)
    assert placement.x.min() == placement.y.min() == 0
    if tiling == "Inplace":
        assert placement.displacement.max() < 0.71


@given(lattices, st.sampled_from([0.9, 0.9999, 1.0, 1.7]), st.booleans(), st.sampled_from(MODES), seeds)
def test_the_order_of_the_fields_is_of_no_consequence(
    nodes: list[tuple[int, int]], ratio: float, brick: bool, tiling: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    column, row = np.array(nodes, dtype=float).T
    x = (column + brick * (row % 2) / 2) * ratio * 500 + random.uniform(-0.6, 0.6, len(nodes))
    y = row * ratio * 500 + random.uniform(-0.6, 0.6, len(nodes))
    order = random.permutation(len(nodes))

    try:
        straight = placed(x, y, 500, tiling)
    except PlacementError:
        with pytest.raises(PlacementError):
            placed(x[order], y[order], 500, tiling)
        return
    shuffled = placed(x[order], y[order], 500, tiling)

    assert shuffled.tiling == straight.tiling
    assert shuffled.x.tolist() == straight.x[order].tolist()
    assert shuffled.y.tolist() == straight.y[order].tolist()
    assert shuffled.displacement.tolist() == straight.displacement[order].tolist()


@given(
    st.integers(1, 8),
    st.integers(1, 8),
    st.sampled_from([64, 255, 256, 2000]),
    st.sampled_from([0.0, 0.5, 1.0, 4.0]),
    st.sampled_from(["Auto", "Snap to Grid", "Snap to Corners"]),
    seeds,
)
def test_a_jittered_touching_grid_becomes_exactly_edge_to_edge(
    columns: int, rows: int, size: int, tolerance: float, tiling: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    column, row = (axis.ravel() for axis in np.meshgrid(np.arange(columns), np.arange(rows)))
    jitter = random.uniform(-tolerance / 2, tolerance / 2, (2, column.size))
    origin = random.uniform(-1e5, 1e5, 2)

    placement = placed(
        origin[0] + column * size + jitter[0], origin[1] + row * size + jitter[1], size, tiling, tolerance
    )

    assert placement.x.tolist() == (column * size).tolist()
    assert placement.y.tolist() == (row * size).tolist()


@given(lattices, st.sampled_from([0.0, 1.0, 4.0]), st.sampled_from(["Auto", "Snap to Corners"]), seeds)
def test_neighbours_of_a_grid_with_holes_are_edge_to_edge(
    nodes: list[tuple[int, int]], tolerance: float, tiling: str, seed: int
) -> None:
    column, row = np.array(nodes).T
    jitter = np.random.default_rng(seed).uniform(-tolerance / 2, tolerance / 2, (2, column.size))

    placement = placed(column * 256 + jitter[0], row * 256 + jitter[1], 256, tiling, tolerance)

    step_x, step_y = column[:, None] - column, row[:, None] - row
    beside = (np.abs(step_x) <= 1) & (np.abs(step_y) <= 1)
    assert ((placement.x[:, None] - placement.x)[beside] == 256 * step_x[beside]).all()
    assert ((placement.y[:, None] - placement.y)[beside] == 256 * step_y[beside]).all()


@given(lattices, st.floats(0.52, 4), st.sampled_from([0.0, 1.0, 4.0]), st.floats(0, 2), seeds)
def test_auto_moves_overlapping_and_sparse_fields_by_no_more_than_tolerance_and_rounding(
    nodes: list[tuple[int, int]], ratio: float, tolerance: float, jitter: float, seed: int
) -> None:
    size = 500
    column, row = np.array(nodes).T
    offsets = np.random.default_rng(seed).uniform(-jitter, jitter, (2, column.size)) * tolerance
    x, y = column * ratio * size + offsets[0], row * ratio * size + offsets[1]
    # No two fields may be edge to edge on any axis, be it by accident.
    for axis in (x, y):
        assume(
            (np.abs(np.abs(axis[:, None] - axis) - size) > 2 * tolerance + 4 * jitter * tolerance + 1).all()
        )

    assert placed(x, y, size, "Auto", tolerance).displacement.max() <= tolerance + 1


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), min_size=1, max_size=12),
    st.sampled_from([0.0, 1.0, 4.0]),
)
def test_auto_moves_no_field_of_a_random_sparse_layout_further(
    points: list[tuple[float, float]], tolerance: float
) -> None:
    x, y = np.array(points).T
    apart = np.maximum(np.abs(x[:, None] - x), np.abs(y[:, None] - y)) + 1e9 * np.eye(len(points))
    assume(apart.min() > 520)

    assert placed(x, y, 500, "Auto", tolerance).displacement.max() <= tolerance + 1
