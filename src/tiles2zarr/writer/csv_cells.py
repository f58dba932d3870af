"""CSV as ngio reads it: texts quoted, numbers plain, nothing for None. Reading gives back the very cells that were written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiles2zarr.core.tile import Scalar

_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)')


def dump(columns: Mapping[str, Sequence[Scalar]]) -> bytes:
    """Equally long columns as CSV, names first.

    >>> dump({"drug": ["DMSO", None], "dose": [1.5, 2]})
    b'"drug","dose"\\n"DMSO",1.5\\n,2\\n'
    """
    lines = [",".join(map(_quoted, columns))]
    lines += [",".join(map(_cell, row)) for row in zip(*columns.values(), strict=True)]
    return ("\n".join(lines) + "\n").encode()


def load(content: bytes) -> dict[str, list[Scalar]]:
    """The columns of a CSV that `dump` wrote.

    >>> load(b'"drug","dose"\\n"DMSO",1.5\\n,2\\n')
    {'drug': ['DMSO', None], 'dose': [1.5, 2]}
    """
    text, rows, row, position = content.decode(), [], [], 0
    while position < len(text):
        match = _CELL.match(text, position)
        if match is None:
            msg = f"no CSV cell at character {position}"
            raise ValueError(msg)
        row.append(match[1].replace('""', '"') if match[1] is not None else _plain(match[2]))
        if match[3] != ",":
            rows.append(row)
            row = []
        position = match.end()
    names, *values = rows
    return {str(name): [line[index] for line in values] for index, name in enumerate(names)}


def _cell(value: Scalar) -> str:
    if value is None:
        return ""
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _plain(text: str) -> Scalar:
    """A number, True or False, nothing, or a text that somebody else did not quote."""
    if text in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
