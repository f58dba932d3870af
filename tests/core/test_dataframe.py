"""Tiles from a data frame: what a cell may be, and how a wrong one is named."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.core import (
    Tiles,
    hcs_images_from_dataframe,
    single_images_from_dataframe,
    tiled_image_from_tiles,
)
from tiles2zarr.errors import SourceError
from tiles2zarr.models import AcquisitionDetails, ImageInPlate, SingleImage, row_name

DETAILS = AcquisitionDetails(pixelsize=0.65)
COLUMNS: dict[str, Any] = {
    "file_path": ["a.tif", "b.tif", "c.tif"],
    "row": ["B", "A", "B"],
    "column": [3, 1, 3],
    "fov_name": ["2", "1", "1"],
    "start_x": [0.5, 1.5, 2.5],
    "start_y": [3.0, 4.0, 5.0],
    "length_x": [64, 64, 32],
    "length_y": [48, 48, 16],
}


def plate(**columns: Any) -> Tiles:
    """The tiles of the table above, with some columns replaced, added or (None) left out."""
    table = {name: cells for name, cells in (COLUMNS | columns).items() if cells is not None}
    return hcs_images_from_dataframe(tiles_table=pd.DataFrame(table), acquisition_details=DETAILS)


def refusal(**columns: Any) -> str:
    with pytest.raises(SourceError) as refused:
        plate(**columns)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_every_column_lands_in_its_place() -> None:
    tiles = hcs_images_from_dataframe(
        tiles_table=pd.DataFrame(
            COLUMNS
            | {"start_z": [1.0, 2.0, 3.0], "start_t": [4.0, 5.0, 6.0], "start_c": [0, 1, 2]}
            | {"length_z": [7, 8, 9], "length_c": [1, 2, 3], "length_t": [4, 5, 6], "first_page": [0, 1, 2]}
        ),
        acquisition_details=DETAILS,
        plate_name="P",
        acquisition_id=4,
    )
    assert tiles.x.tolist() == [0.5, 1.5, 2.5]
    assert tiles.y.tolist() == [3.0, 4.0, 5.0]
    assert tiles.z.tolist() == [1.0, 2.0, 3.0]
    assert tiles.t.tolist() == [4.0, 5.0, 6.0]
    assert tiles.c.tolist() == [0, 1, 2]
    assert [tuple(tile.shape) for tile in tiles] == [(4, 1, 7, 48, 64), (5, 2, 8, 48, 64), (6, 3, 9, 16, 32)]
    assert [tile.fov_name for tile in tiles] == ["2", "1", "1"]
    assert [tile.image_loader.first_page for tile in tiles] == [0, 1, 2]
    assert [tile.image_loader.file_path for tile in tiles] == ["a.tif", "b.tif", "c.tif"]
    assert [tile.collection for tile in tiles] == [
        ImageInPlate(plate_name="P", row="B", column=3, acquisition=4),
        ImageInPlate(plate_name="P", row="A", column=1, acquisition=4),
        ImageInPlate(plate_name="P", row="B", column=3, acquisition=4),
    ]
    assert all(tile.acquisition_details is DETAILS for tile in tiles)


def test_single_images_are_told_apart_by_their_path() -> None:
    columns = {name: cells for name, cells in COLUMNS.items() if name not in ("row", "column")}
    table = pd.DataFrame(columns | {"image_path": ["s/1", "s/2.zarr", "s/1"]})
    tiles = single_images_from_dataframe(tiles_table=table, acquisition_details=DETAILS)
    expected = [SingleImage(image_path="s/1"), SingleImage(image_path="s/2"), SingleImage(image_path="s/1")]
    assert [tile.collection for tile in tiles] == expected
    assert tiles.attributes == {}


def test_one_file_may_hold_several_tiles() -> None:
    tiles = plate(file_path=["a.tif", "a.tif", "b.tif"], first_page=[0, 5, 0])
    assert [(tile.image_loader.file_path, tile.image_loader.first_page) for tile in tiles] == [
        ("a.tif", 0),
        ("a.tif", 5),
        ("b.tif", 0),
    ]


@given(st.integers(0, 701), st.booleans())
def test_a_row_letter_and_its_number_mean_the_same(index: int, small: bool) -> None:
    name = row_name(index)
    letters = plate(row=[name.lower() if small else name] * 3)
    numbers = plate(row=[index + 1] * 3)
    assert letters[0].collection == numbers[0].collection
    assert letters[0].collection.row == name


@pytest.mark.parametrize(
    ("cell", "row"), [("1", "A"), (1.0, "A"), (" b ", "B"), ("af", "AF"), (np.int16(32), "AF")]
)
def test_a_row_may_be_written_in_several_ways(cell: Any, row: str) -> None:
    assert plate(row=[cell] * 3)[0].collection.row == row


@pytest.mark.parametrize("cell", ["?", "", "A1", "ABC", "Ä", 0, 703, -1, 1.5, "9" * 5000])
def test_a_row_that_is_none_is_refused_by_name(cell: Any) -> None:
    message = refusal(row=["A", cell, "A"])
    assert message.startswith("tiles table, row 2 (b.tif), column row: expected a ")


def test_an_empty_row_is_refused() -> None:
    assert "row 3 (c.tif), column row: expected a text of 1 to 1000 characters" in refusal(
        row=["A", "B", None]
    )


def test_a_field_is_one_whether_its_name_is_a_number_or_a_text() -> None:
    tiles = plate(fov_name=pd.Series([1, "1", 1.0], dtype=object))
    assert tiles.fov_names == ("1",)
    assert tiles.fov.tolist() == [0, 0, 0]


def test_fields_keep_the_order_of_their_first_appearance() -> None:
    assert plate(fov_name=["10", "9", "10"]).fov_names == ("10", "9")


def test_attributes_are_plain_values_that_survive_json() -> None:
    tiles = plate(
        count=[1, 2, 3],
        dose=[0.5, None, 2.0],
        control=[True, False, True],
        drug=["DMSO", None, "X"],
        day=pd.Series(["2024-01-02", None, "2024-01-03"], dtype="datetime64[s]"),
        genes=[["TP53", "MYC"], [], np.array(["KRAS"])],
        kind=pd.Categorical(["a", "b", "a"]),
        batch=pd.array([1, None, 3], dtype="Int64"),
    )
    document = tiled_image_from_tiles(tiles=tiles)[0].document()
    assert json.loads(json.dumps(document["tiles"]["attributes"])) == {
        "count": [1, 3],
        "dose": [0.5, 2.0],
        "control": True,
        "drug": ["DMSO", "X"],
        "day": ["2024-01-02 00:00:00", "2024-01-03 00:00:00"],
        "genes": [["TP53", "MYC"], ["KRAS"]],
        "kind": "a",
        "batch": [1, 3],
    }
    assert tiles[1].attributes == {"count": [2], "control": [False], "genes": [], "kind": ["b"]}


def test_a_missing_column_is_named_beside_those_that_are_there() -> None:
    message = refusal(start_x=None, fov_name=None)
    assert message.startswith(
        "tiles table: missing column fov_name, start_x: expected file_path, fov_name, start_x"
    )
    assert message.endswith("found file_path, row, column, start_y, length_x, length_y")


@pytest.mark.parametrize(
    ("column", "cell", "found"),
    [
        ("start_x", float("nan"), "nan"),
        ("start_y", float("inf"), "inf"),
        ("start_x", "west", "'west'"),
        ("start_z", None, "None"),
        ("start_t", "1,5", "'1,5'"),
    ],
)
def test_a_position_that_is_no_number_is_named(column: str, cell: Any, found: str) -> None:
    message = refusal(**{column: pd.Series([0.0, cell, 0.0], dtype=object)})
    where = f"tiles table, row 2 (b.tif), column {column}"
    assert message == f"{where}: expected a finite number, found {found}"


def test_a_date_is_no_time_in_seconds() -> None:
    message = refusal(start_t=pd.to_datetime(["2024-01-02"] * 3))
    assert "row 1 (a.tif), column start_t: expected a finite number, found Timestamp" in message


@pytest.mark.parametrize(
    ("column", "cell", "found"),
    [
        ("length_x", 0, "0"),
        ("length_y", 1.5, "1.5"),
        ("length_z", -1, "-1"),
        ("start_c", -1, "-1"),
        ("column", 0, "0"),
        ("first_page", 2**40, "1099511627776"),
    ],
)
def test_a_count_that_cannot_be_is_named(column: str, cell: Any, found: str) -> None:
    message = refusal(**{column: pd.Series([1, 1, cell], dtype=object)})
    assert message.startswith(f"tiles table, row 3 (c.tif), column {column}: expected a whole number from ")
    assert message.endswith(f"found {found}")


def test_several_wrong_cells_are_counted() -> None:
    assert refusal(length_x=[0, 64, 0]).endswith("found 0 (and in 1 more rows)")


@pytest.mark.parametrize("column", ["file_path", "fov_name"])
@pytest.mark.parametrize("cell", [None, "", "  ", "a\0b"])
def test_a_name_that_cannot_be_is_named(column: str, cell: Any) -> None:
    assert f"column {column}: expected a text" in refusal(**{column: ["a", cell, "c"]})


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "con", "a:b", "x" * 201])
def test_a_plate_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(SourceError, match=r"plate_name: .* is no valid Zarr name"):
        hcs_images_from_dataframe(
            tiles_table=pd.DataFrame(COLUMNS), acquisition_details=DETAILS, plate_name=name
        )


@pytest.mark.parametrize("path", ["../up", "/root", "a//b", "a/../b", "a/.b", "a\\b", "nul.zarr"])
def test_an_image_path_that_is_no_name_is_refused_by_row(path: str) -> None:
    columns = {name: cells for name, cells in COLUMNS.items() if name not in ("row", "column")}
    table = pd.DataFrame(columns | {"image_path": ["ok", "ok", path]})
    with pytest.raises(
        SourceError, match=r"tiles table, row 3 \(c.tif\): image_path: .* is no valid Zarr name"
    ):
        single_images_from_dataframe(tiles_table=table, acquisition_details=DETAILS)


def test_a_well_beyond_the_largest_plate_is_refused_by_row() -> None:
    assert "row 2 (b.tif): column: Input should be less than or equal to 999" in refusal(column=[1, 1000, 1])


def test_a_column_that_stands_twice_is_refused() -> None:
    table = pd.DataFrame(COLUMNS)
    twice = pd.concat([table, table[["start_x"]]], axis=1)
    with pytest.raises(SourceError, match="column start_x stands more than once: rename or remove one"):
        hcs_images_from_dataframe(tiles_table=twice, acquisition_details=DETAILS)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(SourceError, match="expected at least one row, found none"):
        hcs_images_from_dataframe(tiles_table=pd.DataFrame(COLUMNS).iloc[:0], acquisition_details=DETAILS)


def test_the_index_of_a_data_frame_does_not_matter() -> None:
    table = pd.DataFrame(COLUMNS | {"drug": ["a", "b", "c"]}, index=[7, 7, 3])
    tiles = hcs_images_from_dataframe(tiles_table=table, acquisition_details=DETAILS)
    assert [tile.attributes["drug"] for tile in tiles] == [["a"], ["b"], ["c"]]


def test_a_table_of_138240_rows_becomes_384_images_within_seconds() -> None:
    count = 138_240
    index = np.arange(count)
    well = index // 360
    table = pd.DataFrame(
        {
            "file_path": [f"w{w}/{i}.tif" for i, w in enumerate(well)],
            "row": np.array(list("ABCDEFGHIJKLMNOP"))[well // 24],
            "column": well % 24 + 1,
            "fov_name": index // 40 % 9,
            "start_x": index // 40 % 3 * 1404.0,
            "start_y": index // 120 % 3 * 1404.0,
            "start_z": index % 10 * 2.5,
            "start_c": index // 10 % 4,
            "length_x": 2160,
            "length_y": 2160,
            "drug": np.where(well % 2, "DMSO", "X"),
        }
    )
    began = time.perf_counter()
    tiles = hcs_images_from_dataframe(tiles_table=table, acquisition_details=DETAILS)
    images = tiled_image_from_tiles(tiles=tiles)
    seconds = time.perf_counter() - began
    assert len(images) == 384
    assert {len(image.tiles) for image in images} == {360}
    assert images[-1].path == "plate.zarr/P/24/0"
    assert images[-1].attributes == {"drug": ["DMSO"]}
    assert seconds < 5


def test_the_room_loads_nothing_heavy_until_a_table_is_read() -> None:
    heavy = ("pandas", "pyarrow", "tifffile", "imagecodecs", "zarr", "ngio", "dask", "polars", "anndata")
    program = (
        "import sys, tiles2zarr.core, tiles2zarr.models, tiles2zarr.sources\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
