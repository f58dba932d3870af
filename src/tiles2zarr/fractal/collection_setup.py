"""What must be there before the first image of a collection, whatever the kind of the collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiles2zarr.converter import set_up_plates
from tiles2zarr.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.models import ConverterOptions, OverwriteMode

#: What sets a collection of somebody else's up, by the name of its type: called by keyword with ``zarr_dir``,
#: ``tiled_images``, ``ngff_version`` and ``overwrite_mode``.
COLLECTION_HANDLERS: dict[str, Callable[..., object]] = {}


def set_up_collection(
    zarr_dir: Path,
    images: Sequence[TiledImage[Any, Any]],
    collection_type: str,
    options: ConverterOptions,
    mode: OverwriteMode,
) -> None:
    """Set up the collection of these images: plates and wells, or what the handler of a kind of its own does.

    Args:
        zarr_dir: the destination folder.
        images: what it will hold.
        collection_type: name of the type of their collections, such as ``ImageInPlate``.
        options: NGFF version.
        mode: what to do about images that are there already.

    Raises:
        OptionsError: the images are of another kind, and no handler was added for this one.
        OutputError: the destination cannot take the result.
    """
    handler = COLLECTION_HANDLERS.get(collection_type)
    if handler is not None:
        version = options.omezarr_options.ngff_version
        handler(zarr_dir=str(zarr_dir), tiled_images=list(images), ngff_version=version, overwrite_mode=mode)
        return
    for image in images:
        kinds = [kind.__name__ for kind in type(image.collection).__mro__]
        if collection_type not in kinds:
            remedy = f"say {kinds[0]}, or add a function for {collection_type} with add_collection_handler"
            msg = (
                f"{image.path}: expected an image in a {collection_type}, found one in a {kinds[0]}: {remedy}"
            )
            raise OptionsError(msg)
    set_up_plates(zarr_dir, images, options)
