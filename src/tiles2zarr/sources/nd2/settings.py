"""What an ND2 file says of its channels, its camera and its stage, from the metadata of the first frame.

The package nd2 decodes them. It also interprets them, but fails on channels without a dye, and leaves out exposures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_MAGNIFICATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*x\b", re.IGNORECASE)
_LINE_USED = re.compile(r"m_bMultiLaser_LineUsedLineUsed(\d+-\d+)")


@dataclass(frozen=True, slots=True)
class Plane:
    """A channel as the file lists it.

    Attributes:
        samples: 1 for grey, 3 for colours.
        known: name, colour, wavelengths, exposure and optics, by the names of `ChannelInfo`.
    """

    samples: int
    known: dict[str, Any]


def planes_of(picture: Mapping[str, Any]) -> tuple[Plane, ...]:
    """The channels, in the order of the components of a pixel."""
    pictures = picture.get("sPicturePlanes") or {}
    listed = pictures.get("sPlaneNew") or pictures.get("sPlane") or {}
    settings = pictures.get("sSampleSetting") or {}
    optics = _optics(picture)
    planes = []
    for number, plane in enumerate(listed.values()):
        samples = int(plane.get("uiCompCount", 1))
        setting = settings.get(f"a{plane.get('uiSampleIndex') or number}") or {}
        color = int(plane.get("uiColor") or 0)
        shade = "".join(f"{color >> shift & 255:02X}" for shift in (0, 8, 16))
        exposure = positive(setting.get("dExposureTime"))
        said = {
            "channel_label": " ".join(plane.get("sDescription", "").split())[:150] or f"channel {number + 1}",
            "color": shade if shade != "000000" else None,
            "excitation_nm": _excitation(plane, setting.get("pDeviceSetting") or {}),
            "emission_nm": _wavelength(plane, "m_EmissionSpectrum"),
            "exposure_s": float(f"{exposure / 1000:.9g}") if exposure is not None else None,
            **optics,
        }
        planes.append(Plane(samples, {key: value for key, value in said.items() if value is not None}))
    return tuple(planes)


def camera_of(picture: Mapping[str, Any]) -> NDArray[np.float64]:
    """Camera pixels to the stage's axes, two rows without scale."""
    names = ("dStgLgCT11", "dStgLgCT12", "dStgLgCT21", "dStgLgCT22")
    straight = (1.0, 0.0, 0.0, 1.0)
    values = [float(picture.get(name, default)) for name, default in zip(names, straight, strict=True)]
    return np.array(values).reshape(2, 2)


def orientation_of(picture: Mapping[str, Any]) -> tuple[int, int]:
    """How X and Y of the stage count; most stages count Y the other way round."""
    settings = (picture.get("sPicturePlanes") or {}).get("sSampleSetting") or {}
    for setting in settings.values():
        device = setting.get("pDeviceSetting") or {}
        x, y = device.get("m_iXOrientation0"), device.get("m_iYOrientation0")
        if x in (1, -1) and y in (1, -1):
            return int(x), int(y)
    return 1, -1


def positive(value: float | None) -> float | None:
    """The number itself where it is one above zero."""
    return float(value) if value is not None and isfinite(value) and value > 0 else None


def _optics(picture: Mapping[str, Any]) -> dict[str, Any]:
    name = " ".join((picture.get("wsObjectiveName") or "").split())
    written = _MAGNIFICATION.search(name)
    magnification = positive(picture.get("dObjectiveMag")) or (float(written[1]) if written else None)
    return {
        "objective": name or None,
        "magnification": positive(magnification),
        "numerical_aperture": positive(picture.get("dObjectiveNA")),
    }


def _excitation(plane: Mapping[str, Any], device: Mapping[str, Any]) -> float | None:
    """The laser line that was used, else what dye or filter say, nm.

    A filter for several dyes names one wavelength for all of them. Where neither dye nor filter has any, as in
    transmitted light, a laser that happened to be on is not what was seen.
    """
    said = _wavelength(plane, "m_ExcitationSpectrum")
    used = [match[1] for name, value in device.items() if value and (match := _LINE_USED.fullmatch(name))]
    lines = {positive(device.get(f"m_uiMultiLaser_LineUsedLineWavelength{line}")) for line in used}
    if not lines or (said is None and not _is_filtered(plane)):
        return said
    return lines.pop() if len(lines) == 1 else None


def _is_filtered(plane: Mapping[str, Any]) -> bool:
    """Whether the filter lets wavelengths through that somebody named."""
    return any(point.get("dWavelength", 0.0) > 0 for point in _points(_filter(plane), "m_ExcitationSpectrum"))


def _filter(plane: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first filter of the path."""
    filters = (plane.get("pFilterPath") or {}).get("m_pFilter") or {}
    first: Mapping[str, Any] = next(iter(filters.values()), {})
    return first


def _points(holder: Mapping[str, Any], spectrum: str) -> list[Mapping[str, Any]]:
    """The points of a spectrum, by wavelength."""
    points = ((holder.get(spectrum) or {}).get("pPoint") or {}).values()
    return sorted(points, key=lambda point: point.get("dWavelength", 0.0))


def _bands(points: Sequence[Mapping[str, Any]]) -> int:
    """How often a spectrum rises above half of its highest value; where it has no values, how many points it has."""
    values = np.array([point.get("dTValue", 0.0) for point in points], np.float64)
    if not len(values) or values.max() <= 0:
        return len(values)
    return int(np.count_nonzero(np.diff((values > values.max() / 2).astype(np.int8), prepend=0) == 1))


def _wavelength(plane: Mapping[str, Any], spectrum: str) -> float | None:
    """The highest point of the dye's spectrum, else of the filter's, nm; nothing for a filter of several bands."""
    dye = _highest(_points(plane.get("pFluorescentProbe") or {}, spectrum))
    if dye is not None:
        return dye
    points = _points(_filter(plane), spectrum)
    return _highest(points) if _bands(points) == 1 else None


def _highest(points: Sequence[Mapping[str, Any]]) -> float | None:
    highest: Mapping[str, Any] = max(points, key=lambda point: point.get("dTValue", 0.0), default={})
    return positive(highest.get("dWavelength"))
