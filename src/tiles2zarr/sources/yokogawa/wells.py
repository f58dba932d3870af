"""Where the names of images and the records speak of wells in different ways."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import Finding
from tiles2zarr.models import row_name
from tiles2zarr.models.documents import one_line
from tiles2zarr.sources.yokogawa.locating import CQ_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.sources.yokogawa.records import Records

_COLUMNS = 48
# A well of a 1536-well plate, as one of four by four within a well of a 96-well plate.
_SUBWELL = re.compile(r"_([A-P])(\d{2})\.([a-d])([1-4])_T\d+F\d+")


def with_subwells(records: Records, columns: int | None, mlf: Path) -> tuple[Records, list[Finding]]:
    """The records with the rows and columns of the 1536-well plate, where they say those of 96 wells.

    Files of such a plate are called ``B03.a1``: row a and column 1 of the four by four wells in place of B03.
    Records count rows to 32 and columns to 48. Where they repeat row and column of B03 instead, the name decides
    if the plate has 48 columns, or if wells would fall together.
    """
    first = records.names[0] if len(records) else ""
    if _SUBWELL.search(first) is None:
        return records, []
    named, base = _named_wells(records)
    said = np.stack([records.row, records.column])
    is_named = named[0] > 0
    is_of_96 = (is_named & (said == base).all(axis=0) & (said != named).any(axis=0)).any()
    if not is_of_96 or (columns != _COLUMNS and not _fall_together(said, named)):
        return records, []
    row, column = (np.where(is_named, name, value) for name, value in zip(named, said, strict=True))
    well = f"{row_name(int(row[0]) - 1)}{int(column[0]):02d}"
    message = f"wells are named by 96-well position and place within it: {one_line(first, 150)} is well {well} of 1536"
    finding = Finding("info", "contradiction", str(mlf), message)
    return replace(records, row=row, column=column), [finding]


def _fall_together(said: NDArray[np.int64], named: NDArray[np.int64]) -> bool:
    both = np.unique(np.vstack([said, named]), axis=1)
    return bool(both.shape[1] > np.unique(both[:2], axis=1).shape[1])


def _named_wells(records: Records) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column by name, within 1536 and within 96 wells; 0 where a name has none."""
    named, base = np.zeros((2, len(records)), np.int64), np.zeros((2, len(records)), np.int64)
    for index, name in enumerate(records.names.tolist()):
        match = _SUBWELL.search(name)
        if match is not None:
            row, column = ord(match[1]) - 64, int(match[2])
            base[:, index] = row, column
            named[:, index] = 4 * (row - 1) + ord(match[3]) - 96, 4 * (column - 1) + int(match[4])
    return named, base


def check_well_numbers(records: Records, columns: int | None, mlf: Path) -> list[Finding]:
    """A warning where the well numbers in the names of CQ images are not those of the records."""
    if columns is None or not len(records) or CQ_NAME.search(records.names[0]) is None:
        return []
    numbers = [int(match[1]) if (match := CQ_NAME.search(name)) else 0 for name in records.names.tolist()]
    said = np.array(numbers, np.int64)
    wrong = np.flatnonzero((said > 0) & (said != (records.row - 1) * columns + records.column))
    if not len(wrong):
        return []
    row = int(wrong[0])
    well = f"{row_name(int(records.row[row]) - 1)}{int(records.column[row]):02d}"
    message = (
        f"expected wells as the names of images number them ({columns} in a row), found {len(wrong)} records that "
        f"say others, such as {well} of {records.names[row]}: check the plate, the records are taken"
    )
    return [Finding("warning", "contradiction", str(mlf), message)]
