"""The measurement records of an ``.mlf`` file, by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.errors import SourceError
from tiles2zarr.models.documents import one_line
from tiles2zarr.sources.naming import within_folder
from tiles2zarr.sources.projections import projection_name
from tiles2zarr.sources.timestamps import posix
from tiles2zarr.sources.xml import records
from tiles2zarr.sources.yokogawa.locating import CQ_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_WELL = ("Row", "Column")
#: Whole numbers of a record: default where an attribute may be missing, smallest and largest value.
_WHOLE: Mapping[str, tuple[str | None, int, int]] = {
    "Row": (None, 1, 702),
    "Column": (None, 1, 999),
    "FieldIndex": (None, 0, 999_999),
    "Ch": (None, 0, 9_999),
    "ZIndex": ("1", 0, 99_999),
    "TimePoint": ("1", 0, 999_999),
    "TimelineIndex": ("1", 0, 9_999),
    "ActionIndex": ("1", 0, 9_999),
}
_DECIMAL: Mapping[str, str | None] = {"X": None, "Y": None, "Z": "nan"}
_PLAIN = ("Time", "ZImageProcessing", "ZTop", "ZBottom")
_ATTRIBUTES = (*_WHOLE, *_DECIMAL, *_PLAIN)


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """The images of a measurement, by column.

    Attributes:
        names: files as the list names them, relative to its folder, with ``/``.
        row: 1-based.
        column: 1-based.
        field: number of the field of view.
        ch: number of the channel.
        z: number of the z-plane.
        timepoint: number of the timepoint.
        timeline: number of the schedule that the timepoint belongs to.
        action: number of the step of the schedule.
        x: stage position, µm.
        y: stage position, µm, growing upwards.
        height: focus position, µm, NaN where unknown.
        acquired: s since 1970, NaN where unknown.
        projection: ``maximum``, ``mean`` …; empty for slices.
    """

    names: NDArray[np.object_]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    field: NDArray[np.int64]
    ch: NDArray[np.int64]
    z: NDArray[np.int64]
    timepoint: NDArray[np.int64]
    timeline: NDArray[np.int64]
    action: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    height: NDArray[np.float64]
    acquired: NDArray[np.float64]
    projection: NDArray[np.object_]

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.names)

    def take(self, rows: NDArray[Any]) -> Records:
        """Some of the images."""
        return Records(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Failure:
    """A record of type ERR. What it leaves out is None.

    Attributes:
        text: what the instrument says.
        row: 1-based.
        column: 1-based.
        field: number of the field of view.
        ch: number of the channel.
        z: number of the z-plane.
        timepoint: number of the timepoint.
        timeline: number of the schedule, 1 where it is not said.
    """

    text: str
    row: int | None
    column: int | None
    field: int | None
    ch: int | None
    z: int | None
    timepoint: int | None
    timeline: int


def read_records(file: Path, columns: int | None) -> tuple[Records, list[Failure]]:
    """All images of a list, and what went wrong.

    Args:
        file: an ``.mlf`` file.
        columns: of the plate, to find wells by their number where a record leaves row and column out.

    Raises:
        SourceError: the file is damaged, or a record says something impossible; the record is named.
    """
    rows: list[tuple[str | None, ...]] = []
    names: list[str] = []
    numbers: list[int] = []
    failures = []
    for number, element in enumerate(records(file, "MeasurementRecord"), start=1):
        said = element.attrib
        text = (element.text or "").strip()
        kind = said.get("Type", "IMG").strip().upper()
        if kind == "ERR":
            failures.append(_failure(said, text))
        elif kind == "IMG":
            if "Row" not in said or "Column" not in said:
                said = {**_well_by_number(text, columns), **said}
            if "FieldIndex" not in said and "PartialTileIndex" in said:
                said = {**said, "FieldIndex": said["PartialTileIndex"]}
            rows.append(tuple([said.get(name) for name in _ATTRIBUTES]))
            names.append(text)
            numbers.append(number)
    raw = (
        dict(zip(_ATTRIBUTES, zip(*rows, strict=True), strict=True))
        if rows
        else dict.fromkeys(_ATTRIBUTES, ())
    )
    place = _Place(file, numbers, names)
    whole = {name: _whole(name, raw[name], place) for name in _WHOLE}
    decimal = {name: _decimal(name, raw[name], place) for name in _DECIMAL}
    return Records(
        names=_objects([place.file_of(row) for row in range(len(names))]),
        row=whole["Row"],
        column=whole["Column"],
        field=whole["FieldIndex"],
        ch=whole["Ch"],
        z=whole["ZIndex"],
        timepoint=whole["TimePoint"],
        timeline=whole["TimelineIndex"],
        action=whole["ActionIndex"],
        x=decimal["X"],
        y=decimal["Y"],
        height=decimal["Z"],
        acquired=np.fromiter((posix(text or "") for text in raw["Time"]), np.float64, len(names)),
        projection=_projections(raw),
    ), failures


@dataclass(frozen=True, slots=True)
class _Place:
    """What messages call a record."""

    file: Path
    numbers: list[int]
    names: list[str]

    def __call__(self, row: int) -> str:
        return f"{self.file}, record {self.numbers[row]} ({one_line(self.names[row], 200)})"

    def file_of(self, row: int) -> str:
        name = self.names[row]
        if (
            name
            and "\\" not in name
            and ":" not in name
            and not any(part in ("", ".", "..") for part in name.split("/"))
        ):
            return name
        return within_folder(name, self(row))


def _whole(name: str, texts: Sequence[str | None], place: _Place) -> NDArray[np.int64]:
    default, lowest, highest = _WHOLE[name]
    values = np.full(len(texts), -1, np.int64)
    for row, text in enumerate(texts):
        number = _int(text if text or default is None else default)
        if number is None or not lowest <= number <= highest:
            found = "nothing" if text is None else repr(one_line(text, 50))
            expected = f"{name} from {lowest} to {highest}"
            msg = f"{place(row)}: expected {expected}, found {found}: correct the record, or copy the file again"
            raise SourceError(msg)
        values[row] = number
    return values


def _decimal(name: str, texts: Sequence[str | None], place: _Place) -> NDArray[np.float64]:
    default = _DECIMAL[name]
    values = np.empty(len(texts))
    for row, text in enumerate(texts):
        number = _float(text if text else default)
        if number is None or (text and not abs(number) < 1e9):
            found = "nothing" if text is None else repr(one_line(text, 50))
            msg = f"{place(row)}: expected {name} in µm, found {found}: correct the record, or copy the file again"
            raise SourceError(msg)
        values[row] = number
    return values


def _int(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def _float(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _projections(raw: Mapping[str, Sequence[str | None]]) -> NDArray[np.object_]:
    names: dict[str | None, str] = {}
    found = []
    for said, top, bottom in zip(raw["ZImageProcessing"], raw["ZTop"], raw["ZBottom"], strict=True):
        if said not in names:
            names[said] = projection_name(said, "projection") if said else ""
        # Older software marks a projection by the range of heights alone.
        found.append(names[said] or ("projection" if said is None and top and bottom else ""))
    return _objects(found)


def _objects(values: Sequence[Any]) -> NDArray[np.object_]:
    return np.fromiter(values, object, len(values))


def _failure(said: Mapping[str, str], text: str) -> Failure:
    row, column, field, ch, z, timepoint, timeline = (
        _int(said.get(name))
        for name in ("Row", "Column", "FieldIndex", "Ch", "ZIndex", "TimePoint", "TimelineIndex")
    )
    return Failure(
        one_line(text, 100) or "an error without a name",
        row,
        column,
        field,
        ch,
        z,
        timepoint,
        1 if timeline is None else timeline,
    )


def _well_by_number(name: str, columns: int | None) -> dict[str, str]:
    match = CQ_NAME.search(name)
    if match is None or not columns:
        return {}
    row, column = divmod(int(match[1]) - 1, columns)
    return dict(zip(_WELL, (str(row + 1), str(column + 1)), strict=True))
