"""Which of the instrument's TimePoint numbers are the same moment, and which moment comes when.

TimePoint is no clock. A measurement may have several timelines, each a schedule of its own with wells, channels
and times; their numbers may go on from one timeline to the next, or start again. The rule, well by well:

1. Timepoints are the ranks of the TimePoint numbers that the well has.
2. Where channels (or fields) of a well have different numbers, those of any two being either the same or all
   different, and as many, they were taken in turns: the n-th number of each is the n-th timepoint.
3. Where two timelines of a measurement take the same channel of the same plane under the same TimePoint, the
   later timeline comes after the earlier one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.sources.yokogawa.records import Failure, Records

_TIMELINE = 10**6  # more than any TimePoint


@dataclass(frozen=True, slots=True)
class Timing:
    """The timepoints of a measurement.

    Attributes:
        t: of each record, from 0.
        places: timepoint per row, column and moment.
        by_timeline: a moment is a timeline and a TimePoint, not a TimePoint alone.
    """

    t: NDArray[np.int64]
    places: Mapping[tuple[int, int, int], int]
    by_timeline: bool

    def of_failure(self, failure: Failure) -> int | None:
        """The timepoint at which something failed; None where none of its well fits."""
        if failure.row is None or failure.column is None:
            return None
        return self.places.get((failure.row, failure.column, _moment(failure, self.by_timeline)))


def timing_of(records: Records, track: NDArray[np.int64], failures: Sequence[Failure]) -> Timing:
    """Number the timepoints of all wells.

    Args:
        records: all images of a measurement.
        track: a code of each image's kind, channel and field of view.
        failures: a moment at which a whole well failed is none less.
    """
    by_timeline = _repeats(records, track)
    moment = records.timepoint + (records.timeline * _TIMELINE if by_timeline else 0)
    well = records.row * 1000 + records.column
    moments: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for at, used, number in _distinct(well, track, moment):
        moments[at][used].add(number)
    _add_failures(moments, failures, records, track, by_timeline)
    places: dict[tuple[int, int], int] = {}
    for at, by_track in moments.items():
        places.update({(at, number): rank for number, rank in _ranks(by_track.values()).items()})
    pairs, inverse = np.unique(np.stack([well, moment]), axis=1, return_inverse=True)
    ranks = np.array([places[at, number] for at, number in pairs.T.tolist()], np.int64)
    by_place = {(*divmod(at, 1000), number): rank for (at, number), rank in places.items()}
    return Timing(ranks[inverse.ravel()], by_place, by_timeline)


def _ranks(by_track: Iterable[set[int]]) -> dict[int, int]:
    """The timepoint of each number of a well.

    >>> _ranks([{1, 3}, {2, 4}]), _ranks([{1, 2, 3}, {3}])
    ({1: 0, 3: 1, 2: 0, 4: 1}, {1: 0, 2: 1, 3: 2})
    """
    turns = {frozenset(numbers) for numbers in by_track}
    together = frozenset().union(*turns)
    in_turns = len({len(turn) for turn in turns}) == 1 and sum(map(len, turns)) == len(together)
    found: dict[int, int] = {}
    for turn in sorted(turns, key=min) if in_turns else [together]:
        found.update({number: rank for rank, number in enumerate(sorted(turn))})
    return found


def _repeats(records: Records, track: NDArray[np.int64]) -> bool:
    """Whether timelines take the same plane under the same number."""
    if len(np.unique(records.timeline)) < 2:
        return False
    place = np.stack([records.row, records.column, track, records.z, records.timepoint])
    places = np.unique(place, axis=1).shape[1]
    apart = np.unique(np.vstack([place, records.timeline]), axis=1).shape[1]
    return bool(places < apart)


def _distinct(*columns: NDArray[np.int64]) -> list[list[int]]:
    found: list[list[int]] = np.unique(np.stack(columns), axis=1).T.tolist()
    return found


def _moment(failure: Failure, by_timeline: bool) -> int:
    timepoint = failure.timepoint if failure.timepoint is not None else 1
    return timepoint + (failure.timeline * _TIMELINE if by_timeline else 0)


def _add_failures(
    moments: dict[int, dict[int, set[int]]],
    failures: Sequence[Failure],
    records: Records,
    track: NDArray[np.int64],
    by_timeline: bool,
) -> None:
    """Count a moment at which a well failed, if other wells have it: else the later ones would be numbered too low."""
    known = set(map(tuple, _distinct(records.timeline, records.timepoint)))
    taken: dict[int, set[int]] = defaultdict(set)
    for timeline, used in _distinct(records.timeline, track):
        taken[timeline].add(used)
    for failure in failures:
        if failure.row is None or failure.column is None:
            continue
        by_track = moments.get(failure.row * 1000 + failure.column)
        if by_track is not None and (failure.timeline, failure.timepoint) in known:
            # In a well where all of a timeline failed, its tracks are those of other wells.
            tracks = taken[failure.timeline]
            for used in tracks & by_track.keys() or tracks:
                by_track[used].add(_moment(failure, by_timeline))
