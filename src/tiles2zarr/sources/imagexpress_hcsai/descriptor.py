"""The `.jdce` of an acquisition: JSON that says which channels there are, and how large a pixel is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import SourceError
from tiles2zarr.sources.unreadable import unreadable
from tiles2zarr.units import to_micrometre

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_COLOR = re.compile(r"#?(?:[0-9A-Fa-f]{2})?([0-9A-Fa-f]{6})")
_MAGNIFICATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*[xX]")
_NANOMETRES = 1000.0


@dataclass(frozen=True, slots=True)
class Wavelength:
    """One channel.

    Attributes:
        name: of its filter; None: not said.
        mode: how it was imaged, such as ``2-D`` or ``Max Intensity Projection``.
        z_step: distance of z-planes, µm; None: not said.
        excitation_nm: None: not said.
        emission_nm: None: not said.
        color: ``RRGGBB``; None: not said.
    """

    name: str | None
    mode: str
    z_step: float | None
    excitation_nm: float | None
    emission_nm: float | None
    color: str | None


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a `.jdce` says.

    Attributes:
        tables: names of the tables of images.
        wavelengths: the channels by their index.
        pixel: width and height of a pixel, binning included, µm; None: not said.
        size: height and width of an image, px; None: not said.
        z_step: distance of z-planes, µm; None: not said.
        objective: name of the objective; None: not said.
        magnification: of the objective; None: not said.
        numerical_aperture: of the objective; None: not said.
        is_complete: whether the acquisition went to its end.
    """

    tables: tuple[str, ...]
    wavelengths: Mapping[int, Wavelength]
    pixel: tuple[float, float] | None
    size: tuple[int, int] | None
    z_step: float | None
    objective: str | None
    magnification: float | None
    numerical_aperture: float | None
    is_complete: bool


def read_descriptor(file: Path) -> Descriptor:
    """What a `.jdce` says; whatever it leaves out is unknown.

    Raises:
        SourceError: it cannot be read, is no JSON, or describes no stack of images.
    """
    stack = read_json(file).get("ImageStack")
    if not isinstance(stack, dict):
        msg = f"{file}: expected JSON with an ImageStack, found none: the file is damaged, copy it again"
        raise SourceError(msg)
    protocol = _within(stack, "AutoLeadAcquisitionProtocol")
    calibration = _within(protocol, "ObjectiveCalibration")
    camera = _within(protocol, "Camera", "Size")
    size = (_positive(camera.get("Height")), _positive(camera.get("Width")))
    objective = _text(calibration.get("ObjectiveName"))
    magnification = _MAGNIFICATION.search(objective or "")
    return Descriptor(
        tables=tuple(filter(None, map(_text, _list(stack.get("ImageMetadataFiles"))))),
        wavelengths=_wavelengths(file, protocol),
        pixel=_pixel(calibration),
        size=(int(size[0]), int(size[1])) if size[0] and size[1] else None,
        z_step=_positive(_within(protocol, "PlateMap", "ZDimensionParameters").get("Step")),
        objective=objective,
        magnification=_positive(magnification[1] if magnification else calibration.get("Magnification")),
        numerical_aperture=_positive(calibration.get("NumericalAperture")),
        is_complete=protocol.get("CollectionComplete") is not False,
    )


def read_json(file: Path) -> dict[str, Any]:
    """A JSON document, with or without a byte order mark.

    Raises:
        SourceError: it cannot be read, or is something else.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from error
    try:
        document = json.loads(data.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError) as error:
        msg = f"{file}: expected JSON, found {error}: the file is damaged or incomplete, copy it again"
        raise SourceError(msg) from error
    if not isinstance(document, dict):
        msg = f"{file}: expected a JSON object, found {type(document).__name__}: the file is damaged, copy it again"
        raise SourceError(msg)
    return document


def _wavelengths(file: Path, protocol: Mapping[str, Any]) -> dict[int, Wavelength]:
    found: dict[int, Wavelength] = {}
    for place, said in enumerate(_list(protocol.get("Wavelengths"))):
        if not isinstance(said, dict):
            continue
        index = said.get("Index", place)
        if not isinstance(index, int) or not 0 <= index < 1000 or index in found:
            msg = f"{file}: expected wavelengths with an Index of their own, found {index!r:.80}: correct the file"
            raise SourceError(msg)
        emission, excitation = _within(said, "EmissionFilter"), _within(said, "ExcitationFilter")
        color = _COLOR.fullmatch(_text(said.get("Color")) or "")
        found[index] = Wavelength(
            name=_text(emission.get("Name")) or _text(excitation.get("Name")) or _text(said.get("Name")),
            mode=_text(said.get("ImagingMode")) or "",
            z_step=_positive(said.get("ZStep")),
            excitation_nm=_nanometres(excitation),
            emission_nm=_nanometres(emission),
            color=color[1].upper() if color else None,
        )
    return found


def _pixel(calibration: Mapping[str, Any]) -> tuple[float, float] | None:
    width, height = _positive(calibration.get("PixelWidth")), _positive(calibration.get("PixelHeight"))
    if width is None and height is None:
        return None
    unit = _text(calibration.get("Unit")) or "µm"
    return to_micrometre(width or height or 1.0, unit), to_micrometre(height or width or 1.0, unit)


def _nanometres(light: Mapping[str, Any]) -> float | None:
    length = _positive(light.get("Wavelength"))
    if length is None:
        return None
    unit = _text(light.get("Unit")) or "nm"
    return length if unit == "nm" else float(f"{to_micrometre(length, unit) * _NANOMETRES:.9g}")


def _within(document: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """An object in an object; an empty one where there is none."""
    for name in names:
        found = document.get(name)
        document = found if isinstance(found, dict) else {}
    return document


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _positive(value: Any) -> float | None:
    """A number above 0, which may be written as a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) and number > 0 else None
