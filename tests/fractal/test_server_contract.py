"""The same contracts in a server's own words.

A server and this package ask for different versions of one library, so it has an environment of its own:
``FRACTAL_SERVER_PYTHON=/path/to/python`` says which. No server runs.
"""

from __future__ import annotations

import json
import os
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from tests.table_plates import small_plate
from tiles2zarr.fractal.convert_image_compute import convert_image_compute
from tiles2zarr.fractal.convert_tiles_table_to_plate_init import convert_tiles_table_to_plate_init

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = os.environ.get("FRACTAL_SERVER_PYTHON")
pytestmark = [
    pytest.mark.fractal_server,
    pytest.mark.skipif(PYTHON is None, reason="FRACTAL_SERVER_PYTHON names no Python with fractal-server"),
]

# Reads {"manifest": ..., "init": ..., "compute": [...]} and prints how many tasks and units there are.
PROGRAM = """
import json, sys
from fractal_server.app.schemas.v2.manifest import ManifestV2
from fractal_server.runner.v2.task_interface import InitTaskOutput, TaskOutput

document = json.load(sys.stdin)
tasks = ManifestV2(**document["manifest"]).task_list
units = InitTaskOutput(**document["init"]).parallelization_list
for output in document["compute"]:
    TaskOutput(**output).check_zarr_urls_are_unique()
print(json.dumps([[task.type for task in tasks], [unit.zarr_url for unit in units]]))
"""


def test_the_server_accepts_the_manifest_and_what_the_tasks_return(tmp_path: Path) -> None:
    source = small_plate(tmp_path / "plate").write()
    acquisitions: Any = [{"path": str(source)}]
    init = convert_tiles_table_to_plate_init(zarr_dir=str(tmp_path / "zarr"), acquisitions=acquisitions)
    manifest = files("tiles2zarr").joinpath("__FRACTAL_MANIFEST__.json").read_text(encoding="utf-8")
    units: list[Any] = init["parallelization_list"]
    document = {
        "manifest": json.loads(manifest),
        "init": init,
        "compute": [convert_image_compute(**unit) for unit in units],
    }
    done = subprocess.run(
        [str(PYTHON), "-c", PROGRAM],
        input=json.dumps(document, allow_nan=False),
        env={**os.environ, "POSTGRES_DB": "x", "JWT_SECRET_KEY": "x", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tasks, urls = json.loads(done.stdout)
    assert tasks == ["converter_compound"] * 2
    assert urls == [unit["zarr_url"] for unit in units]
