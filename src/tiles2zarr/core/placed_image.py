"""The placed image: the same tiles, at integer pixel offsets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.plane_words import place_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.models import Axis, TileShape


@dataclass(frozen=True, slots=True, eq=False)
class FieldsOfView:
    """The fields of view of an image, in field order, one array element each.

    Attributes:
        names: as the source has them.
        code: index into the tiles' ``fov_names``.
        x: left edge, px.
        y: upper edge, px.
        z: first z-plane.
        width: px.
        height: px.
        depth: number of z-planes.
        stage_x: stage position as the source has it, µm.
        stage_y: stage position as the source has it, µm, growing downwards.
        stage_z: position of the first z-plane as the source has it, µm.
        displacement: largest distance between where the stage put a tile of the field and where it went, µm.
    """

    names: tuple[str, ...]
    code: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    z: NDArray[np.int64]
    width: NDArray[np.int64]
    height: NDArray[np.int64]
    depth: NDArray[np.int64]
    stage_x: NDArray[np.float64]
    stage_y: NDArray[np.float64]
    stage_z: NDArray[np.float64]
    displacement: NDArray[np.float64]

    def __len__(self) -> int:
        """How many fields of view there are."""
        return len(self.names)


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """Every plane of every tile of an image, one array element each, in tile order.

    Attributes:
        tile: the row of the plane's tile.
        t: timepoint of the image.
        c: channel of the image.
        z: z-plane of the image.
        tile_t: timepoint within the tile.
        tile_c: channel within the tile.
        tile_z: z-plane within the tile.
    """

    tile: NDArray[np.int64]
    t: NDArray[np.int64]
    c: NDArray[np.int64]
    z: NDArray[np.int64]
    tile_t: NDArray[np.int64]
    tile_c: NDArray[np.int64]
    tile_z: NDArray[np.int64]

    def __len__(self) -> int:
        """How many planes there are."""
        return len(self.tile)


@dataclass(frozen=True, slots=True, eq=False)
class PlacedImage:
    """An image whose tiles have pixel offsets.

    Attributes:
        image: the tiles at their stage positions.
        shape: extent of the output, axes t, c, z, y, x.
        x: left edge of each tile, px.
        y: upper edge of each tile, px.
        z: first z-plane of each tile.
        t: first timepoint of each tile.
        fields: the fields of view.
        tiling: how the fields were placed, such as ``Snap to Grid``.
        translation: stage position of the image's corner, µm (s for t), on the axes whose offset is kept.
    """

    image: TiledImage[Any, Any]
    shape: TileShape
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    z: NDArray[np.int64]
    t: NDArray[np.int64]
    fields: FieldsOfView
    tiling: str
    translation: Mapping[Axis, float]

    def field_of_tiles(self) -> NDArray[np.int64]:
        """For each tile the index of its field of view in `fields`."""
        codes = self.image.tiles.fov
        index = np.empty(int(max(codes.max(), self.fields.code.max())) + 1, np.int64)
        index[self.fields.code] = np.arange(len(self.fields))
        return index[codes]

    def describe(self, row: int, resource: Any | None = None) -> str:
        """A tile in a message: image, field of view, place and file; see `Tiles.describe`."""
        tiles = self.image.tiles
        shape = tiles.shape(row)
        c, z, t = (
            (int(first), int(first) + count - 1)
            for first, count in ((tiles.c[row], shape.c), (self.z[row], shape.z), (self.t[row], shape.t))
        )
        return tiles.describe(row, resource, place_in_words(self.image.details.channels, c, z, t))

    def keeping(self, rows: NDArray[np.bool_]) -> PlacedImage:
        """The image of the same extent and fields of view with only some of its tiles.

        Args:
            rows: true for the tiles that stay.
        """
        if rows.all():
            return self
        image = replace(self.image, tiles=self.image.tiles.take(rows))
        return replace(self, image=image, x=self.x[rows], y=self.y[rows], z=self.z[rows], t=self.t[rows])

    def plane_index(self, fov_name: str, z: float, t: float) -> tuple[int, int]:
        """Where a plane at z (µm) and t (s) of a field of view lies in the image: its timepoint and z-plane.

        Both may lie outside the image; the field of view must be one of its own.
        """
        field, size = self.fields.names.index(fov_name), self.image.pixel_size
        up = (z - float(self.fields.stage_z[field])) / size["z"]
        later = (t - float(self.image.tiles.t.min())) / size["t"]
        return int(np.floor(later + 0.5)), int(self.fields.z[field]) + int(np.floor(up + 0.5))

    def planes(self) -> Planes:
        """All planes of all tiles."""
        tiles = self.image.tiles
        count = tiles.length_t * tiles.length_c * tiles.length_z
        tile = np.repeat(np.arange(len(tiles)), count)
        within = np.arange(len(tile)) - np.repeat(np.cumsum(count) - count, count)
        within, tile_z = np.divmod(within, tiles.length_z[tile])
        tile_t, tile_c = np.divmod(within, tiles.length_c[tile])
        return Planes(
            tile=tile,
            t=self.t[tile] + tile_t,
            c=tiles.c[tile] + tile_c,
            z=self.z[tile] + tile_z,
            tile_t=tile_t,
            tile_c=tile_c,
            tile_z=tile_z,
        )
