"""What the XML of a CZI file says of its channels, scenes and scaling, and the tags of a sub-block of its stage."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from tiles2zarr.sources.timestamps import posix
from tiles2zarr.sources.xml import parse_xml
from tiles2zarr.units import to_micrometre

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from xml.etree.ElementTree import Element

_TAG = re.compile(rb"<(StageXPosition|StageYPosition|AcquisitionTime)>\s*([^<]*?)\s*<")


@dataclass(frozen=True, slots=True)
class Scene:
    """A region that was scanned.

    Attributes:
        name: what people called it; may be empty.
        well: row and column, both 1-based; None where it lies in no well.
        center: stage position of its centre, µm, x and y.
    """

    name: str = ""
    well: tuple[int, int] | None = None
    center: tuple[float, float] = (nan, nan)


@dataclass(frozen=True, slots=True)
class Document:
    """What holds for all of a CZI file.

    Attributes:
        channels: per number of the C dimension, what is known of the channel; labels may be missing or alike.
        scenes: per number of the S dimension.
        pixelsize: µm per column; None: not said.
        pixelsize_y: µm per row; None: not said.
        z_spacing: µm; None: not said.
        started: when the first timepoint began, s since 1970; NaN: not said.
        times: seconds of each timepoint since then, as far as the XML says.
    """

    channels: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    scenes: Mapping[int, Scene] = field(default_factory=dict)
    pixelsize: float | None = None
    pixelsize_y: float | None = None
    z_spacing: float | None = None
    started: float = nan
    times: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Tags:
    """Where and when a sub-block was taken; NaN where that is not said.

    Attributes:
        x: stage position of its centre, µm.
        y: stage position of its centre, µm.
        acquired: s since 1970.
    """

    x: float
    y: float
    acquired: float


def read_document(xml: bytes, file: Path) -> Document:
    """What the document's XML says; an empty one says nothing.

    Raises:
        SourceError: it is no XML.
    """
    if not xml.strip(b"\0 \r\n\t"):
        return Document()
    root = parse_xml(xml.rstrip(b"\0"), f"{file} (metadata)")
    metadata = root.find("Metadata")
    image = None if metadata is None else metadata.find("Information/Image")
    if metadata is None or image is None:
        return Document()
    x, y, z = (_scaling(metadata, axis) for axis in "XYZ")
    started = _text(image, "Dimensions/T/StartTime") or _text(image, "AcquisitionDateAndTime")
    return Document(
        channels=_channels(metadata, image),
        scenes=_scenes(image),
        pixelsize=x,
        pixelsize_y=y,
        z_spacing=z,
        started=posix(started),
        times=_times(image),
    )


def read_tags(xml: bytes) -> Tags:
    """What the XML of a sub-block says."""
    found = {name: value for name, value in _TAG.findall(xml)}
    return Tags(
        _number(found.get(b"StageXPosition", b"").decode(errors="replace")),
        _number(found.get(b"StageYPosition", b"").decode(errors="replace")),
        posix(found.get(b"AcquisitionTime", b"").decode(errors="replace")),
    )


def _channels(metadata: Element, image: Element) -> dict[int, dict[str, Any]]:
    """Acquisition and display of a channel stand in two places, joined by position or Id."""
    shown = {channel.get("Id"): channel for channel in metadata.iterfind("DisplaySetting/Channels/Channel")}
    objective = _objective(metadata, image)
    channels = {}
    for number, channel in enumerate(image.iterfind("Dimensions/Channels/Channel")):
        display = shown.get(channel.get("Id"))
        said = {
            "label": channel.get("Name") or _text(channel, "Fluor") or "",
            "color": _color(display, channel),
            "excitation_nm": _positive(_text(channel, "ExcitationWavelength")),
            "emission_nm": _positive(_text(channel, "EmissionWavelength")),
            "exposure_s": _scaled(_positive(_text(channel, "ExposureTime")), 1e-9),
        }
        known = {key: value for key, value in said.items() if value is not None}
        channels[number] = {**known, **objective}
    return channels


def _objective(metadata: Element, image: Element) -> dict[str, Any]:
    reference = image.find("ObjectiveSettings/ObjectiveRef")
    wanted = None if reference is None else reference.get("Id")
    for objective in metadata.iterfind("Information/Instrument/Objectives/Objective"):
        if wanted in (None, objective.get("Id")):
            said = {
                "objective": objective.get("Name") or _text(objective, "Manufacturer/Model") or None,
                "magnification": _positive(_text(objective, "NominalMagnification")),
                "numerical_aperture": _positive(_text(objective, "LensNA")),
            }
            return {key: value for key, value in said.items() if value is not None}
    return {}


def _scenes(image: Element) -> dict[int, Scene]:
    scenes = {}
    for number, scene in enumerate(image.iterfind("Dimensions/S/Scenes/Scene")):
        index = scene.get("Index", "")
        shape = scene.find("Shape")
        x, _, y = (_text(scene, "CenterPosition") or _text(scene, "Positions/Position")).partition(",")
        scenes[int(index) if index.isdecimal() else number] = Scene(
            name=scene.get("Name") or "",
            well=None if shape is None else _well(shape),
            center=(_number(x), _number(y)),
        )
    return scenes


def _well(shape: Element) -> tuple[int, int] | None:
    """Row and column of a shape, both counted from 1; a slide's shape has none."""
    row, column = _text(shape, "RowIndex"), _text(shape, "ColumnIndex")
    if not (row.isdecimal() and column.isdecimal()):
        return None
    return (int(row), int(column)) if 1 <= int(row) <= 702 and 1 <= int(column) <= 999 else None


def _times(image: Element) -> tuple[float, ...]:
    """Seconds of the timepoints: a list, or a start and an increment."""
    listed = _text(image, "Dimensions/T/Positions/List/Offsets")
    if listed:
        return tuple(_number(word) for word in listed.split())
    increment = _number(_text(image, "Dimensions/T/Positions/Interval/Increment"))
    count = _text(image, "SizeT")
    if not isfinite(increment) or increment <= 0 or not count.isdecimal():
        return ()
    return tuple(increment * number for number in range(min(int(count), 1_000_000)))


def _scaling(metadata: Element, axis: str) -> float | None:
    """Micrometres per pixel or plane; files without calibration lack it or say 0."""
    for distance in metadata.iterfind("Scaling/Items/Distance"):
        if distance.get("Id") == axis:
            metres = _positive(_text(distance, "Value"))
            return None if metres is None else _decimal(to_micrometre(metres, "m"))
    return None


def _color(display: Element | None, channel: Element) -> str | None:
    """RRGGBB of ``#AARRGGBB`` or ``#RRGGBB``, of the display setting before that of the acquisition."""
    for element in (display, channel):
        text = "" if element is None else _text(element, "Color").removeprefix("#")
        if re.fullmatch(r"(?:[0-9A-Fa-f]{2})?[0-9A-Fa-f]{6}", text):
            return text[-6:].upper()
    return None


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan


def _positive(text: str) -> float | None:
    number = _number(text)
    return number if isfinite(number) and number > 0 else None


def _scaled(number: float | None, factor: float) -> float | None:
    return None if number is None else _decimal(number * factor)


def _decimal(number: float) -> float:
    """0.1 rather than 0.09999999999999999, which a change of unit leaves."""
    return float(f"{number:.12g}")
