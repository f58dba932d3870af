"""Tiles by column: they read like a list of tiles, and cost arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tiles2zarr.core import Tile, Tiles
from tiles2zarr.errors import OptionsError
from tiles2zarr.models import (
    AcquisitionDetails,
    CollectionInterface,
    DefaultImageLoader,
    ImageInPlate,
    ImageLoaderInterface,
    SingleImage,
)

DETAILS = AcquisitionDetails(pixelsize=0.65)
WELL = ImageInPlate(plate_name="P", row="B", column=3)


class Slide(CollectionInterface):
    """A collection of somebody's own, with the fields of another one."""

    image_path: str

    def path(self) -> str:
        return f"slides/{self.image_path}"


class Frame(ImageLoaderInterface):
    """A loader of somebody's own."""

    frames: list[int]
    session: str | None = None

    def load_data(self, resource: Any | None = None) -> Any:
        return np.zeros((len(self.frames), 4, 4), np.uint8)


def tile(**fields: Any) -> Tile[Any, Any]:
    values: dict[str, Any] = {
        "fov_name": "1",
        "start_x": 0.0,
        "start_y": 0.0,
        "length_x": 8,
        "length_y": 4,
        "collection": WELL,
        "image_loader": DefaultImageLoader(file_path="a.tif"),
        "acquisition_details": DETAILS,
    }
    return Tile(**(values | fields))


scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.text(max_size=3))
tiles_strategy = st.lists(
    st.builds(
        tile,
        fov_name=st.text(min_size=1, max_size=3),
        start_x=st.floats(-1e9, 1e9),
        start_y=st.floats(-1e9, 1e9),
        start_z=st.floats(-1e9, 1e9),
        start_t=st.floats(-1e9, 1e9),
        start_c=st.integers(0, 9),
        length_x=st.integers(1, 9999),
        length_y=st.integers(1, 9999),
        length_z=st.integers(1, 99),
        length_c=st.integers(1, 9),
        length_t=st.integers(1, 99),
        attributes=st.dictionaries(st.sampled_from(["drug", "dose"]), st.lists(scalars, max_size=3)),
        collection=st.sampled_from([WELL, SingleImage(image_path="s"), Slide(image_path="s")]),
        image_loader=st.builds(Frame, frames=st.lists(st.integers(0, 9), max_size=3)),
        acquisition_details=st.sampled_from([DETAILS, AcquisitionDetails(z_spacing=3.0)]),
    ),
    min_size=1,
    max_size=6,
)


@given(tiles_strategy)
def test_gathered_tiles_come_back_one_by_one(rows: list[Tile[Any, Any]]) -> None:
    tiles = Tiles.from_tiles(rows)
    assert len(tiles) == len(rows)
    assert list(tiles) == rows
    assert [type(one.collection) for one in tiles] == [type(one.collection) for one in rows]


@given(tiles_strategy, st.slices(6))
def test_a_slice_of_tiles_is_the_slice_of_a_list(rows: list[Tile[Any, Any]], part: slice) -> None:
    assert list(Tiles.from_tiles(rows)[part]) == rows[part]


@given(tiles_strategy, st.data())
def test_rows_are_taken_by_number_or_by_mask(rows: list[Tile[Any, Any]], data: st.DataObject) -> None:
    tiles = Tiles.from_tiles(rows)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8))
    assert list(tiles.take(np.array(chosen, np.int64))) == [rows[row] for row in chosen]
    mask = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    taken = tiles.take(np.array(mask))
    assert list(taken) == [row for row, kept in zip(rows, mask, strict=True) if kept]
    assert len(taken.loaders) == sum(mask)


def test_tiles_are_a_sequence_as_any_other() -> None:
    tiles = Tiles.from_tiles([tile(fov_name="1"), tile(fov_name="2")])
    assert tiles[-1].fov_name == "2"
    assert [one.fov_name for one in reversed(tiles)] == ["2", "1"]
    assert tile(fov_name="2") in tiles
    with pytest.raises(IndexError):
        tiles[2]
    assert Tiles.from_tiles(tiles) is tiles


def test_fields_and_collections_are_coded_in_order_of_first_appearance() -> None:
    other = SingleImage(image_path="s")
    tiles = Tiles.from_tiles(
        [tile(fov_name="9"), tile(fov_name="10", collection=other), tile(fov_name="9", collection=other)]
    )
    assert tiles.fov_names == ("9", "10")
    assert tiles.fov.tolist() == [0, 1, 0]
    assert tiles.collections == (WELL, other)
    assert tiles.collection.tolist() == [0, 1, 1]


def test_collections_of_two_kinds_differ_even_with_the_same_fields() -> None:
    tiles = Tiles.from_tiles(
        [tile(collection=SingleImage(image_path="s")), tile(collection=Slide(image_path="s"))]
    )
    assert tiles.collection.tolist() == [0, 1]


def test_no_tiles_are_refused() -> None:
    with pytest.raises(OptionsError, match="no tiles: expected at least one"):
        Tiles.from_tiles([])
    with pytest.raises(OptionsError, match="no tiles: expected at least one"):
        Tiles.from_tiles(Tiles.from_tiles([tile()])[:0])


def test_loaders_of_two_types_are_refused() -> None:
    with pytest.raises(OptionsError, match="expected one type, found DefaultImageLoader, Frame"):
        Tiles.from_tiles([tile(), tile(image_loader=Frame(frames=[]))])


def test_a_tile_in_a_message_names_image_field_place_and_file() -> None:
    tiles = Tiles.from_tiles([tile(start_c=2, start_z=-1.5), tile(start_c=2, start_z=1.5, length_z=3)])
    file = Path("/data/a.tif")
    assert [tiles.describe(row, "/data") for row in (0, 1)] == [
        f"P.zarr/B/03/0, 1 (channel_2, z-plane 0, timepoint 0), {file}",
        f"P.zarr/B/03/0, 1 (channel_2, z-planes 3 to 5, timepoint 0), {file}",
    ]


def test_a_tile_survives_json_when_its_types_are_named() -> None:
    one = tile(attributes={"drug": "DMSO", "dose": [0.5, None]}, start_z=2.0)
    back = Tile[ImageInPlate, DefaultImageLoader].model_validate_json(one.model_dump_json())
    assert back.model_dump() == one.model_dump()
    own = tile(collection=Slide(image_path="s"), image_loader=Frame(frames=[1, 2], session="x"))
    back_own = Tile[Slide, Frame].model_validate_json(own.model_dump_json())
    assert back_own.collection == own.collection
    assert back_own.image_loader == own.image_loader


def test_the_extent_of_a_tile_is_in_the_order_t_c_z_y_x() -> None:
    one = tile(length_t=2, length_c=3, length_z=5, length_y=7, length_x=11)
    assert tuple(one.shape) == (2, 3, 5, 7, 11)


@pytest.mark.parametrize(
    "fields",
    [
        {"start_x": float("nan")},
        {"start_y": float("inf")},
        {"length_x": 0},
        {"length_z": 1.5},
        {"start_c": -1},
        {"fov_name": ""},
        {"stat_z": 1.0},
    ],
)
def test_a_tile_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        tile(**fields)
