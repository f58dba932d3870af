"""Planes that are not there because the instrument says that it failed."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.sources.base import KnownGap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tiles2zarr.models import AcquisitionDetails
    from tiles2zarr.sources.planes import NotTaken, Planes


def known_gaps(part: Planes, details: AcquisitionDetails) -> Iterator[KnownGap]:
    """Each plane that is not there where the instrument says that it failed.

    Args:
        part: numbers of planes and timepoints count from 0, indices of channels into those of `details`.
        details: what its planes share.
    """
    if not part.not_taken:
        return
    sizes = (int(part.t.max()) + 1, len(details.channels or ()), int(part.z.max()) + 1)
    fields: dict[int, set[int]] = {}
    for collection, seen in np.unique(np.stack([part.collection, part.field]), axis=1).T.tolist():
        fields.setdefault(collection, set()).add(seen)
    columns = (part.collection, part.field, part.t, part.c, part.z)
    taken = set(zip(*(column.tolist() for column in columns), strict=True))
    told: set[tuple[int, ...]] = set()
    for gap in part.not_taken:
        seen = fields.get(gap.collection, set())
        for view in sorted(seen if gap.field is None else seen & {gap.field}):
            for place in _places(gap, sizes):
                key = (gap.collection, view, *place)
                if key not in taken and key not in told:
                    told.add(key)
                    t, c, z = place
                    yield KnownGap(
                        image=part.collections[gap.collection].path(),
                        fov_name=part.field_names[view],
                        c=c,
                        z=z * details.z_spacing,
                        t=t * details.t_spacing,
                        reason=gap.reason,
                    )


def _places(gap: NotTaken, sizes: tuple[int, int, int]) -> Iterator[tuple[int, ...]]:
    """Timepoint, channel and z-plane of each plane that a failure may stand for."""
    times, channels, depths = sizes
    axes = (
        range(times) if gap.t is None else range(gap.t, gap.t + 1),
        range(channels) if gap.c is None else range(gap.c, gap.c + gap.length_c),
        range(depths) if gap.z is None else range(gap.z, gap.z + 1),
    )
    for place in product(*axes):
        if all(0 <= number < size for number, size in zip(place, sizes, strict=True)):
            yield place
