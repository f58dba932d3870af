"""What MetaMorph says of a plane in tags of its own (UIC1 to UIC4), as it did before it wrote XML.

Plates of the first ImageXpress are such TIFFs. They say where the stage was and how large a pixel is, but neither
timepoint nor z-plane: those are what names and folders say.
"""

from __future__ import annotations

import re
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError
from tiles2zarr.models.image_files.opened import open_image
from tiles2zarr.sources.imagexpress.metaseries import Optics, PlaneInfo, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tiles2zarr.models.image_files.opened import OpenImage

_DESCRIPTION, _UIC1, _UIC2, _UIC3, _UIC4 = 270, 33628, 33629, 33630, 33631
_CALIBRATED, _WIDTH, _HEIGHT, _UNIT, _NAME, _STAGE, _CHIP, _LABEL, _FOCUS, _IS_FOCUSED, _BINNING = (
    *(3, 4, 5, 6, 7),
    *(28, 29, 37, 40, 41, 46),
)
# Bytes of what UIC4 holds of a plane, one behind the other; of anything else the length is not known.
_LENGTHS = {_STAGE: 16, _CHIP: 16, _FOCUS: 8, _IS_FOCUSED: 4, _BINNING: 8}
_MOST = 1000  # tags, and letters of a text: more is damage
_LEAST_PLACE = 8  # in a file: what is less is no place, but a value
_DAY_OF_1970 = 2_440_587
_DAY = 86_400
_MILLISECOND = 1e-3
_EXPOSURE = re.compile(r"Exposure(?: Time)?:\s*([^\r\n]+)")
_TRIED, _WAITS, _THREADS = 256, 3.0, 8


def with_stk(infos: Sequence[PlaneInfo], files: Sequence[Path | None]) -> list[PlaneInfo]:
    """The infos, with what these tags say of the files.

    Args:
        infos: of all images.
        files: of each image, None where it is not to be looked at.
    """
    found = _each([file for file in files if file is not None])
    return [
        info if file is None else _joined(info, next(found)) for info, file in zip(infos, files, strict=True)
    ]


def _each(files: Sequence[Path]) -> Iterator[PlaneInfo | None]:
    """What each file says: one after another, but side by side where opening them mostly waits for a network."""
    started, worked = time.perf_counter(), time.thread_time()
    yield from [_tags_of(file) for file in files[:_TRIED]]
    if time.perf_counter() - started > _WAITS * (time.thread_time() - worked):
        with ThreadPoolExecutor(_THREADS) as pool:
            yield from pool.map(_tags_of, files[_TRIED:])
    else:
        yield from map(_tags_of, files[_TRIED:])


def is_stk(file: Path) -> bool:
    """Whether MetaMorph wrote such tags into a TIFF."""
    return _tags_of(file) is not None


def _joined(info: PlaneInfo, found: PlaneInfo | None) -> PlaneInfo:
    return info if found is None else replace(found, height=info.height, width=info.width)


def _tags_of(file: Path) -> PlaneInfo | None:
    """What the tags of one plane say; None where there are none, or they are damaged."""
    with suppress(SourceError, struct.error), open_image(file) as opened:
        tags = _page(opened)
        if _UIC2 in tags and tags[_UIC2][0] == 1:
            return _read(opened, tags)
    return None


def _page(file: OpenImage) -> dict[int, tuple[int, int]]:
    """Number of values and place of each tag of the first page; MetaMorph is always little-endian."""
    magic, first = struct.unpack("<4sI", file.bytes_at(0, 8))
    if magic != b"II*\0":
        return {}
    (count,) = struct.unpack("<H", file.bytes_at(first, 2))
    entries = file.bytes_at(first + 2, 12 * min(count, _MOST))
    return {code: (number, place) for code, _, number, place in struct.iter_unpack("<HHII", entries)}


def _read(file: OpenImage, tags: Mapping[int, tuple[int, int]]) -> PlaneInfo:
    places: dict[int, int] = {}
    if _UIC1 in tags:
        count, place = tags[_UIC1]
        places.update(struct.iter_unpack("<II", file.bytes_at(place, 8 * min(count, _MOST))))
    is_calibrated = places.get(_CALIBRATED, 1) != 0
    if _UIC4 in tags:
        places.update(_places_behind(file, tags[_UIC4][1]))
    _, _, day, milliseconds = struct.unpack("<4I", file.bytes_at(tags[_UIC2][1], 16))
    width, height = (_fraction(file, places.get(code, 0)) for code in (_WIDTH, _HEIGHT))
    stage = places.get(_STAGE, 0)
    x, y = _fraction(file, stage), _fraction(file, stage + 8) if stage else nan
    if x == y == 0:  # nobody noted it: the stage of a plate reader has its origin beside the plate
        x = y = nan
    return PlaneInfo(
        height=0,
        width=0,
        is_stk=True,
        x=x,
        y=y,
        focus=_fraction(file, places.get(_FOCUS, 0)),
        acquired=(day - _DAY_OF_1970) * _DAY + milliseconds * _MILLISECOND if day > _DAY_OF_1970 else nan,
        calibration=(width, height, _text(file, places.get(_UNIT, 0)))
        if is_calibrated and width > 0 and height > 0
        else None,
        optics=Optics(
            name=_text(file, places.get(_NAME, 0)) or None,
            emission_nm=_positive(_fraction(file, tags[_UIC3][1])) if _UIC3 in tags else None,
            exposure_s=_exposure(file, tags),
            objective=None,
            magnification=None,
            numerical_aperture=None,
        ),
    )


def _exposure(file: OpenImage, tags: Mapping[int, tuple[int, int]]) -> float | None:
    """s, as a line of the description says it."""
    count, place = tags.get(_DESCRIPTION, (0, 0))
    if count <= 4:
        return None
    match = _EXPOSURE.search(file.bytes_at(place, min(count, 2**14)).decode("cp1252", "replace"))
    return seconds_of(match[1]) if match else None


def _positive(value: float) -> float | None:
    return value if value > 0 else None


def _places_behind(file: OpenImage, place: int) -> Iterator[tuple[int, int]]:
    """The places of what UIC4 holds, which stands there itself."""
    for _ in range(_MOST):
        (code,) = struct.unpack("<H", file.bytes_at(place, 2))
        if code != _LABEL and code not in _LENGTHS:
            return
        place += 2
        yield code, place
        if code == _LABEL:
            (length,) = struct.unpack("<I", file.bytes_at(place, 4))
            place += 4 + length
        else:
            place += _LENGTHS[code]


def _fraction(file: OpenImage, place: int) -> float:
    """A fraction, which may be negative; NaN where there is none."""
    if place < _LEAST_PLACE:
        return nan
    with suppress(SourceError):
        over, under = struct.unpack("<ii", file.bytes_at(place, 8))
        return over / under if under else nan
    return nan


def _text(file: OpenImage, place: int) -> str:
    if place < _LEAST_PLACE:
        return ""
    with suppress(SourceError):
        (length,) = struct.unpack("<I", file.bytes_at(place, 4))
        if length <= _MOST:
            return file.bytes_at(place + 4, length).split(b"\0")[0].decode("cp1252", "replace").strip()
    return ""
