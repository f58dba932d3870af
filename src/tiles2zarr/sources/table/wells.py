"""A column of well names in place of row and column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.core.dataframe import TILES_TABLE
from tiles2zarr.errors import SourceError
from tiles2zarr.models import well_name

if TYPE_CHECKING:
    import pandas as pd


def with_wells_parted(table: pd.DataFrame) -> pd.DataFrame:
    """The table with ``row`` and ``column`` instead of ``well`` (``A01`` or ``a1``), where it says wells that way.

    A table that has any of ``row``, ``column`` and ``image_path`` stays as it is; there a well is an attribute.

    Raises:
        SourceError: a cell is no well; its row is named.
    """
    if "well" not in table.columns or {"row", "column", "image_path"} & set(table.columns):
        return table
    import pandas as pd

    codes, texts = pd.factorize(table["well"], use_na_sentinel=False)
    rows, columns = [], []
    for code, text in enumerate(texts):
        try:
            name = well_name(str(text))
        except ValueError as error:
            line = int(np.flatnonzero(codes == code)[0]) + 1
            msg = f"{TILES_TABLE}, row {line}, column well: {error}"
            raise SourceError(msg) from error
        letters = name.rstrip("0123456789")
        rows.append(letters)
        columns.append(int(name.removeprefix(letters)))
    parted = table.drop(columns="well")
    parted["row"] = np.array(rows, object)[codes]
    parted["column"] = np.array(columns)[codes]
    return parted
