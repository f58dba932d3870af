"""What the package nd2 says of a file, as plain values."""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import MissingExtraError, SourceError
from tiles2zarr.sources.nd2.chunks import read_chunks
from tiles2zarr.sources.nd2.settings import camera_of, orientation_of, planes_of, positive

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tiles2zarr.sources.nd2.chunks import Chunks
    from tiles2zarr.sources.nd2.settings import Plane

# Whatever a damaged file makes nd2 stumble over.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NameError,
    NotImplementedError,
    OSError,
    RecursionError,
    StopIteration,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_LOOPS = {"TimeLoop": "t", "NETimeLoop": "t", "CustomLoop": "t", "XYPosLoop": "p", "ZStackLoop": "z"}
_UNIX_EPOCH = 2440587.5  # as a Julian day


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of the acquisition.

    Attributes:
        axis: t, p or z.
        kind: what the vendor calls it.
        count: how often it ran.
        step: µm or s, 0 where it says nothing.
    """

    axis: str
    kind: str
    count: int
    step: float


@dataclass(frozen=True, slots=True)
class Point:
    """A position of the stage, µm as the vendor says it: Y grows up.

    Attributes:
        name: what people called it; may be empty.
        x: µm.
        y: µm.
    """

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True, eq=False)
class Nd2File:
    """What one file holds.

    Attributes:
        file: its path.
        chunks: where its frames lie.
        loops: from the slowest to the fastest.
        planes: its channels.
        points: one for each position of the stage.
        camera: camera pixels to the stage's axes, a matrix of two rows without scale.
        orientation: 1 or -1 for X and Y: whether the stage counts as that matrix does.
        pixelsize: µm; None: not calibrated.
        height: px.
        width: px.
        row_bytes: bytes of a row of all components.
        dtype: numpy's name of the pixel type.
        is_compressed: with zlib.
        started: when the acquisition began, s since 1970; NaN: not said.
    """

    file: Path
    chunks: Chunks
    loops: tuple[Loop, ...]
    planes: tuple[Plane, ...]
    points: tuple[Point, ...]
    camera: NDArray[np.float64]
    orientation: tuple[int, int]
    pixelsize: float | None
    height: int
    width: int
    row_bytes: int
    dtype: str
    is_compressed: bool
    started: float


def read_nd2(file: Path) -> Nd2File:
    """Everything but pixels.

    Raises:
        MissingExtraError: the package nd2 is not installed.
        SourceError: the file is damaged, or holds what cannot be converted.
    """
    try:
        import nd2
    except ImportError as error:
        msg = f'{file}: expected the package nd2 for ND2 files, found none: run pip install "tiles2zarr[nd2]"'
        raise MissingExtraError(msg) from error
    chunks = read_chunks(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with nd2.ND2File(file) as opened:
                return _described(file, chunks, opened)
    except _DAMAGE as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        msg = f"{file}: expected valid metadata, found {reason}: the file is damaged or incomplete, copy it again"
        raise SourceError(msg) from error


def _described(file: Path, chunks: Chunks, opened: Any) -> Nd2File:
    attributes = opened.attributes
    if attributes.compressionType == "lossy":
        msg = (
            f"{file}: expected pixels compressed without loss, found lossy ones: export it from NIS-Elements"
        )
        raise SourceError(msg)
    kind = "float" if attributes.pixelDataType == "float" else "uint"
    dtype = f"{kind}{attributes.bitsPerComponentInMemory}"
    if dtype not in ("uint8", "uint16", "float32"):
        msg = f"{file}: expected pixels of type uint8, uint16 or float32, found {dtype}: export it from NIS-Elements"
        raise SourceError(msg)
    picture = _picture(opened)
    planes = planes_of(picture)
    components = sum(plane.samples for plane in planes)
    if components != attributes.componentCount or not {plane.samples for plane in planes} <= {1, 3}:
        expected = f"channels of 1 or 3 components, {attributes.componentCount} in all"
        msg = f"{file}: expected {expected}, found {components}: export it from NIS-Elements"
        raise SourceError(msg)
    day = float(picture.get("dTimeAbsolute") or 0.0)
    return Nd2File(
        file=file,
        chunks=chunks,
        loops=_loops(opened.experiment),
        planes=planes,
        points=_points(opened, picture),
        camera=camera_of(picture),
        orientation=orientation_of(picture),
        pixelsize=positive(picture.get("dCalibration")) if picture.get("bCalibrated") else None,
        height=int(attributes.heightPx),
        width=int(attributes.widthPx),
        row_bytes=int(attributes.widthBytes),
        dtype=dtype,
        is_compressed=attributes.compressionType == "lossless",
        started=(day - _UNIX_EPOCH) * 86400 if isfinite(day) and day > _UNIX_EPOCH else nan,
    )


def _picture(opened: Any) -> dict[str, Any]:
    """The settings of microscope and camera, which are those of the first frame."""
    names = {"ImageMetadataSeqLV|0", "ImageMetadataSeq|0"}
    raw = opened.unstructured_metadata(strip_prefix=False, include=names)
    found: dict[str, Any] = next(value for value in raw.values() if isinstance(value, dict))
    picture: dict[str, Any] = found.get("SLxPictureMetadata", found)
    return picture


def _loops(experiment: Any) -> tuple[Loop, ...]:
    loops = []
    for loop in experiment:
        axis = _LOOPS[loop.type]
        step = 0.0
        if loop.type == "ZStackLoop":
            step = abs(loop.parameters.stepUm)
        elif loop.type == "TimeLoop":
            step = loop.parameters.periodMs / 1000
        elif loop.type == "NETimeLoop" and len(loop.parameters.periods) == 1:
            step = loop.parameters.periods[0].periodMs / 1000
        loops.append(Loop(axis, loop.type, int(loop.count), float(step)))
    return tuple(loops)


def _points(opened: Any, picture: dict[str, Any]) -> tuple[Point, ...]:
    """Positions of the loop over positions, else that of the first frame."""
    for loop in opened.experiment:
        if loop.type == "XYPosLoop":
            return tuple(
                Point(point.name or "", point.stagePositionUm[0], point.stagePositionUm[1])
                for point in loop.parameters.points
            )
    return (Point("", float(picture.get("dXPos", 0.0)), float(picture.get("dYPos", 0.0))),)
