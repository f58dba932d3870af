"""The loaders of many tiles, held by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from tiles2zarr.errors import OptionsError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.models import ImageLoaderInterface


@dataclass(frozen=True, slots=True, eq=False)
class LoaderColumn(Sequence["ImageLoaderInterface"]):
    """Loaders of one type, held by field: the values of a field lie in one array.

    Attributes:
        kind: the type of all loaders.
        fields: per field of the type one value for each tile, as it stands in JSON.
        length: how many loaders there are.
    """

    kind: type[ImageLoaderInterface]
    fields: Mapping[str, NDArray[np.object_]]
    length: int

    @classmethod
    def from_loaders(cls, loaders: Sequence[ImageLoaderInterface]) -> LoaderColumn:
        """Gather loaders by field.

        Raises:
            OptionsError: they are of different types.
        """
        kinds = {type(loader) for loader in loaders}
        if len(kinds) != 1:
            found = ", ".join(sorted(kind.__name__ for kind in kinds)) or "none"
            msg = f"image loaders of the tiles: expected one type, found {found}"
            raise OptionsError(msg)
        kind = kinds.pop()
        records = [loader.model_dump(mode="json") for loader in loaders]
        # fromiter keeps values that are lists as they are.
        fields = {
            name: np.fromiter((record[name] for record in records), object, len(records))
            for name in kind.model_fields
        }
        return cls(kind, fields, len(records))

    @classmethod
    def joined(cls, columns: Sequence[LoaderColumn]) -> LoaderColumn:
        """Several columns of one type, one after the other."""
        kind = columns[0].kind
        fields = {
            name: np.concatenate([column.fields[name] for column in columns]) for name in kind.model_fields
        }
        return cls(kind, fields, sum(len(column) for column in columns))

    def __len__(self) -> int:
        """How many loaders there are."""
        return self.length

    @overload
    def __getitem__(self, index: int) -> ImageLoaderInterface: ...
    @overload
    def __getitem__(self, index: slice) -> LoaderColumn: ...
    def __getitem__(self, index: int | slice) -> ImageLoaderInterface | LoaderColumn:
        """One loader as an object, or a slice of them as a column."""
        if isinstance(index, slice):
            return self.take(np.arange(self.length)[index])
        return self.kind.model_validate({name: column[index] for name, column in self.fields.items()})

    def source_files(self, resource: Any | None) -> list[Path]:
        """The files that the pixels are in, each once, in the order of their first tiles."""
        return self.kind.source_files(self.fields, resource)

    def take(self, rows: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> LoaderColumn:
        """The loaders of the given rows, or those where a mask is true."""
        length = int(np.count_nonzero(rows)) if rows.dtype == bool else len(rows)
        return LoaderColumn(self.kind, {name: column[rows] for name, column in self.fields.items()}, length)
