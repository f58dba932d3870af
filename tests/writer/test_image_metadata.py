"""NGFF metadata of an image: whole documents, and what others read from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ngio
import numpy as np
import pytest
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr_models import open_ome_zarr

from tests.layouts import Layout, TileSpec, grid_of_tiles, with_levels, write_layout
from tiles2zarr.models import (
    ChannelInfo,
    ChunkMultipleSharding,
    ConverterOptions,
    FixedSizeChunking,
    NoSharding,
    StagePositionCorrections,
)
from tiles2zarr.writer.image import write_metadata
from tiles2zarr.writer.image_metadata import omero, type_range

if TYPE_CHECKING:
    from tests.layouts import Written

GOLDEN = Path(__file__).parent / "golden"
DOCUMENT = {"0.4": ".zattrs", "0.5": "zarr.json"}
VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
CHANNELS = (
    ChannelInfo(channel_label="DAPI", wavelength_id="405", color="0000FF"),
    ChannelInfo(channel_label="GFP"),
)
WINDOWS = ((100.0, 2500.0), (3.0, 700.0))
KEEP = StagePositionCorrections(remove_xy_offset="Keep", remove_z_offset="Keep", remove_t_offset="Keep")
CHUNKS = FixedSizeChunking(xy_chunk=8, z_chunk=1)


def options(version: str, **changes: Any) -> ConverterOptions:
    return with_levels(ConverterOptions(**changes), ngff_version=version, num_levels=3, chunks=CHUNKS)


def two_channels() -> Layout:
    """2 x 2 fields of 11 x 9 px, 2 channels, 2 z-planes, away from the stage's origin."""
    specs = [
        replace(spec, y=spec.y - 12, x=spec.x + 30, z=3 + z, c=c, t=5, fov=f"F{number}")
        for number, spec in enumerate(grid_of_tiles(2, 2, 11, 9))
        for c in range(2)
        for z in range(2)
    ]
    return Layout(tuple(specs), channels=2)


def finished(layout: Layout, chosen: ConverterOptions, folder: Path) -> Written:
    """An image of a layout, with its metadata."""
    written = write_layout(layout, chosen, folder)
    details = written.placed.image.details.model_copy(update={"channels": CHANNELS[: layout.channels]})
    placed = replace(written.placed, image=replace(written.placed.image, details=details))
    record = {"fingerprint": "0a1b2c3d"}
    windows = WINDOWS[: layout.channels]
    write_metadata(folder, replace(written.layout, placed=placed, options=chosen), windows, record)
    return replace(written, placed=placed)


@VERSIONS
def test_the_whole_document_is_as_the_specification_wants_it(version: str, tmp_path: Path) -> None:
    finished(two_channels(), options(version, alignment_correction=KEEP), tmp_path / "0")

    found = json.loads((tmp_path / "0" / DOCUMENT[version]).read_text())

    # The name comes from the collection of the layout: acquisition 0 of a well.
    assert found == json.loads((GOLDEN / f"image_{version}.json").read_text())
    if version == "0.4":
        assert json.loads((tmp_path / "0" / ".zgroup").read_text()) == {"zarr_format": 2}


@VERSIONS
def test_where_the_offset_is_removed_there_is_no_translation(version: str, tmp_path: Path) -> None:
    finished(two_channels(), options(version), tmp_path / "0")

    document = json.loads((tmp_path / "0" / DOCUMENT[version]).read_text())

    kinds = {
        transformation["type"]
        for dataset in find(document, "datasets")
        for transformation in dataset["coordinateTransformations"]
    }
    assert kinds == {"scale"}


def find(document: Any, key: str) -> Any:
    """The value of a key anywhere in a document."""
    if isinstance(document, dict):
        if key in document:
            return document[key]
        document = list(document.values())
    found = (find(part, key) for part in document) if isinstance(document, list) else ()
    return next((value for value in found if value is not None), None)


@VERSIONS
def test_ome_zarr_models_accept_image_and_channels(version: str, tmp_path: Path) -> None:
    finished(two_channels(), options(version, alignment_correction=KEEP), tmp_path / "0")

    image = open_ome_zarr(zarr.open_group(tmp_path / "0", mode="r"))

    assert type(image).__module__.startswith(f"ome_zarr_models.v{version.replace('.', '')}")
    assert [axis.name for axis in image.ome_attributes.multiscales[0].axes] == list("tczyx")
    assert image.ome_attributes.omero is not None


@VERSIONS
def test_ngio_finds_axes_sizes_scales_and_channels(version: str, tmp_path: Path) -> None:
    written = finished(two_channels(), options(version), tmp_path / "0")

    container = ngio.open_ome_zarr_container(tmp_path / "0", mode="r")

    assert container.level_paths == ["0", "1", "2"]
    image = container.get_image()
    assert image.axes == ("t", "c", "z", "y", "x")
    assert image.shape == tuple(written.layout.grid.shapes[0]) == (1, 2, 2, 22, 18)
    size = image.pixel_size
    assert (size.t, size.z, size.y, size.x) == (8.0, 2.0, 0.25, 0.5)
    assert (size.space_unit, size.time_unit) == ("micrometer", "second")
    small = container.get_image(path="2")
    assert small.shape[-2:] == (5, 4)
    assert (small.pixel_size.y, small.pixel_size.x) == (1.0, 2.0)
    channels = container.meta.channels_meta.channels
    assert [channel.label for channel in channels] == ["DAPI", "GFP"]
    assert [channel.wavelength_id for channel in channels] == ["405", "GFP"]
    looks = [channel.channel_visualisation for channel in channels]
    assert [look.color for look in looks] == ["0000FF", "009E73"]
    assert [(look.min, look.start, look.end, look.max) for look in looks] == [
        (0, 100, 2500, 65535),
        (0, 3, 700, 65535),
    ]


@VERSIONS
def test_ngio_reads_the_pixels_of_a_channel_by_its_label(version: str, tmp_path: Path) -> None:
    layout = two_channels()
    finished(layout, options(version), tmp_path / "0")
    image = ngio.open_ome_zarr_container(tmp_path / "0", mode="r").get_image()

    pixels = image.get_as_numpy(channel_selection="GFP", z=0, t=0)

    expected = layout.loader(2).pixels()[0, 0, 0]
    np.testing.assert_array_equal(np.squeeze(pixels)[:11, :9], expected)


@VERSIONS
def test_ome_zarr_py_reads_levels_and_channels(version: str, tmp_path: Path) -> None:
    written = finished(two_channels(), options(version), tmp_path / "0")

    (node, *_) = Reader(parse_url(tmp_path / "0", mode="r"))()

    assert [tuple(level.shape) for level in node.data] == [tuple(s) for s in written.layout.grid.shapes]
    assert [axis["name"] for axis in node.metadata["axes"]] == list("tczyx")
    assert node.metadata["channel_names"] == ["DAPI", "GFP"]
    assert node.metadata["contrast_limits"] == [[100, 2500], [3, 700]]
    level0 = zarr.open_array(tmp_path / "0" / "0", mode="r")[...]
    np.testing.assert_array_equal(node.data[0].compute(), level0)


@VERSIONS
@pytest.mark.parametrize("axes", ["tczyx", "czyx", "zyx", "cyx", "tyx", "yx"])
def test_axes_that_are_not_asked_for_are_left_out(axes: str, version: str, tmp_path: Path) -> None:
    layout = Layout((TileSpec(0, 0, 30, 20),), axes=axes)
    finished(layout, options(version), tmp_path / "0")

    image = ngio.open_ome_zarr_container(tmp_path / "0", mode="r").get_image()

    assert image.axes == tuple(axes)
    assert image.shape == (*(1 for _ in axes[:-2]), 30, 20)
    spacing = {"t": 8.0, "c": 1.0, "z": 2.0, "y": 0.25, "x": 0.5}
    assert list(image.dataset.scale) == [spacing[axis] for axis in axes]
    open_ome_zarr(zarr.open_group(tmp_path / "0", mode="r"))


def test_levels_are_zarr_v2_arrays_with_chunks_in_nested_folders(tmp_path: Path) -> None:
    finished(two_channels(), options("0.4"), tmp_path / "0")
    document = json.loads((tmp_path / "0" / "1" / ".zarray").read_text())
    assert {key: document[key] for key in ("zarr_format", "shape", "chunks", "dtype", "order")} == {
        "zarr_format": 2,
        "shape": [1, 2, 2, 11, 9],
        "chunks": [1, 1, 1, 8, 8],
        "dtype": "<u2",
        "order": "C",
    }
    assert document["dimension_separator"] == "/"
    assert document["fill_value"] == 0
    assert document["filters"] is None
    assert document["compressor"] == {
        "id": "blosc",
        "cname": "lz4",
        "clevel": 5,
        "shuffle": 1,
        "blocksize": 0,
    }
    assert (tmp_path / "0" / "1" / "0" / "1" / "0" / "1" / "1").is_file()


@pytest.mark.parametrize("shards", [NoSharding(), ChunkMultipleSharding(xy_factor=2, z_factor=2)])
def test_levels_are_zarr_v3_arrays_with_names_for_their_axes(
    shards: NoSharding | ChunkMultipleSharding, tmp_path: Path
) -> None:
    finished(two_channels(), with_levels(options("0.5"), shards=shards), tmp_path / "0")
    document = json.loads((tmp_path / "0" / "0" / "zarr.json").read_text())
    assert document["shape"] == [1, 2, 2, 22, 18]
    assert document["data_type"] == "uint16"
    assert document["dimension_names"] == list("tczyx")
    assert document["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
    inner, grid = [1, 1, 1, 8, 8], document["chunk_grid"]["configuration"]["chunk_shape"]
    if isinstance(shards, ChunkMultipleSharding):
        assert grid == [1, 1, 2, 16, 16]
        (codec,) = document["codecs"]
        assert codec["name"] == "sharding_indexed"
        assert codec["configuration"]["chunk_shape"] == inner
        codecs = codec["configuration"]["codecs"]
    else:
        assert grid == inner
        codecs = document["codecs"]
    assert [codec["name"] for codec in codecs] == ["bytes", "blosc"]
    assert codecs[1]["configuration"]["shuffle"] == "shuffle"
    assert codecs[1]["configuration"]["typesize"] == 2


@pytest.mark.parametrize(
    ("compression", "level", "expected"),
    [
        ("blosc-lz4", 9, ("blosc", "clevel", 9)),
        ("zstd", None, ("zstd", "level", 3)),
        ("zstd", 11, ("zstd", "level", 11)),
        ("none", None, None),
    ],
)
@VERSIONS
def test_the_codec_is_the_one_asked_for(
    compression: str, level: int | None, expected: tuple[str, str, int] | None, version: str, tmp_path: Path
) -> None:
    chosen = with_levels(options(version), compression=compression, compression_level=level)
    finished(two_channels(), chosen, tmp_path / "0")
    if version == "0.4":
        codec = json.loads((tmp_path / "0" / "0" / ".zarray").read_text())["compressor"]
        found = codec and (codec["id"], codec)
    else:
        codecs = json.loads((tmp_path / "0" / "0" / "zarr.json").read_text())["codecs"][1:]
        found = (codecs[0]["name"], codecs[0]["configuration"]) if codecs else None
    if expected is None:
        assert found is None
    else:
        name, key, value = expected
        assert found is not None
        assert found[0] == name
        assert found[1][key] == value


@pytest.mark.parametrize(
    ("dtype", "limits"),
    [("uint8", (0, 255)), ("int16", (-32768, 32767)), ("uint32", (0, 2**32 - 1)), ("float32", (0, 1))],
)
def test_the_ends_of_a_window_are_those_of_the_type(dtype: str, limits: tuple[float, float]) -> None:
    assert type_range(dtype) == limits
    (channel,) = omero([ChannelInfo(channel_label="A")], [(1.5, 2.5)], dtype)["channels"]
    assert channel["window"] == {"min": limits[0], "max": limits[1], "start": 1.5, "end": 2.5}


def test_channels_without_a_colour_get_different_ones() -> None:
    channels = [ChannelInfo(channel_label=str(index)) for index in range(7)]
    entry = omero(channels, [(0, 1)] * 7, "uint8")
    assert len({channel["color"] for channel in entry["channels"]}) == 7
    assert entry["rdefs"] == {"model": "color"}
    assert omero(channels[:1], [(0, 1)], "uint8")["rdefs"] == {"model": "greyscale"}
