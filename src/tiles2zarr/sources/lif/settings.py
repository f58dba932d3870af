"""What LAS X says of the microscope: names and wavelengths of channels, objective, stage."""

from __future__ import annotations

from math import isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.models import ChannelInfo
from tiles2zarr.units import to_micrometre

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from numpy.typing import NDArray

    from tiles2zarr.sources.lif.series import Channel, Series

_COLORS = {
    "red": "FF0000",
    "green": "00FF00",
    "blue": "0000FF",
    "cyan": "00FFFF",
    "magenta": "FF00FF",
    "yellow": "FFFF00",
    "gray": "FFFFFF",
    "grey": "FFFFFF",
    "white": "FFFFFF",
    "orange": "FF8000",
}
_SETTINGS = ("ATLConfocalSettingDefinition", "ATLCameraSettingDefinition")


def channels_of(series: Series) -> list[ChannelInfo]:
    """One for each channel of the series; labels may be alike."""
    setting = _setting(series)
    bands = _bands(setting)
    optics = _optics(setting)
    found = []
    for number, channel in enumerate(series.channels):
        band = bands[number] if len(bands) == len(series.channels) else {}
        color = _COLORS.get(channel.lut.lower())
        label = _label(channel, band) or (channel.lut if color else "") or f"channel {number + 1}"
        emission = {"emission_nm": band["emission_nm"]} if "emission_nm" in band else {}
        found.append(ChannelInfo(channel_label=label[:150], color=color, **emission, **optics))
    return found


def stage_of(series: Series, count: int) -> NDArray[np.float64] | None:
    """Stage positions of the centres of all tiles, axes tile and (x, y), µm, turned as the image is.

    None where the file does not say them.

    Args:
        series: the series.
        count: how many tiles it has.
    """
    image = series.element.find("Data/Image")
    attachments = [] if image is None else image.findall("Attachment")
    info = next((item for item in attachments if item.get("Name") == "TileScanInfo"), None)
    setting = _setting(series)
    tiles = [] if info is None else info.findall("Tile")
    if info is not None and len(tiles) == count:
        positions = [(_number(tile.get("PosX")), _number(tile.get("PosY"))) for tile in tiles]
        turned = info if info.get("FlipX") is not None or setting is None else setting
    elif setting is not None and count == 1:
        positions = [(_number(setting.get("StagePosX")), _number(setting.get("StagePosY")))]
        turned = setting
    else:
        return None
    stage = to_micrometre(np.array(positions, np.float64), "m")
    if not np.isfinite(stage).all():
        return None
    if _is_set(turned, "SwapXY"):
        stage = stage[:, ::-1].copy()
    for axis, flag in enumerate(("FlipX", "FlipY")):
        if _is_set(turned, flag):
            stage[:, axis] *= -1
    return stage


def _setting(series: Series) -> Element | None:
    for item in series.element.iterfind("Data/Image/Attachment"):
        if item.get("Name") == "HardwareSetting":
            for name in _SETTINGS:
                found = item.find(name)
                if found is not None:
                    return found
    return None


def _bands(setting: Element | None) -> list[dict[str, Any]]:
    """Dye and middle of the recorded band of each detector that was on, in the order of detectors."""
    if setting is None:
        return []
    detectors = setting.iterfind("DetectorList/Detector")
    active = [detector.get("Channel") for detector in detectors if _is_set(detector, "IsActive")]
    bands = {band.get("Channel"): band for band in setting.iterfind("Spectro/MultiBand")}
    found: list[dict[str, Any]] = []
    for channel in active:
        band = bands.get(channel)
        if band is None:
            found.append({})
            continue
        edges = (_number(band.get("LeftWorld")), _number(band.get("RightWorld")))
        middle = sum(edges) / 2
        emission = {"emission_nm": float(f"{middle:.6g}")} if isfinite(middle) and middle > 0 else {}
        found.append({"dye": band.get("DyeName", ""), **emission})
    return found


def _optics(setting: Element | None) -> dict[str, Any]:
    if setting is None:
        return {}
    magnification, aperture = _number(setting.get("Magnification")), _number(setting.get("NumericalAperture"))
    name = " ".join(setting.get("ObjectiveName", "").split())
    return {
        **({"objective": name} if name else {}),
        **({"magnification": magnification} if magnification > 0 else {}),
        **({"numerical_aperture": aperture} if aperture > 0 else {}),
    }


def _label(channel: Channel, band: dict[str, Any]) -> str:
    dye = channel.properties.get("DyeName") or str(band.get("dye", ""))
    return " ".join(dye.rpartition("/")[2].split())


def _is_set(element: Element, flag: str) -> bool:
    return element.get(flag, "0").strip().lower() in ("1", "true")


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return nan
