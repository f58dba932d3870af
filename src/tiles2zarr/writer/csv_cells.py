"""CSV as ngio reads it: texts quoted, numbers plain, nothing for None. What is read is what was written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tiles2zarr.core.tile import Scalar

_WORDS = {"": None, "True": True, "False": False}
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)')


def dump(columns: Mapping[str, Sequence[Scalar]]) -> bytes:
    r"""Equally long columns as CSV, names first.

    >>> dump({"drug": ["DMSO", None], "dose": [1.5, 2]})
    b'"drug","dose"\n"DMSO",1.5\n,2\n'
    """
    lines = [",".join(map(_quoted, columns))]
    rows = zip(*columns.values(), strict=True)
    # A line of nothing is no row to most readers: the lone empty cell of a row is an empty text.
    lines += [",".join(map(_cell, row)) or '""' for row in rows]
    return ("\n".join(lines) + "\n").encode()


def load(content: bytes) -> dict[str, list[Scalar]]:
    r"""The columns of a CSV that `dump` wrote.

    >>> load(b'"drug","dose"\n"DMSO",1.5\n,2\n')
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
    if row:  # an empty cell, and then nothing, not even the end of the line
        rows.append([*row, None])
    names, *values = rows
    if any(len(line) != len(names) for line in values):
        msg = f"no table: expected {len(names)} cells in each line"
        raise ValueError(msg)
    return {str(name): [line[index] for line in values] for index, name in enumerate(names)}


def _cell(value: Scalar) -> str:
    if value is None:
        return ""
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _plain(text: str) -> Scalar:
    """A number, True or False, nothing, or a text that somebody else did not quote."""
    if text in _WORDS:
        return _WORDS[text]
    for kind in (int, float) if "_" not in text else ():  # Python's own notation, nobody else's
        try:
            return kind(text)
        except ValueError:
            continue
    return text
