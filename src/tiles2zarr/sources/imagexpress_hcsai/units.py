"""The folders of an acquisition: their tables read, and their planes sorted out."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import SourceError
from tiles2zarr.sources.imagexpress_hcsai.descriptor import read_descriptor, read_json
from tiles2zarr.sources.imagexpress_hcsai.folders import STACKS
from tiles2zarr.sources.imagexpress_hcsai.records import read_records
from tiles2zarr.sources.naming import within_folder
from tiles2zarr.sources.projections import projection_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tiles2zarr.sources.imagexpress_hcsai.descriptor import Descriptor
    from tiles2zarr.sources.imagexpress_hcsai.folders import Run
    from tiles2zarr.sources.imagexpress_hcsai.records import Record

_TABLE = re.compile(r"image_metadata_([0-9]+)\.csv", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unit:
    """One folder of images.

    Attributes:
        descriptor: what its `.jdce` says.
        tables: of its images.
        prefix: the folder relative to that of the run, with ``/`` behind; empty where it is that.
        is_stack: whether the software keeps whole stacks here.
        records: its planes.
    """

    descriptor: Descriptor
    tables: tuple[Path, ...]
    prefix: str
    is_stack: bool
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane, and the folder that it is in."""

    record: Record
    unit: Unit


def read_units(run: Run) -> list[Unit]:
    """The folders of an acquisition.

    Raises:
        SourceError: a `.jdce` or a table is missing or damaged.
    """
    return [_unit(run, file) for file in run.descriptors]


def planes_by_kind(run: Run, units: Sequence[Unit]) -> tuple[dict[str, list[Plane]], int]:
    """The planes of each projection (the empty one: of planes that were taken), and how many were left out.

    Left out are single planes that the software keeps besides the stack that holds them.
    """
    method = _method(run)
    found: dict[str, list[Plane]] = {}
    for unit in units:
        kinds = _kinds(unit, method)
        for record in unit.records:
            kind = (method or "maximum") if record.is_called_projection else kinds[record.wavelength]
            found.setdefault(kind, []).append(Plane(record, unit))
    planes = found.get("", [])
    stacked = {_series(plane.record) for plane in planes if plane.unit.is_stack}
    kept = [plane for plane in planes if plane.unit.is_stack or _series(plane.record) not in stacked]
    if planes:
        found[""] = kept
    return found, len(planes) - len(kept)


def _unit(run: Run, file: Path) -> Unit:
    descriptor = read_descriptor(file)
    tables = _tables(file, descriptor)
    # Restarted acquisitions have been seen to list a file again; the last row is the one that counts.
    records = {record.path: record for table in tables for record in read_records(table)}
    relative = os.path.relpath(file.parent, run.folder)
    return Unit(
        descriptor=descriptor,
        tables=tables,
        prefix="" if relative == os.curdir else f"{relative.replace(os.sep, '/')}/",
        is_stack=file.parent.name.lower() == STACKS,
        records=tuple(records.values()),
    )


def _tables(file: Path, descriptor: Descriptor) -> tuple[Path, ...]:
    """The tables that a `.jdce` names, and those beside it that it does not.

    Raises:
        SourceError: one is missing.
    """
    folder = file.parent
    named = {within_folder(name, file) for name in descriptor.tables}
    matches = (_TABLE.fullmatch(name) for name in os.listdir(folder))
    beside = {match[0]: int(match[1]) for match in matches if match}
    for name in sorted(named - beside.keys()):
        if not (folder / name).is_file():
            msg = f"{folder / name}: expected the table of images that {file.name} names, found none: copy it"
            raise SourceError(msg)
    if not named and not beside:
        msg = f"{folder}: expected a table of images (image_metadata_1.csv), found none: copy it"
        raise SourceError(msg)
    return tuple(
        folder / name for name in sorted(named | beside.keys(), key=lambda name: (beside.get(name, 0), name))
    )


def _kinds(unit: Unit, method: str | None) -> dict[int, str]:
    """By wavelength which projection its planes are; empty for planes that were taken."""
    several = {record.wavelength for record in unit.records if record.z}
    kinds = {}
    for wavelength in {record.wavelength for record in unit.records}:
        said = unit.descriptor.wavelengths.get(wavelength)
        mode = said.mode if said else ""
        is_projection = "projection" in mode.lower() and not unit.is_stack and wavelength not in several
        kinds[wavelength] = (projection_name(mode) if mode else method or "maximum") if is_projection else ""
    return kinds


def _series(record: Record) -> tuple[str, int, int, int]:
    """What a stack is a stack of."""
    return record.well, record.field, record.wavelength, record.timepoint


def _method(run: Run) -> str | None:
    """How the protocol makes planes one; None where it says nothing, or several things."""
    said = {value for file in run.protocols for value in _values(read_json(file), "zProjectionMechanism")}
    names = {projection_name(value) for value in said if isinstance(value, str) and value.strip()}
    return names.pop() if len(names) == 1 else None


def _values(document: Any, name: str) -> Iterator[Any]:
    """Every value of that name, however deep."""
    left = [document]
    while left:
        found = left.pop()
        if isinstance(found, dict):
            if name in found:
                yield found[name]
            left += found.values()
        elif isinstance(found, list):
            left += found
