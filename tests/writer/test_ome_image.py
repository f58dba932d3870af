"""The elements of an image are those that ome-types makes of the same, to the byte."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_types import model, to_xml

from tests.layouts import Layout, TileSpec
from tiles2zarr.models import AcquisitionDetails, ChannelInfo, ConverterOptions
from tiles2zarr.placement import place_image
from tiles2zarr.writer.ome_document import rendered
from tiles2zarr.writer.ome_image import PIXEL_TYPES, ome_image, text_of, with_local_names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from tiles2zarr.core.placed_image import PlacedImage

COLORS = st.from_regex(r"[0-9A-F]{6}", fullmatch=True)
POSITIVE = st.floats(0, exclude_min=True, allow_infinity=False, allow_nan=False)
SPACINGS = st.floats(1e-9, 1e9)
CHANNELS = st.builds(
    ChannelInfo,
    channel_label=st.text(min_size=1, max_size=8),
    color=st.none() | COLORS,
    excitation_nm=st.none() | POSITIVE,
    emission_nm=st.none() | POSITIVE,
    # Few, so that channels agree at times.
    objective=st.sampled_from([None, None, "", "Plan Apo 20×", '<&"\x00\r\n\t>']),
    magnification=st.sampled_from([None, None, 20, 2.5]) | st.none() | POSITIVE,
    numerical_aperture=st.sampled_from([None, None, 0.75]) | st.none() | POSITIVE,
)
DETAILS = st.builds(
    AcquisitionDetails,
    pixelsize=SPACINGS,
    pixelsize_y=st.none() | SPACINGS,
    z_spacing=SPACINGS,
    t_spacing=SPACINGS,
    channels=st.none() | st.lists(CHANNELS, min_size=1, max_size=3).map(tuple),
    axes=st.sampled_from(["tczyx", "czyx", "tcyx", "cyx", "zyx", "yx"]),
)


def placed_with(details: AcquisitionDetails, timepoints: int = 1, channels: int = 1) -> PlacedImage:
    """An image that is said to be like this."""
    image = Layout((TileSpec(0, 0, 4, 5, length_t=timepoints, length_c=channels),)).image()
    tiles = replace(image.tiles, all_details=(details,))
    return place_image(replace(image, details=details, tiles=tiles), ConverterOptions())


def ours(placed: PlacedImage, data_type: str) -> tuple[bytes | None, bytes | None]:
    """The image without its planes, and its instrument."""
    root = ElementTree.fromstring(rendered([ome_image("i", placed, data_type, None)]))
    for pixels in with_local_names(root).iterfind("Image/Pixels"):
        for plane in pixels.findall("Plane"):
            pixels.remove(plane)
    return written(root.find("Image")), written(root.find("Instrument"))


def theirs(placed: PlacedImage, data_type: str) -> tuple[bytes | None, bytes | None]:
    """The same by ome-types."""
    details, channels = placed.image.details, placed.image.channels
    t, c, z, y, x = placed.shape
    pixels = model.Pixels(
        id="Pixels:0",
        dimension_order=model.Pixels_DimensionOrder.XYZCT,
        type=model.PixelType(PIXEL_TYPES[data_type]),
        size_x=x,
        size_y=y,
        size_z=z,
        size_c=c,
        size_t=t,
        physical_size_x=details.pixelsize,
        physical_size_x_unit=model.UnitsLength.MICROMETER,
        physical_size_y=details.pixel_height,
        physical_size_y_unit=model.UnitsLength.MICROMETER,
        **spacings(placed),
        channels=[channel_of(number, channel) for number, channel in enumerate(channels)],
        metadata_only=model.MetadataOnly(),
    )
    image = model.Image(id="Image:0", name="i", pixels=pixels)
    document = model.OME(images=[image])
    said = objective_of(channels)
    if said:
        image.instrument_ref = model.InstrumentRef(id="Instrument:0")
        image.objective_settings = model.ObjectiveSettings(id="Objective:0:0")
        objective = model.Objective(id="Objective:0:0", **said)
        document.instruments = [model.Instrument(id="Instrument:0", objectives=[objective])]
    root = with_local_names(ElementTree.fromstring(to_xml(document)))
    for element in root.iter():  # whatever order the release of ome-types has
        element.attrib = dict(sorted(element.attrib.items(), key=order))
    return written(root.find("Image")), written(root.find("Instrument"))


def order(attribute: tuple[str, str]) -> tuple[bool, bool, str]:
    name, _ = attribute
    return name != "ID", name != "Name", name


def spacings(placed: PlacedImage) -> dict[str, Any]:
    details, axes = placed.image.details, placed.image.axes
    said: dict[str, Any] = {}
    if "z" in axes:
        said |= {"physical_size_z": details.z_spacing, "physical_size_z_unit": model.UnitsLength.MICROMETER}
    if "t" in axes and placed.shape.t > 1:
        said |= {"time_increment": details.t_spacing, "time_increment_unit": model.UnitsTime.SECOND}
    return said


def channel_of(number: int, channel: ChannelInfo) -> model.Channel:
    said: dict[str, Any] = {"name": text_of(channel.channel_label), "samples_per_pixel": 1}
    if channel.color is not None:
        said["color"] = model.Color(f"#{channel.color}")
    for name in ("excitation", "emission"):
        wavelength = getattr(channel, f"{name}_nm")
        if wavelength is not None:
            said[f"{name}_wavelength"] = wavelength
            said[f"{name}_wavelength_unit"] = model.UnitsLength.NANOMETER
    return model.Channel(id=f"Channel:0:{number}", **said)


def objective_of(channels: tuple[ChannelInfo, ...]) -> Mapping[str, Any]:
    said: dict[str, Any] = {}
    for name, known in (
        ("model", {one.objective for one in channels}),
        ("nominal_magnification", {one.magnification for one in channels}),
        ("lens_na", {one.numerical_aperture for one in channels}),
    ):
        values = known - {None}
        if len(values) > 1:
            return {}
        for value in values:
            said[name] = text_of(value) if isinstance(value, str) else value
    return said


def written(element: Element | None) -> bytes | None:
    """An element with its attributes in their order; white space between elements is left out."""
    if element is None:
        return None
    for inner in element.iter():
        assert not (inner.text or "").strip()
        inner.text = inner.tail = None
    return ElementTree.tostring(element)


@settings(max_examples=150, deadline=None)
@given(DETAILS, st.sampled_from(sorted(PIXEL_TYPES)), st.sampled_from([1, 1, 3]))
def test_an_image_is_what_ome_types_makes_of_it(
    details: AcquisitionDetails, data_type: str, timepoints: int
) -> None:
    placed = placed_with(details, timepoints if details.axes and "t" in details.axes else 1)
    assert ours(placed, data_type) == theirs(placed, data_type)


@pytest.mark.parametrize("data_type", PIXEL_TYPES)
def test_pixel_types_are_those_of_ome_types(data_type: str) -> None:
    placed = placed_with(AcquisitionDetails())
    assert ours(placed, data_type) == theirs(placed, data_type)


@pytest.mark.parametrize("number", [1e-300, 1e-7, 1e-5, 0.1 + 0.2, 488, 1e15, 1e16, 1.5e22, 1e300])
def test_numbers_are_written_as_ome_types_does(number: float) -> None:
    channel = ChannelInfo(channel_label="a", excitation_nm=number, magnification=number)
    placed = placed_with(AcquisitionDetails(channels=(channel,)))
    assert ours(placed, "uint8") == theirs(placed, "uint8")


@pytest.mark.parametrize("color", ["000000", "FFFFFF", "FF8000", "7FFFFF", "800000", "0000ff"])
def test_colours_are_written_as_ome_types_does(color: str) -> None:
    placed = placed_with(AcquisitionDetails(channels=(ChannelInfo(channel_label="a", color=color),)))
    assert ours(placed, "uint8") == theirs(placed, "uint8")


def test_images_of_one_acquisition_may_have_different_numbers_of_unnamed_channels() -> None:
    for count in (1, 3, 2):
        placed = placed_with(AcquisitionDetails(), channels=count)
        element = ome_image("i", placed, "uint8", None).element
        labels = [channel.get("Name") for channel in element.iterfind("Pixels/Channel")]
        assert labels == [f"channel_{number}" for number in range(count)]
