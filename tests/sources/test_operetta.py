"""What Harmony exports becomes the plate that the instrument saw."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import tiles2zarr
from tests.simulators import operetta
from tests.simulators.operetta import Channel, Measurement, write, write_layout
from tests.simulators.truth import convert, fields_of, scale_of
from tiles2zarr.errors import PreflightError, SourceError
from tiles2zarr.models import AcquisitionOptions, ChannelInfo, ImageInPlate, row_name
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.operetta import OperettaSource

if TYPE_CHECKING:
    from tiles2zarr.sources.base import Scan

VERSIONS = ["V4", "V5", "V6", "V7", "ref", "Columbus"]
PLATE = Measurement()


def scan(path: Path, **request: Any) -> Scan:
    """What the source says of a folder."""
    return OperettaSource().scan(ScanRequest(path, **request))


def files_of(found: Scan) -> list[str]:
    """The file of each tile."""
    return [str(path) for path in found.tiles.loaders.fields["file_path"]]


def wells_of(found: Scan) -> list[str]:
    """The well of each image."""
    return [image.well for image in found.tiles.collections if isinstance(image, ImageInPlate)]


def channels_of(found: Scan) -> tuple[ChannelInfo, ...]:
    """The channels of the acquisition."""
    return found.tiles.all_details[0].channels or ()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_becomes_the_same_plate(tmp_path: Path, version: str) -> None:
    measurement = Measurement(version=version, timepoints=2)
    source = write(tmp_path / "source", measurement)
    assert tiles2zarr.inspect(source).format == "operetta"

    images = convert(source, tmp_path / "out")

    assert images == ["source.zarr/B/03/0", "source.zarr/B/04/0"]
    first = measurement.first_timepoint
    for (row, column), image in zip(measurement.wells, images, strict=True):
        fields = fields_of(tmp_path / "out" / image)
        assert sorted(fields) == ["FOV_1", "FOV_2"]
        for field in (1, 2):
            expected = [
                [[measurement.pixels((row, column, field, c, z, t)) for z in (1, 2)] for c in (1, 2)]
                for t in (first, first + 1)
            ]
            np.testing.assert_array_equal(fields[f"FOV_{field}"], expected)
        scale = scale_of(tmp_path / "out" / image)
        assert scale == {"t": 300.0, "c": 1.0, "z": 2.0, "y": 1.0, "x": 1.0}


@pytest.mark.parametrize("version", VERSIONS)
def test_channels_keep_their_light_exposure_and_objective_wherever_the_index_says_them(
    tmp_path: Path, version: str
) -> None:
    assert channels_of(scan(write(tmp_path, Measurement(version=version), pixels=False))) == (
        ChannelInfo(
            channel_label="HOECHST 33342",
            excitation_nm=375,
            emission_nm=456,
            exposure_s=0.02,
            magnification=20,
            numerical_aperture=1,
        ),
        ChannelInfo(
            channel_label="Alexa 488",
            excitation_nm=488,
            emission_nm=522,
            exposure_s=0.02,
            magnification=20,
            numerical_aperture=1,
        ),
    )


def test_positions_are_those_of_the_stage_in_micrometres_with_y_turned_down(tmp_path: Path) -> None:
    offsets = ((-645.814e-6, 645.814e-6), (645.814e-6, -20e-6), (0.0, 0.0))
    tiles = scan(write(tmp_path, Measurement(offsets=offsets, planes=1), pixels=False)).tiles
    places = {(tiles.fov_names[f], x, y) for f, x, y in zip(tiles.fov, tiles.x, tiles.y, strict=True)}
    assert places == {("FOV_1", -645.814, -645.814), ("FOV_2", 645.814, 20.0), ("FOV_3", 0.0, 0.0)}


def test_a_unit_other_than_metres_is_believed(tmp_path: Path) -> None:
    measurement = replace(PLATE, replaced=(('<PositionX Unit="m">', '<PositionX Unit="mm">'),))
    assert set(scan(write(tmp_path, measurement, pixels=False)).tiles.x) == {-0.008, 0.008}


def test_z_comes_from_the_plane_number_and_a_channels_height_stays_its_offset(tmp_path: Path) -> None:
    channels = (Channel("a", height=-5e-6), Channel("b", height=-3e-6), Channel("c"))
    found = scan(write(tmp_path, Measurement(channels=channels, planes=3), pixels=False))
    assert set(found.tiles.z) == {0.0, 2.0, 4.0}
    assert [channel.z_offset for channel in channels_of(found)] == [0.0, 2.0, 5.0]


def test_where_one_relative_height_stands_for_all_planes_the_drive_gives_the_spacing(tmp_path: Path) -> None:
    measurement = Measurement(planes=4, step=1.5e-6, constant_position_z=True)
    assert scan(write(tmp_path, measurement, pixels=False)).tiles.all_details[0].z_spacing == pytest.approx(
        1.5
    )


def test_pixels_that_are_not_square_keep_both_sizes(tmp_path: Path) -> None:
    details = scan(write(tmp_path, Measurement(resolution_y=2e-6), pixels=False)).tiles.all_details[0]
    assert (details.pixelsize, details.pixelsize_y) == (1.0, 2.0)


def test_each_image_keeps_its_own_time(tmp_path: Path) -> None:
    measurement = Measurement(timepoints=2, version="V7")
    found = scan(write(tmp_path, measurement, pixels=False))
    assert found.acquired is not None
    expected = [measurement.acquired(place).timestamp() for place in measurement.places()]
    np.testing.assert_allclose(found.acquired, expected, atol=1e-3)


def test_without_times_of_images_those_of_the_timepoints_count(tmp_path: Path) -> None:
    measurement = Measurement(timepoints=3, interval=60.0)
    text = operetta.index_text(measurement)
    folder = write(tmp_path, measurement, pixels=False)
    (folder / "Images" / "Index.idx.xml").write_text(text.replace("AbsTime", "OtherTime"))
    found = scan(folder)
    assert found.tiles.all_details[0].t_spacing == 60.0
    assert found.acquired is not None
    assert found.acquired[0] == pytest.approx(operetta.START.timestamp())


def test_the_color_of_columbus_is_red_green_and_blue_after_alpha(tmp_path: Path) -> None:
    channels = (Channel("a", color=4287795858), Channel("b", color=-16776961))
    found = scan(write(tmp_path, Measurement(version="Columbus", channels=channels), pixels=False))
    assert [channel.color for channel in channels_of(found)] == ["929292", "0000FF"]


def test_light_that_is_not_there_is_not_0_nm(tmp_path: Path) -> None:
    (channel,) = channels_of(
        scan(write(tmp_path, Measurement(channels=(Channel("Brightfield", 740, 0),)), pixels=False))
    )
    assert (channel.excitation_nm, channel.emission_nm) == (740, None)


def test_rows_past_z_have_two_letters(tmp_path: Path) -> None:
    wells = ((1, 1), (26, 1), (27, 48), (32, 48))
    assert wells_of(scan(write(tmp_path, Measurement(wells=wells), pixels=False))) == [
        "A01",
        "Z01",
        "AA48",
        "AF48",
    ]


@pytest.mark.parametrize("most", [65535, 65536, 4095])
def test_the_pixel_type_is_that_of_the_files(tmp_path: Path, most: int) -> None:
    source = write(tmp_path / "source", Measurement(max_intensity=most, wells=((1, 1),)))
    assert {image["dtype"] for image in tiles2zarr.inspect(source).document()["images"]} == {"uint16"}


def test_one_channel_id_with_two_names_is_two_channels(tmp_path: Path) -> None:
    measurement = Measurement(planes=1, offsets=((0.0, 0.0),))
    text = operetta.index_text(measurement)
    folder = write(tmp_path, measurement, pixels=False)
    head, _, tail = text.rpartition("Alexa 488")
    (folder / "Images" / "Index.idx.xml").write_text(f"{head}Alexa 568{tail}")
    assert [channel.channel_label for channel in channels_of(scan(folder))] == [
        "HOECHST 33342",
        "Alexa 488",
        "Alexa 568",
    ]


# Folders


@pytest.mark.parametrize("below", ["", "Images", "Images/Index.idx.xml"])
def test_folder_images_and_index_say_the_same(tmp_path: Path, below: str) -> None:
    source = write(tmp_path / "source", PLATE, pixels=False)
    found = scan(source / below)
    assert found.resource == source
    assert files_of(found)[0] == "Images/r02c03f01p01-ch1sk1fk1fl1.tiff"
    assert found.metadata_files == (source / "Images" / "Index.idx.xml",)
    assert {image.plate_path for image in found.tiles.collections if isinstance(image, ImageInPlate)} == {
        "source.zarr"
    }


@pytest.mark.parametrize(
    "images",
    [
        "",
        "images",
        "Plate__2024-06-24T11_48_44-Measurement 1/Images",
        "hs/afe2b354-ccc6-4878-88e9-e695fa5cc9b1/images",
        "Harmony-Archive/IMAGES/afe2b354-ccc6-4878-88e9-e695fa5cc9b1",
    ],
)
def test_an_index_is_found_wherever_harmony_puts_it(tmp_path: Path, images: str) -> None:
    source = write(tmp_path / "source", Measurement(images=images))
    assert OperettaSource().detect(source) == "it holds Index.idx.xml"
    assert len(convert(source, tmp_path / "out", format="operetta")) == 2


@pytest.mark.parametrize("files_in", ["r02c03", "flex"])
def test_files_in_a_folder_below_the_index_are_found(tmp_path: Path, files_in: str) -> None:
    source = write(tmp_path / "source", Measurement(version="V7", files_in=files_in))
    found = scan(source)
    assert set(files_of(found)) == {
        f"Images/{files_in}/{PLATE.file_name((*place[:5], 0))}" for place in PLATE.places()
    }
    (finding,) = found.findings
    name = "r02c03f01p01-ch1sk1fk1fl1.tiff"
    assert (finding.severity, finding.code, finding.message) == (
        "info",
        "renamed-file",
        f"16 files are not where the index says but were found, such as Images/{files_in}/{name} for Images/{name}",
    )


def test_flat_field_corrected_files_of_another_name_are_found(tmp_path: Path) -> None:
    source = write(tmp_path / "source", Measurement(version="ref", files_in="flex"))
    for file in (source / "Images" / "flex").iterdir():
        file.rename(file.with_name(f"flex_{file.name}"))
    assert len(convert(source, tmp_path / "out")) == 2


def test_files_that_changed_the_case_of_their_names_are_found(tmp_path: Path) -> None:
    source = write(tmp_path / "source", PLATE)
    for file in (source / "Images").glob("*.tiff"):
        file.rename(file.with_name(file.name.replace(".tiff", ".TIFF")))
    assert all(path.endswith(".TIFF") for path in files_of(scan(source)))


@pytest.mark.parametrize(
    "url", [".\\{name}", "D:\\Harmony\\{name}", "\\\\server\\share\\{name}", "http://a.b/{name}"]
)
def test_a_path_of_another_machine_means_the_file_beside_the_index(tmp_path: Path, url: str) -> None:
    assert files_of(scan(write(tmp_path, Measurement(url=url))))[0] == "Images/r02c03f01p01-ch1sk1fk1fl1.tiff"


def test_a_path_may_lead_elsewhere_in_the_measurement_but_not_out_of_it(tmp_path: Path) -> None:
    found = scan(write(tmp_path / "a", Measurement(url="../other/{name}"), pixels=False))
    assert files_of(found)[0] == "other/r02c03f01p01-ch1sk1fk1fl1.tiff"
    source = write(tmp_path / "b", Measurement(url="../../secret/{name}"), pixels=False)
    with pytest.raises(SourceError, match=r"expected files below its own folder, found '\.\./secret/r02"):
        scan(source)


def test_two_files_of_one_name_below_are_not_guessed_between(tmp_path: Path) -> None:
    source = write(tmp_path, Measurement(files_in="one"))
    shutil.copytree(source / "Images" / "one", source / "Images" / "two")
    with pytest.raises(
        SourceError, match=r"expected one file r02c03f01p01-ch1sk1fk1fl1.tiff, found 2 \(Images/one/"
    ):
        scan(source)


def test_of_two_indexes_the_first_by_rule_is_read_and_the_other_named(tmp_path: Path) -> None:
    source = write(tmp_path, PLATE)
    write(tmp_path, Measurement(version="V7", name="other"), pixels=False)
    found = scan(source)
    assert [(finding.severity, finding.code, finding.message) for finding in found.findings] == [
        (
            "info",
            "unused-file",
            "Index.idx.xml is read, Index.xml beside it is not: give the file itself to read that one",
        )
    ]
    assert found.metadata_files[0] == source / "Images" / "Index.idx.xml"
    assert scan(source / "Images" / "Index.xml").metadata_files[0] == source / "Images" / "Index.xml"


def test_a_relative_path_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "source", PLATE, pixels=False)
    monkeypatch.chdir(source)
    for path in (Path(), Path("Images"), Path("Images/Index.idx.xml")):
        found = scan(path)
        assert found.resource == source
        assert found.metadata_files == (source / "Images" / "Index.idx.xml",)


def test_several_measurements_are_named(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / f"Measurement {number}", PLATE, pixels=False)
    with pytest.raises(
        SourceError,
        match=r"expected one measurement, found 2 \(Measurement 1, Measurement 2\): give the path of one",
    ):
        scan(tmp_path)


def test_other_folders_are_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "Images").mkdir()
    (tmp_path / "Images" / "Index.xml").write_text("<rss><channel/></rss>")
    (tmp_path / "._Index.idx.xml").write_bytes(b"\0\5\x16\7")
    assert OperettaSource().detect(tmp_path) is None
    assert OperettaSource().detect(tmp_path / "absent") is None


def test_an_image_of_a_measurement_is_no_measurement(tmp_path: Path) -> None:
    image = next(write(tmp_path, PLATE).rglob("*.tiff"))
    assert OperettaSource().detect(image) is None
    with pytest.raises(
        SourceError, match=r"its Index.xml, found an image of a measurement: give the folder$"
    ):
        scan(image)


# Plates


def test_the_plate_is_called_as_the_folder_of_its_measurement_dots_and_all(tmp_path: Path) -> None:
    source = write(tmp_path / "240624_WES n_1.1 µ", Measurement(), pixels=False)
    assert scan(source).tiles.collections[0].path() == "240624_WES n_1.1 µ.zarr/B/03/0"
    assert scan(source, plate_name="mine", acquisition_id=2).tiles.collections[0].path() == "mine.zarr/B/03/2"


def test_a_plate_is_not_called_like_its_folder_of_images(tmp_path: Path) -> None:
    source = write(tmp_path / "folder", Measurement(), pixels=False)
    assert scan(source / "Images" / "Index.idx.xml").tiles.collections[0].path() == "folder.zarr/B/03/0"
    assert scan(source / "Images").tiles.collections[0].path() == "folder.zarr/B/03/0"


def test_of_several_plates_each_keeps_its_own_wells(tmp_path: Path) -> None:
    other = '<Plate><PlateID>P2</PlateID><Name>Second</Name><Well id="0204" /></Plate></Plates>'
    replaced = (('<Well id="0204" /></Plate></Plates>', "</Plate></Plates>"), ("</Plates>", other))
    source = write(tmp_path, replace(PLATE, replaced=replaced), pixels=False)
    assert [image.path() for image in scan(source).tiles.collections] == [
        "Plate.1 a.zarr/B/03/0",
        "Second.zarr/B/04/0",
    ]
    assert [image.path() for image in scan(source, plate_name="Second").tiles.collections] == [
        "Second.zarr/B/04/0"
    ]
    with pytest.raises(
        SourceError, match=r"expected the name of one of its plates \(Plate.1 a, Second\), found 'x'"
    ):
        scan(source, plate_name="x")


def test_images_may_say_of_which_plate_they_are(tmp_path: Path) -> None:
    other = '<Plate><PlateID>P2</PlateID><Name>Second</Name><Well id="0204" /></Plate></Plates>'
    measurement = replace(PLATE, replaced=(("</Plates>", other),), extra="<PlateID>P2</PlateID>")
    assert [image.path() for image in scan(write(tmp_path, measurement, pixels=False)).tiles.collections] == [
        "Second.zarr/B/03/0",
        "Second.zarr/B/04/0",
    ]


def test_plates_that_share_wells_are_refused(tmp_path: Path) -> None:
    other = '<Plate><PlateID>P2</PlateID><Name>Second</Name><Well id="0204" /></Plate></Plates>'
    source = write(tmp_path, replace(PLATE, replaced=(("</Plates>", other),)), pixels=False)
    with pytest.raises(SourceError, match=r"expected one plate, found 2 \(Plate.1 a, Second\)"):
        scan(source)


def test_wells_without_an_image_are_said(tmp_path: Path) -> None:
    found = scan(write(tmp_path, Measurement(declared=((1, 1), (16, 24))), pixels=False))
    assert [(finding.code, finding.message) for finding in found.findings] == [
        (
            "not-imaged",
            "expected images of every selected well, found none of A01, P24: export them again if taken",
        )
    ]


# What the instrument did not take


@pytest.mark.parametrize("how", ["not_recorded", "absent"])
def test_images_that_failed_are_known_gaps(tmp_path: Path, how: str) -> None:
    lost = (2, 3, 2, 1, 2, 0)
    source = write(tmp_path / "source", Measurement(**{how: (lost,)}))  # type: ignore[arg-type]
    (gap,) = scan(source).known_gaps
    reason = {"not_recorded": "no file was recorded", "absent": "its state is Failed"}[how]
    assert (gap.image, gap.fov_name, gap.c, gap.z, gap.t, gap.reason) == (
        "source.zarr/B/03/0",
        "FOV_2",
        0,
        2.0,
        0.0,
        reason,
    )
    images = convert(source, tmp_path / "out")
    pixels = fields_of(tmp_path / "out" / images[0])
    assert not pixels["FOV_2"][0, 1].any()
    np.testing.assert_array_equal(pixels["FOV_2"][0, 0], PLATE.pixels((2, 3, 2, 1, 1, 0)))
    np.testing.assert_array_equal(pixels["FOV_1"][0, 1], PLATE.pixels((2, 3, 1, 1, 2, 0)))


def test_an_image_of_another_state_whose_file_is_there_is_kept(tmp_path: Path) -> None:
    source = write(tmp_path, replace(PLATE, replaced=(("<State>Ok</State>", "<State>Warning</State>"),)))
    assert len(scan(source).tiles.x) == 16


def test_a_field_and_a_well_that_failed_altogether_are_said(tmp_path: Path) -> None:
    lost = tuple(place for place in PLATE.places() if place[:3] == (2, 3, 2) or place[:2] == (2, 4))
    found = scan(write(tmp_path, replace(PLATE, not_recorded=lost), pixels=False))
    assert wells_of(found) == ["B03"]
    assert [finding.message for finding in found.findings] == [
        "expected images of every selected well, found none of B04: export them again if taken",
        "expected images of every field of view, found that all failed of B03 FOV_2: check them in Harmony",
    ]


def test_a_channel_that_failed_altogether_is_said(tmp_path: Path) -> None:
    lost = tuple(place for place in PLATE.places() if place[3] == 2)
    found = scan(write(tmp_path, replace(PLATE, not_recorded=lost), pixels=False))
    assert [channel.channel_label for channel in channels_of(found)] == ["HOECHST 33342"]
    assert [finding.message for finding in found.findings] == [
        "expected planes of channel Alexa 488, found none: check for losses"
    ]


def test_a_measurement_of_which_nothing_was_taken_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, replace(PLATE, not_recorded=tuple(PLATE.places())), pixels=False)
    with pytest.raises(SourceError, match="expected at least one image that was taken, found none among 16"):
        scan(source)


def test_a_file_that_was_lost_after_the_export_is_no_known_gap(tmp_path: Path) -> None:
    source = write(tmp_path / "source", PLATE)
    (source / "Images" / "r02c04f02p02-ch2sk1fk1fl1.tiff").unlink()
    with pytest.raises(PreflightError, match=r"r02c04f02p02-ch2sk1fk1fl1\.tiff: no such file"):
        convert(source, tmp_path / "out")


def test_sequences_that_count_their_timepoints_each_from_the_first_follow_one_another(
    tmp_path: Path,
) -> None:
    source = write(tmp_path, Measurement(version="V7", planes=1, timepoints=2, interval=60), pixels=False)
    file = source / "Images" / "Index.xml"
    text = file.read_text(encoding="utf-8-sig")
    records = re.findall(r'<Image Version="1">.*?</Image>\n', text)
    later = [
        record.replace("<SequenceID>1<", "<SequenceID>2<").replace("sk", "sk1").replace("T09:", "T10:")
        for record in records
    ]
    file.write_text(text.replace("</Images>", "".join(later) + "</Images>"), encoding="utf-8")
    found = scan(source)
    assert len(found.tiles) == 32
    numbers = found.tiles.t / found.tiles.all_details[0].t_spacing
    for path, number in zip(files_of(found), numbers.tolist(), strict=True):
        kinetic = {"sk1": 0, "sk2": 1, "sk11": 2, "sk12": 3}
        assert number == kinetic[re.search(r"sk\d+", path)[0]]  # type: ignore[index]
    assert [finding.code for finding in found.findings] == ["assumed-value"]


def test_sequences_of_other_wells_or_timepoints_change_nothing(tmp_path: Path) -> None:
    change = (
        ("<Col>4</Col><FieldID>1</FieldID>", "<Col>4</Col><FieldID>1</FieldID><SequenceID>2</SequenceID>"),
    )
    usual = scan(write(tmp_path / "a", replace(PLATE, timepoints=2), pixels=False))
    other = scan(write(tmp_path / "b", replace(PLATE, timepoints=2, replaced=change), pixels=False))
    assert other.tiles.t.tolist() == usual.tiles.t.tolist()


def test_an_image_that_is_listed_twice_is_converted_once(tmp_path: Path) -> None:
    source = write(tmp_path / "source", PLATE)
    file = source / "Images" / "Index.idx.xml"
    text = file.read_text(encoding="utf-8-sig")
    records = "".join(re.findall(r'<Image Version="1">.*?</Image>\n', text)[:5])
    file.write_text(text.replace("</Images>", f"{records}</Images>"), encoding="utf-8-sig")
    found = scan(source)
    assert sorted(files_of(found)) == sorted(files_of(scan(write(tmp_path / "usual", PLATE))))
    (finding,) = found.findings
    assert (finding.severity, finding.code) == ("info", "duplicate-place")
    assert finding.message.startswith(
        "5 images are listed twice, such as r02c03f01p01-ch1sk1fk1fl1.tiff: each"
    )


def test_two_files_of_one_place_are_refused(tmp_path: Path) -> None:
    measurement = replace(PLATE, replaced=(("<PlaneID>2</PlaneID>", "<PlaneID>1</PlaneID>"),))
    source = write(tmp_path / "source", measurement)
    with pytest.raises(PreflightError) as caught:
        convert(source, tmp_path / "out")
    assert {finding.code for finding in caught.value.findings if finding.severity == "error"} == {
        "duplicate-place"
    }


def test_a_channel_of_fewer_planes_is_filled_and_recorded(tmp_path: Path) -> None:
    channels = (Channel("DPC"), Channel("Brightfield", 740, 0, planes=1))
    measurement = Measurement(channels=channels, planes=3)
    source = write(tmp_path / "source", measurement)
    first, _ = convert(source, tmp_path / "out")
    pixels = fields_of(tmp_path / "out" / first)["FOV_2"]
    np.testing.assert_array_equal(pixels[1, 0], measurement.pixels((2, 3, 2, 2, 1, 0)))
    assert not pixels[1, 1:].any()
    np.testing.assert_array_equal(pixels[0, 2], measurement.pixels((2, 3, 2, 1, 3, 0)))


def test_the_state_may_be_an_attribute(tmp_path: Path) -> None:
    measurement = replace(
        PLATE,
        absent=((2, 3, 1, 1, 1, 0),),
        replaced=(
            ('<Image Version="1"><id>0203K0F1P1R1<', '<Image Version="1" State="Failed"><id>0203K0F1P1R1<'),
            ("<State>Failed</State>", ""),
        ),
    )
    (gap,) = scan(write(tmp_path, measurement)).known_gaps
    assert gap.reason == "its state is Failed"


# What was done to the wells


def test_the_assay_layout_says_what_was_done_to_the_wells(tmp_path: Path) -> None:
    source = write(tmp_path / "source", PLATE)
    layers = {
        "Compound": ("string", {(2, 3): "DMSO", (2, 4): "10", (1, 1): "not imaged"}),
        "Dose [µM]": ("double", {(2, 4): "0.5"}),
        "Empty": ("string", {}),
        "Row": ("string", {(2, 3): "top"}),
    }
    layout = write_layout(source, layers)
    found = scan(source)
    assert {well: dict(said) for well, said in found.conditions.items()} == {
        "B03": {"Compound": "DMSO", "layer_Row": "top"},
        "B04": {"Compound": "10", "Dose [µM]": 0.5},
    }
    assert found.metadata_files == (source / "Images" / "Index.idx.xml", layout)


def test_the_users_table_goes_over_the_layout(tmp_path: Path) -> None:
    source = write(tmp_path, PLATE, pixels=False)
    write_layout(source, {"Compound": ("string", {(2, 3): "DMSO", (2, 4): "drug"})})
    (tmp_path / "mine.csv").write_text("well,Compound,batch\nB03,water,1\n")
    options = AcquisitionOptions(condition_table_path=str(tmp_path / "mine.csv"))
    assert scan(source, options=options).conditions == {
        "B03": {"Compound": "water", "batch": 1},
        "B04": {"Compound": "drug"},
    }


def test_a_damaged_layout_costs_no_image(tmp_path: Path) -> None:
    source = write(tmp_path, PLATE, pixels=False)
    file = write_layout(source, {"Compound": ("string", {(2, 3): "DMSO"})})
    file.write_text(file.read_text()[:200])
    found = scan(source)
    (finding,) = found.findings
    assert (finding.severity, finding.code, finding.where) == ("warning", "unreadable-file", str(file))
    assert len(found.tiles.x) == 16


# Bad indexes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "<Row>2</Row><Col>3</Col><FieldID>1<",
            "<Row>x</Row><Col>3</Col><FieldID>1<",
            "expected Row to be a number, found x",
        ),
        ("<PlaneID>1</PlaneID>", "", "expected PlaneID to be a number, found nothing"),
        (
            "<FieldID>1</FieldID>",
            "<FieldID>1.5</FieldID>",
            "expected FieldID to be a whole number from 0 on, found 1.5",
        ),
        (
            "<Col>3</Col><FieldID>",
            "<Col>0</Col><FieldID>",
            "expected Col to be a whole number from 1 on, found 0",
        ),
        (
            "<Col>3</Col><FieldID>",
            "<Col>1000</Col><FieldID>",
            "expected Row up to 702 and Col up to 999, found 2 and 1000",
        ),
        (
            "<ChannelID>1</ChannelID>",
            "<ChannelID></ChannelID>",
            "expected ChannelID to be a number, found nothing",
        ),
        (
            "<TimepointID>0</",
            "<TimepointID>-1</",
            "expected TimepointID to be a whole number from 0 on, found -1",
        ),
        (
            '<PositionX Unit="m">-8e-06<',
            '<PositionX Unit="m">n/a<',
            "expected PositionX to be a number, found n/a",
        ),
        (
            '<PositionX Unit="m">-8e-06<',
            '<PositionX Unit="m">NaN<',
            "expected PositionX to be a number, found NaN",
        ),
        (
            '<PositionY Unit="m">6e-06<',
            '<PositionY Unit="m">inf<',
            "expected PositionY to be a number, found inf",
        ),
        (
            "<ImageSizeX>16</ImageSizeX>",
            "<ImageSizeX>0</ImageSizeX>",
            "expected ImageSizeX to be a whole number from 1",
        ),
        (
            '<ImageResolutionX Unit="m">1e-06<',
            '<ImageResolutionX Unit="m">-1<',
            "expected ImageResolutionX to be above 0",
        ),
    ],
)
def test_a_value_that_is_missing_or_garbled_is_named_with_its_image(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    source = write(tmp_path, replace(PLATE, replaced=((old, new),)), pixels=False)
    with pytest.raises(SourceError) as caught:
        scan(source)
    text = str(caught.value)
    assert message in text
    assert f"{source / 'Images' / 'Index.idx.xml'}, image 0203K0F1P1R1: " in text
    assert "\n" not in text


def test_a_height_or_exposure_that_is_no_number_is_none(tmp_path: Path) -> None:
    """As .NET writes what was not measured, such as where the autofocus found nothing."""
    texts = (('<AbsPositionZ Unit="m">0.134610000<', '<AbsPositionZ Unit="m">NaN<'),)
    texts += (('<ExposureTime Unit="s">0.02<', '<ExposureTime Unit="s">NaN<'),)
    found = scan(write(tmp_path, replace(PLATE, replaced=texts), pixels=False))
    assert [channel.exposure_s for channel in channels_of(found)] == [None, None]
    assert found.tiles.all_details[0].z_spacing == 2.0


def test_two_units_of_one_field_are_refused(tmp_path: Path) -> None:
    measurement = replace(PLATE, replaced=(('<PositionX Unit="m">8', '<PositionX Unit="mm">8'),))
    with pytest.raises(SourceError, match="expected PositionX in one unit, found m and mm"):
        scan(write(tmp_path, measurement, pixels=False))


def test_two_pixel_sizes_are_refused_by_channel(tmp_path: Path) -> None:
    measurement = Measurement(channels=(Channel("a"), Channel("b", resolution=2e-6)))
    with pytest.raises(
        SourceError, match=r"expected one ImageResolutionX in all images, found 1 µm \(a\) and 2 µm \(b\)"
    ):
        scan(write(tmp_path, measurement, pixels=False))


def test_a_pixel_size_that_is_not_said_is_assumed_with_a_warning(tmp_path: Path) -> None:
    measurement = Measurement()
    folder = write(tmp_path, measurement, pixels=False)
    text = operetta.index_text(measurement).replace("ImageResolution", "Other")
    (folder / "Images" / "Index.idx.xml").write_text(text)
    (finding,) = scan(folder).findings
    assert (finding.severity, finding.code) == ("warning", "assumed-value")
    assert "pixelsize" in finding.message


def test_a_size_that_is_not_said_is_that_of_the_first_file(tmp_path: Path) -> None:
    folder = write(tmp_path, PLATE)
    text = operetta.index_text(PLATE).replace("ImageSize", "Other")
    (folder / "Images" / "Index.idx.xml").write_text(text)
    tiles = scan(folder).tiles
    assert (set(tiles.length_y), set(tiles.length_x)) == ({12}, {16})


@pytest.mark.parametrize(
    "matrix", ["[[-0.99,0,0,1],[0,-0.99,0,1],[0,0,1,1]]", "[[0,1,0,0],[1,0,0,0],[0,0,1,0]]", "?"]
)
def test_a_stage_that_lies_otherwise_is_said(tmp_path: Path, matrix: str) -> None:
    (finding,) = scan(write(tmp_path, Measurement(matrix=matrix), pixels=False)).findings
    assert (finding.severity, finding.code) == ("warning", "assumed-value")
    assert f"found {matrix}" in finding.message


def test_a_truncated_index_is_named_with_its_line(tmp_path: Path) -> None:
    source = write(tmp_path, PLATE, pixels=False)
    file = source / "Images" / "Index.idx.xml"
    file.write_bytes(file.read_bytes()[:3000])
    assert OperettaSource().detect(source) == "it holds Index.idx.xml"
    with pytest.raises(SourceError, match=r"Index\.idx\.xml, line \d+: expected XML, found"):
        scan(source)


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "r01c01f01p01-ch1sk1fk1fl1.tiff", np.zeros((4, 4), "uint16"))
    with pytest.raises(SourceError, match=r"expected Index\.idx\.xml, Index\.xml or Index\.ref\.xml there"):
        scan(tmp_path)
    with pytest.raises(SourceError, match="found nothing there: check the path"):
        scan(tmp_path / "absent")


def test_images_are_scanned_at_five_thousand_a_second(tmp_path: Path) -> None:
    wells = tuple((row, column) for row in range(1, 17) for column in range(1, 25))
    offsets = tuple((index * 1e-5, 0.0) for index in range(9))
    source = write(tmp_path, Measurement(wells=wells, offsets=offsets, planes=1, timepoints=2), pixels=False)
    start = process_time()
    found = scan(source)
    assert process_time() - start < len(found.tiles.x) / 5000
    assert len(found.tiles.x) == 13_824


@settings(max_examples=30)
@given(
    version=st.sampled_from(VERSIONS[:5]),
    wells=st.sets(st.tuples(st.integers(1, 32), st.integers(1, 48)), min_size=1, max_size=4),
    fields=st.integers(1, 4),
    channels=st.integers(1, 3),
    planes=st.integers(1, 3),
    timepoints=st.integers(1, 3),
)
def test_every_image_is_in_its_place(
    version: str, wells: set[tuple[int, int]], fields: int, channels: int, planes: int, timepoints: int
) -> None:
    measurement = Measurement(
        version=version,
        wells=tuple(sorted(wells)),
        offsets=tuple((field * 3.25e-6, field * -1.5e-6) for field in range(fields)),
        channels=tuple(Channel(f"channel {number}") for number in range(channels)),
        planes=planes,
        timepoints=timepoints,
    )
    with TemporaryDirectory() as folder:
        tiles = scan(write(Path(folder), measurement, pixels=False)).tiles
    images = [tiles.collections[number] for number in tiles.collection]
    found = [
        (image.well, tiles.fov_names[f], c, z, t, x, y, path)
        for image, f, c, z, t, x, y, path in zip(
            images,
            tiles.fov,
            tiles.c.tolist(),
            tiles.z.tolist(),
            tiles.t.tolist(),
            tiles.x.tolist(),
            tiles.y.tolist(),
            tiles.loaders.fields["file_path"],
            strict=True,
        )
        if isinstance(image, ImageInPlate)
    ]
    assert found == [
        (
            f"{row_name(row - 1)}{column:02d}",
            f"FOV_{field}",
            c - 1,
            pytest.approx((z - 1) * 2.0),
            pytest.approx((t - measurement.first_timepoint) * 300.0, rel=1e-4),
            pytest.approx((field - 1) * 3.25),
            pytest.approx((field - 1) * 1.5),
            f"Images/{measurement.file_name(place)}",
        )
        for place in measurement.places()
        for row, column, field, c, z, t in [place]
    ]


def test_the_contract_plate_is_one(tmp_path: Path) -> None:
    assert len(scan(operetta.contract_plate(tmp_path)).tiles.x) == 16
