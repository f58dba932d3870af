"""Bad input ends with exit code 2, one clear message, and nothing written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from tests.table_plates import TablePlate, small_plate
from tests.test_cli_convert import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def one_tile_less(plate: TablePlate) -> None:
    for row in plate.rows:
        del row["start_x"]


def unknown_channel(plate: TablePlate) -> None:
    plate.details += 'channels = [{channel_label = "DAPI"}, {channel_label = "GFP"}]\n'
    plate.rows[3]["start_c"] = 2


def nan_position(plate: TablePlate) -> None:
    plate.rows[2]["start_y"] = float("nan")


def two_tiles_in_one_place(plate: TablePlate) -> None:
    plate.rows[1] |= {key: plate.rows[0][key] for key in ("start_z", "start_c")}


def absolute_path(plate: TablePlate) -> None:
    tifffile.imwrite(plate.folder.parent / "other.tif", plate.pixels["A01_f0_t0_c0_z0.tif"])
    plate.rows[0]["file_path"] = str(plate.folder.parent / "other.tif")


def path_upwards(plate: TablePlate) -> None:
    plate.rows[0]["file_path"] = "../other.tif"


def mixed_types(plate: TablePlate) -> None:
    plate.pixels["A01_f0_t0_c1_z0.tif"] = plate.pixels["A01_f0_t0_c1_z0.tif"].astype("uint8")


def color_among_grey(plate: TablePlate) -> None:
    (plate.folder / "A01_f0_t0_c1_z0.tif").unlink()
    tifffile.imwrite(plate.folder / "A01_f0_t0_c1_z0.tif", np.zeros((12, 16, 3), "uint16"), photometric="rgb")


def more_pages_than_planes(plate: TablePlate) -> None:
    plate.pixels["A01_f0_t0_c1_z0.tif"] = np.ones((3, 12, 16), "uint16")


def far_away(plate: TablePlate) -> None:
    for row in plate.rows:
        if row["fov_name"] == "FOV_1":
            row["start_x"] = 1e12


def missing_file(plate: TablePlate) -> None:
    (plate.folder / "A01_f0_t0_c1_z0.tif").unlink()


def truncated_file(plate: TablePlate) -> None:
    os.truncate(plate.folder / "A01_f0_t0_c1_z0.tif", 300)


def other_shape(plate: TablePlate) -> None:
    plate.pixels["A01_f0_t0_c1_z0.tif"] = np.ones((12, 17), "uint16")
    plate.rows[2]["length_x"] = 16


def empty_table(plate: TablePlate) -> None:
    names = ",".join(plate.rows[0])
    plate.rows.clear()
    plate.pixels.clear()
    plate.folder.mkdir()
    (plate.folder / "tiles.csv").write_text(names + "\n")


def missing_plane(plate: TablePlate) -> None:
    del plate.rows[0]


BEFORE_WRITING = [
    (one_tile_less, "missing column start_x"),
    (unknown_channel, "A01_f0_t0_c1_z1.tif"),
    (nan_position, "start_y"),
    (two_tiles_in_one_place, "found a second one"),
    (path_upwards, "../other.tif"),
    (mixed_types, "found uint8"),
    (more_pages_than_planes, "expected 1 plane (t 1, c 1, z 1), found 3"),
    (far_away, "1e+12"),
    (other_shape, "expected 12 x 16 px (height x width), found 12 x 17"),
    (missing_plane, "expected a tile, found none"),
]
AFTER_WRITING = [
    (absolute_path, "other.tif"),
    (color_among_grey, "3 colours per pixel"),
    (missing_file, "A01_f0_t0_c1_z0.tif"),
    (truncated_file, "A01_f0_t0_c1_z0.tif"),
]


def assert_refused(plate: TablePlate, out: Path, message: str, *options: str) -> None:
    done = run("convert", plate.folder, out, *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("spoil", "message"), BEFORE_WRITING, ids=lambda case: getattr(case, "__name__", None)
)
def test_a_bad_table(tmp_path: Path, spoil: Callable[[TablePlate], None], message: str) -> None:
    plate = small_plate(tmp_path / "plate")
    spoil(plate)
    plate.write()
    assert_refused(plate, tmp_path / "out", message, "--plate-name", "P")


@pytest.mark.parametrize(
    ("spoil", "message"), AFTER_WRITING, ids=lambda case: getattr(case, "__name__", None)
)
def test_a_bad_file(tmp_path: Path, spoil: Callable[[TablePlate], None], message: str) -> None:
    plate = small_plate(tmp_path / "plate")
    plate.write()
    spoil(plate)
    plate.write_table()
    assert_refused(plate, tmp_path / "out", message, "--plate-name", "P")


def test_an_empty_table(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    empty_table(plate)
    assert_refused(plate, tmp_path / "out", "at least one row")


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "nul\u0007", "con"])
def test_a_plate_name_that_zarr_cannot_hold(tmp_path: Path, name: str) -> None:
    plate = small_plate(tmp_path / "plate")
    plate.write()
    assert_refused(plate, tmp_path / "out", "no valid Zarr name", "--plate-name", name)


def test_an_image_that_exists(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    plate.write()
    assert run("convert", plate.folder, tmp_path / "out").returncode == 0
    done = run("convert", plate.folder, tmp_path / "out")
    assert done.returncode == 2
    assert "use mode Extend to keep it" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "num_levels=3"), "option num_levels: unknown"),
        (("--set", "omezarr_options.num_levels=0"), "option omezarr_options.num_levels"),
        (("--set", "tiling_mode"), "expected KEY=VALUE"),
        (("--memory-limit", "much"), "expected a size such as 2GiB"),
        (
            (
                "--memory-limit",
                "0.2GiB",
                "--set",
                'omezarr_options.chunks={"mode":"Fixed Size","xy_chunk":65536,"z_chunk":1}',
            ),
            "use smaller chunks",
        ),
        (("--format", "nonsense"), "unknown format 'nonsense'"),
    ],
)
def test_a_bad_option(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    plate = small_plate(
        tmp_path / "plate", side=(3000, 4000), fields=1, channels=1, planes=1, wells=(("A", 1),)
    )
    plate.write()
    assert_refused(plate, tmp_path / "out", message, *options)


def test_a_folder_of_no_known_format(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    plate = TablePlate(tmp_path / "nothing")
    assert_refused(plate, tmp_path / "out", "no known format")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert_refused(TablePlate(tmp_path / "gone"), tmp_path / "out", "found nothing there")
