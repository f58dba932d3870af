"""Files that share wells as one plate: what each holds becomes fields of view of the same images."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.loader_column import LoaderColumn
from tiles2zarr.errors import SourceError
from tiles2zarr.models import ImageInPlate
from tiles2zarr.sources.planes import NotTaken, Planes

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.models import ChannelInfo, CollectionInterface

# Numbers of a damaged file span more places than can be listed.
_MOST_PLACES = 5_000_000
_SAME = 1e-4  # relative; what rounding of a size may leave
_SIZES = ("pixelsize", "pixelsize_y", "z_spacing")
_COLUMNS = ("z", "t", "x", "y", "height", "width", "acquired", "length_c")


def field_names(field: NDArray[np.int64]) -> tuple[str, ...]:
    """``FOV_1`` and so on, up to the largest number."""
    return tuple(f"FOV_{number + 1}" for number in range(int(field.max(initial=-1)) + 1))


def joined(parts: Sequence[tuple[Path, Planes]]) -> list[Planes]:
    """Parts in which every well lies once, with the channels of all files that have planes of it.

    Wells of different files are one part, too, where they have the same channels and sizes.

    Args:
        parts: each file and its planes; files that share a well number its fields of view one after another.

    Raises:
        SourceError: files that share a well differ in pixel size or z spacing.
    """
    groups: dict[Hashable, list[Planes]] = {}
    for number, members in enumerate(_sharing(parts)):
        shared = _merged([part for _, part in members], _sizes_of(members))
        if len(members) > 1:
            shared = replace(shared, not_taken=(*shared.not_taken, *never_written(shared, "no file has it")))
        sizes = (*(getattr(shared, name) for name in _SIZES), shared.t_spacing)
        is_plate = any(isinstance(image, ImageInPlate) for image in shared.collections)
        groups.setdefault((shared.channels, sizes) if is_plate else number, []).append(shared)
    return [_merged(members, {}) for members in groups.values()]


def never_written(part: Planes, reason: str) -> Iterator[NotTaken]:
    """Places among the fields, channels, planes and timepoints of an image that have no plane.

    For files that list all that was written: what they lack was never taken, as after a run that was stopped, or
    where a channel has a single plane.
    """
    columns, channels = (part.field, part.c, part.z, part.t), np.unique(part.c)
    lengths = dict(zip(part.c.tolist(), _lengths(part).tolist(), strict=True))
    for collection in np.unique(part.collection).tolist():
        rows = part.collection == collection
        found = [np.unique(column[rows], return_inverse=True) for column in columns]
        # All images of a part have the same channels, also those that one of them lacks altogether.
        found[1] = (channels, np.searchsorted(channels, part.c[rows]))
        shape = tuple(len(level) for level, _ in found)
        if np.prod(shape, dtype=object) > _MOST_PLACES:
            continue
        is_missing = np.ones(shape, bool)
        is_missing[tuple(rank.reshape(-1) for _, rank in found)] = False
        for place in np.argwhere(is_missing).tolist():
            field, c, z, t = (int(level[index]) for (level, _), index in zip(found, place, strict=True))
            yield NotTaken(collection, field, c, z, t, reason, lengths[c])


def _sharing(parts: Sequence[tuple[Path, Planes]]) -> list[list[tuple[Path, Planes]]]:
    """The parts, those together that have an image in common, also by way of others."""
    groups: list[tuple[set[CollectionInterface], list[int]]] = []
    for number, (_, part) in enumerate(parts):
        images, members = set(part.collections), [number]
        others = [group for group in groups if group[0] & images]
        for group in others:
            images |= group[0]
            members += group[1]
            groups.remove(group)
        groups.append((images, members))
    ordered = sorted(sorted(members) for _, members in groups)
    return [[parts[number] for number in members] for members in ordered]


def _sizes_of(members: Sequence[tuple[Path, Planes]]) -> dict[str, Any]:
    """Pixel size and z spacing of files that share wells, as far as any of them says."""
    sizes: dict[str, Any] = {}
    for name in _SIZES:
        said = [(file, value) for file, part in members if (value := getattr(part, name)) is not None]
        for file, value in said[1:]:
            if abs(value - said[0][1]) > _SAME * said[0][1]:
                expected = f"{name} {said[0][1]:g} µm as in {said[0][0].name}, which has the same well"
                remedy = "convert each with an acquisition of its own"
                msg = f"{file}: expected {expected}, found {value:g} µm: {remedy}"
                raise SourceError(msg)
        sizes[name] = said[0][1] if said else None
    return sizes


def _merged(parts: Sequence[Planes], sizes: Mapping[str, Any]) -> Planes:
    """Several parts as one; channels that are called alike are one channel."""
    if len(parts) == 1:
        return parts[0]
    channels, indices = _channels(parts)
    images: dict[CollectionInterface, int] = {}
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in ("collection", "field", "c", *_COLUMNS)}
    lost: list[NotTaken] = []
    for part, index in zip(parts, indices, strict=True):
        place = np.array([images.setdefault(image, len(images)) for image in part.collections], np.int64)
        columns["collection"].append(place[part.collection])
        columns["field"].append(part.field)
        columns["c"].append(index[part.c])
        unknown = np.full(len(part), np.nan)
        given = {
            "length_c": _lengths(part),
            "acquired": part.acquired if part.acquired is not None else unknown,
        }
        for name in _COLUMNS:
            columns[name].append(given[name] if name in given else getattr(part, name))
        for gap in part.not_taken:
            c = None if gap.c is None else int(index[gap.c])
            lost.append(replace(gap, collection=int(place[gap.collection]), c=c))
    whole: dict[str, Any] = {name: np.concatenate(arrays) for name, arrays in columns.items()}
    return replace(
        parts[0],
        collections=tuple(images),
        field_names=field_names(whole["field"]),
        channels=channels,
        loaders=LoaderColumn.joined([part.loaders for part in parts]),
        not_taken=tuple(lost),
        is_registered=any(part.is_registered for part in parts),
        **whole,
        **sizes,
    )


def _lengths(part: Planes) -> NDArray[np.int64]:
    return part.length_c if part.length_c is not None else np.ones(len(part), np.int64)


def _channels(parts: Sequence[Planes]) -> tuple[tuple[ChannelInfo, ...], list[NDArray[np.int64]]]:
    """The channels of all parts, by name, and where those of each are among them.

    Colours of a plane stay together; two channels of one part stay two even if they are called alike.
    """
    places: dict[tuple[tuple[str, ...], int], int] = {}
    channels: list[ChannelInfo] = []
    indices = []
    for part in parts:
        lengths = dict(zip(part.c.tolist(), _lengths(part).tolist(), strict=True))
        seen: dict[tuple[str, ...], int] = {}
        index = np.zeros(len(part.channels), np.int64)
        first = 0
        while first < len(part.channels):
            own = part.channels[first : first + lengths.get(first, 1)]
            names = tuple(channel.channel_label for channel in own)
            seen[names] = seen.get(names, 0) + 1
            key = (names, seen[names])
            if key not in places:
                places[key] = len(channels)
                channels += own
            index[first : first + len(own)] = places[key] + np.arange(len(own))
            first += len(own)
        indices.append(index)
    return tuple(channels), indices
