"""What is said of an image that is in the way: what is there, how it differs, what to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import tifffile

from tests.table_plates import TablePlate, small_plate
from tests.test_cli_convert import converted, run
from tiles2zarr.converter import Acquisition, plan
from tiles2zarr.existing_images import output_findings
from tiles2zarr.models import ConverterOptions, OverwriteMode
from tiles2zarr.writer.groups import write_group

if TYPE_CHECKING:
    from pathlib import Path

REMEDY = "use mode Overwrite to replace it, or another plate name or acquisition id"


@pytest.fixture
def plate(tmp_path: Path) -> TablePlate:
    made = small_plate(tmp_path / "source")
    made.write()
    converted(made.folder, tmp_path / "zarr", "--plate-name", "P")
    return made


def refusals(source: Path, zarr_dir: Path, *arguments: str) -> list[str]:
    """What a run with Extend is refused for, one line for each image."""
    done = run("convert", source, zarr_dir, "--plate-name", "P", "--mode", "Extend", *arguments)
    assert (done.returncode, done.stdout) == (2, "looking at the source\n")
    *lines, last = done.stderr.strip().splitlines()
    assert last == "refused; nothing was written"
    return lines


def test_an_image_that_another_run_finished_meanwhile_is_no_obstacle(
    plate: TablePlate, tmp_path: Path
) -> None:
    planned = plan(
        [Acquisition(plate.folder, plate_name="P")],
        tmp_path / "zarr",
        ConverterOptions(),
        OverwriteMode.EXTEND,
    )
    jobs = [(image.job, False) for image in planned.images]  # none was there when the run looked
    assert list(output_findings(jobs, tmp_path / "zarr")) == []


def test_a_changed_option_is_named_with_both_values(plate: TablePlate, tmp_path: Path) -> None:
    lines = refusals(
        plate.folder,
        tmp_path / "zarr",
        *("--set", "omezarr_options.compression=zstd", "--set", "overlap_mode=Mean"),
    )
    for line, well in zip(lines, ("A/01", "B/02"), strict=True):
        assert line == (
            f"error: P.zarr/{well}/0: expected no image or this very one, found one made with other options "
            "(omezarr_options.compression = 'blosc-lz4', now 'zstd', overlap_mode = 'Last', now 'Mean'): "
            + REMEDY
        )


def test_a_changed_source_file_is_named(plate: TablePlate, tmp_path: Path) -> None:
    name = "B02_f1_t0_c1_z0.tif"
    tifffile.imwrite(plate.folder / name, plate.pixels[name] + 1, photometric="minisblack")
    (line,) = refusals(plate.folder, tmp_path / "zarr")
    assert line == (
        "error: P.zarr/B/02/0: expected no image or this very one, found one made from other source files "
        f"({plate.folder / name} changed since): " + REMEDY
    )


def test_of_many_changed_files_three_are_named(plate: TablePlate, tmp_path: Path) -> None:
    for name in plate.pixels:
        os.utime(plate.folder / name)
    lines = refusals(plate.folder, tmp_path / "zarr")
    assert [line.count(".tif") for line in lines] == [3, 3]
    assert "and 5 more changed since)" in lines[0]


def test_files_that_were_put_back_in_time_are_other_files(plate: TablePlate, tmp_path: Path) -> None:
    os.utime(plate.folder / "A01_f0_t0_c0_z0.tif", (1, 1))
    (line,) = refusals(plate.folder, tmp_path / "zarr")
    assert (
        "P.zarr/A/01/0: expected no image or this very one, found one made from other source files: " in line
    )


def test_moved_tiles_are_other_tiles(plate: TablePlate, tmp_path: Path) -> None:
    for row in plate.rows[:8]:
        row["start_x"] *= 2
    plate.write_table()
    (line,) = refusals(plate.folder, tmp_path / "zarr")
    assert (
        "found one made from other tiles (their files, places, channels, pixel size or conditions): " in line
    )


def test_an_image_that_is_not_ours(plate: TablePlate, tmp_path: Path) -> None:
    write_group(tmp_path / "zarr/P.zarr/A/01/0", {"multiscales": []}, "0.4")
    (line,) = refusals(plate.folder, tmp_path / "zarr")
    assert "found one without a whole record of tiles2zarr: " in line
