"""What a plan finds out that no image could by itself, and what makes two conversions the same."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from tests.table_plates import PIXEL_SIZE, small_plate
from tests.test_cli_convert import converted, level, run
from tiles2zarr.converter import Acquisition, begin, convert_image, plan
from tiles2zarr.errors import SourceError
from tiles2zarr.models import ConverterOptions, ImageLoaderInterface

if TYPE_CHECKING:
    from pathlib import Path

    from tests.table_plates import TablePlate


def without(plate: TablePlate, *names: str) -> TablePlate:
    plate.rows = [row for row in plate.rows if row["file_path"] not in names]
    return plate


def codes(plate: TablePlate, *options: str) -> list[tuple[str, str]]:
    """Severity and code of each finding of a plate."""
    document = json.loads(run("inspect", plate.write(), "--json", *options).stdout)
    return [(finding["severity"], finding["code"]) for finding in document["findings"]]


class TestLostPlanes:
    """A plane that another image of the acquisition has is lost, however few fields of view there are."""

    def test_of_one_field_of_view_per_well(self, tmp_path: Path) -> None:
        plate = without(small_plate(tmp_path / "plate", fields=1, planes=3), "A01_f0_t0_c1_z2.tif")
        assert codes(plate) == [("error", "missing-plane")]

    def test_of_images_per_field_of_view(self, tmp_path: Path) -> None:
        plate = without(small_plate(tmp_path / "plate", planes=3), "A01_f1_t0_c1_z2.tif")
        assert codes(plate, "--set", "grouping=Per-FOV") == [("error", "missing-plane")]

    def test_of_a_channel(self, tmp_path: Path) -> None:
        plate = small_plate(tmp_path / "plate", fields=1, planes=1)
        assert codes(without(plate, "A01_f0_t0_c1_z0.tif")) == [("error", "missing-plane")]

    def test_at_the_end_of_every_channel_is_worth_a_look(self, tmp_path: Path) -> None:
        plate = small_plate(tmp_path / "plate", fields=1, planes=2)
        plate = without(plate, "A01_f0_t0_c0_z1.tif", "A01_f0_t0_c1_z1.tif")
        assert codes(plate) == [("warning", "uneven-extent")]

    def test_fill_goes_on_and_records_them(self, tmp_path: Path) -> None:
        plate = without(small_plate(tmp_path / "plate", fields=1), "A01_f0_t0_c1_z1.tif")
        converted(plate.write(), tmp_path / "out", "--plate-name", "P", "--set", "missing_tiles=Fill")
        gaps = (tmp_path / "out/P.zarr/A/01/0/tables/gaps/table.csv").read_text()
        assert '"FOV_0",1,0,1,2,"no","no tile"' in gaps
        assert not level(tmp_path / "out/P.zarr/A/01/0")[1, 1].any()


class TestPlanesNeverAcquired:
    """What no field of view of the acquisition has was never taken."""

    def test_a_channel_with_one_plane_of_the_stack(self, tmp_path: Path) -> None:
        plate = small_plate(tmp_path / "plate", planes=3)
        plate.rows = [row for row in plate.rows if row["start_c"] == 0 or row["start_z"] == 2.0]
        assert codes(plate) == [("info", "known-gap")] * 2

    def test_a_channel_that_is_declared_and_unused(self, tmp_path: Path) -> None:
        plate = small_plate(tmp_path / "plate")
        plate.details += 'channels = [{channel_label = "a"}, {channel_label = "b"}, {channel_label = "c"}]\n'
        assert codes(plate) == [("info", "known-gap")] * 2


def test_images_of_an_acquisition_share_channels_and_axes(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", fields=1, planes=1, times=2)
    plate.rows = [row for row in plate.rows if not (row["row"] == "A" and row["start_t"] > 0)]
    document = json.loads(run("inspect", plate.write(), "--json").stdout)
    assert [image["axes"] for image in document["images"]] == ["tczyx", "tczyx"]
    assert [len(image["channels"]) for image in document["images"]] == [2, 2]


def test_tiles_may_share_a_file_by_their_first_page(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1, channels=1, planes=3)
    stack = np.stack(list(plate.pixels.values()))
    plate.pixels = {"stack.tif": stack}
    for page, row in enumerate(plate.rows):
        row |= {"file_path": "stack.tif", "first_page": page}
    converted(plate.write(), tmp_path / "out", "--plate-name", "P")
    np.testing.assert_array_equal(level(tmp_path / "out/P.zarr/A/01/0")[0], stack)


def test_a_stack_that_begins_half_a_step_off_stays_a_stack(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), channels=1, planes=4)
    plate.details = plate.details.replace("z_spacing = 2.0", "z_spacing = 0.2")
    for row in plate.rows:
        row["start_z"] = row["start_z"] / 10 + (0.3 if row["fov_name"] == "FOV_1" else 0.0)
    found = codes(plate, "--set", "missing_tiles=Fill")
    assert ("error", "duplicate-place") not in found


def test_black_and_white_images_become_zeros_and_ones(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1, channels=1, planes=1)
    name = "A01_f0_t0_c0_z0.tif"
    plate.pixels[name] = plate.pixels[name] > 100
    converted(plate.write(), tmp_path / "out", "--plate-name", "P")
    image = level(tmp_path / "out/P.zarr/A/01/0")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[0, 0], plate.pixels[name].astype(np.uint8))


def test_a_kept_offset_is_where_the_first_pixel_lies(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1, planes=1)
    for row in plate.rows:
        row["start_x"] = 100.0 if row["start_c"] == 0 else 97.0
    keep = ("--set", "alignment_correction.remove_xy_offset=Keep")
    converted(plate.write(), tmp_path / "out", "--plate-name", "P", *keep)
    metadata = json.loads((tmp_path / "out/P.zarr/A/01/0/.zattrs").read_text())["multiscales"][0]
    translation = metadata["datasets"][0]["coordinateTransformations"][1]["translation"]
    assert translation == [0.0, 0.0, 0.0, 100.0]


class TestExtend:
    """An image that would come out the same is kept."""

    def test_after_a_filter(self, tmp_path: Path) -> None:
        plate = small_plate(tmp_path / "plate").write()
        only = '[{"name": "Well Include Filter", "wells": ["A1"]}]'
        converted(plate, tmp_path / "out", "--plate-name", "P", "--set", f"acquisition.filters={only}")
        document = converted(plate, tmp_path / "out", "--plate-name", "P", "--mode", "Extend")
        assert [image["status"] for image in document["images"]] == ["skipped", "converted"]

    def test_after_a_change_of_policy(self, tmp_path: Path) -> None:
        plate = small_plate(tmp_path / "plate").write()
        converted(plate, tmp_path / "out", "--plate-name", "P")
        more = ("--set", "missing_tiles=Fill", "--set", "max_displacement=5", "--memory-limit", "1GiB")
        document = converted(plate, tmp_path / "out", "--plate-name", "P", "--mode", "Extend", *more)
        assert [image["status"] for image in document["images"]] == ["skipped", "skipped"]

    def test_not_after_a_change_of_pixels(self, tmp_path: Path) -> None:
        plate = small_plate(tmp_path / "plate")
        converted(plate.write(), tmp_path / "out", "--plate-name", "P")
        tifffile.imwrite(plate.folder / "A01_f0_t0_c0_z0.tif", np.ones((12, 16), "uint16"))
        done = run("convert", plate.folder, tmp_path / "out", "--plate-name", "P", "--mode", "Extend")
        assert done.returncode == 2
        assert "P.zarr/A/01/0: expected no image or this very one" in done.stderr


def test_a_source_that_changes_meanwhile_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1, channels=1, planes=1)
    folder = plate.write()
    planned = plan([Acquisition(folder)], tmp_path / "out", ConverterOptions())
    begin(planned)
    job = planned.images[0].job
    loader = type(job.image.tiles.loaders[0])
    read = loader.load_plane_into

    def read_and_change(self: ImageLoaderInterface, *arguments: object) -> object:
        pixels = read(self, *arguments)  # type: ignore[arg-type]
        os.utime(folder / "A01_f0_t0_c0_z0.tif", ns=(1, 1))
        return pixels

    monkeypatch.setattr(loader, "load_plane_into", read_and_change)
    with pytest.raises(SourceError, match="changed while they were converted"):
        convert_image(job)
    assert not job.target.exists()
    assert [entry.name for entry in job.target.parent.iterdir() if not entry.name.startswith(".z")] == []


def test_an_extent_that_no_stage_has(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    for row in plate.rows:
        row["start_x"] = 0.0 if row["fov_name"] == "FOV_0" else 900_000 * PIXEL_SIZE * 2
    assert ("error", "implausible-extent") in codes(plate)


def test_wells_may_be_named_in_one_column(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1), ("AF", 12)), fields=1, channels=1, planes=1)
    for row in plate.rows:
        row["well"] = f"{row.pop('row').lower()}{row.pop('column')}"
    converted(plate.write(), tmp_path / "out", "--plate-name", "P")
    image = level(tmp_path / "out/P.zarr/AF/12/0")
    np.testing.assert_array_equal(image[0, 0], plate.pixels["AF12_f0_t0_c0_z0.tif"])


def test_a_cell_that_is_no_well(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1, channels=1, planes=1)
    for row in plate.rows:
        row["well"] = f"{row.pop('column')}{row.pop('row')}"
    done = run("convert", plate.write(), tmp_path / "out")
    assert done.returncode == 2
    assert "row 1, column well: well '1A': expected letters from A to ZZ and a column" in done.stderr


@pytest.mark.parametrize(("axis", "positions"), [("z", (0, 1, 3)), ("z", (0, 2, 3)), ("t", (0, 10, 30))])
def test_a_derived_spacing_hides_no_lost_plane(tmp_path: Path, axis: str, positions: tuple[int, ...]) -> None:
    """The mean of two different steps would fit all planes, at wrong positions."""
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1, channels=1, planes=3)
    plate.details = f"pixelsize = {PIXEL_SIZE}\n"
    for row, position in zip(plate.rows, positions, strict=True):
        row["start_z"] = row["start_t"] = 0
        row[f"start_{axis}"] = position
    assert ("error", "missing-plane") in codes(plate)


def test_planes_that_lie_off_their_steps_are_said(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1, channels=1, planes=3)
    for row, position in zip(plate.rows, (0.0, 2.8, 4.6), strict=True):
        row["start_z"] = position
    assert codes(plate) == [("warning", "displaced")]


@pytest.mark.parametrize("indices", [(1, 1), (0, 2), (5, 5)])
def test_a_channel_index_that_no_tile_has(tmp_path: Path, indices: tuple[int, int]) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1, planes=1)
    plate.rows = plate.rows[: len(set(indices))]
    for row, index in zip(plate.rows, dict.fromkeys(indices), strict=True):
        row["start_c"] = index
    done = run("convert", plate.write(), tmp_path / "out")
    assert done.returncode == 2
    assert "start_c counts from 0" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows makes no links without rights")
@pytest.mark.parametrize("dangling", [False, True])
def test_overwriting_a_link_replaces_the_link(tmp_path: Path, dangling: bool) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),)).write()
    converted(plate, tmp_path / "out", "--plate-name", "P")
    image = tmp_path / "out/P.zarr/A/01/0"
    image.rename(tmp_path / "elsewhere")
    image.symlink_to(tmp_path / ("nowhere" if dangling else "elsewhere"))
    for _ in range(2):
        converted(plate, tmp_path / "out", "--plate-name", "P", "--mode", "Overwrite")
    assert image.is_dir()
    assert not image.is_symlink()
    assert (tmp_path / "elsewhere").is_dir()
    assert [entry.name for entry in image.parent.iterdir() if not entry.name.startswith(".z")] == ["0"]


def test_a_file_name_that_no_system_takes(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    plate.write()
    plate.rows[0]["file_path"] = "x" * 300 + ".tif"
    plate.write_table()
    done = run("convert", plate.folder, tmp_path / "out")
    assert done.returncode == 2
    assert "x" * 300 in done.stderr
    assert not (tmp_path / "out").exists()


class TestNumbersOfAcquisitions:
    """Who gives none gets the lowest that the plate has left in the run."""

    @staticmethod
    def numbers(*acquisitions: Acquisition) -> list[str]:
        planned = plan(acquisitions, None, ConverterOptions())
        return [image.job.image.path for image in planned.images]

    def test_runs_of_one_plate_are_counted_whatever_their_folders_are_called(self, tmp_path: Path) -> None:
        paths = [small_plate(tmp_path / name, wells=(("A", 1),)).write() for name in ("first", "second")]
        runs = [Acquisition(path, plate_name="P", acquisition_id=None) for path in paths]
        assert self.numbers(*runs) == ["P.zarr/A/01/0", "P.zarr/A/01/1"]

    def test_runs_of_several_plates_each_begin_at_zero(self, tmp_path: Path) -> None:
        paths = [small_plate(tmp_path / name, wells=(("A", 1),)).write() for name in ("first", "second")]
        runs = [Acquisition(path, acquisition_id=None) for path in paths]
        assert self.numbers(*runs) == ["first.zarr/A/01/0", "second.zarr/A/01/0"]

    def test_numbers_that_are_given_are_left_to_whom_they_were_given(self, tmp_path: Path) -> None:
        paths = [small_plate(tmp_path / name, wells=(("A", 1),)).write() for name in ("a", "b", "c")]
        numbers = (None, 0, None)
        runs = [
            Acquisition(path, plate_name="P", acquisition_id=number)
            for path, number in zip(paths, numbers, strict=True)
        ]
        assert self.numbers(*runs) == ["P.zarr/A/01/1", "P.zarr/A/01/0", "P.zarr/A/01/2"]


def test_a_mosaic_that_was_registered_already_is_left_as_it_is(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    for row in plate.rows:  # they are 16 px wide
        row["start_x"] = {"FOV_0": 0.0, "FOV_1": 15 * PIXEL_SIZE}[row["fov_name"]]

    def width(details: str) -> int:
        plate.details = details
        (image,) = plan([Acquisition(plate.write())], None, ConverterOptions()).images
        assert image.placed is not None
        return image.placed.shape.x

    details = plate.details
    assert (width(details), width(f"{details}registered = true\n")) == (32, 31)
