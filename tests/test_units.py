"""Foreign units become micrometres and seconds at the door."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.errors import SourceError
from tiles2zarr.units import to_micrometre, to_second

MICROMETRES = {
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "um": 1.0,
    "\N{MICRO SIGN}m": 1.0,
    "\N{GREEK SMALL LETTER MU}m": 1.0,
    "micron": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "inch": 25400.0,
}
SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "\N{MICRO SIGN}s": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "second": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}


@pytest.mark.parametrize(("unit", "length"), MICROMETRES.items())
def test_one_of_each_length_is_so_many_micrometres(unit: str, length: float) -> None:
    assert to_micrometre(1.0, unit) == length
    assert to_micrometre(1.0, f" {unit} ") == length


@pytest.mark.parametrize(("unit", "time"), SECONDS.items())
def test_one_of_each_time_is_so_many_seconds(unit: str, time: float) -> None:
    assert to_second(1.0, unit) == time


@given(st.floats(-1e12, 1e12), st.sampled_from(sorted(MICROMETRES)))
def test_an_array_is_converted_as_its_values_are(value: float, unit: str) -> None:
    values = np.array([value, -value, 0.0])
    assert to_micrometre(values, unit).tolist() == [to_micrometre(one, unit) for one in values.tolist()]


@given(st.integers(-(10**9), 10**9))
def test_whole_micrometres_come_out_of_metres_to_the_last_digit_that_matters(length: int) -> None:
    assert to_micrometre(length * 1e-6, "m") == pytest.approx(length, rel=1e-15, abs=1e-15)
    assert to_micrometre(length * 1e-3, "mm") == pytest.approx(length, rel=1e-15, abs=1e-15)


@given(st.floats(-1e9, 1e9))
def test_micrometres_and_seconds_stay_what_they_are(value: float) -> None:
    assert to_micrometre(value, "µm") == value
    assert to_second(value, "s") == value


@pytest.mark.parametrize("unit", ["pixel", "reference frame", "parsec", "", "UM", "s"])
def test_what_is_no_length_is_refused(unit: str) -> None:
    with pytest.raises(SourceError, match="expected a unit of length such as"):
        to_micrometre(1.0, unit)


@pytest.mark.parametrize("unit", ["µm", "frame", "", "S"])
def test_what_is_no_time_is_refused(unit: str) -> None:
    with pytest.raises(SourceError, match="expected a unit of time such as"):
        to_second(1.0, unit)
