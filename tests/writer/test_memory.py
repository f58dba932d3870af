"""What a conversion may take, and what it takes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.layouts import Layout, TileSpec, grid_of_tiles, with_levels
from tiles2zarr.errors import OptionsError
from tiles2zarr.models import (
    ChunkMultipleSharding,
    ConverterOptions,
    FixedSizeChunking,
    OverlapMode,
    RuntimeOptions,
    TilingMode,
)
from tiles2zarr.placement import place_image
from tiles2zarr.writer.image import layout_image
from tiles2zarr.writer.memory import MemoryPlan, available_cores

REPOSITORY = Path(__file__).resolve().parents[2]
GIB = 2**30


def planned(
    layout: Layout, limit: float = 2.0, threads: int | None = 4, xy_chunk: int = 2048, **changes: Any
) -> MemoryPlan:
    options = ConverterOptions(
        tiling_mode=TilingMode.INPLACE,
        runtime=RuntimeOptions(memory_limit_gib=limit, threads=threads),
        overlap_mode=changes.pop("overlap_mode", OverlapMode.LAST),
    )
    options = with_levels(options, chunks=FixedSizeChunking(xy_chunk=xy_chunk, z_chunk=1), **changes)
    return layout_image(place_image(layout.image(), options), layout.dtype, options).memory


def side_by_side(height: int, width: int, columns: int = 8, **fields: Any) -> Layout:
    return Layout(grid_of_tiles(2, columns, height, width), **fields)


@given(
    st.floats(0.2, 8),
    st.none() | st.integers(1, 64),
    st.sampled_from([64, 256, 1000, 2048, 4096]),
    st.integers(1, 3000),
    st.sampled_from(OverlapMode),
)
def test_a_plan_stays_within_its_limit_or_is_refused(
    limit: float, threads: int | None, xy_chunk: int, side: int, overlap: OverlapMode
) -> None:
    try:
        plan = planned(side_by_side(side, side), limit, threads, xy_chunk, overlap_mode=overlap)
    except OptionsError as error:
        assert re.search(r"use smaller chunks, such as \d+ x \d+, or raise memory_limit_gib", str(error))
        return
    assert plan.peak <= limit * GIB
    assert 1 <= plan.threads <= (threads or available_cores())
    assert plan.cache >= 0


@pytest.mark.parametrize("compression", ["blosc-lz4", "zstd"])
def test_a_chunk_that_is_too_large_for_its_codec_is_refused_however_much_memory_there_is(
    compression: str,
) -> None:
    layout = Layout((TileSpec(0, 0, 40_000, 30_000),))
    with pytest.raises(OptionsError) as refused:
        planned(layout, 64, 1, 65536, compression=compression)
    assert str(refused.value).endswith(
        f"expected chunks of less than 2 GiB, the most that {compression} takes, "
        "found chunks of 1 x 40000 x 30000 (z, y, x), 2.2 GiB: use smaller ones"
    )
    assert planned(layout, 64, 1, 65536, compression="none").threads == 1


def test_more_memory_never_means_fewer_threads() -> None:
    layout = side_by_side(2160, 2160)
    plans = [planned(layout, limit, 64) for limit in (0.3, 0.5, 1, 2, 4)]
    assert [plan.threads for plan in plans] == sorted(plan.threads for plan in plans)
    assert plans[0].threads < plans[-1].threads


def test_a_unit_that_does_not_fit_is_refused_with_a_size_that_does() -> None:
    layout = Layout((TileSpec(0, 0, 8000, 8000), TileSpec(8000, 0, 8000, 8000)))
    with pytest.raises(OptionsError) as caught:
        planned(layout, 0.5, xy_chunk=8192)
    message = str(caught.value)
    assert message.startswith(
        "P.zarr/B/03/0: expected to stay within memory_limit_gib = 0.5, found that chunks of "
    )
    advised = int(re.findall(r"such as (\d+) x", message)[0])
    assert planned(layout, 0.5, xy_chunk=advised).threads >= 1


def test_where_the_tiles_alone_are_too_large_only_more_memory_helps() -> None:
    layout = Layout((TileSpec(0, 0, 12000, 12000), TileSpec(12000, 0, 12000, 12000)), "float64")
    with pytest.raises(OptionsError, match=r"need [\d.]+ GiB: raise memory_limit_gib"):
        planned(layout, 0.5, xy_chunk=1024)


def test_of_shards_the_message_names_the_shard() -> None:
    layout = Layout((TileSpec(0, 0, 9000, 9000), TileSpec(9000, 0, 9000, 9000)))
    with pytest.raises(OptionsError, match="shards of 1 x 8192 x 8192"):
        planned(layout, 0.3, xy_chunk=2048, ngff_version="0.5", shards=ChunkMultipleSharding(xy_factor=4))


def test_there_is_a_cache_only_where_something_is_needed_again() -> None:
    assert planned(side_by_side(64, 64, columns=1), xy_chunk=64).cache == 0
    assert planned(side_by_side(2000, 2000), xy_chunk=1024).cache == 512 * 2**20


def test_a_source_of_whole_tiles_counts_whole_tiles_and_keeps_them_for_their_planes() -> None:
    deep = (TileSpec(0, 0, 2048, 2048, length_z=20),)
    by_plane, by_tile = (planned(Layout(deep, whole_tiles=whole), 8, 2) for whole in (False, True))
    assert by_plane.cache == 0
    assert by_tile.cache == 512 * 2**20
    tile = 20 * 2048**2 * 2
    assert by_tile.peak - by_tile.cache - by_plane.peak == 2 * 2 * (tile - tile // 20)


def test_sums_and_counts_of_overlaps_are_planned_for() -> None:
    layout = side_by_side(2048, 2048)
    peaks = {mode: planned(layout, 8, 1, overlap_mode=mode) for mode in OverlapMode}
    assert peaks[OverlapMode.LAST].peak == peaks[OverlapMode.FIRST].peak
    plane = (peaks[OverlapMode.MEAN].peak - peaks[OverlapMode.LAST].peak) // 16
    assert plane >= 2048 * 2048
    assert peaks[OverlapMode.MAXIMUM].peak - peaks[OverlapMode.LAST].peak == 2 * plane


def test_images_at_the_same_time_share_threads_and_cache() -> None:
    assert MemoryPlan(8, 800, 9000).shared(4) == MemoryPlan(2, 200, 2250)
    assert MemoryPlan(2, 800, 9000).shared(4).threads == 1


PROGRAM = """
import resource, sys
from pathlib import Path
from tests.layouts import Layout, grid_of_tiles, with_levels, write_layout
from tiles2zarr.models import ConverterOptions, RuntimeOptions, TilingMode, FixedSizeChunking
import tests.layouts as layouts
from tiles2zarr.placement import place_image
from tiles2zarr.writer.image import compare_files, compare_pixels, layout_image, write_image
overlap, dtype, folder, verify = sys.argv[1:]
layout = Layout(grid_of_tiles(6, 6, 1000, 1000), dtype)
runtime = RuntimeOptions(memory_limit_gib=0.3, threads=2, verify=bool(verify))
options = ConverterOptions(tiling_mode="Inplace", overlap_mode=overlap, runtime=runtime)
options = with_levels(options, chunks=FixedSizeChunking(xy_chunk=1500, z_chunk=1), compression="none")
placed = place_image(layout.image(), options)
image = layout_image(placed, dtype, options)
Path(folder).mkdir()
write_image(Path(folder), image, None, [], image.memory, lambda _: None)
compare = {"pixels": compare_pixels, "files": compare_files}.get(verify)
if compare is not None:
    assert compare(Path(folder), image, None, image.memory, lambda _: None) == []
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, image.memory.peak // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overlap", "dtype", "verify"),
    [
        ("Last", "uint16", ""),
        ("Mean", "uint8", ""),
        ("Maximum", "float64", ""),
        ("Last", "uint16", "pixels"),
        ("Mean", "uint8", "files"),
        ("Last", "float64", "files"),
    ],
)
def test_a_process_takes_no_more_than_was_planned(
    overlap: str, dtype: str, verify: str, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", PROGRAM, overlap, dtype, str(tmp_path / "image"), verify]
    done = subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    peak, plan = map(int, done.stdout.split())
    print(peak, plan)
    assert plan <= 0.3 * 2**20
    assert peak <= plan
