"""What users hand over as plain values: options documents and the names of modes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from tiles2zarr.errors import OptionsError
from tiles2zarr.models.options import ConverterOptions, OverwriteMode


def options_of(document: ConverterOptions | Mapping[str, Any] | None) -> ConverterOptions:
    """Options from a document of nested mappings, checked; none for None.

    Raises:
        OptionsError: an option is unknown or wrong, or the document is no mapping.
    """
    if isinstance(document, ConverterOptions):
        return document
    if document is not None and not isinstance(document, Mapping):
        msg = f"options: expected ConverterOptions or a mapping of options, found {type(document).__name__}"
        raise OptionsError(msg)
    try:
        return ConverterOptions.model_validate(document or {})
    except ValidationError as error:
        raise OptionsError(_first_problem(error)) from error


def mode_of(mode: OverwriteMode | str) -> OverwriteMode:
    """A mode by its name.

    Raises:
        OptionsError: there is none of that name.
    """
    try:
        return OverwriteMode(mode)
    except ValueError as error:
        msg = f"mode {mode!r}: expected one of {', '.join(known.value for known in OverwriteMode)}"
        raise OptionsError(msg) from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = list(_paths(ConverterOptions().model_dump(mode="json")))
        wanted = str(first["loc"][-1])
        near = [path for path in known if path.rpartition(".")[2] == wanted]
        near = near or get_close_matches(place, known, 3, 0.4)
        if near:
            return f"option {place}: unknown: did you mean {' or '.join(near)}?"
        return f"option {place}: unknown: expected one of {', '.join(known)}"
    if first["type"] == "union_tag_not_found":
        return f"option {place}: expected its mode (or name) beside it, such as {place}.mode, found {first['input']!r}"
    return f"option {place}: {first['msg'].removeprefix('Value error, ')}, found {first['input']!r}"


def _paths(options: dict[str, Any], before: str = "") -> Iterator[str]:
    """The dotted name of every option."""
    for name, value in options.items():
        if isinstance(value, dict) and "mode" not in value:
            yield from _paths(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"
