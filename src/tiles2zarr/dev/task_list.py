"""The Fractal tasks of this package: ``fractal-manifest create --package tiles2zarr`` makes the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fractal_task_tools.task_models import (  # noqa: TID253 - no task imports this module
    ConverterCompoundTask,
)

AUTHORS = "tiles2zarr contributors"
DOCS_LINK = "https://pypi.org/project/tiles2zarr/"

# MB. The image in work needs the form's memory limit (2 GiB unless changed) and room for the libraries.
_COMPUTE = {"cpus_per_task": 4, "mem": 4000}
_INIT = {"cpus_per_task": 2, "mem": 4000}


def _page(name: str) -> str:
    return (Path(__file__).parent / "docs_info" / f"{name}.md").read_text(encoding="utf-8")


def _task(
    name: str, source: str, makes: Literal["plates", "images", "both"], *tags: str
) -> ConverterCompoundTask:
    """The task of a format: its init executable, the compute task of all, and its page."""
    kinds = {"plates": ["Plate converter"], "images": ["Image converter"]}
    return ConverterCompoundTask(
        name=name,
        executable_init=f"fractal/convert_{source}_init.py",
        executable="fractal/convert_image_compute.py",
        meta_init=_INIT,
        meta=_COMPUTE,
        category="Conversion",
        modality="HCS" if makes == "plates" else None,
        tags=[*kinds.get(makes, ["Plate converter", "Image converter"]), *tags],
        docs_info="\n".join(_page(name) for name in (source, "every_task")),
    )


TASK_LIST = [
    _task("Convert Operetta to OME-Zarr Plate", "operetta", "plates", "Operetta", "Opera Phenix", "Harmony"),
    _task("Convert CellVoyager to OME-Zarr Plate", "cellvoyager", "plates", "Yokogawa", "CV7000", "CV8000"),
    _task("Convert CQ3K to OME-Zarr Plate", "cq3k", "plates", "Yokogawa", "CQ1", "CQ3K"),
    _task("Convert ImageXpress to OME-Zarr Plate", "imagexpress", "plates", "ImageXpress", "MetaXpress"),
    _task(
        "Convert ImageXpress HCS.ai to OME-Zarr Plate",
        "imagexpress_hcsai",
        "plates",
        "ImageXpress",
        "HCS.ai",
    ),
    _task("Convert ScanR to OME-Zarr Plate", "scanr", "plates", "ScanR", "Evident", "Olympus"),
    _task("Convert OME-TIFF to OME-Zarr", "ome_tiff", "both", "OME-TIFF"),
    _task("Convert CZI to OME-Zarr", "czi", "both", "CZI", "Zeiss"),
    _task("Convert LIF to OME-Zarr", "lif", "images", "LIF", "Leica"),
    _task("Convert ND2 to OME-Zarr", "nd2", "both", "ND2", "Nikon"),
    _task("Convert Other Microscope Files to OME-Zarr", "images", "images", "VSI", "OIR", "IMS"),
    _task("Convert Tiles Table to OME-Zarr Plate", "tiles_table_to_plate", "plates", "TIFF", "Tiles table"),
    _task("Convert Tiles Table to OME-Zarr Images", "tiles_table_to_images", "images", "TIFF", "Tiles table"),
]
