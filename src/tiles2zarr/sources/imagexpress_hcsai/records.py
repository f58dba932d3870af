"""The tables of an acquisition's images: one row per plane."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError
from tiles2zarr.models import row_name, well_name
from tiles2zarr.models.documents import one_line
from tiles2zarr.sources.naming import within_folder
from tiles2zarr.sources.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_REQUIRED = ("Field", "ImageFileName")
_WELL = re.compile(r"\s*([A-Za-z]{1,2})\s*-?\s*([0-9]{1,3})\s*")
_MOST, _MOST_WAVELENGTHS = 10**9, 1000
# As computers of other countries, and table calculators, write the same table.
_DELIMITERS = ",;\t"
_PROJECTION = re.compile(r"_projection_t[0-9]+_", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Record:
    """One plane.

    Attributes:
        path: relative to the folder of the table, with ``/``.
        well: such as ``A01``.
        field: 0-based number of the field of view.
        wavelength: 0-based index of the channel.
        timepoint: 0-based.
        z: 0-based number of the z-plane.
        height: px; 0: not said.
        width: px; 0: not said.
        x: of the stage, µm; NaN: not said.
        y: as x, growing downwards.
        offset_x: where the field lies in its well, µm; NaN: not said.
        offset_y: as offset_x, growing downwards.
        focus: µm; NaN: not said.
        acquired: s since 1970; NaN: not said.
        exposure_s: NaN: not said.
        light: name of the filters.
    """

    path: str
    well: str
    field: int
    wavelength: int
    timepoint: int
    z: int
    height: int
    width: int
    x: float
    y: float
    offset_x: float
    offset_y: float
    focus: float
    acquired: float
    exposure_s: float
    light: str

    @property
    def is_called_projection(self) -> bool:
        """Whether the name of the file says that planes were made one."""
        return _PROJECTION.search(self.path) is not None


def read_records(table: Path) -> list[Record]:
    """All planes of a table.

    Raises:
        SourceError: it cannot be read or lacks a column, or a row makes no sense; the row is named.
    """
    try:
        with open(table, encoding="utf-8-sig", errors="replace", newline="") as handle:
            first = handle.readline()
            handle.seek(0)
            return list(_records(table, csv.reader(handle, delimiter=max(_DELIMITERS, key=first.count))))
    except OSError as error:
        raise unreadable(table, error) from error
    except csv.Error as error:
        msg = f"{table}: expected a CSV table, found {error}: the file is damaged, copy it again"
        raise SourceError(msg) from error


def _records(table: Path, rows: Iterator[list[str]]) -> Iterator[Record]:
    header = [name.strip() for name in next(rows, [])]
    places = {name: index for index, name in enumerate(header)}
    missing = [name for name in _REQUIRED if name not in places]
    if "Well" not in places and not {"Row", "Column"} <= places.keys():
        missing.append("Well (or Row and Column)")
    if missing:
        msg = one_line(
            f"{table}: expected columns {', '.join(missing)}, found {', '.join(header) or 'none'}: copy the file again",
            900,
        )
        raise SourceError(msg)
    row = _Row(table, places)
    for number, values in enumerate(rows, 2):
        if any(values):
            row.number, row.values = number, values
            yield row.record()


class _Row:
    """One row of a table at a time."""

    def __init__(self, table: Path, places: Mapping[str, int]) -> None:
        self.table = table
        self.number = 0
        self.values: Sequence[str] = ()
        self._places = places
        self._wells: dict[tuple[str, str, str], str] = {}

    def record(self) -> Record:
        timepoint = self._count("Timepoint")
        name = self._text("ImageFileName")
        if not name:
            raise self._error("a file name in ImageFileName", "none")
        folder = self._text("ImageSubFolderPath") or f"timepoint{timepoint}"
        return Record(
            path=within_folder(f"{folder}/{name}", f"{self.table}, row {self.number}"),
            well=self._well(),
            field=self._count("Field", is_needed=True),
            wavelength=self._count("Wavelength", most=_MOST_WAVELENGTHS),
            timepoint=timepoint,
            z=self._count("ZIndex"),
            height=self._count("ImageSizeYPx"),
            width=self._count("ImageSizeXPx"),
            x=self._position("PositionXUm"),
            y=self._position("PositionYUm"),
            offset_x=self._position("FieldOffsetPointX"),
            offset_y=self._position("FieldOffsetPointY"),
            focus=self._number("PositionZUm"),
            acquired=self._number("TimeStampSec"),
            exposure_s=self._number("ExposureTimeMs") / 1000,
            light=self._text("ExcitationEmissionFilter"),
        )

    def _position(self, name: str) -> float:
        """A place, which must not be lost for a slip of the pen."""
        value, text = self._number(name), self._text(name)
        if text and not isfinite(value) and text.lower() != "nan":
            raise self._error(f"a number in {name}", repr(text[:80]))
        return value

    def _text(self, name: str) -> str:
        place = self._places.get(name, _MOST)
        return self.values[place].strip() if place < len(self.values) else ""

    def _number(self, name: str) -> float:
        text = self._text(name)
        if text.count(",") == 1 and "." not in text:
            text = text.replace(",", ".")  # a decimal comma
        try:
            value = float(text or nan)
        except ValueError:
            return nan
        return value if isfinite(value) else nan

    def _count(self, name: str, *, is_needed: bool = False, most: int = _MOST) -> int:
        """A whole number from 0; 0 where the table has no such column."""
        text = self._text(name)
        if not text and not is_needed:
            return 0
        try:
            value = float(text)
        except ValueError:
            value = nan
        if not 0 <= value < most or value != int(value):
            raise self._error(f"a whole number in {name}", repr(text[:80]))
        return int(value)

    def _well(self) -> str:
        """The well, which a table says twice: as a name, and as the numbers of row and column from 1."""
        said = (self._text("Well"), self._text("Row"), self._text("Column"))
        if said not in self._wells:
            self._wells[said] = self._named_well(*said)
        return self._wells[said]

    def _named_well(self, name: str, row: str, column: str) -> str:
        match = _WELL.fullmatch(name)
        try:
            by_name = well_name(f"{match[1]}{match[2]}") if match else None
            by_number = (
                well_name(f"{row_name(int(float(row)) - 1)}{int(float(column))}") if row and column else None
            )
        except (ValueError, OverflowError):
            raise self._error(
                "a well such as 'C - 5'", f"{name!r:.80}, row {row[:20]}, column {column[:20]}"
            ) from None
        if by_name is None and by_number is None:
            raise self._error("a well such as 'C - 5'", repr(name[:80]))
        if by_name is not None and by_number is not None and by_name != by_number:
            raise self._error(f"row and column of {by_name}", f"those of {by_number}")
        return by_name or by_number or ""

    def _error(self, expected: str, found: str) -> SourceError:
        msg = f"{self.table}, row {self.number}: expected {expected}, found {found}: correct it, or copy the file again"
        return SourceError(one_line(msg))
