"""The channels of an index: what they are called, and with which light and objective they were taken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import ChannelInfo
from tiles2zarr.models.documents import one_line
from tiles2zarr.units import to_micrometre, to_second

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tiles2zarr.sources.operetta.index import Index

_NM = 1e3  # nm in a micrometre
_LONGEST_LABEL = 200
# Pixel sizes that differ by less than this share are one, rounded in two ways.
_SAME = 1e-4


def channels_of(index: Index) -> tuple[tuple[ChannelInfo, ...], NDArray[np.int64]]:
    """The channels in order of their ids, and the index of each image's channel.

    An id that goes by two names, as when two runs were merged, is two channels.

    Raises:
        SourceError: a value is no number.
    """
    ids = index.whole("ChannelID", 0)
    names = [text or "" for text in index.columns["ChannelName"]]
    distinct: dict[tuple[int, str], int] = {}
    firsts = np.array([distinct.setdefault(key, row) for row, key in enumerate(zip(ids, names, strict=True))])
    order = sorted(distinct, key=lambda key: (key[0], distinct[key]))
    place = {distinct[key]: number for number, key in enumerate(order)}
    first_rows = index.take(distinct[key] for key in order)
    values = {name: _positive(first_rows.numbers(name), scale) for name, scale in _scales(index).items()}
    channels = [
        ChannelInfo(
            channel_label=(name.strip() or f"channel_{identity}")[:_LONGEST_LABEL],
            color=_color(first_rows, number),
            excitation_nm=values["MainExcitationWavelength"][number],
            emission_nm=values["MainEmissionWavelength"][number],
            exposure_s=values["ExposureTime"][number],
            magnification=values["ObjectiveMagnification"][number],
            numerical_aperture=values["ObjectiveNA"][number],
        )
        for number, (identity, name) in enumerate(order)
    ]
    return tuple(channels), np.array([place[first] for first in firsts.tolist()], np.int64)


def pixel_size(
    index: Index, channels: tuple[ChannelInfo, ...], c: NDArray[np.int64], name: str
) -> float | None:
    """Width or height of a pixel, µm; None where the index does not say it.

    Args:
        index: of all images that become planes.
        channels: the channels.
        c: index of each image's channel.
        name: ``ImageResolutionX`` or ``ImageResolutionY``.

    Raises:
        SourceError: it differs from channel to channel, or is no number above zero.
    """
    sizes = to_micrometre(index.numbers(name), index.units.get(name, "m"))
    known = np.flatnonzero(np.isfinite(sizes))
    if not len(known):
        return None
    for row in known[sizes[known] <= 0].tolist():
        found = one_line(index.columns[name][row] or "", 80)
        msg = f"{index.place(row)}: expected {name} to be above 0, found {found}: export it again"
        raise SourceError(msg)
    first = sizes[known[0]]
    for row in known[np.abs(sizes[known] - first) > _SAME * first].tolist():
        labels = [f"{sizes[at]:.6g} µm ({channels[c[at]].channel_label})" for at in (known[0], row)]
        msg = (
            f"{index.place(row)}: expected one {name} in all images, found {' and '.join(labels)}: "
            "export what was taken with each objective or binning by itself"
        )
        raise SourceError(msg)
    return float(first)


def orientation_findings(index: Index) -> list[Finding]:
    """A warning where the stage may lie against the image in another way than on every known instrument.

    The matrix also holds how much the drives over- or undershoot. Positions are already those of the images, so
    it is not applied: fields of view that touch are then exactly an image apart.
    """
    found = dict.fromkeys(text.strip() for text in index.columns["OrientationMatrix"] if text)
    unusual = [text for text in found if not _is_usual(text)]
    if not unusual:
        return []
    message = (
        "expected OrientationMatrix to say that X grows to the right and Y upwards, found "
        f"{one_line(unusual[0], 120)}: positions are taken as usual, check the layout and "
        "set acquisition.stage_orientation if it is wrong"
    )
    return [Finding("warning", "assumed-value", str(index.file), message)]


def _is_usual(text: str) -> bool:
    try:
        (xx, xy, *_), (yx, yy, *_), *_ = json.loads(text)
        return bool(xx > 0 > yy and abs(xy) < xx and abs(yx) < -yy)
    except (ValueError, TypeError):
        return False


def _scales(index: Index) -> dict[str, float]:
    """What turns the values of a column into nm, s or a plain number."""
    units = index.units
    return {
        "MainExcitationWavelength": to_micrometre(1.0, units.get("MainExcitationWavelength", "nm")) * _NM,
        "MainEmissionWavelength": to_micrometre(1.0, units.get("MainEmissionWavelength", "nm")) * _NM,
        "ExposureTime": to_second(1.0, units.get("ExposureTime", "s")),
        "ObjectiveMagnification": 1.0,
        "ObjectiveNA": 1.0,
    }


def _positive(values: NDArray[np.float64], scale: float) -> list[float | None]:
    """Values in our units; 0 stands for none, as for the emission of a brightfield channel."""
    return [float(f"{value * scale:.9g}") if value > 0 else None for value in values.tolist()]


def _color(index: Index, row: int) -> str | None:
    """Red, green and blue of a 32-bit number or of hexadecimal digits, both with alpha first."""
    text = (index.columns["ChannelColor"][row] or "").strip()
    if not text:
        return None
    digits = text.removeprefix("#")
    try:
        number = int(digits, 16) if text != digits else int(text)
    except ValueError:
        return None
    return f"{number & 0xFFFFFF:06X}"
