"""Channels of OME-XML: which of them a page holds, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tiles2zarr.models import ChannelInfo
from tiles2zarr.sources.ome_xml.document import OmeChannel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tiles2zarr.sources.ome_xml.document import OmeImage, OmeObjective, OmeXml

_COLORS = (("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF"))

#: What tells channels of several images apart: the channel, its index if it has no name, and how many alike precede it.
ChannelKey = tuple[OmeChannel, int, int]


def channels_of(image: OmeImage) -> tuple[OmeChannel, ...]:
    """The channels of an image; those that its document does not list are grey and nameless."""
    if len(image.channels) == 1 == image.sizes[1]:
        return image.channels
    listed = sum(channel.samples for channel in image.channels)
    missing = image.sizes[1] - listed
    return image.channels + (OmeChannel("", None, None, None, 1),) * max(missing, 0)


def channel_keys(image: OmeImage) -> tuple[ChannelKey, ...]:
    """One key for each channel of an image, equal for the same channel of another."""
    channels = channels_of(image)
    if len(channels) == 1:
        return ((channels[0], -1 if channels[0].name else 0, 0),)
    keys: dict[ChannelKey, None] = {}
    for index, channel in enumerate(channels):
        key = (channel, -1 if channel.name else index, 0)
        while key in keys:
            key = (channel, key[1], key[2] + 1)
        keys[key] = None
    return tuple(keys)


def with_colors(document: OmeXml, samples: int) -> OmeXml:
    """The document of a TIFF whose pages hold colours, where it forgot to say so.

    Args:
        document: what stands in the TIFF.
        samples: values per pixel of its first page.
    """
    sizes = {image.sizes[1] for image in document.images}
    is_said = any(channel.samples > 1 for image in document.images for channel in image.channels)
    if samples not in (3, 4) or is_said or len(sizes) != 1:
        return document
    size = sizes.pop()
    count = 1 if size == 1 else size // samples
    if (size > 1 and size % samples) or (len(document.pages) and document.pages[:, 3].max() >= count):
        return document
    images = [
        replace(
            image,
            channels=_colors(image, count, samples),
            sizes=(image.sizes[0], count * samples, image.sizes[2]),
        )
        for image in document.images
    ]
    return replace(document, images=tuple(images))


def _colors(image: OmeImage, count: int, samples: int) -> tuple[OmeChannel, ...]:
    """As many colour channels; what is said of single colours is not said of one of them."""
    if len(image.channels) == count:
        return tuple(replace(channel, samples=samples, color=None) for channel in image.channels)
    return (OmeChannel("", None, None, None, samples),) * count


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
