"""What is kept where tiles overlap."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.layouts import DTYPES
from tests.reference import PlacedPlane, mosaic
from tiles2zarr.models import OverlapMode
from tiles2zarr.writer import overlap
from tiles2zarr.writer.overlap import paint, scratch_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tiles2zarr.writer.overlap import Piece

HEIGHT, WIDTH = 9, 8


def pieces_of(planes: Sequence[PlacedPlane]) -> list[Piece]:
    def piece(plane: PlacedPlane) -> Piece:
        height, width = plane.pixels.shape
        place = slice(plane.y, plane.y + height), slice(plane.x, plane.x + width)
        return place, lambda: plane.pixels

    return [piece(plane) for plane in planes]


@st.composite
def planes(draw: st.DrawFn, dtype: str) -> PlacedPlane:
    height, width = draw(st.integers(1, HEIGHT)), draw(st.integers(1, WIDTH))
    y, x = draw(st.integers(0, HEIGHT - height)), draw(st.integers(0, WIDTH - width))
    numbers = {"allow_nan": False, "allow_infinity": False} if np.dtype(dtype).kind == "f" else {}
    pixels = draw(
        arrays.arrays(dtype, (height, width), elements=arrays.from_dtype(np.dtype(dtype), **numbers))
    )
    return PlacedPlane(0, 0, 0, y, x, pixels)


def painted(planes: Sequence[PlacedPlane], dtype: str, mode: OverlapMode) -> NDArray[Any]:
    block = np.zeros((HEIGHT, WIDTH), dtype)
    paint(block, pieces_of(planes), mode)
    return block


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from(OverlapMode))
def test_any_tiles_of_any_type_equal_the_reference(
    data: st.DataObject, dtype: str, mode: OverlapMode
) -> None:
    drawn = data.draw(st.lists(planes(dtype), max_size=5))
    with np.errstate(over="ignore", invalid="ignore"):
        expected = mosaic((1, 1, 1, HEIGHT, WIDTH), dtype, drawn, mode.value)[0, 0, 0]
        np.testing.assert_array_equal(painted(drawn, dtype, mode), expected)


def test_each_mode_on_two_pixels_that_overlap_in_one() -> None:
    first, second = (np.array([pixels], np.uint8) for pixels in ([10, 20], [5, 7]))
    drawn = [PlacedPlane(0, 0, 0, 0, 0, first), PlacedPlane(0, 0, 0, 0, 1, second)]
    found = {mode.value: painted(drawn, "uint8", mode)[0, :4].tolist() for mode in OverlapMode}
    assert found == {
        "Last": [10, 5, 7, 0],
        "First": [10, 20, 7, 0],
        "Mean": [10, 13, 7, 0],
        "Maximum": [10, 20, 7, 0],
    }


def test_the_maximum_of_negative_pixels_is_not_the_empty_background() -> None:
    drawn = [PlacedPlane(0, 0, 0, 0, 0, np.full((1, 2), value, np.int16)) for value in (-9, -4)]
    assert painted(drawn, "int16", OverlapMode.MAXIMUM)[0, :3].tolist() == [-4, -4, 0]


@pytest.mark.parametrize("dtype", ["uint64", "int64"])
def test_the_mean_of_the_largest_integers_does_not_wrap(dtype: str) -> None:
    limits = np.iinfo(dtype)
    for values in (
        [limits.max] * 3,
        [limits.min] * 3,
        [limits.max, limits.max - 1],
        [limits.min, limits.min + 1],
    ):
        drawn = [PlacedPlane(0, 0, 0, 0, 0, np.full((1, 1), value, dtype)) for value in values]
        exact = (2 * sum(values) + len(values)) // (2 * len(values))
        assert int(painted(drawn, dtype, OverlapMode.MEAN)[0, 0]) == exact


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    for dtype in ("uint16", "uint64", "float32"):
        drawn = [
            PlacedPlane(0, 0, 0, y, y, random.integers(0, 9999, (6, 4)).astype(dtype)) for y in (0, 1, 3)
        ]
        whole = painted(drawn, dtype, OverlapMode.MEAN)
        monkeypatch.setattr(overlap, "_BAND_PIXELS", 10)
        np.testing.assert_array_equal(painted(drawn, dtype, OverlapMode.MEAN), whole)
        monkeypatch.undo()


@pytest.mark.parametrize("dtype", ["uint8", "uint64", "float64"])
@pytest.mark.parametrize("mode", OverlapMode)
def test_painting_takes_no_more_memory_than_is_planned_for(mode: OverlapMode, dtype: str) -> None:
    side = 1500
    pixels = np.ones((side, side // 2 + 10), dtype)
    block = np.zeros((side, side), dtype)
    drawn = [PlacedPlane(0, 0, 0, 0, x, pixels) for x in (0, side // 2 - 10)]
    tracemalloc.start()
    paint(block, pieces_of(drawn), mode)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= scratch_bytes(mode, block.size) + 2 * pixels.nbytes + 2**21
