"""What single attributes of OME-XML mean: numbers with units, colours, wavelengths."""

from __future__ import annotations

import re
from math import isfinite, nan
from typing import TYPE_CHECKING, NamedTuple

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.units import to_micrometre, to_second

if TYPE_CHECKING:
    from collections.abc import Mapping

# Units of OME that say nothing about the stage: such positions are no lengths.
_NO_LENGTHS = frozenset({"pixel", "reference frame"})
# µm: units of OME that no microscope needs but a document may have, and Å as some write it.
_RARE_LENGTHS = {
    "thou": 25.4,
    "li": 25400 / 12,
    "pt": 25400 / 72,
    "Angstrom": 1e-4,
    "dm": 1e5,
    "ft": 304800.0,
}
# What software that mistook the encoding makes of "µm" and "µs": the only units of ours that are not ASCII, but Å.
_MANGLED = re.compile("(?:Âµ|Î¼|\ufffd{1,2}|\\?)(?=[ms]$)")
# The schema's own value for a colour that nobody chose: white today, this one until 2012.
_COLORS_NOT_SET = frozenset({-1, -(2**31)})
_MOST_COORDINATE = 2**31


class Length(NamedTuple):
    """A number and how far it is a length.

    Attributes:
        value: µm where `factor` is a number, else as it stands.
        kind: what the unit says: `IN_UNIT`, `WITHOUT_UNIT` (taken as µm) or `IN_PIXELS`.
    """

    value: float
    kind: int


IN_UNIT, WITHOUT_UNIT, IN_PIXELS = range(3)
_NO_LENGTH = Length(nan, IN_UNIT)


class Attributes:
    """Reads attributes of one document, and remembers the units that nobody knows."""

    def __init__(self, where: str) -> None:
        self._where = where
        # By unit: factor and kind.
        self._lengths: dict[str, tuple[float, int]] = {"": (1.0, WITHOUT_UNIT), "µm": (1.0, IN_UNIT)}
        self._times: dict[str, tuple[float, int]] = {"s": (1.0, IN_UNIT)}
        self.findings: list[Finding] = []

    def whole(self, attributes: Mapping[str, str], name: str, default: int) -> int:
        """An integer of at least zero.

        Raises:
            SourceError: it is no such number.
        """
        text = attributes.get(name)
        if text is None:
            return default
        try:
            value = int(text)
        except ValueError:
            value = -1
        if not 0 <= value < _MOST_COORDINATE:
            raise self._wrong(name, "a whole number from 0 on", text)
        return value

    def count(self, attributes: Mapping[str, str], name: str) -> int:
        """An integer of at least one.

        Raises:
            SourceError: it is missing or no such number.
        """
        value = self.whole(attributes, name, 0)
        if value < 1:
            raise self._wrong(name, "a whole number from 1 on", attributes.get(name))
        return value

    def number(self, attributes: Mapping[str, str], name: str) -> float:
        """A number, NaN where it is missing.

        Raises:
            SourceError: it is no number.
        """
        text = attributes.get(name)
        if text is None:
            return nan
        try:
            return float(text)
        except ValueError:
            return self._spelled(name, text)

    def _spelled(self, name: str, text: str) -> float:
        """A number that Python does not read: nothing, or one with the decimal comma of the writer's language."""
        if not text.strip():
            return nan
        try:
            return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
        except ValueError:
            raise self._wrong(name, "a number", text) from None

    def length(self, attributes: Mapping[str, str], name: str, default: str = "µm") -> Length:
        """A length, µm.

        Args:
            attributes: of an element.
            name: of the attribute; its unit stands in ``{name}Unit``.
            default: the unit where none is stated; empty: micrometres, but the kind says that it is not stated.
        """
        if name not in attributes:
            return _NO_LENGTH
        unit = attributes.get(f"{name}Unit") or default
        factor, kind = self._lengths.get(unit) or self._factor("length", unit)
        return Length(self.number(attributes, name) * factor, kind)

    def time(self, attributes: Mapping[str, str], name: str) -> float:
        """A time, s; seconds where no unit is stated."""
        if name not in attributes:
            return nan
        return self.number(attributes, name) * self._factor("time", attributes.get(f"{name}Unit") or "s")[0]

    def size(self, attributes: Mapping[str, str], name: str) -> float | None:
        """A length above zero, µm; None where there is none."""
        length = self.length(attributes, name)
        return (
            length.value if length.kind == IN_UNIT and isfinite(length.value) and length.value > 0 else None
        )

    def interval(self, attributes: Mapping[str, str], name: str) -> float | None:
        """A time above zero, s; None where there is none."""
        value = self.time(attributes, name)
        return value if isfinite(value) and value > 0 else None

    def wavelength(self, attributes: Mapping[str, str], name: str) -> float | None:
        """A wavelength, nm; nanometres where no unit is stated."""
        length = self.length(attributes, name, "nm")
        nanometres = float(f"{length.value * 1000:.9g}")
        return nanometres if length.kind == IN_UNIT and isfinite(nanometres) and nanometres > 0 else None

    def color(self, attributes: Mapping[str, str]) -> str | None:
        """The colour ``RRGGBB``; None where nobody chose one, or black, in which nothing could be seen.

        OME keeps red, green, blue and alpha in the four bytes of a signed integer.
        """
        try:
            value = int(attributes.get("Color", "-1"))
        except ValueError:
            return None
        if value in _COLORS_NOT_SET or not -(2**31) <= value < 2**32:
            return None
        color = f"{value & 0xFFFFFFFF:08X}"[:6]
        return None if color == "000000" else color

    def _factor(self, quantity: str, unit: str) -> tuple[float, int]:
        factors = self._lengths if quantity == "length" else self._times
        known = factors.get(unit)
        if known is None:
            known = factors[unit] = self._new_factor(quantity, unit)
        return known

    def _new_factor(self, quantity: str, unit: str) -> tuple[float, int]:
        unit = _MANGLED.sub("µ", unit.strip())
        if quantity == "length" and unit in _NO_LENGTHS:
            return 1.0, IN_PIXELS
        if quantity == "length" and unit in _RARE_LENGTHS:
            return _RARE_LENGTHS[unit], IN_UNIT
        try:
            return (to_micrometre(1.0, unit) if quantity == "length" else to_second(1.0, unit)), IN_UNIT
        except SourceError:
            message = (
                f"expected a unit of {quantity} such as µm or s, found {unit[:80]!r}: correct the document"
            )
            self.findings.append(Finding("error", "unknown-unit", self._where, message))
            return nan, IN_UNIT

    def _wrong(self, name: str, expected: str, found: str | None) -> SourceError:
        shown = "nothing" if found is None else repr(found[:80])
        msg = f"{self._where}: expected {name} to be {expected}, found {shown}: export the document again"
        return SourceError(msg)
