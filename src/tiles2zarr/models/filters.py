"""Which tiles are converted: rules that include or exclude by a named field.

A field is one of ``plate``, ``well``, ``row``, ``column``, ``acquisition``, ``image_path``, ``fov_name``,
``channel`` (its label), ``c``, ``z`` (µm), ``t`` (s), ``file_path``, or the name of an attribute (any further
column of a tiles table). Patterns and values match the whole value.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from tiles2zarr.models.values import Value

FieldName = Annotated[
    str,
    Field(
        title="Field",
        min_length=1,
        description=(
            "plate, well, row, column, acquisition, image_path, fov_name, channel, c, z, t, file_path, "
            "or the name of an attribute"
        ),
        examples=["well"],
    ),
]


def _texts(values: object) -> object:
    """Numbers as the texts that a table would show."""
    if isinstance(values, list | tuple):
        return tuple(str(value) if isinstance(value, int | float) else value for value in values)
    return values


def _pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        msg = f"{pattern!r} is no regular expression: {error}"
        raise ValueError(msg) from error
    return pattern


Pattern = Annotated[
    str,
    AfterValidator(_pattern),
    Field(
        title="Pattern",
        description="Regular expression that the whole value must match",
        examples=["FOV_[12]"],
    ),
]


Values = Annotated[
    tuple[str, ...],
    BeforeValidator(_texts),
    Field(title="Values", min_length=1, description="Whole values; numbers match by what they are worth"),
]


class RegexIncludeFilter(Value):
    """Keep the tiles whose field, as a whole, matches the regular expression (``.*z1.*`` finds z1 anywhere).

    >>> RegexIncludeFilter(field="fov_name", pattern="FOV_[12]").pattern
    'FOV_[12]'
    """

    model_config = ConfigDict(title="Include by pattern")

    name: Literal["Regex Include Filter"] = "Regex Include Filter"
    field: FieldName = "fov_name"
    pattern: Pattern


class RegexExcludeFilter(Value):
    """Drop the tiles whose field, as a whole, matches the regular expression."""

    model_config = ConfigDict(title="Exclude by pattern")

    name: Literal["Regex Exclude Filter"] = "Regex Exclude Filter"
    field: FieldName = "fov_name"
    pattern: Pattern


class IncludeFilter(Value):
    """Keep the tiles whose field is one of the values."""

    model_config = ConfigDict(title="Include values")

    name: Literal["Include Filter"] = "Include Filter"
    field: FieldName = "well"
    values: Values


class ExcludeFilter(Value):
    """Drop the tiles whose field is one of the values."""

    model_config = ConfigDict(title="Exclude values")

    name: Literal["Exclude Filter"] = "Exclude Filter"
    field: FieldName = "well"
    values: Values


class WellIncludeFilter(Value):
    """Keep these wells, written as ``A01`` or ``A1``."""

    model_config = ConfigDict(title="Include wells")

    name: Literal["Well Include Filter"] = "Well Include Filter"
    wells: tuple[str, ...] = Field(min_length=1)


class WellExcludeFilter(Value):
    """Drop these wells, written as ``A01`` or ``A1``."""

    model_config = ConfigDict(title="Exclude wells")

    name: Literal["Well Exclude Filter"] = "Well Exclude Filter"
    wells: tuple[str, ...] = Field(min_length=1)


class RangeFilter(Value):
    """Keep the tiles whose number lies between two bounds, both included.

    Attributes:
        field: ``z`` (µm), ``t`` (s), ``c``, ``column``, ``acquisition``, or an attribute that is a number.
        minimum: smallest value kept; None: no bound.
        maximum: largest value kept; None: no bound.
    """

    model_config = ConfigDict(title="Keep a range")

    name: Literal["Range Filter"] = "Range Filter"
    field: FieldName = "z"
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> RangeFilter:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            msg = f"range of {self.field}: minimum {self.minimum:g} is above maximum {self.maximum:g}"
            raise ValueError(msg)
        return self


class FilterModel(Value):
    """Base of somebody else's filter: give it a ``name`` and register its function with ``add_filter``."""

    name: Any


TileFilter = (
    RegexIncludeFilter
    | RegexExcludeFilter
    | IncludeFilter
    | ExcludeFilter
    | WellIncludeFilter
    | WellExcludeFilter
    | RangeFilter
)
ImplementedFilters = Annotated[TileFilter, Field(discriminator="name")]
