"""What the index of a measurement says: its plates, and one record for each image, by column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import SourceError
from tiles2zarr.models.documents import one_line
from tiles2zarr.sources.xml import records

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from numpy.typing import NDArray

    Texts = list[str | None]

# What says which image it is; the entries of a map refer to images by these.
_KEYS = (
    "Row",
    "Col",
    "FieldID",
    "PlaneID",
    "TimepointID",
    "ChannelID",
    "SequenceID",
    "GroupID",
    "FlimID",
    "PlateID",
)
_VALUES = (
    "id",
    "State",
    "URL",
    "BufferNo",
    "ChannelName",
    "ChannelColor",
    "ImageResolutionX",
    "ImageResolutionY",
    "ImageSizeX",
    "ImageSizeY",
    "PositionX",
    "PositionY",
    "PositionZ",
    "AbsPositionZ",
    "MeasurementTimeOffset",
    "AbsTime",
    "MainExcitationWavelength",
    "MainEmissionWavelength",
    "ObjectiveMagnification",
    "ObjectiveNA",
    "ExposureTime",
    "OrientationMatrix",
)
COLUMNS = _KEYS + _VALUES
_DISTINCT = frozenset({"id", "URL", "AbsTime"})


@dataclass(frozen=True, slots=True)
class Plate:
    """A plate that an index describes.

    Attributes:
        name: what people call it.
        identity: its barcode, or the name again.
        started: when its measurement began, ISO 8601.
        wells: row and column of each well that was selected, from 1.
    """

    name: str
    identity: str
    started: str
    wells: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Index:
    """An index, read once.

    Attributes:
        file: the index file.
        plates: as it describes them.
        columns: per tag one text for each image, None where neither the image nor a map says it.
        units: per tag the unit it is given in.
    """

    file: Path
    plates: list[Plate] = field(default_factory=list)
    columns: dict[str, Texts] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many images it lists."""
        return len(self.columns["id"])

    def take(self, rows: Iterable[int]) -> Index:
        """The same of some of the images."""
        chosen = list(rows)
        columns = {name: [column[row] for row in chosen] for name, column in self.columns.items()}
        return Index(self.file, self.plates, columns, self.units)

    def says(self, name: str) -> bool:
        """Whether any image has this."""
        return any(self.columns[name])

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as numbers, NaN where nothing is said, or that there is no number.

        Raises:
            SourceError: some text is no finite number.
        """
        column = self.columns[name]
        try:
            values = np.array(column, object).astype(np.float64)
        except (ValueError, TypeError):
            values = np.array([_number(text) for text in column], np.float64)
        for row in np.flatnonzero(~np.isfinite(values)).tolist():
            if (column[row] or "").strip().lower() not in ("", "nan"):
                msg = f"{self.place(row)}: expected {name} to be a number, found {_shown(column[row])}: export it again"
                raise SourceError(msg)
        return values

    def needed(self, name: str) -> NDArray[np.float64]:
        """A column as numbers that every image has.

        Raises:
            SourceError: an image lacks it, or has no number there.
        """
        values = self.numbers(name)
        for row in np.flatnonzero(np.isnan(values)).tolist():
            found = (self.columns[name][row] or "").strip() or "nothing"
            msg = f"{self.place(row)}: expected {name} to be a number, found {found}: export it again"
            raise SourceError(msg)
        return values

    def whole(self, name: str, least: int) -> NDArray[np.int64]:
        """A column as whole numbers that every image has.

        Raises:
            SourceError: an image lacks it, or has no whole number from `least` on there.
        """
        values = self.needed(name)
        for row in np.flatnonzero(
            (values != np.floor(values)) | (values < least) | (values > 2**31)
        ).tolist():
            expected = f"{name} to be a whole number from {least} on"
            found = _shown(self.columns[name][row])
            msg = f"{self.place(row)}: expected {expected}, found {found}: export it again"
            raise SourceError(msg)
        return values.astype(np.int64)

    def place(self, row: int) -> str:
        """What messages call an image."""
        return f"{self.file}, image {_shown(self.columns['id'][row]) if self.columns['id'][row] else row + 1}"


def read_index(file: Path) -> Index:
    """Plates and images of an index.

    Raises:
        SourceError: it cannot be read, or a length is given in two units.
    """
    index = Index(file, columns={name: [] for name in COLUMNS})
    maps: dict[tuple[str, ...], dict[tuple[str, ...], dict[str, str]]] = {}
    shared: dict[str, str] = {}
    appends = [(name, column.append, name in _DISTINCT) for name, column in index.columns.items()]
    for element in records(file, "Plate", "Entry", "Image"):
        if element.tag == "Image":
            if not len(element):
                continue  # a well's reference to an image
            said = _texts(element, index)
            if "State" in element.attrib:
                said.setdefault("State", element.attrib["State"])
            for name, append, is_distinct in appends:
                text = said.get(name)
                append(text if text is None or is_distinct else shared.setdefault(text, text))
        elif element.tag == "Entry":
            _add_entry(element, index, maps)
        else:
            index.plates.append(_plate(element))
    for keys, entries in maps.items():
        _complete(index, keys, entries)
    return index


def _texts(element: Element, index: Index) -> dict[str, str | None]:
    """What stands in an element, by tag."""
    said: dict[str, str | None] = {}
    for child in element:
        tag = child.tag
        said[tag] = child.text
        if child.attrib:
            unit = child.attrib.get("Unit")
            if unit and index.units.setdefault(tag, unit) != unit:
                msg = f"{index.file}: expected {tag} in one unit, found {index.units[tag]} and {unit}: export it again"
                raise SourceError(msg)
            if tag == "URL":
                said["BufferNo"] = child.attrib.get("BufferNo")
    return said


def _add_entry(
    element: Element, index: Index, maps: dict[tuple[str, ...], dict[tuple[str, ...], dict[str, str]]]
) -> None:
    """Keep what the entry of a map says of all images that its attributes fit; the last one to say it is right."""
    keys = tuple(sorted(element.attrib))
    said = {name: text for name, text in _texts(element, index).items() if text and name in COLUMNS}
    if said and set(keys) <= set(_KEYS):
        place = tuple(element.attrib[key].strip() for key in keys)
        maps.setdefault(keys, {}).setdefault(place, {}).update(said)


def _complete(index: Index, keys: tuple[str, ...], entries: dict[tuple[str, ...], dict[str, str]]) -> None:
    """Give images what they do not say themselves."""
    names = {name for said in entries.values() for name in said}
    places = list(zip(*(index.columns[key] for key in keys), strict=True)) if keys else [()] * len(index)
    for name in names:
        column = index.columns[name]
        if any(text is None for text in column):
            texts = {place: said[name] for place, said in entries.items() if name in said}
            index.columns[name] = [
                texts.get(place) if text is None else text for text, place in zip(column, places, strict=True)
            ]


def _plate(element: Element) -> Plate:
    said = {child.tag: (child.text or "").strip() for child in element}
    wells = [child.attrib.get("id", "") for child in element if child.tag == "Well"]
    name = said.get("Name") or said.get("PlateID", "")
    # Columbus numbers wells otherwise.
    declared = tuple((int(well[:2]), int(well[2:])) for well in wells if len(well) == 4 and well.isdecimal())
    return Plate(name, said.get("PlateID") or name, said.get("MeasurementStartTime", ""), declared)


def _number(text: str | None) -> float:
    try:
        return float(text) if text is not None else np.nan
    except ValueError:
        return np.nan


def _shown(text: str | None) -> str:
    return one_line(text or "nothing", 80)
