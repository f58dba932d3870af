"""One series of a LIF file: its axes, how they lie in memory, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import SourceError
from tiles2zarr.units import to_micrometre, to_second

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from numpy.typing import NDArray

# What LAS X calls its dimensions by number.
_NAMES = {
    1: "x",
    2: "y",
    3: "z",
    4: "t",
    5: "λ",
    6: "rotation",
    7: "slice",
    8: "time slice",
    9: "Λ",
    10: "m",
    11: "loop",
}
_SPACE = ("x", "y", "z")
_FILETIME_OF_1970 = 116444736000000000


@dataclass(frozen=True, slots=True)
class Dimension:
    """An axis of a series.

    Attributes:
        name: x, y, z, t, λ (emission), Λ (excitation), m (tile), or a word.
        count: how many positions.
        step: distance of two positions: µm, s, or nm for wavelengths; NaN where it is not said.
        origin: the first position, in the same unit.
        stride: bytes from one position to the next.
    """

    name: str
    count: int
    step: float
    origin: float
    stride: int


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, or one colour of a colour image.

    Attributes:
        dtype: numpy's name of the pixel type.
        lut: name of its lookup table.
        offset: bytes from the series' first pixel to the channel's.
        properties: what LAS X says of it, such as DyeName.
    """

    dtype: str
    lut: str
    offset: int
    properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class Series:
    """One image of a LIF file.

    Attributes:
        path: names of its folders and its own.
        element: its XML.
        memory: name of its memory block.
        size: bytes that its pixels take; 0: it was never taken.
        dimensions: from the fastest in memory to the slowest.
        channels: in the order in which they are listed.
    """

    path: tuple[str, ...]
    element: Element
    memory: str
    size: int
    dimensions: tuple[Dimension, ...]
    channels: tuple[Channel, ...]


def elements_of(root: Element) -> Iterator[tuple[tuple[str, ...], Element]]:
    """Every element of the tree below the file's own one, with the names of its folders and its own."""
    for top in root.iterfind("Element"):
        if top.find("Data/Image") is not None:
            yield (top.get("Name", ""),), top
        yield from _below(top, ())


def read_series(path: tuple[str, ...], element: Element, where: str) -> Series:
    """What the XML of an element with an image says.

    Raises:
        SourceError: it lacks something, or describes pixels that cannot be read.
    """
    description = element.find("Data/Image/ImageDescription")
    memory = element.find("Memory")
    if description is None or memory is None:
        msg = f"{where}: expected an ImageDescription and a Memory, found none: the file is damaged, copy it again"
        raise SourceError(msg)
    try:
        dimensions = [_dimension(item) for item in description.iterfind("Dimensions/DimensionDescription")]
        channels = [_channel(item, where) for item in description.iterfind("Channels/ChannelDescription")]
        size = int(memory.get("Size", "0") or 0)
    except (KeyError, ValueError) as error:
        msg = f"{where}: expected numbers for axes and channels, found {error}: the file is damaged, copy it again"
        raise SourceError(msg) from error
    if not channels or not dimensions or min(dimension.count for dimension in dimensions) < 1:
        msg = f"{where}: expected axes and channels, found none: the file is damaged, copy it again"
        raise SourceError(msg)
    return Series(
        path=path,
        element=element,
        memory=memory.get("MemoryBlockID", ""),
        size=size,
        dimensions=tuple(sorted(dimensions, key=lambda dimension: dimension.stride)),
        channels=tuple(channels),
    )


def plane_axes(series: Series) -> tuple[Dimension, Dimension]:
    """What becomes x and y: the two axes in space that are fastest in memory, which is how it was scanned.

    A scan along a single line has its next axis, usually time, for rows.
    """
    long = [dimension for dimension in series.dimensions if dimension.count > 1]
    space = [dimension for dimension in long if dimension.name in _SPACE]
    if len(space) < 2:
        space += [
            dimension
            for dimension in series.dimensions
            if dimension.name in _SPACE and dimension not in space
        ]
    if len(space) < 2:
        space += [dimension for dimension in long if dimension.name not in ("m", *_SPACE)]
    single = Dimension("y", 1, nan, 0.0, 1)
    first, second, *_ = (*space, single, single)
    if first.name == "y" and second.name == "x":
        # One column: the axes keep their names.
        first, second = second, first
    return first, second


def time_stamps(series: Series, where: str) -> tuple[NDArray[np.float64], float]:
    """When each frame was taken, s since the first one, in the order of memory, and when that was, s since 1970.

    Empty where nothing is said. Seconds since 1970 alone would lose the last digits of short steps.
    """
    listed = series.element.find("Data/Image/TimeStampList")
    if listed is None:
        return np.empty(0), 0.0
    try:
        ticks = [
            (int(stamp.attrib["HighInteger"]) << 32) + int(stamp.attrib["LowInteger"])
            for stamp in listed.iterfind("TimeStamp")
        ] or [int(word, 16) for word in (listed.text or "").split()]
    except (KeyError, ValueError) as error:
        msg = f"{where}: expected time stamps, found {error}: the file is damaged, copy it again"
        raise SourceError(msg) from error
    if not ticks:
        return np.empty(0), 0.0
    return np.array([(tick - ticks[0]) / 1e7 for tick in ticks]), (ticks[0] - _FILETIME_OF_1970) / 1e7


def _below(element: Element, folders: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Element]]:
    for child in element.iterfind("Children/Element"):
        path = (*folders, child.get("Name", ""))
        yield path, child
        yield from _below(child, path)


def _dimension(item: Element) -> Dimension:
    number = int(item.attrib["DimID"])
    count = int(item.attrib["NumberOfElements"])
    name = _NAMES.get(number, f"dimension {number}")
    length, origin = float(item.get("Length") or "nan"), float(item.get("Origin") or "nan")
    if int(item.get("BitInc") or 0):
        msg = f"axis {name} in steps of bits"
        raise ValueError(msg)
    unit = (item.get("Unit") or "").strip()
    step = abs(length) / (count - 1) if count > 1 else nan
    stride = int(item.attrib["BytesInc"])
    return Dimension(name, count, _in_unit(step, name, unit), _in_unit(origin, name, unit), stride)


def _in_unit(value: float, name: str, unit: str) -> float:
    """µm, s, or nm for wavelengths; NaN for what is no such length, or none that this program knows."""
    if not isfinite(value):
        return nan
    try:
        if name in _SPACE:
            converted = to_micrometre(value, unit)
        elif name in ("λ", "Λ"):
            converted = to_micrometre(value, unit) * 1000
        elif name == "t":
            converted = to_second(value, unit)
        else:
            return value
    except SourceError:
        return nan
    return float(f"{converted:.12g}")


def _channel(item: Element, where: str) -> Channel:
    kind, bits = int(item.attrib["DataType"]), int(item.attrib["Resolution"])
    name = (
        f"{'float' if kind == 1 else 'uint'}{next((size for size in (8, 16, 32, 64) if bits <= size), bits)}"
    )
    if kind not in (0, 1) or name not in ("uint8", "uint16", "uint32", "float32", "float64"):
        expected = "whole numbers of 8 to 32 bits or floats of 32 or 64"
        msg = f"{where}: expected {expected}, found {name}: convert it in LAS X"
        raise SourceError(msg)
    properties = {
        (entry.findtext("Key") or "").strip(): (entry.findtext("Value") or "").strip()
        for entry in item.iterfind("ChannelProperty")
    }
    return Channel(name, (item.get("LUTName") or "").strip(), int(item.get("BytesInc") or 0), properties)
