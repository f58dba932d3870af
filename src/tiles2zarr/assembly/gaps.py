"""Planes that an image has no tile for: known gaps, and losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.models import AcquisitionDetails

#: More places than this in one image are no layout of a microscope, but a wrong spacing.
MOST_PLACES = 2**28


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


def find_gaps(
    placed: PlacedImage,
    unused_channels: Iterable[int] = (),
    declared: Mapping[tuple[str, int, int, int], str] | None = None,
) -> list[Gap]:
    """Every plane that ought to be there and is not, as runs along z.

    A channel that has fewer z-planes or timepoints than others, at regular steps and in every field of view,
    was acquired so: a known gap. What one field of view lacks and another has is lost.

    Args:
        placed: the image.
        unused_channels: channels that no image of the acquisition has.
        declared: gaps the source declares, (field of view, c, t, z) → reason.
    """
    present = _presence(placed)
    if present.all():
        return []
    expected: NDArray[np.bool_] = np.any(present, axis=0)  # axes t, c, z
    known = np.zeros(present.shape, bool)
    never = ~expected
    for c in range(placed.shape.c):
        if c in unused_channels or _is_regular(expected[:, c]):
            known[:, :, c] |= never[:, c]
    # Planes that no channel has are a hole in the whole image: a wrong spacing, or losses.
    nobody: NDArray[np.bool_] = ~np.any(expected, axis=1)
    known[:, nobody[:, None, :].repeat(placed.shape.c, axis=1)] = False
    gaps = []
    reasons = declared or {}
    for field, t, c in np.argwhere(~present.all(axis=3)):
        name = placed.fields.names[field]
        for start, stop in _runs(~present[field, t, c]):
            gaps += _split(name, int(c), int(t), start, stop, known[field, t, c], reasons)
    return gaps


def _presence(placed: PlacedImage) -> NDArray[np.bool_]:
    planes, fields = placed.planes(), placed.fields
    shape = placed.shape
    field_of = np.empty(int(placed.image.tiles.fov.max()) + 1, np.int64)
    field_of[fields.code] = np.arange(len(fields))
    present = np.zeros((len(fields), shape.t, shape.c, shape.z), bool)
    present[field_of[placed.image.tiles.fov[planes.tile]], planes.t, planes.c, planes.z] = True
    return present


def _is_regular(taken: NDArray[np.bool_]) -> bool:
    """Whether a channel's planes (axes t, z) are timepoints of a regular series times z-planes of another."""
    if not taken.any():
        return False
    times, depths = np.flatnonzero(taken.any(axis=1)), np.flatnonzero(taken.any(axis=0))
    steady = all(len(steps) < 2 or np.ptp(np.diff(steps)) == 0 for steps in (times, depths))
    return steady and bool(taken[np.ix_(times, depths)].all())


def _split(
    name: str,
    c: int,
    t: int,
    start: int,
    stop: int,
    known: NDArray[np.bool_],
    reasons: Mapping[tuple[str, int, int, int], str],
) -> list[Gap]:
    """A run cut where its planes are missing for different reasons."""

    def why(z: int) -> tuple[bool, str]:
        declared = reasons.get((name, c, t, z))
        if declared is not None:
            return True, declared
        return (True, "the channel has no such plane") if known[z] else (False, "no tile")

    gaps: list[Gap] = []
    for z in range(start, stop):
        reason = why(z)
        if gaps and (gaps[-1].known, gaps[-1].reason) == reason:
            gaps[-1] = Gap(name, c, t, gaps[-1].z_start, z + 1, *reason)
        else:
            gaps.append(Gap(name, c, t, z, z + 1, *reason))
    return gaps


def _runs(missing: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(missing.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def unused_channels(images: Sequence[TiledImage[Any, Any]]) -> list[tuple[int, ...]]:
    """Per image the channels that neither it nor another image of its acquisition has."""
    used: dict[AcquisitionDetails, set[int]] = {}
    for image in images:
        spans = np.unique(np.stack([image.tiles.c, image.tiles.length_c]), axis=1).T.tolist()
        channels = used.setdefault(image.details, set())
        channels.update(c for first, count in spans for c in range(first, first + count))
    return [tuple(c for c in range(len(image.channels)) if c not in used[image.details]) for image in images]


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
