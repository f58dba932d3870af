"""Fields of view cut from one large scene lie so that the mosaic is the scene again, whatever a vendor's Y means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from tests.simulators import imagexpress, imagexpress_hcsai, operetta, yokogawa
from tests.simulators.truth import convert

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

ROWS, COLUMNS, EDGE, PIXEL = 2, 3, 20, 0.5
# As instruments number fields: the one in the middle first, then line by line, there and back.
ORDER = ((0, 1), (0, 0), (1, 0), (1, 1), (1, 2), (0, 2))


@cache
def scene(overlap: int) -> NDArray[np.uint16]:
    """What the camera would see if it saw all at once."""
    height, width = (count * EDGE - (count - 1) * overlap for count in (ROWS, COLUMNS))
    return np.arange(1, height * width + 1, dtype=np.uint16).reshape(height, width)


def corner(number: int, overlap: int) -> tuple[int, int]:
    """First row and column of a field, counted from 1."""
    row, column = ORDER[number - 1]
    return row * (EDGE - overlap), column * (EDGE - overlap)


def seen(number: int, overlap: int) -> NDArray[np.uint16]:
    row, column = corner(number, overlap)
    return scene(overlap)[row : row + EDGE, column : column + EDGE]


def offsets(overlap: int, y_direction: int, scale: float = 1.0) -> tuple[tuple[float, float], ...]:
    """Stage position of each field, µm, about the middle of the scene."""
    corners = [corner(number, overlap) for number in range(1, len(ORDER) + 1)]
    height, width = ((count - 1) * (EDGE - overlap) / 2 for count in (ROWS, COLUMNS))
    return tuple(
        ((column - width) * PIXEL * scale, (row - height) * PIXEL * y_direction * scale)
        for row, column in corners
    )


@dataclass(frozen=True)
class Operetta(operetta.Measurement):
    overlap: int = 0

    def pixels(self, place: tuple[int, ...]) -> NDArray[Any]:
        return seen(place[2], self.overlap)


@dataclass(frozen=True)
class Yokogawa(yokogawa.Measurement):
    overlap: int = 0

    def pixels(self, image: yokogawa.Plane) -> NDArray[Any]:
        return seen(image.field, self.overlap)


@dataclass(frozen=True)
class ImageXpress(imagexpress.Plate):
    overlap: int = 0

    def pixels(self, shot: imagexpress.Shot) -> NDArray[Any]:
        return seen(shot.site, self.overlap)


@dataclass(frozen=True)
class HcsAi(imagexpress_hcsai.Run):
    overlap: int = 0

    def pixels(self, shot: imagexpress_hcsai.Shot) -> NDArray[Any]:
        return seen(shot.field + 1, self.overlap)


def an_operetta(folder: Path, overlap: int) -> Path:
    said = Operetta(
        wells=((2, 3),),
        offsets=offsets(overlap, -1, 1e-6),
        channels=(operetta.Channel("DAPI"),),
        planes=1,
        height=EDGE,
        width=EDGE,
        resolution=PIXEL * 1e-6,
        overlap=overlap,
    )
    return operetta.write(folder, said)


def a_yokogawa(folder: Path, overlap: int, *, is_cq: bool) -> Path:
    said = Yokogawa(
        is_cq=is_cq,
        wells=("B03",),
        fields=offsets(overlap, -1),
        channels=(yokogawa.DAPI,),
        size_z=1,
        height=EDGE,
        width=EDGE,
        pixelsize=PIXEL,
        pixelsize_y=PIXEL,
        overlap=overlap,
    )
    return said.write(folder)


def an_imagexpress(folder: Path, overlap: int) -> Path:
    said = ImageXpress(
        wells=("B03",),
        offsets=offsets(overlap, 1),
        waves=(imagexpress.Wave(),),
        planes=1,
        height=EDGE,
        width=EDGE,
        pixelsize=(PIXEL, PIXEL),
        overlap=overlap,
    )
    return said.write(folder)


def an_hcsai(folder: Path, overlap: int) -> Path:
    said = HcsAi(
        wells=("B03",),
        offsets=offsets(overlap, 1),
        wavelengths=(imagexpress_hcsai.Wavelength(),),
        planes=1,
        height=EDGE,
        width=EDGE,
        pixelsize=(PIXEL, PIXEL),
        overlap=overlap,
    )
    return said.write(folder)


MAKERS: dict[str, Callable[[Path, int], Path]] = {
    "operetta": an_operetta,
    "cellvoyager": lambda folder, overlap: a_yokogawa(folder, overlap, is_cq=False),
    "cq3k": lambda folder, overlap: a_yokogawa(folder, overlap, is_cq=True),
    "imagexpress": an_imagexpress,
    "imagexpress_hcsai": an_hcsai,
}


@pytest.mark.parametrize(("overlap", "mode"), [(0, "Auto"), (2, "Inplace")])
@pytest.mark.parametrize("name", MAKERS)
def test_the_mosaic_is_the_scene(tmp_path: Path, name: str, overlap: int, mode: str) -> None:
    source = MAKERS[name](tmp_path / "source", overlap)
    (image,) = convert(source, tmp_path / "out", format=name, tiling_mode=mode)
    mosaic = np.asarray(zarr.open_array(tmp_path / "out" / image / "0", mode="r")[...])
    np.testing.assert_array_equal(mosaic.squeeze(), scene(overlap))
