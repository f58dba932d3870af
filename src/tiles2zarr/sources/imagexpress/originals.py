"""Which files show planes that were taken, and which are copies that an export put where nothing was taken."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

from tiles2zarr.sources.projections import projection_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tiles2zarr.sources.imagexpress.folders import ImageFile
    from tiles2zarr.sources.imagexpress.metaseries import PlaneInfo

_ELSE = 10**9  # behind every number of a folder


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plane belongs.

    Attributes:
        projection: how planes were made one; empty for a plane that was taken.
        z: number of the plane, 0 for projections.
        t: number of the timepoint.
    """

    projection: str
    z: int
    t: int


@dataclass(frozen=True, slots=True)
class Copy:
    """A file that shows what another one shows.

    Attributes:
        index: of the file.
        place: the place that it fills, where nothing was taken.
    """

    index: int
    place: Place


@dataclass(frozen=True, slots=True)
class Originals:
    """The files of a plate, sorted out.

    Attributes:
        indices: of the files that show planes.
        places: where each of them belongs.
        copies: the other files.
        replaced: files that cannot be read, and that a copy stands for.
    """

    indices: list[int]
    places: list[Place]
    copies: list[Copy]
    replaced: list[int]


def originals_of(
    images: Sequence[ImageFile], infos: Sequence[PlaneInfo], damaged: Collection[int] = ()
) -> Originals:
    """Sort the files of a plate out, by what their metadata say, and only else by their folders.

    Args:
        images: the files.
        infos: what each of them says of itself.
        damaged: indices of those that cannot be read; where a copy shows what should be in their place, it does.
    """
    chosen: dict[object, int] = {}
    same: list[object] = []
    for index, (image, info) in enumerate(zip(images, infos, strict=True)):
        same.append(_identity(index, image, info))
        best = chosen.setdefault(same[-1], index)
        if _distance(image, info) < _distance(images[best], infos[best]):
            chosen[same[-1]] = index
    indices = sorted(chosen.values())
    stacks = {_series(images[index]) for index in indices if images[index].z_step}
    kinds = {index: _kind(images[index], infos[index], stacks) for index in indices}
    places = _places(images, infos, kinds)
    projection = Counter(kind for kind in kinds.values() if kind).most_common(1)
    copies = [
        Copy(index, _filled(images[index], places[chosen[key]], projection[0][0] if projection else ""))
        for index, key in enumerate(same)
        if chosen[key] != index
    ]
    readable = {(_series(images[index]), places[index]) for index in indices if index not in damaged}
    replaced = [index for index in damaged if (_series(images[index]), places[index]) in readable]
    kept = [index for index in indices if index not in replaced] if replaced else indices
    return Originals(kept, [places[index] for index in kept], copies, replaced)


def _identity(index: int, image: ImageFile, info: PlaneInfo) -> object:
    """Equal for files that show the same; of its own for one that does not say when it was taken."""
    if not info.is_described or isnan(info.acquired):
        return index
    # Where nothing says which plane of a stack it is, stacks taken within a millisecond must not become one plane.
    guid = "" if info.projection or info.z_step else info.guid
    taken = (info.acquired, info.projection, info.z_step, info.timepoint, info.focus, guid)
    return (image.well, image.site, image.wave, *taken)


def _distance(image: ImageFile, info: PlaneInfo) -> tuple[bool, bool, int, int, str]:
    """The smaller, the nearer a file lies to where its metadata say that it belongs."""
    other_time = None not in (info.timepoint, image.timepoint) and info.timepoint != image.timepoint
    if info.projection:
        other_place = bool(image.z_step)
    elif info.z_step is not None:
        other_place = image.z_step not in (None, info.z_step)
    else:
        other_place = image.z_step == 0
    timepoint = _ELSE if image.timepoint is None else image.timepoint
    return other_time, other_place, timepoint, _ELSE if image.z_step is None else image.z_step, image.path


def _series(image: ImageFile) -> tuple[str, int, int]:
    """What a stack is a stack of."""
    return image.well, image.site, image.wave


def _kind(image: ImageFile, info: PlaneInfo, stacks: Collection[tuple[str, int, int]]) -> str:
    """Which projection a file shows; empty for a plane that was taken.

    Early versions do not say it. Then a file in the folder of projections is one if its planes lie beside it, and a
    single plane else.
    """
    if info.projection:
        return projection_name(info.projection)
    if info.z_step is not None or image.z_step or not stacks:
        return ""
    is_projection = _series(image) in stacks if info.is_described else True
    return "maximum" if is_projection else ""


def _places(
    images: Sequence[ImageFile], infos: Sequence[PlaneInfo], kinds: dict[int, str]
) -> dict[int, Place]:
    """Where each file belongs: as its metadata say, unless two then claim one place and their folders part them."""
    for by_z, by_t in ((True, True), (True, False), (False, True), (False, False)):
        places = {
            index: Place(
                kind,
                _number(infos[index].z_step, images[index].z_step, said_first=by_z) if not kind else 0,
                _number(infos[index].timepoint, images[index].timepoint, said_first=by_t),
            )
            for index, kind in kinds.items()
        }
        if by_z and by_t:
            said = places
        distinct = {(images[i].well, images[i].site, images[i].wave, place) for i, place in places.items()}
        if len(distinct) == len(places):
            return places
    return said


def _number(said: int | None, folder: int | None, *, said_first: bool) -> int:
    first, second = (said, folder) if said_first else (folder, said)
    return next((number for number in (first, second) if number), 1)


def _filled(image: ImageFile, original: Place, projection: str) -> Place:
    """The place that the folder of a copy stands for."""
    t = original.t if image.timepoint is None else image.timepoint
    if image.z_step is None:
        return Place(original.projection, original.z, t)
    return Place("", image.z_step, t) if image.z_step else Place(projection, 0, t)
