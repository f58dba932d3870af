"""Channels of OME-XML: which of them a page holds, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiles2zarr.models import ChannelInfo
from tiles2zarr.sources.ome_xml.document import OmeChannel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tiles2zarr.sources.ome_xml.document import OmeImage, OmeObjective

_COLORS = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))

#: What tells channels of several images apart: the channel, its index if it has no name, and how many alike precede it.
ChannelKey = tuple[OmeChannel, int, int]


def channels_of(image: OmeImage) -> tuple[OmeChannel, ...]:
    """The channels of an image; those that its document does not list are grey and nameless."""
    listed = sum(channel.samples for channel in image.channels)
    missing = image.sizes[1] - listed
    return image.channels + (OmeChannel("", None, None, None, 1),) * max(missing, 0)


def channel_keys(image: OmeImage) -> tuple[ChannelKey, ...]:
    """One key for each channel of an image, equal for the same channel of another."""
    keys: list[ChannelKey] = []
    for index, channel in enumerate(channels_of(image)):
        key = (channel, -1 if channel.name else index, 0)
        while key in keys:
            key = (channel, key[1], key[2] + 1)
        keys.append(key)
    return tuple(keys)


@dataclass(frozen=True, slots=True)
class ChannelList:
    """The channels of several images.

    Attributes:
        keys: in order.
        firsts: index into `flat` of the first value of each.
        lengths: how many values of `flat` each has: 3 for colours (transparency is left out).
    """

    keys: tuple[ChannelKey, ...]
    firsts: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, all_keys: Iterable[tuple[ChannelKey, ...]]) -> ChannelList:
        """Every channel that occurs, in the order in which they first occur."""
        keys = tuple(dict.fromkeys(key for keys in all_keys for key in keys))
        lengths = [3 if channel.samples in (3, 4) else 1 for channel, _, _ in keys]
        firsts = [sum(lengths[:index]) for index in range(len(lengths))]
        return cls(keys, tuple(firsts), tuple(lengths))

    def flat(self, objective: OmeObjective | None, exposures: Mapping[int, float]) -> tuple[ChannelInfo, ...]:
        """What is said of each value of a pixel.

        Args:
            objective: of the images.
            exposures: by index into `keys`, s.
        """
        infos = []
        for index, (channel, number, _) in enumerate(self.keys):
            label = channel.name or (f"channel_{max(number, 0)}" if self.lengths[index] == 1 else "")
            common = {
                "excitation_nm": channel.excitation_nm,
                "emission_nm": channel.emission_nm,
                "exposure_s": exposures.get(index),
                "objective": objective.name if objective is not None else None,
                "magnification": objective.magnification if objective is not None else None,
                "numerical_aperture": objective.numerical_aperture if objective is not None else None,
            }
            if self.lengths[index] == 1:
                infos.append(ChannelInfo(channel_label=label, color=channel.color, **common))
            else:
                infos += [
                    ChannelInfo(channel_label=f"{label[:190]} {name}".strip(), color=color, **common)
                    for name, color in _COLORS
                ]
        return tuple(infos)
