"""Tiled images: how tiles are grouped, what an image knows of itself, and its JSON document."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.core import Tile, TiledImage, Tiles, tiled_image_from_tiles
from tiles2zarr.core.tiled_image import axis_order
from tiles2zarr.errors import OptionsError
from tiles2zarr.models import (
    AcquisitionDetails,
    ChannelInfo,
    CollectionInterface,
    DataTypeEnum,
    DefaultImageLoader,
    ImageInPlate,
    ImageLoaderInterface,
    SingleImage,
    StageOrientation,
)

WELL = ImageInPlate(plate_name="P", row="B", column=3, acquisition=1)
OTHER = ImageInPlate(plate_name="P", row="A", column=1, acquisition=1)


class Slide(CollectionInterface):
    """A collection of somebody's own."""

    slide: str
    section: int = 0

    def path(self) -> str:
        return f"slides/{self.slide}/{self.section}"


class Frames(ImageLoaderInterface):
    """A loader of somebody's own, with fields of all kinds that JSON knows."""

    frames: list[int]
    session: str | None = None
    options: dict[str, float] = {}  # noqa: RUF012 - pydantic copies it

    def load_data(self, resource: Any | None = None) -> Any:
        return np.full((len(self.frames), 4, 8), len(self.session or ""), np.uint8)


def tile(**fields: Any) -> Tile[Any, Any]:
    values: dict[str, Any] = {
        "fov_name": "1",
        "start_x": 0.0,
        "start_y": 0.0,
        "length_x": 8,
        "length_y": 4,
        "collection": WELL,
        "image_loader": DefaultImageLoader(file_path="a.tif"),
        "acquisition_details": AcquisitionDetails(),
    }
    return Tile(**(values | fields))


def image(*tiles: Tile[Any, Any]) -> TiledImage[Any, Any]:
    (found,) = tiled_image_from_tiles(tiles=tiles)
    return found


# Grouping


def test_one_image_for_each_collection_in_order_of_first_appearance() -> None:
    tiles = [
        tile(fov_name="1"),
        tile(fov_name="2", collection=OTHER),
        tile(fov_name="3"),
        tile(fov_name="4", collection=SingleImage(image_path="set/s")),
    ]
    images = tiled_image_from_tiles(tiles=tiles)
    assert [one.path for one in images] == ["P.zarr/B/03/1", "P.zarr/A/01/1", "set/s.zarr"]
    assert [one.name for one in images] == ["1", "1", "s"]
    assert [one.collection for one in images] == [WELL, OTHER, SingleImage(image_path="set/s")]
    assert [[part.fov_name for part in one.regions] for one in images] == [["1", "3"], ["2"], ["4"]]


def test_each_field_becomes_an_image_when_they_are_split() -> None:
    single = SingleImage(image_path="s")
    tiles = [
        tile(fov_name="9", start_z=0.0),
        tile(fov_name="2"),
        tile(fov_name="9", start_z=1.0),
        tile(fov_name="2", collection=single),
        tile(fov_name="9", collection=single),
    ]
    images = tiled_image_from_tiles(tiles=tiles, split_per_fov=True)
    assert [one.path for one in images] == ["P.zarr/B/03/1f0", "P.zarr/B/03/1f1", "sf0.zarr", "sf1.zarr"]
    assert [[part.fov_name for part in one.regions] for one in images] == [["9", "9"], ["2"], ["9"], ["2"]]
    assert images[0].tiles.z.tolist() == [0.0, 1.0]


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(["1", "2", "3"])), min_size=1, max_size=30))
def test_grouping_loses_no_tile_and_keeps_their_order(places: list[tuple[str, str]]) -> None:
    tiles = [
        tile(
            fov_name=fov,
            start_x=float(index),
            collection=ImageInPlate(plate_name="P", row=row, column=1),
        )
        for index, (row, fov) in enumerate(places)
    ]
    for split in (False, True):
        images = tiled_image_from_tiles(tiles=tiles, split_per_fov=split)
        assert sorted(x for one in images for x in one.tiles.x) == [float(i) for i in range(len(tiles))]
        assert all((np.diff(one.tiles.x) > 0).all() for one in images)
        assert len({one.path for one in images}) == len(images)
        groups = {(row, fov) if split else row for row, fov in places}
        assert len(images) == len(groups)


def test_tiles_of_one_image_must_share_their_details() -> None:
    with pytest.raises(OptionsError, match=r"P\.zarr/B/03/1: expected one acquisition_details") as refused:
        image(tile(), tile(acquisition_details=AcquisitionDetails(z_spacing=2.0)))
    assert "z_spacing=2.0" in str(refused.value)


def test_two_collections_may_not_have_one_path() -> None:
    tiles = [tile(collection=Slide(slide="7")), tile(collection=SingleImage(image_path="s"))]

    class Twin(CollectionInterface):
        def path(self) -> str:
            return "s.zarr"

    assert len(tiled_image_from_tiles(tiles=tiles)) == 2
    with pytest.raises(OptionsError, match=r"s\.zarr: expected one collection with this path"):
        tiled_image_from_tiles(tiles=[*tiles, tile(collection=Twin())])


def test_no_tiles_make_no_image() -> None:
    with pytest.raises(OptionsError, match="expected at least one"):
        tiled_image_from_tiles(tiles=[])


# What an image knows of itself


FOUR_CHANNELS = AcquisitionDetails(channels=[ChannelInfo(channel_label=str(c)) for c in range(4)])


def test_channels_are_the_stated_ones_or_named_by_index() -> None:
    found = image(tile(), tile(start_c=1, length_c=2)).channels
    assert [channel.channel_label for channel in found] == ["channel_0", "channel_1", "channel_2"]
    stated = (ChannelInfo(channel_label="DAPI"),)
    assert image(tile(acquisition_details=AcquisitionDetails(channels=stated))).channels == stated


def test_an_index_that_no_tile_has_is_refused_unless_channels_are_named() -> None:
    with pytest.raises(OptionsError, match=r"channel index 0: .* start_c counts from 0"):
        image(tile(start_c=1))
    stated = (ChannelInfo(channel_label="a"), ChannelInfo(channel_label="b"))
    assert image(tile(start_c=1, acquisition_details=AcquisitionDetails(channels=stated))).channels == stated


def test_an_image_has_a_time_axis_only_where_there_are_several_timepoints() -> None:
    assert image(tile(), tile(start_z=1.0)).axes == ("c", "z", "y", "x")
    assert image(tile(start_t=5.0)).axes == ("c", "z", "y", "x")
    assert image(tile(), tile(start_t=1.0)).axes == ("t", "c", "z", "y", "x")
    assert image(tile(length_t=2)).axes == ("t", "c", "z", "y", "x")
    assert image(tile(acquisition_details=AcquisitionDetails(axes=("t", "y", "x")))).axes == ("t", "y", "x")


def test_the_pixel_size_is_given_by_axis() -> None:
    details = AcquisitionDetails(pixelsize=0.5, pixelsize_y=0.6, z_spacing=2.0, t_spacing=30.0)
    assert image(tile(acquisition_details=details)).pixel_size == {"t": 30.0, "z": 2.0, "y": 0.6, "x": 0.5}


def test_the_pixel_type_is_known_once_it_is_stated() -> None:
    assert image(tile()).data_type is None
    stated = AcquisitionDetails(data_type=DataTypeEnum.UINT8)
    assert image(tile(acquisition_details=stated)).data_type == "uint8"


def test_attributes_of_an_image_are_the_distinct_values_of_its_tiles() -> None:
    one = image(
        tile(attributes={"drug": "DMSO", "dose": 1}),
        tile(attributes={"drug": ["X", "DMSO"], "dose": None}),
        tile(),
    )
    assert one.attributes == {"drug": ["DMSO", "X"], "dose": [1, None]}


def test_axis_order_says_where_axes_stand() -> None:
    assert axis_order(("t", "c", "z", "y", "x")) == (0, 1, 2, 3, 4)
    assert axis_order(("y", "x")) == (3, 4)


# The JSON document


def same(one: TiledImage[Any, Any], other: TiledImage[Any, Any]) -> None:
    assert list(one.tiles) == list(other.tiles)
    assert one.path == other.path
    assert one.collection == other.collection
    assert one.details == other.details
    assert one.data_type == other.data_type
    assert one.windows == other.windows
    assert one.channels == other.channels
    assert one.attributes == other.attributes


def travelled(one: TiledImage[Any, Any], collection: type[Any], loader: type[Any]) -> TiledImage[Any, Any]:
    return TiledImage.from_document(json.loads(json.dumps(one.document())), collection, loader)


def test_an_image_survives_its_document() -> None:
    details = AcquisitionDetails(
        pixelsize=0.65,
        channels=(ChannelInfo(channel_label="DAPI", color="0000FF", window=(1, 2.5)),),
        axes=("c", "z", "y", "x"),
        data_type=DataTypeEnum.UINT16,
        stage_orientation=StageOrientation(flip_y=True),
    )
    tiles = [
        tile(
            fov_name=str(index % 2),
            start_x=index * 0.1,
            start_z=float(index),
            attributes={"drug": "DMSO", "dose": [0.5, None], "n": index, "control": True},
            image_loader=DefaultImageLoader(file_path=f"{index}.tif", first_page=index),
            acquisition_details=details,
        )
        for index in range(5)
    ]
    one = image(*tiles)
    same(travelled(one, ImageInPlate, DefaultImageLoader), one)


def test_the_windows_of_an_image_survive_its_document() -> None:
    from dataclasses import replace

    one = replace(image(tile()), windows=((0.0, 255.0), (1.5, 20.0)))
    assert travelled(one, ImageInPlate, DefaultImageLoader).windows == ((0.0, 255.0), (1.5, 20.0))


def test_a_loader_and_a_collection_of_somebody_else_survive_the_document() -> None:
    tiles = [
        tile(
            collection=Slide(slide="7", section=2),
            image_loader=Frames(
                frames=list(range(index)), session="x" * index or None, options={"gain": index / 2}
            ),
        )
        for index in range(3)
    ]
    back = travelled(image(*tiles), Slide, Frames)
    same(back, image(*tiles))
    assert isinstance(back.collection, Slide)
    assert back.path == "slides/7/2"
    assert back.tiles[2].image_loader.load_data().max() == 2


attribute_cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=2),
    st.lists(st.one_of(st.none(), st.text(max_size=2), st.integers(-3, 3)), max_size=3),
)


@given(
    st.lists(
        st.builds(
            tile,
            fov_name=st.sampled_from(["1", "2", "ä"]),
            start_x=st.floats(-1e12, 1e12),
            start_t=st.floats(-1e12, 1e12),
            start_c=st.integers(0, 3),
            acquisition_details=st.just(FOUR_CHANNELS),
            length_z=st.integers(1, 3),
            attributes=st.dictionaries(st.sampled_from(["a", "b"]), attribute_cells),
            image_loader=st.builds(DefaultImageLoader, file_path=st.text(min_size=1, max_size=3)),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_document_brings_back_the_same_tiles(tiles: list[Tile[Any, Any]]) -> None:
    one = image(*tiles)
    same(travelled(one, ImageInPlate, DefaultImageLoader), one)


def test_columns_of_a_table_survive_the_document() -> None:
    import pandas as pd

    from tiles2zarr.core import hcs_images_from_dataframe

    table = pd.DataFrame(
        {
            "file_path": ["a", "b"],
            "row": "A",
            "column": 1,
            "fov_name": ["1", "2"],
            "start_x": [0.0, 8.0],
            "start_y": 0.0,
            "length_x": 8,
            "length_y": 8,
            "drug": ["X", None],
            "genes": [["a"], ["b", "c"]],
            "same": [["p", "q"], ["p", "q"]],
        }
    )
    tiles = hcs_images_from_dataframe(tiles_table=table, acquisition_details=AcquisitionDetails())
    (one,) = tiled_image_from_tiles(tiles=tiles)
    same(travelled(one, ImageInPlate, DefaultImageLoader), one)


def test_a_document_writes_a_value_that_all_tiles_share_once() -> None:
    document = image(tile(), tile(start_x=8.0)).document()["tiles"]
    assert document["count"] == 2
    assert document["x"] == [0.0, 8.0]
    assert document["y"] == 0.0
    assert document["loader"] == {"file_path": "a.tif", "first_page": None}


def test_a_document_holds_only_the_fields_of_view_of_its_image() -> None:
    tiles = Tiles.from_tiles([tile(fov_name="1", collection=OTHER), tile(fov_name="2")])
    second = tiled_image_from_tiles(tiles=tiles)[1]
    document = second.document()
    assert document["tiles"]["fov_names"] == ["2"]
    assert travelled(second, ImageInPlate, DefaultImageLoader).tiles.fov_name(0) == "2"


def test_a_document_holds_no_detail_that_nobody_stated() -> None:
    details = AcquisitionDetails(pixelsize=0.5, channels=[ChannelInfo(channel_label="a")], axes="czyx")
    assert image(tile(acquisition_details=details)).document()["details"] == {
        "pixelsize": 0.5,
        "channels": [{"channel_label": "a"}],
        "axes": ["c", "z", "y", "x"],
    }
