"""From a form to options and acquisitions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr

from tests.table_plates import small_plate
from tiles2zarr.errors import OptionsError, PreflightError, SourceError
from tiles2zarr.fractal.convert_image_compute import convert_image_compute
from tiles2zarr.fractal.convert_tiles_table_to_plate_init import convert_tiles_table_to_plate_init
from tiles2zarr.fractal.forms import STANDARD, AdvancedForm
from tiles2zarr.fractal.init_run import chosen_options
from tiles2zarr.models import ConverterOptions, Grouping, MissingTiles, TilingMode

if TYPE_CHECKING:
    from pathlib import Path


def chosen(
    options_file: Path | None = None, advanced: AdvancedForm = STANDARD, **choices: Any
) -> ConverterOptions:
    form: dict[str, Any] = {
        "tiling_mode": TilingMode.AUTO,
        "grouping": Grouping.MOSAIC,
        "missing_tiles": MissingTiles.FAIL,
        "ngff_version": "0.4",
        **choices,
    }
    return chosen_options(**form, advanced=advanced, options_file=str(options_file) if options_file else None)


@pytest.fixture
def options_file(tmp_path: Path) -> Path:
    file = tmp_path / "options.toml"
    file.write_text(
        'tiling_mode = "Inplace"\n'
        "tiling_tolerance = 7.5\n"
        "[omezarr_options]\n"
        "num_levels = 3\n"
        'chunks = {mode = "Same as FOV", xy_scaling = 2, z_chunk = 4}\n'
        "[runtime]\n"
        "threads = 3\n"
        "[acquisition]\n"
        'data_type = "float32"\n'
        "pixel_info = {pixelsize = 0.5, z_spacing = 3.0}\n"
    )
    return file


def test_an_untouched_form_is_the_default_options() -> None:
    assert chosen() == ConverterOptions()


def test_every_choice_of_the_form_reaches_the_options() -> None:
    advanced = AdvancedForm.model_validate(
        {
            "tiling_tolerance": 2.5,
            "max_displacement": 4.0,
            "overlap_mode": "Mean",
            "remove_xy_jitter": False,
            "remove_xy_offset": "Keep",
            "remove_z_offset": "Per-FOV",
            "data_type": "uint32",
            "num_levels": 2,
            "chunk_xy": 512,
            "chunk_z": 2,
            "shard_xy": 8,
            "compression": "zstd",
            "memory_limit_gib": 1.5,
        }
    )
    options = chosen(
        advanced=advanced,
        tiling_mode=TilingMode.SNAP_TO_GRID,
        grouping=Grouping.PER_FOV,
        missing_tiles=MissingTiles.FILL,
        ngff_version="0.5",
    )
    assert options == ConverterOptions.model_validate(
        {
            "tiling_mode": "Snap to Grid",
            "tiling_tolerance": 2.5,
            "max_displacement": 4.0,
            "grouping": "Per-FOV",
            "overlap_mode": "Mean",
            "missing_tiles": "Fill",
            "alignment_correction": {
                "remove_xy_offset": "Keep",
                "remove_z_offset": "Per-FOV",
                "remove_xy_jitter": False,
            },
            "omezarr_options": {
                "ngff_version": "0.5",
                "num_levels": 2,
                "chunks": {"mode": "Fixed Size", "xy_chunk": 512, "z_chunk": 2},
                "shards": {"mode": "Multiple of Chunks", "xy_factor": 8, "z_factor": 1},
                "compression": "zstd",
            },
            "runtime": {"memory_limit_gib": 1.5},
            "acquisition": {"data_type": "uint32"},
        }
    )


def test_what_the_form_leaves_alone_is_the_file_s(options_file: Path) -> None:
    options = chosen(options_file)
    assert options.tiling_mode is TilingMode.INPLACE
    assert options.tiling_tolerance == 7.5
    assert options.omezarr_options.num_levels == 3
    assert options.runtime.threads == 3
    assert options.acquisition.data_type == "float32"


def test_what_the_form_changes_wins_over_the_file(options_file: Path) -> None:
    advanced = AdvancedForm(num_levels=4, chunk_xy=256)
    options = chosen(options_file, advanced, tiling_mode=TilingMode.SNAP_TO_CORNERS)
    assert options.tiling_mode is TilingMode.SNAP_TO_CORNERS
    assert options.tiling_tolerance == 7.5
    assert options.omezarr_options.num_levels == 4
    chunks = {"mode": "Fixed Size", "xy_chunk": 256, "z_chunk": 4}
    assert options.omezarr_options.chunks.model_dump() == chunks


def test_a_json_file_will_do(tmp_path: Path) -> None:
    file = tmp_path / "options.json"
    file.write_text(json.dumps({"overlap_mode": "Maximum"}))
    assert chosen(file) == ConverterOptions.model_validate({"overlap_mode": "Maximum"})


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("o.toml", "tiling_mode = ", "expected an options document in TOML"),
        ("o.json", "[1]", "expected an object of options, found list"),
        ("o.json", '{"tilling": 1}', "option tilling: Extra inputs are not permitted"),
        ("o.json", '{"runtime": {"threads": 0}}', "option runtime.threads: Input should be greater than"),
        ("o.json", '{"omezarr_options": 5}', "option omezarr_options: expected a group of options, found 5"),
        (
            "o.json",
            '{"omezarr_options": {"chunks": 5}}',
            "option chunks: expected a group of options, found 5",
        ),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(OptionsError) as refused:
        chosen(file, AdvancedForm(num_levels=2, chunk_z=3))
    assert expected in str(refused.value)
    assert name in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=r"none\.toml: .*No such file"):
        chosen(tmp_path / "none.toml")


def init(zarr_dir: Path, acquisitions: list[dict[str, Any]], **choices: Any) -> list[Any]:
    units: list[Any] = convert_tiles_table_to_plate_init(
        zarr_dir=str(zarr_dir),
        acquisitions=acquisitions,  # type: ignore[arg-type]
        **choices,
    )["parallelization_list"]
    return units


def places(units: list[Any], zarr_dir: Path) -> list[str]:
    return [unit["zarr_url"].removeprefix(f"{zarr_dir}/") for unit in units]


def test_acquisitions_are_numbered_plate_by_plate_around_given_numbers(tmp_path: Path) -> None:
    paths = [str(small_plate(tmp_path / name, wells=(("A", 1),)).write()) for name in ("p", "q", "r", "s")]
    acquisitions = [
        {"path": paths[0], "plate_name": "P"},
        {"path": paths[1]},
        {"path": paths[2], "plate_name": "P", "acquisition_id": 0},
        {"path": paths[3] + "/tiles.csv", "plate_name": "P"},
    ]
    units = init(tmp_path / "zarr", acquisitions)
    found = ["P.zarr/A/01/1", "q.zarr/A/01/0", "P.zarr/A/01/0", "P.zarr/A/01/2"]
    assert places(units, tmp_path / "zarr") == found


def test_folders_of_one_name_are_acquisitions_of_one_plate(tmp_path: Path) -> None:
    paths = [small_plate(tmp_path / cycle / "plate", wells=(("A", 1),)).write() for cycle in ("a", "b")]
    units = init(tmp_path / "zarr", [{"path": str(paths[0])}, {"path": f"{paths[1]}/tiles.csv"}])
    assert places(units, tmp_path / "zarr") == ["plate.zarr/A/01/0", "plate.zarr/A/01/1"]


def test_an_acquisition_replaces_only_what_it_states(tmp_path: Path, options_file: Path) -> None:
    source = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1).write()
    acquisition = {"path": str(source), "pixelsize": 0.25}
    (unit,) = init(tmp_path / "zarr", [acquisition], options_file=str(options_file))
    acquisition_options = unit["init_args"]["converter_options"]["acquisition"]
    assert acquisition_options["pixel_info"] == {"pixelsize": 0.25, "z_spacing": 3.0, "t_spacing": None}
    assert acquisition_options["data_type"] == "float32"


def test_only_the_wells_that_are_named_are_converted(tmp_path: Path) -> None:
    source = small_plate(tmp_path / "plate").write()
    units = init(tmp_path / "zarr", [{"path": str(source), "wells": ["b2"]}])
    assert places(units, tmp_path / "zarr") == ["plate.zarr/B/02/0"]
    with pytest.raises(OptionsError, match="A01, B02"):
        init(tmp_path / "zarr2", [{"path": str(source), "wells": ["C03"]}])


def test_files_outside_the_folder_need_leave(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    folder = plate.write()
    for row in plate.rows:
        (folder / row["file_path"]).rename(tmp_path / row["file_path"])
        row["file_path"] = f"../{row['file_path']}"
    plate.write_table()
    with pytest.raises(SourceError, match=r"expected a file in .*, found one outside"):
        init(tmp_path / "zarr", [{"path": str(folder)}])
    (unit,) = init(tmp_path / "zarr", [{"path": str(folder)}], advanced={"allow_outside": True})
    assert unit["zarr_url"].endswith("A/01/0")


def test_two_acquisitions_in_one_place_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    source = small_plate(tmp_path / "plate").write()
    twice = [{"path": str(source), "acquisition_id": 0}] * 2
    with pytest.raises(PreflightError, match="two"):
        init(tmp_path / "zarr", twice)
    assert not (tmp_path / "zarr").exists()


def converted(units: list[Any]) -> list[Any]:
    """The updates of the image list."""
    results = [convert_image_compute(**unit) for unit in units]
    return [update for result in results for update in result["image_list_updates"]]


def test_cycles_become_acquisitions_of_one_plate_without_numbers(tmp_path: Path) -> None:
    cycles = [small_plate(tmp_path / f"cycle{n}", wells=(("A", 1),)).write() for n in range(3)]
    tifffile.imwrite(cycles[2] / "A01_f0_t0_c0_z0.tif", np.zeros((12, 16), np.uint16))
    units = init(tmp_path / "zarr", [{"path": str(cycle), "plate_name": "P"} for cycle in cycles])
    updates = converted(units)
    assert [update["attributes"]["acquisition"] for update in updates] == [0, 1, 2]
    well = json.loads((tmp_path / "zarr/P.zarr/A/01/.zattrs").read_text())["well"]
    assert well["images"] == [{"path": str(n), "acquisition": n} for n in range(3)]
    levels = [zarr.open_array(f"{update['zarr_url']}/0", mode="r")[...] for update in updates]
    assert not np.array_equal(levels[0], levels[2])
    np.testing.assert_array_equal(levels[0], levels[1])


def test_a_run_may_be_repeated_with_overwrite(tmp_path: Path) -> None:
    acquisitions = [{"path": str(small_plate(tmp_path / "plate").write()), "wells": ["A1"]}]
    first, second = (
        converted(init(tmp_path / "zarr", acquisitions, overwrite_mode="Overwrite")) for _ in range(2)
    )
    assert first == second
    assert [update["attributes"]["well"] for update in first] == ["A01"]


def test_a_condition_table_reaches_the_image_list(tmp_path: Path) -> None:
    source = small_plate(tmp_path / "plate").write()
    (source / "conditions.csv").write_text("well,drug,dose\nA01,DMSO,0\nB02,X,1.5\n")
    units = init(tmp_path / "zarr", [{"path": str(source), "condition_table_path": "conditions.csv"}])
    found = [update["attributes"] for update in converted(units)]
    assert [(each["well"], each["drug"], each["dose"]) for each in found] == [
        ("A01", "DMSO", 0),
        ("B02", "X", 1.5),
    ]
