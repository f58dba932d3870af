"""What MetaXpress says of a plane, in the MetaSeries XML that is the description of its TIFF."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite, nan
from sys import intern
from typing import TYPE_CHECKING

from tiles2zarr.sources.timestamps import posix

if TYPE_CHECKING:
    from tiles2zarr.models.image_files.description import FirstPage

_START = "<MetaData>"
_WANTED = (
    "Description",
    "spatial-calibration-state",
    "spatial-calibration-x",
    "spatial-calibration-y",
    "spatial-calibration-units",
    "image-name",
    "plane-guid",
    "acquisition-time-local",
    "stage-position-x",
    "stage-position-y",
    "z-position",
    "ImageXpress Micro X",
    "ImageXpress Micro Y",
    "ImageXpress Micro Z",
    "wavelength",
    "_IllumSetting_",
    "_MagNA_",
    "_MagSetting_",
    "Exposure Time",
    "Timepoint",
    "Z Projection Method",
    "Z Projection Step Size",
    "Z Step",
)
# MetaMorph writes one property per line, its attributes always in this order. A full parse of the hundred properties
# of a hundred thousand planes would take minutes.
_PROPERTY = re.compile(rf'prop id="({"|".join(_WANTED)})" type="[^"]*" value="([^"]*)"')
_LINE_END = re.compile(r"&#(?:0*1[03]|x0*[aAdD]);|[\r\n]")
_BLANK = re.compile(r"\r\n|[\t\r\n]")
_REFERENCE = re.compile(r"&(#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_CODE_POINTS = 0x110000
_MAGNIFICATION = re.compile(r"(\d+(?:\.\d+)?)\s*[xX]")
_EXPOSURE = re.compile(r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(µs|us|ms|s|sec)\b")
_SECONDS = {"µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0}


@dataclass(frozen=True, slots=True)
class Optics:
    """How light came to a plane; the same for all planes of a wavelength, as a rule.

    Attributes:
        name: of the illumination setting, which people call the channel by.
        emission_nm: None: none, such as for transmitted light.
        exposure_s: None: unknown.
        objective: name of the objective; None: unknown.
        magnification: of the objective; None: unknown.
        numerical_aperture: of the objective; None: unknown.
    """

    name: str | None
    emission_nm: float | None
    exposure_s: float | None
    objective: str | None
    magnification: float | None
    numerical_aperture: float | None


@dataclass(frozen=True, slots=True)
class PlaneInfo:
    """What is known of one file.

    Attributes:
        height: px.
        width: px.
        is_described: whether there are MetaSeries metadata at all.
        is_stk: whether there are the tags that MetaMorph wrote before it had those.
        x: stage position, µm; NaN: unknown.
        y: as x, growing downwards.
        focus: height of the focus drive, µm; NaN: unknown.
        acquired: s since 1970, as if the instrument stood in Greenwich; NaN: unknown.
        z_step: number of the plane in its stack, from 1; None: it is of no stack.
        timepoint: number of the timepoint, from 1; None: not said.
        projection: how planes were made one; empty for a plane that was taken.
        step_size: distance of z-planes, µm; NaN: unknown.
        calibration: width and height of a pixel, and their unit; None: not calibrated.
        guid: what the software calls this plane.
        optics: how light came to it.
    """

    height: int
    width: int
    is_described: bool = False
    is_stk: bool = False
    x: float = nan
    y: float = nan
    focus: float = nan
    acquired: float = nan
    z_step: int | None = None
    timepoint: int | None = None
    projection: str = ""
    step_size: float = nan
    calibration: tuple[float, float, str] | None = None
    guid: str = ""
    optics: Optics | None = None


def is_metaseries(description: str) -> bool:
    """Whether MetaMorph or MetaXpress wrote a description."""
    return description.lstrip().startswith(_START) and "<PlaneInfo>" in description


def plane_info(page: FirstPage) -> PlaneInfo:
    """What the first page of a TIFF says of its plane."""
    if not is_metaseries(page.description):
        return PlaneInfo(page.height, page.width)
    found = dict(_PROPERTY.findall(page.description))
    said = found.get("Description", "")
    return PlaneInfo(
        height=page.height,
        width=page.width,
        is_described=True,
        # Some images lack the first, and have the instrument's own account of the same.
        x=_number(found.get("stage-position-x", found.get("ImageXpress Micro X"))),
        y=_number(found.get("stage-position-y", found.get("ImageXpress Micro Y"))),
        focus=_number(found.get("z-position", found.get("ImageXpress Micro Z"))),
        acquired=posix(found.get("acquisition-time-local", "")),
        z_step=_count(found.get("Z Step")),
        timepoint=_count(found.get("Timepoint")),
        projection=_text(found.get("Z Projection Method")),
        step_size=_number(found.get("Z Projection Step Size")),
        calibration=_calibration(
            *(found.get(f"spatial-calibration-{name}") for name in ("x", "y", "units", "state"))
        ),
        guid=found.get("plane-guid", ""),
        optics=_optics(
            _text(found.get("_IllumSetting_")) or _text(found.get("image-name")).removeprefix("Copy of "),
            found.get("wavelength"),
            found.get("Exposure Time") or _line(said, "Exposure:"),
            found.get("_MagSetting_"),
            found.get("_MagNA_"),
        ),
    )


def _unescaped(value: str) -> str:
    """An attribute's value as an XML parser would give it; what is no reference stays as it is."""
    if "\n" in value or "\r" in value or "\t" in value:
        value = _BLANK.sub(" ", value)
    return _REFERENCE.sub(_character, value) if "&" in value else value


def _character(reference: re.Match[str]) -> str:
    name = reference[1]
    if not name.startswith("#"):
        return _NAMED[name]
    code = int(name[2:], 16) if name[1] == "x" else int(name[1:])
    return chr(code) if code < _CODE_POINTS else reference[0]


@lru_cache(maxsize=1024)
def _text(value: str | None) -> str:
    return intern(_unescaped(value or "").strip())


def _line(text: str, start: str) -> str:
    """What follows `start` in the line of an escaped text that begins so; empty where none does."""
    place = text.find(start)
    return _text(_LINE_END.split(text[place + len(start) :], maxsplit=1)[0]) if place >= 0 else ""


def _number(value: str | None) -> float:
    if value is None:
        return nan
    try:
        number = float(value)
    except ValueError:
        return nan
    return number if isfinite(number) else nan


def _count(value: str | None) -> int | None:
    number = _number(value)
    return int(number) if number >= 1 else None


@lru_cache(maxsize=1024)
def _calibration(
    x: str | None, y: str | None, unit: str | None, state: str | None
) -> tuple[float, float, str] | None:
    width, height = _number(x), _number(y)
    is_on = (state or "on").strip().lower() != "off"
    return (width, height, _text(unit)) if is_on and width > 0 and height > 0 else None


@lru_cache(maxsize=1024)
def _optics(
    name: str, wavelength: str | None, exposure: str, objective: str | None, aperture: str | None
) -> Optics:
    magnification = _MAGNIFICATION.search(objective or "")
    return Optics(
        name=name or None,
        emission_nm=_positive(_number(wavelength)),
        exposure_s=seconds_of(exposure),
        objective=_text(objective) or None,
        magnification=_positive(float(magnification[1])) if magnification else None,
        numerical_aperture=_positive(_number(aperture)),
    )


def _positive(value: float) -> float | None:
    return value if 0 < value < inf else None


def seconds_of(text: str) -> float | None:
    """An exposure such as ``100 ms`` in seconds; None where it is none."""
    match = _EXPOSURE.match(text.strip())
    return _positive(float(f"{float(match[1]) * _SECONDS[match[2]]:.12g}")) if match else None
