"""Chunk arithmetic: levels, chunks, shards, units and the order in which they are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import ngio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.layouts import omezarr_options
from tiles2zarr.models import (
    ChunkMultipleSharding,
    FixedSizeChunking,
    FovBasedChunking,
    OmeZarrOptions,
    TileShape,
)
from tiles2zarr.writer import grid as grids
from tiles2zarr.writer.grid import Block, UnitIndex, build_grid, in_z_order, level_shapes

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.writer.grid import Grid

shapes = st.builds(
    TileShape,
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 25),
    st.integers(1, 4000),
    st.integers(1, 4000),
)
fields = st.tuples(st.integers(1, 3000), st.integers(1, 3000))
itemsizes = st.sampled_from([1, 2, 4, 8])


def units_of(grid: Grid, level: int) -> list[UnitIndex]:
    """Every unit of a level of one channel and timepoint."""
    shape = grid.shapes[level]
    counts = [-(-length // step) for length, step in zip(shape[2:], grid.unit, strict=True)]
    return [
        UnitIndex(0, 0, z, i, j) for z in range(counts[0]) for i in range(counts[1]) for j in range(counts[2])
    ]


# Levels


def test_levels_are_halved_rounded_down_and_none_is_empty() -> None:
    shapes = level_shapes(TileShape(2, 3, 5, 2161, 9), 20)
    assert [shape[3:] for shape in shapes] == [(2161, 9), (1080, 4), (540, 2), (270, 1)]
    assert {shape[:3] for shape in shapes} == {(2, 3, 5)}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("size", [(64, 64), (101, 67), (37, 1000), (2161, 2159)])
def test_levels_have_the_shapes_that_ngio_derives(
    version: str, size: tuple[int, int], tmp_path: Path
) -> None:
    container = ngio.create_empty_ome_zarr(
        tmp_path / "image.zarr", shape=(1, 1, *size), pixelsize=1.0, levels=5, ngff_version=version
    )
    found = [container.get_image(path=path).shape[-2:] for path in container.level_paths]
    assert [shape[3:] for shape in level_shapes(TileShape(1, 1, 1, *size), 5)] == found


# Chunks and shards


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (FovBasedChunking(z_chunk=1), (1, 2160, 2000)),
        (FovBasedChunking(xy_scaling=0.5, z_chunk=2), (2, 1080, 1000)),
        (FovBasedChunking(xy_scaling=2, z_chunk=1), (1, 4320, 4000)),
        (FovBasedChunking(), (3, 2160, 2000)),
        (FixedSizeChunking(xy_chunk=512, z_chunk=99), (20, 512, 512)),
        (FixedSizeChunking(xy_chunk=512), (10, 512, 512)),
        (FixedSizeChunking(xy_chunk=9000), (1, 5000, 6000)),
    ],
)
def test_chunks_follow_the_field_or_a_fixed_size_and_never_exceed_the_image(
    chunks: FovBasedChunking | FixedSizeChunking, expected: tuple[int, int, int]
) -> None:
    shape = TileShape(1, 1, 20, 5000, 6000)
    grid = build_grid(shape, (2160, 2000), 2, OmeZarrOptions(chunks=chunks))
    assert grid.chunk == expected
    assert grid.shard is None


def test_a_chunk_as_large_as_a_field_is_cut_evenly_where_it_would_exceed_32_mib() -> None:
    grid = build_grid(TileShape(1, 1, 4, 20000, 20000), (10001, 10000), 2, OmeZarrOptions())
    assert grid.chunk == (1, 3334, 3334)
    assert grid.chunk.y * grid.chunk.x * 2 <= 32 * 2**20


def test_shards_are_multiples_of_chunks_and_no_larger_than_needed() -> None:
    chunks = FixedSizeChunking(xy_chunk=100, z_chunk=2)
    shards = ChunkMultipleSharding(xy_factor=4, z_factor=3)
    options = OmeZarrOptions(ngff_version="0.5", chunks=chunks, shards=shards)
    assert build_grid(TileShape(1, 1, 20, 5000, 950), (10, 10), 2, options).shard == (6, 400, 400)
    assert build_grid(TileShape(1, 1, 3, 5000, 250), (10, 10), 2, options).shard == (4, 400, 300)


@given(shapes, fields, itemsizes, omezarr_options(), st.sampled_from([0, 2**16, 2**24]))
def test_every_grid_holds_what_the_writer_builds_on(
    shape: TileShape, field: tuple[int, int], itemsize: int, options: OmeZarrOptions, small: int
) -> None:
    with mock.patch.object(grids, "SMALL_UNIT", small):
        grid = build_grid(shape, field, itemsize, options)
    cell = grid.shard or grid.chunk
    assert all(1 <= side <= length for side, length in zip(grid.chunk, shape[2:], strict=True))
    assert all(side % chunk == 0 for side, chunk in zip(cell, grid.chunk, strict=True))
    assert all(side % part == 0 for side, part in zip(grid.unit, cell, strict=True))
    assert grid.unit.y % 2 == grid.unit.x % 2 == 0
    assert grid.unit.z == cell.z
    assert grid.levels <= options.num_levels
    assert all(min(level) > 0 for level in grid.shapes)
    for level, levels_shape in enumerate(grid.shapes):
        of_level, part = grid.cell_at(level), grid.chunk_at(level)
        assert all(side % chunk == 0 for side, chunk in zip(of_level, part, strict=True))
        # The same cells as those of level 0, or a single one.
        for side, usual, length in zip(of_level, cell, levels_shape[2:], strict=True):
            assert side == usual or (side < usual and length <= side)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.integers(1, 6))
def test_a_unit_is_halved_into_exactly_its_quadrant_of_the_parent(
    height: int, width: int, chunk: int, levels: int
) -> None:
    options = OmeZarrOptions(chunks=FixedSizeChunking(xy_chunk=chunk), num_levels=levels)
    with mock.patch.object(grids, "SMALL_UNIT", 0):
        grid = build_grid(TileShape(1, 1, 1, height, width), (1, 1), 1, options)
    for level in range(grid.levels - 1):
        covered = set()
        for unit in units_of(grid, level):
            _, y, x = grid.extent(level, unit)
            _, parent_y, parent_x = grid.extent(level + 1, unit.parent())
            halved = [
                (row, column)
                for row in range(y.start // 2, y.start // 2 + (y.stop - y.start) // 2)
                for column in range(x.start // 2, x.start // 2 + (x.stop - x.start) // 2)
            ]
            assert all(row in range(parent_y.start, parent_y.stop) for row, _ in halved)
            assert all(column in range(parent_x.start, parent_x.stop) for _, column in halved)
            assert covered.isdisjoint(halved)
            covered.update(halved)
        shape = grid.shapes[level + 1]
        assert len(covered) == shape.y * shape.x


@given(shapes, omezarr_options())
def test_units_partition_a_level(shape: TileShape, options: OmeZarrOptions) -> None:
    grid = build_grid(shape, (500, 700), 2, options)
    for level in range(grid.levels):
        extents = [grid.extent(level, unit) for unit in units_of(grid, level)]
        volumes = [(z.stop - z.start) * (y.stop - y.start) * (x.stop - x.start) for z, y, x in extents]
        size = grid.shapes[level]
        assert sum(volumes) == size.z * size.y * size.x


def test_a_unit_beyond_the_border_is_empty() -> None:
    grid = build_grid(TileShape(1, 1, 1, 3, 5), (3, 5), 2, OmeZarrOptions(num_levels=1))
    assert grid.extent(0, UnitIndex(0, 0, 0, 1, 0)) == (slice(0, 1), slice(3, 3), slice(0, 5))


def test_small_units_grow_until_they_hold_16_mib() -> None:
    options = OmeZarrOptions(chunks=FixedSizeChunking(xy_chunk=64, z_chunk=1))
    assert build_grid(TileShape(1, 1, 1, 9000, 9000), (64, 64), 2, options).unit == (1, 2048, 2048)
    assert build_grid(TileShape(1, 1, 1, 100, 90), (64, 64), 2, options).unit == (1, 128, 128)


def test_files_are_counted_by_shard_or_chunk() -> None:
    chunks = FixedSizeChunking(xy_chunk=64, z_chunk=2)
    grid = build_grid(TileShape(2, 3, 5, 130, 64), (64, 64), 2, OmeZarrOptions(chunks=chunks))
    assert [grid.file_count(level) for level in range(2)] == [2 * 3 * 3 * 3, 2 * 3 * 3 * 2]
    shards = ChunkMultipleSharding(xy_factor=2, z_factor=3)
    options = OmeZarrOptions(ngff_version="0.5", chunks=chunks, shards=shards)
    grid = build_grid(TileShape(2, 3, 5, 130, 64), (64, 64), 2, options)
    assert grid.shard == Block(6, 128, 64)
    assert grid.file_count(0) == 2 * 3 * 1 * 2


# Order


@given(st.lists(st.builds(UnitIndex, *[st.integers(0, 2)] * 3, *[st.integers(0, 40)] * 2), unique=True))
def test_in_z_order_all_children_of_a_unit_follow_each_other_at_every_level(units: list[UnitIndex]) -> None:
    ordered = in_z_order(units)
    assert sorted(ordered) == sorted(units)
    while len({unit[3:] for unit in ordered}) > 1:
        ordered = [unit.parent() for unit in ordered]
        runs = [unit for index, unit in enumerate(ordered) if index == 0 or ordered[index - 1] != unit]
        assert len(runs) == len(set(runs))
