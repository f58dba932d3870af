"""Defects seen in other converters: stage orientation, tiling, names of wells, relative paths (5, 6, 9, 12)."""

from __future__ import annotations

import csv
import itertools
import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.fractal.task_process import COMPUTE, PLATE, run_task
from tests.table_plates import PIXEL_SIZE, TablePlate, pixels_of, small_plate
from tests.test_cli_convert import contents, converted, level, row_of_fields
from tiles2zarr.models import row_name

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

HEIGHT, WIDTH = 12, 16
ORIENTATIONS = [
    dict(zip(("flip_x", "flip_y", "swap_xy"), values, strict=True))
    for values in itertools.product((False, True), repeat=3)
]


def named(orientation: dict[str, bool]) -> str:
    return "+".join(name for name, is_on in orientation.items() if is_on) or "as it is"


def turned_plate(folder: Path, orientation: dict[str, bool]) -> tuple[TablePlate, NDArray[Any]]:
    """2 x 3 fields that are not square, recorded by a stage of this orientation; and how the well looks."""
    plate = TablePlate(folder)
    for row, column in itertools.product(range(2), range(3)):
        x, y = (1 + column) * WIDTH * PIXEL_SIZE, (1 + row) * HEIGHT * PIXEL_SIZE
        x, y = (-x if orientation["flip_x"] else x), (-y if orientation["flip_y"] else y)
        x, y = (y, x) if orientation["swap_xy"] else (x, y)
        place = {"row": "A", "column": 1, "fov_name": f"{row}{column}", "start_x": x, "start_y": y}
        plate.add(f"{row}{column}.tif", pixels_of(row, column, side=(HEIGHT, WIDTH)), **place)
    rows = [np.hstack([plate.pixels[f"{row}{column}.tif"] for column in range(3)]) for row in range(2)]
    return plate, np.vstack(rows)


@pytest.mark.parametrize("tiling", ["Auto", "Inplace"])
@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=named)
def test_defect_05_stage_orientation_turns_positions_and_never_pixels(
    tmp_path: Path, orientation: dict[str, bool], tiling: str
) -> None:
    plate, expected = turned_plate(tmp_path / "plate", orientation)
    options = ("--set", f"acquisition.stage_orientation={json.dumps(orientation)}")
    converted(
        plate.write(), tmp_path / "out", "--plate-name", "P", *options, "--set", f"tiling_mode={tiling}"
    )
    np.testing.assert_array_equal(level(tmp_path / "out/P.zarr/A/01/0")[0, 0], expected)


@pytest.mark.parametrize("where", ["options file", "acquisition details"])
@pytest.mark.parametrize(
    "orientation", [ORIENTATIONS[1], {"flip_x": True, "flip_y": False, "swap_xy": True}], ids=named
)
def test_defect_05_stage_orientation_reaches_the_tasks(
    tmp_path: Path, orientation: dict[str, bool], where: str
) -> None:
    plate, expected = turned_plate(tmp_path / "plate", orientation)
    arguments: dict[str, Any] = {
        "zarr_dir": str(tmp_path / "zarr"),
        "acquisitions": [{"path": str(plate.folder)}],
    }
    if where == "options file":
        document = {"acquisition": {"stage_orientation": orientation}}
        (tmp_path / "options.json").write_text(json.dumps(document))
        arguments["options_file"] = str(tmp_path / "options.json")
    else:
        values = ", ".join(f"{name} = {json.dumps(is_on)}" for name, is_on in orientation.items())
        plate.details += f"stage_orientation = {{{values}}}\n"
    plate.write()
    init = run_task(tmp_path / "init", PLATE, arguments)
    assert init.code == 0, init.log
    (unit,) = init.result["parallelization_list"]
    done = run_task(tmp_path / "compute", COMPUTE, unit)
    assert done.code == 0, done.log
    np.testing.assert_array_equal(level(tmp_path / "zarr/plate.zarr/A/01/0")[0, 0], expected)


def fields_table(image: Path) -> list[dict[str, str]]:
    with (image / "tables/FOV_ROI_table/table.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


# Places of fields of 16 x 12 px in a well, px from its corner: on a wide grid, and on none. One that is snapped
# to a grid, or to its neighbour's edge, moves by 34 px (17 µm) or more.
SPARSE = {
    "a wide grid": [(0, 0), (50, 0), (100, 0), (0, 46), (50, 46), (100, 46)],
    "no grid": [(0, 3), (57, 0), (119, 41), (23, 90)],
    "two": [(0, 0), (50, 46)],
    "one": [(0, 0)],
}


@pytest.mark.parametrize("offset", [(0.0, 0.0), (-1234.5, 678.0)])
@pytest.mark.parametrize("places", SPARSE.values(), ids=SPARSE)
def test_defect_06_sparse_fields_stay_where_the_stage_put_them(
    tmp_path: Path, places: list[tuple[int, int]], offset: tuple[float, float]
) -> None:
    plate = TablePlate(tmp_path / "plate")
    extent = (max(y for _, y in places) + HEIGHT, max(x for x, _ in places) + WIDTH)
    expected = np.zeros(extent, "uint16")
    stage = []
    for number, (x, y) in enumerate(places):
        pixels = pixels_of(number, side=(HEIGHT, WIDTH))
        expected[y : y + HEIGHT, x : x + WIDTH] = pixels
        stage.append((offset[0] + x * PIXEL_SIZE, offset[1] + y * PIXEL_SIZE))
        place = {"start_x": stage[-1][0], "start_y": stage[-1][1]}
        plate.add(f"{number}.tif", pixels, row="A", column=1, fov_name=f"F{number}", **place)

    document = converted(plate.write(), tmp_path / "out", "--plate-name", "P")

    assert document["findings"] == []
    image = tmp_path / "out/P.zarr/A/01/0"
    np.testing.assert_array_equal(level(image)[0, 0], expected)
    found = {row["FieldIndex"]: row for row in fields_table(image)}
    assert len(found) == len(places)
    for number, (x, y) in enumerate(places):
        row = found[f"F{number}"]
        assert (float(row["x_micrometer"]), float(row["y_micrometer"])) == (x * PIXEL_SIZE, y * PIXEL_SIZE)
        original = (float(row["x_micrometer_original"]), float(row["y_micrometer_original"]))
        assert original == stage[number]


LAST_WELLS = (("Z", 1), ("AA", 1), ("AA", 27), ("AF", 48))


@pytest.mark.parametrize("column", ["letters", "numbers", "wells"])
def test_defect_09_the_27th_row_is_aa(tmp_path: Path, column: str) -> None:
    """A plate of 1536 wells through the tiles table. Harmony's files of versions 6 and 7, the other half of the
    defect, are tested with that format.
    """
    assert [row_name(index) for index in (25, 26, 31)] == ["Z", "AA", "AF"]
    plate = small_plate(tmp_path / "plate", wells=LAST_WELLS, fields=1, channels=1, planes=1)
    numbers = {"Z": 26, "AA": 27, "AF": 32}
    for row in plate.rows:
        if column == "numbers":
            row["row"] = numbers[row["row"]]
        elif column == "wells":
            row["well"] = f"{row.pop('row')}{row.pop('column'):02d}"
    converted(plate.write(), tmp_path / "out", "--plate-name", "P")

    store = tmp_path / "out/P.zarr"
    listed = json.loads((store / ".zattrs").read_text())["plate"]
    assert [row["name"] for row in listed["rows"]] == ["Z", "AA", "AF"]
    assert [well["path"] for well in listed["wells"]] == ["Z/01", "AA/01", "AA/27", "AF/48"]
    for letters, number in LAST_WELLS:
        expected = plate.pixels[f"{letters}{number:02d}_f0_t0_c0_z0.tif"]
        np.testing.assert_array_equal(level(store / letters / f"{number:02d}" / "0")[0, 0], expected)


def test_defect_09_the_27th_row_is_aa_in_the_image_list(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("AA", 1),), fields=1, channels=1, planes=1)
    arguments = {"zarr_dir": str(tmp_path / "zarr"), "acquisitions": [{"path": str(plate.write())}]}
    (unit,) = run_task(tmp_path / "init", PLATE, arguments).result["parallelization_list"]
    (update,) = run_task(tmp_path / "compute", COMPUTE, unit).result["image_list_updates"]
    assert update["zarr_url"] == f"{tmp_path}/zarr/plate.zarr/AA/01/0"
    assert update["attributes"] == {"plate": "plate.zarr", "well": "AA01", "acquisition": 0}


@pytest.mark.parametrize(
    ("start", "source", "out"),
    [
        (".", "plate", "out"),
        (".", "./plate/tiles.csv", "./out"),
        ("plate", ".", "../out"),
        ("elsewhere", "../plate", "../elsewhere/../out"),
    ],
)
def test_defect_12_a_relative_path_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str, source: str, out: str
) -> None:
    plate = small_plate(tmp_path / "plate")
    plate.write()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / start)
    document = converted(source, out, "--plate-name", "P")

    store = tmp_path / "out/P.zarr"
    urls = [image["zarr_url"] for image in document["images"]]
    assert [os.path.isabs(url) for url in urls] == [True, True]
    assert [os.path.realpath(url) for url in urls] == [
        os.path.realpath(store / well / "0") for well in ("A/01", "B/02")
    ]
    for well, folder in (("A01", "A/01"), ("B02", "B/02")):
        np.testing.assert_array_equal(level(store / folder / "0"), row_of_fields(plate, well, 2, 2, 2))
    converted(tmp_path / "plate", tmp_path / "absolute", "--plate-name", "P")
    assert contents(store) == contents(tmp_path / "absolute/P.zarr")


def test_defect_12_a_relative_path_of_a_task_works(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    plate.write()
    arguments = {"zarr_dir": "../zarr", "acquisitions": [{"path": "../../plate"}]}
    init = run_task(tmp_path / "run" / "init", PLATE, arguments)
    assert init.code == 0, init.log
    (unit,) = init.result["parallelization_list"]
    done = run_task(tmp_path / "elsewhere" / "deeper" / "compute", COMPUTE, unit)
    assert done.code == 0, done.log
    np.testing.assert_array_equal(
        level(tmp_path / "run/zarr/plate.zarr/A/01/0"), row_of_fields(plate, "A01", 2, 2, 2)
    )
