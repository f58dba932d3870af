"""What OME-XML says of one image.

Elements and attributes are those of the schema of 2016-06, which demands an order of elements: the tests hold them
against the model of ome-types, whose import takes longer than a small plate. Names are local, without the namespace,
until the document is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.models import ChannelInfo

#: OME's names of numpy's pixel types; it has none for others.
PIXEL_TYPES = {
    name: {"float32": "float", "float64": "double"}.get(name, name)
    for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
}
# What an instrument says before this moment (1975) counts from its own start, not from 1970.
_EARLIEST = 5 * 365.25 * 86400
# s: clocks of instruments are no better, and the difference of two moments since 1970 is no better either.
_DECIMALS = 6
# What XML cannot say, however it is written.
_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, eq=False)
class OmeImage:
    """One image of a document.

    Attributes:
        path: its name: its path below the plate; of an image of its own, its name.
        element: the element ``Image``; its numbers are those of the document that it goes into.
        objective: attributes of the objective that it was taken with; none where that is unknown.
    """

    path: str
    element: Element
    objective: Mapping[str, str]

    def numbered(self, number: int, objective: int | None) -> Element:
        """The element with the numbers that it and its objective have in a document."""
        self.element.set("ID", f"Image:{number}")
        settings, pixels = self.element.find("ObjectiveSettings"), self.element.find("Pixels")
        if settings is not None:
            settings.set("ID", f"Objective:0:{objective}")
        if pixels is not None:
            pixels.set("ID", f"Pixels:{number}")
            for c, channel in enumerate(pixels.findall("Channel")):
                channel.set("ID", f"Channel:{number}:{c}")
        return self.element


def ome_image(path: str, placed: PlacedImage, data_type: str, times: NDArray[np.float64] | None) -> OmeImage:
    """What is said of an image.

    Args:
        path: its name in the document.
        placed: its tiles at pixel offsets.
        data_type: numpy's name of its pixel type, one of `PIXEL_TYPES`.
        times: what `PlaneTimes.of` says of it.
    """
    channels = placed.image.channels
    image = Element("Image", {"ID": "Image:0", "Name": text_of(path)})
    begins = float(times[:, 2].min()) if times is not None else None
    if begins is not None and (date := _date(begins)):
        SubElement(image, "AcquisitionDate").text = date
    objective = _objective(channels)
    if objective:
        SubElement(image, "InstrumentRef", {"ID": "Instrument:0"})
        SubElement(image, "ObjectiveSettings", {"ID": "Objective:0:0"})
    pixels = SubElement(image, "Pixels", _pixels(placed, data_type))
    for channel in channels:
        SubElement(pixels, "Channel", _channel(channel))
    SubElement(pixels, "MetadataOnly")
    _add_planes(pixels, placed, times, begins)
    return OmeImage(text_of(path), image, objective)


def text_of(text: str) -> str:
    """A text without the characters that XML cannot say."""
    return _UNSPEAKABLE.sub("", text)


def _add_planes(
    pixels: Element, placed: PlacedImage, times: NDArray[np.float64] | None, begins: float | None
) -> None:
    """A plane for each channel and timepoint, at the lowest z-plane of the first field of view."""
    taken: dict[tuple[int, int], float] = {}
    if times is not None and begins is not None:
        later = (times[:, 1] - placed.image.tiles.t.min()) / placed.image.pixel_size["t"]
        places = zip(times[:, 0].tolist(), np.floor(later + 0.5).tolist(), times[:, 2].tolist(), strict=True)
        taken = {(int(c), int(t)): moment - begins for c, t, moment in places}
    fields = placed.fields
    place = {
        "PositionX": _number(float(fields.stage_x[0])),
        "PositionXUnit": "µm",
        "PositionY": _number(float(fields.stage_y[0])),
        "PositionYUnit": "µm",
    }
    depth = float(fields.stage_z[0])
    for c, channel in enumerate(placed.image.channels[: placed.shape.c]):
        exposure = {}
        if channel.exposure_s is not None:
            exposure = {"ExposureTime": _number(channel.exposure_s), "ExposureTimeUnit": "s"}
        height = {"PositionZ": _number(depth + (channel.z_offset or 0.0)), "PositionZUnit": "µm"}
        for t in range(placed.shape.t):
            plane = {"TheZ": "0", "TheT": str(t), "TheC": str(c)}
            if (c, t) in taken:
                plane |= {"DeltaT": _number(taken[c, t]), "DeltaTUnit": "s"}
            pixels.append(Element("Plane", {**plane, **exposure, **place, **height}))


def _number(value: float) -> str:
    return repr(round(value, _DECIMALS) + 0.0)  # never -0.0


def _date(moment: float) -> str | None:
    """A moment as XML has it, in UTC; None where it is none."""
    if not _EARLIEST < moment < 253402300799:  # the year 9999
        return None
    return datetime.fromtimestamp(round(moment, _DECIMALS), UTC).replace(tzinfo=None).isoformat()


def _pixels(placed: PlacedImage, data_type: str) -> dict[str, str]:
    """The attributes of the pixels: extent, spacings and type."""
    details, axes = placed.image.details, placed.image.axes
    said = _length("PhysicalSizeX", details.pixelsize) | _length("PhysicalSizeY", details.pixel_height)
    if "z" in axes:
        said |= _length("PhysicalSizeZ", details.z_spacing)
    extent = dict(zip("TCZYX", placed.shape, strict=True))
    said |= {f"Size{axis}": str(extent[axis]) for axis in "CTXYZ"}
    if extent["T"] > 1:
        said |= {"TimeIncrement": _real(details.t_spacing), "TimeIncrementUnit": "s"}
    return {"ID": "Pixels:0", "DimensionOrder": "XYZCT", **said, "Type": PIXEL_TYPES[data_type]}


def _channel(channel: ChannelInfo) -> dict[str, str]:
    """The attributes of a channel."""
    said = {"ID": "Channel:0:0", "Name": text_of(channel.channel_label)}
    if channel.color is not None:  # RGBA, opaque, as a signed number
        said["Color"] = str(int.from_bytes(bytes.fromhex(f"{channel.color}FF"), "big", signed=True))
    if channel.emission_nm is not None:
        said |= _length("EmissionWavelength", channel.emission_nm, "nm")
    if channel.excitation_nm is not None:
        said |= _length("ExcitationWavelength", channel.excitation_nm, "nm")
    return said | {"SamplesPerPixel": "1"}


def _objective(channels: tuple[ChannelInfo, ...]) -> dict[str, str]:
    """The objective of an image: what its channels say, where they do not contradict each other."""
    said: dict[str, str] = {}
    for ours, theirs in (
        ("numerical_aperture", "LensNA"),
        ("objective", "Model"),
        ("magnification", "NominalMagnification"),
    ):
        values = {value for channel in channels if (value := getattr(channel, ours)) is not None}
        if len(values) > 1:
            return {}
        for value in values:
            said[theirs] = text_of(value) if isinstance(value, str) else _real(value)
    return said


def _length(name: str, value: float, unit: str = "µm") -> dict[str, str]:
    return {name: _real(value), f"{name}Unit": unit}


def _real(value: float) -> str:
    """A number as XML has it: 1E16, not 1e+16."""
    return repr(float(value)).upper().replace("E+", "E")


def with_local_names(root: Element) -> Element:
    """The element itself, its names and those of everything in it made local."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
