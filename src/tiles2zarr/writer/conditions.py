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

_KEY = ("row", "column", "acquisition", "path_in_well")


def write_conditions(
    zarr_dir: Path, images: Sequence[TiledImage[Any, Any]], ngff_version: NgffVersion
) -> None:
    """Add the attributes of these images to the condition tables of their plates; rows of other images stay.

    The table is CSV whatever the images' own tables are, so that it can be merged.

    Raises:
        OutputError: the table that is there cannot be read.
    """
    for plate, rows in _rows_of(images).items():
        with exclusive(zarr_dir / plate / ".conditions.lock"):
            _merge(zarr_dir / plate, rows, ngff_version)


def check_conditions(zarr_dir: Path, images: Iterable[TiledImage[Any, Any]]) -> None:
    """Make sure that the attributes of these images can be added; writes nothing.

    Raises:
        OutputError: a table that is there cannot be read.
    """
    for plate in _rows_of(images):
        listed_tables(zarr_dir / plate / "tables")
        _read(zarr_dir / plate / "tables" / "condition_table")


def _rows_of(images: Iterable[TiledImage[Any, Any]]) -> dict[str, Rows]:
    """By plate the rows of its images that have attributes."""
    plates: dict[str, Rows] = {}
    for image in images:
        place = image.collection
        if isinstance(place, ImageInPlate) and image.attributes:
            rows = plates.setdefault(place.plate_path, {})
            key = _key(place.row, place.column, place.acquisition, image.name)
            rows[key] = {
                name: joined(values) for name, values in image.attributes.items() if name not in _KEY
            }
    return plates


def _merge(plate: Path, rows: Rows, ngff_version: NgffVersion) -> None:
    merged = {**_read(plate / "tables" / "condition_table"), **rows}
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
