"""Which stage positions count as a regular grid, and the offsets that it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.placement.grid import GridMisfit, GridPlacement, fit_grid, nearest_pixel

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE = 2000


def fit(
    x: Sequence[float], y: Sequence[float], size: int = SIZE, tolerance: float = 1.0
) -> GridPlacement | GridMisfit:
    sizes = np.full(len(x), size)
    return fit_grid(np.array(x, float), np.array(y, float), sizes, sizes, tolerance=tolerance)


def offsets(
    x: Sequence[float], y: Sequence[float], size: int = SIZE, tolerance: float = 1.0
) -> tuple[list[int], list[int]]:
    grid = fit(x, y, size, tolerance)
    assert isinstance(grid, GridPlacement), grid
    assert grid.x.dtype == grid.y.dtype == np.int64
    return grid.x.tolist(), grid.y.tolist()


def in_row(x: Sequence[float], size: int = SIZE, tolerance: float = 1.0) -> list[int]:
    return offsets(x, [0.0] * len(x), size, tolerance)[0]


def misfit(x: Sequence[float], y: Sequence[float], size: int = SIZE, tolerance: float = 1.0) -> GridMisfit:
    result = fit(x, y, size, tolerance)
    assert isinstance(result, GridMisfit), result
    return result


def test_halves_round_up_and_floating_point_noise_does_not_count() -> None:
    values = np.array([-0.5, 0.4999, 0.5, 1.5, 2.5 - 1e-9, -1.5])

    assert nearest_pixel(values).tolist() == [0, 0, 1, 2, 3, -1]


def test_a_single_field_is_a_grid() -> None:
    assert offsets([71.3], [-9.0]) == ([0], [0])


def test_a_row_and_a_column_are_grids() -> None:
    assert offsets([0, 1999.7, 3999.4], [5, 5.4, 4.8]) == ([0, 2000, 4000], [0, 0, 0])
    assert offsets([5, 5.4, 4.8], [3999.4, 0, 1999.7]) == ([0, 0, 0], [4000, 0, 2000])


def test_a_pitch_within_the_tolerance_of_the_size_becomes_the_size_however_long_the_row() -> None:
    assert in_row([1999.0 * i for i in range(30)]) == [2000 * i for i in range(30)]
    assert in_row([2001.0 * i for i in range(30)]) == [2000 * i for i in range(30)]
    assert in_row([1998.9 * i for i in range(4)]) == [0, 1999, 3998, 5997]


def test_overlapping_and_sparse_grids_keep_their_measured_pitch() -> None:
    assert in_row([230.4 * i for i in range(6)], size=256) == [0, 230, 461, 691, 922, 1152]
    assert in_row([300.25 * i for i in range(5)], size=256) == [0, 300, 601, 901, 1201]


def test_the_pitch_is_refined_over_the_whole_row() -> None:
    jitter = [0.4, -0.4, 0.4, -0.3, 0.2, -0.4, 0.3, -0.2, 0.4, -0.4]
    row = [230.4 * i + jitter[i % 10] for i in range(40)]

    found = np.array(in_row(row, size=256))

    assert np.abs(found - 230.4 * np.arange(40)).max() <= 1


def test_missing_columns_do_not_change_the_pitch() -> None:
    assert in_row([0, 1999.7 * 3, 1999.7 * 4, 1999.7 * 6]) == [0, 6000, 8000, 12000]
    assert in_row([230.4 * i for i in (0, 2, 5, 9)], size=256) == [0, 461, 1152, 2074]


def test_columns_without_a_neighbour_share_a_fraction_of_their_distances() -> None:
    assert in_row([0, 4000, 10000]) == [0, 4000, 10000]
    assert in_row([0, 6000.3, 14000.2, 22000.4]) == [0, 6000, 14000, 22000]


def test_across_a_wide_gap_fields_keep_the_distance_that_the_stage_gave_them() -> None:
    pitch = 1999.7

    assert in_row([0, pitch, 50 * pitch, 51 * pitch]) == [0, 2000, 99985, 101985]


def test_jitter_on_either_side_of_a_wide_gap_is_no_drift() -> None:
    assert in_row([-1, 40001, 42001]) == [0, 40000, 42000]


def test_across_a_narrow_gap_a_long_row_stays_on_the_pitch_of_its_fields() -> None:
    columns = [*range(5), *range(6, 20)]

    assert in_row([1999.7 * i for i in columns]) == [2000 * i for i in columns]


def test_a_brick_layout_is_edge_to_edge_within_its_rows() -> None:
    x = [1999.7 * (column + row % 2 / 2) for row in range(4) for column in range(8)]
    y = [1999.7 * row for row in range(4) for _ in range(8)]

    found = offsets(x, y)

    assert found[0] == [2000 * column + 1000 * (row % 2) for row in range(4) for column in range(8)]
    assert found[1] == [2000 * row for row in range(4) for _ in range(8)]


def test_fields_that_overlap_by_half_are_no_brick_layout() -> None:
    assert in_row([999.7 * i for i in range(10)]) == [int(np.floor(999.7 * i + 0.5)) for i in range(10)]


def test_each_axis_has_its_own_size_and_pitch() -> None:
    x, y = np.meshgrid(2160.2 * np.arange(3), 972.0 * np.arange(4))
    grid = fit_grid(x.ravel(), y.ravel(), np.full(12, 2160), np.full(12, 1080), tolerance=1.0)

    assert isinstance(grid, GridPlacement)
    assert grid.x.tolist() == [0, 2160, 4320] * 4
    assert grid.y.tolist() == np.repeat([0, 972, 1944, 2916], 3).tolist()


def test_touching_names_the_fields_that_have_a_neighbour() -> None:
    corner_to_corner = fit([0, 2000, 10000, 2000], [0, 2000, 0, 8000])
    overlapping = fit([0, 1800, 3600], [0, 0, 0])
    brick = fit([0, 2000, 1000, 3000], [0, 0, 2000, 2000])

    assert isinstance(corner_to_corner, GridPlacement)
    assert corner_to_corner.touching.tolist() == [True, True, False, False]
    assert isinstance(overlapping, GridPlacement)
    assert overlapping.touching.tolist() == [False, False, False]
    assert isinstance(brick, GridPlacement)
    assert brick.touching.tolist() == [True, True, True, True]


def test_the_tolerance_is_inclusive() -> None:
    assert offsets([0, 2000, 4000], [0, 2, 0]) == ([0, 2000, 4000], [0, 0, 0])
    assert misfit([0, 2000, 4000], [0, 2.01, 0]).field == 1


def test_jitter_of_the_whole_tolerance_still_fits_where_least_squares_alone_would_not() -> None:
    x = [-1, -1, -1, 1, 3000 + 1, 3000 + 1, 3000 + 1, 3000 - 1]
    y = [3000 * (i % 4) for i in range(8)]

    assert offsets(x, y) == ([0] * 4 + [3000] * 4, y)


def test_the_worst_field_is_named_with_its_distance_and_the_remedies() -> None:
    x, y = np.meshgrid(2000.0 * np.arange(10), 2000.0 * np.arange(10))
    x[4, 7] += 20

    found = misfit(x.ravel().tolist(), y.ravel().tolist())

    assert found.field == 47
    assert found.problem == (
        "expected within 1 px of a node of a regular grid (pitch at least half a field and twice "
        "the tolerance), found 20.00 px away at the best pitch, 2000.00 x 2000.00 px; choose tiling mode "
        "Auto, Snap to Corners or Inplace, or a larger tiling_tolerance"
    )


def test_a_field_between_two_columns_is_named() -> None:
    x, y = np.meshgrid(2000.0 * np.arange(6), 2000.0 * np.arange(6))
    x[2, 3] += 800

    assert misfit(x.ravel().tolist(), y.ravel().tolist()).field == 15


def test_two_fields_on_one_node_are_no_grid() -> None:
    found = misfit([0, 2000, 2000.5, 0], [0, 0, 0, 2000])

    assert found.field == 2
    assert found.problem == (
        "expected a grid node of its own, found 0.25 px from another field's; choose tiling "
        "mode Auto, Snap to Corners or Inplace"
    )


def test_unequal_fields_are_no_grid() -> None:
    found = fit_grid(
        np.array([0.0, 2000.0]), np.zeros(2), np.array([2000, 1000]), np.array([2000, 2000]), tolerance=1.0
    )

    assert found == GridMisfit(
        1,
        "expected 2000 x 2000 px like the first field, as a grid has equal fields, found 1000 x 2000 px; "
        "choose tiling mode Auto, Snap to Corners or Inplace",
    )


def test_fields_closer_than_half_their_size_are_no_grid() -> None:
    assert isinstance(fit([0, 800, 1600, 2400], [0, 0, 0, 0]), GridMisfit)
    assert isinstance(fit([0, 90, 180, 270], [0, 0, 0, 0], size=256, tolerance=40), GridMisfit)


def test_a_camera_turned_against_the_stage_makes_no_grid() -> None:
    x, y = np.meshgrid(2000.0 * np.arange(8), 2000.0 * np.arange(8))

    assert isinstance(fit((x - y / 1000).ravel().tolist(), (y + x / 1000).ravel().tolist()), GridMisfit)


@given(st.integers(0, 2**32 - 1), st.integers(8, 40))
def test_random_sparse_positions_are_no_grid(seed: int, fields: int) -> None:
    x, y = np.random.default_rng(seed).uniform(0, 100 * SIZE, (2, fields))

    assert isinstance(fit(x.tolist(), y.tolist()), GridMisfit)


def test_a_tolerance_larger_than_the_fields_still_finds_the_grid() -> None:
    assert offsets([0, 256, 512, 0], [0, 0, 0, 256], size=256, tolerance=10_000) == (
        [0, 256, 512, 0],
        [0, 0, 0, 256],
    )


def test_a_larger_tolerance_is_recommended_only_where_it_would_be_used() -> None:
    large = misfit([0, 256, 512], [0, 100, 200], size=256, tolerance=10_000).problem
    small = misfit([0, 256, 512], [0, 5, 10], size=256).problem

    assert "expected within 64 px" in large and large.endswith("Snap to Corners or Inplace")
    assert small.endswith("or a larger tiling_tolerance")


@st.composite
def lattices(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Distinct nodes (x, y), pitch in fields, tolerance."""
    nodes = draw(
        st.lists(st.tuples(st.integers(0, 11), st.integers(0, 7)), min_size=1, max_size=40, unique=True)
    )
    both = np.array(nodes, dtype=np.int64)
    pitch = draw(st.sampled_from([0.6, 0.85, 0.9, 1.0, 1.1, 1.5, 3.0]))
    return both[:, 0], both[:, 1], pitch, draw(st.sampled_from([0.0, 0.5, 1.0, 3.0]))


@given(lattices(), st.integers(0, 2**32 - 1))
def test_a_filled_axis_is_recovered_from_jittered_positions(
    lattice: tuple[np.ndarray, np.ndarray, float, float], seed: int
) -> None:
    column, row, ratio, tolerance = lattice
    # Numbered without gaps, the columns and rows in use are neighbours: the pitch is then known.
    column, row = (np.unique(axis, return_inverse=True)[1].reshape(-1) for axis in (column, row))
    pitch = ratio * SIZE + 0.3 * (ratio != 1)
    jitter = np.random.default_rng(seed).uniform(-tolerance / 2, tolerance / 2, (2, column.size))

    grid = fit(
        (column * pitch + jitter[0] - 777).tolist(), (row * pitch + jitter[1]).tolist(), SIZE, tolerance
    )

    assert isinstance(grid, GridPlacement)
    for placed, node in ((grid.x, column), (grid.y, row)):
        if ratio == 1:
            assert placed.tolist() == (node * SIZE).tolist()
        else:
            assert np.abs(placed - node * pitch).max() <= tolerance + 0.5 + 1e-6
        assert len(set(zip(placed.tolist(), node.tolist(), strict=True))) == len(set(node.tolist()))
