"""The fields of view of a measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tiles2zarr.sources.yokogawa.records import Records
    from tiles2zarr.sources.yokogawa.settings import Geometry


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """The fields of view.

    Attributes:
        names: in the order of their numbers.
        index: of each image, into `names`.
        numbers: the number of each name.
        timelines: the timeline of each name; None: timelines share the fields.
    """

    names: tuple[str, ...]
    index: NDArray[np.int64]
    numbers: tuple[int, ...]
    timelines: tuple[int, ...] | None


def fields_of(records: Records, geometries: Iterable[Geometry]) -> Fields:
    """The fields by number; by timeline and number where timelines go to places of their own.

    Timelines number their fields each from 1. Where one field would lie at places more than half an image apart,
    they are different fields.
    """
    extents = [size.pixelsize * min(size.width, size.height) for size in geometries if size.pixelsize]
    if not extents or not _timelines_differ(records, min(extents) / 2):
        numbers, index = np.unique(records.field, return_inverse=True)
        found = tuple(numbers.tolist())
        return Fields(tuple(f"FOV_{number}" for number in found), index.astype(np.int64), found, None)
    pairs, index = np.unique(np.stack([records.timeline, records.field]), axis=1, return_inverse=True)
    names = tuple(f"FOV_L{timeline}_{number}" for timeline, number in pairs.T.tolist())
    timelines, found = (tuple(row) for row in pairs.tolist())
    return Fields(names, index.ravel().astype(np.int64), found, timelines)


def _timelines_differ(records: Records, most: float) -> bool:
    if len(np.unique(records.timeline)) < 2:
        return False
    place = np.stack([records.row, records.column, records.field])
    _, first, group = np.unique(place, axis=1, return_index=True, return_inverse=True)
    origin = first[group.ravel()]
    is_far = np.hypot(records.x - records.x[origin], records.y - records.y[origin]) > most
    return bool((is_far & (records.timeline != records.timeline[origin])).any())
