"""The guide that converters were written after: its snippets whole, only the package's name changed."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import tiles2zarr

INIT_TASK = '''
from tiles2zarr import (
    AcquisitionDetails,
    ChannelInfo,
    ConverterOptions,
    setup_images_for_conversion,
    tiles_aggregation_pipeline,
)
from tiles2zarr.core import hcs_images_from_dataframe
from tiles2zarr.models import OverwriteMode


def my_init_task(
    *,
    zarr_dir: str,
    tiles_csv_path: str,
    # ... your custom parameters
) -> list[dict]:
    """Init task: set up plates and build parallelization list."""
    import pandas as pd

    # Step 1: Build tiles from your data source
    acq = AcquisitionDetails(
        channels=[ChannelInfo(channel_label="DAPI")],
        pixelsize=0.65,
        z_spacing=5.0,
    )
    tiles_table = pd.read_csv(tiles_csv_path)
    tiles = hcs_images_from_dataframe(
        tiles_table=tiles_table,
        acquisition_details=acq,
        plate_name="MyPlate",
    )

    # Step 2: Aggregate tiles
    opts = ConverterOptions()
    tiled_images = tiles_aggregation_pipeline(
        tiles=tiles,
        converter_options=opts,
        resource="/path/to/image/data",
    )

    # Step 3+4: Set up collection and build parallelization list
    parallelization_list = setup_images_for_conversion(
        tiled_images=tiled_images,
        zarr_dir=zarr_dir,
        collection_type="ImageInPlate",
        converter_options=opts,
        overwrite_mode=OverwriteMode.OVERWRITE,
    )
    return parallelization_list
'''

COMPUTE_TASK = '''
from tiles2zarr import (
    ConvertParallelInitArgs,
    DefaultImageLoader,
    ImageInPlate,
    ImageListUpdateDict,
    generic_compute_task,
)


def my_compute_task(
    *,
    zarr_url: str,
    init_args: ConvertParallelInitArgs,
) -> ImageListUpdateDict:
    """Compute task: convert one TiledImage to OME-Zarr."""
    return generic_compute_task(
        zarr_url=zarr_url,
        init_args=init_args,
        collection_type=ImageInPlate,
        image_loader_type=DefaultImageLoader,
        resource="/path/to/image/data",
    )
'''

ACQUISITION_OPTIONS = """
from tiles2zarr import AcquisitionOptions

# User-provided overrides
acq_options = AcquisitionOptions(
    channels=[ChannelInfo(channel_label="GFP", wavelength_id="488")],
    pixel_info=PixelSizeModel(pixelsize=0.325, z_spacing=1.0, t_spacing=1.0),
    filters=[RegexIncludeFilter(field="fov_name", pattern="FOV_[12]")],
)

# Apply overrides to base acquisition details
updated_acq = acq_options.update_acquisition_details(base_acquisition_details)
"""

MANIFEST_MODELS = """
from tiles2zarr import converters_tools_models

# Returns a list of (package, module_path, class_name) tuples
models = converters_tools_models()
# [
#     ("tiles2zarr", "fractal/_models.py", "AcquisitionOptions"),
#     ("tiles2zarr", "pipelines/_filters.py", "WellExcludeFilter"),
#     ("tiles2zarr", "models/_converter_options.py", "ConverterOptions"),
#     ...
# ]
"""

SIDE = 32
PIXEL_SIZE = 0.65
WELLS = (("A", 1), ("B", 12))
FIELDS = ("FOV_1", "FOV_2", "FOV_3")


def run_snippet(text: str, **names: Any) -> dict[str, Any]:
    """What a snippet defines, with the names that it leaves out."""
    exec(compile(text, "<seed page>", "exec", dont_inherit=True), names)
    return names


def pixels_of(well: int, field: int, z: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng([well, field, z]).integers(0, 60000, (SIDE, SIDE), np.uint16)


@pytest.fixture
def tiles_csv(tmp_path: Path) -> Path:
    """A table of two wells, three fields of view in a row and two z-planes; its file paths are absolute."""
    lines = ["file_path,row,column,fov_name,start_x,start_y,start_z,length_x,length_y,drug"]
    for w, (row, column) in enumerate(WELLS):
        for f, field in enumerate(FIELDS):
            for z in range(2):
                file = tmp_path / "images" / f"{row}{column}_{field}_{z}.tif"
                file.parent.mkdir(exist_ok=True)
                tifffile.imwrite(file, pixels_of(w, f, z))
                place = f"{f * SIDE * PIXEL_SIZE},0,{z * 5.0},{SIDE},{SIDE}"
                lines.append(f"{file},{row},{column},{field},{place},{'DMSO' if w else 'none'}")
    table = tmp_path / "tiles.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def test_the_init_and_compute_tasks_of_the_page_convert_a_plate(tiles_csv: Path, tmp_path: Path) -> None:
    init = run_snippet(INIT_TASK)["my_init_task"]
    compute = run_snippet(COMPUTE_TASK)["my_compute_task"]
    zarr_dir = tmp_path / "zarr"

    # The server keeps the list as JSON.
    units = json.loads(json.dumps(init(zarr_dir=str(zarr_dir), tiles_csv_path=str(tiles_csv))))
    updates = [compute(**unit)["image_list_updates"] for unit in units]

    for w, (row, column) in enumerate(WELLS):
        url = f"{zarr_dir}/MyPlate.zarr/{row}/{column:02d}/0"
        assert units[w]["zarr_url"] == url
        attributes = {"plate": "MyPlate.zarr", "well": f"{row}{column:02d}", "acquisition": 0}
        attributes["drug"] = "DMSO" if w else "none"
        assert updates[w] == [{"zarr_url": url, "attributes": attributes, "types": {"is_3D": True}}]
        expected = np.stack([np.hstack([pixels_of(w, f, z) for f in range(3)]) for z in range(2)])
        np.testing.assert_array_equal(zarr.open_array(f"{url}/0", mode="r")[...], expected[None])
        well = json.loads((Path(url).parent / ".zattrs").read_text())["well"]
        assert well["images"] == [{"path": "0", "acquisition": 0}]
    assert not (zarr_dir / ".tiles2zarr").exists()


def test_the_tasks_of_the_page_may_run_again(tiles_csv: Path, tmp_path: Path) -> None:
    init = run_snippet(INIT_TASK)["my_init_task"]
    compute = run_snippet(COMPUTE_TASK)["my_compute_task"]
    first, second = (
        [compute(**unit) for unit in init(zarr_dir=str(tmp_path / "zarr"), tiles_csv_path=str(tiles_csv))]
        for _ in range(2)
    )
    assert first == second


def test_the_compute_task_of_the_page_takes_init_args_as_the_model_that_it_names(
    tiles_csv: Path, tmp_path: Path
) -> None:
    init = run_snippet(INIT_TASK)["my_init_task"]
    compute = run_snippet(COMPUTE_TASK)["my_compute_task"]
    (unit, _) = init(zarr_dir=str(tmp_path / "zarr"), tiles_csv_path=str(tiles_csv))
    order = tiles2zarr.ConvertParallelInitArgs(**unit["init_args"])
    (update,) = compute(zarr_url=unit["zarr_url"], init_args=order)["image_list_updates"]
    assert update["zarr_url"] == unit["zarr_url"]


def test_the_acquisition_options_of_the_page_replace_details_and_filter_tiles(tiles_csv: Path) -> None:
    import pandas as pd

    base = tiles2zarr.AcquisitionDetails(pixelsize=0.65, z_spacing=5.0)
    names = run_snippet(
        ACQUISITION_OPTIONS,
        ChannelInfo=tiles2zarr.ChannelInfo,
        PixelSizeModel=tiles2zarr.PixelSizeModel,
        RegexIncludeFilter=tiles2zarr.RegexIncludeFilter,
        base_acquisition_details=base,
    )
    assert names["updated_acq"] == tiles2zarr.AcquisitionDetails(
        pixelsize=0.325,
        z_spacing=1.0,
        t_spacing=1.0,
        channels=[tiles2zarr.ChannelInfo(channel_label="GFP", wavelength_id="488")],
    )
    assert base == tiles2zarr.AcquisitionDetails(pixelsize=0.65, z_spacing=5.0)

    images = tiles2zarr.tiles_aggregation_pipeline(
        tiles=tiles2zarr.hcs_images_from_dataframe(
            tiles_table=pd.read_csv(tiles_csv), acquisition_details=names["updated_acq"]
        ),
        converter_options=tiles2zarr.ConverterOptions(),
        filters=names["acq_options"].filters,
    )
    assert [[region.fov_name for region in image.regions] for image in images] == [
        ["FOV_1", "FOV_1", "FOV_2", "FOV_2"]
    ] * 2


def test_the_manifest_models_of_the_page_are_where_they_are_said_to_be() -> None:
    models = run_snippet(MANIFEST_MODELS)["models"]
    named = {name for _, _, name in models}
    assert {"AcquisitionOptions", "WellExcludeFilter", "ConverterOptions"} <= named
    for package, path, name in models:
        assert files(package).joinpath(path).is_file()
        module = import_module(f"{package}.{path.removesuffix('.py').replace('/', '.')}")
        assert getattr(module, name).__module__ == module.__name__


def test_the_page_s_import_paths_hold() -> None:
    names = {
        "core": ("hcs_images_from_dataframe", "single_images_from_dataframe", "tiled_image_from_tiles"),
        "models": ("BackendType", "OverwriteMode", "StagePositionCorrections", "TilingMode"),
        "fractal": ("PixelSizeModel", "ConvertParallelInitArgs"),
        "pipelines": (
            "build_default_registration_pipeline",
            "tiled_image_creation_pipeline",
            "setup_ome_zarr_collection",
            "build_parallelization_list",
            "tiles_aggregation_pipeline",
            "add_filter",
            "add_registration_func",
            "add_validator",
            "add_collection_handler",
        ),
    }
    for room, members in names.items():
        module = import_module(f"tiles2zarr.{room}")
        assert [name for name in members if not hasattr(module, name)] == []
