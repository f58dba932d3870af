"""The `.HTD` file of a plate: what was to be imaged."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError
from tiles2zarr.models import row_name
from tiles2zarr.sources.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FIRST = "HTSInfoFile"
_MOST = 2**22  # bytes; that of a plate of 1536 wells has 15,000
_MOST_TIMEPOINTS, _MOST_PLANES = 100_000, 10_000


@dataclass(frozen=True, slots=True)
class Htd:
    """What an `.HTD` says.

    Attributes:
        waves: names of the wavelengths by number, from 1.
        collected: numbers of the wavelengths that were to be imaged.
        wells: the wells that were chosen; None: not said.
        sites: numbers of the sites that were chosen in each well; None: not said.
        timepoints: how many; 0: not said.
        z_planes: how many were to be taken of a stack; 0: not said, or there was to be none.
        is_projected: the planes of a stack were to be made one.
    """

    waves: Mapping[int, str]
    collected: frozenset[int]
    wells: tuple[str, ...] | None
    sites: tuple[int, ...] | None
    timepoints: int
    z_planes: int
    is_projected: bool


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
        raise unreadable(file, error) from error
    # Free texts are in whatever encoding the instrument's computer had, with bytes that are of none.
    lines = data.decode("cp1252", errors="replace").split("\r\n" if b"\r\n" in data else "\n")
    rows = _rows(file, lines)
    if not rows or rows[0][0] != _FIRST:
        found = rows[0][0][:80] if rows else "an empty file"
        msg = f"{file}: expected {_FIRST!r} in its first line, found {found!r}: the file is damaged, copy it again"
        raise SourceError(msg)
    values = {row[0]: row[1:] for row in rows}
    # Plates without stacks say all the same that there are projections.
    is_stack = _flag(values, "ZSeries")
    return Htd(
        waves=_waves(values),
        collected=_collected(values),
        wells=_wells(values),
        sites=_sites(values),
        timepoints=_count(values, "TimePoints", _MOST_TIMEPOINTS),
        z_planes=_count(values, "ZSteps", _MOST_PLANES) if is_stack else 0,
        is_projected=is_stack and _flag(values, "ZProjection"),
    )


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


def _collected(values: Mapping[str, list[str]]) -> frozenset[int]:
    """The wavelengths, without those that no timepoint was to have."""
    numbers = range(1, _count(values, "NWavelengths") + 1)
    return frozenset(number for number in numbers if values.get(f"WaveCollect{number}") != ["0"])


def _wells(values: Mapping[str, list[str]]) -> tuple[str, ...] | None:
    chosen = []
    rows = _count(values, "YWells")
    for row in range(rows):
        flags = values.get(f"WellsSelection{row + 1}", [])
        chosen += [f"{row_name(row)}{column:02d}" for column, flag in enumerate(flags, 1) if _is_true(flag)]
    return tuple(chosen) if chosen else None


def _sites(values: Mapping[str, list[str]]) -> tuple[int, ...] | None:
    """Only the sites that were chosen are numbered, row by row."""
    if not _flag(values, "Sites"):
        return (1,) if "Sites" in values else None
    rows = (values.get(f"SiteSelection{row + 1}", []) for row in range(_count(values, "YSites")))
    count = sum(_is_true(flag) for flags in rows for flag in flags)
    return tuple(range(1, count + 1)) if count else None


def _count(values: Mapping[str, list[str]], name: str, most: int = 200) -> int:
    """A number of things; 0 where it is not said, or more than there can be."""
    text = " ".join(values.get(name, []))
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 and int(text) <= most else 0


def _flag(values: Mapping[str, list[str]], name: str) -> bool:
    return _is_true(" ".join(values.get(name, [])))


def _is_true(text: str) -> bool:
    return text.upper() == "TRUE"
