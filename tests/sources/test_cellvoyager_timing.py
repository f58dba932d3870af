"""TimePoint numbers become timepoints: what holds whatever the numbers are."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.sources.yokogawa.records import Failure, Records
from tiles2zarr.sources.yokogawa.timing import timing_of

# Well, channel, timeline and TimePoint of an image.
IMAGES = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(1, 6)),
    min_size=1,
    max_size=40,
)


def records_of(images: list[tuple[int, int, int, int]]) -> Records:
    well, channel, timeline, timepoint = np.array(images, np.int64).T
    ones = np.ones(len(images), np.int64)
    known = {"row": well, "column": well, "ch": channel, "timeline": timeline, "timepoint": timepoint}
    empty = np.full(len(images), "", object)
    texts = {"names": empty, "projection": empty}
    return Records(**{field.name: (known | texts).get(field.name, ones) for field in fields(Records)})


def times_of(images: list[tuple[int, int, int, int]], failures: tuple[Failure, ...] = ()) -> list[int]:
    records = records_of(images)
    found: list[int] = timing_of(records, records.ch, failures).t.tolist()
    return found


@given(IMAGES)
def test_timepoints_of_a_well_have_no_hole_and_start_at_zero(images: list[tuple[int, int, int, int]]) -> None:
    times = times_of(images)
    for well in {image[0] for image in images}:
        found = {t for image, t in zip(images, times, strict=True) if image[0] == well}
        assert found == set(range(len(found)))


@given(IMAGES)
def test_images_that_differ_never_get_one_place(images: list[tuple[int, int, int, int]]) -> None:
    places: dict[tuple[int, int, int], set[tuple[int, int]]] = {}
    for (well, channel, timeline, timepoint), t in zip(images, times_of(images), strict=True):
        places.setdefault((well, channel, t), set()).add((timeline, timepoint))
    assert all(len(moments) == 1 for moments in places.values())


@given(IMAGES)
def test_within_a_timeline_a_channel_keeps_its_order(images: list[tuple[int, int, int, int]]) -> None:
    found: dict[tuple[int, int, int], dict[int, int]] = {}
    for (well, channel, timeline, timepoint), t in zip(images, times_of(images), strict=True):
        found.setdefault((well, channel, timeline), {})[timepoint] = t
    for numbers in found.values():
        ordered = [numbers[timepoint] for timepoint in sorted(numbers)]
        assert ordered == sorted(set(ordered))


def test_a_channel_of_one_timeline_and_one_of_fewer_timepoints_share_the_clock() -> None:
    first = [(1, 1, 1, number) for number in (1, 2, 3)]
    assert times_of([*first, (1, 2, 2, 3)]) == [0, 1, 2, 2]
    assert times_of([*first, (1, 2, 2, 4)]) == [0, 1, 2, 3]


def test_a_timeline_that_failed_once_in_a_well_still_takes_turns() -> None:
    turns = [(well, ch, ch, number) for well in (1, 2) for ch in (1, 2) for number in (ch, ch + 2)]
    lost = (2, 2, 2, 2)
    failure = Failure("AF Error", 2, 2, None, None, None, 2, 2)
    expected = {image: t for image, t in zip(turns, times_of(turns), strict=True) if image != lost}
    kept = [image for image in turns if image != lost]
    assert times_of(kept, (failure,)) == list(expected.values())


def test_of_timelines_that_repeat_each_other_the_later_comes_later() -> None:
    images = [(1, 1, timeline, number) for timeline in (1, 2) for number in (1, 2)]
    assert times_of(images) == [0, 1, 2, 3]
