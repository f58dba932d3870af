"""Planes that an image has no tile for: known gaps, and losses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.job import PlaneRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core.placed_image import PlacedImage

#: More places than this in one image are no layout of a microscope, but a wrong spacing.
MOST_PLACES = 2**28
#: Why planes are filled whose file the source names and nobody finds.
FILE_MISSING = "file missing"


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of z-planes of one field of view, channel and timepoint that no tile fills.

    Attributes:
        fov_name: the field of view.
        c: channel index.
        t: timepoint.
        z_start: first missing z-plane.
        z_stop: the z-plane behind the last missing one.
        known: the acquisition never took them; else they are lost.
        reason: why, in a few words.
    """

    fov_name: str
    c: int
    t: int
    z_start: int
    z_stop: int
    known: bool
    reason: str


def count_places(placed: PlacedImage) -> int:
    """How many planes the image would hold if every field of view had all of them."""
    shape = placed.shape
    return len(placed.fields) * shape.t * shape.c * shape.z


def never_acquired(images: Sequence[PlacedImage]) -> tuple[PlaneRun, ...]:
    """The planes that the acquisition of these images never took: no field of view of any image has them.

    A single field of view cannot be compared with others: what it lacks counts as never acquired where the
    channel took every plane of a regular series of timepoints and z-planes (every third timepoint, one plane
    of a stack). Planes that no channel has are never counted: they are a wrong spacing, or losses.

    Args:
        images: all images of one acquisition.
    """
    largest = [max(placed.shape[axis] for placed in images) for axis in range(3)]
    taken = np.zeros(largest, bool)  # axes t, c, z
    for placed in images:
        planes = placed.planes()
        taken[planes.t, planes.c, planes.z] = True
    if taken.all():
        return ()
    is_alone = sum(len(placed.fields) for placed in images) == 1
    never = ~taken & np.any(taken, axis=1, keepdims=True)
    for c in range(largest[1]):
        if is_alone and taken[:, c].any() and not _is_regular(taken[:, c]):
            never[:, c] = False
    return tuple(
        PlaneRun(int(c), int(t), start, stop)
        for t, c in np.argwhere(never.any(axis=2))
        for start, stop in _runs(never[t, c])
    )


def find_gaps(
    placed: PlacedImage,
    never: Iterable[PlaneRun],
    declared: Mapping[tuple[str, int, int, int], str],
    lost: NDArray[np.bool_] | None = None,
) -> list[Gap]:
    """Every plane of the image that no tile fills, as runs along z.

    Args:
        placed: the image.
        never: planes that its acquisition never took.
        declared: gaps that the source declares, (field of view, c, t, z) → reason.
        lost: for each tile whether its file is gone, so that it fills nothing; None: none is.
    """
    lost = np.zeros(len(placed.image.tiles), bool) if lost is None else lost
    present = _presence(placed, ~lost)
    if present.all():
        return []
    known = np.zeros(present.shape[1:], bool)  # axes t, c, z
    for run in never:
        known[run.t : run.t + 1, run.c : run.c + 1, run.z_start : run.z_stop] = True
    gone = _presence(placed, lost)
    gaps = []
    for field, t, c in np.argwhere(~present.all(axis=3)):
        name = placed.fields.names[field]
        for start, stop in _runs(~present[field, t, c]):
            missing = Gap(name, int(c), int(t), start, stop, False, "no tile")
            gaps += _split(missing, gone[field, t, c], known[t, c], declared)
    return gaps


def _presence(placed: PlacedImage, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether some of the tiles have a plane of a field of view, axes field, t, c, z."""
    planes, shape = placed.planes(), placed.shape
    of = rows[planes.tile]
    present = np.zeros((len(placed.fields), shape.t, shape.c, shape.z), bool)
    present[placed.field_of_tiles()[planes.tile[of]], planes.t[of], planes.c[of], planes.z[of]] = True
    return present


def _is_regular(taken: NDArray[np.bool_]) -> bool:
    """Whether a channel's planes (axes t, z) are timepoints of a regular series times z-planes of another."""
    times, depths = np.flatnonzero(taken.any(axis=1)), np.flatnonzero(taken.any(axis=0))
    steady = all(len(steps) < 2 or np.ptp(np.diff(steps)) == 0 for steps in (times, depths))
    return steady and bool(taken[np.ix_(times, depths)].all())


def _split(
    run: Gap,
    gone: NDArray[np.bool_],
    known: NDArray[np.bool_],
    reasons: Mapping[tuple[str, int, int, int], str],
) -> list[Gap]:
    """A run cut where its planes are missing for different reasons."""

    def why(z: int) -> tuple[bool, str]:
        if gone[z]:
            return False, FILE_MISSING
        declared = reasons.get((run.fov_name, run.c, run.t, z))
        if declared is not None:
            return True, declared
        return (
            (True, "the channel has no such plane in any field of view") if known[z] else (False, run.reason)
        )

    gaps: list[Gap] = []
    for z in range(run.z_start, run.z_stop):
        is_known, reason = why(z)
        if gaps and (gaps[-1].known, gaps[-1].reason) == (is_known, reason):
            gaps[-1] = replace(gaps[-1], z_stop=z + 1)
        else:
            gaps.append(replace(run, z_start=z, z_stop=z + 1, known=is_known, reason=reason))
    return gaps


def _runs(missing: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(missing.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def gap_columns(gaps: Iterable[Gap]) -> dict[str, list[Any]]:
    """Gaps as the columns of a table; z_stop is the plane behind the last missing one."""
    rows = list(gaps)
    return {
        "fov_name": [gap.fov_name for gap in rows],
        "c": [gap.c for gap in rows],
        "t": [gap.t for gap in rows],
        "z_start": [gap.z_start for gap in rows],
        "z_stop": [gap.z_stop for gap in rows],
        "known": ["yes" if gap.known else "no" for gap in rows],
        "reason": [gap.reason for gap in rows],
    }
