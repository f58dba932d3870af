from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.assembly.contrast import percentiles


@given(
    pixels=st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=60),
    times=st.integers(1, 50),
    kind=st.sampled_from(["uint8", "uint16", "int16", "int32", "float32"]),
    shares=st.lists(st.sampled_from([0.0, 0.1, 25.0, 50.0, 99.9, 100.0]) | st.floats(0, 100), max_size=4),
)
def test_percentiles_are_those_of_numpy(
    pixels: list[int], times: int, kind: str, shares: list[float]
) -> None:
    values = np.repeat(np.array(pixels), times).astype(kind)
    assert percentiles(values, shares) == np.percentile(values, shares).tolist()


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_percentiles_of_many_pixels_are_those_of_numpy(kind: str) -> None:
    values = np.random.default_rng(1).poisson(110, 500_001).astype(kind)
    assert percentiles(values, (0.1, 99.9)) == np.percentile(values, (0.1, 99.9)).tolist()
