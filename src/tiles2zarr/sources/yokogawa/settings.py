"""What stands beside the list of records: pixel sizes (``.mrf``), channels (``.mes``), the plate (``.wpi``)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import ChannelInfo
from tiles2zarr.models.documents import one_line
from tiles2zarr.sources.xml import read_xml
from tiles2zarr.units import to_second

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from tiles2zarr.sources.yokogawa.locating import Measurement

_COLOR = re.compile(r"#(?:[0-9A-Fa-f]{2})?([0-9A-Fa-f]{6})")
# A band-pass filter, by its centre and width, nm.
_BAND = re.compile(r"\bBP\s*(\d{3,4})\s*[/-]\s*\d+")
_CALIBRATION = (".ppf", ".xml")


@dataclass(frozen=True, slots=True)
class Geometry:
    """The images of a channel.

    Attributes:
        width: px.
        height: px.
        pixelsize: µm, None where unknown.
        pixelsize_y: height of a pixel, µm, None where unknown.
    """

    width: int
    height: int
    pixelsize: float | None
    pixelsize_y: float | None


@dataclass(frozen=True, slots=True)
class Settings:
    """What the files beside the list say.

    Attributes:
        geometries: by number of the channel.
        channels: by number of the channel; without the action in their wavelength.
        filters: what the light passes before the camera, by number of the channel.
        columns: of the plate, None where unknown.
        files: the metadata, as absolute paths.
        findings: what is missing or damaged.
    """

    geometries: Mapping[int, Geometry]
    channels: Mapping[int, ChannelInfo]
    filters: Mapping[int, str]
    columns: int | None
    files: tuple[Path, ...]
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Reading:
    files: list[Path]
    findings: list[Finding] = field(default_factory=list)

    def optional(self, file: Path | None) -> Element | None:
        """A document without which everything else is still right."""
        if file is None:
            return None
        self.files.append(file)
        try:
            return read_xml(file)
        except SourceError as error:
            self.findings.append(replace(Finding.of("unreadable-file", error), severity="warning"))
            return None


def read_settings(measurement: Measurement) -> Settings:
    """The settings of a measurement, as far as there are any.

    Raises:
        SourceError: the ``.mrf`` file is damaged, or says something impossible.
    """
    reading = _Reading([measurement.mlf])
    detail, mrf = None, measurement.beside("MeasurementDetail.mrf", ".mrf")
    if mrf is not None:
        reading.files.append(mrf)
        detail = read_xml(mrf)
    plate = detail.find("MeasurementSamplePlate") if detail is not None else None

    def named(element: Element | None, attribute: str, suffix: str) -> Path | None:
        return measurement.beside(element.get(attribute) if element is not None else None, suffix)

    mes = reading.optional(named(detail, "MeasurementSettingFileName", ".mes"))
    wpi = reading.optional(named(plate, "WellPlateFileName", ".wpi"))
    wpp = reading.optional(named(plate, "WellPlateProductFileName", ".wpp"))
    calibration = [name for name in measurement.others if name.lower().endswith(_CALIBRATION)]
    reading.files += [measurement.folder / name for name in calibration]
    elements = list(mes.iter("Channel")) if mes is not None else []
    lights = _lights(mes) if mes is not None else {}
    return Settings(
        geometries=_geometries(detail, mrf) if detail is not None and mrf is not None else {},
        channels={
            number: _channel(element, number, lights) for element in elements if (number := _number(element))
        },
        filters={
            number: element.get("Acquisition", "") for element in elements if (number := _number(element))
        },
        columns=_columns(detail, wpi, wpp, mes),
        files=tuple(reading.files),
        findings=tuple(reading.findings),
    )


def _geometries(detail: Element, mrf: Path) -> dict[int, Geometry]:
    found = {}
    for element in detail.iter("MeasurementChannel"):
        width, height = (_positive(element, f"{axis}Pixels", mrf) for axis in ("Horizontal", "Vertical"))
        sizes = [_positive(element, f"{axis}PixelDimension", mrf) for axis in ("Horizontal", "Vertical")]
        number = _number(element)
        if number is not None and width and height:
            found[number] = Geometry(int(width), int(height), *sizes)
    return found


def _positive(element: Element, name: str, file: Path) -> float | None:
    text = element.get(name, "").strip()
    try:
        value = float(text) if text else 0.0
    except ValueError:
        value = -1.0
    if value and not 1e-6 <= value < 1e6:
        where = f"{file}, channel {one_line(element.get('Ch', ''), 20)}"
        msg = f"{where}: expected a positive {name}, found {one_line(text, 50)!r}: correct it, or copy the file again"
        raise SourceError(msg)
    return value or None


def _lights(mes: Element) -> dict[str, float]:
    """Wavelengths of the light sources, nm; lamps have none."""
    lights = {light.get("Name", ""): _decimal(light, "WaveLength") for light in mes.iter("LightSource")}
    return {name: wavelength for name, wavelength in lights.items() if wavelength}


def _channel(element: Element, number: int, lights: Mapping[str, float]) -> ChannelInfo:
    used = {
        lights[name]
        for light in element.iter("LightSourceName")
        if (name := (light.text or "").strip()) in lights
    }
    color = _COLOR.fullmatch(element.get("Color", "").strip())
    band = _BAND.search(element.get("Acquisition", ""))
    exposure = _decimal(element, "ExposureTime")
    return ChannelInfo(
        channel_label=element.get("Target", "").strip()[:150] or f"Ch {number}",
        color=color[1] if color is not None else None,
        excitation_nm=used.pop() if len(used) == 1 else None,
        emission_nm=float(band[1]) if band is not None else None,
        exposure_s=to_second(exposure, "ms") if exposure is not None else None,
        objective=element.get("Objective") or None,
        magnification=_decimal(element, "Magnification"),
    )


def _columns(*documents: Element | None) -> int | None:
    for document in documents:
        for name in ("ColumnCount", "Columns"):
            text = document.get(name, "").strip() if document is not None else ""
            if text.isdecimal() and len(text) < 6:
                return int(text) or None
    return None


def _number(element: Element) -> int | None:
    text = element.get("Ch", "").strip()
    return int(text) if text.isdecimal() and len(text) < 6 else None


def _decimal(element: Element, name: str) -> float | None:
    """A positive number; None where there is none."""
    try:
        value = float(element.get(name, ""))
    except ValueError:
        return None
    return value if 0 < value < 1e9 else None
