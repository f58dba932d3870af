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
            {"label": "DAPI", "wavelength_id": "405", "color": "0000FF"},
            {"label": "GFP", "wavelength_id": None, "color": None},
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
    each = {"bytes_in": 8 * 12 * 16 * 2, "bytes_out": 4064, "files_out": 34, "peak_memory_mb": 134.2}
    assert [image["cost"] for image in document["images"]] == [each, each]
    sums = {name: 2 * each[name] for name in ("bytes_in", "bytes_out", "files_out")}
    assert document["cost"] == sums | {"peak_memory_mb": 134.2, "bytes_free": None}
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
