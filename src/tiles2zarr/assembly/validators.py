"""Checks of somebody else's, made of every image before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiles2zarr.core.registry import function_named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tiles2zarr.core.tiled_image import TiledImage

#: Validators by the ``name`` of their model: called with the image, and by keyword ``validator_params`` (the
#: model) and ``resource``. A validator raises what it finds wrong.
VALIDATORS: dict[str, Callable[..., object]] = {}


def apply_validators(
    images: Sequence[TiledImage[Any, Any]], validators: Sequence[Any], resource: Any | None
) -> None:
    """Show every image to every validator.

    Args:
        images: what is to be converted.
        validators: models with a ``name``.
        resource: what the tiles' loaders are given.

    Raises:
        OptionsError: no validator of a name was added.
    """
    for rule in validators:
        function = function_named(VALIDATORS, "validator", str(rule.name), "add_validator")
        for image in images:
            function(image, validator_params=rule, resource=resource)
