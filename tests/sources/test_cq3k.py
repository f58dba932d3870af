"""CQ1 and CQ3K: what differs from the CellVoyager."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.simulators.truth import convert, fields_of, scale_of
from tests.simulators.yokogawa import Measurement
from tiles2zarr.errors import SourceError
from tiles2zarr.sources import detect_source
from tiles2zarr.sources.base import Scan, ScanRequest
from tiles2zarr.sources.cellvoyager import CellVoyagerSource
from tiles2zarr.sources.cq3k import Cq3kSource

if TYPE_CHECKING:
    from pathlib import Path


def scan(path: Path) -> Scan:
    return Cq3kSource().scan(ScanRequest(path))


def check_pixels(measurement: Measurement, dest: Path, images: list[str], kind: str = "") -> None:
    for well, image in zip(measurement.wells, images, strict=True):
        found = fields_of(dest / image)
        for number in range(len(measurement.fields)):
            expected = measurement.expected(well, number + 1, kind)
            np.testing.assert_array_equal(found[f"FOV_{number + 1}"], expected)


def test_slices_in_their_subfolder_are_converted_to_their_places(tmp_path: Path) -> None:
    measurement = Measurement(is_cq=True, size_t=2, seconds=90.0)
    source = measurement.write(tmp_path / "plate")
    found = scan(source)
    assert found.findings == ()
    assert found.tiles.loaders.fields["file_path"][0] == "Image/W0015F0001T0001Z001C1.tif"
    channels = found.tiles.all_details[0].channels or ()
    assert [(c.channel_label, c.wavelength_id) for c in channels] == [("DAPI", "A01_C01"), ("GFP", "A02_C03")]
    images = convert(source, tmp_path / "out")
    assert images == ["plate.zarr/B/03/0", "plate.zarr/C/04/0"]
    check_pixels(measurement, tmp_path / "out", images)
    assert scale_of(tmp_path / "out" / images[0]) == {"t": 90.0, "c": 1.0, "z": 3.0, "y": 0.5, "x": 0.5}


def test_slices_and_projections_of_the_same_action_become_images_of_their_own(tmp_path: Path) -> None:
    measurement = Measurement(is_cq=True, kinds=("", "Maximum", "Minimum"))
    images = convert(measurement.write(tmp_path / "plate"), tmp_path / "out")
    assert images == [
        f"plate.zarr/{well}/0{kind}" for kind in ("", "maximum", "minimum") for well in ("B/03", "C/04")
    ]
    check_pixels(measurement, tmp_path / "out", images[:2])
    check_pixels(measurement, tmp_path / "out", images[2:4], "Maximum")
    check_pixels(measurement, tmp_path / "out", images[4:], "Minimum")


def test_the_folder_of_images_names_the_measurement_above(tmp_path: Path) -> None:
    source = Measurement(is_cq=True, kinds=("", "Maximum")).write(tmp_path / "plate")
    for path in (source, source / "Image", source / "Projection1", source / "MeasurementData.mlf", tmp_path):
        if path.name != "Projection1":
            assert isinstance(detect_source(path), Cq3kSource)
            assert len(scan(path).tiles) == 16 + 8


def test_images_without_their_subfolder_are_found(tmp_path: Path) -> None:
    measurement = Measurement(is_cq=True, disk_folder=".", suffix=".png")
    source = measurement.write(tmp_path / "plate")
    assert [finding.code for finding in scan(source).findings] == ["renamed-file"]
    check_pixels(measurement, tmp_path / "out", convert(source, tmp_path / "out"))


@pytest.mark.parametrize(("rows", "columns", "wells"), [(8, 12, ("C05", "F09")), (32, 48, ("B48", "AF48"))])
def test_wells_are_found_by_number_where_records_leave_row_and_column_out(
    tmp_path: Path, rows: int, columns: int, wells: tuple[str, ...]
) -> None:
    measurement = Measurement(is_cq=True, wells=wells, rows=rows, columns=columns, says_place=False)
    source = measurement.write(tmp_path / "plate")
    assert tuple(c.attributes()["well"] for c in scan(source).tiles.collections) == wells
    check_pixels(measurement, tmp_path / "out", convert(source, tmp_path / "out"))


def test_wells_without_row_column_and_the_plates_size_are_refused(tmp_path: Path) -> None:
    measurement = Measurement(is_cq=True, says_place=False, has_mrf=False, has_mes=False, has_plate=False)
    with pytest.raises(SourceError, match=r"record 1 .*: expected Row from 1 to 702, found nothing"):
        scan(measurement.write(tmp_path))


def test_well_numbers_that_contradict_the_records_are_a_warning(tmp_path: Path) -> None:
    source = Measurement(is_cq=True).write(tmp_path)
    mrf = source / "MeasurementDetail.mrf"
    mrf.write_text(mrf.read_text(encoding="utf-8-sig").replace('ColumnCount="12"', 'ColumnCount="24"'))
    (finding,) = scan(source).findings
    assert (finding.severity, finding.code) == ("warning", "contradiction")
    assert "(24 in a row), found 16 records that say others, such as B03 of Image/W0015" in finding.message


def test_never_both_formats_claim_a_folder(tmp_path: Path) -> None:
    voyager = Measurement(has_pixels=False).write(tmp_path / "a")
    cq = Measurement(is_cq=True, has_pixels=False).write(tmp_path / "b")
    claims = [
        (CellVoyagerSource().detect(path), Cq3kSource().detect(path))
        for path in (voyager, cq, tmp_path, tmp_path / "c")
    ]
    said = "it has a MeasurementData.mlf"
    assert claims == [(said, None), (None, said), ("it has 2 measurements", None), (None, None)]
