"""Fields that meet at corners are placed edge to edge, all others stay where the stage has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.placement.corners import snap_to_corners

if TYPE_CHECKING:
    from collections.abc import Sequence

Fields = list[tuple[float, float, int, int]]


def snapped(fields: Fields, tolerance: float = 1.0) -> list[tuple[int, int]]:
    """(x, y) offsets of fields given as (x, y, width, height)."""
    x, y, width, height = (np.array(column) for column in zip(*fields, strict=True))
    placed_x, placed_y = snap_to_corners(x * 1.0, y * 1.0, width, height, tolerance=tolerance)
    assert placed_x.dtype == placed_y.dtype == np.int64
    return list(zip(placed_x.tolist(), placed_y.tolist(), strict=True))


def squares(places: Sequence[tuple[float, float]], size: int = 100) -> Fields:
    return [(x, y, size, size) for x, y in places]


def step(here: tuple[float, float, int, int], there: tuple[float, float, int, int]) -> tuple[int, int] | None:
    """The exact (x, y) step from one field to another that meets it within 1 px, by definition."""

    def axis(distance: float, here_size: int, there_size: int) -> int | None:
        aligned = [0, here_size - there_size] if here_size != there_size else [0]
        choices = [c for c in (*aligned, here_size, -there_size) if abs(distance - c) <= 1]
        return choices[0] if choices else None

    x, y = axis(there[0] - here[0], here[2], there[2]), axis(there[1] - here[1], here[3], there[3])
    beside = x in (here[2], -there[2]) or y in (here[3], -there[3])
    return None if x is None or y is None or not beside else (x, y)


def test_a_single_field_goes_to_zero() -> None:
    assert snapped(squares([(-3.7, 9.2)])) == [(0, 0)]


def test_neighbours_in_all_eight_directions_become_edge_to_edge() -> None:
    for x in (-100, 0, 100):
        for y in (-100, 0, 100):
            fields = squares([(0, 0), (x + 0.9, y - 0.9)])
            left, top = min(x, 0), min(y, 0)
            # The same field twice meets nobody; it stays a pixel away.
            moved = (x - left, y - top) if (x, y) != (0, 0) else (1, 0)
            origin = (-left, -top) if (x, y) != (0, 0) else (0, 1)
            assert snapped(fields) == [origin, moved]


def test_the_tolerance_is_inclusive_on_each_axis() -> None:
    assert snapped(squares([(0, 0), (101, 1)])) == [(0, 0), (100, 0)]
    assert snapped(squares([(0, 0), (101.1, 0)])) == [(0, 0), (101, 0)]
    assert snapped(squares([(0, 0), (100, 1.6)])) == [(0, 0), (100, 2)]


def test_a_chain_of_neighbours_stays_edge_to_edge_to_its_end() -> None:
    assert snapped(squares([(99.1 * i, 0.3 * i) for i in range(20)])) == [(100 * i, 0) for i in range(20)]


def test_fields_without_neighbours_keep_their_rounded_position() -> None:
    places = [(0.0, 0.0), (150.4, 3.5), (420.6, 950.2), (90.2, 400.49)]

    assert snapped(squares(places)) == [(0, 0), (150, 4), (421, 950), (90, 400)]


def test_a_drifting_group_moves_no_field_outside_of_it() -> None:
    chain = [(101.0 * i, 0.0) for i in range(11)]
    lone = [(3000.2, 40.0), (5000.0, 77.0)]

    assert snapped(squares(chain + lone)) == [(100 * i, 0) for i in range(11)] + [(3000, 40), (5000, 77)]


def test_a_group_goes_where_most_of_its_fields_are() -> None:
    chain = [(1000 + 101.0 * i, 500.4) for i in range(11)]

    # The chain shrinks by 10 px, which its ends share.
    assert snapped(squares([(0.0, 0.0), *chain])) == [(0, 0)] + [(1005 + 100 * i, 500) for i in range(11)]


def test_no_group_begins_before_zero() -> None:
    chain = [(2.0 + 99.0 * i, 500.0) for i in range(11)]

    assert snapped(squares([(0.0, 0.0), *chain])) == [(0, 0)] + [(100 * i, 500) for i in range(11)]


def test_rows_shifted_by_half_a_field_are_edge_to_edge_within_each_row() -> None:
    rows = [[(99.6 * i + 49.8 * (row % 2), 99.6 * row) for i in range(6)] for row in range(2)]

    found = snapped(squares(rows[0] + rows[1]))

    assert found[:6] == [(100 * i, 0) for i in range(6)]
    # Median of what the stage says: 0.4 px too few for each field of the row.
    assert found[6:] == [(49 + 100 * i, 100) for i in range(6)]


def test_fields_of_different_sizes_meet_at_their_own_edges() -> None:
    fields: Fields = [(0.0, 0.0, 200, 100), (199.6, 0.3, 50, 40), (250.2, 0.0, 80, 100), (0.4, 100.3, 60, 30)]

    assert snapped(fields) == [(0, 0), (200, 0), (250, 0), (0, 100)]


def test_fields_of_different_sizes_may_meet_at_their_far_edges() -> None:
    fields: Fields = [(0.0, 0.0, 200, 100), (200.4, 59.7, 50, 40)]

    assert snapped(fields) == [(0, 0), (200, 60)]


def test_fields_at_one_place_stay_together() -> None:
    assert snapped(squares([(0.0, 0.0), (100.7, 0.0), (0.0, 0.0), (100.7, 0.0)])) == [
        (0, 0),
        (100, 0),
        (0, 0),
        (100, 0),
    ]


def test_a_tolerance_larger_than_the_fields_joins_no_overlapping_ones() -> None:
    assert snapped(squares([(0.0, 0.0), (60.0, 0.0)]), tolerance=10_000) == [(0, 0), (60, 0)]
    assert snapped(squares([(0.0, 0.0), (80.0, 0.0)]), tolerance=10_000) == [(0, 0), (100, 0)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 50.0, 99.3, 100.0, 100.8, 150.0, 199.5, 230.0]),
            st.sampled_from([0.0, 0.7, 40.0, 99.5, 100.4, 180.0, 200.2]),
            st.sampled_from([100, 50]),
            st.sampled_from([100, 60]),
        ),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
def test_a_pair_meets_exactly_when_the_definition_says_so(fields: Fields) -> None:
    found = [snapped([fields[0], other]) for other in fields[1:]]

    for other, (here, there) in zip(fields[1:], found, strict=True):
        expected = step(fields[0], other)
        if expected is not None:
            assert (there[0] - here[0], there[1] - here[1]) == expected
        else:
            left, top = min(fields[0][0], other[0]), min(fields[0][1], other[1])
            rounded = [
                (int(np.floor(f[0] - left + 0.5)), int(np.floor(f[1] - top + 0.5)))
                for f in (fields[0], other)
            ]
            assert [here, there] == rounded


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=50, unique=True),
    st.integers(0, 2**32 - 1),
)
def test_every_meeting_pair_of_a_jittered_lattice_is_exact(nodes: list[tuple[int, int]], seed: int) -> None:
    jitter = np.random.default_rng(seed).uniform(-0.4, 0.4, (len(nodes), 2))
    fields = squares([(99.9 * c + dx, 99.9 * r + dy) for (c, r), (dx, dy) in zip(nodes, jitter, strict=True)])

    found = snapped(fields)

    for i, here in enumerate(fields):
        for j, there in enumerate(fields):
            expected = step(here, there) if i != j else None
            if expected is not None:
                assert (found[j][0] - found[i][0], found[j][1] - found[i][1]) == expected
