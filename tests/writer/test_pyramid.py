"""The writer against the plain reference, on layouts that nobody would think of."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import reference
from tests.layouts import (
    DTYPES,
    Layout,
    SeededLoader,
    TileSpec,
    Written,
    converter_options,
    counted_loads,
    grid_of_tiles,
    layouts,
    planes_of,
    quick_folder,
    stage_layouts,
    stored,
    with_levels,
    write_layout,
)
from tiles2zarr.errors import PlacementError
from tiles2zarr.models import ConverterOptions, FixedSizeChunking, OverlapMode, TilingMode
from tiles2zarr.writer import levels, pyramid
from tiles2zarr.writer.grid import SMALL_UNIT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

unit_sizes = st.sampled_from([0, 200, 3000, SMALL_UNIT])
INPLACE = ConverterOptions(tiling_mode=TilingMode.INPLACE)
SMALL_CHUNKS = with_levels(INPLACE, chunks=FixedSizeChunking(xy_chunk=16, z_chunk=1))
seldom = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def level_arrays(written: Written) -> list[NDArray[Any]]:
    """All levels as zarr's own reader sees them, with all five axes."""
    shapes = written.layout.grid.shapes
    arrays = [zarr.open_array(written.folder / str(level), mode="r") for level in range(len(shapes))]
    return [np.asarray(array[...]).reshape(shape) for array, shape in zip(arrays, shapes, strict=True)]


def chunks_of(level: Path) -> list[Path]:
    """The files of chunks (or shards) of a level."""
    found = (path for path in level.rglob("*") if path.is_file())
    return [path for path in found if path.name not in (".zarray", "zarr.json")]


def assert_equals_reference(written: Written, expected: Sequence[NDArray[Any]]) -> None:
    """Every pixel of every level, and no file but those of chunks (or shards) that hold anything."""
    grid = written.layout.grid
    assert grid.levels == len(expected)
    for level, (found, wanted) in enumerate(zip(level_arrays(written), expected, strict=True)):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted, err_msg=f"level {level}")
        cell = (1, 1, *grid.cell_at(level))
        filled = {tuple(map(int, index)) for index in np.argwhere(wanted) // cell}
        assert stored_cells(written, level) == filled


def stored_cells(written: Written, level: int) -> set[tuple[int, ...]]:
    """Places t, c, z, y, x of the chunks (or shards) of a level that have a file."""
    axes = written.placed.image.axes
    found = set()
    for path in stored(written.folder / str(level)):
        parts = [part for part in path.split("/") if part.isdecimal()]
        if parts:
            place = dict(zip(axes, map(int, parts), strict=True))
            found.add(tuple(place.get(axis, 0) for axis in "tczyx"))
    return found


def check_random_layout(layout: Layout, options: ConverterOptions, small_unit: int) -> None:
    level0 = reference.mosaic(layout.shape, layout.dtype, layout.planes(), options.overlap_mode.value)
    expected = reference.pyramid(level0, options.omezarr_options.num_levels)
    with quick_folder() as folder:
        alone = write_layout(layout, options, folder / "alone", small_unit=small_unit)
        assert tuple(alone.placed.shape) == layout.shape
        assert_equals_reference(alone, expected)
        several = write_layout(layout, options, folder / "several", small_unit=small_unit, threads=4)
        assert stored(several.folder) == stored(alone.folder)
        assert several.digest.value() == alone.digest.value()


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(layouts(), converter_options(), unit_sizes)
def test_random_layouts_equal_the_reference_with_the_same_bytes_from_one_thread_and_four(
    layout: Layout, options: ConverterOptions, small_unit: int
) -> None:
    check_random_layout(layout, options, small_unit)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data(), converter_options(), unit_sizes)
def test_thousands_of_random_layouts_equal_the_reference(
    dtype: str, data: st.DataObject, options: ConverterOptions, small_unit: int
) -> None:
    check_random_layout(data.draw(layouts(most_tiles=9, dtypes=[dtype])), options, small_unit)


@seldom
@given(stage_layouts(), converter_options(tiling=list(TilingMode)), unit_sizes)
def test_whatever_the_tiling_pixels_go_where_the_placement_says(
    layout: Layout, options: ConverterOptions, small_unit: int
) -> None:
    with quick_folder() as folder:
        try:
            written = write_layout(layout, options, folder / "image", small_unit=small_unit, threads=2)
        except PlacementError:
            assert options.tiling_mode is TilingMode.SNAP_TO_GRID  # these fields stand on no grid
            return
        planes = planes_of(layout, written.placed)
        level0 = reference.mosaic(written.placed.shape, layout.dtype, planes, options.overlap_mode.value)
        assert_equals_reference(written, reference.pyramid(level0, options.omezarr_options.num_levels))


@pytest.mark.parametrize("overlap", OverlapMode)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_pixel_type_in_every_overlap_mode(dtype: str, overlap: OverlapMode, tmp_path: Path) -> None:
    specs = (
        TileSpec(y=0, x=0, height=21, width=19),
        TileSpec(y=5, x=-3, height=20, width=20),
        TileSpec(y=-7, x=6, height=18, width=30),
        TileSpec(y=8, x=8, height=5, width=5, content="zeros"),
    )
    layout = Layout(specs, dtype)
    options = SMALL_CHUNKS.model_copy(update={"overlap_mode": overlap})

    written = write_layout(layout, options, tmp_path / "image", small_unit=0)

    level0 = reference.mosaic(layout.shape, dtype, layout.planes(), overlap.value)
    assert_equals_reference(written, reference.pyramid(level0, 5))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_chunks_of_a_few_pixels_on_a_tiny_image_with_twenty_levels(
    side: int, version: str, tmp_path: Path
) -> None:
    layout = Layout((TileSpec(0, 0, 7, 5, length_z=3), TileSpec(4, -2, 1, 1)))
    chunks = FixedSizeChunking(xy_chunk=side, z_chunk=99)
    options = with_levels(INPLACE, ngff_version=version, chunks=chunks, num_levels=20)

    written = write_layout(layout, options, tmp_path / "image", small_unit=0)

    assert written.layout.grid.chunk == (3, side, side)
    level0 = reference.mosaic(layout.shape, layout.dtype, layout.planes())
    assert [image.shape[-2:] for image in reference.pyramid(level0, 20)] == [(7, 7), (3, 3), (1, 1)]
    assert_equals_reference(written, reference.pyramid(level0, 20))


def test_tiles_a_hundred_thousand_pixels_apart_cost_what_tiles_cost(tmp_path: Path) -> None:
    far, side = 100_000, 256
    specs = (TileSpec(0, 0, side, side), TileSpec(far, far, side, side), TileSpec(0, far, side, side))
    layout = Layout(specs)
    options = with_levels(INPLACE, chunks=FixedSizeChunking(xy_chunk=256), num_levels=9)
    corners = {(0, 0): 0, (far, far): 1, (0, far): 2}

    tracemalloc.start()
    started = time.process_time()
    written = write_layout(layout, options, tmp_path / "image", small_unit=0)
    seconds = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seconds < 20
    assert peak < 50 * 2**20
    assert written.layout.grid.shapes[0][-2:] == (far + side, far + side)
    for level in range(9):
        array = zarr.open_array(written.folder / str(level), mode="r")
        for (y, x), tile in corners.items():
            pixels = layout.loader(tile).pixels()[0, 0, 0]
            # 2^5 divides where the tiles begin; higher levels mix them with the dark around them.
            for _ in range(min(level, 5)):
                pixels = reference.halved(pixels)
            if level <= 5:
                here = (
                    0,
                    0,
                    0,
                    slice(y >> level, (y + side) >> level),
                    slice(x >> level, (x + side) >> level),
                )
                np.testing.assert_array_equal(array[here], pixels)
        assert len(stored_cells(written, level)) <= 3 * 4


def test_every_plane_is_decoded_once_when_the_cache_suffices(tmp_path: Path) -> None:
    specs = grid_of_tiles(5, 4, 23, 31, length_z=3)
    for whole_tiles in (False, True):
        for threads in (1, 4):
            layout = Layout(specs, whole_tiles=whole_tiles)
            with counted_loads() as loads:
                folder = tmp_path / f"{whole_tiles}{threads}"
                write_layout(layout, SMALL_CHUNKS, folder, small_unit=0, threads=threads)
            assert set(loads.values()) == {1}
            assert len(loads) == len(specs) * (1 if whole_tiles else 3)


def test_without_a_cache_the_pixels_are_the_same(tmp_path: Path) -> None:
    for whole_tiles in (False, True):
        layout = Layout(grid_of_tiles(3, 3, 23, 31, length_z=2), whole_tiles=whole_tiles)
        ample = write_layout(layout, SMALL_CHUNKS, tmp_path / f"ample{whole_tiles}", small_unit=0)
        for cache in (0, 3000):
            with counted_loads() as loads:
                folder = tmp_path / f"{cache}{whole_tiles}"
                scant = write_layout(layout, SMALL_CHUNKS, folder, small_unit=0, cache=cache, threads=3)
            assert max(loads.values()) > 1
            assert stored(scant.folder) == stored(ample.folder)


@seldom
@given(layouts(), converter_options(), unit_sizes)
def test_every_chunk_and_shard_is_written_once(
    layout: Layout, options: ConverterOptions, small_unit: int
) -> None:
    writes: Counter[Path] = Counter()
    write_chunk = levels.write_chunk

    def count(file: Path, content: memoryview) -> None:
        writes[file] += 1
        write_chunk(file, content)

    with quick_folder() as folder, mock.patch.object(levels, "write_chunk", count):
        written = write_layout(layout, options, folder / "image", small_unit=small_unit, threads=2)
        grid = written.layout.grid
        stored = {path for level in range(grid.levels) for path in chunks_of(folder / "image" / str(level))}
    assert set(writes) == stored
    assert set(writes.values()) <= {1}
    cell = grid.shard or grid.chunk
    assert all(step % side == 0 for step, side in zip(grid.unit, cell, strict=True))


@seldom
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 2**32 - 1))
def test_only_the_units_along_one_path_for_each_thread_are_open(
    rows: int, columns: int, threads: int, seed: int
) -> None:
    chosen = np.random.default_rng(seed).random(rows * columns) < 0.7
    specs = [spec for spec, keep in zip(grid_of_tiles(rows, columns, 40, 40), chosen, strict=True) if keep]
    layout = Layout((*specs, TileSpec(0, 0, 1, 1)))
    options = with_levels(INPLACE, chunks=FixedSizeChunking(xy_chunk=10), num_levels=20)
    most: Counter[int] = Counter()
    halve_into_parent = pyramid.Pyramid._halve_into_parent

    def spy(self: pyramid.Pyramid, *args: Any) -> Any:
        with self._lock:
            for level, count in Counter(level for level, _ in self._open).items():
                most[level] = max(most[level], count)
        return halve_into_parent(self, *args)

    with (
        quick_folder() as folder,
        mock.patch.object(pyramid.Pyramid, "_halve_into_parent", spy),
        mock.patch.object(levels, "write_chunk", lambda *_: None),
    ):
        write_layout(layout, options, folder / "image", small_unit=0, threads=threads)
    assert max(most.values(), default=0) <= threads


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    options = with_levels(INPLACE, chunks=FixedSizeChunking(xy_chunk=64), num_levels=6)
    peaks = []
    for side in (4, 8):
        layout = Layout(grid_of_tiles(side, side, 128, 128), "uint8")
        tracemalloc.start()
        write_layout(layout, options, tmp_path / str(side), small_unit=2**15, cache=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
    assert peaks[1] < (8 * 128) ** 2


class BrokenLoader(SeededLoader):
    """Fails at one tile."""

    def load_plane(self, plane: Any, shape: Any, resource: Any | None = None) -> NDArray[Any]:
        if self.seed == 5:
            raise ArithmeticError("tile 5 is broken")
        return super().load_plane(plane, shape, resource)


@pytest.mark.parametrize("threads", [1, 4])
def test_the_first_failure_ends_all_threads_and_is_the_error(threads: int, tmp_path: Path) -> None:
    layout = Layout(grid_of_tiles(8, 8, 16, 16))
    with (
        mock.patch("tests.layouts.SeededLoader", BrokenLoader),
        counted_loads() as loads,
        pytest.raises(ArithmeticError, match="tile 5 is broken"),
    ):
        write_layout(layout, SMALL_CHUNKS, tmp_path / "image", small_unit=0, threads=threads)
    assert len(loads) < 64 - threads
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("unit")]


@pytest.mark.parametrize("threads", [1, 4])
def test_an_interrupt_ends_all_threads(threads: int, tmp_path: Path) -> None:
    told: list[int] = []

    def interrupt(pixels: int) -> None:
        told.append(pixels)
        if len(told) == 3:
            raise KeyboardInterrupt

    layout = Layout(grid_of_tiles(8, 8, 16, 16))
    with pytest.raises(KeyboardInterrupt):
        write_layout(
            layout, SMALL_CHUNKS, tmp_path / "image", small_unit=0, threads=threads, progress=interrupt
        )
    assert len(told) < 64
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("unit")]


def test_progress_adds_up_to_the_pixels_of_the_layout(tmp_path: Path) -> None:
    told: list[int] = []
    layout = Layout((*grid_of_tiles(2, 3, 20, 30), TileSpec(500, 500, 9, 9)))

    written = write_layout(
        layout, SMALL_CHUNKS, tmp_path / "image", small_unit=0, threads=4, progress=told.append
    )

    assert sum(told) == written.layout.pixels
    assert sum(told) < 509 * 509
