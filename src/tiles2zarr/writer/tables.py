"""Tables beside an image or a plate, as ngio and the Fractal ecosystem read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tiles2zarr.models import BackendType
from tiles2zarr.writer import csv_cells
from tiles2zarr.writer.groups import NgffVersion, read_attributes, write_bytes, write_group

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.core.tile import Scalar

TableKind = Literal["roi_table", "condition_table", "generic_table"]


@dataclass(frozen=True, slots=True)
class Table:
    """A table by column.

    Attributes:
        name: its folder's name.
        kind: what ngio calls its type.
        columns: equally long columns; of a ``roi_table`` the first is its index, ``FieldIndex``.
    """

    name: str
    kind: TableKind
    columns: Mapping[str, Sequence[Scalar]]


def fov_roi_table(placed: PlacedImage) -> Table:
    """Where each field of view lies in the image, and where the stage was, µm (s for t)."""
    fields, size = placed.fields, placed.image.pixel_size
    columns: dict[str, Sequence[Scalar]] = {
        "FieldIndex": fields.names,
        "x_micrometer": _scaled(fields.x, size["x"]),
        "y_micrometer": _scaled(fields.y, size["y"]),
        "z_micrometer": _scaled(fields.z, size["z"]),
        "len_x_micrometer": _scaled(fields.width, size["x"]),
        "len_y_micrometer": _scaled(fields.height, size["y"]),
        "len_z_micrometer": _scaled(fields.depth, size["z"]),
        **_time(placed, len(fields)),
        "x_micrometer_original": fields.stage_x.tolist(),
        "y_micrometer_original": fields.stage_y.tolist(),
        "z_micrometer_original": fields.stage_z.tolist(),
    }
    return Table("FOV_ROI_table", "roi_table", columns)


def well_roi_table(placed: PlacedImage) -> Table:
    """The whole image as one region."""
    shape, size = placed.shape, placed.image.pixel_size
    columns: dict[str, Sequence[Scalar]] = {
        "FieldIndex": ["well"],
        "x_micrometer": [0.0],
        "y_micrometer": [0.0],
        "z_micrometer": [0.0],
        "len_x_micrometer": [shape.x * size["x"]],
        "len_y_micrometer": [shape.y * size["y"]],
        "len_z_micrometer": [shape.z * size["z"]],
        **_time(placed, 1),
    }
    return Table("well_ROI_table", "roi_table", columns)


def condition_table(conditions: Mapping[str, Sequence[Scalar]]) -> Table:
    """What was done to the image, one row for each distinct combination."""
    return Table("condition_table", "condition_table", conditions)


def write_tables(folder: Path, tables: Sequence[Table], ngff_version: NgffVersion, backend: BackendType) -> None:
    """Write tables into the ``tables`` group of an image or plate; other tables of the group stay."""
    group = folder / "tables"
    known = (read_attributes(group) or {}).get("tables", [])
    for table in tables:
        place = group / table.name
        if backend is BackendType.CSV:
            attributes = {"type": table.kind, "table_version": "1", "backend": "csv", **_index(table)}
            write_group(place, attributes, ngff_version)
            write_bytes(place / "table.csv", csv_cells.dump(table.columns))
        else:
            _write_anndata(place, table, ngff_version)
    names = [*known, *(table.name for table in tables if table.name not in known)]
    write_group(group, {"tables": names}, ngff_version)


def _index(table: Table) -> dict[str, str]:
    return {"index_key": "FieldIndex", "index_type": "str"} if table.kind == "roi_table" else {}


def _scaled(pixels: Any, size: float) -> list[float]:
    return [float(value) for value in pixels * size]


def _time(placed: PlacedImage, rows: int) -> dict[str, Sequence[Scalar]]:
    if "t" not in placed.image.axes:
        return {}
    return {"t_second": [0.0] * rows, "len_t_second": [placed.shape.t * placed.image.pixel_size["t"]] * rows}


def _write_anndata(place: Path, table: Table, ngff_version: NgffVersion) -> None:
    """Through ngio, which knows the layout; imported here because it costs seconds."""
    import pandas as pd
    from ngio.tables import ConditionTable, GenericTable, RoiTable
    from ngio.utils import ZarrGroupHandler

    write_group(place, {}, ngff_version)
    # Columns of objects: anndata refuses the string type that pandas 3 would choose.
    data = pd.DataFrame({name: pd.Series(list(column), dtype=_pandas_type(column)) for name, column in table.columns.items()})
    if table.kind == "roi_table":
        data.index = pd.Index(data.pop("FieldIndex"), dtype=object, name="FieldIndex")
    kinds = {"roi_table": RoiTable, "condition_table": ConditionTable, "generic_table": GenericTable}
    ngio_table = kinds[table.kind].from_table_data(data, meta=None)
    ngio_table.set_backend(handler=ZarrGroupHandler(place), backend="anndata")
    ngio_table.consolidate()


def _pandas_type(column: Sequence[Scalar]) -> type:
    return float if all(isinstance(value, int | float) and not isinstance(value, bool) for value in column) else object
