"""ScanR: wells from numbers and labels, one plane per file."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import tiles2zarr
from tests.simulators.scanr import Scanr
from tests.simulators.truth import convert, fields_of, fingerprints, scale_of
from tiles2zarr.errors import PreflightError, SourceError
from tiles2zarr.models import ChannelInfo, ImageInPlate
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.scanr import ScanrSource

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.sources.base import Scan


def scan(path: Path, acquisition_id: int = 0) -> Scan:
    return ScanrSource().scan(ScanRequest(path, acquisition_id=acquisition_id))


def wells(found: Scan) -> list[str]:
    return [image.well for image in found.tiles.collections if isinstance(image, ImageInPlate)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "plate"


def test_a_plate_becomes_what_the_instrument_saw(folder: Path, tmp_path: Path) -> None:
    plate = Scanr(grid=(2, 2))
    paths = convert(plate.write(folder), tmp_path / "out")
    assert paths == ["plate.zarr/B/02/0", "plate.zarr/C/03/0"]
    for path, (well, _) in zip(paths, plate.wells, strict=True):
        image = tmp_path / "out" / path
        assert scale_of(image) == {"c": 1.0, "z": 1.5, "y": 0.325, "x": 0.325}
        fields = fields_of(image)
        assert list(fields) == ["FOV_1", "FOV_2", "FOV_3", "FOV_4"]
        for position in range(1, 5):
            expected = [[plate.pixels(well, position, c, z, 0) for z in range(2)] for c in range(2)]
            np.testing.assert_array_equal(fields[f"FOV_{position}"], expected)


def test_y_grows_upwards_so_the_field_that_the_stage_saw_above_is_above(folder: Path) -> None:
    found = scan(Scanr(grid=(2, 1), wells=((14, "B2"),), channels=("a",), size_z=1).write(folder))
    assert found.tiles.y.tolist() == [-60000.0, -60000.0 + 24 * 0.325]
    (said,) = found.findings
    assert (said.severity, said.code) == ("warning", "assumed-value")
    assert "acquisition.stage_orientation.flip_y" in said.message
    assert scan(Scanr(grid=(1, 2)).write(folder.parent / "one row")).findings == ()


def test_channels_offsets_times_and_objective_are_kept(folder: Path) -> None:
    plate = Scanr(size_t=3, date="2026-03-04T05:06:07")
    found = scan(plate.write(folder))
    (details,) = found.tiles.all_details
    common = {"exposure_s": 0.1, "objective": "UPLXAPO 20x", "magnification": 20, "numerical_aperture": 0.8}
    assert details.channels == (
        ChannelInfo(channel_label="405 nm #1", z_offset=0, **common),
        ChannelInfo(channel_label="488 nm #2", z_offset=0.5, **common),
    )
    assert (details.t_spacing, details.z_spacing, details.pixelsize_y) == (60.0, 1.5, None)
    assert found.acquired is not None
    assert found.acquired.min() == 1772600767.0
    assert found.metadata_files == (folder / "data" / "metadata.ome.xml",)


def test_pixels_may_be_wider_than_high(folder: Path) -> None:
    (details,) = scan(Scanr(pixelsize=(0.5, 0.25)).write(folder)).tiles.all_details
    assert (details.pixelsize, details.pixelsize_y) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (((14, "B2"),), ["B02"]),
        (((26, "B2"),), ["B02"]),  # 24 columns
        (((53, "C5"), (61, "C13")), ["C05", "C13"]),
        (((1536, "AF48"), (1489, "AF1")), ["AF01", "AF48"]),
        (((8, "B2"),), ["B02"]),  # 6 columns
        (((61, "F01"),), ["F01"]),  # 12 columns
        (((1, "A1"), (3, "A3"), (20, "A20")), ["A01", "A03", "A20"]),  # one row: any plate
        (((14, "B2"), (59, "Pluripotent")), ["B02", "E11"]),
    ],
)
def test_labels_tell_how_many_columns_a_plate_has(
    listed: tuple[tuple[int, str], ...], expected: list[str], folder: Path
) -> None:
    for number, (names, files) in enumerate([(True, True), (True, False), (False, True)]):
        plate = Scanr(wells=listed, grid=(1, 1), names_wells=names, labels_files=files)
        found = scan(plate.write(folder / str(number), images=False))
        assert (wells(found), found.findings) == (expected, ())


@pytest.mark.parametrize(
    ("last", "columns", "name"), [(96, 12, "H12"), (97, 24, "E01"), (384, 24, "P24"), (385, 48, "I01")]
)
def test_without_labels_the_smallest_common_plate_is_assumed_and_said(
    last: int, columns: int, name: str, folder: Path
) -> None:
    found = scan(Scanr(wells=((last, ""),), grid=(1, 1), labels_files=False).write(folder, images=False))
    assert wells(found) == [name]
    (said,) = found.findings
    assert (said.severity, said.code) == ("warning", "assumed-value")
    assert f"{columns} columns are assumed" in said.message


def test_a_label_that_is_no_well_of_the_plate_is_said(folder: Path) -> None:
    found = scan(Scanr(wells=((14, "B2"), (15, "B3"), (16, "C9")), grid=(1, 1)).write(folder, images=False))
    assert wells(found) == ["B02", "B03", "B04"]
    assert [(said.severity, said.code) for said in found.findings] == [("warning", "assumed-value")]


def test_numbers_are_taken_from_the_name_where_the_identity_has_none(folder: Path) -> None:
    assert wells(scan(Scanr(numbers_ids=False).write(folder))) == ["B02", "C03"]


@pytest.mark.parametrize("given", ["", "data", "data/metadata.ome.xml"])
def test_the_folder_its_data_or_the_document_may_be_given(given: str, folder: Path, tmp_path: Path) -> None:
    path = Scanr().write(folder) / given
    assert ScanrSource().detect(path) is not None
    assert convert(path, tmp_path / "out") == ["plate.zarr/B/02/0", "plate.zarr/C/03/0"]
    assert fingerprints(ScanrSource(), path) == fingerprints(ScanrSource(), folder)


def test_images_may_lie_beside_a_document_without_a_data_folder(folder: Path, tmp_path: Path) -> None:
    path = Scanr(subfolder="").write(folder)
    assert convert(path, tmp_path / "out") == ["plate.zarr/B/02/0", "plate.zarr/C/03/0"]


def test_the_instruments_other_files_are_kept_and_litter_does_no_harm(folder: Path, tmp_path: Path) -> None:
    Scanr().write(folder)
    for name in ("experiment_descriptor.xml", "AcquisitionLog.dat", ".DS_Store", "data/._B2--W00014.tif"):
        (folder / name).write_text("some text")
    assert [file.name for file in scan(folder).metadata_files] == [
        "metadata.ome.xml",
        "AcquisitionLog.dat",
        "experiment_descriptor.xml",
    ]
    assert len(convert(folder, tmp_path / "out")) == 2


def test_suffixes_may_have_changed_their_case(folder: Path, tmp_path: Path) -> None:
    assert len(convert(Scanr(suffix=".TIF").write(folder), tmp_path / "out")) == 2


def test_acquisitions_are_numbered(folder: Path) -> None:
    found = scan(Scanr().write(folder), acquisition_id=3)
    assert {collection.path() for collection in found.tiles.collections} == {
        "plate.zarr/B/02/3",
        "plate.zarr/C/03/3",
    }


def test_a_plane_that_was_never_written_is_a_missing_plane(folder: Path) -> None:
    path = Scanr(without=frozenset({(14, 1, 1, 1, 0)})).write(folder)
    assert len(scan(path).tiles) == 15
    plan = tiles2zarr.inspect(path)
    assert "missing-plane" in {finding.code for finding in plan.findings}


def test_a_file_that_is_lost_is_found_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    path = Scanr(lost=frozenset({(14, 1, 1, 1, 0)})).write(folder)
    with pytest.raises(PreflightError) as refused:
        tiles2zarr.convert(path, tmp_path / "out")
    assert [finding.code for finding in refused.value.findings if finding.severity == "error"] == [
        "missing-file"
    ]


def test_values_that_begin_at_32768_are_kept_and_said(folder: Path, tmp_path: Path) -> None:
    plate = Scanr(offset=2**15, grid=(1, 1))
    path = plate.write(folder)
    (said,) = tiles2zarr.inspect(path).findings
    assert (said.severity, said.code) == ("warning", "shifted-values")
    assert "subtract 32768" in said.message
    first, _ = convert(path, tmp_path / "out")
    found = fields_of(tmp_path / "out" / first)["FOV_1"]
    np.testing.assert_array_equal(found[0, 0], plate.pixels(14, 1, 0, 0, 0))
    assert tiles2zarr.inspect(replace(plate, offset=0).write(folder.parent / "other")).findings == ()


def test_signed_values_that_are_all_negative_are_said(folder: Path) -> None:
    plate = Scanr(offset=-(2**15), dtype="int16", grid=(1, 1))
    (said,) = tiles2zarr.inspect(plate.write(folder)).findings
    assert (said.code, "add 32768" in said.message) == ("shifted-values", True)


def test_other_ome_xml_is_left_to_others(folder: Path) -> None:
    plate = Scanr(creator="OME Bio-Formats 7", numbers_ids=False).write(folder)
    assert ScanrSource().detect(plate) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</OME>", "", "line 5: expected XML, found no element found"),
        (
            'ID="Image:W14P1"',
            'ID="Image:W15P1"',
            "image Image:W15P1: expected one well and position, found W15P1 and W14P1",
        ),
        ('SizeX="32"', 'SizeX="wide"', "expected SizeX to be a whole number from 0 on, found 'wide'"),
        ('FileName="B2--', 'FileName="../../B2--', "expected files below its own folder"),
        ("Image", "Picture", "expected at least one image, found none"),
    ],
)
def test_documents_that_are_damaged_or_contradict_themselves_are_refused(
    old: str, new: str, message: str, folder: Path
) -> None:
    Scanr(grid=(1, 1)).write(folder, images=False)
    document = folder / "data" / "metadata.ome.xml"
    text = document.read_text()
    document.write_text(text.replace(old, new))
    with pytest.raises(SourceError) as refused:
        scan(folder)
    assert message in str(refused.value)
    assert str(document) in str(refused.value)


def test_fields_of_a_well_with_different_pixel_sizes_are_refused(folder: Path) -> None:
    Scanr().write(folder, images=False)
    document = folder / "data" / "metadata.ome.xml"
    document.write_text(document.read_text().replace('PhysicalSizeX="0.325"', 'PhysicalSizeX="0.65"', 1))
    with pytest.raises(
        SourceError, match=r"plate.zarr/B/02/0: expected fields of one pixel size, found 0.65 and 0.325"
    ):
        scan(folder)


def test_ten_thousand_files_are_scanned_in_seconds(folder: Path) -> None:
    columns = [
        (14 + 12 * row + column, f"{'BCDEFG'[row]}{2 + column}") for row in range(6) for column in range(10)
    ]
    plate = Scanr(wells=tuple(columns), grid=(3, 3), channels=("a", "b", "c", "d"), size_z=5)
    plate.write(folder, images=False)
    first = folder / "data" / plate.file(14, "B2", 1, 0, 0, 0)
    tifffile.imwrite(first, plate.pixels(14, 1, 0, 0, 0))
    started = time.thread_time()
    found = scan(folder)
    assert time.thread_time() - started < 6
    assert (len(found.tiles), len(found.tiles.collections)) == (10800, 60)
