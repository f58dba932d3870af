"""Wells that were taken with the same channels.

A measurement may take other channels in other wells. Images that lack a channel because their wells were never to
have it must not be taken for images that lost it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.sources.yokogawa.records import Failure, Records


def well_groups(
    records: Records, channel: NDArray[np.int64], failures: Sequence[Failure]
) -> list[NDArray[np.bool_]]:
    """Where the records of each group of wells are.

    Wells are of one group if they were taken in the same timelines, each of which has channels of its own. A well
    whose channels are some of those of another well in the same timelines lost the others.

    Args:
        records: images of one kind.
        channel: a code of each image's channel.
        failures: a timeline that failed altogether in a well belongs to the well.
    """
    well = records.row * 1000 + records.column
    timelines: dict[int, set[int]] = defaultdict(set)
    channels: dict[int, set[int]] = defaultdict(set)
    for at, timeline, used in np.unique(np.stack([well, records.timeline, channel]), axis=1).T.tolist():
        timelines[at].add(timeline)
        channels[at].add(used)
    known = set().union(*timelines.values()) if timelines else set()
    for failure in failures:
        at = (failure.row or 0) * 1000 + (failure.column or 0)
        if at in timelines and failure.timeline in known:
            timelines[at].add(failure.timeline)
    members: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = defaultdict(list)
    alike: dict[tuple[int, ...], set[frozenset[int]]] = defaultdict(set)
    for at, own in timelines.items():
        alike[tuple(sorted(own))].add(frozenset(channels[at]))
    for at, own in timelines.items():
        key = tuple(sorted(own))
        members[key, _largest(channels[at], alike[key])].append(at)
    return [np.isin(well, members[key]) for key in sorted(members)]


def _largest(own: set[int], others: Iterable[frozenset[int]]) -> tuple[int, ...]:
    """The largest of some sets that holds all of this one."""
    around = [tuple(sorted(other)) for other in others if own <= other]
    return max(around, key=lambda found: (len(found), found))
