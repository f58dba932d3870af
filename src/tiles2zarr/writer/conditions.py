"""The plate's condition table: what was done to each image, merged by key; no run undoes another's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiles2zarr.core.tiled_image import joined
from tiles2zarr.errors import OutputError
from tiles2zarr.models import BackendType, ImageInPlate, row_index
from tiles2zarr.writer import csv_cells
from tiles2zarr.writer.groups import read_attributes
from tiles2zarr.writer.lock import exclusive
from tiles2zarr.writer.tables import condition_table, listed_tables, write_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.writer.groups import NgffVersion

#: Row, column, acquisition and path in the well: what names an image of a plate.
Key = tuple[str, int, int, str]
Rows = dict[Key, dict[str, "Scalar"]]
#: The rows of the images of a run; None for an image without attributes, which has none.
RowsOfRun = dict[Key, dict[str, "Scalar"] | None]

_KEY = ("row", "column", "acquisition", "path_in_well")


def write_conditions(
    zarr_dir: Path, images: Sequence[TiledImage[Any, Any]], ngff_version: NgffVersion
) -> None:
    """Make the rows of these images in the condition tables of their plates what their attributes say.

    An image without attributes has no row afterwards; rows of other images stay. A table that cannot be read stays
    as it is where there is nothing to add to it. The table is CSV whatever the images' own tables are, so that it
    can be merged.

    Raises:
        OutputError: the table that is there cannot be read.
    """
    for plate, rows in _rows_of(images).items():
        if _change(zarr_dir / plate, rows):
            with exclusive(zarr_dir / plate / ".conditions.lock"):
                _merge(zarr_dir / plate, rows, ngff_version)


def check_conditions(zarr_dir: Path, images: Iterable[TiledImage[Any, Any]]) -> None:
    """Make sure that the attributes of these images can be added; writes nothing.

    Raises:
        OutputError: a table that is there cannot be read.
    """
    for plate, rows in _rows_of(images).items():
        if _change(zarr_dir / plate, rows):
            listed_tables(zarr_dir / plate / "tables")
            _read(zarr_dir / plate / "tables" / "condition_table")


def _rows_of(images: Iterable[TiledImage[Any, Any]]) -> dict[str, RowsOfRun]:
    """By plate the rows of its images."""
    plates: dict[str, RowsOfRun] = {}
    for image in images:
        place, attributes = image.collection, image.attributes
        if isinstance(place, ImageInPlate):
            key = _key(place.row, place.column, place.acquisition, image.name)
            cells = {name: joined(values) for name, values in attributes.items() if name not in _KEY}
            plates.setdefault(place.plate_path, {})[key] = cells if attributes else None
    return plates


def _change(plate: Path, rows: RowsOfRun) -> bool:
    """Whether the rows of a run change the table of a plate: some are to be added, or some that it has are to go."""
    if any(cells is not None for cells in rows.values()):
        return True
    try:
        return not rows.keys().isdisjoint(_read(plate / "tables" / "condition_table"))
    except (
        OutputError
    ):  # a table of somebody else, or damaged: no reason to refuse a run that adds nothing to it
        return False


def _merge(plate: Path, rows: RowsOfRun, ngff_version: NgffVersion) -> None:
    found: RowsOfRun = {**_read(plate / "tables" / "condition_table")}
    merged = {key: cells for key, cells in (found | rows).items() if cells is not None}
    keys = sorted(merged, key=lambda key: (row_index(key[0]), *key[1:3], len(key[3]), key[3]))
    # By first value: a table that is read gives every row all columns, and the order of runs must not show.
    cells = [(name, cell) for key in keys for name, cell in merged[key].items()]
    names = dict.fromkeys(name for name, cell in cells if cell is not None)
    names |= dict.fromkeys(sorted(name for name, _ in cells))
    columns: dict[str, list[Scalar]] = {name: [key[index] for key in keys] for index, name in enumerate(_KEY)}
    columns |= {name: [merged[key].get(name) for key in keys] for name in names}
    write_tables(plate, [condition_table(columns)], ngff_version, BackendType.CSV)


def _read(table: Path) -> Rows:
    backend = (read_attributes(table) or {}).get("backend", "csv")
    if backend != "csv":
        msg = f"{table}: expected a condition table stored as csv, found {backend}: convert or remove it"
        raise OutputError(msg)
    file = table / "table.csv"
    if not file.exists():
        return {}
    try:
        columns = csv_cells.load(file.read_bytes())
        keys = [_key(*cells) for cells in zip(*(columns.pop(name) for name in _KEY), strict=True)]
    except (ValueError, KeyError) as error:
        msg = (
            f"{file}: expected a condition table with the columns {', '.join(_KEY)}, "
            f"found something else ({error}): repair or remove it"
        )
        raise OutputError(msg) from error
    return {key: {name: column[index] for name, column in columns.items()} for index, key in enumerate(keys)}


def _key(row: Scalar, column: Scalar, acquisition: Scalar, path: Scalar) -> Key:
    """The key of a row, also of a table that another program wrote anew, without the quotes."""
    return str(row), int(str(column)), int(str(acquisition)), str(path)
