"""The steps of a conversion by the names that other converters know them by; all of it happens elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tiles2zarr.assembly.filters import CUSTOM_FILTERS, apply_filters, register_filter
from tiles2zarr.assembly.validators import VALIDATORS, apply_validators
from tiles2zarr.converter import convert_image
from tiles2zarr.core.job import ImageJob
from tiles2zarr.core.registry import free_name
from tiles2zarr.core.tiled_image import tiled_image_from_tiles
from tiles2zarr.core.tiles import Tiles
from tiles2zarr.fractal.collection_setup import COLLECTION_HANDLERS, set_up_collection
from tiles2zarr.fractal.parallelization import build_parallelization_list, local_folder
from tiles2zarr.models import ConverterOptions, Grouping, OmeZarrOptions, OverwriteMode
from tiles2zarr.placement.steps import (
    REGISTRATION_FUNCTIONS,
    RegistrationStep,
    default_registration,
    take_steps,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ngio import OmeZarrContainer

    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.core.tiles import AnyTile
    from tiles2zarr.models import FilterModel, StagePositionCorrections, TileFilter, TilingMode
    from tiles2zarr.writer.groups import NgffVersion

__all__ = [
    "RegistrationStep",
    "add_collection_handler",
    "add_filter",
    "add_registration_func",
    "add_validator",
    "build_default_registration_pipeline",
    "build_parallelization_list",
    "setup_ome_zarr_collection",
    "tiled_image_creation_pipeline",
    "tiles_aggregation_pipeline",
]


def tiles_aggregation_pipeline(
    tiles: Iterable[AnyTile],
    *,
    converter_options: ConverterOptions,
    filters: Sequence[TileFilter | FilterModel] | None = None,
    validators: Sequence[Any] | None = None,
    resource: Any | None = None,
) -> list[TiledImage[Any, Any]]:
    """Leave out the tiles that a filter excludes, group the others into images, and validate these.

    Args:
        tiles: tiles of any number of images.
        converter_options: grouping, and what replaces the tiles' own account (``acquisition``).
        filters: which tiles are converted; all of them must let a tile pass.
        validators: models of validators that were added with `add_validator`.
        resource: what validators are given; usually the base folder of the tiles' files.

    Raises:
        OptionsError: there are no tiles, a filter leaves none or names a field they have not, or a name has
            no function.
    """
    columns, chosen = Tiles.from_tiles(tiles), converter_options.acquisition
    details = tuple(chosen.update_acquisition_details(found) for found in columns.all_details)
    kept = apply_filters(replace(columns, all_details=details), (*chosen.filters, *(filters or ())))
    per_fov = converter_options.grouping is Grouping.PER_FOV
    images = tiled_image_from_tiles(tiles=kept, split_per_fov=per_fov, numbered_in=columns)
    apply_validators(images, validators or (), resource)
    return images


def setup_ome_zarr_collection(
    *,
    tiled_images: Sequence[TiledImage[Any, Any]],
    collection_type: str,
    zarr_dir: str,
    ngff_version: NgffVersion = "0.4",
    overwrite_mode: OverwriteMode = OverwriteMode.NO_OVERWRITE,
) -> None:
    """Write what must be there before the first image, such as plates and wells; see `set_up_collection`."""
    options = ConverterOptions(omezarr_options=OmeZarrOptions(ngff_version=ngff_version))
    set_up_collection(
        local_folder(zarr_dir), tiled_images, collection_type, options, OverwriteMode(overwrite_mode)
    )


def build_default_registration_pipeline(
    alignment_corrections: StagePositionCorrections, tiling_mode: TilingMode
) -> list[RegistrationStep]:
    """The steps that every conversion takes; put your own before or behind them, or leave some out."""
    return default_registration(alignment_corrections, tiling_mode)


def tiled_image_creation_pipeline(
    zarr_url: str,
    tiled_image: TiledImage[Any, Any],
    registration_pipeline: Sequence[RegistrationStep],
    converter_options: ConverterOptions,
    overwrite_mode: OverwriteMode = OverwriteMode.NO_OVERWRITE,
    resource: Any | None = None,
) -> OmeZarrContainer:
    """Convert one image, and open it.

    Args:
        zarr_url: where the image will be.
        tiled_image: its tiles.
        registration_pipeline: the steps from stage positions to pixels.
        converter_options: how to convert; tiling and corrections are those of the steps.
        overwrite_mode: what to do about an image that is there already.
        resource: what the tiles' loaders are given; usually the base folder of their files.

    Raises:
        Tiles2ZarrError: the image cannot be converted; see `tiles2zarr.converter.convert_image`.
    """
    from ngio import open_ome_zarr_container

    image, options = take_steps(tiled_image, registration_pipeline, converter_options)
    target = str(local_folder(zarr_url))
    convert_image(ImageJob(image, target, options, OverwriteMode(overwrite_mode), resource))
    return open_ome_zarr_container(target)


def add_filter(*, function: Callable[..., bool], name: str | None = None, overwrite: bool = False) -> None:
    """Add a filter: a function of a tile and the filter's model; true keeps the tile.

    Args:
        function: the filter.
        name: the ``name`` of its model; None: the function's own.
        overwrite: replace another function of that name.

    Raises:
        OptionsError: the name is taken.
    """
    register_filter(function, free_name(CUSTOM_FILTERS, "filter", function, name, overwrite=overwrite))


def add_registration_func(
    *, function: Callable[..., TiledImage[Any, Any]], name: str | None = None, overwrite: bool = False
) -> None:
    """Add a step of registration: a function that gives an image back with its tiles elsewhere.

    Args:
        function: called with the image, and by keyword with the step's ``params``.
        name: what a step calls it; None: the function's own name.
        overwrite: replace another function of that name.

    Raises:
        OptionsError: the name is taken.
    """
    chosen = free_name(REGISTRATION_FUNCTIONS, "registration step", function, name, overwrite=overwrite)
    REGISTRATION_FUNCTIONS[chosen] = function


def add_validator(
    *, function: Callable[..., object], name: str | None = None, overwrite: bool = False
) -> None:
    """Add a validator: a function that raises what it finds wrong with an image.

    Args:
        function: called with the image, and by keyword ``validator_params`` (its model) and ``resource``.
        name: the ``name`` of its model; None: the function's own.
        overwrite: replace another function of that name.

    Raises:
        OptionsError: the name is taken.
    """
    VALIDATORS[free_name(VALIDATORS, "validator", function, name, overwrite=overwrite)] = function


def add_collection_handler(
    *, function: Callable[..., object], collection_type: str | None = None, overwrite: bool = False
) -> None:
    """Add what sets up a kind of collection of your own.

    Args:
        function: called by keyword with ``zarr_dir``, ``tiled_images``, ``ngff_version`` and
            ``overwrite_mode``.
        collection_type: name of the type of collection; None: the function's own name.
        overwrite: replace another function for that kind.

    Raises:
        OptionsError: the kind has a function already.
    """
    chosen = free_name(
        COLLECTION_HANDLERS, "collection handler", function, collection_type, overwrite=overwrite
    )
    COLLECTION_HANDLERS[chosen] = function
