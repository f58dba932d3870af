"""A simulated NIS-Elements: writes ND2 files of version 3 chunk by chunk, with every quirk as a switch."""

from __future__ import annotations

import itertools
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.simulators.truth import plane

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = b"\xda\xce\xbe\x0a"
_FRAME_NAME = 4072
#: Julian day of the first frame.
DAY = 2461104.75


@dataclass(frozen=True)
class Point:
    """A position of the stage.

    Attributes:
        x: µm.
        y: µm, growing upwards.
        name: what it is called.
    """

    x: float
    y: float
    name: str = ""


@dataclass(frozen=True)
class Nd2:
    """A document.

    Attributes:
        channels: names, which may hold anything.
        colors: RRGGBB.
        samples: components of each channel: 1 or 3.
        loops: letters of t, p and z, from the slowest to the fastest.
        size_z: planes.
        size_t: timepoints.
        points: positions of the stage.
        height: px.
        width: px.
        dtype: of the pixels.
        pixelsize: µm; None: not calibrated.
        z_step: µm.
        seconds: between timepoints.
        camera: camera pixels to stage.
        orientation: how X and Y of the stage count.
        padding: unused bytes after each row.
        is_compressed: with zlib.
        is_lossy: lossy compression is declared.
        without: frames that were never written.
        has_times: there is a list of times.
        has_dyes: channels have a dye with spectra.
        lasers: lines that were on, nm; empty: there is no laser.
        filter_bands: wavelengths that the filter lets through; empty: there is no filter.
    """

    channels: tuple[str, ...] = ("DAPI", "FITC/GFP 50%")
    colors: tuple[str, ...] = ("0000FF", "00FF00")
    samples: tuple[int, ...] = (1, 1)
    loops: str = "tpz"
    size_z: int = 1
    size_t: int = 1
    points: tuple[Point, ...] = (Point(1000.0, 2000.0),)
    height: int = 24
    width: int = 32
    dtype: str = "uint16"
    pixelsize: float | None = 0.5
    z_step: float = 1.5
    seconds: float = 20.0
    camera: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)
    orientation: tuple[int, int] = (1, -1)
    padding: int = 0
    is_compressed: bool = False
    is_lossy: bool = False
    without: frozenset[int] = field(default_factory=frozenset)
    has_times: bool = True
    has_dyes: bool = True
    lasers: tuple[int, ...] = ()
    filter_bands: tuple[float, ...] = ()

    @property
    def lengths(self) -> list[int]:
        """Of the loops."""
        counts = {"t": self.size_t, "p": len(self.points), "z": self.size_z}
        return [counts[letter] for letter in self.loops]

    def places(self) -> list[dict[str, int]]:
        """t, p and z of each frame."""
        base = {"t": 0, "p": 0, "z": 0}
        return [
            {**base, **dict(zip(self.loops, index, strict=True))}
            for index in itertools.product(*map(range, self.lengths))
        ]

    def pixels(self, p: int, c: int, z: int = 0, t: int = 0) -> NDArray[Any]:
        """Axes y and x, and red, green, blue for colours."""
        size = (self.height, self.width, self.dtype)
        if self.samples[c] == 1:
            return plane("nd2", p, c, z, t, *size)
        return np.stack([plane("nd2", p, c, z, t + 1000 * (color + 1), *size) for color in range(3)], axis=-1)

    def frame(self, p: int, z: int, t: int) -> bytes:
        """All components as they lie in a frame: colours as blue, green, red."""
        parts = []
        for c, samples in enumerate(self.samples):
            pixels = self.pixels(p, c, z, t)
            parts.append(pixels[..., None] if samples == 1 else pixels[..., ::-1])
        rows = np.concatenate(parts, axis=-1).reshape(self.height, -1).view(np.uint8)
        return np.pad(rows, ((0, 0), (0, self.padding))).tobytes()

    def write(self, file: Path) -> Path:
        """The document as a file."""
        components, size = sum(self.samples), np.dtype(self.dtype).itemsize
        data = bytearray(_chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0")))
        chunks = {
            b"ImageAttributesLV!": _lite(
                SLxImageAttributes={
                    "uiWidth": self.width,
                    "uiWidthBytes": self.width * size * components + self.padding,
                    "uiHeight": self.height,
                    "uiComp": components,
                    "uiBpcInMemory": 8 * size,
                    "uiBpcSignificant": 8 * size,
                    "uiSequenceCount": len(self.places()),
                    "uiTileWidth": self.width,
                    "uiTileHeight": self.height,
                    "eCompression": 1 if self.is_lossy else 0 if self.is_compressed else 2,
                }
            ),
            b"ImageMetadataSeqLV|0!": _lite(SLxPictureMetadata=self._picture()),
        }
        if self.loops:
            chunks[b"ImageMetadataLV!"] = _lite(SLxExperiment=self._experiment(self.loops))
        if self.has_times:
            times = [1000 * (0.5 + self.seconds * at["t"] + 0.1 * at["z"]) for at in self.places()]
            chunks[b"CustomData|AcqTimesCache!"] = np.array(times, "<f8").tobytes()
        positions = {}
        for number, at in enumerate(self.places()):
            if number in self.without:
                continue
            name = f"ImageDataSeq|{number}!".encode()
            pixels = self.frame(**at)
            stored = zlib.compress(pixels) if self.is_compressed else pixels
            positions[name] = (len(data), len(stored) + 8)
            data += _chunk(name.ljust(_FRAME_NAME, b"\0"), struct.pack("<d", 0.0) + stored)
        for name, content in chunks.items():
            positions[name] = (len(data), len(content))
            data += _chunk(name, content)
        place = len(data)
        listed = b"".join(name + struct.pack("<QQ", *where) for name, where in positions.items())
        end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", place)
        data += _chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", listed + end)
        file.write_bytes(bytes(data))
        return file

    def _picture(self) -> dict[str, Any]:
        planes = {
            f"a{c}": {
                "uiCompCount": self.samples[c],
                "uiSampleIndex": c,
                "uiModalityMask": 257,
                "uiColor": int.from_bytes(bytes.fromhex(self.colors[c]), "little"),
                "sDescription": name,
                **({"pFluorescentProbe": _dye(c)} if self.has_dyes else {}),
                **({"pFilterPath": _filter(self.filter_bands)} if self.filter_bands else {}),
            }
            for c, name in enumerate(self.channels)
        }
        settings = {
            f"a{c}": {
                "dExposureTime": 100.0 * (c + 1),
                "pDeviceSetting": {
                    "m_iXYUse0": 0,
                    "m_iXOrientation0": self.orientation[0],
                    "m_iYOrientation0": self.orientation[1],
                    **(_laser(self.lasers) if self.lasers else {}),
                },
            }
            for c in range(len(self.channels))
        }
        names = ("dStgLgCT11", "dStgLgCT12", "dStgLgCT21", "dStgLgCT22")
        return {
            "dTimeMSec": 500.0,
            "dTimeAbsolute": DAY,
            "dXPos": self.points[0].x,
            "dYPos": self.points[0].y,
            "dZPos": 30.0,
            "dCalibration": self.pixelsize if self.pixelsize is not None else -1.0,
            "bCalibrated": self.pixelsize is not None,
            "wsObjectiveName": "Plan Apo λ 20x",
            "dObjectiveMag": 20.0,
            "dObjectiveNA": 0.75,
            **dict(zip(names, self.camera, strict=True)),
            "sPicturePlanes": {
                "uiCount": len(self.channels),
                "uiCompCount": sum(self.samples),
                "uiSampleCount": len(self.channels),
                "sSampleSetting": settings,
                "sPlaneNew": planes,
            },
        }

    def _experiment(self, loops: str) -> dict[str, Any]:
        match loops[0]:
            case "t":
                kind, parameters = 1, self._time()
            case "p":
                kind = 2
                points = {
                    f"i{number:010}": {
                        "dPosX": point.x,
                        "dPosY": point.y,
                        "dPosZ": 0.0,
                        "dPosName": point.name,
                    }
                    for number, point in enumerate(self.points)
                }
                parameters = {"uiCount": len(self.points), "bUseZ": False, "Points": points}
            case _:
                kind = 4
                length = self.z_step * (self.size_z - 1)
                parameters = {
                    "uiCount": self.size_z,
                    "dZLow": 0.0,
                    "dZHigh": length,
                    "dZHome": 0.0,
                    "dZStep": self.z_step,
                    "iType": 0,
                }
        below = {"ppNextLevelEx": {"i0000000000": self._experiment(loops[1:])}} if loops[1:] else {}
        return {"eType": kind, "uLoopPars": parameters, **below}

    def _time(self) -> dict[str, Any]:
        return {"uiCount": self.size_t, "dStart": 0.0, "dPeriod": 1000 * self.seconds, "dDuration": 0.0}


def contract_plate(folder: Path) -> Path:
    """Two wells of two positions each."""
    points = tuple(
        Point(x + 16.0 * field, -2000.0, f"{well}_{field}")
        for well, x in (("A1", 1000.0), ("B2", 10000.0))
        for field in range(2)
    )
    return Nd2(points=points, size_z=2, loops="pz").write(folder / "plate.nd2")


def _laser(lines: tuple[int, ...]) -> dict[str, Any]:
    """A laser of four lines, of which some were on."""
    said: dict[str, Any] = {}
    for number, line in enumerate((405, 488, 561, 640)):
        said[f"m_bMultiLaser_LineUsedLineUsed0-{number:02}"] = int(line in lines)
        said[f"m_uiMultiLaser_LineUsedLineWavelength0-{number:02}"] = line
    return said


def _filter(bands: tuple[float, ...]) -> dict[str, Any]:
    points = {
        f"Point{number}": {"eType": 4, "dTValue": 0.0, "dWavelength": band}
        for number, band in enumerate(bands)
    }
    spectrum = {"uiCount": len(bands), "bPoints": False, "pPoint": points}
    return {"m_pFilter": {"i0000000000": {"m_ExcitationSpectrum": spectrum}}}


def _dye(c: int) -> dict[str, Any]:
    return {"m_ExcitationSpectrum": _peak(400.0 + 50 * c), "m_EmissionSpectrum": _peak(450.0 + 50 * c)}


def _peak(wavelength: float) -> dict[str, Any]:
    return {"uiCount": 1, "pPoint": {"Point0": {"eType": 1, "dTValue": 1.0, "dWavelength": wavelength}}}


def _chunk(name: bytes, content: bytes) -> bytes:
    return _MAGIC + struct.pack("<IQ", len(name), len(content)) + name + content


def _lite(**items: Any) -> bytes:
    """Values as NIS-Elements writes them: a type, a name, and what belongs to the type."""
    return b"".join(_item(name, value) for name, value in items.items())


def _item(name: str, value: Any) -> bytes:
    encoded = (name + "\0").encode("utf-16-le")
    length = len(encoded) // 2
    match value:
        case bool():
            return bytes([1, length]) + encoded + bytes([value])
        case int() if name.startswith("ui"):
            return bytes([3, length]) + encoded + struct.pack("<I", value)
        case int():
            return bytes([2, length]) + encoded + struct.pack("<i", value)
        case float():
            return bytes([6, length]) + encoded + struct.pack("<d", value)
        case str():
            return bytes([8, length]) + encoded + (value + "\0").encode("utf-16-le")
        case _:
            return _level(encoded, value)


def _level(name: bytes, items: Mapping[str, Any]) -> bytes:
    inner = _lite(**items)
    head = bytes([11, len(name) // 2]) + name
    length = len(head) + struct.calcsize("<IQ") + len(inner)
    return head + struct.pack("<IQ", len(items), length) + inner + bytes(8 * len(items))
