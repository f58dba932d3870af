"""The channels of an acquisition: which were used, what they are called, how high their planes lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.sources.spacing import place_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tiles2zarr.models import ChannelInfo

_NOISE = 1e-3  # µm


def used_channels(c: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[int]:
    """Indices of the channels that have planes, in order.

    Args:
        c: index of each plane's first channel.
        lengths: how many channels each plane holds.
    """
    spans = np.unique(np.stack([c, lengths]), axis=1).T.tolist()
    return sorted({index for first, count in spans for index in range(first, first + count)})


def distinctly_named(channels: Sequence[ChannelInfo]) -> list[ChannelInfo]:
    """The channels, each with a label of its own: a second ``DAPI`` becomes ``DAPI 2``."""
    taken: set[str] = set()
    named = []
    for channel in channels:
        label, count = channel.channel_label, 1
        while label in taken:
            count += 1
            label = f"{channel.channel_label} {count}"
        taken.add(label)
        named.append(channel.model_copy(update={"channel_label": label}))
    return named


def with_offsets(channels: Sequence[ChannelInfo], offsets: Sequence[float] | None) -> tuple[ChannelInfo, ...]:
    """The channels with their `z_offset`, where they have none yet."""
    if offsets is None:
        return tuple(channels)
    return tuple(
        channel if channel.z_offset is not None else channel.model_copy(update={"z_offset": offset})
        for channel, offset in zip(channels, offsets, strict=True)
    )


def z_offsets(
    focus: NDArray[np.float64], c: NDArray[np.int64], count: int, place: Sequence[NDArray[np.int64]]
) -> list[float] | None:
    """Per channel the median height above the lowest channel at the same place, µm; None where all agree.

    Args:
        focus: height of each plane, µm, NaN where unknown.
        c: index of its channel.
        count: how many channels there are.
        place: codes of what else says which plane it is: image, field of view, z, t.
    """
    code = place_codes(place)
    heights = np.full((int(code.max()) + 1, count), np.nan)
    heights[code, c] = focus
    complete = heights[np.isfinite(heights).all(axis=1)]
    if not len(complete):
        return None
    medians = np.median(complete - complete.min(axis=1, keepdims=True), axis=0)
    offsets = [float(f"{median:.6g}") for median in medians]
    return offsets if max(offsets) - min(offsets) > _NOISE else None
