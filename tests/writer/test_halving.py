"""The rounded mean of 2 x 2 pixels, exact for every pixel type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.layouts import DTYPES
from tests.reference import halved
from tiles2zarr.writer import halving
from tiles2zarr.writer.halving import halve

if TYPE_CHECKING:
    from numpy.typing import NDArray

INTEGERS = [dtype for dtype in DTYPES if np.dtype(dtype).kind in "iu"]


def result(block: NDArray[Any]) -> NDArray[Any]:
    out = np.full((block.shape[0], block.shape[1] // 2, block.shape[2] // 2), 7, block.dtype)
    halve(block, out)
    return out


@given(st.data(), st.sampled_from(DTYPES), arrays.array_shapes(min_dims=3, max_dims=3, max_side=9))
def test_any_block_of_any_type_equals_the_reference(
    data: st.DataObject, dtype: str, shape: tuple[int, ...]
) -> None:
    block = data.draw(arrays.arrays(dtype, shape))
    found = result(block)
    with np.errstate(all="ignore"):
        expected = halved(block)
    assert found.dtype == block.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_halves_are_rounded_upwards(dtype: str) -> None:
    # Sums 1, 2, 3, 6: means 0.25, 0.5, 0.75, 1.5.
    block = np.array([[[1, 0, 1, 1, 1, 1, 2, 2], [0, 0, 0, 0, 1, 0, 1, 1]]], dtype)
    assert result(block).tolist() == [[[0, 1, 1, 2]]]


@pytest.mark.parametrize("dtype", [dtype for dtype in INTEGERS if np.dtype(dtype).kind == "i"])
def test_negative_halves_are_rounded_upwards_too(dtype: str) -> None:
    block = np.array([[[-1, -1, -1, -1, -2, -2], [0, 0, -1, 0, -1, -1]]], dtype)
    assert result(block).tolist() == [[[0, -1, -1]]]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_the_largest_and_smallest_values_do_not_wrap(dtype: str) -> None:
    limits = np.iinfo(dtype)
    for value in (limits.min, limits.max, limits.max - 1):
        assert (result(np.full((1, 4, 4), value, dtype)) == value).all()


def test_single_precision_is_rounded_once_and_does_not_overflow() -> None:
    largest = np.finfo(np.float32).max
    assert (result(np.full((1, 2, 2), largest, np.float32)) == largest).all()
    block = np.array([[[1, 2**-24], [2**-24, 2**-24]]], np.float32)
    assert result(block)[0, 0, 0] == np.float32((1 + 3 * 2.0**-24) / 4)


def test_what_is_no_number_stays_so_and_says_nothing() -> None:
    block = np.array([[[np.nan, 1, np.inf, 1, np.inf, -np.inf], [1, 1, 1, 1, 0, 0]]], np.float64)
    np.testing.assert_array_equal(result(block), [[[np.nan, np.inf, np.nan]]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_bands_and_views_do_not_show(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    wide = random.integers(0, 100, (2, 41, 90)).astype(dtype)
    monkeypatch.setattr(halving, "_BAND_BYTES", 700)
    for block in (wide, wide[:, 3:40, 5:86], wide[:, :, ::3], wide.transpose(0, 2, 1)):
        np.testing.assert_array_equal(result(block), halved(block))


def test_a_quadrant_of_a_larger_block_is_filled_and_nothing_else() -> None:
    block = np.arange(24, dtype=np.uint16).reshape(1, 4, 6)
    parent = np.full((1, 9, 9), 500, np.uint16)
    halve(block, parent[:, 4:6, 3:6])
    assert (parent[:, 4:6, 3:6] == halved(block)).all()
    parent[:, 4:6, 3:6] = 500
    assert (parent == 500).all()


@pytest.mark.parametrize("shape", [(1, 1, 4), (2, 5, 1), (1, 1, 1)])
def test_a_single_row_or_column_leaves_nothing(shape: tuple[int, int, int]) -> None:
    assert result(np.ones(shape, np.uint8)).size == 0
