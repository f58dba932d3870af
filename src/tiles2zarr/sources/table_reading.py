"""A CSV or Parquet file as a data frame whose texts stay texts."""

from __future__ import annotations

import math
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.errors import MissingExtraError, SourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import pandas as pd

    from tiles2zarr.core.tile import Scalar

# What a spreadsheet would alter is left as text: 007 is a name, not a number.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}
_UNNAMED = "\0"  # no column of a CSV file can be called so


def read_table(file: Path, *, texts: Collection[str], numbers: Collection[str]) -> pd.DataFrame:
    """The rows of a ``.csv`` or ``.parquet`` file; only an empty cell is a missing value.

    Args:
        file: CSV is UTF-8, with or without a byte order mark, separated by commas.
        texts: columns whose cells are kept as they are written.
        numbers: columns of numbers; a cell that is none is left for the caller to refuse by its row.
            Cells of all other columns become int, float, bool or text, a column at a time.

    Raises:
        SourceError: the file cannot be read as a table, has no row, or two columns of one name.
        MissingExtraError: it is Parquet and pyarrow is not installed.
    """
    if file.suffix.lower() == ".parquet":
        table = _read_parquet(file)
    else:
        table = _read_csv(file, texts, numbers)
    if not len(table):
        msg = f"{file}: expected at least one row, found none below the header"
        raise SourceError(msg)
    return table


def _read_csv(file: Path, texts: Collection[str], numbers: Collection[str]) -> pd.DataFrame:
    import pandas as pd

    names = _header(file)
    _refuse_nul(file)
    kinds = {name: str for name in names if name not in numbers}
    try:
        with warnings.catch_warnings():
            # More cells than names: pandas would drop them.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table: pd.DataFrame = pd.read_csv(
                file,
                names=names,
                header=0,
                index_col=False,
                dtype=kinds,
                keep_default_na=False,
                na_values=[""],
                skipinitialspace=True,
                low_memory=False,
                encoding="utf-8-sig",
                **_exactly(pd.__version__),
            )
    except UnicodeDecodeError as error:
        raise _not_utf8(file, error) from error
    except pd.errors.ParserWarning as error:
        expected = f"{len(names)} cells in each row, as in the header"
        msg = f"{file}: expected {expected}, found more: quote cells that hold commas"
        raise SourceError(msg) from error
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        msg = f"{file}: no CSV table: {reason[:200]}"
        raise SourceError(msg) from error
    except OSError as error:
        raise _unreadable(file, error) from error
    for name in names:
        if name not in texts and name not in numbers:
            table[name] = _labels(table[name])
    return table.drop(columns=[name for name in names if name.startswith(_UNNAMED)])


def _exactly(version: str) -> dict[str, Any]:
    """What makes this release of pandas read numbers to the last bit; from 3.1 on it does so by itself."""
    major, minor = version.split(".")[:2]
    return {} if (int(major), int(minor)) >= (3, 1) else {"float_precision": "round_trip"}


def _header(file: Path) -> list[str]:
    """Names of the columns; those without a name, such as a saved row index, are marked for dropping.

    Raises:
        SourceError: there is no header, it is not UTF-8, or two columns have one name.
    """
    import csv

    try:
        with file.open(encoding="utf-8-sig", newline="") as handle:
            cells = next((row for row in csv.reader(handle, skipinitialspace=True) if row), [])
    except UnicodeDecodeError as error:
        raise _not_utf8(file, error) from error
    except csv.Error as error:
        msg = f"{file}: no CSV table: {error}"
        raise SourceError(msg) from error
    except OSError as error:
        raise _unreadable(file, error) from error
    names = [cell.strip() for cell in cells]
    if not any(names):
        msg = f"{file}: expected a header and at least one row, found an empty file"
        raise SourceError(msg)
    if len(names) == 1 and (found := next((mark for mark in ";\t|" if mark in names[0]), None)):
        msg = f"{file}: expected commas between columns, found {found!r} in the header: save it with commas"
        raise SourceError(msg)
    _refuse_twins(file, [name for name in names if name])
    return [name or f"{_UNNAMED}{index}" for index, name in enumerate(names)]


def _refuse_nul(file: Path) -> None:
    """Refuse NUL characters, which pandas would take for the end of a cell."""
    with file.open("rb") as handle:
        if any(b"\0" in block for block in iter(lambda: handle.read(2**20), b"")):
            msg = f"{file}: expected text in UTF-8, found NUL characters: save it as CSV UTF-8"
            raise SourceError(msg)


def _refuse_twins(file: Path, names: Sequence[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        msg = f"{file}: column {', '.join(twice)} stands more than once: rename or remove one"
        raise SourceError(msg)


def _labels(column: pd.Series[Any]) -> pd.Series[Any]:
    """The cells of a column of texts as int, float, bool or text; empty ones are None."""
    import pandas as pd

    known: dict[str | None, int] = {}
    cells = (cell.strip() if type(cell) is str else None for cell in column.tolist())
    codes = np.fromiter((known.setdefault(cell, len(known)) for cell in cells), np.int64, len(column))
    texts = [text for text in known if text]
    values = dict(zip(texts, typed(texts), strict=True))
    lookup = np.fromiter((values.get(text or "") for text in known), object, len(known))
    return pd.Series(lookup[codes], index=column.index, dtype=object)


def typed(texts: Sequence[str]) -> list[Scalar]:
    """Texts as int, float or bool where all of them are such; else as they are.

    >>> typed(["1", "20"]), typed(["0.5", "1"]), typed(["007", "8"]), typed(["NA", "1"])
    ([1, 20], [0.5, 1.0], ['007', '8'], ['NA', '1'])
    """
    if all(map(_INTEGER.fullmatch, texts)):
        return [int(text) for text in texts]
    if all(map(_NUMBER.fullmatch, texts)) and all(math.isfinite(float(text)) for text in texts):
        return [float(text) for text in texts]
    if all(text.lower() in _BOOLEANS for text in texts):
        return [_BOOLEANS[text.lower()] for text in texts]
    return list(texts)


def _read_parquet(file: Path) -> pd.DataFrame:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError as error:
        msg = f"{file}: reading Parquet needs pyarrow: install it, or save the table as CSV"
        raise MissingExtraError(msg) from error
    try:
        # Without pandas' own metadata an index comes as a column; one without a name is dropped below.
        table: pd.DataFrame = parquet.read_table(file, partitioning=None).to_pandas(ignore_metadata=True)
    except OSError as error:
        raise _unreadable(file, error) from error
    except pa.ArrowException as error:
        msg = f"{file}: no Parquet table: {str(error).splitlines()[0][:200]}"
        raise SourceError(msg) from error
    table.columns = [str(name) for name in table.columns]
    _refuse_twins(file, table.columns.tolist())
    return table.drop(columns=[name for name in table.columns if name.startswith("__index_level_")])


def _not_utf8(file: Path, error: UnicodeDecodeError) -> SourceError:
    byte = error.object[error.start]
    return SourceError(f"{file}: expected UTF-8, found byte 0x{byte:02x}: save it as CSV UTF-8")


def _unreadable(file: Path, error: OSError) -> SourceError:
    return SourceError(f"{file}: cannot be read: {error.strerror or str(error).splitlines()[0]}")
