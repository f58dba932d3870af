"""Tables beside an image or a plate, as ngio and the Fractal ecosystem read them."""

from __future__ import annotations

import re
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tiles2zarr.errors import OutputError
from tiles2zarr.models import BackendType
from tiles2zarr.writer import csv_cells
from tiles2zarr.writer.groups import NgffVersion, read_attributes, write_bytes, write_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.core.tile import Scalar

_ROI_INDEX = "FieldIndex"
# Names that are read as the same number, and what readers of CSV take for something else than text.
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NO_TEXT = re.compile(
    r"(?=.*[0-9])[-+.:0-9ETZ ]*|0x[0-9A-F]+|[-+]?(inf|infinity)|true|false|null|#?n/?a|#n/a n/a"
    r"|[-+]?1?\.?#?(nan|ind|qnan)",
    re.IGNORECASE,
)
_LARGEST_INTEGER = 2**63 - 1
_ANNDATA = threading.Lock()
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
        _ROI_INDEX: _readable(fields.names),
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
        _ROI_INDEX: ["well"],
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


def write_tables(
    folder: Path, tables: Sequence[Table], ngff_version: NgffVersion, backend: BackendType
) -> None:
    """Write tables into the ``tables`` group of an image or plate; other tables of the group stay.

    Raises:
        OutputError: the metadata of the group are damaged.
    """
    group = folder / "tables"
    known = listed_tables(group)
    for table in tables:
        place = group / table.name
        if backend is BackendType.CSV:
            write_group(place, _attributes(table, backend), ngff_version)
            write_bytes(place / "table.csv", csv_cells.dump(table.columns))
        else:
            write_group(place, {}, ngff_version)
            _write_anndata(place, table)
    names = [*known, *(table.name for table in tables if table.name not in known)]
    write_group(group, {**(read_attributes(group) or {}), "tables": names}, ngff_version)


def listed_tables(group: Path) -> list[str]:
    """The names of the tables that a ``tables`` group lists; none where there is no group.

    Raises:
        OutputError: its metadata are damaged.
    """
    known = (read_attributes(group) or {}).get("tables", [])
    if not isinstance(known, list):
        msg = f"{group}: expected a list of names under tables, found something else: repair or remove it"
        raise OutputError(msg)
    return known


def _attributes(table: Table, backend: BackendType) -> dict[str, str]:
    index = {"index_key": _ROI_INDEX, "index_type": "str"} if table.kind == "roi_table" else {}
    return {"type": table.kind, "table_version": "1", "backend": backend.value, **index}


def _readable(names: Sequence[str]) -> Sequence[str]:
    """Names of regions as they come back from CSV, whose readers see numbers, times and nothing in quoted texts too.

    "001" would come back as 1, and of "1.5" ngio could read nothing at all.
    """
    if all(map(_WHOLE.fullmatch, names)) or not all(map(_NO_TEXT.fullmatch, names)):
        return names
    return [f"FOV_{name}" for name in names]


def _scaled(pixels: Any, size: float) -> list[float]:
    return [float(value) for value in pixels * size]


def _time(placed: PlacedImage, rows: int) -> dict[str, Sequence[Scalar]]:
    if "t" not in placed.image.axes:
        return {}
    return {"t_second": [0.0] * rows, "len_t_second": [placed.shape.t * placed.image.pixel_size["t"]] * rows}


def _write_anndata(place: Path, table: Table) -> None:
    """Through ngio, which knows the layout; imported here because it costs seconds."""
    import pandas as pd
    from ngio.tables import ImplementedTableBackends
    from ngio.utils import ZarrGroupHandler

    data = pd.DataFrame({name: _series(cells) for name, cells in table.columns.items()})
    index = None
    if table.kind == "roi_table":
        index = _ROI_INDEX
        data.index = pd.Index(list(data.pop(index)), dtype=object, name=index)
    else:
        data.index = pd.Index([str(row) for row in range(len(data))], dtype=object)
    backend = ImplementedTableBackends().get_backend(  # type: ignore[no-untyped-call]
        backend_name=BackendType.ANNDATA.value,
        group_handler=ZarrGroupHandler(place),
        index_key=index,
        index_type="str" if index is not None else None,
    )
    # anndata and ngio set what holds for the whole process, and warn of what was asked for.
    with _ANNDATA, warnings.catch_warnings():
        for message in ("Writing zarr v2 data will no longer be", "Consolidated metadata is currently not"):
            warnings.filterwarnings("ignore", message=message)
        backend.write(data, metadata=_attributes(table, BackendType.ANNDATA))


def _series(cells: Sequence[Scalar]) -> pd.Series[Any]:
    """A column of whole numbers, of numbers (also for yes and no), or of texts."""
    import pandas as pd

    present = [cell for cell in cells if cell is not None]
    if any(isinstance(cell, str) or abs(cell) > _LARGEST_INTEGER for cell in present):
        texts = [str(cell) if cell is not None else None for cell in cells]
        # Objects: anndata refuses the texts of pandas 3. Categories: it talks when it makes them itself.
        names = pd.Index(sorted({text for text in texts if text is not None}), dtype=object)
        return pd.Series(pd.Categorical(texts, categories=names))
    is_whole = len(present) == len(cells) and all(type(cell) is int for cell in cells)
    return pd.Series(list(cells), dtype=int if is_whole else float)
