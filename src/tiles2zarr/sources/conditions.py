"""The condition table: what was done to which well."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.core.dataframe import json_cells
from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import ImageInPlate, row_name, well_name
from tiles2zarr.sources.confinement import confined_path
from tiles2zarr.sources.table_reading import read_table

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import pandas as pd

    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.core.tiles import Tiles
    from tiles2zarr.sources.base import ScanRequest

    Conditions = dict[str, dict[str, Scalar]]

_PLACE = ("well", "row", "column", "acquisition", "path_in_well")
_AFTER_NUMBER = re.compile("[a-z].*")


def conditions_of(
    request: ScanRequest, tiles: Tiles, folder: Path, named: str | None = None
) -> tuple[Conditions, tuple[Finding, ...], Path | None]:
    """What was done to the wells of some tiles, what was noticed, and the file that says it (None: there is none).

    Args:
        request: its options may name the file, anywhere: they are the user's own words.
        tiles: of all wells.
        folder: the source's.
        named: the file that the source itself names, within its folder.

    Raises:
        SourceError: the file is outside the folder, or see `read_conditions`; or the tiles are of no plate.
    """
    chosen = request.options.condition_table_path
    path = chosen or named
    if not path:
        return {}, (), None
    file = confined_path(path, folder, allow_outside=request.allow_outside or bool(chosen))
    used = (tiles.collections[code] for code in np.unique(tiles.collection))
    wells = frozenset(collection.well for collection in used if isinstance(collection, ImageInPlate))
    if not wells:
        msg = (
            f"{file}: expected the condition table of a plate, found single images: "
            "give each tile a row and a column, or leave the table out"
        )
        raise SourceError(msg)
    conditions, findings = read_conditions(file, wells, request.acquisition_id)
    return conditions, findings, file


def read_conditions(
    file: Path, wells: Collection[str], acquisition_id: int
) -> tuple[Conditions, tuple[Finding, ...]]:
    """Per well name (``A01``) what was done to it, and what was noticed.

    The columns ``row`` and ``column``, or ``well``, say which well; the rows of other acquisitions (columns
    ``acquisition`` or ``path_in_well``) are passed over; every other column is a condition.

    Args:
        file: CSV or Parquet.
        wells: names of the wells that have tiles; others are left out, with a warning.
        acquisition_id: whose rows are wanted.

    Raises:
        SourceError: there is no such file, a row names no well, or two rows of a well contradict each other.
    """
    if not file.is_file():
        msg = f"{file}: expected a condition table, found nothing there: correct condition_table_path"
        raise SourceError(msg)
    table = read_table(file, texts=_PLACE, numbers=())
    names = _well_names(file, table)
    columns = {name: json_cells(table[name]).tolist() for name in table.columns if name not in _PLACE}
    conditions: Conditions = {}
    for row, well in enumerate(names):
        if not _is_of(table, row, acquisition_id):
            continue
        found = {name: cells[row] for name, cells in columns.items()}
        known = conditions.setdefault(well, found)
        if differing := next((name for name in found if found[name] != known[name]), None):
            values = f"{known[differing]!r} and {found[differing]!r}"
            msg = f"{file}, row {row + 1}: well {well} has two values of {differing}, {values}: keep one"
            raise SourceError(msg)
    unknown = [well for well in conditions if well not in wells]
    for well in unknown:
        del conditions[well]
    return conditions, _unknown_wells(file, unknown)


def _unknown_wells(file: Path, wells: list[str]) -> tuple[Finding, ...]:
    if not wells:
        return ()
    listed = ", ".join(wells[:10]) + (", …" if len(wells) > 10 else "")
    message = f"{len(wells)} wells of the condition table have no tiles and are left out: {listed}"
    return (Finding("warning", "unknown-well", str(file), message),)


def _well_names(file: Path, table: pd.DataFrame) -> list[str]:
    if "well" in table.columns:
        if {"row", "column"} & set(table.columns):
            msg = f"{file}: expected either column well or columns row and column, found both: remove one"
            raise SourceError(msg)
        cells = table["well"].fillna("").tolist()
    elif {"row", "column"} <= set(table.columns):
        rows, columns = table["row"].fillna("").tolist(), table["column"].fillna("").tolist()
        cells = [f"{_letters(row)}{_digits(column)}" for row, column in zip(rows, columns, strict=True)]
    else:
        found = ", ".join(table.columns)
        msg = f"{file}: missing column well, or row and column: expected one of them, found {found}"
        raise SourceError(msg)
    names = []
    for index, cell in enumerate(cells):
        try:
            names.append(well_name(str(cell)))
        except ValueError as error:
            msg = f"{file}, row {index + 1}: {error}"
            raise SourceError(msg) from error
    return names


def _letters(row: object) -> str:
    """Letters of a row that may be a 1-based number."""
    text = _digits(row)
    return row_name(int(text) - 1) if text.isdecimal() and 0 < int(text) <= 702 else text


def _digits(column: object) -> str:
    """A whole number as it is written without a fraction."""
    text = str(column).strip()
    return text.removesuffix(".0")


def _is_of(table: pd.DataFrame, row: int, acquisition_id: int) -> bool:
    """Whether a row is of the acquisition; ``path_in_well`` is ``0``, ``0f3`` for one field of view, ``0maximum``."""
    wanted = str(acquisition_id)
    if "acquisition" in table.columns and _stated(table["acquisition"].iloc[row]) not in ("", wanted):
        return False
    image = _stated(table["path_in_well"].iloc[row]) if "path_in_well" in table.columns else ""
    return _AFTER_NUMBER.sub("", image) in ("", wanted)


def _stated(cell: object) -> str:
    """A cell that may be empty."""
    return _digits(cell) if cell == cell and cell is not None else ""
