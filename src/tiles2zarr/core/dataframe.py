"""Tiles from a table: one row per tile, read column by column."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.loader_column import LoaderColumn
from tiles2zarr.core.tiles import Tiles
from tiles2zarr.errors import SourceError
from tiles2zarr.models import (
    AcquisitionDetails,
    CollectionInterface,
    DefaultImageLoader,
    ImageInPlate,
    SingleImage,
    row_name,
)
from tiles2zarr.models.documents import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

_STARTS = {"start_x": None, "start_y": None, "start_z": 0.0, "start_t": 0.0}
_COUNTS = {"start_c": 0, "length_x": None, "length_y": None, "length_z": 1, "length_c": 1, "length_t": 1}
#: What messages call a table whose file they do not know.
TILES_TABLE = "tiles table"
_COMMON = ("file_path", "fov_name", *_STARTS, *_COUNTS)
_LARGEST = 2**31 - 1
_FARTHEST = 1e18
_LONGEST_SHOWN = 300
_LONGEST_NAME = 1000
#: What `is_name` asks for, for messages.
A_NAME = f"a text of 1 to {_LONGEST_NAME} characters, none of them a control character"
# What would break a line of text, hide in it or turn it around, and halves of characters.
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def hcs_images_from_dataframe(
    *,
    tiles_table: pd.DataFrame,
    acquisition_details: AcquisitionDetails,
    plate_name: str | None = None,
    acquisition_id: int = 0,
) -> Tiles:
    """The tiles of a plate, from one row per tile.

    Args:
        tiles_table: columns ``file_path, row, column, fov_name, start_x, start_y, length_x, length_y`` and,
            where wanted, ``start_z, start_c, start_t`` (default 0) and ``length_z, length_c, length_t``
            (default 1). Starts are µm (s for t, an index for c), lengths are pixels, planes, channels and
            timepoints. ``row`` is a letter or a 1-based number, ``column`` is 1-based. Any other column
            becomes an attribute of the tiles.
        acquisition_details: what all tiles share.
        plate_name: name of the plate, without ``.zarr``; None: ``plate``.
        acquisition_id: 0-based number of the acquisition.

    Raises:
        SourceError: a column is missing, or a cell is not what it should be; the row and column are named.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"file_path": ["a.tif"], "row": ["B"], "column": [3], "fov_name": ["1"],
    ...                       "start_x": [0.0], "start_y": [0.0], "length_x": [64], "length_y": [64]})
    >>> tiles = hcs_images_from_dataframe(tiles_table=table, acquisition_details=AcquisitionDetails())
    >>> tiles[0].collection.path()
    'plate.zarr/B/03/0'
    """
    _require(tiles_table, (*_required(), "row", "column"))
    rows = _row_names(tiles_table)
    columns = _integers(tiles_table, "column", smallest=1)

    def image(key: Any) -> CollectionInterface:
        row, column = key
        return ImageInPlate(
            plate_name=plate_name or "plate", row=row, column=column, acquisition=acquisition_id
        )

    keys, codes = _distinct_pairs(rows, columns)
    collections = tuple(_collection(tiles_table, codes, code, key, image) for code, key in enumerate(keys))
    return _tiles(tiles_table, acquisition_details, codes, collections, ("row", "column"))


def single_images_from_dataframe(
    *, tiles_table: pd.DataFrame, acquisition_details: AcquisitionDetails
) -> Tiles:
    """The tiles of single images, from one row per tile.

    Args:
        tiles_table: as for `hcs_images_from_dataframe`, with ``image_path`` (the image's name) instead of
            ``row`` and ``column``.
        acquisition_details: what all tiles share.

    Raises:
        SourceError: a column is missing, or a cell is not what it should be; the row and column are named.
    """
    _require(tiles_table, (*_required(), "image_path"))
    codes, keys = _texts(tiles_table, "image_path")

    def image(key: Any) -> CollectionInterface:
        return SingleImage(image_path=key)

    collections = tuple(_collection(tiles_table, codes, code, key, image) for code, key in enumerate(keys))
    return _tiles(tiles_table, acquisition_details, codes, collections, ("image_path",))


def _required() -> tuple[str, ...]:
    return (
        "file_path",
        "fov_name",
        *(name for name, default in {**_STARTS, **_COUNTS}.items() if default is None),
    )


def _require(table: pd.DataFrame, names: tuple[str, ...]) -> None:
    if missing := [name for name in names if name not in table.columns]:
        found = ", ".join(map(str, table.columns)) or "none"
        msg = (
            f"{TILES_TABLE}: missing column {', '.join(missing)}: expected {', '.join(names)}, found {found}"
        )
        raise SourceError(msg)
    if len(set(table.columns)) != len(table.columns):
        twice = sorted({str(name) for name in table.columns if (table.columns == name).sum() > 1})
        msg = f"{TILES_TABLE}: column {', '.join(twice)} stands more than once: rename or remove one"
        raise SourceError(msg)
    if not len(table):
        msg = f"{TILES_TABLE}: expected at least one row, found none"
        raise SourceError(msg)


def _tiles(
    table: pd.DataFrame,
    details: AcquisitionDetails,
    collection: NDArray[np.int64],
    collections: tuple[CollectionInterface, ...],
    place: tuple[str, ...],
) -> Tiles:
    count = len(table)
    fov, fov_names = _texts(table, "fov_name")
    starts = {name: _starts(table, name, default) for name, default in _STARTS.items()}
    counts = {
        name: _integers(table, name, smallest=0 if name == "start_c" else 1, default=default)
        for name, default in _COUNTS.items()
    }
    return Tiles(
        x=starts["start_x"],
        y=starts["start_y"],
        z=starts["start_z"],
        t=starts["start_t"],
        c=counts["start_c"],
        length_t=counts["length_t"],
        length_c=counts["length_c"],
        length_z=counts["length_z"],
        length_y=counts["length_y"],
        length_x=counts["length_x"],
        fov=fov,
        fov_names=fov_names,
        collection=collection,
        collections=collections,
        details=np.zeros(count, np.int64),
        all_details=(details,),
        loaders=LoaderColumn(DefaultImageLoader, _loader_fields(table), count),
        attributes=_attributes(table, {*_COMMON, "first_page", *place}),
    )


def _first_pages(table: pd.DataFrame) -> NDArray[np.object_]:
    """The page that each tile begins with; None without the column: each file is one tile."""
    if "first_page" not in table.columns:
        return np.full(len(table), None, object)
    return _integers(table, "first_page", smallest=0).astype(object)


def _loader_fields(table: pd.DataFrame) -> dict[str, NDArray[np.object_]]:
    # Not as codes: almost every tile has a file of its own.
    paths = [cell.strip() if type(cell) is str else _text(cell) for cell in table["file_path"].tolist()]
    if not all(map(is_name, paths)):
        _refuse(table, "file_path", np.array([not is_name(path) for path in paths]), A_NAME)
    return {
        "file_path": np.fromiter(paths, object, len(paths)),
        "first_page": _first_pages(table),
    }


def _attributes(table: pd.DataFrame, known: set[str]) -> dict[str, NDArray[np.object_]]:
    """Every other column, empty cells as None."""
    return {str(name): json_cells(table[name]) for name in table.columns if name not in known}


def json_cells(column: pd.Series[Any]) -> NDArray[np.object_]:
    """The cells of a column as they can stand in JSON."""
    import pandas as pd
    from pandas.api.types import infer_dtype

    if infer_dtype(column, skipna=True) in ("string", "integer", "floating", "boolean"):
        cells = column.astype(object)
        return cells.where(cells.notna(), None).to_numpy(object)
    return np.fromiter((None if cell is pd.NA or cell is pd.NaT else _cell(cell) for cell in column), object)


def _cell(cell: Any) -> Any:
    """Lists stay lists; what is neither number nor text, such as a date, is written as text."""
    if isinstance(cell, np.ndarray | list | tuple):
        return [_cell(value) for value in cell]
    if isinstance(cell, np.generic):
        cell = cell.item()
    if cell is None or (isinstance(cell, float) and cell != cell):
        return None
    return cell if isinstance(cell, str | int | float | bool) else str(cell)


def _floats(table: pd.DataFrame, name: str, default: float | None) -> NDArray[np.float64]:
    import pandas as pd

    if name not in table.columns:
        return np.full(len(table), default, np.float64)
    if table[name].dtype.kind in "mM":  # pandas would count nanoseconds
        _refuse(table, name, np.ones(len(table), bool), "a finite number")
    values = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    _refuse(table, name, ~np.isfinite(values), "a finite number")
    return values


def _starts(table: pd.DataFrame, name: str, default: float | None) -> NDArray[np.float64]:
    values = _floats(table, name, default)
    _refuse(table, name, np.abs(values) > _FARTHEST, f"a number from {-_FARTHEST:g} to {_FARTHEST:g}")
    return values


def _integers(
    table: pd.DataFrame, name: str, *, smallest: int, default: int | None = None
) -> NDArray[np.int64]:
    if name not in table.columns:
        return np.full(len(table), default, np.int64)
    values = _floats(table, name, None)
    bad = (values != np.floor(values)) | (values < smallest) | (values > _LARGEST)
    _refuse(table, name, bad, f"a whole number from {smallest} to {_LARGEST}")
    return values.astype(np.int64)


def _texts(table: pd.DataFrame, name: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Codes and the distinct texts of a column, in order of first appearance."""
    cells = table[name]
    # Not by pandas: it takes texts that differ only behind a NUL character for the same.
    known: dict[str, int] = {}
    texts = (cell.strip() if type(cell) is str else _text(cell) for cell in cells.tolist())
    codes = np.fromiter((known.setdefault(text, len(known)) for text in texts), np.int64, len(cells))
    for text, code in known.items():
        if not is_name(text):
            _refuse(table, name, codes == code, A_NAME)
    return codes, tuple(known)


def is_name(text: str) -> bool:
    """Whether a text can name a file or a field of view, and stand in a line of text."""
    return 0 < len(text) <= _LONGEST_NAME and _CONTROL.search(text) is None


def _text(value: Any) -> str:
    """A cell as text; 1.0 reads as 1, which is what a table meant by it. Nothing, for what is no single value."""
    import pandas as pd

    if not pd.api.types.is_scalar(value) or pd.isna(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _row_names(table: pd.DataFrame) -> NDArray[np.object_]:
    """Row letters of each tile; numbers count from 1."""
    codes, texts = _texts(table, "row")
    names = []
    for code, text in enumerate(texts):
        number = int(text) if text.isdecimal() and len(text) <= 3 else 0
        if not (0 < number <= 702 or (text.isascii() and text.isalpha() and len(text) <= 2)):
            _refuse(table, "row", codes == code, "a row letter (A to ZZ) or a row number from 1")
        names.append(row_name(number - 1) if number else text.upper())
    return np.fromiter(names, object, len(names))[codes]


def _distinct_pairs(
    rows: NDArray[np.object_], columns: NDArray[np.int64]
) -> tuple[list[Hashable], NDArray[np.int64]]:
    import pandas as pd

    row_codes, row_values = pd.factorize(rows)
    column_codes, column_values = pd.factorize(columns)
    codes, pairs = pd.factorize(row_codes.astype(np.int64) * len(column_values) + column_codes)
    keys = [divmod(int(pair), len(column_values)) for pair in pairs]
    return [(str(row_values[row]), int(column_values[column])) for row, column in keys], codes.astype(
        np.int64
    )


def _collection(
    table: pd.DataFrame,
    codes: NDArray[np.int64],
    code: int,
    key: Hashable,
    image: Callable[[Any], CollectionInterface],
) -> CollectionInterface:
    try:
        return image(key)
    except ValueError as error:
        reason = first_reason(error)
        row = int(np.flatnonzero(codes == code)[0])
        msg = f"{TILES_TABLE}, row {row + 1} ({_file(table, row)}): {reason}"
        raise SourceError(msg) from error


def first_reason(error: ValueError) -> str:
    """What a value's validation says first, without pydantic's frame."""
    errors: Callable[[], list[Mapping[str, Any]]] | None = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    first = errors()[0]
    place = ".".join(map(str, first["loc"]))
    reason = str(first["msg"]).removeprefix("Value error, ")
    return f"{place}: {reason}" if place else reason


def _refuse(table: pd.DataFrame, name: str, bad: NDArray[np.bool_], expected: str) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        row = int(rows[0])
        more = f" (and in {len(rows) - 1} more rows)" if len(rows) > 1 else ""
        where = f"{TILES_TABLE}, row {row + 1} ({_file(table, row)}), column {name}"
        msg = f"{where}: expected {expected}, found {shown(table[name].iloc[row])}{more}"
        raise SourceError(msg)


def shown(cell: Any) -> str:
    """A cell as it stands in a message.

    >>> shown(np.float64(1.5)), shown("?")
    ('1.5', "'?'")
    """
    return one_line(repr(cell.item() if isinstance(cell, np.generic) else cell), _LONGEST_SHOWN)


def _file(table: pd.DataFrame, row: int) -> str:
    return (
        one_line(str(table["file_path"].iloc[row]), _LONGEST_SHOWN)
        if "file_path" in table.columns
        else "no file"
    )
