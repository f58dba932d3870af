"""OME/METADATA.ome.xml: what it says, that it is valid, and that the order of runs does not show."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import ome_types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.layouts import Layout, TileSpec
from tests.writer.scans import BEGIN, DAPI, GFP, FakeSource, Part
from tiles2zarr.core.plane_times import PlaneTimes
from tiles2zarr.core.tiled_image import tiled_image_from_tiles
from tiles2zarr.core.tiles import Tiles
from tiles2zarr.errors import OutputError, PreflightError
from tiles2zarr.fractal.parallelization import setup_images_for_conversion
from tiles2zarr.inspection.validate import validate
from tiles2zarr.models import (
    AcquisitionDetails,
    ChannelInfo,
    ConverterOptions,
    ImageInPlate,
    SingleImage,
)
from tiles2zarr.placement import place_image
from tiles2zarr.provenance import Origin, keep_in_plates
from tiles2zarr.sources.naming import wells_of
from tiles2zarr.sources.planes import file_loaders
from tiles2zarr.writer.ome_document import rendered
from tiles2zarr.writer.ome_image import ome_image
from tiles2zarr.writer.plate import write_plates

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from tiles2zarr.core.tiled_image import TiledImage

GOLDEN = Path(__file__).parent / "golden"
OME = "P.zarr/OME/METADATA.ome.xml"


@cache
def schema() -> Any:
    """The schema of 2016-06 that ome-types brings; None without lxml, the one library that could hold it against
    a document.
    """
    try:
        from lxml import etree
    except ImportError:
        return None
    return etree.XMLSchema(etree.parse(str(Path(ome_types.__file__).with_name("ome-2016-06.xsd"))))


def assert_valid(document: bytes) -> None:
    """The document is as the schema has it, and ome-types reads it."""
    if schema() is not None:
        from lxml import etree

        schema().assertValid(etree.fromstring(document))
    ome_types.from_xml(document.decode())


def test_the_schema_is_there_to_hold_documents_against() -> None:
    etree = pytest.importorskip("lxml.etree", reason="without lxml no document is held against the schema")
    for name in ("plate", "multiplexed", "image"):
        document = (GOLDEN / f"{name}.ome.xml").read_bytes()
        assert schema().validate(etree.fromstring(document))
        wrong = document.replace(b'DimensionOrder="XYZCT"', b'DimensionOrder="TCZYX"')
        assert not schema().validate(etree.fromstring(wrong))


def read(file: Path) -> Element:
    """The root of a valid document, names without namespace."""
    content = file.read_bytes()
    assert_valid(content)
    root = ElementTree.fromstring(content)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def names(root: Element) -> list[str | None]:
    return [image.get("Name") for image in root.iterfind("Image")]


# Whole documents


def test_of_a_plate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSource([Part(shape=(2, 2, 2, 2))]).convert(monkeypatch, tmp_path / "source", tmp_path / "zarr")
    found = (tmp_path / "zarr" / OME).read_bytes()
    assert_valid(found)
    assert found == (GOLDEN / "plate.ome.xml").read_bytes()


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 0, 1)])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_of_a_multiplexed_plate_in_any_order_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...], version: str
) -> None:
    other = ChannelInfo(channel_label="Cy5", objective="Plan Apo 10×", magnification=10.0)
    cycles = {0: Part(("A01", "B03")), 1: Part(("B03", "AA02"), channels=(DAPI, other), known=False)}
    cycles[1] = replace(cycles[1], channels=(ChannelInfo(channel_label="DAPI"), other))
    for cycle in order:
        FakeSource([cycles[cycle]]).convert(
            monkeypatch,
            tmp_path / f"cycle {cycle}",
            tmp_path / "zarr",
            cycle,
            "Extend",
            omezarr_options={"ngff_version": version, "num_levels": 1},
        )
    found = (tmp_path / "zarr" / OME).read_bytes()
    assert_valid(found)
    assert found == (GOLDEN / "multiplexed.ome.xml").read_bytes()


def test_of_an_image_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part((SingleImage(image_path="slides/7"),), shape=(2, 2, 1, 1))
    FakeSource([part], {"meta/Index.xml": b"<a/>"}).convert(monkeypatch, tmp_path / "s", tmp_path / "zarr")
    folder = tmp_path / "zarr" / "slides/7.zarr/OME"
    found = (folder / "METADATA.ome.xml").read_bytes()
    assert_valid(found)
    assert found == (GOLDEN / "image.ome.xml").read_bytes()
    assert (folder / "acquisition_0/meta/Index.xml").read_bytes() == b"<a/>"
    assert not (tmp_path / "zarr" / "slides" / "OME").exists()


# What images there are


def test_images_of_fields_of_view_are_all_there_in_field_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FakeSource([Part(("A01",), shape=(11, 1, 1, 1), channels=(DAPI,))])
    source.convert(monkeypatch, tmp_path / "source", tmp_path / "zarr", grouping="Per-FOV")
    root = read(tmp_path / "zarr" / OME)
    assert names(root) == [f"A/01/0f{n}" for n in range(11)]
    first = [plane.get("PositionX") for plane in root.iterfind("Image/Pixels/Plane")]
    assert first == [str(n * 5.0 - 100.0) for n in range(11)]
    assert [image.findtext("AcquisitionDate") for image in root.iterfind("Image")][:2] == [
        "2021-01-26T13:30:00",
        "2021-01-26T13:30:02.500000",
    ]
    assert len(root.findall("Plate/Well")) == 1
    assert len(root.findall("Plate/Well/WellSample")) == 11


def test_slices_and_projections_are_two_images_of_a_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [Part(("A01",)), Part(("A01",), "maximum", shape=(2, 2, 1, 1))]
    FakeSource(parts).convert(monkeypatch, tmp_path / "source", tmp_path / "zarr")
    root = read(tmp_path / "zarr" / OME)
    assert names(root) == ["A/01/0", "A/01/0maximum"]
    assert [pixels.get("SizeZ") for pixels in root.iterfind("Image/Pixels")] == ["2", "1"]
    assert [ref.get("ID") for ref in root.iterfind("Plate/Well/WellSample/ImageRef")] == [
        "Image:0",
        "Image:1",
    ]


def test_filters_leave_images_and_moments_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [
        {"name": "Well Include Filter", "wells": ["B03"]},
        {"name": "Include Filter", "field": "fov_name", "values": ["F1"]},
    ]
    FakeSource().convert(monkeypatch, tmp_path / "s", tmp_path / "zarr", acquisition={"filters": rules})
    root = read(tmp_path / "zarr" / OME)
    assert names(root) == ["B/03/0"]
    # Field F1 begins 2.5 s after F0, the well an hour after the first one.
    assert root.findtext("Image/AcquisitionDate") == "2021-01-26T14:30:02.500000"
    plate = root.find("Plate")
    assert plate is not None
    assert (plate.get("Rows"), plate.get("Columns")) == ("2", "3")


def test_a_pixel_type_without_a_name_leaves_the_image_out_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [Part(("A01",), dtype="int64"), Part(("A01",), "maximum", shape=(1, 2, 1, 1))]
    report = FakeSource(parts).convert(monkeypatch, tmp_path / "source", tmp_path / "zarr")
    assert names(read(tmp_path / "zarr" / OME)) == ["A/01/0maximum"]
    said = [(one.severity, one.code, one.where) for one in report.findings if one.code != "assumed-value"]
    assert said == [("info", "undocumented-image", "P.zarr/A/01/0")]
    assert {image.status for image in report.images} == {"converted"}


def test_what_was_said_of_an_image_goes_when_nothing_can_be_said_of_it_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeSource().convert(monkeypatch, tmp_path / "before", tmp_path / "zarr")
    source = FakeSource([Part(("A01",), dtype="int64")])
    source.convert(monkeypatch, tmp_path / "after", tmp_path / "zarr", mode="Overwrite")
    assert names(read(tmp_path / "zarr" / OME)) == ["B/03/0"]
    source = FakeSource([Part(("B03",), dtype="int64")])
    source.convert(monkeypatch, tmp_path / "later", tmp_path / "zarr", mode="Overwrite")
    assert names(read(tmp_path / "zarr" / OME)) == []


# What is said of one


def document_of(image: TiledImage[Any, Any], times: Any = None, path: str = "i") -> Element:
    placed = place_image(image, ConverterOptions())
    content = rendered([ome_image(path, placed, "uint8", times)])
    assert_valid(content)
    root = ElementTree.fromstring(content)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def image_with(*channels: ChannelInfo, length_c: int = 1) -> TiledImage[Any, Any]:
    layout = Layout((TileSpec(0, 0, 4, 4, length_c=length_c),), channels=len(channels))
    image = layout.image()
    details = image.details.model_copy(update={"channels": channels})
    return replace(image, details=details, tiles=replace(image.tiles, all_details=(details,)))


@pytest.mark.parametrize("color", ["000000", "FFFFFF", "FF8000", "0000FF"])
def test_colours_are_those_of_the_channel(color: str) -> None:
    root = document_of(image_with(ChannelInfo(channel_label="a", color=color)))
    channel = root.find("Image/Pixels/Channel")
    assert channel is not None
    signed = int(channel.get("Color", ""))
    assert -(2**31) <= signed < 2**31
    assert f"{signed & 0xFFFFFFFF:08X}" == f"{color}FF"


def test_objectives_that_contradict_each_other_are_left_out() -> None:
    other = GFP.model_copy(update={"magnification": 40.0})
    assert document_of(image_with(DAPI, other)).find("Instrument") is None
    objective = document_of(image_with(DAPI, GFP)).find("Instrument/Objective")
    assert objective is not None
    assert objective.attrib == {
        "ID": "Objective:0:0",
        "Model": "Plan Apo 20×",
        "LensNA": "0.75",
        "NominalMagnification": "20.0",
    }


def test_what_xml_cannot_say_is_left_out_of_names() -> None:
    label = "a\x00\x1b\ufffeb\n\t<&\"'>"
    root = document_of(image_with(ChannelInfo(channel_label=label)), path="p\x07\ud800q")
    channel = root.find("Image/Pixels/Channel")
    assert channel is not None
    assert channel.get("Name") == "ab\n\t<&\"'>"
    assert names(root) == ["pq"]


@pytest.mark.parametrize(
    ("moment", "date"),
    [
        (BEGIN + 0.5, "2021-01-26T13:30:00.500000"),
        (12.5, None),  # since the start of the instrument
        (-1.0, None),
        (1e18, None),
    ],
)
def test_a_moment_is_a_date_only_when_it_can_be_one(moment: float, date: str | None) -> None:
    image = image_with(DAPI)
    root = document_of(image, np.array([[0, image.tiles.t[0], moment]]))
    assert root.findtext("Image/AcquisitionDate") == date
    plane = root.find("Image/Pixels/Plane")
    assert plane is not None
    assert plane.get("DeltaT") == "0.0"


def test_the_channels_of_a_colour_image_are_taken_at_once() -> None:
    channels = tuple(ChannelInfo(channel_label=name) for name in "RGB")
    image = image_with(*channels, length_c=3)
    times = PlaneTimes(image.tiles, np.array([BEGIN])).of(image)
    root = document_of(image, times)
    assert [plane.get("DeltaT") for plane in root.iterfind("Image/Pixels/Plane")] == ["0.0"] * 3


# Moments


@given(
    st.lists(st.tuples(*(st.integers(0, 2),) * 4, st.one_of(st.just(np.nan), st.floats(0, 100))), min_size=1)
)
def test_moments_are_the_earliest_of_each_channel_and_timepoint(rows: list[tuple[Any, ...]]) -> None:
    wells, fields, channels, steps, acquired = zip(*rows, strict=True)
    tiles = columns(wells, fields, channels, steps)
    times = PlaneTimes(tiles, np.array(acquired))
    for image in tiled_image_from_tiles(tiles=tiles, split_per_fov=True):
        place = (image.tiles.collection[0], image.tiles.fov[0])
        expected: dict[tuple[int, float], float] = {}
        for well, view, c, t, moment in rows:
            if (well, view) == place and np.isfinite(moment):
                expected[c, float(t)] = min(moment, expected.get((c, float(t)), np.inf))
        found = times.of(image)
        said = {(int(c), t): moment for c, t, moment in found.tolist()} if found is not None else {}
        assert said == expected


def columns(wells: Any, fields: Any, channels: Any, steps: Any, side: int = 8) -> Tiles:
    """Tiles at these places, with unknown loaders."""
    w, f, c, t = (np.asarray(column, np.int64) for column in (wells, fields, channels, steps))
    one = np.ones(len(w), np.int64)
    shared = tuple(ChannelInfo(channel_label=str(n), exposure_s=0.1) for n in range(int(c.max()) + 1))
    details = AcquisitionDetails(channels=shared, axes=("t", "c", "z", "y", "x"))
    return Tiles(
        x=f * float(side),
        y=f * 0.0,
        z=f * 0.0,
        t=t.astype(float),
        c=c,
        length_t=one,
        length_c=one,
        length_z=one,
        length_y=side * one,
        length_x=side * one,
        fov=f,
        fov_names=tuple(map(str, range(int(f.max()) + 1))),
        collection=w,
        collections=wells_of([f"{chr(65 + n % 16)}{n // 16 + 1}" for n in range(int(w.max()) + 1)], "P", 0),
        details=one * 0,
        all_details=(details,),
        loaders=file_loaders([""] * len(w)),
        attributes={},
    )


@pytest.mark.parametrize(
    ("wells", "fields", "seconds"),
    [(384, 9, 0.5), pytest.param(384, 90, 6.0, marks=pytest.mark.slow)],
    ids=["138240", "1382400"],
)
def test_a_plate_costs_little_however_many_tiles_it_has(
    tmp_path: Path, wells: int, fields: int, seconds: float
) -> None:
    w, f, c, z = (axis.ravel() for axis in np.indices((wells, fields, 4, 10)))
    tiles = replace(columns(w, f, c, 0 * w), z=z.astype(float))
    images = [replace(image, data_type="uint16") for image in tiled_image_from_tiles(tiles=tiles)]
    placed = [place_image(image, ConverterOptions()) for image in images]
    write_plates(tmp_path, [image.collection for image in images], "0.4")
    began = time.process_time()
    times = PlaneTimes(tiles, BEGIN + np.arange(len(tiles)) * 0.25)
    origins = [Origin(i, p, times.of(i)) for i, p in zip(images, placed, strict=True)]
    keep_in_plates(tmp_path, origins, "0.4")
    assert time.process_time() - began < seconds
    assert_valid((tmp_path / OME).read_bytes())


# Several runs


def keep(zarr_dir: Path, *places: ImageInPlate, **changes: Any) -> None:
    """A run that names these images."""
    layout = Layout((TileSpec(0, 0, 4, 4),), **changes)
    images = [replace(replace(layout, collection=place).image(), data_type="uint8") for place in places]
    write_plates(zarr_dir, places, "0.4")
    keep_in_plates(zarr_dir, [Origin(one, place_image(one, ConverterOptions())) for one in images], "0.4")


def place(row: str, column: int, acquisition: int = 0) -> ImageInPlate:
    return ImageInPlate(plate_name="P", row=row, column=column, acquisition=acquisition)


def test_a_run_replaces_what_it_names_and_keeps_the_rest(tmp_path: Path) -> None:
    keep(tmp_path, place("A", 1), place("B", 1), channels=2)
    keep(tmp_path, place("B", 1), place("A", 1, 1))
    root = read(tmp_path / OME)
    assert names(root) == ["A/01/0", "A/01/1", "B/01/0"]
    assert [pixels.get("SizeC") for pixels in root.iterfind("Image/Pixels")] == ["2", "1", "1"]


def test_runs_at_once_lose_no_image(tmp_path: Path) -> None:
    wells = [place(row, column) for row in "ABCD" for column in range(1, 5)]
    threads = [threading.Thread(target=keep, args=(tmp_path, well)) for well in wells]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keep(tmp_path / "one", *wells)
    assert (tmp_path / OME).read_bytes() == (tmp_path / "one" / OME).read_bytes()
    assert sorted(entry.name for entry in (tmp_path / "P.zarr/OME").iterdir()) == [
        ".zattrs",
        ".zgroup",
        "METADATA.ome.xml",
    ]


def test_a_run_that_says_the_same_leaves_the_document_alone(tmp_path: Path) -> None:
    keep(tmp_path, place("A", 1), place("B", 1))
    before = (tmp_path / OME).stat()
    keep(tmp_path, place("B", 1))
    after = (tmp_path / OME).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


BOMB = """<!DOCTYPE OME [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" Creator="tiles2zarr">&b;</OME>"""
DAMAGED = pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected OME-XML, found something else"),
        (b"<OME", "expected OME-XML, found something else"),
        (b"\xff\xfe", "expected OME-XML, found something else"),
        (b"<a/>", "expected OME-XML of 2016-06, found a document of a"),
        (BOMB.encode(), "expected OME-XML, found something else (a document type)"),
        (BOMB.encode("utf-16"), "expected OME-XML, found something else"),
    ],
)


@DAMAGED
def test_a_damaged_document_is_refused_before_anything_is_written_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    keep(tmp_path, place("A", 1))
    (tmp_path / OME).write_bytes(content)
    before = sorted((tmp_path / "P.zarr").rglob("*"))
    with pytest.raises(PreflightError) as error:
        FakeSource().convert(monkeypatch, tmp_path / "source", tmp_path, mode="Extend")
    assert [finding.code for finding in error.value.findings if finding.severity == "error"] == [
        "unusable-output"
    ]
    assert said in str(error.value)
    assert sorted((tmp_path / "P.zarr").rglob("*")) == before
    with pytest.raises(OutputError):
        keep(tmp_path, place("A", 2))
    assert (tmp_path / OME).read_bytes() == content


def test_a_document_of_another_program_is_refused_and_kept(tmp_path: Path) -> None:
    keep(tmp_path, place("A", 1))
    text = (tmp_path / OME).read_text().replace('Creator="tiles2zarr"', 'Creator="bioformats2raw"')
    (tmp_path / OME).write_text(text)
    with pytest.raises(OutputError, match="expected OME-XML of tiles2zarr, found that of 'bioformats2raw'"):
        keep(tmp_path, place("A", 2))
    assert (tmp_path / OME).read_text() == text


# Library users and validation


def test_library_users_get_it_where_the_pixel_type_is_stated(tmp_path: Path) -> None:
    image = Layout((TileSpec(0, 0, 4, 4),), collection=place("A", 1)).image()
    for number, dtype in enumerate((None, "uint8")):
        setup_images_for_conversion(
            [replace(image, data_type=dtype)],
            zarr_dir=tmp_path / str(number),
            collection_type="ImageInPlate",
            converter_options=ConverterOptions(),
        )
    assert not (tmp_path / "0" / OME).exists()
    assert names(read(tmp_path / "1" / OME)) == ["A/01/0"]


def test_a_store_with_it_conforms_and_a_damaged_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [Part(("A01",)), Part((SingleImage(image_path="one"),))]
    for part in parts:
        source = FakeSource([part], {"zarr/x.zarr/Index.xml": b"<a/>"})
        source.convert(monkeypatch, tmp_path / f"s{parts.index(part)}", tmp_path / "zarr")
    found = validate(tmp_path / "zarr")
    assert found.conforms
    assert (found.findings, found.images, found.checked) == ((), 2, 2)
    for folder in ("P.zarr", "one.zarr"):
        file = tmp_path / "zarr" / folder / "OME/METADATA.ome.xml"
        whole = file.read_text()
        for content in (whole[:-20], whole.replace('Type="uint16"', 'Type="uint17"')):
            file.write_text(content)
            (finding,) = validate(tmp_path / "zarr").findings
            assert (finding.severity, finding.code) == ("error", "not-conforming")
            assert str(file) in finding.where
        file.write_text(whole)
    part = tmp_path / "zarr/P.zarr/OME/acquisition_0/zarr/.copy.0123456789abcdef.part"
    part.touch()
    (finding,) = validate(tmp_path / "zarr").findings
    assert (finding.code, finding.where) == ("left-behind", str(part))
