"""The place of planes in an image, as every message says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tiles2zarr.models import ChannelInfo


def place_in_words(
    channels: Sequence[ChannelInfo] | None,
    c: tuple[int, int],
    z: tuple[float, float],
    t: tuple[float, float],
) -> str:
    """Where planes lie in an image, such as ``DAPI, z-plane 2, timepoint 1``.

    Args:
        channels: of the acquisition; None or too few where nobody named them.
        c: first and last channel index.
        z: first and last z-plane, counted from 0.
        t: first and last timepoint, counted from 0.
    """
    labels = dict.fromkeys(_label(channels, index) for index in c)
    return f"{' to '.join(labels)}, {_numbered('z-plane', *z)}, {_numbered('timepoint', *t)}"


def _label(channels: Sequence[ChannelInfo] | None, index: int) -> str:
    is_named = channels is not None and index < len(channels)
    return channels[index].channel_label if channels is not None and is_named else f"channel_{index}"


def _numbered(noun: str, first: float, last: float) -> str:
    return f"{noun} {first:.15g}" if first == last else f"{noun}s {first:.15g} to {last:.15g}"
