"""Start-up is a feature: a Fractal server starts one process for each image and pays for every import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.table_plates import small_plate
from tiles2zarr.converter import Acquisition, begin, plan
from tiles2zarr.fractal.parallelization import units_of
from tiles2zarr.models import ConverterOptions, OmeZarrOptions

FRACTAL = Path(__file__).parent.parent / "src" / "tiles2zarr" / "fractal"
HEAVY = """
    anndata dask distributed matplotlib ngio ome_types ome_zarr_models pandas polars pyarrow rich scipy typer
""".split()


def run(program: str, *arguments: object) -> Any:
    """The JSON document that a program prints last, in a process of its own."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_the_package_costs_at_most_a_third_of_a_second_more_than_numpy() -> None:
    seconds = run(
        "import json, time\n"
        "import numpy\n"
        "started = time.process_time()\n"
        "import tiles2zarr\n"
        "print(json.dumps(time.process_time() - started))\n"
    )
    assert seconds <= 0.3


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    modules = run(
        "import json, sys\n"
        "import tiles2zarr\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('tiles2zarr.')]))\n"
    )
    assert modules == []


@pytest.mark.parametrize("ngff_version", ["0.4", "0.5"])
@pytest.mark.parametrize("kind", ["plate", "single"])
def test_a_compute_task_imports_no_heavy_library_from_its_start_to_its_end(
    tmp_path: Path, ngff_version: Any, kind: str
) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    if kind == "single":  # its compute task writes OME-XML and the vendor's files, too
        for row in plate.rows:
            row["image_path"] = f"{row.pop('row')}{row.pop('column')}"
    source = plate.write()
    options = ConverterOptions(omezarr_options=OmeZarrOptions(ngff_version=ngff_version))
    planned = plan([Acquisition(source)], tmp_path / "zarr", options)
    begin(planned)
    (unit,) = units_of(tmp_path / "zarr", [image.job for image in planned.images])
    (tmp_path / "in.json").write_text(json.dumps(unit))

    loaded = run(
        "import json, runpy, sys\n"
        "task, heavy = sys.argv.pop(1), sys.argv.pop(1).split()\n"
        "sys.path[0] = task.rpartition('/')[0]\n"
        "runpy.run_path(task, run_name='__main__')\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))\n",
        FRACTAL / "convert_image_compute.py",
        " ".join(HEAVY),
        "--args-json",
        tmp_path / "in.json",
        "--out-json",
        tmp_path / "out.json",
    )
    assert loaded == []
    (update,) = json.loads((tmp_path / "out.json").read_text())["image_list_updates"]
    assert update["zarr_url"] == unit["zarr_url"]
    kept = {file.name for file in Path(unit["zarr_url"]).glob("OME/**/*")} - {
        ".zgroup",
        ".zattrs",
        "zarr.json",
    }
    in_image = {"METADATA.ome.xml", "acquisition_0", "acquisition_details.toml"}
    assert kept == (in_image if kind == "single" else set())


def test_no_module_beside_an_executable_hides_a_library() -> None:
    # Python puts a script's folder first on its path.
    names = {path.stem for path in FRACTAL.iterdir() if path.suffix == ".py" or path.is_dir()}
    libraries = sys.stdlib_module_names | {"numpy", "pydantic", "zarr", "zarrs", "tifffile", *HEAVY}
    assert names & libraries == set()
