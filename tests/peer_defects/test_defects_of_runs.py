"""Defects seen in other converters: what a run leaves behind, and what it does to earlier ones (1, 2, 3, 8, 13)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import ngio
import numpy as np
import pytest
import tifffile

from tests.fractal.task_process import COMPUTE, PLATE, run_task
from tests.table_plates import TablePlate, small_plate
from tests.test_cli_convert import contents, converted, level, row_of_fields, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Converts as the command does, and is killed once a share of all pixels is written.
KILLED = """
import os, signal, sys
from tiles2zarr.cli import main
from tiles2zarr.runners import local

limit, written = int(sys.argv.pop(1)), 0
convert_image = local.convert_image

def killed(job, *, share=1, progress):
    def tell(pixels):
        global written
        written += pixels
        if written >= limit:
            os.kill(os.getpid(), signal.SIGKILL)
    return convert_image(job, share=share, progress=tell)

local.convert_image = killed
main()
"""
TABLES = ("FOV_ROI_table", "well_ROI_table")


def stored(folder: Path) -> dict[str, bytes]:
    """What readers see: every file that is not hidden, and the metadata of Zarr."""
    return {
        path: content
        for path, content in contents(folder).items()
        if not any(part.startswith(".") and not part.startswith(".z") for part in path.split("/"))
    }


def cycle(folder: Path, number: int, wells: tuple[tuple[str, int], ...]) -> TablePlate:
    """A plate whose pixels differ from those of other numbers."""
    plate = small_plate(folder, wells=wells, channels=1, planes=1)
    plate.pixels = {name: pixels + number for name, pixels in plate.pixels.items()}
    plate.write()
    return plate


def listed_images(plate: Path) -> list[str]:
    """The images that the plate's wells name, in order."""
    wells = json.loads((plate / ".zattrs").read_text())["plate"]["wells"]
    return [
        f"{well['path']}/{image['path']}"
        for well in wells
        for image in json.loads((plate / well["path"] / ".zattrs").read_text())["well"]["images"]
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_defect_01_a_run_that_was_killed_is_finished_by_extend(tmp_path: Path, share: float) -> None:
    plate = small_plate(tmp_path / "plate", planes=4, side=(64, 96))
    source, pixels = plate.write(), sum(tile.size for tile in plate.pixels.values())
    arguments = [source, tmp_path / "out", "--plate-name", "P", "--set", "runtime.threads=1"]
    command = [sys.executable, "-c", KILLED, str(int(pixels * share)), "convert", *map(str, arguments)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    store = tmp_path / "out" / "P.zarr"
    first, second = store / "A/01/0", store / "B/02/0"
    torn = (second if share > 0.5 else first).with_name(".0.staging")
    assert any(file.is_file() for file in torn.rglob("*")), "not killed in the middle of an image"
    assert not second.exists()
    assert listed_images(store) == (["A/01/0"] if share > 0.5 else [])

    document = converted(source, tmp_path / "out", "--plate-name", "P", "--mode", "Extend")

    statuses = ["skipped" if share > 0.5 else "converted", "converted"]
    assert [image["status"] for image in document["images"]] == statuses
    for image, well in ((first, "A01"), (second, "B02")):
        np.testing.assert_array_equal(level(image), row_of_fields(plate, well, 2, 2, 4))
        assert set(TABLES) <= set(ngio.open_ome_zarr_container(image, mode="r").list_tables())
    converted(source, tmp_path / "whole", "--plate-name", "P")
    assert stored(store) == stored(tmp_path / "whole/P.zarr")
    assert not torn.exists()


def test_defect_02_overwrite_of_one_acquisition_leaves_the_others(tmp_path: Path) -> None:
    wells: tuple[tuple[str, int], ...] = (("A", 1), ("B", 2))
    first = cycle(tmp_path / "cycle0", 0, wells)
    second = cycle(tmp_path / "cycle1", 1, wells)
    arguments = (tmp_path / "out", "--plate-name", "P", "--acquisition-id")
    converted(first.folder, *arguments, 0)
    converted(second.folder, *arguments, 1)
    store = tmp_path / "out/P.zarr"
    kept = {path: contents(store / path) for path in ("A/01/0", "B/02/0", "B/02/1")}

    again = cycle(tmp_path / "cycle1 again", 2, (("A", 1),))
    converted(again.folder, *arguments, 1, "--mode", "Overwrite")

    assert {path: contents(store / path) for path in kept} == kept
    np.testing.assert_array_equal(level(store / "A/01/0"), row_of_fields(first, "A01", 2, 1, 1))
    np.testing.assert_array_equal(level(store / "A/01/1"), row_of_fields(again, "A01", 2, 1, 1))
    assert listed_images(store) == ["A/01/0", "A/01/1", "B/02/0", "B/02/1"]
    acquisitions = json.loads((store / ".zattrs").read_text())["plate"]["acquisitions"]
    assert [entry["id"] for entry in acquisitions] == [0, 1]


def test_defect_03_extend_merges_the_condition_table(tmp_path: Path) -> None:
    runs: tuple[tuple[str, int, str, str], ...] = (
        ("A", 1, "0", "well,drug\nA01,DMSO\n"),
        ("B", 2, "0", "well,drug,dose\nB02,X,1.5\n"),
        ("A", 1, "1", "well,drug\nA01,washed\n"),
    )
    for number, (row, column, acquisition, table) in enumerate(runs):
        plate = cycle(tmp_path / f"run{number}", number, ((row, column),))
        (plate.folder / "conditions.csv").write_text(table)
        options = ("--set", "acquisition.condition_table_path=conditions.csv", "--mode", "Extend")
        arguments = ("--plate-name", "P", "--acquisition-id", acquisition, *options)
        converted(plate.folder, tmp_path / "out", *arguments)

    plate_of_all = ngio.open_ome_zarr_plate(tmp_path / "out/P.zarr", mode="r")
    found = plate_of_all.get_table("condition_table").dataframe.reset_index()
    records = [
        tuple("" if cell != cell else str(cell) for cell in row)
        for row in found[["row", "column", "path_in_well", "drug", "dose"]].itertuples(index=False)
    ]
    assert records == [
        ("A", "1", "0", "DMSO", ""),
        ("A", "1", "1", "washed", ""),
        ("B", "2", "0", "X", "1.5"),
    ]


def missing(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def truncated(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 100)


def no_image(file: Path) -> None:
    file.write_bytes(b"<html>not found</html>")


def damaged_header(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:8] + b"\xff" * (file.stat().st_size - 8))


def folder_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (missing, "missing-file", "no such file"),
        (empty, "unreadable-file", "found an empty one"),
        (truncated, "unreadable-file", "truncated"),
        (no_image, "unreadable-file", "expected a TIFF, PNG, JPEG, BMP or NPY file"),
        (damaged_header, "unreadable-file", "damaged"),
        (folder_instead, "unreadable-file", "found a folder"),
    ],
    ids=lambda case: getattr(case, "__name__", None),
)
def test_defect_08_files_that_cannot_be_read_are_refused_by_name_and_nothing_is_written(
    tmp_path: Path, spoil: Callable[[Path], None], code: str, said: str
) -> None:
    plate = small_plate(tmp_path / "plate")
    names = ("A01_f0_t0_c1_z0.tif", "B02_f1_t0_c0_z1.tif")
    plate.write()
    for name in names:
        spoil(plate.folder / name)

    done = run("convert", plate.folder, tmp_path / "out", "--json")

    assert (done.returncode, (tmp_path / "out").exists()) == (2, False)
    assert "Traceback" not in done.stdout + done.stderr
    found = json.loads(done.stdout)["findings"]
    assert [(finding["severity"], finding["code"]) for finding in found] == [("error", code)] * 2
    for finding, name in zip(found, names, strict=True):
        assert name in finding["where"]
        assert said in finding["message"]
        assert "\n" not in finding["message"]


def test_defect_08_pixels_that_cannot_be_decoded_cost_their_image_only(tmp_path: Path) -> None:
    """The headers are sound, and a stated display range leaves nothing to sample: only converting finds it."""
    plate = small_plate(tmp_path / "plate", channels=1, side=(64, 96))
    plate.details += 'channels = [{channel_label = "DAPI", window = [0, 255]}]\n'
    plate.write()
    bad = plate.folder / "B02_f1_t0_c0_z1.tif"
    tifffile.imwrite(bad, plate.pixels[bad.name], compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(bad) as tif:
        page = tif.pages.first
        offset, count = page.dataoffsets[0], page.databytecounts[0]
    sound = bad.read_bytes()
    bad.write_bytes(sound[:offset] + b"\xff" * count + sound[offset + count :])

    done = run("convert", plate.folder, tmp_path / "out", "--plate-name", "P", "--json")

    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    store = tmp_path / "out/P.zarr"
    good, failed = json.loads(done.stdout)["images"]
    assert (good["status"], failed["status"]) == ("converted", "failed")
    assert bad.name in failed["error"]
    assert "\n" not in failed["error"]
    np.testing.assert_array_equal(level(store / "A/01/0"), row_of_fields(plate, "A01", 2, 1, 2))
    assert listed_images(store) == ["A/01/0"]
    assert [entry.name for entry in (store / "B/02").iterdir() if not entry.name.startswith(".")] == []
    assert not (store / "B/02/.0.staging").exists()

    bad.write_bytes(sound)
    converted(plate.folder, tmp_path / "out", "--plate-name", "P", "--mode", "Extend")
    np.testing.assert_array_equal(level(store / "B/02/0"), row_of_fields(plate, "B02", 2, 1, 2))
    assert listed_images(store) == ["A/01/0", "B/02/0"]


@pytest.mark.parametrize("mode", ["No Overwrite", "Overwrite"])
def test_defect_13_two_inits_in_one_folder_keep_each_others_work_orders(tmp_path: Path, mode: str) -> None:
    zarr_dir = tmp_path / "zarr"
    plates = {
        name: cycle(tmp_path / name, number, (("A", 1),)) for number, name in enumerate(("first", "second"))
    }
    units: dict[str, list[dict[str, Any]]] = {}
    for name, plate in plates.items():
        arguments = {
            "zarr_dir": str(zarr_dir),
            "acquisitions": [{"path": str(plate.folder)}],
            "overwrite_mode": mode,
        }
        init = run_task(tmp_path / f"init {name}", PLATE, arguments)
        assert init.code == 0, init.log
        units[name] = init.result["parallelization_list"]
    orders = [unit["init_args"]["tiled_image_json_dump_url"] for name in plates for unit in units[name]]
    assert len(set(orders)) == 2
    assert all(os.path.isfile(order) for order in orders)

    for name, plate in plates.items():
        (unit,) = units[name]
        done = run_task(tmp_path / f"compute {name}", COMPUTE, unit)
        assert done.code == 0, done.log
        assert [update["zarr_url"] for update in done.result["image_list_updates"]] == [unit["zarr_url"]]
        np.testing.assert_array_equal(
            level(zarr_dir / f"{name}.zarr/A/01/0"), row_of_fields(plate, "A01", 2, 1, 1)
        )
    assert not (zarr_dir / ".tiles2zarr").exists()
