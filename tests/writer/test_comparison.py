"""Comparing an image on disk with its tiles: identical ones pass, every damage is named where it is."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.layouts import (
    SMALL_IMAGES,
    Layout,
    TileSpec,
    converter_options,
    four_fields,
    grid_of_tiles,
    layouts,
    quick_folder,
    with_levels,
    write_layout,
)
from tiles2zarr.models import (
    ChunkMultipleSharding,
    ConverterOptions,
    FovBasedChunking,
    RuntimeOptions,
    TilingMode,
)
from tiles2zarr.writer.chunk_files import encoder
from tiles2zarr.writer.comparison import Difference
from tiles2zarr.writer.image import compare_files
from tiles2zarr.writer.memory import MemoryPlan
from tiles2zarr.writer.self_check import check_image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.layouts import Written

seldom = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])


def compared(written: Written, threads: int = 2) -> list[Difference]:
    return compare_files(written.folder, written.layout, None, MemoryPlan(threads, 2**28, 0), lambda _: None)


def self_checked(written: Written) -> list[Difference]:
    grid, axes = written.layout.grid, written.placed.image.axes
    record = {
        "level0": written.digest.value(),
        "encoder": encoder(written.layout.options.omezarr_options.compression),
    }
    options = written.layout.options.omezarr_options
    return check_image(written.folder, axes, grid.levels, record, options, RuntimeOptions(verify=True))


def chunk_files(folder: Path, level: int | None = None) -> list[Path]:
    """The files of all chunks, of one level or of all."""
    levels = (
        [folder / str(level)] if level is not None else [f for f in folder.iterdir() if f.name.isdecimal()]
    )
    names = (".zarray", ".zattrs", "zarr.json")
    return sorted(
        file for at in levels for file in at.rglob("*") if file.is_file() and file.name not in names
    )


def flip(file: Path, byte: int, bit: int = 2) -> None:
    content = bytearray(file.read_bytes())
    content[byte % len(content)] ^= 1 << bit
    file.write_bytes(content)


def pixels(folder: Path, level: str) -> Any:
    try:
        return zarr.open_array(folder / level, mode="r")[...]
    except (RuntimeError, ValueError, OSError, LookupError, TypeError, ArithmeticError):
        return None


def four_planes(version: str, across: int = 2, **changes: Any) -> tuple[Layout, ConverterOptions]:
    """Two channels of 2 x 2 fields (or of as many as are said), one chunk for each plane of a field."""
    layout = Layout(
        tuple(
            spec
            for c in range(2)
            for number, at in enumerate(grid_of_tiles(across, across, 16, 24))
            for spec in [TileSpec(at.y, at.x, 16, 24, c=c, fov=f"F{number}")]
        ),
        channels=2,
        axes="cyx",
    )
    options = with_levels(
        SMALL_IMAGES, ngff_version=version, chunks=FovBasedChunking(z_chunk=1), num_levels=3, **changes
    )
    return layout, options


@seldom
@given(layouts(), converter_options(), st.integers(1, 3))
def test_what_was_written_is_identical(layout: Layout, options: ConverterOptions, threads: int) -> None:
    with quick_folder() as folder:
        written = write_layout(layout, options, folder / "image", threads=threads)
        assert compared(written, threads) == []
        assert self_checked(written) == []


@seldom
@given(layouts(), converter_options(), st.data())
def test_any_flipped_bit_is_found_and_named(
    layout: Layout, options: ConverterOptions, data: st.DataObject
) -> None:
    with quick_folder() as folder:
        written = write_layout(layout, options, folder / "image")
        files = chunk_files(written.folder)
        if not files:
            return
        file = data.draw(st.sampled_from(files))
        level, _, key = file.relative_to(written.folder).as_posix().partition("/")
        before = pixels(written.folder, level)
        flip(file, data.draw(st.integers(0, 2**20)), data.draw(st.integers(0, 7)))
        after = pixels(written.folder, level)

        found = compared(written)

        if after is not None and np.array_equal(before, after, equal_nan=before.dtype.kind == "f"):
            assert [(each.level, each.chunk) for each in found] == [(int(level), key)]
            # Of some damaged headers Blosc decodes the whole chunk, but no part of it.
            assert found[0].kind in ("altered-chunk", "unreadable-chunk")
        else:
            assert [(each.level, each.chunk) for each in found] == [(int(level), key)]
            assert self_checked(written) != []


@VERSIONS
def test_every_damaged_chunk_is_named_with_its_tile(version: str, tmp_path: Path) -> None:
    layout, options = four_planes(version)
    written = write_layout(layout, options, tmp_path / "image")
    start = "c/" if version == "0.5" else ""
    assert len(chunk_files(written.folder, 0)) == 8
    for number in range(8):
        c, field = divmod(number, 4)
        key = f"{start}{c}/{field // 2}/{field % 2}"
        file = written.folder / "0" / key
        whole = file.read_bytes()
        flip(file, len(whole) - 1)
        (found,) = compared(written)
        assert (found.level, found.chunk, found.kind) == (0, key, "different-pixels")
        assert f"F{field} (C{c}, " in str(found.tile)
        file.write_bytes(whole)
    assert compared(written) == []


@VERSIONS
def test_damage_of_the_upper_levels_is_found_too(version: str, tmp_path: Path) -> None:
    layout, options = four_planes(version, across=3)
    written = write_layout(layout, options, tmp_path / "image")
    for level in (1, 2):
        for file in chunk_files(written.folder, level):
            whole = file.read_bytes()
            flip(file, len(whole) - 1)
            key = file.relative_to(written.folder / str(level)).as_posix()
            for found in (compared(written), self_checked(written)):
                assert [(each.level, each.chunk) for each in found] == [(level, key)]
                # Behind the image's border a chunk has padding, which no reader sees.
                is_padding = level == 1 and not key.endswith("/0/0")
                assert found[0].kind == ("altered-chunk" if is_padding else "different-pixels")
            file.write_bytes(whole)


@VERSIONS
def test_a_missing_chunk_and_one_that_cannot_be_read(version: str, tmp_path: Path) -> None:
    layout, options = four_planes(version)
    written = write_layout(layout, options, tmp_path / "image")
    first, second = chunk_files(written.folder, 0)[2:4]
    first.unlink()
    second.write_bytes(second.read_bytes()[:20])
    found = compared(written)
    assert [(each.level, each.kind) for each in found] == [(0, "missing-chunk"), (0, "unreadable-chunk")]
    assert ["F2 (C0" in str(found[0].tile), "F3 (C0" in str(found[1].tile)] == [True, True]


@VERSIONS
def test_swapped_chunks_are_both_named(version: str, tmp_path: Path) -> None:
    layout, options = four_planes(version)
    written = write_layout(layout, options, tmp_path / "image")
    first, last = chunk_files(written.folder, 0)[0], chunk_files(written.folder, 0)[-1]
    kept = first.read_bytes()
    shutil.copy(last, first)
    last.write_bytes(kept)
    found = compared(written)
    assert [(each.level, each.kind) for each in found] == [(0, "different-pixels")] * 2
    assert ["F0 (C0" in str(found[0].tile), "F3 (C1" in str(found[1].tile)] == [True, True]
    assert next(each.kind for each in self_checked(written)) == "different-digest"


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    layout, options = four_planes("0.5", shards=ChunkMultipleSharding(xy_factor=2, z_factor=1))
    written = write_layout(layout, options, tmp_path / "image")
    file = chunk_files(written.folder, 0)[1]
    flip(file, 5)
    (found,) = compared(written)
    assert (found.level, found.chunk) == (0, "c/1/0/0")
    assert "(C1" in str(found.tile)


@VERSIONS
def test_pixels_where_no_tile_lies_are_found(version: str, tmp_path: Path) -> None:
    layout = Layout((TileSpec(0, 0, 16, 16), TileSpec(96, 96, 16, 16)))
    options = with_levels(
        SMALL_IMAGES.model_copy(update={"tiling_mode": TilingMode.INPLACE}),
        ngff_version=version,
        num_levels=1,
    )
    written = write_layout(layout, options, tmp_path / "image", small_unit=0)
    array = zarr.open_array(written.folder / "0", mode="r+")
    array[0, 0, 0, 40:44, 60:64] = 7
    (found,) = compared(written)
    assert (found.level, found.tile, found.kind) == (0, None, "unexpected-chunk")
    assert str(found.chunk).endswith("0/0/0/2/3")


@VERSIONS
def test_an_array_of_another_kind(version: str, tmp_path: Path) -> None:
    layout, options = four_planes(version)
    written = write_layout(layout, options, tmp_path / "image")
    other = write_layout(
        layout, with_levels(options, chunks=FovBasedChunking(xy_scaling=0.5)), tmp_path / "b"
    )
    shutil.rmtree(written.folder / "0")
    shutil.rmtree(written.folder / "2")
    shutil.copytree(other.folder / "0", written.folder / "0")
    assert compared(written) == [
        Difference(0, None, None, "different-array"),
        Difference(2, None, None, "unreadable-array"),
    ]


def test_of_an_unreadable_chunk_nothing_is_said_of_the_levels_above(tmp_path: Path) -> None:
    layout, options = four_planes("0.4")
    written = write_layout(layout, options, tmp_path / "image")
    file = chunk_files(written.folder, 0)[0]
    file.write_bytes(b"")
    assert self_checked(written) == [Difference(0, "0/0/0", None, "unreadable-chunk")]


def test_not_a_number_equals_itself_and_the_zeros_each_other(tmp_path: Path) -> None:
    layout = four_fields()
    layout = Layout(layout.tiles, "float32", layout.axes, 2)
    written = write_layout(layout, SMALL_IMAGES, tmp_path / "image")
    array = zarr.open_array(written.folder / "0", mode="r+")
    array[0, 0, 0, 0, 0] = np.nan
    (found,) = [each for each in compared(written) if each.level == 0]
    assert found.kind == "different-pixels"


@pytest.mark.parametrize(
    ("version", "change"),
    [
        ("0.4", {"order": "F"}),
        ("0.4", {"fill_value": 7}),
        ("0.4", {"dtype": "<i2"}),
        ("0.4", {"dimension_separator": "."}),
        ("0.4", {"compressor": None}),
        ("0.4", {"compressor": {"id": "zstd", "level": 3}}),
        ("0.4", {"chunks": [0, 16, 24]}),
        ("0.5", {"fill_value": 7}),
        ("0.5", {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}}}),
        ("0.5", {"codecs": [{"name": "bytes", "configuration": {"endian": "big"}}]}),
    ],
    ids=str,
)
@pytest.mark.parametrize("level", [0, 1])
def test_an_array_document_that_reads_the_same_chunks_otherwise(
    version: str, change: dict[str, Any], level: int, tmp_path: Path
) -> None:
    layout, options = four_planes(version)
    written = write_layout(layout, options, tmp_path / "image")
    file = written.folder / str(level) / (".zarray" if version == "0.4" else "zarr.json")
    file.write_text(json.dumps(json.loads(file.read_bytes()) | change))

    found = compared(written)

    assert [(each.level, each.chunk) for each in found] == [(level, None)]
    assert found[0].kind in ("different-array", "unreadable-array")
    assert self_checked(written) != []


@seldom
@given(st.data(), st.sampled_from(["0.4", "0.5"]))
def test_a_flipped_bit_in_an_array_document_never_hides_other_pixels(
    data: st.DataObject, version: str
) -> None:
    layout, options = four_planes(version)
    with quick_folder() as folder:
        written = write_layout(layout, options, folder / "image")
        level = data.draw(st.integers(0, 2))
        file = written.folder / str(level) / (".zarray" if version == "0.4" else "zarr.json")
        before = pixels(written.folder, str(level))
        flip(file, data.draw(st.integers(0, 2**12)), data.draw(st.integers(0, 7)))
        after = pixels(written.folder, str(level))
        found, own = compared(written), self_checked(written)
        if after is None or before.dtype != after.dtype or not np.array_equal(before, after):
            assert [each.level for each in found] == [level]
            assert own != []


@VERSIONS
def test_rows_of_zeros_that_an_array_got_are_noticed_without_the_source(version: str, tmp_path: Path) -> None:
    layout, options = four_planes(version)
    written = write_layout(layout, options, tmp_path / "image")
    file = written.folder / "0" / (".zarray" if version == "0.4" else "zarr.json")
    document = json.loads(file.read_text())
    document["shape"][-2] += 1
    file.write_text(json.dumps(document))
    assert [each.kind for each in self_checked(written)] == ["different-digest"]


def test_other_codecs_than_those_of_today_are_compared_by_pixels(tmp_path: Path) -> None:
    layout, options = four_planes("0.4", across=3)
    written = write_layout(layout, options, tmp_path / "image")
    # Padding behind the border: no reader sees it, and another release of a codec might write anything there.
    file = written.folder / "1/0/1/1"
    flip(file, len(file.read_bytes()) - 1)
    record = {"level0": written.digest.value(), "encoder": "another, of another day"}
    axes = written.placed.image.axes
    how, runtime = written.layout.options.omezarr_options, RuntimeOptions(verify=True)
    assert check_image(written.folder, axes, 3, record, how, runtime) == []
    assert [each.kind for each in compared(written)] == ["altered-chunk"]


@pytest.mark.parametrize("odd", ["pipe", "folder", "huge"])
def test_what_stands_in_for_a_chunk_is_never_read(odd: str, tmp_path: Path) -> None:
    layout, options = four_planes("0.4")
    written = write_layout(layout, options, tmp_path / "image")
    file = chunk_files(written.folder, 0)[3]
    if odd == "huge":
        os.truncate(file, 2**40)
    else:
        file.unlink()
        os.mkfifo(file) if odd == "pipe" else file.mkdir()
    for found in (compared(written), self_checked(written)):
        assert [(each.level, each.chunk, each.kind) for each in found] == [(0, "0/1/1", "unreadable-chunk")]
