"""The same contracts in the server's own words: needs an installed fractal-server, but none that runs."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from tests.table_plates import small_plate
from tiles2zarr.fractal.convert_image_compute import convert_image_compute
from tiles2zarr.fractal.convert_tiles_table_to_plate_init import convert_tiles_table_to_plate_init

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fractal_server


@pytest.fixture(scope="module")
def server() -> Any:
    """The server's models; importing them asks for settings that are not used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTGRES_DB", "x")
        patch.setenv("JWT_SECRET_KEY", "x")
        pytest.importorskip("fractal_server")
        yield pytest.importorskip("fractal_server.runner.v2.task_interface")


def test_the_server_accepts_the_manifest(server: Any) -> None:
    manifests = pytest.importorskip("fractal_server.app.schemas.v2.manifest")
    text = files("tiles2zarr").joinpath("__FRACTAL_MANIFEST__.json").read_text(encoding="utf-8")
    manifest = manifests.ManifestV2(**json.loads(text))
    assert [task.type for task in manifest.task_list] == ["converter_compound"] * 2


def test_the_server_accepts_what_the_tasks_return(server: Any, tmp_path: Path) -> None:
    source = small_plate(tmp_path / "plate").write()
    result = convert_tiles_table_to_plate_init(
        zarr_dir=str(tmp_path / "zarr"),
        acquisitions=[{"path": str(source)}],  # type: ignore[list-item]
    )
    accepted = server.InitTaskOutput(**result)
    assert len(accepted.parallelization_list) == 2
    for unit in accepted.parallelization_list:
        output = server.TaskOutput(**convert_image_compute(zarr_url=unit.zarr_url, init_args=unit.init_args))
        output.check_zarr_urls_are_unique()
