"""Options from the command line: a document, changed by ``key=value`` settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import OptionsError
from tiles2zarr.fractal.options_document import read_options_document
from tiles2zarr.models.documents import options_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tiles2zarr.models import ConverterOptions


def read_options(
    document: Path | None, settings: Sequence[str], memory_limit: str | None, *, verify: bool = False
) -> ConverterOptions:
    """The options of a document, changed by ``key=value`` settings; a value is JSON, else text.

    Raises:
        OptionsError: the document cannot be read, or an option is unknown or wrong.
    """
    options = read_options_document(document) if document is not None else {}
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator or not key:
            msg = f"--set {setting[:80]!r}: expected KEY=VALUE, such as omezarr_options.num_levels=4"
            raise OptionsError(msg)
        _set(options, key.strip().split("."), _value(text, setting), setting)
    if memory_limit is not None:
        _set(options, ["runtime", "memory_limit_gib"], _gib(memory_limit), "--memory-limit")
    if verify:
        _set(options, ["runtime", "verify"], True, "--verify")
    return options_of(options)


def _value(text: str, setting: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
    except RecursionError as error:
        msg = f"--set {setting[:80]!r}: its value is nested too deeply: no option is"
        raise OptionsError(msg) from error


def _set(options: dict[str, Any], keys: Sequence[str], value: Any, setting: str) -> None:
    *groups, last = keys
    for key in groups:
        options = options.setdefault(key, {})
        if not isinstance(options, dict):
            msg = f"--set {setting[:80]!r}: expected a group of options at {key[:80]!r}, found a value"
            raise OptionsError(msg)
    options[last] = value


def _gib(text: str) -> float:
    """A size with its unit, in GiB."""
    units = {
        "kib": 2**-20,
        "mib": 2**-10,
        "gib": 1.0,
        "tib": 1024.0,
        "kb": 1e3 / 2**30,
        "mb": 1e6 / 2**30,
        "gb": 1e9 / 2**30,
        "tb": 1e12 / 2**30,
    }
    number = text.strip().rstrip("abgikmtABGIKMT ")
    unit = text.strip()[len(number) :].strip().lower()
    try:
        return float(number) * units[unit]
    except (ValueError, KeyError) as error:
        msg = f"--memory-limit {text[:80]!r}: expected a size such as 2GiB or 800MB"
        raise OptionsError(msg) from error
