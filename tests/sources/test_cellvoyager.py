"""CellVoyager CV7000 and CV8000: measurement records become tiles."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

import tiles2zarr
from tests.simulators.truth import convert, fields_of, scale_of
from tests.simulators.yokogawa import DAPI, GFP, START, Channel, Measurement, failed
from tiles2zarr.errors import OptionsError, SourceError, UnknownFormatError
from tiles2zarr.models import AcquisitionOptions, ChannelInfo
from tiles2zarr.sources import detect_source
from tiles2zarr.sources.base import KnownGap, Scan, ScanRequest
from tiles2zarr.sources.cellvoyager import CellVoyagerSource
from tiles2zarr.sources.cq3k import Cq3kSource

if TYPE_CHECKING:
    from pathlib import Path

BINNED = Channel(3, 2, "GFP", geometry=(12, 16, 1.0))


def scan(path: Path, **options: Any) -> Scan:
    return CellVoyagerSource().scan(ScanRequest(path, **options))


def codes(found: Scan) -> list[tuple[str, str]]:
    return [(finding.severity, finding.code) for finding in found.findings]


def times(found: Scan, channel: int = 0) -> dict[str | int, list[float]]:
    """Per well the distinct times of a channel."""
    tiles = found.tiles
    return {
        collection.attributes()["well"]: sorted(
            set(tiles.t[(tiles.collection == index) & (tiles.c == channel)].tolist())
        )
        for index, collection in enumerate(tiles.collections)
    }


def check_pixels(measurement: Measurement, dest: Path, images: list[str], kind: str = "") -> None:
    """Every field of view of every well is what the instrument saw."""
    assert len(images) == len(measurement.wells)
    for well, image in zip(sorted(measurement.wells), images, strict=True):
        found = fields_of(dest / image)
        assert sorted(found) == [f"FOV_{number + 1}" for number in range(len(measurement.fields))]
        for number in range(len(measurement.fields)):
            expected = measurement.expected(well, number + 1, kind)
            np.testing.assert_array_equal(found[f"FOV_{number + 1}"], expected)


def edit(file: Path, *changes: tuple[str, str], count: int = 1) -> None:
    text = file.read_text(encoding="utf-8-sig")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, count)
    file.write_text(text, encoding="utf-8")


# What becomes what


def test_wells_fields_channels_planes_and_positions_follow_the_records(tmp_path: Path) -> None:
    found = scan(Measurement().write(tmp_path / "plate"))
    tiles = found.tiles
    assert [c.path() for c in tiles.collections] == ["plate.zarr/B/03/0", "plate.zarr/C/04/0"]
    assert tiles.fov_names == ("FOV_1", "FOV_2")
    assert len(tiles) == 2 * 2 * 2 * 2
    first = tiles.fov == 0
    assert set(zip(tiles.x[first].tolist(), tiles.y[first].tolist(), strict=True)) == {(-20.0, -10.0)}
    assert set(tiles.x[~first].tolist()) == {-4.0}
    assert sorted(set(tiles.z.tolist())) == [0.0, 3.0]
    assert set(tiles.t.tolist()) == {0.0}
    assert set(zip(tiles.length_y.tolist(), tiles.length_x.tolist(), strict=True)) == {(24, 32)}
    assert tiles.loaders.fields["file_path"][0] == "Assay #1_B03_T0001F001L01A01Z01C01.tif"
    assert found.resource == tmp_path / "plate"
    assert found.findings == ()
    assert found.known_gaps == ()


def test_what_the_protocol_says_of_a_channel_is_kept_and_unused_channels_are_left_out(tmp_path: Path) -> None:
    (details,) = scan(Measurement().write(tmp_path)).tiles.all_details
    assert (details.pixelsize, details.pixelsize_y, details.z_spacing) == (0.5, None, 3.0)
    assert details.channels is not None
    assert [channel.model_dump(exclude_none=True) for channel in details.channels] == [
        {
            "channel_label": "DAPI",
            "wavelength_id": "A01_C01",
            "color": "002FFF",
            "excitation_nm": 405.0,
            "emission_nm": 445.0,
            "exposure_s": 0.1,
            "objective": "20x v2",
            "magnification": 20.0,
        },
        {
            "channel_label": "GFP",
            "wavelength_id": "A02_C03",
            "color": "00FFA1",
            "excitation_nm": 488.0,
            "emission_nm": 525.0,
            "exposure_s": 0.25,
            "objective": "20x v2",
            "magnification": 20.0,
        },
    ]


def test_every_plane_is_converted_to_its_place(tmp_path: Path) -> None:
    measurement = Measurement()
    source = measurement.write(tmp_path / "plate")
    images = convert(source, tmp_path / "out", format="auto")
    assert images == ["plate.zarr/B/03/0", "plate.zarr/C/04/0"]
    check_pixels(measurement, tmp_path / "out", images)
    assert scale_of(tmp_path / "out" / images[0]) == {"c": 1.0, "z": 3.0, "y": 0.5, "x": 0.5}


def test_a_series_keeps_the_time_that_really_passed(tmp_path: Path) -> None:
    measurement = Measurement(size_t=3, seconds=432.5, wells=("B03",))
    images = convert(measurement.write(tmp_path / "plate"), tmp_path / "out")
    check_pixels(measurement, tmp_path / "out", images)
    assert scale_of(tmp_path / "out" / images[0])["t"] == 432.5


def test_when_each_image_was_taken_is_kept(tmp_path: Path) -> None:
    measurement = Measurement(wells=("B03",))
    found = scan(measurement.write(tmp_path))
    assert found.acquired is not None
    expected = [measurement.when(image).timestamp() for image in measurement.planes()]
    np.testing.assert_allclose(found.acquired, expected, atol=2e-3)
    assert min(expected) > START.timestamp()


def test_the_vendors_files_go_with_the_plate_but_no_correction_images(tmp_path: Path) -> None:
    found = scan(Measurement().write(tmp_path))
    assert sorted(file.name for file in found.metadata_files) == [
        "10_Greiner_μClear #655090.wpp",
        "MeasurementData.mlf",
        "MeasurementDetail.mrf",
        "Protocol 7.mes",
        "plate.wpi",
    ]


def test_pixels_that_are_not_square_keep_both_sizes(tmp_path: Path) -> None:
    measurement = Measurement(pixelsize_y=0.25)
    images = convert(measurement.write(tmp_path / "plate"), tmp_path / "out")
    check_pixels(measurement, tmp_path / "out", images)
    assert scale_of(tmp_path / "out" / images[0]) == {"c": 1.0, "z": 3.0, "y": 0.25, "x": 0.5}


def test_a_plate_of_1536_wells_has_rows_past_z(tmp_path: Path) -> None:
    measurement = Measurement(wells=("A01", "Z48", "AF48"), rows=32, columns=48)
    images = convert(measurement.write(tmp_path / "plate"), tmp_path / "out")
    assert images == ["plate.zarr/A/01/0", "plate.zarr/Z/48/0", "plate.zarr/AF/48/0"]
    for well, image in zip(("A01", "Z48", "AF48"), images, strict=True):
        found = fields_of(tmp_path / "out" / image)
        np.testing.assert_array_equal(found["FOV_2"], measurement.expected(well, 2))


def test_files_of_a_1536_well_plate_may_name_places_within_wells_of_96(tmp_path: Path) -> None:
    measurement = Measurement(
        wells=("E09", "H12"), well_in_name={"E09": "B03.a1", "H12": "B03.d4"}, rows=32, columns=48
    )
    found = scan(measurement.write(tmp_path))
    assert [c.attributes()["well"] for c in found.tiles.collections] == ["E09", "H12"]
    assert found.findings == ()


def test_records_that_repeat_the_well_of_96_are_told_apart_by_name(tmp_path: Path) -> None:
    measurement = Measurement(
        wells=("E09", "H12"), well_in_name={"E09": "B03.a1", "H12": "B03.d4"}, rows=32, columns=48
    )
    source = measurement.write(tmp_path / "plate")
    edit(
        source / "MeasurementData.mlf",
        ('Column="9" bts:Row="5"', 'Column="3" bts:Row="2"'),
        ('Column="12" bts:Row="8"', 'Column="3" bts:Row="2"'),
        count=-1,
    )
    found = scan(source)
    assert codes(found) == [("info", "contradiction")]
    images = convert(source, tmp_path / "out")
    check_pixels(measurement, tmp_path / "out", images)


def test_a_place_within_a_well_of_a_smaller_plate_is_only_a_name(tmp_path: Path) -> None:
    found = scan(Measurement(well_in_name={"B03": "B03.a1", "C04": "C04.a1"}).write(tmp_path))
    assert [c.attributes()["well"] for c in found.tiles.collections] == ["B03", "C04"]
    assert found.findings == ()


def test_an_acquisition_number_names_a_multiplexing_cycle(tmp_path: Path) -> None:
    found = scan(Measurement().write(tmp_path / "plate"), acquisition_id=2, plate_name="all")
    assert [c.path() for c in found.tiles.collections] == ["all.zarr/B/03/2", "all.zarr/C/04/2"]


# Channels


def test_a_channel_that_several_actions_take_is_a_channel_in_each(tmp_path: Path) -> None:
    again = Channel(1, 5, "DAPI", size_z=1)
    measurement = Measurement(channels=(DAPI, again), unused=(), wells=("B03",))
    source = measurement.write(tmp_path / "plate")
    (details,) = scan(source).tiles.all_details
    names = [(channel.channel_label, channel.wavelength_id) for channel in details.channels or ()]
    assert names == [("DAPI A01", "A01_C01"), ("DAPI A05", "A05_C01")]
    images = convert(source, tmp_path / "out")
    check_pixels(measurement, tmp_path / "out", images)


def test_channels_of_one_target_are_told_apart_by_their_filter(tmp_path: Path) -> None:
    measurement = Measurement(
        channels=(Channel(1, 1, "488", "BP525/50"), Channel(2, 2, "488", "BP600/37")), unused=()
    )
    (details,) = scan(measurement.write(tmp_path)).tiles.all_details
    assert [channel.channel_label for channel in details.channels or ()] == ["488 BP525/50", "488 BP600/37"]


def test_a_channel_that_lies_higher_keeps_its_offset(tmp_path: Path) -> None:
    measurement = Measurement(channels=(DAPI, Channel(3, 2, "GFP", offset=1.5)))
    (details,) = scan(measurement.write(tmp_path)).tiles.all_details
    assert [channel.z_offset for channel in details.channels or ()] == [0.0, 1.5]
    assert details.z_spacing == 3.0


def test_channels_taken_in_different_steps_are_a_warning(tmp_path: Path) -> None:
    source = Measurement().write(tmp_path)
    mlf = source / "MeasurementData.mlf"
    lines = mlf.read_text(encoding="utf-8-sig").splitlines()
    mlf.write_text(
        "\n".join(line.replace('Z="3.0"', 'Z="5.0"') if 'Ch="3"' in line else line for line in lines)
    )
    (finding,) = scan(source).findings
    assert (finding.severity, finding.code) == ("warning", "contradiction")
    assert "found 3.0 µm of DAPI, 5.0 µm of GFP" in finding.message


def test_a_channel_of_fewer_planes_leaves_known_gaps(tmp_path: Path) -> None:
    measurement = Measurement(channels=(DAPI, Channel(3, 2, "GFP", size_z=1)))
    images = convert(measurement.write(tmp_path / "plate"), tmp_path / "out")
    check_pixels(measurement, tmp_path / "out", images)


def with_channels(source: Path, timelines: dict[str, tuple[int, str]]) -> Path:
    """Leave only some channels in wells, and say in which timeline these were taken."""
    mlf = source / "MeasurementData.mlf"
    lines = []
    for line in mlf.read_text(encoding="utf-8-sig").splitlines():
        well = next((well for well in timelines if f"_{well}_" in line), None)
        timeline, channels = timelines[well] if well else (0, "")
        if well is None or any(f'Ch="{channel}"' in line for channel in channels):
            lines.append(line.replace('TimelineIndex="1"', f'TimelineIndex="{timeline}"'))
    mlf.write_text("\n".join(lines))
    return source


@pytest.mark.parametrize(
    "timelines",
    [
        {"B03": (1, "1"), "C04": (1, "3"), "D05": (1, "3")},  # none is part of the other
        {"B03": (1, "13"), "C04": (2, "3"), "D05": (2, "3")},  # timelines take what they take
    ],
)
def test_wells_taken_with_other_channels_have_only_these(
    tmp_path: Path, timelines: dict[str, tuple[int, str]]
) -> None:
    measurement = Measurement(wells=("B03", "C04", "D05"))
    source = with_channels(measurement.write(tmp_path / "plate"), timelines)
    found = scan(source)
    assert found.known_gaps == ()
    images = convert(source, tmp_path / "out")
    assert images == ["plate.zarr/B/03/0", "plate.zarr/C/04/0", "plate.zarr/D/05/0"]
    for (well, (_, used)), image in zip(timelines.items(), images, strict=True):
        expected = measurement.expected(well, 2)[[0, 1] if used == "13" else [0] if used == "1" else [1]]
        np.testing.assert_array_equal(fields_of(tmp_path / "out" / image)["FOV_2"], expected)


def test_options_name_the_channels_of_all_wells_in_one_order(tmp_path: Path) -> None:
    cy5 = Channel(5, 3, "Cy5", "BP676/29")
    source = Measurement(channels=(DAPI, GFP, cy5), unused=(), has_pixels=False).write(tmp_path)
    with_channels(source, {"B03": (1, "13"), "C04": (1, "15")})

    def labels(**options: Any) -> list[list[str]]:
        details = scan(source, **options).tiles.all_details
        return [[channel.channel_label for channel in one.channels or ()] for one in details]

    assert labels() == [["DAPI", "GFP"], ["DAPI", "Cy5"]]
    named = AcquisitionOptions(channels=tuple(ChannelInfo(channel_label=name) for name in "abc"))
    assert labels(options=named) == [["a", "b"], ["a", "c"]]
    too_few = AcquisitionOptions(channels=tuple(ChannelInfo(channel_label=name) for name in "ab"))
    with pytest.raises(OptionsError, match=r"expected 3 channels \(DAPI, GFP, Cy5\), found 2"):
        scan(source, options=too_few)


def test_stacks_that_begin_late_are_said_and_projections_are_none(tmp_path: Path) -> None:
    source = Measurement(has_pixels=False).write(tmp_path)
    mlf = source / "MeasurementData.mlf"
    lines = mlf.read_text(encoding="utf-8-sig").splitlines()
    mlf.write_text("\n".join(line for line in lines if 'ZIndex="1"' not in line))
    (finding,) = scan(source).findings
    assert (finding.severity, finding.code) == ("warning", "not-imaged")
    assert "expected z-planes from number 1 on, found none below 2" in finding.message


def test_a_well_that_lost_a_channel_of_its_timeline_lacks_it(tmp_path: Path) -> None:
    source = with_channels(Measurement().write(tmp_path / "plate"), {"B03": (1, "13"), "C04": (1, "3")})
    lost = [finding for finding in tiles2zarr.inspect(source).findings if finding.severity == "error"]
    assert {finding.code for finding in lost} == {"missing-plane"}


def test_a_timeline_that_failed_in_a_well_leaves_known_gaps(tmp_path: Path) -> None:
    errors = (failed("C04", TimelineIndex=2, TimePoint=2),)
    numbers: dict[int | str, tuple[int, tuple[int, ...]]] = {1: (1, (1,)), 3: (2, (2,))}
    without = frozenset({("C04", field, 3, z, 0) for field in (1, 2) for z in (0, 1)})
    found = scan(Measurement(timepoints=numbers, without=without, errors=errors).write(tmp_path / "plate"))
    assert {(gap.image, gap.c, gap.t) for gap in found.known_gaps} == {("plate.zarr/C/04/0", 1, 0.0)}
    assert len(found.known_gaps) == 4


def test_without_the_protocol_channels_are_numbered_and_it_is_said(tmp_path: Path) -> None:
    found = scan(Measurement(has_mes=False).write(tmp_path))
    (details,) = found.tiles.all_details
    names = [(channel.channel_label, channel.wavelength_id) for channel in details.channels or ()]
    assert names == [("Ch 1", "A01_C01"), ("Ch 3", "A02_C03")]
    assert codes(found) == [("warning", "assumed-value")]
    assert "found no name of Ch 1, Ch 3" in found.findings[0].message


def test_a_protocol_of_another_name_is_found(tmp_path: Path) -> None:
    source = Measurement().write(tmp_path)
    (source / "Protocol 7.mes").rename(source / "renamed.MES")
    assert scan(source).findings == ()


def test_a_damaged_protocol_is_a_warning(tmp_path: Path) -> None:
    source = Measurement().write(tmp_path)
    (source / "Protocol 7.mes").write_text("<bts:Measurement")
    assert codes(scan(source)) == [("warning", "unreadable-file"), ("warning", "assumed-value")]


def test_channels_of_another_pixel_size_are_refused_by_name(tmp_path: Path) -> None:
    source = Measurement(channels=(DAPI, BINNED), unused=()).write(tmp_path)
    expected = r"as large as those of Ch 1 \(32 x 24 px of 0.5 µm\), found Ch 3 with 16 x 12 px of 1.0 µm"
    with pytest.raises(SourceError, match=expected):
        scan(source)


def test_a_list_of_one_channel_alone_can_be_converted_for_itself(tmp_path: Path) -> None:
    source = Measurement(channels=(DAPI, BINNED), unused=()).write(tmp_path)
    lines = (source / "MeasurementData.mlf").read_text(encoding="utf-8-sig").splitlines()
    part = source / "binned.mlf"
    part.write_text("\n".join(line for line in lines if 'Type="IMG"' not in line or 'Ch="3"' in line))
    (details,) = scan(part).tiles.all_details
    assert (details.pixelsize, [channel.channel_label for channel in details.channels or ()]) == (
        1.0,
        ["GFP"],
    )


def test_pixel_sizes_that_differ_a_little_are_a_warning(tmp_path: Path) -> None:
    measurement = Measurement(channels=(DAPI, Channel(3, 2, "GFP", geometry=(24, 32, 0.501))), unused=())
    found = scan(measurement.write(tmp_path))
    assert found.tiles.all_details[0].pixelsize == 0.5
    assert codes(found) == [("warning", "contradiction")]


def test_without_the_mrf_sizes_come_from_an_image_and_the_pixel_size_is_assumed(tmp_path: Path) -> None:
    found = scan(Measurement(has_mrf=False).write(tmp_path))
    assert set(zip(found.tiles.length_y.tolist(), found.tiles.length_x.tolist(), strict=True)) == {(24, 32)}
    assert found.tiles.all_details[0].pixelsize == 1.0
    assert codes(found) == [("info", "assumed-value"), ("warning", "assumed-value")]
    options = AcquisitionOptions.model_validate({"pixel_info": {"pixelsize": 0.7}})
    told = scan(tmp_path, options=options)
    assert told.tiles.all_details[0].pixelsize == 0.7
    assert codes(told) == [("info", "assumed-value")]


def test_without_the_mrf_and_any_image_nothing_can_be_said(tmp_path: Path) -> None:
    source = Measurement(has_mrf=False, has_pixels=False).write(tmp_path)
    with pytest.raises(SourceError, match=r"expected a \.mrf file with the size of images"):
        scan(source)


# Projections


def test_slices_and_each_kind_of_projection_become_images_of_their_own(tmp_path: Path) -> None:
    measurement = Measurement(kinds=("", "Maximum", "Mean"), wells=("B03", "C04"))
    source = measurement.write(tmp_path / "plate")
    images = convert(source, tmp_path / "out")
    assert images == [
        "plate.zarr/B/03/0",
        "plate.zarr/C/04/0",
        "plate.zarr/B/03/0maximum",
        "plate.zarr/C/04/0maximum",
        "plate.zarr/B/03/0mean",
        "plate.zarr/C/04/0mean",
    ]
    check_pixels(measurement, tmp_path / "out", images[:2])
    check_pixels(measurement, tmp_path / "out", images[2:4], "Maximum")
    check_pixels(measurement, tmp_path / "out", images[4:], "Mean")
    wavelengths = [[c.wavelength_id for c in d.channels or ()] for d in scan(source).tiles.all_details]
    assert wavelengths == [["A01_C01", "A02_C03"], ["A11_C01", "A12_C03"], ["A21_C01", "A22_C03"]]


def test_projections_alone_are_the_images_and_it_is_said(tmp_path: Path) -> None:
    measurement = Measurement(kinds=("Maximum",))
    source = measurement.write(tmp_path / "plate")
    assert codes(scan(source)) == [("info", "projection-only")]
    images = convert(source, tmp_path / "out")
    assert images == ["plate.zarr/B/03/0", "plate.zarr/C/04/0"]
    check_pixels(measurement, tmp_path / "out", images, "Maximum")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Minimum", "minimum"),
        ("Sum", "sum"),
        ("Focus", "focus"),
        ("MAX", "maximum"),
        ("All-in Focus", "allinfocus"),
    ],
)
def test_each_kind_of_projection_has_a_path(tmp_path: Path, said: str, expected: str) -> None:
    found = scan(Measurement(kinds=("", said), wells=("B03",)).write(tmp_path / "plate"))
    assert [c.path() for c in found.tiles.collections] == [
        "plate.zarr/B/03/0",
        f"plate.zarr/B/03/0{expected}",
    ]


def test_a_range_of_heights_alone_marks_a_projection(tmp_path: Path) -> None:
    source = Measurement(kinds=("", "Maximum"), wells=("B03",)).write(tmp_path / "plate")
    edit(source / "MeasurementData.mlf", (' bts:ZImageProcessing="Maximum"', ""), count=-1)
    paths = [c.path() for c in scan(source).tiles.collections]
    assert paths == ["plate.zarr/B/03/0", "plate.zarr/B/03/0projection"]


# Time


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, [0.0, 600.0]),
        ({1: (1, (3, 7)), 3: (1, (3, 7))}, [0.0, 600.0]),  # they start late and leave some out
        ({1: (1, (1, 3)), 3: (2, (2, 4))}, [0.0, 600.0]),  # channels in turns
        ({1: (1, (1, 2)), 3: (2, (3, 4))}, [0.0, 600.0]),  # timelines counted on
        ({1: (1, (1, 2)), 3: (2, (1, 2))}, [0.0, 600.0]),  # timelines counted anew
    ],
)
def test_channels_of_one_moment_get_one_timepoint_whatever_their_timeline(
    tmp_path: Path, numbers: dict[int | str, tuple[int, tuple[int, ...]]], expected: list[float]
) -> None:
    measurement = Measurement(size_t=2, timepoints=numbers, wells=("B03",))
    source = measurement.write(tmp_path / "plate")
    found = scan(source)
    assert times(found, 0) == times(found, 1) == {"B03": expected}
    images = convert(source, tmp_path / "out")
    check_pixels(measurement, tmp_path / "out", images)


def test_wells_with_a_timeline_each_start_at_zero(tmp_path: Path) -> None:
    measurement = Measurement(timepoints={"B03": (1, (1,)), "C04": (2, (2,))})
    source = measurement.write(tmp_path / "plate")
    assert times(scan(source)) == {"B03": [0.0], "C04": [0.0]}
    images = convert(source, tmp_path / "out")
    check_pixels(measurement, tmp_path / "out", images)


def test_a_channel_taken_less_often_keeps_its_moments(tmp_path: Path) -> None:
    without = frozenset({("B03", field, 3, z, t) for field in (1, 2) for z in (0, 1) for t in (0, 2)})
    measurement = Measurement(size_t=3, wells=("B03",), without=without)
    found = scan(measurement.write(tmp_path))
    assert times(found, 0) == {"B03": [0.0, 600.0, 1200.0]}
    assert times(found, 1) == {"B03": [600.0]}


def test_a_timeline_that_takes_the_same_again_comes_later(tmp_path: Path) -> None:
    source = Measurement(wells=("B03",), channels=(DAPI,), unused=()).write(tmp_path)
    lines = (source / "MeasurementData.mlf").read_text(encoding="utf-8-sig").splitlines()
    again = [
        line.replace('TimelineIndex="1"', 'TimelineIndex="2"')
        .replace("L01", "L02")
        .replace("T05:06", "T05:16")
        for line in lines
        if 'Type="IMG"' in line
    ]
    (source / "MeasurementData.mlf").write_text("\n".join([*lines[:-1], *again, lines[-1]]))
    assert times(scan(source)) == {"B03": [0.0, 600.0]}


def moved(source: Path, channel: int) -> Path:
    """Put what a channel saw 1000 µm to the right."""
    mlf = source / "MeasurementData.mlf"
    lines = mlf.read_text(encoding="utf-8-sig").splitlines()
    for x, elsewhere in (("-20.0", "980.0"), ("-4.0", "996.0")):
        lines = [
            line.replace(f'X="{x}"', f'X="{elsewhere}"') if f'Ch="{channel}"' in line else line
            for line in lines
        ]
    mlf.write_text("\n".join(lines))
    return source


@pytest.mark.parametrize("number", [1, 2])
def test_fields_of_timelines_that_go_elsewhere_are_other_fields(tmp_path: Path, number: int) -> None:
    numbers: dict[int | str, tuple[int, tuple[int, ...]]] = {1: (1, (1,)), 3: (2, (number,))}
    measurement = Measurement(wells=("B03",), timepoints=numbers)
    source = moved(measurement.write(tmp_path / "plate"), 3)
    found = scan(source)
    assert found.tiles.fov_names == ("FOV_L1_1", "FOV_L1_2", "FOV_L2_1", "FOV_L2_2")
    assert times(found, 0) == times(found, 1) == {"B03": [0.0]}
    (image,) = convert(source, tmp_path / "out")
    fields = fields_of(tmp_path / "out" / image)
    for name, channel in (("FOV_L1_2", 0), ("FOV_L2_2", 1)):
        expected = np.zeros_like(measurement.expected("B03", 2))
        expected[channel] = measurement.expected("B03", 2)[channel]
        np.testing.assert_array_equal(fields[name], expected)


def test_slices_and_projections_taken_in_turns_share_their_timepoints(tmp_path: Path) -> None:
    source = Measurement(wells=("B03",), kinds=("", "Maximum"), size_t=2).write(tmp_path / "plate")
    mlf = source / "MeasurementData.mlf"
    lines = mlf.read_text(encoding="utf-8-sig").splitlines()
    turns = {'TimePoint="1"': ("1", "2"), 'TimePoint="2"': ("3", "4")}
    for number, line in enumerate(lines):
        for old, new in turns.items():
            if old in line:
                kind = "Maximum" in line
                lines[number] = line.replace(old, f'TimePoint="{new[kind]}"')
                break
    mlf.write_text("\n".join(lines))
    found = scan(source)
    for index in range(2):
        assert sorted(set(found.tiles.t[found.tiles.collection == index].tolist())) == [0.0, 600.0]


# Errors of the instrument


def test_an_error_in_a_well_with_images_is_a_known_gap_of_what_lacks_there(tmp_path: Path) -> None:
    without = frozenset({("B03", 2, 3, z, 1) for z in (0, 1)})
    error = failed("B03", "AF Error at B03", TimePoint=2)
    measurement = Measurement(size_t=2, without=without, errors=(error,))
    source = measurement.write(tmp_path / "plate")
    found = scan(source)
    assert found.known_gaps == tuple(
        KnownGap("plate.zarr/B/03/0", "FOV_2", 1, z, 600.0, "AF Error at B03") for z in (0.0, 3.0)
    )
    assert codes(found) == [("info", "known-gap")]
    check_pixels(measurement, tmp_path / "out", convert(source, tmp_path / "out"))


def test_an_error_without_a_text_has_a_reason_all_the_same(tmp_path: Path) -> None:
    without = frozenset({("B03", 2, 3, z, 0) for z in (0, 1)})
    source = Measurement(without=without, errors=(failed("B03", ""),), has_pixels=False).write(tmp_path)
    assert {gap.reason for gap in scan(source).known_gaps} == {"an error without a name"}


def test_an_error_of_a_field_and_channel_speaks_of_them_alone(tmp_path: Path) -> None:
    without = frozenset({("B03", 1, 1, 0, 0), ("B03", 2, 1, 0, 0)})
    error = failed("B03", FieldIndex=2, Ch=1, ZIndex=1)
    found = scan(Measurement(without=without, errors=(error,)).write(tmp_path))
    assert [(gap.fov_name, gap.c, gap.z) for gap in found.known_gaps] == [("FOV_2", 0, 0.0)]


def test_a_moment_at_which_a_whole_well_failed_still_counts(tmp_path: Path) -> None:
    without = frozenset({("B03", field, ch, z, 0) for field in (1, 2) for ch in (1, 3) for z in (0, 1)})
    found = scan(Measurement(size_t=2, without=without, errors=(failed("B03"),)).write(tmp_path))
    assert times(found) == {"B03": [600.0], "C04": [0.0, 600.0]}
    assert len(found.known_gaps) == 2 * 2 * 2


def test_errors_of_wells_without_images_are_only_told(tmp_path: Path) -> None:
    errors = (failed("N14", "AF Error at N14"), failed("C09", "AF Error at C09"))
    found = scan(Measurement(errors=errors).write(tmp_path))
    assert found.known_gaps == ()
    assert codes(found) == [("info", "not-imaged")]
    assert (
        "(AF Error at N14; AF Error at C09): nothing of these wells is converted" in found.findings[0].message
    )


def test_an_image_that_was_taken_again_counts_once(tmp_path: Path) -> None:
    measurement = Measurement()
    source = measurement.write(tmp_path / "plate")
    lines = (source / "MeasurementData.mlf").read_text(encoding="utf-8-sig").splitlines()
    (source / "MeasurementData.mlf").write_text("\n".join([*lines[:-1], lines[2], lines[-1]]))
    assert codes(scan(source)) == [("info", "duplicate-place")]
    check_pixels(measurement, tmp_path / "out", convert(source, tmp_path / "out"))


# Files on the disk


@pytest.mark.parametrize("suffix", [".png", ".TIF", ".tiff"])
def test_images_with_another_suffix_are_found_and_it_is_said_once(tmp_path: Path, suffix: str) -> None:
    measurement = Measurement(suffix=suffix)
    source = measurement.write(tmp_path / "plate")
    found = scan(source)
    assert codes(found) == [("info", "renamed-file")]
    assert found.findings[0].message.startswith("16 images are not called as the list says: Assay #1_B03_")
    check_pixels(measurement, tmp_path / "out", convert(source, tmp_path / "out"))


def test_images_in_a_folder_of_their_own_are_found(tmp_path: Path) -> None:
    measurement = Measurement(disk_folder="Image")
    source = measurement.write(tmp_path / "plate")
    assert codes(scan(source)) == [("info", "renamed-file")]
    check_pixels(measurement, tmp_path / "out", convert(source, tmp_path / "out"))


def test_a_lost_image_is_an_error_of_the_preflight(tmp_path: Path) -> None:
    source = Measurement().write(tmp_path / "plate")
    lost = source / "Assay #1_C04_T0001F002L01A02Z02C03.tif"
    lost.unlink()
    (error,) = [f for f in tiles2zarr.inspect(source).findings if f.severity == "error"]
    assert error.code == "missing-file"
    assert str(lost) in error.where


@pytest.mark.parametrize("name", ["../outside.tif", "/tmp/a.tif", "C:\\data\\a.tif", "", "..\\a.tif"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    source = Measurement().write(tmp_path)
    edit(source / "MeasurementData.mlf", ("Assay #1_B03_T0001F001L01A01Z01C01.tif", name))
    with pytest.raises(
        SourceError, match=r"MeasurementData\.mlf, record 1 .*expected files below its own folder"
    ):
        scan(source)


def test_two_places_may_name_one_file(tmp_path: Path) -> None:
    source = Measurement(has_pixels=False).write(tmp_path)
    first, second = (f"Assay #1_B03_T0001F001L01A01Z0{z}C01.tif" for z in (1, 2))
    edit(source / "MeasurementData.mlf", (second, first))
    assert len(scan(source).tiles) == 16


def test_tiles_of_a_partial_area_may_be_numbered_apart(tmp_path: Path) -> None:
    source = Measurement(has_pixels=False).write(tmp_path)
    edit(source / "MeasurementData.mlf", ("bts:FieldIndex=", "bts:PartialTileIndex="), count=-1)
    assert scan(source).tiles.fov_names == ("FOV_1", "FOV_2")


def test_backslashes_part_folders(tmp_path: Path) -> None:
    source = Measurement(has_pixels=False).write(tmp_path)
    edit(source / "MeasurementData.mlf", (">Assay #1_B03", ">sub\\Assay #1_B03"))
    assert scan(source).tiles.loaders.fields["file_path"][0] == "sub/Assay #1_B03_T0001F001L01A01Z01C01.tif"


# Which path is given


def test_the_folder_above_the_list_itself_and_files_beside_it_name_the_same_measurement(
    tmp_path: Path,
) -> None:
    source = Measurement(has_pixels=False).write(tmp_path / "above" / "plate")
    (source / "Image").mkdir()
    paths = {
        tmp_path / "above": "above",
        source: "plate",
        source / "MeasurementData.mlf": "plate",
        source / "Protocol 7.mes": "plate",
        source / "Image": "plate",
    }
    for path, plate in paths.items():
        assert isinstance(detect_source(path), CellVoyagerSource)
        found = scan(path)
        assert len(found.tiles) == 16
        assert found.tiles.collections[0].path() == f"{plate}.zarr/B/03/0"


def test_a_relative_path_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Measurement().write(tmp_path / "plate")
    monkeypatch.chdir(tmp_path / "plate")
    from pathlib import Path

    assert scan(Path(".")).tiles.collections[0].path() == "plate.zarr/B/03/0"


def test_several_measurements_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Measurement(has_pixels=False).write(tmp_path / name)
    assert isinstance(detect_source(tmp_path), CellVoyagerSource)
    names = os.path.join("one", "MeasurementData.mlf") + ", " + os.path.join("two", "MeasurementData.mlf")
    with pytest.raises(SourceError) as refused:
        scan(tmp_path)
    assert f"expected one measurement, found 2 ({names}): give the path of one of them" in str(refused.value)


def test_two_lists_in_a_folder_are_refused_but_each_can_be_given(tmp_path: Path) -> None:
    source = Measurement(has_pixels=False).write(tmp_path)
    shutil.copy(source / "MeasurementData.mlf", source / "copy.mlf")
    with pytest.raises(SourceError, match=r"found 2 \(MeasurementData\.mlf, copy\.mlf\)"):
        scan(source)
    assert len(scan(source / "copy.mlf").tiles) == 16


def test_only_measurement_records_of_this_instrument_are_claimed(tmp_path: Path) -> None:
    source = CellVoyagerSource()
    assert source.detect(tmp_path) is None
    (tmp_path / "labels.mlf").write_text("#!MLF!#\n")
    assert source.detect(tmp_path) is None
    plate = Measurement(has_pixels=False).write(tmp_path / "cv")
    assert source.detect(plate) == "it has a MeasurementData.mlf"
    assert Cq3kSource().detect(plate) is None


def test_an_image_of_a_measurement_is_no_measurement(tmp_path: Path) -> None:
    image = next(Measurement().write(tmp_path).rglob("*.tif"))
    assert CellVoyagerSource().detect(image) is None
    with pytest.raises(
        SourceError, match=r"MeasurementData.mlf, found an image of a measurement: give the folder$"
    ):
        scan(image)


def test_a_folder_without_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"expected a MeasurementData\.mlf in this folder, found none"):
        scan(tmp_path)
    with pytest.raises(UnknownFormatError):
        detect_source(tmp_path)


# Damage


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('bts:Row="2"', 'bts:Row="two"', "expected Row from 1 to 702, found 'two'"),
        ('bts:Row="2"', 'bts:Row="0"', "expected Row from 1 to 702, found '0'"),
        ('bts:Column="3"', 'bts:Column="1000"', "expected Column from 1 to 999, found '1000'"),
        (' bts:Column="3"', "", "expected Column from 1 to 999, found nothing"),
        ('bts:FieldIndex="1"', 'bts:FieldIndex="-1"', "expected FieldIndex from 0 to 999999, found '-1'"),
        ('bts:Ch="1"', 'bts:Ch=""', "expected Ch from 0 to 9999, found ''"),
        ('bts:X="-20.0"', 'bts:X="-20,0"', "expected X in µm, found '-20,0'"),
        ('bts:X="-20.0"', 'bts:X="nan"', "expected X in µm, found 'nan'"),
        ('bts:Y="10.0"', 'bts:Y="inf"', "expected Y in µm, found 'inf'"),
        (' bts:Y="10.0"', "", "expected Y in µm, found nothing"),
        ('bts:Z="0.0"', 'bts:Z="?"', "expected Z in µm, found '?'"),
    ],
)
def test_a_record_that_says_something_impossible_is_named(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    source = Measurement(has_pixels=False).write(tmp_path)
    edit(source / "MeasurementData.mlf", (old, new))
    with pytest.raises(SourceError) as refused:
        scan(source)
    place = f"{source / 'MeasurementData.mlf'}, record 1 (Assay #1_B03_T0001F001L01A01Z01C01.tif)"
    assert str(refused.value) == f"{place}: {said}: correct the record, or copy the file again"


@pytest.mark.parametrize("how", ["left out", "empty"])
def test_what_a_record_may_leave_out_is_the_first(tmp_path: Path, how: str) -> None:
    source = Measurement(has_pixels=False, size_z=1, wells=("B03",), channels=(DAPI,)).write(tmp_path)
    gone = (
        'bts:TimePoint="1" ',
        'bts:ZIndex="1" ',
        'bts:TimelineIndex="1" ',
        'bts:ActionIndex="1" ',
        'bts:Z="0.0" ',
    )
    edits = ((text, f'{text.partition("=")[0]}="" ' if how == "empty" else "") for text in gone)
    edit(source / "MeasurementData.mlf", *edits, count=-1)
    tiles = scan(source).tiles
    assert (tiles.z.tolist(), tiles.t.tolist()) == ([0.0, 0.0], [0.0, 0.0])
    assert [c.wavelength_id for c in tiles.all_details[0].channels or ()] == ["A01_C01"]


@pytest.mark.parametrize("name", ["MeasurementData.mlf", "MeasurementDetail.mrf"])
def test_damaged_metadata_are_named_with_their_line(tmp_path: Path, name: str) -> None:
    source = Measurement(has_pixels=False).write(tmp_path)
    text = (source / name).read_text(encoding="utf-8-sig")
    (source / name).write_text(text[: len(text) // 2])
    with pytest.raises(SourceError, match=rf"{name}, line \d+: expected XML"):
        scan(source)


def test_a_pixel_size_that_is_no_number_is_refused(tmp_path: Path) -> None:
    source = Measurement(has_pixels=False).write(tmp_path)
    edit(
        source / "MeasurementDetail.mrf", ('HorizontalPixelDimension="0.5"', 'HorizontalPixelDimension="0,5"')
    )
    with pytest.raises(
        SourceError, match=r"channel 1: expected a positive HorizontalPixelDimension, found '0,5'"
    ):
        scan(source)


def test_a_list_in_another_encoding_is_recognised_and_read(tmp_path: Path) -> None:
    source = Measurement(has_pixels=False).write(tmp_path)
    file = source / "MeasurementData.mlf"
    text = file.read_text(encoding="utf-8-sig").replace('encoding="utf-8"', 'encoding="utf-16"')
    file.write_text(text, encoding="utf-16")
    assert isinstance(detect_source(source), CellVoyagerSource)
    assert len(scan(source).tiles) == 16


def test_a_list_without_images_is_refused(tmp_path: Path) -> None:
    source = Measurement(wells=(), errors=(failed("B03"),)).write(tmp_path)
    assert isinstance(detect_source(source), CellVoyagerSource)
    with pytest.raises(SourceError, match="expected at least one image, found none"):
        scan(source)


def test_ten_thousand_records_are_scanned_within_two_seconds(tmp_path: Path) -> None:
    import time

    wells = tuple(f"{row}{column:02d}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25))
    fields = tuple((16.0 * x, 12.0 * y) for x in range(3) for y in range(3))
    source = Measurement(wells=wells, fields=fields, size_z=2, rows=16, columns=24, has_pixels=False).write(
        tmp_path
    )
    start = time.process_time()
    found = scan(source)
    assert len(found.tiles) == 384 * 9 * 2 * 2
    assert time.process_time() - start < 2.8  # 100,000 would take 20 s; it takes about half a second


def test_the_plates_document_shows_labels_and_colors(tmp_path: Path) -> None:
    images = convert(Measurement(wells=("B03",)).write(tmp_path / "plate"), tmp_path / "out")
    omero = zarr.open_group(tmp_path / "out" / images[0], mode="r").attrs["omero"]
    found = [(c["label"], c["wavelength_id"], c["color"]) for c in omero["channels"]]  # type: ignore[index, call-overload, union-attr]
    assert found == [("DAPI", "A01_C01", "002FFF"), ("GFP", "A02_C03", "00FFA1")]
    assert GFP.color == "#FF00FFA1"
