"""Chunk arithmetic: levels, chunks, shards and units. Integers only, no I/O.

A *unit* is what one thread fills, halves and writes at a time: the smallest even multiple of the shard (of
the chunk, without shards) in y and x, grown while it stays small. Because its sides are even, halving a unit
never needs a pixel of its neighbour: unit (i, j) of a level fills exactly one quadrant of unit
(i // 2, j // 2) of the next, whatever the image's extent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from tiles2zarr.models import ChunkMultipleSharding, FovBasedChunking, TileShape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tiles2zarr.models import OmeZarrOptions

#: A chunk that nobody asked for by size stays within this many bytes, uncompressed.
LARGEST_DEFAULT_CHUNK = 32 * 2**20
#: Units of small chunks grow up to this many bytes, so that the cost of a write is shared.
SMALL_UNIT = 16 * 2**20
_DEEPEST_DEFAULT_CHUNK = 10


#: Half-open ranges along z, y and x, px.
Extent = tuple[slice, slice, slice]


class Block(NamedTuple):
    """Lengths along z, y and x, px."""

    z: int
    y: int
    x: int


class UnitIndex(NamedTuple):
    """A unit of a level: timepoint, channel, z-block, and row and column of units."""

    t: int
    c: int
    z: int
    i: int
    j: int

    def parent(self) -> UnitIndex:
        """The unit of the next level that this one is halved into."""
        return self._replace(i=self.i // 2, j=self.j // 2)


@dataclass(frozen=True, slots=True)
class Grid:
    """How an image is cut into levels, chunks, shards and units.

    Attributes:
        shapes: extent of each level, axes t, c, z, y, x.
        chunk: lengths of a chunk of level 0; t and c are 1.
        shard: lengths of a shard of level 0; None without shards.
        unit: lengths of a unit; y and x are even.
    """

    shapes: tuple[TileShape, ...]
    chunk: Block
    shard: Block | None
    unit: Block

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return len(self.shapes)

    def chunk_at(self, level: int) -> Block:
        """Lengths of a chunk of a level: those of level 0, but no more than the level has."""
        return Block(*map(min, self.chunk, self.shapes[level][2:]))

    def shard_at(self, level: int) -> Block | None:
        """Lengths of a shard of a level: as many chunks as at level 0, but no more than the level has."""
        if self.shard is None:
            return None
        chunk, factors = self.chunk_at(level), map(int.__floordiv__, self.shard, self.chunk)
        return Block(*map(_shard_side, chunk, factors, self.shapes[level][2:]))

    def cell_at(self, level: int) -> Block:
        """Lengths of what is one file of a level: a shard, or a chunk without shards."""
        return self.shard_at(level) or self.chunk_at(level)

    def extent(self, level: int, unit: UnitIndex) -> Extent:
        """The z, y and x pixels that a unit covers at a level; cut at the image's border, empty beyond it."""
        shape = self.shapes[level]
        return (
            _span(unit.z, self.unit.z, shape.z),
            _span(unit.i, self.unit.y, shape.y),
            _span(unit.j, self.unit.x, shape.x),
        )

    def unit_at(self, t: int, c: int, extent: Extent) -> UnitIndex:
        """The unit that holds the first pixel of an extent of any level."""
        return UnitIndex(t, c, *number_of(extent, self.unit))

    def file_count(self, level: int) -> int:
        """How many chunk files (or shard files) a level has at most."""
        shape, cell = self.shapes[level], self.cell_at(level)
        return (
            shape.t
            * shape.c
            * math.prod(-(-length // step) for length, step in zip(shape[2:], cell, strict=True))
        )


def level_shapes(shape: TileShape, levels: int) -> tuple[TileShape, ...]:
    """Extents of all levels: y and x are halved and rounded down; a level that had no pixel is left out.

    >>> [level.y for level in level_shapes(TileShape(1, 1, 1, 101, 67), 4)]
    [101, 50, 25, 12]
    """
    shapes = [shape]
    while len(shapes) < levels and min(shapes[-1].y, shapes[-1].x) > 1:
        shapes.append(shapes[-1]._replace(y=shapes[-1].y // 2, x=shapes[-1].x // 2))
    return tuple(shapes)


def build_grid(shape: TileShape, field: tuple[int, int], itemsize: int, options: OmeZarrOptions) -> Grid:
    """Cut an image as the options say.

    Args:
        shape: extent of the image.
        field: height and width of a field of view, px.
        itemsize: bytes of a pixel.
        options: number of levels, chunks and shards.
    """
    chunk = _chunk(shape, field, itemsize, options)
    shard = None
    if isinstance(options.shards, ChunkMultipleSharding):
        y, x = (
            _shard_side(c, options.shards.xy_factor, length)
            for c, length in ((chunk.y, shape.y), (chunk.x, shape.x))
        )
        shard = Block(_shard_side(chunk.z, options.shards.z_factor, shape.z), y, x)
    return grid_of(shape, chunk, shard, options.num_levels, itemsize)


def grid_of(shape: TileShape, chunk: Block, shard: Block | None, levels: int, itemsize: int) -> Grid:
    """The grid of an image that exists.

    Args:
        shape: extent of level 0.
        chunk: lengths of a chunk.
        shard: lengths of a shard; None without shards.
        levels: how many there are.
        itemsize: bytes of a pixel.
    """
    return Grid(level_shapes(shape, levels), chunk, shard, _unit(shard or chunk, shape, itemsize))


def _chunk(shape: TileShape, field: tuple[int, int], itemsize: int, options: OmeZarrOptions) -> Block:
    chunks = options.chunks
    if isinstance(chunks, FovBasedChunking):
        y, x = (max(1, round(length * chunks.xy_scaling)) for length in field)
        if chunks.xy_scaling <= 1:
            y, x = _within(y, x, LARGEST_DEFAULT_CHUNK // itemsize)
    else:
        y = x = chunks.xy_chunk
    y, x = min(y, shape.y), min(x, shape.x)
    z = chunks.z_chunk or min(_DEEPEST_DEFAULT_CHUNK, max(1, LARGEST_DEFAULT_CHUNK // (y * x * itemsize)))
    return Block(min(z, shape.z), y, x)


def _within(y: int, x: int, pixels: int) -> tuple[int, int]:
    """Sides cut into equal parts until their area fits."""
    parts = 1
    while -(-y // parts) * -(-x // parts) > pixels:
        parts += 1
    return -(-y // parts), -(-x // parts)


def _shard_side(chunk: int, factor: int, length: int) -> int:
    """A whole number of chunks, no more than the image needs."""
    return chunk * min(factor, -(-length // chunk))


def _unit(cell: Block, shape: TileShape, itemsize: int) -> Block:
    y, x = (side if side % 2 == 0 else 2 * side for side in (cell.y, cell.x))
    while 4 * cell.z * y * x * itemsize <= SMALL_UNIT and (y < shape.y or x < shape.x):
        y, x = 2 * y, 2 * x
    return Block(cell.z, y, x)


def number_of(extent: Extent, cell: Block) -> tuple[int, int, int]:
    """The number along z, y and x of the cell that holds the first pixel of an extent.

    >>> number_of((slice(2, 4), slice(0, 6), slice(9, 12)), Block(2, 6, 3))
    (1, 0, 3)
    """
    z, y, x = (span.start // step for span, step in zip(extent, cell, strict=True))
    return z, y, x


def cells(extent: Extent, cell: Block) -> Iterator[Extent]:
    """An extent cut into cells from its start, in C order; the last ones may be smaller.

    >>> [x for _, _, x in cells((slice(0, 1), slice(0, 2), slice(4, 9)), Block(1, 2, 4))]
    [slice(4, 8, None), slice(8, 9, None)]
    """
    z, y, x = (
        [slice(start, min(start + step, part.stop)) for start in range(part.start, part.stop, step)]
        for part, step in zip(extent, cell, strict=True)
    )
    return product(z, y, x)


def relative(part: Extent, whole: Extent) -> Extent:
    """Where a part of an extent lies within the pixels of the whole.

    >>> relative((slice(2, 3), slice(8, 10), slice(0, 5)), (slice(2, 4), slice(6, 12), slice(0, 9)))
    (slice(0, 1, None), slice(2, 4, None), slice(0, 5, None))
    """
    z, y, x = (
        slice(inner.start - outer.start, inner.stop - outer.start)
        for inner, outer in zip(part, whole, strict=True)
    )
    return z, y, x


def _span(index: int, step: int, length: int) -> slice:
    return slice(min(index * step, length), min((index + 1) * step, length))


def in_z_order(units: Iterable[UnitIndex]) -> list[UnitIndex]:
    """Units sorted so that the four children of a unit follow each other: few parents are open at any time.

    >>> units = [UnitIndex(0, 0, 0, i, j) for i in range(2) for j in range(3)]
    >>> [(unit.i, unit.j) for unit in in_z_order(units)]
    [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (1, 2)]
    """
    return sorted(units, key=lambda unit: (unit.t, unit.c, unit.z, _interleaved(unit.i, unit.j)))


def _interleaved(i: int, j: int) -> int:
    """The bits of i and j in turn (Morton's order), i first."""
    code = 0
    for bit in range(max(i, j).bit_length()):
        code |= (j >> bit & 1) << (2 * bit) | (i >> bit & 1) << (2 * bit + 1)
    return code
