"""Fractal: init and compute tasks, and what a converter of your own builds its tasks from.

Nothing is imported before it is asked for, since a server starts one process for each image.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiles2zarr.fractal.image_list import ImageListUpdate, ImageListUpdateDict
    from tiles2zarr.fractal.manifest_models import converters_tools_models
    from tiles2zarr.fractal.parallelization import (
        ConvertParallelInitArgs,
        build_parallelization_list,
        generic_compute_task,
        join_url_paths,
        setup_images_for_conversion,
    )
    from tiles2zarr.models.options import AcquisitionOptions, PixelSizeModel

__all__ = [
    "AcquisitionOptions",
    "ConvertParallelInitArgs",
    "ImageListUpdate",
    "ImageListUpdateDict",
    "PixelSizeModel",
    "build_parallelization_list",
    "converters_tools_models",
    "generic_compute_task",
    "join_url_paths",
    "setup_images_for_conversion",
]

_HOMES = {
    "AcquisitionOptions": "tiles2zarr.models.options",
    "ConvertParallelInitArgs": "tiles2zarr.fractal.parallelization",
    "ImageListUpdate": "tiles2zarr.fractal.image_list",
    "ImageListUpdateDict": "tiles2zarr.fractal.image_list",
    "PixelSizeModel": "tiles2zarr.models.options",
    "build_parallelization_list": "tiles2zarr.fractal.parallelization",
    "converters_tools_models": "tiles2zarr.fractal.manifest_models",
    "generic_compute_task": "tiles2zarr.fractal.parallelization",
    "join_url_paths": "tiles2zarr.fractal.parallelization",
    "setup_images_for_conversion": "tiles2zarr.fractal.parallelization",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
