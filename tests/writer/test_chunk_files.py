"""What the files of an array are, held against what zarr-python makes of the same options and pixels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numcodecs.blosc import SHUFFLE, Blosc
from numcodecs.zstd import Zstd
from zarr.codecs import BloscCodec, ZstdCodec

from tiles2zarr.core.tiled_image import axis_order
from tiles2zarr.models import ChunkMultipleSharding, FixedSizeChunking, OmeZarrOptions, TileShape
from tiles2zarr.writer.chunk_files import ChunkFiles, is_blank
from tiles2zarr.writer.digest import Level0Digest
from tiles2zarr.writer.grid import Grid, UnitIndex, build_grid
from tiles2zarr.writer.levels import LevelWriter

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.models import Axis

SHAPE = TileShape(2, 3, 4, 50, 70)
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
CODECS: list[dict[str, Any]] = [
    {"compression": "blosc-lz4"},
    {"compression": "blosc-lz4", "compression_level": 9},
    {"compression": "zstd"},
    {"compression": "zstd", "compression_level": 1},
    {"compression": "none"},
]
LAYOUTS: list[dict[str, Any]] = [
    {"ngff_version": "0.4"},
    {"ngff_version": "0.5"},
    {"ngff_version": "0.5", "shards": ChunkMultipleSharding(xy_factor=2, z_factor=2)},
]
ALL_AXES: list[tuple[Axis, ...]] = [("t", "c", "z", "y", "x"), ("c", "z", "y", "x"), ("c", "y", "x")]


def options_of(layout: dict[str, Any], codec: dict[str, Any]) -> OmeZarrOptions:
    """Small chunks that do not divide the image."""
    return OmeZarrOptions(num_levels=1, chunks=FixedSizeChunking(xy_chunk=16, z_chunk=3), **layout, **codec)


def shape_of(axes: tuple[Axis, ...]) -> TileShape:
    """The image, as long as one along the axes that it lacks."""
    return TileShape(*(SHAPE[axis] if axis in axis_order(axes) else 1 for axis in range(5)))


def zarr_array(folder: Path, grid: Grid, axes: tuple[Axis, ...], dtype: str, options: OmeZarrOptions) -> Any:
    """The array as zarr-python makes it."""
    order = axis_order(axes)
    is_v2, level = options.ngff_version == "0.4", options.compression_level
    codecs: dict[str, Any] = {
        "none": None,
        "zstd": (Zstd if is_v2 else ZstdCodec)(level=3 if level is None else level),
        "blosc-lz4": Blosc("lz4", 5 if level is None else level, SHUFFLE)
        if is_v2
        else BloscCodec(cname="lz4", clevel=5 if level is None else level, shuffle="shuffle"),
    }
    return zarr.create_array(
        store=folder,
        shape=[grid.shapes[0][axis] for axis in order],
        chunks=[(1, 1, *grid.chunk)[axis] for axis in order],
        shards=[(1, 1, *grid.shard)[axis] for axis in order] if grid.shard is not None else None,
        dtype=dtype,
        compressors=codecs[options.compression.value],
        filters=None,
        fill_value=0,
        zarr_format=2 if is_v2 else 3,
        chunk_key_encoding={"name": "v2" if is_v2 else "default", "separator": "/"},
        dimension_names=None if is_v2 else list(axes),
        config={"write_empty_chunks": False},
    )


def camera(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray[Any]:
    """Noise with empty regions, some of them whole chunks."""
    rng = np.random.default_rng(seed)
    pixels = rng.poisson(40, shape).astype(dtype)
    pixels[..., 16:48, 20:60] = 0
    pixels[-1] = 0
    if pixels.dtype.kind == "f":
        pixels[-1, ..., :16, :16] = -0.0  # a chunk that is not the same as none
    return pixels


def write(folder: Path, pixels: NDArray[Any], axes: tuple[Axis, ...], options: OmeZarrOptions) -> Grid:
    """Write axes t, c, z, y, x as an image of one level."""
    shape = TileShape(*pixels.shape)
    grid = build_grid(shape, (shape.y, shape.x), pixels.itemsize, options)
    files = ChunkFiles(grid, axes, pixels.dtype.name, options)
    folder.mkdir()
    writer = LevelWriter(folder, 1, files, Level0Digest(grid.shapes[0], grid.chunk))
    for t, c in np.ndindex(shape.t, shape.c):
        for z, i, j in np.ndindex(*(-(-a // b) for a, b in zip(shape[2:], grid.unit, strict=True))):
            unit = UnitIndex(t, c, z, i, j)
            extent = grid.extent(0, unit)
            writer.put(0, unit, extent, pixels[t, c][extent])
    return grid


def files_in(folder: Path) -> dict[str, bytes]:
    """The files of chunks."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if not path.name.startswith(".z")
    }


@pytest.mark.parametrize("axes", ALL_AXES, ids="".join)
@pytest.mark.parametrize("codec", CODECS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_document_says_what_zarr_python_would_say(
    dtype: str, layout: dict[str, Any], codec: dict[str, Any], axes: tuple[Axis, ...], tmp_path: Path
) -> None:
    options = options_of(layout, codec)
    grid = build_grid(shape_of(axes), (50, 70), np.dtype(dtype).itemsize, options)
    files = ChunkFiles(grid, axes, dtype, options)
    theirs = zarr_array(tmp_path / "theirs", grid, axes, dtype, options)
    (tmp_path / "ours").mkdir()
    document = json.dumps(files.document(0))
    (tmp_path / "ours" / files.document_name).write_text(document)

    ours = zarr.open_array(tmp_path / "ours", mode="r")

    assert ours.metadata == theirs.metadata
    written = json.loads((tmp_path / "theirs" / files.document_name).read_text())
    if dtype not in ("uint8", "int8"):  # zarr-python says an order of bytes of single bytes, too
        written.pop("storage_transformers", None)
        assert json.loads(document) == written


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_chunks_and_shards_of_small_levels_are_no_larger_than_the_level(layout: dict[str, Any]) -> None:
    options = options_of(layout, CODECS[0]).model_copy(update={"num_levels": 4})
    grid = build_grid(SHAPE, (50, 70), 2, options)
    files = ChunkFiles(grid, ALL_AXES[0], "uint16", options)
    chunks = [grid.chunk_at(level) for level in range(4)]
    assert chunks == [(3, 16, 16), (3, 16, 16), (3, 12, 16), (3, 6, 8)]
    if grid.shard is None:
        key = "chunks" if "chunks" in files.document(0) else "chunk_grid"
        found = [files.document(level)[key] for level in range(4)]
        cells = [each if key == "chunks" else each["configuration"]["chunk_shape"] for each in found]
        assert cells == [(1, 1, *chunk) for chunk in chunks]
    else:
        shards = [grid.shard_at(level) for level in range(4)]
        assert shards == [(6, 32, 32), (6, 32, 32), (6, 12, 32), (6, 6, 8)]


@pytest.mark.parametrize("codec", CODECS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_chunks_are_byte_for_byte_what_zarr_python_writes(
    version: str, dtype: str, codec: dict[str, Any], tmp_path: Path
) -> None:
    options, axes = options_of({"ngff_version": version}, codec), ALL_AXES[0]
    pixels = camera(SHAPE, dtype)
    grid = write(tmp_path / "ours", pixels, axes, options)
    zarr_array(tmp_path / "theirs", grid, axes, dtype, options)[...] = pixels

    ours, theirs = files_in(tmp_path / "ours" / "0"), files_in(tmp_path / "theirs")
    assert ours == theirs
    assert 0 < len(ours) < grid.file_count(0)  # chunks of zeros are not stored


@pytest.mark.parametrize("axes", ALL_AXES, ids="".join)
@pytest.mark.parametrize("codec", CODECS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_zarr_python_reads_the_same_pixels_from_shards(
    dtype: str, codec: dict[str, Any], axes: tuple[Axis, ...], tmp_path: Path
) -> None:
    options = options_of(LAYOUTS[2], codec)
    pixels = camera(shape_of(axes), dtype)
    grid = write(tmp_path / "ours", pixels, axes, options)
    theirs = zarr_array(tmp_path / "theirs", grid, axes, dtype, options)
    theirs[...] = pixels.reshape(theirs.shape)

    array = zarr.open_array(tmp_path / "ours" / "0", mode="r")

    found = np.asarray(array[...]).reshape(pixels.shape)
    assert found.tobytes() == pixels.tobytes()  # with the sign of every zero
    ours, expected = files_in(tmp_path / "ours" / "0"), files_in(tmp_path / "theirs")
    # The order of chunks in a shard is anybody's choice; all else is not.
    assert {name: len(content) for name, content in ours.items()} == {
        name: len(content) for name, content in expected.items()
    }


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_a_damaged_index_of_a_shard_is_noticed(dtype: str, tmp_path: Path) -> None:
    options = options_of(LAYOUTS[2], CODECS[0])
    write(tmp_path / "ours", camera(SHAPE, dtype), ALL_AXES[0], options)
    file = next(path for path in sorted((tmp_path / "ours/0/c").rglob("*")) if path.is_file())
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        zarr.open_array(tmp_path / "ours" / "0", mode="r")[...]


def test_a_block_that_does_not_lie_in_one_piece_is_written_as_it_is(tmp_path: Path) -> None:
    pixels = camera((1, 1, 4, 100, 140), "uint16")[..., ::2, ::2]
    options = options_of(LAYOUTS[0], CODECS[0])
    write(tmp_path / "ours", pixels, ALL_AXES[0], options)
    array = zarr.open_array(tmp_path / "ours" / "0", mode="r")
    np.testing.assert_array_equal(array[...], pixels)


def test_a_file_that_is_there_is_never_written_twice(tmp_path: Path) -> None:
    options = options_of(LAYOUTS[0], CODECS[0])
    grid = build_grid(SHAPE, (50, 70), 2, options)
    (tmp_path / "image").mkdir()
    files = ChunkFiles(grid, ALL_AXES[0], "uint16", options)
    writer = LevelWriter(tmp_path / "image", 1, files, Level0Digest(grid.shapes[0], grid.chunk))
    unit = UnitIndex(0, 0, 0, 0, 0)
    extent = grid.extent(0, unit)
    block = np.ones([part.stop - part.start for part in extent], "uint16")
    writer.put(0, unit, extent, block)
    with pytest.raises(FileExistsError):
        writer.put(0, unit, extent, block)


@given(st.integers(1, 3), st.integers(1, 50), st.integers(1, 5), st.data())
def test_pixels_are_blank_only_if_all_of_them_are_zero(z: int, y: int, x: int, data: st.DataObject) -> None:
    pixels = np.zeros((z, y, x), "uint16")
    assert is_blank(pixels)
    place = data.draw(st.tuples(st.integers(0, z - 1), st.integers(0, y - 1), st.integers(0, x - 1)))
    pixels[place] = 1
    assert not is_blank(pixels)
