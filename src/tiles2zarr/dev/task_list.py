"""The Fractal tasks of this package: ``fractal-manifest create --package tiles2zarr`` makes the manifest."""

from __future__ import annotations

from fractal_task_tools.task_models import (  # noqa: TID253 - no task imports this module
    ConverterCompoundTask,
)

AUTHORS = "tiles2zarr contributors"
DOCS_LINK = "https://pypi.org/project/tiles2zarr/"

# MB. The image in work needs the form's memory limit (2 GiB unless changed) and room for the libraries.
_COMPUTE = {"cpus_per_task": 4, "mem": 4000}
_INIT = {"cpus_per_task": 2, "mem": 4000}

TASK_LIST = [
    ConverterCompoundTask(
        name="Convert Tiles Table to OME-Zarr Plate",
        executable_init="fractal/convert_tiles_table_to_plate_init.py",
        executable="fractal/convert_image_compute.py",
        meta_init=_INIT,
        meta=_COMPUTE,
        category="Conversion",
        modality="HCS",
        tags=["Plate converter", "TIFF", "Tiles table"],
        docs_info="file:docs_info/tiles_table_to_plate.md",
    ),
    ConverterCompoundTask(
        name="Convert Tiles Table to OME-Zarr Images",
        executable_init="fractal/convert_tiles_table_to_images_init.py",
        executable="fractal/convert_image_compute.py",
        meta_init=_INIT,
        meta=_COMPUTE,
        category="Conversion",
        tags=["Image converter", "TIFF", "Tiles table"],
        docs_info="file:docs_info/tiles_table_to_images.md",
    ),
]
