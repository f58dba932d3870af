"""Reads OME-XML, as a file of its own or out of a TIFF, into columns.

Namespaces and the order of elements are not looked at: they differ between versions.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import XML, ParseError

import numpy as np

from tiles2zarr.errors import SourceError
from tiles2zarr.sources.ome_xml.document import (
    OmeChannel,
    OmeFile,
    OmeImage,
    OmeObjective,
    OmePlate,
    OmeSample,
    OmeWell,
    OmeXml,
)
from tiles2zarr.sources.ome_xml.values import Attributes
from tiles2zarr.sources.timestamps import posix
from tiles2zarr.sources.xml import parse_xml, records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from numpy.typing import NDArray

_TAGS = (
    "TiffData",
    "Plane",
    "Channel",
    "BinData",
    "Pixels",
    "Image",
    "Objective",
    "Well",
    "PlateAcquisition",
    "Plate",
)
_TOP = ("BinaryOnly", "OME")
_WANTED = frozenset({*_TAGS, *_TOP})
_START = re.compile(r"<(?:\w+:)?OME[\s>]")
# What XML cannot say, but some writers copy out of other metadata.
_UNSPEAKABLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DECLARATION = re.compile(r"\A\s*<\?xml\s[^>]*\?>")
_ENCODING = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml\s[^>]*encoding=[\"']([\w.-]+)")
_HEAD = 200  # bytes
_NOT_STATED = -1
_ChannelTexts = tuple[str | None, ...]
_MOST_PLANES, _MOST_CHANNELS = 10**8, 4096


def is_ome_xml(text: str) -> bool:
    """Whether a text begins like OME-XML: its root stands within the first few kilobytes."""
    head = text[:4096].lstrip("\ufeff \t\r\n")
    return head.startswith("<") and _START.search(head) is not None


def read_ome_xml(file: Path) -> OmeXml:
    """The document in a file, read element by element: it may be larger than memory.

    Raises:
        SourceError: it cannot be read, is no XML, or a number in it is none.
    """
    try:
        return _Reader(str(file), {}).read(records(file, *_TAGS, *_TOP))
    except SourceError:
        text = _mislabelled(file)
        if text is None:
            raise
    return parse_ome_xml(text, str(file))


def _mislabelled(file: Path) -> str | None:
    """The text of a file in UTF-8 that says it is in another encoding; None where it is not such a one."""
    try:
        with open(file, "rb") as handle:
            declared = _ENCODING.match(handle.read(_HEAD))
            if declared is None or declared[1].lower() in (b"utf-8", b"utf8"):
                return None
            handle.seek(0)
            return handle.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def parse_ome_xml(text: str, where: str, known: dict[_ChannelTexts, OmeChannel] | None = None) -> OmeXml:
    """The document of a TIFF's description.

    The text is decoded: whatever encoding it declares, often UTF-16 where software keeps texts so, it is not in it.

    Args:
        text: the document.
        where: what messages call it.
        known: channels that occurred in documents before, and will in this one.

    Raises:
        SourceError: as `read_ome_xml`.
    """
    plain = _DECLARATION.sub("", text.lstrip("\ufeff"), count=1)
    return _Reader(where, known if known is not None else {}).read(_elements(plain, where))


def _elements(text: str, where: str) -> list[Element]:
    """The elements that count, in the order in which they end, names local.

    Where documents are small and many, the way of `parse_xml` takes three times as long.
    """
    content = text.encode(errors="replace")
    if b"<!DOCTYPE" in content:  # without one there are no entities
        parse_xml(content, where)
    try:
        root: Element = XML(content)
    except ParseError:
        root = parse_xml(_UNSPEAKABLE.sub(" ", text), where)
    elements, waiting = [], [root]
    while (
        waiting
    ):  # the root, then its children from the last to the first: the other way round is their ends
        element = waiting.pop()
        element.tag = _local(element.tag)
        elements.append(element)
        waiting.extend(element)
    elements.reverse()
    kept = [element for element in elements if element.tag in _WANTED]
    for element in kept:
        if "{" in "".join(element.attrib):
            element.attrib = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
    return kept


@lru_cache(1024)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


class _Reader:
    """Gathers elements in the order in which they end: what belongs to an image comes before the image itself."""

    def __init__(self, where: str, known: dict[_ChannelTexts, OmeChannel]) -> None:
        self._where = where
        self._values = Attributes(where)
        self._images: list[OmeImage] = []
        self._objective_ids: list[str] = []
        self._objectives: dict[str, OmeObjective] = {}
        self._channels: list[OmeChannel] = []
        self._pixels: dict[str, str] | None = None
        self._holds_pixels = False
        self._blocks, self._last_channel = 0, 0  # of the image that is being read
        self._files: dict[OmeFile, int] = {}
        self._pages: list[tuple[int, ...]] = []
        self._planes: list[tuple[int, ...]] = []
        self._plane_values: list[tuple[float, ...]] = []
        self._plane_kinds: list[tuple[int, ...]] = []
        self._wells: list[OmeWell] = []
        self._runs: list[frozenset[str]] = []
        self._plates: list[OmePlate] = []
        self._known_channels = known
        self._top: dict[str, dict[str, str]] = {}

    def read(self, elements: Iterable[Element]) -> OmeXml:
        for element in elements:
            reader = _READERS.get(element.tag)
            if reader is not None:
                reader(self, element)
            else:
                self._top[element.tag] = dict(element.attrib)
        # Rows behind the last image belong to annotations that use the same words.
        pages = [row for row in self._pages if row[0] < len(self._images)]
        known = sum(row[0] < len(self._images) for row in self._planes)
        root, binary_only = self._top.get("OME", {}), self._top.get("BinaryOnly", {})
        return OmeXml(
            where=self._where,
            uuid=plain_uuid(root.get("UUID", "")),
            creator=root.get("Creator", ""),
            metadata_file=binary_only.get("MetadataFile", ""),
            metadata_uuid=plain_uuid(binary_only.get("UUID", "")),
            images=tuple(map(self._with_objective, self._images, self._objective_ids)),
            plates=tuple(self._plates),
            files=tuple(self._files),
            pages=_table(pages, 7, np.int64),
            planes=_table(self._planes[:known], 4, np.int64),
            plane_values=_table(self._plane_values[:known], 5, np.float64),
            plane_kinds=_table(self._plane_kinds[:known], 3, np.int8),
            findings=tuple(self._values.findings),
        )

    def _read_TiffData(self, element: Element) -> None:
        whole, attributes = self._values.whole, element.attrib
        uuid = next((child for child in element if child.tag == "UUID"), None)
        file = _NOT_STATED
        if uuid is not None:
            named = OmeFile(uuid.get("FileName", "").strip(), plain_uuid(uuid.text or ""))
            file = self._files.setdefault(named, len(self._files))
        self._blocks += 1
        self._last_channel = max(self._last_channel, whole(attributes, "FirstC", 0))
        self._pages.append(
            (
                len(self._images),
                whole(attributes, "IFD", _NOT_STATED),
                whole(attributes, "FirstZ", 0),
                whole(attributes, "FirstC", 0),
                whole(attributes, "FirstT", 0),
                whole(attributes, "PlaneCount", _NOT_STATED),
                file,
            )
        )

    def _read_Plane(self, element: Element) -> None:
        values, attributes = self._values, element.attrib
        if "TheZ" not in attributes and "TheC" not in attributes and "TheT" not in attributes:
            return  # an annotation that happens to be called so
        x, y, z = (
            values.length(attributes, "PositionX", ""),
            values.length(attributes, "PositionY", ""),
            values.length(attributes, "PositionZ", ""),
        )
        whole, time = values.whole, values.time
        self._planes.append(
            (
                len(self._images),
                whole(attributes, "TheZ", 0),
                whole(attributes, "TheC", 0),
                whole(attributes, "TheT", 0),
            )
        )
        seconds = time(attributes, "DeltaT"), time(attributes, "ExposureTime")
        self._plane_values.append((x.value, y.value, z.value, *seconds))
        self._plane_kinds.append((x.kind, y.kind, z.kind))

    def _read_Channel(self, element: Element) -> None:
        attributes = element.attrib
        key = _channel_texts(attributes)
        known = self._known_channels.get(key)
        if known is None:
            known = OmeChannel(
                name=(attributes.get("Name", "").strip() or attributes.get("Fluor", "").strip())[:200],
                color=self._values.color(attributes),
                excitation_nm=self._values.wavelength(attributes, "ExcitationWavelength"),
                emission_nm=self._values.wavelength(attributes, "EmissionWavelength"),
                samples=self._values.whole(attributes, "SamplesPerPixel", 1) or 1,
            )
            if not self._values.findings:  # which belong to this document
                self._known_channels[key] = known
        self._channels.append(known)

    def _read_BinData(self, element: Element) -> None:
        if element.get("Length", "0") != "0" or (element.text or "").strip():
            self._holds_pixels = True

    def _read_Pixels(self, element: Element) -> None:
        if "SizeX" in element.attrib:
            self._pixels = dict(element.attrib)

    def _read_Image(self, element: Element) -> None:
        if self._pixels is None:
            return  # an annotation, or an image without pixels
        values, pixels = self._values, self._pixels
        children = {child.tag: child for child in element}
        date = next(
            (children[tag].text for tag in ("AcquisitionDate", "AcquiredDate") if tag in children), None
        )
        settings = next(
            (children[tag] for tag in ("ObjectiveSettings", "ObjectiveRef") if tag in children), None
        )
        label = children["StageLabel"].attrib if "StageLabel" in children else {}
        sizes = (values.count(pixels, "SizeZ"), self._size_c(pixels), values.count(pixels, "SizeT"))
        if sizes[0] * sizes[1] * sizes[2] > _MOST_PLANES:
            where = f"{self._where}, image {element.get('ID', '')}"
            found = f"{sizes[0]} x {sizes[1]} x {sizes[2]}"
            msg = f"{where}: expected at most {_MOST_PLANES} planes (Z x C x T), found {found}: correct the document"
            raise SourceError(msg)
        if sizes[1] > _MOST_CHANNELS:
            where = f"{self._where}, image {element.get('ID', '')}"
            msg = (
                f"{where}: expected at most {_MOST_CHANNELS} channels, found {sizes[1]}: correct the document"
            )
            raise SourceError(msg)
        self._objective_ids.append(settings.get("ID", "") if settings is not None else "")
        self._images.append(
            OmeImage(
                id=element.get("ID", ""),
                name=element.get("Name", "").strip(),
                acquired=posix(date or ""),
                order=_order(pixels.get("DimensionOrder", "")),
                sizes=sizes,
                height=values.count(pixels, "SizeY"),
                width=values.count(pixels, "SizeX"),
                pixelsize=values.size(pixels, "PhysicalSizeX"),
                pixelsize_y=values.size(pixels, "PhysicalSizeY"),
                z_spacing=values.size(pixels, "PhysicalSizeZ"),
                time_increment=values.interval(pixels, "TimeIncrement"),
                channels=tuple(self._channels),
                stage=(values.length(label, "X", ""), values.length(label, "Y", "")),
                objective=None,
                holds_pixels=self._holds_pixels,
            )
        )
        self._channels, self._pixels, self._holds_pixels = [], None, False
        self._blocks, self._last_channel = 0, 0

    def _size_c(self, pixels: dict[str, str]) -> int:
        """How many channels an image has: with two cameras, Micro-Manager lists pages of more than it counts."""
        said, listed = self._values.count(pixels, "SizeC"), self._last_channel + 1
        return listed if said < listed <= self._blocks else said

    def _read_Objective(self, element: Element) -> None:
        values, attributes = self._values, element.attrib
        calibrated = values.number(attributes, "CalibratedMagnification")
        nominal = values.number(attributes, "NominalMagnification")
        self._objectives[attributes.get("ID", "")] = OmeObjective(
            name=attributes.get("Model", "").strip() or None,
            magnification=_positive(nominal) or _positive(calibrated),
            numerical_aperture=_positive(values.number(attributes, "LensNA")),
        )

    def _with_objective(self, image: OmeImage, objective_id: str) -> OmeImage:
        objective = self._objectives.get(objective_id)
        if objective is None:
            return image
        return replace(image, objective=objective)

    def _read_Well(self, element: Element) -> None:
        values = self._values
        if "Row" not in element.attrib and "Column" not in element.attrib:
            return  # an annotation
        samples = []
        for sample in element:
            if sample.tag == "WellSample":
                references = [child.get("ID", "") for child in sample if child.tag == "ImageRef"]
                x, y = (values.length(sample.attrib, f"Position{axis}", "") for axis in "XY")
                samples.append(OmeSample(sample.get("ID", ""), references[0] if references else None, x, y))
        self._wells.append(
            OmeWell(
                values.whole(element.attrib, "Row", 0),
                values.whole(element.attrib, "Column", 0),
                tuple(samples),
            )
        )

    def _read_PlateAcquisition(self, element: Element) -> None:
        self._runs.append(frozenset(child.get("ID", "") for child in element if child.tag == "WellSampleRef"))

    def _read_Plate(self, element: Element) -> None:
        self._plates.append(OmePlate(element.get("Name", "").strip(), tuple(self._wells), tuple(self._runs)))
        self._wells, self._runs = [], []


def _channel_texts(attributes: dict[str, str]) -> _ChannelTexts:
    """All that makes a channel what it is."""
    get = attributes.get
    return (
        get("Name"),
        get("Fluor"),
        get("Color"),
        get("ExcitationWavelength"),
        get("ExcitationWavelengthUnit"),
        get("EmissionWavelength"),
        get("EmissionWavelengthUnit"),
        get("SamplesPerPixel"),
    )


_READERS: dict[str, Callable[[_Reader, Element], None]] = {
    name: getattr(_Reader, f"_read_{name}") for name in _TAGS
}


def plain_uuid(text: str) -> str:
    """An identity without the prefix that some writers leave out, in small letters."""
    return text.strip().lower().removeprefix("urn:uuid:")


def _positive(value: float) -> float | None:
    return value if value > 0 and isfinite(value) else None


@lru_cache(64)
def _order(text: str) -> str:
    """The letters Z, C and T of an order of dimensions; where they are not all there, the usual one."""
    order = "".join(letter for letter in text if letter in "ZCT")
    return order if sorted(order) == ["C", "T", "Z"] else "ZCT"


def _table(rows: Sequence[tuple[float, ...]], width: int, dtype: type) -> NDArray[Any]:
    if not rows:
        return np.empty((0, width), dtype)
    return np.array(rows, dtype).reshape(-1, width)
