"""What `inspect` says before anything is converted."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tests.table_plates import PIXEL_SIZE, small_plate
from tests.test_cli_convert import Done, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.table_plates import TablePlate


def inspected(done: Done) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_sound_plate(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    channels = (
        '{channel_label = "DAPI", wavelength_id = "405", color = "#0000ff"}',
        '{channel_label = "GFP"}',
    )
    plate.details += f"channels = [{', '.join(channels)}]\n"
    plate.rows[0] |= {"start_x": 0.0}
    done = run("inspect", plate.write(), "--plate-name", "P", "--json")
    document = inspected(done)
    assert done.returncode == 0
    assert document["format"] == "table"
    assert document["findings"] == []
    first = document["images"][0]
    assert first == {
        "path": "P.zarr/A/01/0",
        "plate": "P",
        "well": "A01",
        "acquisition": 0,
        "axes": "czyx",
        "shape": [2, 2, 12, 32],
        "dtype": "uint16",
        "pixel_size": {"x": PIXEL_SIZE, "y": PIXEL_SIZE, "z": 2.0, "t": 60.0},
        "channels": [
            {"label": "DAPI", "wavelength_id": "405", "color": "0000FF", "z_offset": None},
            {"label": "GFP", "wavelength_id": None, "color": None, "z_offset": None},
        ],
        "fovs": [
            {"name": "FOV_0", "x": 0.0, "y": 0.0, "width": 16, "height": 12},
            {"name": "FOV_1", "x": 16 * PIXEL_SIZE, "y": 0.0, "width": 16, "height": 12},
        ],
        "tiles": 8,
        "gaps": 0,
        "cost": first["cost"],
        "existing": None,
    }
    each = {"bytes_in": 8 * 12 * 16 * 2, "bytes_out": 4064, "files_out": 34, "peak_memory_mb": 159.4}
    assert [image["cost"] for image in document["images"]] == [each, each]
    sums = {name: 2 * each[name] for name in ("bytes_in", "bytes_out", "files_out")}
    assert document["cost"] == sums | {"peak_memory_mb": 159.4, "bytes_free": None}
    assert list(tmp_path.iterdir()) == [plate.folder]


def test_a_destination_is_looked_at_too(tmp_path: Path) -> None:
    source = small_plate(tmp_path / "plate").write()
    run("convert", source, tmp_path / "zarr", "--plate-name", "P")
    looking = ("inspect", source, "--plate-name", "P", "--json", "--dest")

    document = inspected(run(*looking, tmp_path / "zarr"))
    free = shutil.disk_usage(tmp_path).free
    assert abs(document["cost"]["bytes_free"] - free) < 0.1 * free
    assert [finding["code"] for finding in document["findings"]] == ["output-exists"] * 2
    extended = inspected(run(*looking, tmp_path / "zarr", "--mode", "Extend"))
    assert extended["findings"] == []
    assert [image["existing"] for image in extended["images"]] == ["complete"] * 2
    assert (extended["cost"]["bytes_in"], extended["cost"]["files_out"]) == (0, 0)
    replaced = inspected(run(*looking, tmp_path / "zarr", "--mode", "Overwrite"))
    assert [image["existing"] for image in replaced["images"]] == ["replaced"] * 2
    said = run("inspect", source, "--plate-name", "P", "--dest", tmp_path / "zarr", "--mode", "Extend").stdout
    assert "2 of 2 images complete already" in said
    assert inspected(run(*looking, tmp_path / "not" / "there"))["findings"] == []
    assert not (tmp_path / "not").exists()


def test_a_disk_without_room_is_said(tmp_path: Path) -> None:
    source = small_plate(tmp_path / "plate").write()
    for free, severity in ((1000, "error"), (4000, "warning")):
        with patch.object(shutil, "disk_usage", return_value=SimpleNamespace(free=free)):
            document = inspected(run("inspect", source, "--dest", tmp_path / "zarr", "--json"))
        (finding,) = document["findings"]
        assert (finding["code"], finding["severity"]) == ("disk-room", severity)
        assert "expected room for up to" in finding["message"]


def test_positions_are_the_stages_own(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), channels=1, planes=1)
    for row in plate.rows:
        row["start_x"] -= 5000.0
        row["start_y"] = 777.5
    fields = inspected(run("inspect", plate.write(), "--json"))["images"][0]["fovs"]
    assert [(field["x"], field["y"]) for field in fields] == [
        (-5000.0, 777.5),
        (-5000.0 + 16 * PIXEL_SIZE, 777.5),
    ]


def test_all_findings_come_at_once(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    plate.write()
    for name in ("A01_f0_t0_c0_z0.tif", "B02_f1_t0_c1_z1.tif"):
        (plate.folder / name).unlink()
    del plate.rows[3]
    plate.write_table()
    done = run("inspect", plate.folder, "--json")
    codes = sorted(finding["code"] for finding in inspected(done)["findings"])
    assert done.returncode == 1
    assert codes == ["missing-file", "missing-file", "missing-plane"]


def test_a_source_that_cannot_be_read(tmp_path: Path) -> None:
    done = run("inspect", tmp_path / "gone", "--json")
    assert done.returncode == 2
    assert "found nothing there" in done.stderr
    assert "found nothing there" in inspected(done)["error"]


def test_what_people_read(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    done = run("inspect", plate.write(), "--plate-name", "P")
    assert "P.zarr/A/01/0" in done.stdout
    assert "format: table; 1 image" in done.stdout


def said_by_inspect(plate: TablePlate, *options: str) -> list[str]:
    return run("inspect", plate.write(), "--plate-name", "P", *options).stdout.splitlines()


def test_spacings_are_said_where_there_are_several_planes_or_timepoints(tmp_path: Path) -> None:
    flat = small_plate(tmp_path / "flat", wells=(("A", 1),), planes=1)
    assert said_by_inspect(flat)[1].split("  ")[0:1] == ["image"]
    assert "z µm" not in said_by_inspect(flat)[1]
    assert "t s" not in said_by_inspect(flat)[1]
    deep = small_plate(tmp_path / "deep", wells=(("A", 1),), planes=2, times=2)
    head, row = said_by_inspect(deep)[1:3]
    assert row[head.index("z µm") :].split()[0] == "2"
    assert row[head.index("t s") :].split()[0] == "60"


def test_pixel_sizes_that_hardly_differ_are_one_number(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    plate.details += "pixelsize_y = 0.5004\n"
    head, row = said_by_inspect(plate)[1:3]
    assert row[head.index("pixel µm") :].split("  ")[0] == "0.5"
    plate.details = plate.details.replace("0.5004", "0.51")
    head, row = said_by_inspect(plate)[1:3]
    assert row[head.index("pixel µm") :].split("  ")[0] == "0.5 x 0.51"


def test_images_are_listed_in_plate_order(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("AA", 2), ("B", 10), ("B", 9), ("A", 3)), fields=1)
    document = inspected(run("inspect", plate.write(), "--plate-name", "P", "--json"))
    expected = [f"P.zarr/{well}/0" for well in ("A/03", "B/09", "B/10", "AA/02")]
    assert [image["path"] for image in document["images"]] == expected
    assert [line.split()[0] for line in said_by_inspect(plate)[2:6]] == expected


def test_a_refused_source_is_said_to_cost_nothing_that_nobody_knows(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    del plate.rows[3]
    lines = said_by_inspect(plate)
    assert lines[-1].startswith("error: P.zarr/A/01/0, FOV_0 (channel_1, z-plane 1, timepoint 0): ")
    assert lines[2].split()[-1] == "?"
