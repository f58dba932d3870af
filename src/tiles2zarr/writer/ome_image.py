"""What OME-XML says of one image.

The elements and their types, units and colours come from ome-types: one image of each kind is built with it, and
copied for the others, since it takes a millisecond for every ten elements. Names are local, without the namespace,
until the document is written.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.models import AcquisitionDetails, ChannelInfo

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


class OmeImages:
    """Makes the elements of images."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[AcquisitionDetails, tuple[str, ...], str], tuple[Element, Mapping[str, str]]]
        self._kinds = {}

    def image(
        self, path: str, placed: PlacedImage, data_type: str, times: NDArray[np.float64] | None
    ) -> OmeImage:
        """What is said of an image.

        Args:
            path: its name in the document.
            placed: its tiles at pixel offsets.
            data_type: numpy's name of its pixel type, one of `PIXEL_TYPES`.
            times: what `PlaneTimes.of` says of it.
        """
        image = placed.image
        key = image.details, image.axes, data_type
        if key not in self._kinds:
            self._kinds[key] = _kind(image.details, image.channels, image.axes, data_type)
        kind, objective = self._kinds[key]
        element = deepcopy(kind)
        element.set("Name", text_of(path))
        pixels = element.find("Pixels")
        if pixels is None:
            msg = "an image without Pixels"
            raise AssertionError(msg)
        t, c, z, y, x = placed.shape
        for name, size in zip("XYZCT", (x, y, z, c, t), strict=True):
            pixels.set(f"Size{name}", str(size))
        if t == 1:
            for name in ("TimeIncrement", "TimeIncrementUnit"):
                pixels.attrib.pop(name, None)
        begins = float(times[:, 2].min()) if times is not None else None
        if begins is not None and (date := _date(begins)):
            date_element = Element("AcquisitionDate")
            date_element.text = date
            element.insert(0, date_element)
        _add_planes(pixels, placed, times, begins)
        return OmeImage(text_of(path), element, objective)


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


def _kind(
    details: AcquisitionDetails, channels: tuple[ChannelInfo, ...], axes: tuple[str, ...], data_type: str
) -> tuple[Element, Mapping[str, str]]:
    """What images have in common that share their details and their pixel type, and the objective of them."""
    from ome_types import model, to_xml

    pixels = model.Pixels(
        id="Pixels:0",
        dimension_order=model.Pixels_DimensionOrder.XYZCT,
        type=model.PixelType(PIXEL_TYPES[data_type]),
        size_x=1,
        size_y=1,
        size_z=1,
        size_c=len(channels),
        size_t=1,
        physical_size_x=details.pixelsize,
        physical_size_x_unit=model.UnitsLength.MICROMETER,
        physical_size_y=details.pixel_height,
        physical_size_y_unit=model.UnitsLength.MICROMETER,
        **_spacings(details, axes, model),
        channels=[_channel(channel, model) for channel in channels],
        metadata_only=model.MetadataOnly(),
    )
    image = model.Image(id="Image:0", pixels=pixels)
    document = model.OME(images=[image])
    said = _objective(channels)
    if said:
        image.instrument_ref = model.InstrumentRef(id="Instrument:0")
        image.objective_settings = model.ObjectiveSettings(id="Objective:0:0")
        objective = model.Objective(id="Objective:0:0", **said)
        document.instruments = [model.Instrument(id="Instrument:0", objectives=[objective])]
    root = with_local_names(ElementTree.fromstring(to_xml(document)))  # noqa: S314 - it was made just now
    for element in root.iter():  # whatever order the release of ome-types has
        element.attrib = dict(sorted(element.attrib.items(), key=_order))
    written, optics = root.find("Image"), root.find("Instrument/Objective")
    if written is None:
        msg = "a document without its image"
        raise AssertionError(msg)
    return written, (
        {name: text for name, text in optics.attrib.items() if name != "ID"} if optics is not None else {}
    )


def _order(attribute: tuple[str, str]) -> tuple[bool, bool, str]:
    name, _ = attribute
    return name != "ID", name != "Name", name


def _spacings(details: AcquisitionDetails, axes: tuple[str, ...], model: Any) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if "z" in axes:
        said |= {"physical_size_z": details.z_spacing, "physical_size_z_unit": model.UnitsLength.MICROMETER}
    if "t" in axes:
        said |= {"time_increment": details.t_spacing, "time_increment_unit": model.UnitsTime.SECOND}
    return said


def _channel(channel: ChannelInfo, model: Any) -> Any:
    said: dict[str, Any] = {
        "id": "Channel:0:0",
        "name": text_of(channel.channel_label),
        "samples_per_pixel": 1,
    }
    if channel.color is not None:
        said["color"] = model.Color(f"#{channel.color}")
    for name in ("excitation", "emission"):
        wavelength = getattr(channel, f"{name}_nm")
        if wavelength is not None:
            said[f"{name}_wavelength"] = wavelength
            said[f"{name}_wavelength_unit"] = model.UnitsLength.NANOMETER
    return model.Channel(**said)


def _objective(channels: tuple[ChannelInfo, ...]) -> dict[str, Any]:
    """The objective of an image: what its channels say, where they do not contradict each other."""
    said: dict[str, Any] = {}
    for ours, theirs in (
        ("objective", "model"),
        ("magnification", "nominal_magnification"),
        ("numerical_aperture", "lens_na"),
    ):
        values = {value for channel in channels if (value := getattr(channel, ours)) is not None}
        if len(values) > 1:
            return {}
        for value in values:
            said[theirs] = text_of(value) if isinstance(value, str) else value
    return said


def with_local_names(root: Element) -> Element:
    """The element itself, its names and those of everything in it made local."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
