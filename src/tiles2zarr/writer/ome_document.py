"""``OME/METADATA.ome.xml``: what is known of the images of a plate, merged over any number of runs.

Everything but the images themselves follows from their names: they are sorted and numbered, and wells and
acquisitions refer to the numbers. So the order of runs does not show.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, ParseError, SubElement

from tiles2zarr.errors import OutputError
from tiles2zarr.models import row_index
from tiles2zarr.writer.groups import NgffVersion, group_version, remove_parts, write_bytes, write_group
from tiles2zarr.writer.lock import exclusive
from tiles2zarr.writer.ome_image import OmeImage, text_of, with_local_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

#: The group of a plate or an image that holds what is not NGFF, as bioformats2raw has it, too.
FOLDER = "OME"
FILE = "METADATA.ome.xml"
CREATOR = "tiles2zarr"
_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_PLACE = re.compile(r"([A-Z]{1,2})/0*([0-9]+)/([0-9]+)([a-z]*)([0-9]*)")


class _Place(NamedTuple):
    """Where an image of a plate belongs; sorts as people read a plate."""

    row: int
    column: int
    acquisition: int
    kind: str
    field: int


def write_document(
    plate: Path, images: Sequence[OmeImage], ngff_version: NgffVersion, without: Collection[str] = ()
) -> None:
    """Make the document of a plate say this of these images; what it says of others stays.

    Args:
        plate: its folder.
        images: what to say.
        ngff_version: version of the plate.
        without: paths of images that nothing can be said of any more.

    Raises:
        OutputError: the document that is there cannot be read.
    """
    file = plate / FOLDER / FILE
    with exclusive(plate / ".ome.lock"):
        merged = {image.path: image for image in _images_of(file) if image.path not in without}
        merged |= {image.path: image for image in images}
        if merged or file.exists():
            make_group(plate, ngff_version)
            remove_parts(plate / FOLDER)
            _write_if_other(file, rendered(merged.values(), plate.name.removesuffix(".zarr")))


def check_document(plate: Path) -> None:
    """Make sure that images can be added to the document of a plate; writes nothing.

    Raises:
        OutputError: the document that is there cannot be read, or is somebody else's.
    """
    _images_of(plate / FOLDER / FILE)


def make_group(parent: Path, ngff_version: NgffVersion) -> None:
    """Make the folder for OME-XML and vendors' files a Zarr group, so that nobody wonders what it is."""
    if group_version(parent / FOLDER) is None:
        write_group(parent / FOLDER, {}, ngff_version)


def rendered(images: Iterable[OmeImage], plate: str | None = None) -> bytes:
    """The document of these images.

    Args:
        images: each with another path.
        plate: name of the plate that they are of; None: they are of none.
    """
    ordered = sorted(images, key=lambda image: (_place(image.path) or _Place(10**6, 0, 0, "", 0), image.path))
    root = Element(
        "OME",
        {
            "xmlns": _SCHEMA,
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:schemaLocation": f"{_SCHEMA} {_SCHEMA}/ome.xsd",
            "Creator": CREATOR,
        },
    )
    if plate is not None:
        _add_plate(root, plate, ordered)
    lenses = sorted({_key(image) for image in ordered if image.objective})
    if lenses:
        instrument = SubElement(root, "Instrument", {"ID": "Instrument:0"})
        for number, lens in enumerate(lenses):
            SubElement(instrument, "Objective", {"ID": f"Objective:0:{number}", **dict(lens)})
    number_of = {lens: number for number, lens in enumerate(lenses)}
    root.extend(image.numbered(number, number_of.get(_key(image))) for number, image in enumerate(ordered))
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def read_document(file: Path) -> Element:
    """The root of a document, its names local.

    Raises:
        OutputError: it cannot be read, is no OME-XML, or declares a document type.
    """
    try:
        text = file.read_bytes().decode()
        # As text, the document cannot say that it is encoded otherwise, and hide its type behind that.
        root = _plain(text)
    except OSError as error:
        msg = f"{file}: expected OME-XML, cannot read it ({error.strerror}): repair or remove it"
        raise OutputError(msg) from error
    except (ParseError, ValueError) as error:
        msg = f"{file}: expected OME-XML, found something else ({error}): repair or remove it"
        raise OutputError(msg) from error
    if root.tag != f"{{{_SCHEMA}}}OME":
        found = " ".join(root.tag.split())[:80]
        msg = f"{file}: expected OME-XML of 2016-06, found a document of {found}: repair or remove it"
        raise OutputError(msg)
    return with_local_names(root)


def _plain(text: str) -> Element:
    if "<!DOCTYPE" in text:  # without one there are no entities
        msg = "a document type"
        raise ValueError(msg)
    root: Element = ElementTree.fromstring(text)  # noqa: S314 - see above
    return root


def _images_of(file: Path) -> list[OmeImage]:
    """The images of the document of an earlier run; none where there is none."""
    if not file.exists():
        return []
    root = read_document(file)
    if root.get("Creator") != CREATOR:
        msg = (
            f"{file}: expected OME-XML of tiles2zarr, found that of {str(root.get('Creator'))[:80]!r}: "
            "move it away, or choose another plate name"
        )
        raise OutputError(msg)
    lenses = {
        lens.get("ID"): {name: value for name, value in lens.attrib.items() if name != "ID"}
        for lens in root.iterfind("Instrument/Objective")
    }
    found = []
    for image in root.iterfind("Image"):
        settings = image.find("ObjectiveSettings")
        lens = lenses.get(settings.get("ID"), {}) if settings is not None else {}
        found.append(OmeImage(image.get("Name", ""), image, lens))
    return found


def _add_plate(root: Element, name: str, images: Sequence[OmeImage]) -> None:
    """The plate, its wells, and its acquisitions: each lists its images."""
    plate = SubElement(
        root,
        "Plate",
        {
            "ID": "Plate:0",
            "Name": text_of(name),
            "RowNamingConvention": "letter",
            "ColumnNamingConvention": "number",
        },
    )
    wells: dict[tuple[int, int], Element] = {}
    samples: dict[int, list[int]] = {}
    begins: dict[int, str] = {}
    for number, image in enumerate(images):
        place = _place(image.path)
        if place is None:
            continue
        key = place.row, place.column
        if key not in wells:
            own = {
                "ID": f"Well:{place.row}:{place.column}",
                "Row": str(place.row),
                "Column": str(place.column),
            }
            wells[key] = SubElement(plate, "Well", own)
        sample = SubElement(wells[key], "WellSample", {"ID": f"WellSample:{number}", "Index": str(number)})
        SubElement(sample, "ImageRef", {"ID": f"Image:{number}"})
        samples.setdefault(place.acquisition, []).append(number)
        date = image.element.findtext("AcquisitionDate")
        if date:
            begins[place.acquisition] = min(date, begins.get(place.acquisition, date))
    if wells:
        plate.set("Rows", str(max(row for row, _ in wells) + 1))
        plate.set("Columns", str(max(column for _, column in wells) + 1))
    for acquisition, numbers in sorted(samples.items()):
        started = {"StartTime": begins[acquisition]} if acquisition in begins else {}
        run = SubElement(plate, "PlateAcquisition", {"ID": f"PlateAcquisition:{acquisition}", **started})
        for number in numbers:
            SubElement(run, "WellSampleRef", {"ID": f"WellSample:{number}"})


def _place(path: str) -> _Place | None:
    match = _PLACE.fullmatch(path)
    if match is None:
        return None
    row, column, acquisition, kind, field = match.groups()
    return _Place(row_index(row), int(column) - 1, int(acquisition), kind, int(field or 0))


def _key(image: OmeImage) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(image.objective.items()))


def _write_if_other(file: Path, content: bytes) -> None:
    """Write a file that says something else than the one that is there; a rerun leaves it alone."""
    try:
        if file.read_bytes() == content:
            return
    except OSError:
        pass
    write_bytes(file, content)
