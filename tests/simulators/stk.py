"""TIFFs as MetaMorph wrote them before it had XML: what it knew of a plane stands in its own tags, UIC1 to UIC4."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# MetaMorph counts days from noon to noon, so to speak one behind the astronomers.
_DAY_OF_1970 = 2_440_587


@dataclass(frozen=True)
class Stk:
    """What MetaMorph knew of a plane.

    Attributes:
        name: of the plane.
        position: of the stage, µm.
        focus: of the focus drive, µm.
        when: it was taken.
        calibration: width and height of a pixel.
        unit: of the calibration.
        is_calibrated: whether the calibration was on.
        wavelength: nm.
        exposure: ms.
        positions_in: the tag that holds position and focus, 1 or 4: releases differ.
        planes: how many planes the tags speak of.
    """

    name: str = "DAPI"
    position: tuple[float, float] = (0.0, 0.0)
    focus: float = 0.0
    when: datetime = datetime(2013, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)
    calibration: tuple[float, float] = (1.72, 1.72)
    unit: str = "um"
    is_calibrated: bool = True
    wavelength: float = 457.0
    exposure: float = 100.0
    positions_in: int = 4
    planes: int = 1

    def tiff(self, pixels: NDArray[Any]) -> bytes:
        """The file."""
        height, width = pixels.shape
        data = np.ascontiguousarray(pixels).tobytes()
        data += b"\0" * (len(data) % 2)
        text = f"Exposure: {self.exposure:g} ms\r\nBinning: 1 x 1\r\nRegion: {width} x {height}\r\n".encode()
        codes = (256, 257, 258, 259, 262, 270, 273, 277, 278, 279, 33628, 33629, 33630, 33631)
        start = 8 + len(data)
        tail = _Tail(start + 2 + 12 * len(codes) + 4)
        described = tail.add(text + b"\0")
        one, entries = self._uic1(tail)
        two = tail.add(self._when() * self.planes)
        three = tail.add(_fraction(self.wavelength) * self.planes)
        four = tail.add(self._uic4())
        values = {
            256: (3, 1, width),
            257: (3, 1, height),
            258: (3, 1, 8 * pixels.itemsize),
            259: (3, 1, 1),
            262: (3, 1, 1),
            270: (2, len(text) + 1, described),
            273: (4, 1, 8),
            277: (3, 1, 1),
            278: (3, 1, height),
            279: (4, 1, height * width * pixels.itemsize),
            33628: (4, entries, one),
            33629: (5, self.planes, two),
            33630: (5, self.planes, three),
            33631: (4, self.planes, four),
        }
        tags = b"".join(struct.pack("<HHII", code, *values[code]) for code in codes)
        page = struct.pack("<H", len(codes)) + tags + struct.pack("<I", 0)
        return struct.pack("<2sHI", b"II", 42, start) + data + page + tail.data

    def _uic1(self, tail: _Tail) -> tuple[int, int]:
        said = {
            0: 0,
            3: int(self.is_calibrated),
            4: tail.add(_fraction(self.calibration[0])),
            5: tail.add(_fraction(self.calibration[1])),
            6: tail.add(_text(self.unit)),
            7: tail.add(_text(self.name)),
            16: tail.add(struct.pack("<II", 0, 0)),
            27: 457,
        }
        if self.positions_in == 1:
            said[28] = tail.add(b"".join(map(_fraction, self.position)) * self.planes)
            said[40] = tail.add(_fraction(self.focus) * self.planes)
            said[41] = 1
        return tail.add(b"".join(struct.pack("<II", *pair) for pair in said.items())), len(said)

    def _uic4(self) -> bytes:
        if self.positions_in != 4:
            return struct.pack("<H", 0)
        parts = [
            (28, b"".join(map(_fraction, self.position)) * self.planes),
            (29, _fraction(0.0) * 2 * self.planes),
            (37, _text("A01 : Site 1") * self.planes),
            (40, _fraction(self.focus) * self.planes),
            (41, struct.pack("<I", 1) * self.planes),
        ]
        return b"".join(struct.pack("<H", code) + data for code, data in parts) + struct.pack("<H", 0)

    def _when(self) -> bytes:
        since = self.when - datetime(1970, 1, 1, tzinfo=UTC)
        milliseconds = since.seconds * 1000 + since.microseconds // 1000
        return _fraction(0.0) + struct.pack("<4I", since.days + _DAY_OF_1970, milliseconds, 0, 0)


class _Tail:
    """What lies behind the tags."""

    def __init__(self, start: int) -> None:
        self._start = start
        self.data = b""

    def add(self, data: bytes) -> int:
        """Its place in the file."""
        place = self._start + len(self.data)
        self.data += data + b"\0" * (len(data) % 2)
        return place


def _fraction(value: float) -> bytes:
    return struct.pack("<iI", round(value * 10_000), 10_000)


def _text(text: str) -> bytes:
    data = text.encode("cp1252") + b"\0"
    return struct.pack("<I", len(data)) + data
