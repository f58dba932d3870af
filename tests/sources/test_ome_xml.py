"""OME-XML as it is read, whoever wrote it."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.errors import SourceError
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.ome_xml import is_ome_xml, pages_of, parse_ome_xml, read_ome_xml, stage_of
from tiles2zarr.sources.ome_xml.values import IN_PIXELS, IN_UNIT, WITHOUT_UNIT, Attributes

if TYPE_CHECKING:
    from tiles2zarr.sources.ome_xml import OmeXml

REQUEST = ScanRequest(Path("x.ome.xml"))


def document(
    pixels: str, *, sizes: str = 'SizeZ="1" SizeC="1" SizeT="1"', order: str = "XYZCT", **more: str
) -> str:
    """A document of one image."""
    attributes = more.get("attributes", "")
    return (
        f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{more.get("before", "")}'
        f'<Image ID="Image:0" Name="one">{more.get("inside", "")}<Pixels ID="Pixels:0" DimensionOrder="{order}" '
        f'Type="uint8" SizeX="4" SizeY="3" {sizes} {attributes}>{pixels}</Pixels></Image>{more.get("after", "")}</OME>'
    )


def read(*args: str, **more: str) -> OmeXml:
    return parse_ome_xml(document(*args, **more), "a document")


def places(found: OmeXml, pages: int = 1) -> list[tuple[int, ...]]:
    """Page, z, t and c of each page."""
    rows = pages_of(found, lambda _: pages)
    return list(zip(*(column.tolist() for column in (rows.page, rows.z, rows.t, rows.c)), strict=True))


def test_blocks_spread_as_the_specification_shows() -> None:
    sizes = 'SizeZ="3" SizeC="2" SizeT="2"'
    default = read("<TiffData/>", sizes=sizes, order="XYZTC")
    expected = [(t * 3 + c * 6 + z, z, t, c) for c in range(2) for t in range(2) for z in range(3)]
    assert places(default, 12) == expected
    assert places(default, 15) == expected  # further pages are nobody's
    assert places(default, 4) == expected[:4]

    counted = read('<TiffData PlaneCount="10"/>', sizes='SizeZ="4" SizeC="2" SizeT="3"', order="XYCTZ")
    assert places(counted)[:8] == [
        (0, 0, 0, 0),
        (1, 0, 0, 1),
        (2, 0, 1, 0),
        (3, 0, 1, 1),
        (4, 0, 2, 0),
        (5, 0, 2, 1),
        (6, 1, 0, 0),
        (7, 1, 0, 1),
    ]
    assert len(places(counted)) == 10

    later = read('<TiffData IFD="3" PlaneCount="5"/>', sizes='SizeZ="4" SizeC="3" SizeT="2"', order="XYZTC")
    assert places(later) == [(3, 0, 0, 0), (4, 1, 0, 0), (5, 2, 0, 0), (6, 3, 0, 0), (7, 0, 1, 0)]

    backwards = "".join(f'<TiffData IFD="{page}" FirstT="{5 - page}"/>' for page in range(6))
    assert places(read(backwards, sizes='SizeZ="1" SizeC="1" SizeT="6"')) == [
        (p, 0, 5 - p, 0) for p in range(6)
    ]


def test_an_image_without_blocks_takes_the_pages_of_its_file_in_order() -> None:
    found = read("", sizes='SizeZ="2" SizeC="2" SizeT="1"', order="XYCZT")
    assert places(found) == [(0, 0, 0, 0), (1, 0, 0, 1), (2, 1, 0, 0), (3, 1, 0, 1)]


@given(
    order=st.permutations("ZCT"),
    sizes=st.tuples(*[st.integers(1, 4)] * 3),
    first=st.integers(0, 5),
    count=st.integers(1, 70),
)
def test_a_block_runs_through_its_image_in_the_order_of_dimensions(
    order: list[str], sizes: tuple[int, int, int], first: int, count: int
) -> None:
    text = "".join(f'Size{letter}="{size}" ' for letter, size in zip("ZCT", sizes, strict=True))
    block = f'<TiffData IFD="{first}" PlaneCount="{count}"/>'
    found = pages_of(read(block, sizes=text, order=f"XY{''.join(order)}"), lambda _: 1)
    lengths = dict(zip("ZCT", sizes, strict=True))
    inner = [lengths[letter] for letter in order]
    expected = []
    for number in range(min(count, int(np.prod(sizes)))):
        indices = np.unravel_index(number, inner, order="F")
        at = dict(zip(order, (int(index) for index in indices), strict=True))
        expected.append((first + number, at["Z"], at["C"], at["T"]))
    columns = (found.page, found.z, found.c, found.t)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected


def test_colours_of_one_page_are_one_channel_in_the_order_of_pages() -> None:
    channel = '<Channel ID="Channel:0" SamplesPerPixel="3"/>'
    found = read(f"{channel}<TiffData/>", sizes='SizeZ="2" SizeC="3" SizeT="1"', order="XYCZT")
    assert places(found, 2) == [(0, 0, 0, 0), (1, 1, 0, 0)]


def test_a_page_of_a_channel_that_is_not_there_is_refused() -> None:
    found = read('<TiffData FirstC="2"/>', sizes='SizeZ="1" SizeC="2" SizeT="1"')
    with pytest.raises(
        SourceError, match="a document, image Image:0: expected 2 channels, found a page of channel 2"
    ):
        pages_of(found, lambda _: 1)


def test_a_block_that_is_listed_twice_counts_once() -> None:
    assert places(read('<TiffData IFD="0"/><TiffData IFD="0"/>')) == [(0, 0, 0, 0)]


def test_sizes_and_times_come_in_micrometres_and_seconds_whatever_their_units() -> None:
    stated = (
        'PhysicalSizeX="325" PhysicalSizeXUnit="nm" PhysicalSizeY="0.000325" PhysicalSizeYUnit="mm" PhysicalSizeZ="2" '
        'TimeIncrement="500" TimeIncrementUnit="ms"'
    )
    image = read("", attributes=stated).images[0]
    assert (image.pixelsize, image.pixelsize_y, image.z_spacing) == pytest.approx((0.325, 0.325, 2.0))
    assert image.time_increment == 0.5
    nothing = read(
        "", attributes='PhysicalSizeX="0" PhysicalSizeY="-1" PhysicalSizeZ="NaN" TimeIncrement="0"'
    ).images[0]
    assert (nothing.pixelsize, nothing.pixelsize_y, nothing.z_spacing, nothing.time_increment) == (None,) * 4


def test_a_unit_that_nobody_knows_is_an_error_said_once() -> None:
    planes = '<Plane TheZ="0" TheC="0" TheT="0" PositionX="1" PositionXUnit="furlong" PositionY="2" '
    planes += 'PositionYUnit="furlong"/>'
    found = read(planes)
    assert [(finding.severity, finding.code, finding.where) for finding in found.findings] == [
        ("error", "unknown-unit", "a document")
    ]
    assert "'furlong'" in found.findings[0].message


def test_positions_know_whether_they_are_lengths() -> None:
    plane = '<Plane TheZ="0" TheC="0" TheT="0" PositionX="10" {x} PositionY="20" {y} PositionZ="3" {z}/>'
    for unit, kind, expected in (
        ('{axis}="mm"', IN_UNIT, (10000.0, 20000.0)),
        ("", WITHOUT_UNIT, (10.0, 20.0)),
        ('{axis}="reference frame"', IN_PIXELS, (5.0, 40.0)),
        ('{axis}="pixel"', IN_PIXELS, (5.0, 40.0)),
    ):
        units = {axis: unit.format(axis=f"Position{axis.upper()}Unit") for axis in "xyz"}
        sizes = 'PhysicalSizeX="0.5" PhysicalSizeY="2"'
        found = read(plane.format(**units), attributes=sizes)
        stage = stage_of(found, pages_of(found, lambda _: 1), REQUEST)
        assert (stage.x[0], stage.y[0], stage.kind[0]) == (*expected, kind)
        assert isnan(stage.focus[0]) == (kind == IN_PIXELS)


def test_a_stage_label_in_a_unit_goes_before_positions_that_are_no_lengths_and_after_those_that_are() -> None:
    label = '<StageLabel Name="a" X="1" XUnit="mm" Y="2" YUnit="mm"/>'
    plane = '<Plane TheZ="0" TheC="0" TheT="0" PositionX="10" PositionXUnit="{0}" PositionY="20" PositionYUnit="{0}"/>'
    expected = {"pixel": (1000.0, 2000.0), "µm": (10.0, 20.0), None: (1000.0, 2000.0)}
    for unit, place in expected.items():
        found = read(plane.format(unit) if unit else "", inside=label)
        stage = stage_of(found, pages_of(found, lambda _: 1), REQUEST)
        assert (stage.x[0], stage.y[0], stage.kind[0]) == (*place, IN_UNIT)


def test_a_page_without_a_position_was_taken_where_the_first_of_its_image_was() -> None:
    planes = (
        '<Plane TheZ="1" TheC="0" TheT="0" PositionX="10" PositionY="20"/><Plane TheZ="0" TheC="0" TheT="0"/>'
    )
    found = read(planes, sizes='SizeZ="3" SizeC="1" SizeT="1"')
    stage = stage_of(found, pages_of(found, lambda _: 1), REQUEST)
    assert (stage.x.tolist(), stage.y.tolist()) == ([10.0] * 3, [20.0] * 3)


@pytest.mark.parametrize(
    ("value", "color"),
    [
        ("-16776961", "FF0000"),
        ("16711935", "00FF00"),
        ("65535", "0000FF"),
        ("-1", None),  # the schema's default
        ("-2147483648", None),  # the same until 2012
        ("255", None),  # black shows nothing
        ("4278190335", "FF0000"),  # unsigned
        ("red", None),
    ],
)
def test_colours_are_red_green_blue_alpha_in_a_signed_number(value: str, color: str | None) -> None:
    assert Attributes("here").color({"Color": value}) == color


def test_channels_say_wavelengths_in_nanometres() -> None:
    channels = (
        '<Channel ID="c0" Name=" DAPI " ExcitationWavelength="405" EmissionWavelength="0.46" '
        'EmissionWavelengthUnit="µm"/>'
        '<Channel ID="c1" Fluor="GFP"/>'
    )
    first, second = read(channels, sizes='SizeZ="1" SizeC="2" SizeT="1"').images[0].channels
    assert (first.name, first.excitation_nm, first.emission_nm) == ("DAPI", 405.0, 460.0)
    assert (second.name, second.excitation_nm, second.emission_nm) == ("GFP", None, None)


def test_the_objective_of_an_image_is_found_whether_it_stands_before_or_behind_it() -> None:
    instrument = (
        '<Instrument ID="i"><Objective ID="o0"/>'
        '<Objective ID="o1" Model="Plan 20x" NominalMagnification="20" LensNA="0.8"/></Instrument>'
    )
    settings = '<ObjectiveSettings ID="o1"/>'
    for where in ("before", "after"):
        objective = read("", inside=settings, **{where: instrument}).images[0].objective
        assert objective is not None
        assert (objective.name, objective.magnification, objective.numerical_aperture) == (
            "Plan 20x",
            20.0,
            0.8,
        )


def test_annotations_that_use_the_same_words_are_left_alone() -> None:
    annotation = (
        '<StructuredAnnotations><XMLAnnotation ID="a"><Value><Image ID="x"><Channel Name="no"/></Image>'
        '<Plane TheZ="0"/><TiffData IFD="7"/><Well/><Pixels/></Value></XMLAnnotation></StructuredAnnotations>'
    )
    found = read("<TiffData/>", after=annotation)
    assert [image.id for image in found.images] == ["Image:0"]
    assert (len(found.pages), len(found.planes)) == (1, 0)


def test_namespaces_and_prefixes_do_not_matter_and_a_file_reads_as_a_text(tmp_path: Path) -> None:
    plain = document("<TiffData/>")
    prefixed = (
        plain.replace("<", "<OME:")
        .replace("<OME:/", "</OME:")
        .replace("xmlns=", "xmlns:OME=")
        .replace("2016-06", "2013-06")
    )
    file = tmp_path / "a.ome"
    file.write_text(f'\ufeff<?xml version="1.0"?><!-- Warning: <OME> follows -->{prefixed}', encoding="utf-8")
    one, other = parse_ome_xml(plain, "x"), read_ome_xml(file)
    assert repr(one.images) == repr(other.images)  # NaN differs from NaN
    np.testing.assert_array_equal(one.pages, other.pages)


def test_what_is_ome_xml_begins_like_it() -> None:
    assert is_ome_xml(document(""))
    assert is_ome_xml('\n<?xml version="1.0"?>\n<!-- a comment -->\n<OME:OME xmlns:OME="x">')
    assert not is_ome_xml("ImageJ=1.53\nimages=3")
    assert not is_ome_xml("<MetaData><PlaneInfo/></MetaData>")
    assert not is_ome_xml("")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<TiffData IFD="first"/>', "expected IFD to be a whole number from 0 on, found 'first'"),
        ('<TiffData IFD="-2"/>', "expected IFD to be a whole number from 0 on, found '-2'"),
        ('<Plane TheZ="0" PositionX="left"/>', "expected PositionX to be a number, found 'left'"),
    ],
)
def test_numbers_that_are_none_are_refused(text: str, message: str) -> None:
    with pytest.raises(SourceError) as refused:
        read(text)
    assert str(refused.value).startswith(f"a document: {message}")


@pytest.mark.parametrize(
    "sizes",
    [
        'SizeZ="0" SizeC="1" SizeT="1"',
        'SizeC="1" SizeT="1"',
        'SizeZ="1" SizeC="1" SizeT="999999999999999999999"',
        'SizeZ="99999" SizeC="99999" SizeT="99999"',
    ],
)
def test_sizes_that_no_image_has_are_refused(sizes: str) -> None:
    with pytest.raises(SourceError, match=r"a document.*expected"):
        read("", sizes=sizes)


def test_damaged_xml_and_entities_are_refused() -> None:
    with pytest.raises(SourceError, match="a document, line 1: expected XML"):
        parse_ome_xml("<OME><Image>", "a document")
    with pytest.raises(SourceError, match="found a document type or entities"):
        parse_ome_xml('<!DOCTYPE OME [<!ENTITY a "b">]><OME>&a;</OME>', "a document")
