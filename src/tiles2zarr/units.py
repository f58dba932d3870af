"""The only place that knows a unit other than micrometres, seconds and pixels.

Inside the program every length is a micrometre and every time a second. A parser that meets another unit
converts at the door, here.

>>> to_micrometre(1.19595e-06, "m")
1.19595
>>> to_second(250, "ms")
0.25
"""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from tiles2zarr.errors import SourceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A table of powers of ten keeps the factors exact where a product of floats would not be.
_MICROMETRES: dict[str, float] = {
    "pm": 1e-6,
    "picometer": 1e-6,
    "Å": 1e-4,
    "angstrom": 1e-4,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "in": 25400.0,
    "inch": 25400.0,
}
_SECONDS: dict[str, float] = {
    "ns": 1e-9,
    "nanosecond": 1e-9,
    "µs": 1e-6,
    "μs": 1e-6,
    "us": 1e-6,
    "microsecond": 1e-6,
    "ms": 1e-3,
    "millisecond": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}


@overload
def to_micrometre(value: float, unit: str) -> float: ...
@overload
def to_micrometre(value: NDArray[np.float64], unit: str) -> NDArray[np.float64]: ...
def to_micrometre(value: float | NDArray[np.float64], unit: str) -> float | NDArray[np.float64]:
    """A length given in `unit`, in micrometres.

    Raises:
        SourceError: the unit is no length this program knows. "reference frame" and "pixel" are none: they
            say nothing about the stage.
    """
    return value * _factor(unit, _MICROMETRES, "length")


@overload
def to_second(value: float, unit: str) -> float: ...
@overload
def to_second(value: NDArray[np.float64], unit: str) -> NDArray[np.float64]: ...
def to_second(value: float | NDArray[np.float64], unit: str) -> float | NDArray[np.float64]:
    """A duration given in `unit`, in seconds.

    Raises:
        SourceError: the unit is no time this program knows.
    """
    return value * _factor(unit, _SECONDS, "time")


def _factor(unit: str, known: dict[str, float], kind: str) -> float:
    factor = known.get(unit.strip())
    if factor is None:
        msg = f"unknown unit {unit!r}: expected a unit of {kind} such as {', '.join(sorted(known)[:6])}"
        raise SourceError(msg)
    return factor
