"""Which tiles are converted: the rules of `tiles2zarr.models.filters`, applied column by column.

A rule is evaluated once for each distinct value, however many tiles have it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.assembly.filter_fields import Column, column_of, field_names
from tiles2zarr.errors import OptionsError
from tiles2zarr.models import (
    ExcludeFilter,
    FilterModel,
    IncludeFilter,
    RangeFilter,
    RegexExcludeFilter,
    RegexIncludeFilter,
    WellExcludeFilter,
    WellIncludeFilter,
    well_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core import Tiles
    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.core.tiles import AnyTile
    from tiles2zarr.models import TileFilter

    CustomFilter = Callable[[AnyTile, Any], bool]

#: Filters of somebody else's, by the ``name`` of their model: a function of a tile and the model, true to
#: keep the tile.
CUSTOM_FILTERS: dict[str, CustomFilter] = {}

_EXCLUDING = (RegexExcludeFilter, ExcludeFilter, WellExcludeFilter)
_SHOWN = 10


def register_filter(function: CustomFilter, name: str) -> None:
    """Make `apply_filters` know a filter of your own.

    Args:
        function: takes a tile and the filter's model; true keeps the tile.
        name: the ``name`` of the model, a subclass of `FilterModel`.

    Raises:
        OptionsError: a filter of this package has that name.
    """
    own = {str(model.model_fields["name"].default) for model in _MATCHES}
    if name in own:
        msg = f"filter {name!r}: the name is taken by a filter of tiles2zarr: choose another"
        raise OptionsError(msg)
    CUSTOM_FILTERS[name] = function


def apply_filters(tiles: Tiles, filters: Sequence[TileFilter | FilterModel]) -> Tiles:
    """The tiles that every filter lets pass, in their order.

    Values and patterns match the whole value; of a tile with several values (a list, or several channels or
    planes) one is enough. A tile without a value matches nothing.

    Raises:
        OptionsError: a filter names a field that the tiles have not, or a well that cannot be, a bound is set
            for texts, no filter function is registered, or no tile is left.
    """
    for number, rule in enumerate(filters, 1):
        where = f"filter {number} ({rule.name}{_on(rule)})"
        if isinstance(rule, FilterModel):
            kept, seen = _custom(tiles, rule, where), None
        else:
            kept, seen = _decide(tiles, rule, where)
        if not kept.any():
            raise OptionsError(_nothing_left(where, len(tiles), seen))
        if not kept.all():
            tiles = tiles.take(kept)
    return tiles


@dataclass(frozen=True, slots=True)
class _WellNames:
    """What stands for a well in messages and comparisons."""

    names: frozenset[str]

    def match(self, value: Scalar) -> bool:
        return value in self.names


def _decide(tiles: Tiles, rule: TileFilter, where: str) -> tuple[NDArray[np.bool_], Column]:
    field = _field(rule)
    column = column_of(tiles, field)
    if column is None:
        fields, attributes = field_names(tiles)
        own = (
            f", and its attributes are {', '.join(attributes)}"
            if attributes
            else ", and it has no attributes"
        )
        msg = f"{where}: unknown field {field!r}: these tiles have {', '.join(fields)}{own}"
        raise OptionsError(msg)
    match = _MATCHES[type(rule)](rule, column, where)
    found = np.fromiter((any(map(match, values)) for values in column.values), bool, len(column.values))
    return (~found if isinstance(rule, _EXCLUDING) else found)[column.codes], column


def _custom(tiles: Tiles, rule: FilterModel, where: str) -> NDArray[np.bool_]:
    function = CUSTOM_FILTERS.get(rule.name)
    if function is None:
        known = ", ".join(CUSTOM_FILTERS) or "none"
        msg = f"{where}: no function is registered for it (registered: {known}): call add_filter first"
        raise OptionsError(msg)
    return np.fromiter((bool(function(tile, rule)) for tile in tiles), bool, len(tiles))


def _field(rule: Any) -> str:
    return "well" if isinstance(rule, WellIncludeFilter | WellExcludeFilter) else str(rule.field)


def _on(rule: Any) -> str:
    """The field of a filter that may have any, for messages."""
    return f" on {rule.field}" if hasattr(rule, "field") else ""


def _nothing_left(where: str, count: int, seen: Column | None) -> str:
    if seen is None:
        return f"{where}: it leaves none of {count} tiles: correct or remove it"
    distinct = list(
        dict.fromkeys(str(value) for values in seen.values for value in values[:1] if value is not None)
    )
    shown = ", ".join(distinct[:_SHOWN]) + (f", … ({len(distinct)} values)" if len(distinct) > _SHOWN else "")
    return f"{where}: it leaves none of {count} tiles: the values it saw are {shown or 'all empty'}"


def _by_pattern(rule: Any, column: Column, where: str) -> Callable[[Scalar], bool]:
    pattern = re.compile(rule.pattern)
    return lambda value: value is not None and pattern.fullmatch(str(value)) is not None


def _by_value(rule: Any, column: Column, where: str) -> Callable[[Scalar], bool]:
    if column.field == "well":
        return _WellNames(_wells(rule.values, where)).match
    texts = {str(value) for value in rule.values}
    if column.field == "row":
        texts = {text.upper() for text in texts}
    numbers = {number for number in map(_number, rule.values) if number is not None}
    truths = {text.lower() for text in texts}

    def match(value: Scalar) -> bool:
        if isinstance(value, bool):
            return str(value).lower() in truths
        if isinstance(value, int | float):
            return value in numbers
        return value in texts

    return match


def _by_well(rule: Any, column: Column, where: str) -> Callable[[Scalar], bool]:
    return _WellNames(_wells(rule.wells, where)).match


def _by_range(rule: Any, column: Column, where: str) -> Callable[[Scalar], bool]:
    low = -np.inf if rule.minimum is None else rule.minimum
    high = np.inf if rule.maximum is None else rule.maximum
    for value in (value for values in column.values for value in values):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            remedy = "choose another field, or a filter by value"
            msg = f"{where}: expected a field of numbers, found {value!r}: {remedy}"
            raise OptionsError(msg)
    return lambda value: value is not None and low <= value <= high  # type: ignore[operator]


def _wells(names: Sequence[Any], where: str) -> frozenset[str]:
    try:
        return frozenset(well_name(str(name)) for name in names)
    except ValueError as error:
        msg = f"{where}: {error}"
        raise OptionsError(msg) from error


def _number(value: Any) -> float | None:
    """A value as a number; 3 and "03" are the same column."""
    try:
        return float(value)
    except ValueError:
        return None


_MATCHES: dict[type[Any], Callable[[Any, Column, str], Callable[[Scalar], bool]]] = {
    RegexIncludeFilter: _by_pattern,
    RegexExcludeFilter: _by_pattern,
    IncludeFilter: _by_value,
    ExcludeFilter: _by_value,
    WellIncludeFilter: _by_well,
    WellExcludeFilter: _by_well,
    RangeFilter: _by_range,
}
