"""What users hand over as plain values: documents of options or details, the names of modes, foreign texts."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tiles2zarr.errors import OptionsError
from tiles2zarr.models.options import ConverterOptions, OverwriteMode

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_DOCUMENT = 2**22
_LONGEST_LINE = 1200
_LONGEST_SHOWN = 200


def document_kind(file: Path) -> str:
    """What a document is written in, by its name."""
    return "TOML" if file.suffix.lower() == ".toml" else "JSON"


def read_document(file: Path) -> Any:
    """What a TOML (if it is called ``.toml``) or JSON document says; both are UTF-8.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read.
        ValueError: it is no plain file, too large, or no such document; the message is one line.
    """
    import tomllib

    kind = document_kind(file)
    data = _plain_bytes(file)
    try:
        text = data.decode("utf-8-sig")
        return tomllib.loads(text.replace("\r\n", "\n")) if kind == "TOML" else json.loads(text)
    except UnicodeDecodeError as error:
        msg = f"expected UTF-8, found byte 0x{error.object[error.start]:02x}: save it as UTF-8"
        raise ValueError(msg) from error
    except RecursionError as error:
        msg = f"no {kind} of this kind: its values are nested too deeply"
        raise ValueError(msg) from error
    except ValueError as error:
        msg = f"no {kind}: {one_line(str(error))}"
        raise ValueError(msg) from error


def one_line(text: str, most: int = _LONGEST_LINE) -> str:
    r"""Foreign text as it stands in a message: unprintable characters escaped, the middle of a long one left out.

    >>> one_line("FOV\n1"), one_line("abcdefghij", most=6)
    ('FOV\\n1', 'abc…hij')
    """
    if len(text) > most:
        text = f"{text[: most // 2]}…{text[-most // 2 :]}"
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _plain_bytes(file: Path) -> bytes:
    """The whole of a file that is a small, plain one: a pipe would block, a device might never end."""
    facts = file.stat()
    if not stat.S_ISREG(facts.st_mode):
        found = "a folder" if stat.S_ISDIR(facts.st_mode) else "a device or pipe"
        msg = f"expected a file, found {found}"
        raise ValueError(msg)
    if facts.st_size > _LARGEST_DOCUMENT:
        msg = f"expected at most {_LARGEST_DOCUMENT} bytes, found {facts.st_size}: is it another file?"
        raise ValueError(msg)
    return file.read_bytes()


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
        options = ConverterOptions.model_validate(document or {})
    except ValidationError as error:
        raise OptionsError(one_line(_first_problem(error))) from error
    except (RecursionError, OverflowError) as error:  # from compiling a regular expression
        msg = f"options: a pattern is nested too deeply or counts too far: {error}"
        raise OptionsError(msg) from error
    for place, text in _texts(options.model_dump()):
        if any("\ud800" <= character <= "\udfff" for character in text):
            msg = f"option {place}: expected a text of whole characters, found {_shown(text)}"
            raise OptionsError(msg)
    return options


def mode_of(mode: OverwriteMode | str) -> OverwriteMode:
    """A mode by its name, in capitals or not.

    Raises:
        OptionsError: there is none of that name.
    """
    by_name = {known.value.casefold(): known for known in OverwriteMode}
    try:
        return by_name[str(getattr(mode, "value", mode)).casefold()]
    except KeyError as error:
        msg = f"mode {mode!r}: expected one of {', '.join(known.value for known in OverwriteMode)}"
        raise OptionsError(msg) from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    place = one_line(".".join(str(part) for part in first["loc"]), _LONGEST_SHOWN)
    found = _shown(first["input"])
    if first["type"] == "extra_forbidden":
        known = list(_paths(ConverterOptions().model_dump(mode="json")))
        wanted = str(first["loc"][-1])
        near = [path for path in known if path.rpartition(".")[2] == wanted]
        near = near or get_close_matches(place, known, 3, 0.4)
        if near:
            return f"option {place}: unknown: did you mean {' or '.join(near)}?"
        return f"option {place}: unknown: expected one of {', '.join(known)}"
    if first["type"] == "union_tag_not_found":
        return f"option {place}: expected its mode (or name) beside it, such as {place}.mode, found {found}"
    return f"option {place}: {first['msg'].removeprefix('Value error, ')}, found {found}"


def _shown(value: Any) -> str:
    """A value as it stands in a message."""
    try:
        return one_line(repr(value), _LONGEST_SHOWN)
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deeply"


def _texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text of the options, and its dotted name."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict | list | tuple):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for name, part in parts:
            yield from _texts(part, f"{place}.{name}" if place else str(name))


def _paths(options: dict[str, Any], before: str = "") -> Iterator[str]:
    """The dotted name of every option."""
    for name, value in options.items():
        if isinstance(value, dict) and "mode" not in value:
            yield from _paths(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"
