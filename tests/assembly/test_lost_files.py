"""Files that a source names and that are gone: filled where that is asked for, recorded, told once each."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.table_plates import PIXEL_SIZE, small_plate
from tests.test_cli_convert import converted, level, run
from tiles2zarr.converter import Acquisition, begin, convert_image, plan
from tiles2zarr.core.job import ImageJob
from tiles2zarr.errors import SourceError
from tiles2zarr.models import ConverterOptions, ImageInPlate, MissingTiles, OverwriteMode
from tiles2zarr.sources import source_by_name

if TYPE_CHECKING:
    from tests.table_plates import TablePlate

FILL = ("--plate-name", "P", "--set", "missing_tiles=Fill")
FILE_MISSING = "file missing"


def without_files(plate: TablePlate, pattern: str) -> Path:
    """The folder of a plate without some of its files; the table still names them."""
    folder = plate.write()
    lost = sorted(folder.glob(pattern))
    assert lost
    for file in lost:
        file.unlink()
    return folder


def table(image: Path, name: str) -> list[dict[str, str]]:
    with (image / "tables" / name / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def gap(field: str, c: int, start: int, stop: int, reason: str = FILE_MISSING) -> dict[str, str]:
    return {
        "fov_name": field,
        "c": str(c),
        "t": "0",
        "z_start": str(start),
        "z_stop": str(stop),
        "known": "no",
        "reason": reason,
    }


def told(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["severity"], finding["code"]) for finding in document["findings"]]


def test_a_field_of_view_without_any_file_stays_black_and_is_recorded(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    whole = converted(plate.write(), tmp_path / "whole", "--plate-name", "P")
    folder = without_files(plate, "A01_f1_*")
    document = converted(folder, tmp_path / "out", *FILL, "--verify")
    assert told(document) == [("warning", "missing-file")] * 4
    image = tmp_path / "out/P.zarr/A/01/0"
    assert table(image, "gaps") == [gap("FOV_1", 0, 0, 2), gap("FOV_1", 1, 0, 2)]
    assert table(image, "FOV_ROI_table") == table(tmp_path / "whole/P.zarr/A/01/0", "FOV_ROI_table")
    expected = level(tmp_path / "whole/P.zarr/A/01/0").copy()
    expected[..., 16:] = 0
    np.testing.assert_array_equal(level(image), expected)
    assert [image["tiles"] for image in whole["images"]] == [8, 8]
    assert [image["tiles"] for image in document["images"]] == [4, 8]
    found = json.loads(run("validate", tmp_path / "out", "--against", folder, "--json").stdout)
    assert (found["conforms"], found["identical"], found["differences"]) == (True, True, [])
    assert found["findings"] == document["findings"]


def test_a_file_that_is_lost_after_it_was_converted_shows_against_its_source(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    folder = plate.write()
    converted(folder, tmp_path / "out", *FILL)
    for file in folder.glob("A01_f1_*"):
        file.unlink()
    found = json.loads(run("validate", tmp_path / "out", "--against", folder, "--json").stdout)
    assert found["identical"] is False
    assert {Path(each["image"]) for each in found["differences"]} == {tmp_path / "out/P.zarr/A/01/0"}
    codes = [finding["code"] for finding in found["findings"]]
    assert codes == ["missing-file"] * 4 + ["changed-source"]


def test_the_planes_around_lost_ones_keep_their_places(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), planes=3)
    converted(plate.write(), tmp_path / "whole", "--plate-name", "P")
    converted(without_files(plate, "*_z0.tif"), tmp_path / "out", *FILL)
    expected = level(tmp_path / "whole/P.zarr/A/01/0").copy()
    expected[:, 0] = 0
    np.testing.assert_array_equal(level(tmp_path / "out/P.zarr/A/01/0"), expected)


@pytest.mark.parametrize("fields", [1, 2])
def test_a_channel_without_any_file_is_lost_and_not_one_that_was_never_acquired(
    fields: int, tmp_path: Path
) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=fields)
    document = converted(without_files(plate, "*_c1_*"), tmp_path / "out", *FILL)
    assert told(document) == [("warning", "missing-file")] * 2 * fields
    gaps = table(tmp_path / "out/P.zarr/A/01/0", "gaps")
    assert gaps == [gap(f"FOV_{field}", 1, 0, 2) for field in range(fields)]


def test_a_lost_file_is_told_once_with_its_place_in_the_image(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", planes=3)
    plate.details += 'channels = [{channel_label = "DAPI"}, {channel_label = "GFP"}]\n'
    folder = without_files(plate, "B02_f1_t0_c1_z2.tif")
    (finding,) = converted(folder, tmp_path / "out", *FILL)["findings"]
    assert finding == {
        "severity": "warning",
        "code": "missing-file",
        "where": f"P.zarr/B/02/0, FOV_1 (GFP, z-plane 2, timepoint 0), {folder / 'B02_f1_t0_c1_z2.tif'}",
        "message": "expected a file, found none: find it, or leave its planes filled and recorded in the gaps table",
    }


def test_a_lost_file_and_a_plane_that_no_file_is_named_for_are_told_apart(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    plate.rows = [row for row in plate.rows if row["file_path"] != "A01_f0_t0_c0_z0.tif"]
    document = converted(without_files(plate, "A01_f0_t0_c0_z1.tif"), tmp_path / "out", *FILL)
    assert told(document) == [("warning", "missing-file"), ("warning", "missing-plane")]
    gaps = table(tmp_path / "out/P.zarr/A/01/0", "gaps")
    assert gaps == [gap("FOV_0", 0, 0, 1, "no tile"), gap("FOV_0", 0, 1, 2)]


def test_wells_without_any_file_are_left_out_and_named_in_one_warning(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1), ("B", 2), ("C", 3)))
    folder = without_files(plate, "[BC]0*")
    document = converted(folder, tmp_path / "out", *FILL)
    assert document["findings"] == [
        {
            "severity": "warning",
            "code": "missing-file",
            "where": str(folder),
            "message": "expected some file of each image, found none of 2 images, left out: "
            "P.zarr/B/02/0 (FOV_0, FOV_1); P.zarr/C/03/0 (FOV_0, FOV_1): find their files to have them converted",
        }
    ]
    assert [image["zarr_url"] for image in document["images"]] == [str(tmp_path / "out/P.zarr/A/01/0")]
    assert not (tmp_path / "out/P.zarr/B").exists()
    done = run("validate", tmp_path / "out", "--against", folder, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["conforms"], found["identical"]) == (1, True, False)
    assert [(each["kind"], each["image"]) for each in found["differences"]] == [
        ("missing-image", str(tmp_path / "out/P.zarr" / well / "0")) for well in ("B/02", "C/03")
    ]


def test_what_wells_that_are_left_out_had_counts_as_acquired(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1), ("B", 2)), fields=1)
    plate.rows = [row for row in plate.rows if not (row["row"] == "A" and row["start_c"] == 1)]
    converted(without_files(plate, "B02*"), tmp_path / "out", *FILL)
    assert table(tmp_path / "out/P.zarr/A/01/0", "gaps") == [gap("FOV_0", 1, 0, 2, "no tile")]


def test_of_images_per_field_of_view_those_without_any_file_are_left_out(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    folder = without_files(plate, "A01_f1_*")
    document = converted(folder, tmp_path / "out", *FILL, "--set", "grouping=Per-FOV")
    assert [image["zarr_url"] for image in document["images"]] == [str(tmp_path / "out/P.zarr/A/01/0f0")]
    (finding,) = document["findings"]
    assert "found none of 1 image, left out: P.zarr/A/01/0f1 (FOV_1): find" in finding["message"]


@pytest.mark.parametrize("policy", ["Fail", "Fill"])
def test_a_source_without_any_image_file_is_refused_in_one_line(policy: str, tmp_path: Path) -> None:
    folder = without_files(small_plate(tmp_path / "plate"), "*.tif")
    done = run("convert", folder, tmp_path / "out", "--set", f"missing_tiles={policy}")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"error: {folder}: expected 16 image files, found none of them (the first: {folder / 'A01_f0_t0_c0_z0.tif'}): "
        "only the metadata were copied: copy the images, too",
        "refused; nothing was written",
    ]
    assert not (tmp_path / "out").exists()


def test_a_source_whose_one_file_is_gone_is_not_told_to_fill_it(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1, channels=1, planes=1)
    done = run("convert", without_files(plate, "*.tif"), tmp_path / "out", *FILL)
    assert done.stderr.splitlines() == [
        f"error: P.zarr/A/01/0, FOV_0 (channel_0, z-plane 0, timepoint 0), {plate.folder / 'A01_f0_t0_c0_z0.tif'}: "
        "expected the one image file that the source names, found none: copy it, or correct its name",
        "refused; nothing was written",
    ]


def test_extend_skips_an_image_whose_files_are_still_lost_and_refuses_it_once_they_are_back(
    tmp_path: Path,
) -> None:
    plate = small_plate(tmp_path / "plate")
    folder = without_files(plate, "A01_f1_*")
    converted(folder, tmp_path / "out", *FILL)
    again = converted(folder, tmp_path / "out", *FILL, "--mode", "Extend", "--verify")
    assert [image["status"] for image in again["images"]] == ["skipped"] * 2
    plate.write()
    refused = run("convert", folder, tmp_path / "out", *FILL, "--mode", "Extend")
    assert refused.returncode == 2
    assert "P.zarr/A/01/0: expected no image or this very one, found one made from other source files" in (
        refused.stderr
    )


def planned_job(folder: Path, out: Path) -> ImageJob:
    options = ConverterOptions(missing_tiles=MissingTiles.FILL)
    planned = plan([Acquisition(folder, plate_name="P")], out, options, OverwriteMode.NO_OVERWRITE)
    begin(planned)
    return planned.images[0].job


def test_a_file_that_is_back_after_the_run_was_planned_fails_its_image(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    folder = without_files(plate, "A01_f1_*")
    job = planned_job(folder, tmp_path / "out")
    plate.write()
    with pytest.raises(
        SourceError, match=r"A01_f1_t0_c0_z0\.tif: expected no file as when the run was planned"
    ):
        convert_image(job)
    assert not job.target.exists()


def test_a_file_that_is_lost_after_the_run_was_planned_is_never_filled(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    folder = without_files(plate, "A01_f1_*")
    job = planned_job(folder, tmp_path / "out")
    (folder / "A01_f0_t0_c0_z0.tif").unlink()
    with pytest.raises(SourceError, match=r"A01_f0_t0_c0_z0\.tif: no such file"):
        convert_image(job)
    assert not job.target.exists()


def test_a_work_order_carries_what_was_lost_when_the_run_was_planned(tmp_path: Path) -> None:
    folder = without_files(small_plate(tmp_path / "plate", wells=(("A", 1),)), "A01_f1_*")
    job = planned_job(folder, tmp_path / "out")
    assert job.lost == (4, 5, 6, 7)
    back = ImageJob.from_document(
        json.loads(json.dumps(job.document())),
        zarr_url=job.zarr_url,
        options=job.options,
        mode=job.mode,
        collection_type=ImageInPlate,
        image_loader_type=source_by_name("table").loader,
    )
    assert (back.lost, back.request) == (job.lost, job.request)
    assert back.fingerprint() == job.fingerprint()
    convert_image(back)
    assert [row["FieldIndex"] for row in table(job.target, "FOV_ROI_table")] == ["FOV_0", "FOV_1"]


def test_one_plane_that_was_never_acquired_is_one(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1)
    plate.rows = [row for row in plate.rows if row["file_path"] != "A01_f0_t0_c1_z1.tif"]
    (finding,) = converted(plate.write(), tmp_path / "out")["findings"]
    assert finding["message"] == (
        "1 plane was never acquired (the channel has no such plane in any field of view); "
        "filled and recorded in the gaps table"
    )


def test_lost_tiles_leave_the_others_where_the_stage_put_them(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=3)
    for row in plate.rows:
        row["start_y"] = {"FOV_0": 0.0, "FOV_1": 5.0, "FOV_2": 0.0}[row["fov_name"]] * PIXEL_SIZE
    converted(plate.write(), tmp_path / "whole", "--set", "tiling_mode=Inplace", "--plate-name", "P")
    converted(without_files(plate, "A01_f0_*"), tmp_path / "out", *FILL, "--set", "tiling_mode=Inplace")
    expected = level(tmp_path / "whole/P.zarr/A/01/0").copy()
    expected[..., :16] = 0
    np.testing.assert_array_equal(level(tmp_path / "out/P.zarr/A/01/0"), expected)
