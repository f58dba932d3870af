"""The plate's condition table: what was done to each image, merged by key, so that no run undoes another's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tiles2zarr.core.tiled_image import joined
from tiles2zarr.errors import OutputError
from tiles2zarr.models import BackendType, ImageInPlate, row_index
from tiles2zarr.writer import csv_cells
from tiles2zarr.writer.lock import exclusive
from tiles2zarr.writer.tables import condition_table, write_tables

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.writer.groups import NgffVersion

_KEY = ("row", "column", "acquisition", "path_in_well")


def write_conditions(zarr_dir: Path, images: Sequence[TiledImage[Any, Any]], ngff_version: NgffVersion) -> None:
    """Add the attributes of these images to the condition tables of their plates; rows of other images stay.

    The table is CSV whatever the images' own tables are, so that it can be merged.

    Raises:
        OutputError: the table that is there cannot be read.
    """
    plates: dict[str, dict[tuple[Scalar, ...], dict[str, Scalar]]] = {}
    for image in images:
        place = image.collection
        if isinstance(place, ImageInPlate) and image.attributes:
            rows = plates.setdefault(place.plate_path, {})
            key = (place.row, place.column, place.acquisition, image.name)
            rows[key] = {name: joined(values) for name, values in image.attributes.items() if name not in _KEY}
    for plate, rows in plates.items():
        with exclusive(zarr_dir / plate / ".conditions.lock"):
            _merge(zarr_dir / plate, rows, ngff_version)


def _merge(plate: Path, rows: dict[tuple[Scalar, ...], dict[str, Scalar]], ngff_version: NgffVersion) -> None:
    merged = {**_read(plate / "tables" / "condition_table" / "table.csv"), **rows}
    keys = sorted(merged, key=lambda key: (row_index(str(key[0])), *map(_sortable, key[1:])))
    names = dict.fromkeys(name for key in keys for name in merged[key])
    columns: dict[str, list[Scalar]] = {name: [key[index] for key in keys] for index, name in enumerate(_KEY)}
    columns |= {name: [merged[key].get(name) for key in keys] for name in names}
    write_tables(plate, [condition_table(columns)], ngff_version, BackendType.CSV)


def _read(file: Path) -> dict[tuple[Scalar, ...], dict[str, Scalar]]:
    if not file.exists():
        return {}
    try:
        columns = csv_cells.load(file.read_bytes())
        keys = list(zip(*(columns.pop(name) for name in _KEY), strict=True))
    except (ValueError, KeyError) as error:
        msg = f"{file}: expected a condition table with the columns {', '.join(_KEY)}, found something else ({error}): repair or remove it"
        raise OutputError(msg) from error
    return {key: {name: column[index] for name, column in columns.items()} for index, key in enumerate(keys)}


def _sortable(value: Scalar) -> tuple[int, str]:
    return (len(str(value)), str(value))

