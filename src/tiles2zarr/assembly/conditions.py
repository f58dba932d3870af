"""What was done to the wells, as attributes of their tiles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.models import ImageInPlate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.core.tiles import Tiles


def with_conditions(tiles: Tiles, conditions: Mapping[str, Mapping[str, Scalar]]) -> Tiles:
    """Add the conditions of each well to the attributes of its tiles, in place of any of the same name.

    Args:
        tiles: tiles of any number of wells.
        conditions: per well name (``A01``) what was done to it.
    """
    if not conditions:
        return tiles
    wells = [image.well if isinstance(image, ImageInPlate) else "" for image in tiles.collections]
    names = dict.fromkeys(name for row in conditions.values() for name in row)
    added = {
        name: np.fromiter((conditions.get(well, {}).get(name) for well in wells), object, len(wells))[
            tiles.collection
        ]
        for name in names
    }
    return replace(tiles, attributes={**tiles.attributes, **added})
