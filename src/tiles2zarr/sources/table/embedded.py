"""What a TIFF file says of itself, in OME-XML or ImageJ's description. No pixel is read."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import SourceError
from tiles2zarr.units import to_micrometre, to_second

if TYPE_CHECKING:
    from pathlib import Path

    from tifffile import TiffFile

# What tifffile and the XML parser raise for files that are damaged or no TIFF at all.
_DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    SyntaxError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What was found; None where the file does not say.

    Attributes:
        length_z: number of z-planes.
        length_c: number of channels.
        length_t: number of timepoints.
        pixelsize: width of a pixel, µm.
        pixelsize_y: height of a pixel, µm.
        z_spacing: distance of two z-planes, µm.
        t_spacing: time between two timepoints, s.
    """

    length_z: int | None = None
    length_c: int | None = None
    length_t: int | None = None
    pixelsize: float | None = None
    pixelsize_y: float | None = None
    z_spacing: float | None = None
    t_spacing: float | None = None


def read_embedded(file: Path) -> Embedded:
    """What an OME-TIFF or a TIFF of ImageJ says; nothing for any other file, or one that cannot be read."""
    if file.suffix.lower() not in (".tif", ".tiff", ".btf"):
        return Embedded()
    from tifffile import TiffFile

    try:
        with TiffFile(file) as tif:
            if tif.is_ome:
                return _of_ome(tif)
            if tif.is_imagej:
                return _of_imagej(tif)
    except _DAMAGED:
        pass  # preflight reads every header and says what is wrong with which file
    return Embedded()


def _of_ome(tif: TiffFile) -> Embedded:
    from defusedxml.ElementTree import fromstring

    pixels: Any = fromstring(tif.ome_metadata or "").find(".//{*}Pixels")
    if pixels is None:
        return Embedded()
    sizes = {axis: int(pixels.get(f"Size{axis.upper()}", 0)) for axis in "zct"}
    # A file of a set, or one whose pages come in another order, says nothing about a tile of its own.
    ordered = pixels.get("DimensionOrder") == "XYZCT" or _one_axis(sizes)
    whole = ordered and sizes["z"] * sizes["c"] * sizes["t"] == len(tif.pages)
    width = _positive(pixels, "PhysicalSizeX", "µm")
    height = _positive(pixels, "PhysicalSizeY", "µm")
    return Embedded(
        **{f"length_{axis}": size for axis, size in sizes.items() if whole},
        pixelsize=width,
        pixelsize_y=height if height != width else None,
        z_spacing=_positive(pixels, "PhysicalSizeZ", "µm"),
        t_spacing=_positive(pixels, "TimeIncrement", "s"),
    )


def _of_imagej(tif: TiffFile) -> Embedded:
    said = tif.imagej_metadata or {}
    sizes = {"z": said.get("slices", 1), "c": said.get("channels", 1), "t": said.get("frames", 1)}
    ordered = _one_axis(sizes)  # ImageJ's pages run through channels first; a tile's run through z first
    unit = str(said.get("unit", "")).replace("\\u00B5", "µ")
    width, height = (_resolution(tif, name, unit) for name in ("XResolution", "YResolution"))
    interval = said.get("finterval")
    return Embedded(
        **{f"length_{axis}": size for axis, size in sizes.items() if ordered},
        pixelsize=width,
        pixelsize_y=height if height != width else None,
        z_spacing=_in_unit(said.get("spacing"), unit),
        t_spacing=float(interval) if interval and interval > 0 else None,
    )


def _one_axis(sizes: dict[str, int]) -> bool:
    """Whether the order of the pages does not matter."""
    return sum(size > 1 for size in sizes.values()) <= 1


def _positive(pixels: Any, name: str, default_unit: str) -> float | None:
    """An attribute in µm or s; None where it is missing, not positive or in an unknown unit."""
    value, unit = pixels.get(name), pixels.get(f"{name}Unit", default_unit)
    return _in_unit(float(value), unit, time=default_unit == "s") if value is not None else None


def _in_unit(value: Any, unit: str, *, time: bool = False) -> float | None:
    if not isinstance(value, int | float) or not isfinite(value) or value <= 0:
        return None
    try:
        return to_second(float(value), unit) if time else to_micrometre(float(value), unit)
    except SourceError:
        return None


def _resolution(tif: TiffFile, name: str, unit: str) -> float | None:
    """Edge of a pixel, µm, from the resolution tag that ImageJ writes in pixels per unit."""
    tag = tif.pages.first.tags.get(name)
    if tag is None or not tag.value[0]:
        return None
    return _in_unit(tag.value[1] / tag.value[0], unit)
