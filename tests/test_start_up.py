"""Start-up is a feature: a Fractal server starts one process for each image and pays for every import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.table_plates import small_plate
from tiles2zarr.converter import Acquisition, begin, plan
from tiles2zarr.fractal.parallelization import units_of
from tiles2zarr.models import ConverterOptions, OmeZarrOptions

FRACTAL = Path(__file__).parent.parent / "src" / "tiles2zarr" / "fractal"
HEAVY = """
    anndata dask distributed matplotlib ngio ome_types ome_zarr_models pandas polars pyarrow rich scipy typer zarr
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


def test_a_table_of_tiles_imports_no_other_format(tmp_path: Path) -> None:
    source = small_plate(tmp_path / "plate", wells=(("A", 1),)).write()
    loaded = run(
        "import json, sys\n"
        "from pathlib import Path\n"
        "from tiles2zarr import Acquisition, ConverterOptions, plan\n"
        "from tiles2zarr.sources import FORMATS\n"
        "assert plan([Acquisition(Path(sys.argv[1]))], Path(sys.argv[2]), ConverterOptions()).images\n"
        "print(json.dumps([name for name in FORMATS if f'tiles2zarr.sources.{name}' in sys.modules]))\n",
        source,
        tmp_path / "zarr",
    )
    assert loaded == ["table"]


def test_a_file_of_pixels_imports_no_instrument(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.ome.tif", np.ones((2, 20, 20), "uint16"), ome=True, metadata={"axes": "CYX"}
    )
    loaded = run(
        "import json, sys\n"
        "from pathlib import Path\n"
        "from tiles2zarr.sources import FORMATS, detect_source\n"
        "assert detect_source(Path(sys.argv[1])).name == 'ome_tiff'\n"
        "print(json.dumps([name for name in FORMATS if f'tiles2zarr.sources.{name}' in sys.modules]))\n",
        tmp_path / "a.ome.tif",
    )
    assert loaded == ["table", "ome_tiff", "czi", "lif", "nd2"]


SETTINGS = "print(json.dumps([os.environ.get('OPENBLAS_NUM_THREADS'), gc.isenabled()]))"


@pytest.mark.parametrize("chosen", [None, "3"])
def test_a_task_starts_no_threads_for_algebra_unless_told_to_and_collects_garbage(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if chosen is not None:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", chosen)
    found = run(
        "import contextlib, gc, json, os, runpy, sys\n"
        "task = sys.argv.pop(1)\n"
        "with contextlib.suppress(SystemExit):\n"
        "    runpy.run_path(task, run_name='__main__')\n" + SETTINGS,
        FRACTAL / "convert_image_compute.py",
    )
    assert found == [chosen or "1", True]


def test_the_command_starts_no_threads_for_algebra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    found = run(
        "import contextlib, gc, json, os, sys\n"
        "from tiles2zarr.cli import main\n"
        "assert 'numpy' not in sys.modules\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main()\n" + SETTINGS,
        "--version",
    )
    assert found == ["1", True]


def test_a_task_that_is_imported_leaves_the_process_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    found = run(f"import gc, json, os\nimport tiles2zarr.fractal.convert_image_compute\n{SETTINGS}")
    assert found == [None, True]


def test_no_module_beside_an_executable_hides_a_library() -> None:
    # Python puts a script's folder first on its path.
    names = {path.stem for path in FRACTAL.iterdir() if path.suffix == ".py" or path.is_dir()}
    libraries = sys.stdlib_module_names | {"numpy", "pydantic", "numcodecs", "zarrs", "tifffile", *HEAVY}
    assert names & libraries == set()
