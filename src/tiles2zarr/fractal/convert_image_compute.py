"""Fractal compute task of every converter here: one unit of work becomes one OME-Zarr image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, validate_call

from tiles2zarr.fractal.executable import run_task
from tiles2zarr.fractal.image_list import ImageListUpdateDict
from tiles2zarr.fractal.parallelization import ConvertParallelInitArgs, convert_listed_image


@validate_call
def convert_image_compute(
    *,
    zarr_url: Annotated[str, Field(title="Image", description="Absolute path of the image to be made.")],
    init_args: Annotated[
        ConvertParallelInitArgs, Field(title="Work order", description="What init says of the image.")
    ],
) -> ImageListUpdateDict:
    """Convert one image, and publish it in one step."""
    return convert_listed_image(zarr_url, init_args)


if __name__ == "__main__":
    run_task(convert_image_compute)
