"""Defects seen in other converters: pixel values, pixel types, display ranges, gaps and duplicates (4, 7, 10, 11)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import ngio
import numpy as np
import pytest
import tifffile
import zarr

from tests.fractal.task_process import COMPUTE, PLATE, run_task
from tests.table_plates import TablePlate, pixels_of, small_plate
from tests.test_cli_convert import converted, level, row_of_fields, run

if TYPE_CHECKING:
    from pathlib import Path


def refusals(plate: TablePlate, out: Path, *options: str) -> list[dict[str, str]]:
    """The errors of a conversion that must be refused before anything is written."""
    done = run("convert", plate.folder, out, "--plate-name", "P", "--json", *options)
    assert (done.returncode, out.exists()) == (2, False), done.stdout + done.stderr
    findings: list[dict[str, str]] = json.loads(done.stdout)["findings"]
    return [finding for finding in findings if finding["severity"] == "error"]


def shown_ranges(image: Path) -> list[tuple[float, float]]:
    channels = json.loads((image / ".zattrs").read_text())["omero"]["channels"]
    return [(channel["window"]["start"], channel["window"]["end"]) for channel in channels]


def small_type_first(folder: Path) -> TablePlate:
    """A well whose first tile is uint8 and whose second one, uint16, holds a value of 1000."""
    plate = small_plate(folder, wells=(("A", 1),), channels=1, planes=1)
    plate.pixels["A01_f0_t0_c0_z0.tif"] = plate.pixels["A01_f0_t0_c0_z0.tif"].astype("uint8")
    plate.pixels["A01_f1_t0_c0_z0.tif"][5, 7] = 1000
    plate.write()
    return plate


@pytest.mark.parametrize("options", [(), ("--set", "acquisition.data_type=uint8")])
def test_defect_04_a_type_that_cannot_hold_every_tile_is_refused(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    (error,) = refusals(small_type_first(tmp_path / "plate"), tmp_path / "out", *options)
    assert error["code"] == "wrong-type"
    assert "uint16" in error["where"] + error["message"]


def test_defect_04_a_value_of_1000_arrives_when_the_type_holds_it(tmp_path: Path) -> None:
    plate = small_type_first(tmp_path / "plate")
    options = ("--plate-name", "P", "--set", "acquisition.data_type=uint16")
    converted(plate.folder, tmp_path / "out", *options)
    found = level(tmp_path / "out/P.zarr/A/01/0")
    assert (found.dtype.name, found[0, 0, 5, 16 + 7]) == ("uint16", 1000)
    np.testing.assert_array_equal(found, row_of_fields(plate, "A01", 2, 1, 1))


GONE = ("A01_f0_t0_c1_z0.tif", "B02_f1_t0_c0_z1.tif")


def with_lost_rows(folder: Path) -> TablePlate:
    plate = small_plate(folder)
    plate.rows = [row for row in plate.rows if row["file_path"] not in GONE]
    plate.write()
    return plate


def test_defect_07_every_missing_plane_is_listed_and_refused(tmp_path: Path) -> None:
    errors = refusals(with_lost_rows(tmp_path / "plate"), tmp_path / "out")
    assert [(error["code"], error["where"]) for error in errors] == [
        ("missing-plane", "P.zarr/A/01/0, FOV_0 (channel_1, z-plane 0, timepoint 0)"),
        ("missing-plane", "P.zarr/B/02/0, FOV_1 (channel_0, z-plane 1, timepoint 0)"),
    ]


def test_defect_07_missing_planes_that_are_filled_are_said_and_recorded(tmp_path: Path) -> None:
    plate = with_lost_rows(tmp_path / "plate")
    document = converted(plate.folder, tmp_path / "out", "--plate-name", "P", "--set", "missing_tiles=Fill")
    assert [(each["severity"], each["code"]) for each in document["findings"]] == [
        ("warning", "missing-plane")
    ] * 2
    for name in GONE:
        plate.pixels[name] = np.zeros_like(plate.pixels[name])
    for well, folder, gap in (
        ("A01", "A/01", {"fov_name": "FOV_0", "c": 1, "t": 0, "z_start": 0, "z_stop": 1}),
        ("B02", "B/02", {"fov_name": "FOV_1", "c": 0, "t": 0, "z_start": 1, "z_stop": 2}),
    ):
        image = tmp_path / "out/P.zarr" / folder / "0"
        np.testing.assert_array_equal(level(image), row_of_fields(plate, well, 2, 2, 2))
        table = ngio.open_ome_zarr_container(image, mode="r").get_table("gaps").dataframe
        assert table.to_dict("records") == [{**gap, "known": "no", "reason": "no tile"}]


@pytest.mark.parametrize("how", ["the same row twice", "another file in the same place"])
def test_defect_07_a_duplicate_tile_is_refused(tmp_path: Path, how: str) -> None:
    plate = small_plate(tmp_path / "plate")
    first = plate.rows[5]
    if how == "the same row twice":
        plate.rows.append(dict(first))
    else:
        place = {key: first[key] for key in first if key not in ("file_path", "length_x", "length_y")}
        plate.add("copy.tif", pixels_of(99), **place)
    plate.write()
    (error,) = refusals(plate, tmp_path / "out")
    assert error["code"] == "duplicate-place"
    assert first["file_path"] in error["where"]
    assert plate.rows[-1]["file_path"] in error["message"]


def test_defect_10_a_displayed_range_does_not_decide_the_pixel_type(tmp_path: Path) -> None:
    """A largest value of 65536, one more than uint16 holds, stands in the details and in every file's tags."""
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), channels=1, planes=1)
    plate.details += 'channels = [{channel_label = "DAPI", window = [0, 65536]}]\n'
    plate.write()
    highest = ((340, "I", 1, 65536, True), (281, "I", 1, 65536, True))  # SMaxSampleValue, MaxSampleValue
    for name, pixels in plate.pixels.items():
        said = "ImageJ=1.54f\nmin=0.0\nmax=65536.0\nMaxIntensity=65536\n"
        tifffile.imwrite(
            plate.folder / name,
            pixels,
            photometric="minisblack",
            description=said,
            metadata=None,
            extratags=highest,
        )

    converted(plate.folder, tmp_path / "out", "--plate-name", "P")

    image = tmp_path / "out/P.zarr/A/01/0"
    for number in range(2):
        assert zarr.open_array(image / str(number), mode="r").dtype == np.dtype("uint16")
    np.testing.assert_array_equal(level(image), row_of_fields(plate, "A01", 2, 1, 1))
    assert shown_ranges(image) == [(0, 65536)]


def dark_and_bright(folder: Path) -> TablePlate:
    """Three wells whose brightness differs a thousandfold."""
    plate = small_plate(folder, wells=(("A", 1), ("A", 2), ("B", 1)), planes=1)
    factors = {"A01": 1, "A02": 30, "B01": 300}
    plate.pixels = {name: pixels * np.uint16(factors[name[:3]]) for name, pixels in plate.pixels.items()}
    plate.write()
    return plate


def expected_ranges(plate: TablePlate) -> list[tuple[float, float]]:
    """For each channel what leaves a thousandth of all pixels of the plate below and above."""
    pooled = [
        np.concatenate([pixels.ravel() for name, pixels in plate.pixels.items() if f"_c{c}_" in name])
        for c in range(2)
    ]
    return [
        (float(np.floor(np.percentile(pixels, 0.1))), float(np.ceil(np.percentile(pixels, 99.9))))
        for pixels in pooled
    ]


def test_defect_11_display_ranges_are_the_same_in_every_well(tmp_path: Path) -> None:
    plate = dark_and_bright(tmp_path / "plate")
    converted(plate.folder, tmp_path / "out", "--plate-name", "P")
    found = [shown_ranges(tmp_path / "out/P.zarr" / well / "0") for well in ("A/01", "A/02", "B/01")]
    assert found == [expected_ranges(plate)] * 3
    assert len(set(found[0])) == 2, "the channels cannot be told apart"


def test_defect_11_display_ranges_are_the_same_although_each_well_is_a_process_of_its_own(
    tmp_path: Path,
) -> None:
    plate = dark_and_bright(tmp_path / "plate")
    arguments: dict[str, Any] = {
        "zarr_dir": str(tmp_path / "zarr"),
        "acquisitions": [{"path": str(plate.folder)}],
    }
    init = run_task(tmp_path / "init", PLATE, arguments)
    assert init.code == 0, init.log
    for number, unit in enumerate(init.result["parallelization_list"]):
        assert run_task(tmp_path / f"compute {number}", COMPUTE, unit).code == 0
    found = [shown_ranges(tmp_path / "zarr/plate.zarr" / well / "0") for well in ("A/01", "A/02", "B/01")]
    assert found == [expected_ranges(plate)] * 3
