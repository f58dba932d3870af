"""The `.HTD` file of a plate: what was to be imaged."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError
from tiles2zarr.models import row_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FIRST = "HTSInfoFile"
_MOST = 2**22  # bytes; that of a plate of 1536 wells has 15,000


@dataclass(frozen=True, slots=True)
class Htd:
    """What an `.HTD` says.

    Attributes:
        waves: names of the wavelengths by number, from 1.
        wells: the wells that were chosen; None: not said.
        sites: numbers of the sites that were chosen in each well; None: not said.
    """

    waves: Mapping[int, str]
    wells: tuple[str, ...] | None
    sites: tuple[int, ...] | None


def is_htd(file: Path) -> bool:
    """Whether a file begins as an `.HTD` does."""
    try:
        with open(file, "rb") as handle:
            return _FIRST.encode() in handle.read(64)
    except OSError:
        return False


def read_htd(file: Path) -> Htd:
    """What an `.HTD` says.

    Raises:
        SourceError: it cannot be read, or is something else.
    """
    try:
        with open(file, "rb") as handle:
            data = handle.read(_MOST)
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"{file}: cannot be read: {reason}: copy it again, or ask for the right to read it"
        raise SourceError(msg) from error
    # Free texts are in whatever encoding the instrument's computer had, with bytes that are of none.
    lines = data.decode("cp1252", errors="replace").split("\r\n" if b"\r\n" in data else "\n")
    rows = _rows(file, lines)
    if not rows or rows[0][0] != _FIRST:
        found = rows[0][0][:80] if rows else "an empty file"
        msg = f"{file}: expected {_FIRST!r} in its first line, found {found!r}: the file is damaged, copy it again"
        raise SourceError(msg)
    values = {row[0]: row[1:] for row in rows}
    return Htd(waves=_waves(values), wells=_wells(values), sites=_sites(values))


def _rows(file: Path, lines: list[str]) -> list[list[str]]:
    try:
        return [[value.strip() for value in row] for row in csv.reader(lines, skipinitialspace=True) if row]
    except csv.Error as error:
        msg = f"{file}: expected lines of quoted names and values, found {error}: the file is damaged, copy it again"
        raise SourceError(msg) from error


def _waves(values: Mapping[str, list[str]]) -> dict[int, str]:
    names = {}
    for number in range(1, _count(values, "NWavelengths") + 1):
        name = " ".join(values.get(f"WaveName{number}", []))
        if name:
            names[number] = name
    return names


def _wells(values: Mapping[str, list[str]]) -> tuple[str, ...] | None:
    chosen = []
    rows = _count(values, "YWells")
    for row in range(rows):
        flags = values.get(f"WellsSelection{row + 1}", [])
        chosen += [f"{row_name(row)}{column:02d}" for column, flag in enumerate(flags, 1) if _is_true(flag)]
    return tuple(chosen) if chosen else None


def _sites(values: Mapping[str, list[str]]) -> tuple[int, ...] | None:
    """Only the sites that were chosen are numbered, row by row."""
    if not _is_true(" ".join(values.get("Sites", ["FALSE"]))):
        return (1,) if "Sites" in values else None
    rows = (values.get(f"SiteSelection{row + 1}", []) for row in range(_count(values, "YSites")))
    count = sum(_is_true(flag) for flags in rows for flag in flags)
    return tuple(range(1, count + 1)) if count else None


def _count(values: Mapping[str, list[str]], name: str) -> int:
    """A number of things; 0 where it is not said, or no number of wells, sites or wavelengths that there can be."""
    text = " ".join(values.get(name, []))
    return int(text) if text.isdecimal() and text.isascii() and int(text) <= 200 else 0


def _is_true(text: str) -> bool:
    return text.upper() == "TRUE"
