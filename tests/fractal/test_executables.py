"""The executables of the package, run as a server runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from tests.fractal.task_process import COMPUTE, IMAGES, PLATE, Done, run_task, tree
from tests.table_plates import TablePlate, pixels_of, small_plate
from tiles2zarr.converter import Acquisition, begin, convert_image, plan
from tiles2zarr.models import ConverterOptions, OmeZarrOptions

if TYPE_CHECKING:
    from pathlib import Path

OLD_FLAGS = ("-j", "--metadata-out")
NEW_FLAGS = ("--args-json", "--out-json")


def convert(
    folder: Path, name: str, arguments: dict[str, Any], flags: tuple[str, str] = NEW_FLAGS
) -> list[Any]:
    """Init and all of its units; the updates of the image list."""
    init = run_task(folder / "init", name, arguments, flags)
    assert init.code == 0, init.log
    updates = []
    for number, unit in enumerate(init.result["parallelization_list"]):
        done = run_task(folder / str(number), COMPUTE, unit, flags)
        assert done.code == 0, done.log
        assert "warning" not in done.log.lower()
        updates += done.result["image_list_updates"]
    return updates


def last_line(done: Done) -> str:
    return done.log.rstrip("\n").rpartition("\n")[2]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return small_plate(tmp_path / "plate").write()


@pytest.mark.parametrize("flags", [NEW_FLAGS, OLD_FLAGS])
def test_both_conventions_give_the_store_of_the_python_functions_byte_for_byte(
    source: Path, tmp_path: Path, flags: tuple[str, str]
) -> None:
    arguments = {
        "zarr_dir": str(tmp_path / "tasks"),
        "acquisitions": [{"path": str(source)}],
        "ngff_version": "0.5",
    }
    updates = convert(tmp_path / "run", PLATE, arguments, flags)

    options = ConverterOptions(omezarr_options=OmeZarrOptions(ngff_version="0.5"))
    planned = plan([Acquisition(source)], tmp_path / "python", options)
    begin(planned)
    for image in planned.images:
        convert_image(image.job)
    assert tree(tmp_path / "tasks") == tree(tmp_path / "python")
    assert updates == [
        {
            "zarr_url": f"{tmp_path}/tasks/plate.zarr/{row}/{column}/0",
            "attributes": {"plate": "plate.zarr", "well": row + column, "acquisition": 0},
            "types": {"is_3D": True},
        }
        for row, column in (("A", "01"), ("B", "02"))
    ]


def test_single_images_have_a_task_of_their_own(tmp_path: Path) -> None:
    table = TablePlate(tmp_path / "slides")
    for number, name in enumerate(("a", "b")):
        table.add(f"{name}.tif", pixels_of(number), image_path=name, fov_name="1", start_x=0.0, start_y=0.0)
    arguments = {"zarr_dir": str(tmp_path / "zarr"), "acquisitions": [{"path": str(table.write())}]}
    updates = convert(tmp_path / "run", IMAGES, arguments)
    assert [update["zarr_url"] for update in updates] == [f"{tmp_path}/zarr/{name}.zarr" for name in "ab"]
    for number, update in enumerate(updates):
        level = zarr.open_array(f"{update['zarr_url']}/0", mode="r")
        np.testing.assert_array_equal(np.asarray(level[...]).squeeze(), pixels_of(number))


def test_a_table_without_image_names_is_one_image_of_the_given_name(tmp_path: Path) -> None:
    table = TablePlate(tmp_path / "slide")
    table.add("a.tif", pixels_of(1), fov_name="1", start_x=0.0, start_y=0.0)
    acquisition = {"path": str(table.write()), "plate_name": "my slide"}
    (update,) = convert(
        tmp_path / "run", IMAGES, {"zarr_dir": str(tmp_path / "zarr"), "acquisitions": [acquisition]}
    )
    assert update["zarr_url"] == f"{tmp_path}/zarr/my slide.zarr"


@pytest.mark.parametrize(
    ("task", "expected"),
    [(PLATE, "expected a plate, found single images"), (IMAGES, "expected single images, found a plate")],
)
def test_the_wrong_task_for_a_table_says_so(source: Path, tmp_path: Path, task: str, expected: str) -> None:
    if task == PLATE:
        table = TablePlate(tmp_path / "slide")
        table.add("a.tif", pixels_of(1), fov_name="1", start_x=0.0, start_y=0.0)
        source = table.write()
    arguments = {"zarr_dir": str(tmp_path / "zarr"), "acquisitions": [{"path": str(source)}]}
    done = run_task(tmp_path / "run", task, arguments)
    assert done.code == 1
    assert expected in last_line(done)
    assert not (tmp_path / "zarr").exists()


def test_a_relative_path_is_taken_from_the_working_folder(source: Path, tmp_path: Path) -> None:
    arguments = {"zarr_dir": "../zarr", "acquisitions": [{"path": "../../plate"}]}
    init = run_task(tmp_path / "run" / "init", PLATE, arguments)
    assert init.code == 0, init.log
    unit = init.result["parallelization_list"][0]
    assert unit["zarr_url"] == f"{tmp_path}/run/zarr/plate.zarr/A/01/0"
    assert run_task(tmp_path / "run" / "compute", COMPUTE, unit).code == 0


def test_a_damaged_plate_is_refused_with_every_finding_and_nothing_is_written(
    source: Path, tmp_path: Path
) -> None:
    gone = sorted(source.glob("*_z1.tif"))[:3]
    for file in gone:
        file.unlink()
    arguments = {"zarr_dir": str(tmp_path / "zarr"), "acquisitions": [{"path": str(source)}]}
    done = run_task(tmp_path / "run", PLATE, arguments)
    assert (done.code, done.result) == (1, None)
    assert "Traceback" not in done.log
    assert [sum(file.name in line for line in done.log.splitlines()) > 0 for file in gone] == [True] * 3
    assert last_line(done).startswith("error: ")
    assert "and 2 more" in last_line(done)
    assert not (tmp_path / "zarr").exists()


def test_an_image_that_fails_leaves_the_others_and_extend_finishes(source: Path, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"zarr_dir": str(tmp_path / "zarr"), "acquisitions": [{"path": str(source)}]}
    init = run_task(tmp_path / "init", PLATE, arguments)
    good, bad = init.result["parallelization_list"]
    file = next(source.glob("B02*.tif"))
    content = file.read_bytes()
    file.write_bytes(b"no image")
    assert run_task(tmp_path / "good", COMPUTE, good).code == 0
    failed = run_task(tmp_path / "bad", COMPUTE, bad)
    assert (failed.code, failed.result) == (1, None)
    assert "Traceback" not in failed.log
    assert file.name in last_line(failed)

    file.write_bytes(content)
    refused = run_task(tmp_path / "refused", PLATE, arguments)
    assert refused.code == 1
    assert "A/01/0: expected no image, found one" in last_line(refused)

    updates = convert(tmp_path / "again", PLATE, {**arguments, "overwrite_mode": "Extend"})
    assert [update["zarr_url"] for update in updates] == [good["zarr_url"], bad["zarr_url"]]
    whole = plan([Acquisition(source)], tmp_path / "whole", ConverterOptions())
    begin(whole)
    for image in whole.images:
        convert_image(image.job)
    stores = [
        {
            name: content
            for name, content in tree(tmp_path / place).items()
            if not name.startswith(".tiles2zarr")
        }
        for place in ("zarr", "whole")
    ]
    assert stores[0] == stores[1]


def test_what_is_noticed_but_no_error_is_said_in_short(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    del plate.rows[3]
    arguments = {
        "zarr_dir": str(tmp_path / "zarr"),
        "acquisitions": [{"path": str(plate.write())}],
        "missing_tiles": "Fill",
    }
    done = run_task(tmp_path / "run", PLATE, arguments)
    assert done.code == 0, done.log
    (line,) = (line for line in done.log.splitlines() if "missing-plane" in line)
    assert "; WARNING; missing-plane: plate.zarr/A/01/0, FOV_0" in line
    assert len(done.log) < 2000


def test_no_log_line_of_a_sound_plate_speaks_of_a_warning(source: Path, tmp_path: Path) -> None:
    arguments = {"zarr_dir": str(tmp_path / "zarr"), "acquisitions": [{"path": str(source)}]}
    done = run_task(tmp_path / "run", PLATE, arguments)
    assert done.code == 0
    assert "warning" not in done.log.lower()
    assert len(done.log.splitlines()) <= 5
