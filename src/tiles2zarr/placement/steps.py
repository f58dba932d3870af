"""Registration as a list of steps, so that a converter of your own can put a step between them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from tiles2zarr.core.registry import function_named
from tiles2zarr.models import (
    OffsetRemoval,
    StageOrientation,
    StagePositionCorrections,
    TilingMode,
    ZOffsetRemoval,
)
from tiles2zarr.placement.place import place_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.models import ConverterOptions

    AnyImage = TiledImage[Any, Any]


class RegistrationStep(TypedDict):
    """One step of a registration: the name of its function, and the function's arguments beside the image."""

    name: str
    params: dict[str, Any]


#: Steps of somebody else's, by name: called with the image, and by keyword with the step's ``params``; such a
#: function gives the image back, its tiles elsewhere.
REGISTRATION_FUNCTIONS: dict[str, Callable[..., AnyImage]] = {}

CORRECTIONS = "stage_position_corrections"
TILING = "tile_regions"
_STAY = StagePositionCorrections(
    remove_xy_offset=OffsetRemoval.KEEP,
    remove_z_offset=ZOffsetRemoval.KEEP,
    remove_t_offset=OffsetRemoval.KEEP,
    remove_xy_jitter=False,
)


def default_registration(
    corrections: StagePositionCorrections, tiling_mode: TilingMode
) -> list[RegistrationStep]:
    """The steps that every conversion takes: corrections of the stage's positions, then tiling."""
    return [
        {"name": CORRECTIONS, "params": {"corrections": corrections}},
        {"name": TILING, "params": {"tiling_mode": tiling_mode}},
    ]


def take_steps(
    image: AnyImage, steps: Sequence[RegistrationStep], options: ConverterOptions
) -> tuple[AnyImage, ConverterOptions]:
    """Do what the steps say, in their order.

    Corrections and tiling are one thing here, done when the image is placed. A step of your own that comes
    after them therefore sees the tiles where they went, in µm along the image's axes, and the image is not
    tiled again.

    Args:
        image: the tiles at their stage positions.
        steps: the registration; without tiling and corrections tiles stay where the stage put them.
        options: tolerance and largest displacement.

    Returns:
        the image, and the options under which it is to be placed.

    Raises:
        OptionsError: a step has no function.
        PlacementError: the tiles cannot be placed.
    """
    options = _waiting(options, _STAY, TilingMode.INPLACE)
    pending = False
    for step in steps:
        if step["name"] == CORRECTIONS:
            options = _waiting(options, step["params"]["corrections"], options.tiling_mode)
        elif step["name"] == TILING:
            options = _waiting(options, options.alignment_correction, step["params"]["tiling_mode"])
        else:
            function = function_named(
                REGISTRATION_FUNCTIONS, "registration step", step["name"], "add_registration_func"
            )
            if pending:
                image = _settled(place_image(image, options))
                options = _waiting(options, _STAY, TilingMode.INPLACE)
            image = function(image, **step["params"])
        pending = step["name"] in (CORRECTIONS, TILING)
    return image, options


def _waiting(
    options: ConverterOptions, corrections: StagePositionCorrections, tiling_mode: TilingMode
) -> ConverterOptions:
    return options.model_copy(
        update={"alignment_correction": corrections, "tiling_mode": TilingMode(tiling_mode)}
    )


def _settled(placed: PlacedImage) -> AnyImage:
    """The image with its tiles where they were placed, µm (s for t), turned along the image's axes."""
    image, size, origin = placed.image, placed.image.pixel_size, placed.translation
    details = image.details.model_copy(update={"stage_orientation": StageOrientation()})
    tiles = replace(
        image.tiles,
        x=_in_world(placed.x, size["x"], origin.get("x", 0.0)),
        y=_in_world(placed.y, size["y"], origin.get("y", 0.0)),
        z=_in_world(placed.z, size["z"], origin.get("z", 0.0)),
        t=_in_world(placed.t, size["t"], origin.get("t", 0.0)),
        details=np.zeros(len(image.tiles), np.int64),
        all_details=(details,),
    )
    return replace(image, tiles=tiles, details=details)


def _in_world(index: NDArray[np.int64], spacing: float, origin: float) -> NDArray[np.float64]:
    return np.asarray(index * spacing + origin, np.float64)
