"""Tiles and tiled images, and building them from tables."""

from __future__ import annotations

from tiles2zarr.core.dataframe import hcs_images_from_dataframe, single_images_from_dataframe
from tiles2zarr.core.tile import Tile
from tiles2zarr.core.tiled_image import TiledImage, tiled_image_from_tiles
from tiles2zarr.core.tiles import Tiles

__all__ = [
    "Tile",
    "TiledImage",
    "Tiles",
    "hcs_images_from_dataframe",
    "single_images_from_dataframe",
    "tiled_image_from_tiles",
]
