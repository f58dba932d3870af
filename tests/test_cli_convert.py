"""The command line as users run it: whole conversions, each compared pixel by pixel with its source."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import ngio
import numpy as np
import pytest
import tifffile
import zarr

from tests.table_plates import PIXEL_SIZE, TablePlate, pixels_of, small_plate
from tiles2zarr.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Done:
    """The command line in this process: the same function that the command starts."""
    out, err = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "argv", ["tiles2zarr", *map(str, arguments)]),
        pytest.raises(SystemExit) as left,
    ):
        main()
    assert isinstance(left.value.code, int)
    return Done(left.value.code, out.getvalue(), err.getvalue())


def run_as_a_process(*arguments: object) -> Done:
    """The installed command."""
    command = [sys.executable, "-m", "tiles2zarr.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def converted(*arguments: object) -> dict[str, Any]:
    """A conversion that must succeed, and the document it prints."""
    done = run("convert", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def level(image: Path, number: int = 0) -> np.ndarray[Any, Any]:
    return np.asarray(zarr.open_array(image / str(number), mode="r")[...])


def halved(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The mean of 2 x 2 pixels, halves rounded upwards, in plain arithmetic."""
    height, width = (length // 2 for length in pixels.shape[-2:])
    even = pixels[..., : 2 * height, : 2 * width].astype(np.int64)
    total = sum(even[..., dy::2, dx::2] for dy in (0, 1) for dx in (0, 1))
    return ((total + 2) // 4).astype(pixels.dtype)


def assert_levels_are_means(image: Path) -> None:
    levels = sorted(int(folder.name) for folder in image.iterdir() if folder.name.isdecimal())
    for number in levels[1:]:
        np.testing.assert_array_equal(level(image, number), halved(level(image, number - 1)))


def row_of_fields(
    plate: TablePlate, well: str, fields: int, channels: int, planes: int
) -> np.ndarray[Any, Any]:
    return np.array(
        [
            [
                np.hstack([plate.pixels[f"{well}_f{f}_t0_c{c}_z{z}.tif"] for f in range(fields)])
                for z in range(planes)
            ]
            for c in range(channels)
        ]
    )


def test_a_plate_arrives_pixel_by_pixel(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate 1")
    document = converted(plate.write(), tmp_path / "out", "--plate-name", "P")
    for well, folder in (("A01", "A/01"), ("B02", "B/02")):
        image = tmp_path / "out" / "P.zarr" / folder / "0"
        np.testing.assert_array_equal(level(image), row_of_fields(plate, well, 2, 2, 2))
        assert_levels_are_means(image)
    assert [(image["status"], image["tiles"], image["error"]) for image in document["images"]] == [
        ("converted", 8, None)
    ] * 2
    assert document["images"][0]["zarr_url"] == str(tmp_path / "out" / "P.zarr" / "A" / "01" / "0")
    assert document["findings"] == []
    assert {"seconds", "peak_memory_mb", "tiles2zarr_version"} < set(document)


def test_the_report_of_the_run_stands_beside_the_plate(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    document = converted(plate.write(), tmp_path / "out", "--plate-name", "P")
    assert json.loads((tmp_path / "out" / "conversion_report.json").read_bytes()) == document
    again = converted(plate.folder, tmp_path / "out", "--plate-name", "P", "--mode", "Extend")
    assert json.loads((tmp_path / "out" / "conversion_report.json").read_bytes()) == again
    assert [image["status"] for image in again["images"]] == ["skipped"] * 2
    refused = run("convert", plate.folder, tmp_path / "out", "--plate-name", "P")
    assert refused.returncode == 2
    assert json.loads((tmp_path / "out" / "conversion_report.json").read_bytes()) == again


def test_the_report_says_what_was_run(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    document = converted(plate.write(), tmp_path / "x" / ".." / "out", "--plate-name", "P", "--workers", 2)
    about = document["run"]
    assert (about["source"], about["destination"]) == (str(plate.folder), str(tmp_path / "out"))
    assert (about["mode"], about["format"], about["workers"]) == ("No Overwrite", "table", 2)
    assert about["options"]["omezarr_options"]["num_levels"] == 5
    assert datetime.fromisoformat(about["started"]).tzinfo is not None


def test_files_that_are_gone_are_filled_when_asked_for(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    plate.write()
    lost = plate.folder / "A01_f1_t0_c1_z0.tif"
    lost.unlink()
    fill = ("--plate-name", "P", "--set", "missing_tiles=Fill")
    refused = run("convert", plate.folder, tmp_path / "out", "--plate-name", "P")
    assert refused.returncode == 2
    assert "set missing_tiles to Fill" in refused.stderr

    document = converted(plate.folder, tmp_path / "out", *fill)

    assert [(finding["code"], finding["severity"]) for finding in document["findings"]] == [
        ("missing-file", "warning"),
    ]
    place = "P.zarr/A/01/0, FOV_1 (channel_1, z-plane 0, timepoint 0)"
    assert document["findings"][0]["where"] == f"{place}, {lost}"
    pixels = level(tmp_path / "out/P.zarr/A/01/0")
    assert not pixels[1, 0, :, 16:].any()
    np.testing.assert_array_equal(pixels[1, 0, :, :16], plate.pixels["A01_f0_t0_c1_z0.tif"])
    image = ngio.open_ome_zarr_container(tmp_path / "out/P.zarr/A/01/0", mode="r")
    gaps = image.get_table("gaps").dataframe
    assert gaps[["fov_name", "c", "t", "z_start", "z_stop", "known", "reason"]].values.tolist() == [
        ["FOV_1", 1, 0, 0, 1, "no", "file missing"]
    ]
    again = converted(plate.folder, tmp_path / "out", *fill, "--mode", "Extend", "--verify")
    assert [image["status"] for image in again["images"]] == ["skipped"] * 2


def test_a_destination_whose_name_is_not_utf8(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    dest = os.fsdecode(os.fsencode(tmp_path) + b"/out\xff")
    done = run("convert", plate.write(), dest)
    assert done.returncode == 2
    assert "expected a destination whose name is UTF-8" in done.stderr
    assert not os.path.exists(dest)


def test_a_report_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    (tmp_path / "out" / "conversion_report.json").mkdir(parents=True)
    document = converted(plate.write(), tmp_path / "out", "--plate-name", "P")
    (finding,) = document["findings"]
    assert (finding["code"], finding["severity"]) == ("unwritten-report", "warning")
    assert [image["status"] for image in document["images"]] == ["converted"] * 2


def test_the_command_is_the_same_in_a_process_of_its_own(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    converted(plate.write(), tmp_path / "one", "--plate-name", "P")
    done = run_as_a_process("convert", plate.folder, tmp_path / "other", "--plate-name", "P")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 converted of 2 images: 16 tiles" in done.stdout
    assert contents(tmp_path / "one") == contents(tmp_path / "other")
    refused = run_as_a_process("convert", plate.folder, tmp_path / "other", "--plate-name", "P")
    assert refused.returncode == 2
    assert "use mode Extend to keep it" in refused.stderr


def test_the_default_plate_name_is_the_folders_name_made_valid(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate #7 (b)", wells=(("A", 1),))
    converted(plate.write(), tmp_path / "out")
    assert [folder.name for folder in (tmp_path / "out").glob("*.zarr")] == ["plate _7 _b.zarr"]


def test_rows_of_a_1536_well_plate_go_to_af(tmp_path: Path) -> None:
    wells = (("A", 1), ("Z", 48), ("AA", 1), ("AF", 48))
    plate = small_plate(tmp_path / "plate", wells=wells, fields=1, channels=1, planes=1)
    converted(plate.write(), tmp_path / "out", "--plate-name", "P")
    attributes = json.loads((tmp_path / "out/P.zarr/.zattrs").read_text())["plate"]
    assert [row["name"] for row in attributes["rows"]] == ["A", "Z", "AA", "AF"]
    assert [well["path"] for well in attributes["wells"]] == ["A/01", "Z/48", "AA/01", "AF/48"]
    np.testing.assert_array_equal(
        level(tmp_path / "out/P.zarr/AF/48/0")[0, 0], plate.pixels["AF48_f0_t0_c0_z0.tif"]
    )


def test_every_well_of_a_1536_well_plate(tmp_path: Path) -> None:
    from tiles2zarr.models import row_name

    wells = tuple((row_name(row), column) for row in range(32) for column in range(1, 49))
    plate = small_plate(tmp_path / "plate", wells=wells, fields=1, channels=1, planes=1, side=(4, 6))
    document = converted(
        plate.write(), tmp_path / "out", "--plate-name", "P", "--set", "omezarr_options.num_levels=1"
    )
    assert len(document["images"]) == 1536
    for row, column in wells:
        expected = plate.pixels[f"{row}{column:02d}_f0_t0_c0_z0.tif"]
        np.testing.assert_array_equal(level(tmp_path / f"out/P.zarr/{row}/{column:02d}/0")[0, 0], expected)


def test_a_time_series_has_a_time_axis(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1, channels=1, planes=2, times=3)
    converted(plate.write(), tmp_path / "out", "--plate-name", "P")
    image = tmp_path / "out/P.zarr/A/01/0"
    expected = [[[plate.pixels[f"A01_f0_t{t}_c0_z{z}.tif"] for z in range(2)]] for t in range(3)]
    np.testing.assert_array_equal(level(image), expected)
    multiscale = json.loads((image / ".zattrs").read_text())["multiscales"][0]
    assert [axis["name"] for axis in multiscale["axes"]] == list("tczyx")
    assert multiscale["datasets"][0]["coordinateTransformations"][0]["scale"] == [
        60.0,
        1.0,
        2.0,
        PIXEL_SIZE,
        PIXEL_SIZE,
    ]


def test_two_acquisitions_share_a_plate(tmp_path: Path) -> None:
    first = small_plate(tmp_path / "cycle0", wells=(("A", 1),), fields=1, channels=1, planes=1)
    second = small_plate(tmp_path / "cycle1", wells=(("A", 1), ("A", 2)), fields=1, channels=1, planes=1)
    second.pixels = {name: pixels + 1 for name, pixels in second.pixels.items()}
    converted(first.write(), tmp_path / "out", "--plate-name", "P")
    converted(second.write(), tmp_path / "out", "--plate-name", "P", "--acquisition-id", 1)
    plate = tmp_path / "out/P.zarr"
    attributes = json.loads((plate / ".zattrs").read_text())["plate"]
    assert [entry["id"] for entry in attributes["acquisitions"]] == [0, 1]
    well = json.loads((plate / "A/01/.zattrs").read_text())["well"]
    assert well["images"] == [{"path": "0", "acquisition": 0}, {"path": "1", "acquisition": 1}]
    name = "A01_f0_t0_c0_z0.tif"
    np.testing.assert_array_equal(level(plate / "A/01/0")[0, 0], first.pixels[name])
    np.testing.assert_array_equal(level(plate / "A/01/1")[0, 0], second.pixels[name])


def test_a_single_field_of_view_keeps_its_stage_position(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("C", 3),), fields=1, channels=1, planes=1)
    plate.rows[0] |= {"start_x": -1234.5, "start_y": 678.25}
    converted(plate.write(), tmp_path / "out", "--plate-name", "P")
    table = (tmp_path / "out/P.zarr/C/03/0/tables/FOV_ROI_table/table.csv").read_text().splitlines()
    values = dict(zip(table[0].replace('"', "").split(","), table[1].split(","), strict=True))
    assert (values["x_micrometer"], values["x_micrometer_original"], values["y_micrometer_original"]) == (
        "0.0",
        "-1234.5",
        "678.25",
    )


def test_single_images_go_to_folders_of_their_names(tmp_path: Path) -> None:
    table = TablePlate(tmp_path / "slides")
    for name in ("s1", "s2"):
        table.add(
            f"{name}.tif",
            pixels_of(len(name), ord(name[1])),
            image_path=name,
            fov_name="1",
            start_x=0,
            start_y=0,
        )
    converted(table.write(), tmp_path / "out")
    for name in ("s1", "s2"):
        np.testing.assert_array_equal(
            level(tmp_path / "out" / f"{name}.zarr")[0, 0], table.pixels[f"{name}.tif"]
        )


def test_positions_in_pixels(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    for row in plate.rows:
        row["start_x"] /= PIXEL_SIZE
        row["start_z"] /= 2.0
    plate.details += 'position_unit = "pixel"\n'
    converted(plate.write(), tmp_path / "out", "--plate-name", "P")
    np.testing.assert_array_equal(level(tmp_path / "out/P.zarr/A/01/0"), row_of_fields(plate, "A01", 2, 2, 2))


def test_per_fov_images(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), channels=1, planes=1)
    converted(plate.write(), tmp_path / "out", "--plate-name", "P", "--set", "grouping=Per-FOV")
    for f in range(2):
        image = tmp_path / f"out/P.zarr/A/01/0f{f}"
        np.testing.assert_array_equal(level(image)[0, 0], plate.pixels[f"A01_f{f}_t0_c0_z0.tif"])


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_write_the_same_bytes(tmp_path: Path, workers: int) -> None:
    plate = small_plate(tmp_path / "plate")
    converted(plate.write(), tmp_path / "one", "--plate-name", "P", "--set", "runtime.threads=1")
    converted(plate.folder, tmp_path / "other", "--plate-name", "P", "--workers", workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a destination but the report of the run, which holds times."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in files
        if file != folder / "conversion_report.json"
    }


@pytest.mark.realdata
def test_the_cellprofiler_example(tmp_path: Path, real_dataset: Callable[[str], Path]) -> None:
    source = real_dataset("customtiff-cellprofiler-sbs")
    table = TablePlate(tmp_path / "table")
    table.folder.mkdir()
    for number, row, column in ((1, "A", 1), (2, "A", 2), (13, "B", 1), (14, "B", 2)):
        for channel in (1, 2):
            name = f"Channel{channel}-{number:02d}-{row}-{column:02d}.tif"
            place = {
                "row": row,
                "column": column,
                "fov_name": "1",
                "start_x": 0,
                "start_y": 0,
                "start_c": channel - 1,
            }
            table.rows.append({"file_path": str(source / name), "length_x": 640, "length_y": 640, **place})
    table.write_table()
    converted(table.folder, tmp_path / "out", "--plate-name", "SBS", "--allow-outside")
    plate = tmp_path / "out" / "SBS.zarr"
    for row, column, number in (("A", 1, 1), ("A", 2, 2), ("B", 1, 13), ("B", 2, 14)):
        image = plate / row / f"{column:02d}" / "0"
        for channel in (1, 2):
            expected = tifffile.imread(source / f"Channel{channel}-{number:02d}-{row}-{column:02d}.tif")
            np.testing.assert_array_equal(level(image)[channel - 1, 0], expected)
        assert_levels_are_means(image)
    assert_readers_agree(plate)


def assert_readers_agree(plate: Path) -> None:
    """ngio, ome-zarr-py and ome-zarr-models open the plate and find what is there."""
    import ngio
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader
    from ome_zarr_models.v04.hcs import HCS
    from ome_zarr_models.v04.image import Image

    opened = ngio.open_ome_zarr_plate(plate)
    assert opened.wells_paths() == ["A/01", "A/02", "B/01", "B/02"]
    image = opened.get_image(row="A", column=1, image_path="0").get_image()
    np.testing.assert_array_equal(image.get_as_numpy(), level(plate / "A/01/0"))
    assert {"FOV_ROI_table", "well_ROI_table"} <= set(
        opened.get_image(row="A", column=1, image_path="0").list_tables()
    )
    HCS.from_zarr(zarr.open_group(plate, mode="r"))
    for well in ("A/01", "B/02"):
        Image.from_zarr(zarr.open_group(plate / well / "0", mode="r"))
    location = parse_url(str(plate))
    assert location is not None
    assert list(Reader(location)())
