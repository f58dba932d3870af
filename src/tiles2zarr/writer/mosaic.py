"""The pixels of a unit of level 0: the pieces of all tiles that lie in it, painted in tile order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiles2zarr.models import OverlapMode
from tiles2zarr.writer.overlap import paint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.writer.grid import Grid, UnitIndex
    from tiles2zarr.writer.overlap import Piece
    from tiles2zarr.writer.planes import Coverage, PlaneReader


class Mosaic:
    """Level 0 of an image, made from its tiles unit by unit."""

    def __init__(
        self, placed: PlacedImage, grid: Grid, coverage: Coverage, reader: PlaneReader, overlap: OverlapMode
    ) -> None:
        """Prepare to fill units.

        Args:
            placed: tiles at pixel offsets.
            grid: levels and units.
            coverage: which unit needs which planes.
            reader: decodes them.
            overlap: which pixel is kept where tiles overlap.
        """
        self._placed = placed
        self._grid = grid
        self._coverage = coverage
        self._reader = reader
        self._overlap = overlap

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixel type."""
        return self._reader.dtype

    @property
    def units(self) -> tuple[UnitIndex, ...]:
        """The units that hold any pixel of a tile, in the order of work."""
        return self._coverage.units

    def fill(self, unit: UnitIndex, block: NDArray[Any]) -> None:
        """Write the pixels of a unit of level 0 into a block (axes z, y, x); zero where no tile lies.

        Raises:
            SourceError: a tile cannot be read, or is not what it should be.
        """
        z, y, x = self._grid.extent(0, unit)
        planes = self._coverage.planes_of[unit]
        depths = self._coverage.planes.z[planes]
        for depth in range(z.start, z.stop):
            target, here = block[depth - z.start], planes[depths == depth].tolist()
            if len(here) == 1 and self._lies_at(here[0], y, x):
                self._reader.read_into(target, here[0])
            else:
                target[...] = 0
                paint(target, [self._piece(plane, y, x) for plane in here], self._overlap)

    def _lies_at(self, plane: int, y: slice, x: slice) -> bool:
        """Whether a plane covers exactly these rows and columns, as fields of view do that are chunks."""
        tile = self._coverage.planes.tile[plane]
        shape = self._placed.image.tiles.shape(int(tile))
        top, left = int(self._placed.y[tile]), int(self._placed.x[tile])
        return (top, top + shape.y, left, left + shape.x) == (y.start, y.stop, x.start, x.stop)

    def _piece(self, plane: int, y: slice, x: slice) -> Piece:
        """The part of a plane that lies within the given rows and columns."""
        tile = self._coverage.planes.tile[plane]
        top, left = int(self._placed.y[tile]), int(self._placed.x[tile])
        shape = self._placed.image.tiles.shape(int(tile))
        rows = slice(max(y.start, top), min(y.stop, top + shape.y))
        columns = slice(max(x.start, left), min(x.stop, left + shape.x))
        target = (
            slice(rows.start - y.start, rows.stop - y.start),
            slice(columns.start - x.start, columns.stop - x.start),
        )

        def fetch() -> NDArray[Any]:
            return self._reader.read(plane)[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]

        return target, fetch

    def tile_at(self, level: int, t: int, c: int, z: int, y: int, x: int) -> str | None:
        """The tile that a pixel of a level comes from, as messages describe it; None where there is none."""
        planes, tiles = self._coverage.planes, self._placed.image.tiles
        top, left = self._placed.y[planes.tile], self._placed.x[planes.tile]
        covers = (planes.t == t) & (planes.c == c) & (planes.z == z)
        covers &= (top < (y + 1) << level) & (top + tiles.length_y[planes.tile] > y << level)
        covers &= (left < (x + 1) << level) & (left + tiles.length_x[planes.tile] > x << level)
        found = planes.tile[covers]
        if not len(found):
            return None
        tile = found[0] if self._overlap is OverlapMode.FIRST else found[-1]
        return self._reader.describe(int(tile))
