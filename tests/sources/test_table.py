"""The tiles table: what it may say, in which words and units, and how it says what is wrong with it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.core import tiled_image_from_tiles
from tiles2zarr.errors import OptionsError, SourceError, UnknownFormatError
from tiles2zarr.models import (
    AcquisitionOptions,
    ChannelInfo,
    ImageInPlate,
    PixelSizeModel,
    SingleImage,
)
from tiles2zarr.sources import detect_source, source_by_name
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.table import TableSource
from tiles2zarr.sources.table_reading import typed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tiles2zarr.sources.base import Scan

ROW = {
    "file_path": "a.tif",
    "row": "B",
    "column": 3,
    "fov_name": "1",
    "start_x": 0.0,
    "start_y": 0.0,
    "length_x": 64,
    "length_y": 48,
}
SINGLE = {
    "image_path": "slide",
    **{name: cell for name, cell in ROW.items() if name not in ("row", "column")},
}
TOML = "pixelsize = 0.5\nz_spacing = 2.0\nt_spacing = 10.0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "My Plate"
    path.mkdir()
    return path


def write(folder: Path, *rows: dict[str, Any], toml: str | None = TOML) -> Path:
    """A folder with a table of these rows, the columns in the order in which they first appear."""
    pd.DataFrame(list(rows)).to_csv(folder / "tiles.csv", index=False)
    if toml is not None:
        (folder / "acquisition_details.toml").write_text(toml, encoding="utf-8")
    return folder


def write_text(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (folder / "tiles.csv").write_text(text, encoding=encoding)
    (folder / "acquisition_details.toml").write_text(TOML, encoding="utf-8")
    return folder


def scan(path: Path, **request: Any) -> Scan:
    return TableSource().scan(ScanRequest(path, **request))


def refusal(path: Path, **request: Any) -> str:
    with pytest.raises(SourceError) as refused:
        scan(path, **request)
    message = str(refused.value)
    assert "\n" not in message
    return message


def findings(found: Scan) -> list[tuple[str, str]]:
    return [(finding.severity, finding.code) for finding in found.findings]


# What is recognised


def test_a_folder_with_a_table_is_recognised_by_name(folder: Path) -> None:
    write(folder, ROW)
    assert isinstance(detect_source(folder), TableSource)
    assert isinstance(detect_source(folder / "tiles.csv"), TableSource)
    assert source_by_name("table").title == "Tiles table (CSV or Parquet)"


def test_a_folder_without_a_table_is_not_recognised(folder: Path) -> None:
    (folder / "other.txt").write_text("")
    with pytest.raises(UnknownFormatError, match="expected a known format"):
        detect_source(folder)


def test_a_folder_without_a_table_is_refused_when_the_format_is_named(folder: Path) -> None:
    assert "expected either tiles.csv or tiles.parquet, found neither" in refusal(folder)


def test_a_folder_with_both_tables_is_refused(folder: Path) -> None:
    write(folder, ROW)
    pd.DataFrame([ROW]).to_parquet(folder / "tiles.parquet")
    assert "found both: remove one, or name the file" in refusal(folder)
    assert len(scan(folder / "tiles.parquet").tiles) == 1


def test_a_path_that_is_no_table_is_refused(folder: Path) -> None:
    (folder / "a.txt").write_text("")
    assert "a.txt: expected a .csv or .parquet file" in refusal(folder / "a.txt")
    assert "found neither: check the path" in refusal(folder / "missing")


# What becomes of a row


def test_a_row_becomes_a_tile_with_everything_it_says(folder: Path) -> None:
    row = ROW | {
        "start_x": 10.25,
        "start_y": -4.5,
        "start_z": 6.0,
        "start_t": 30.0,
        "start_c": 1,
        "length_z": 3,
        "length_c": 2,
        "length_t": 4,
        "first_page": 5,
        "drug": "DMSO",
    }
    found = scan(write(folder, row))
    assert found.resource == folder
    assert found.findings == ()
    (tile,) = found.tiles
    assert tile.model_dump(exclude={"acquisition_details"}) == {
        "fov_name": "1",
        "start_x": 10.25,
        "start_y": -4.5,
        "start_z": 6.0,
        "start_c": 1,
        "start_t": 30.0,
        "length_x": 64,
        "length_y": 48,
        "length_z": 3,
        "length_c": 2,
        "length_t": 4,
        "attributes": {"drug": ["DMSO"]},
        "collection": {
            "plate_name": "My Plate",
            "row": "B",
            "column": 3,
            "acquisition": 0,
            "projection": "",
        },
        "image_loader": {"file_path": "a.tif", "first_page": 5},
    }
    assert tile.acquisition_details.pixelsize == 0.5
    assert tile.acquisition_details.z_spacing == 2.0
    assert tile.acquisition_details.t_spacing == 10.0


def test_columns_that_are_left_out_take_their_defaults(folder: Path) -> None:
    (tile,) = scan(write(folder, ROW)).tiles
    assert (tile.start_z, tile.start_c, tile.start_t) == (0.0, 0, 0.0)
    assert tile.shape == (1, 1, 1, 48, 64)


def test_a_table_with_image_path_becomes_single_images(folder: Path) -> None:
    tiles = scan(write(folder, SINGLE, SINGLE | {"image_path": "set/other"})).tiles
    assert [tile.collection for tile in tiles] == [
        SingleImage(image_path="slide"),
        SingleImage(image_path="set/other"),
    ]


def test_a_table_without_an_image_becomes_one_image_called_as_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "scan (2)"
    folder.mkdir()
    row = {name: cell for name, cell in SINGLE.items() if name != "image_path"}
    tiles = scan(write(folder, row, row | {"fov_name": "2", "start_x": 32.0})).tiles
    assert {tile.collection for tile in tiles} == {SingleImage(image_path="scan _2")}


def test_a_plate_is_called_as_asked_or_as_its_folder(folder: Path) -> None:
    write(folder, ROW)
    assert scan(folder).tiles[0].collection == ImageInPlate(plate_name="My Plate", row="B", column=3)
    asked = scan(folder, plate_name="P7", acquisition_id=2).tiles[0].collection
    assert asked == ImageInPlate(plate_name="P7", row="B", column=3, acquisition=2)


def test_a_relative_path_of_the_folder_is_understood(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    write(folder, ROW)
    monkeypatch.chdir(folder)
    found = scan(Path())
    assert found.resource == folder
    assert found.tiles[0].collection.path() == "My Plate.zarr/B/03/0"


def test_field_names_stay_texts_and_keep_their_order(folder: Path) -> None:
    rows = [
        ROW | {"fov_name": name, "start_x": 100.0 * i} for i, name in enumerate(["010", "002", "NA", "010"])
    ]
    tiles = scan(write(folder, *rows)).tiles
    assert tiles.fov_names == ("010", "002", "NA")
    assert tiles.fov.tolist() == [0, 1, 2, 0]


def test_rows_may_be_letters_or_numbers(folder: Path) -> None:
    rows = [ROW | {"row": row, "fov_name": str(row)} for row in ("a", 2, "AF", 27)]
    assert [tile.collection.row for tile in scan(write(folder, *rows)).tiles] == ["A", "B", "AF", "AA"]


def test_other_columns_become_attributes_of_one_type_each(folder: Path) -> None:
    text = (
        "file_path,row,column,fov_name,start_x,start_y,length_x,length_y,drug,dose,batch,control,day,note\n"
        "a.tif,A,1,1,0,0,8,8,NA,0.5,7,true,2024-01-02,007\n"
        "b.tif,A,1,2,8,0,8,8,None,2,8,FALSE,2024-01-03,\n"
    )
    first, second = scan(write_text(folder, text)).tiles
    assert first.attributes == {
        "drug": ["NA"],
        "dose": [0.5],
        "batch": [7],
        "control": [True],
        "day": ["2024-01-02"],
        "note": ["007"],
    }
    assert second.attributes == {
        "drug": ["None"],
        "dose": [2.0],
        "batch": [8],
        "control": [False],
        "day": ["2024-01-03"],
    }


@given(st.lists(st.integers(-(10**17), 10**17), min_size=1))
def test_whole_numbers_of_an_attribute_come_back_exactly(numbers: list[int]) -> None:
    assert typed([str(number) for number in numbers]) == numbers


@given(st.lists(st.text(), min_size=1))
def test_an_attribute_is_read_as_numbers_only_when_it_is_written_as_numbers(texts: list[str]) -> None:
    values = typed(texts)
    assert len(values) == len(texts)
    if all(isinstance(value, str) for value in values):
        assert values == texts
    else:
        assert json.loads(json.dumps(values)) == values


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5))
def test_positions_are_read_to_the_last_bit(positions: list[float]) -> None:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as name:
        path = Path(name)
        write(path, *(ROW | {"start_x": value, "fov_name": str(i)} for i, value in enumerate(positions)))
        assert scan(path).tiles.x.tolist() == positions


def test_an_unnamed_index_column_is_passed_over(folder: Path) -> None:
    write(folder, ROW)
    pd.DataFrame([ROW, ROW | {"fov_name": "2"}]).to_csv(folder / "tiles.csv")
    assert [tile.attributes for tile in scan(folder).tiles] == [{}, {}]


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(folder: Path) -> None:
    text = "file_path,row,column,fov_name,start_x,start_y,length_x,length_y,drug\r\ná.tif,A,1,1,0,0,8,8,µ\r\n"
    (tile,) = scan(write_text(folder, text, "utf-8-sig")).tiles
    assert tile.image_loader.file_path == "á.tif"
    assert tile.attributes == {"drug": ["µ"]}


def test_parquet_and_csv_say_the_same(folder: Path) -> None:
    rows = [
        ROW | {"drug": "DMSO", "dose": 0.5, "batch": 1, "control": True},
        ROW | {"fov_name": "2", "drug": None, "dose": 1.5, "batch": 2, "control": False},
    ]
    write(folder, *rows)
    from_csv = scan(folder).tiles
    (folder / "tiles.csv").unlink()
    pd.DataFrame(rows).to_parquet(folder / "tiles.parquet")
    assert [tile.model_dump() for tile in scan(folder).tiles] == [tile.model_dump() for tile in from_csv]


def test_parquet_keeps_lists_and_writes_dates_as_text(folder: Path) -> None:
    row = ROW | {"genes": ["TP53", "MYC"], "day": pd.Timestamp("2024-01-02"), "gaps": None}
    pd.DataFrame([row]).set_index("fov_name", drop=False).to_parquet(folder / "tiles.parquet", index=False)
    (folder / "acquisition_details.toml").write_text(TOML)
    (tile,) = scan(folder).tiles
    assert tile.attributes == {"genes": ["TP53", "MYC"], "day": ["2024-01-02 00:00:00"]}


def test_the_column_acquisition_selects_rows(folder: Path) -> None:
    rows = [ROW | {"acquisition": 0}, ROW | {"acquisition": 1, "file_path": "b.tif"}]
    write(folder, *rows)
    (tile,) = scan(folder, acquisition_id=1).tiles
    assert tile.image_loader.file_path == "b.tif"
    assert tile.collection.acquisition == 1
    assert tile.attributes == {}
    assert "expected rows of acquisition 2, found 0, 1" in refusal(folder, acquisition_id=2)


# Units and spacings


def test_positions_are_micrometres_and_seconds_by_default(folder: Path) -> None:
    (tile,) = scan(
        write(folder, ROW | {"start_x": 3.0, "start_y": 4.0, "start_z": 5.0, "start_t": 6.0})
    ).tiles
    assert (tile.start_x, tile.start_y, tile.start_z, tile.start_t) == (3.0, 4.0, 5.0, 6.0)


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ('position_unit = "pixel"', (1.5, 4.0, 10.0, 60.0)),
        ('position_unit = "micrometer"', (3.0, 4.0, 5.0, 6.0)),
        ('start_x_space = "pixel"\nstart_z_coo = "pixel"', (1.5, 4.0, 10.0, 6.0)),
        ('position_unit = "pixel"\nstart_y_space = "world"\nstart_t_space = "world"', (1.5, 4.0, 10.0, 6.0)),
    ],
)
def test_positions_in_pixels_are_converted_at_the_door(
    folder: Path, toml: str, expected: tuple[float, ...]
) -> None:
    row = ROW | {"start_x": 3.0, "start_y": 4.0, "start_z": 5.0, "start_t": 6.0}
    (tile,) = scan(write(folder, row, toml=f"{TOML}pixelsize_y = 1.0\n{toml}")).tiles
    assert (tile.start_x, tile.start_y, tile.start_z, tile.start_t) == expected


def test_options_replace_the_pixel_size_before_pixel_positions_are_converted(folder: Path) -> None:
    write(folder, ROW | {"start_x": 100, "start_z": 3}, toml=TOML + 'position_unit = "pixel"')
    options = AcquisitionOptions(pixel_info=PixelSizeModel(pixelsize=0.25, z_spacing=7.0))
    (tile,) = scan(folder, options=options).tiles
    assert (tile.start_x, tile.start_z) == (25.0, 21.0)
    assert tile.acquisition_details.pixelsize == 0.25


@given(st.integers(1, 5000), st.sampled_from([0.65, 0.325, 0.1, 1.3, 0.1613]))
def test_lengths_in_micrometres_become_the_pixels_they_were_made_from(pixels: int, pixelsize: float) -> None:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    toml = f'pixelsize = {pixelsize}\nlength_x_space = "world"\nlength_y_coo = "world"'
    with TemporaryDirectory() as name:
        row = ROW | {"length_x": round(pixels * pixelsize, 3), "length_y": pixels * pixelsize}
        (tile,) = scan(write(Path(name), row, toml=toml)).tiles
    assert (tile.length_x, tile.length_y) == (pixels, pixels)


def test_a_length_that_is_no_whole_number_of_pixels_is_refused(folder: Path) -> None:
    write(folder, ROW, ROW | {"length_x": 64.3}, toml='pixelsize = 0.5\nlength_x_space = "world"')
    expected = (
        "row 2 (a.tif), column length_x: expected a whole multiple of 0.5 (its unit is world), found 64.3"
    )
    assert expected in refusal(folder)


def test_depths_in_micrometres_need_a_spacing(folder: Path) -> None:
    write(folder, ROW | {"length_z": 10.0}, toml='pixelsize = 0.5\nlength_z_space = "world"')
    assert "column length_z: its unit is world, which needs z_spacing: add it" in refusal(folder)
    write(folder, ROW | {"length_z": 10.0}, toml=TOML + 'length_z_space = "world"')
    assert scan(folder).tiles[0].length_z == 5


def test_spacings_that_nobody_states_are_the_median_step_of_the_positions(folder: Path) -> None:
    rows = [
        ROW | {"fov_name": str(f), "start_x": 100.0 * f, "start_z": 0.13 * f + 2.5 * z, "start_t": 600.0 * t}
        for f in range(2)
        for t in range(3)
        for z in range(4)
    ]
    found = scan(write(folder, *rows, toml="pixelsize = 0.5"))
    details = found.tiles[0].acquisition_details
    assert (details.z_spacing, details.t_spacing) == (2.5, 600.0)
    assert findings(found) == [("info", "derived-spacing")] * 2
    assert found.findings[0].message == "z_spacing 2.5 µm is the median step of start_z"
    assert found.findings[1].message == "t_spacing 600 s is the median step of start_t"


def test_an_autofocus_that_moves_between_timepoints_does_not_spoil_the_time_spacing(folder: Path) -> None:
    rows = [ROW | {"start_z": 0.3 * t, "start_t": 60.0 * t} for t in range(4)]
    found = scan(write(folder, *rows, toml="pixelsize = 0.5\nz_spacing = 1.0"))
    assert found.tiles[0].acquisition_details.t_spacing == 60.0


def test_stated_spacings_are_never_derived(folder: Path) -> None:
    rows = [ROW | {"start_z": 2.5 * z} for z in range(3)]
    options = AcquisitionOptions(pixel_info=PixelSizeModel(z_spacing=5.0))
    found = scan(write(folder, *rows, toml="pixelsize = 0.5"), options=options)
    assert found.tiles[0].acquisition_details.z_spacing == 5.0
    assert found.findings == ()


def test_a_spacing_in_pixels_that_cannot_be_known_is_assumed_and_said(folder: Path) -> None:
    rows = [ROW | {"start_z": z} for z in range(3)]
    found = scan(write(folder, *rows, toml='pixelsize = 0.5\nposition_unit = "pixel"'))
    assert found.tiles.z.tolist() == [0.0, 1.0, 2.0]
    assert findings(found) == [("warning", "assumed-value")]
    assert "no z_spacing is given, 1 µm is assumed" in found.findings[0].message


def test_a_pixel_size_that_cannot_be_known_is_assumed_and_said(folder: Path) -> None:
    found = scan(write(folder, ROW, toml=None))
    assert found.tiles[0].acquisition_details.pixelsize == 1.0
    assert findings(found) == [("warning", "assumed-value")]


# Folders prepared for another converter


@pytest.mark.parametrize("beta", [False, True], ids=["older keys", "newer keys"])
def test_a_folder_for_the_fractal_custom_tiff_task_is_read_unchanged(folder: Path, beta: bool) -> None:
    pixel, frame = ("xy_pixel_size", "space") if beta else ("pixelsize", "coo")
    toml = f'{pixel} = 0.65\nz_spacing = 1.0\nt_spacing = 1.0\nchannel_names = ["DAPI"]\n' + "".join(
        f'start_{axis}_{frame} = "pixel"\n' for axis in "xyzt"
    )
    rows = [ROW | {"fov_name": f"FOV_{field}", "start_x": field * 64} for field in range(2)]
    tiles = scan(write(folder, *rows, toml=toml)).tiles
    assert [tile.start_x for tile in tiles] == [0.0, 64 * 0.65]
    details = tiles[0].acquisition_details
    assert details.pixelsize == 0.65
    assert details.channels == (ChannelInfo(channel_label="DAPI"),)


def test_channel_names_and_wavelengths_become_channels(folder: Path) -> None:
    toml = TOML + 'channel_names = ["DAPI", "GFP"]\nwavelengths = [405, ""]'
    details = scan(write(folder, ROW, toml=toml)).tiles[0].acquisition_details
    assert details.channels == (
        ChannelInfo(channel_label="DAPI", wavelength_id="405"),
        ChannelInfo(channel_label="GFP"),
    )


def test_axes_colours_and_orientation_are_read_from_toml(folder: Path) -> None:
    toml = TOML + (
        'axes = "tczyx"\ndata_type = "uint16"\n[stage_orientation]\nflip_y = true\n'
        '[[channels]]\nchannel_label = "DAPI"\nwavelength_id = "405"\ncolor = "#0000ff"\n'
    )
    (image,) = tiled_image_from_tiles(tiles=scan(write(folder, ROW, toml=toml)).tiles)
    assert image.axes == ("t", "c", "z", "y", "x")
    assert image.data_type == "uint16"
    assert image.details.stage_orientation.flip_y
    assert image.channels == (ChannelInfo(channel_label="DAPI", wavelength_id="405", color="0000FF"),)


def test_the_real_tables_of_the_other_converter_are_read(real_dataset: Callable[[str], Path]) -> None:
    dataset = real_dataset("customtiff-uzh-tables")
    found = scan(dataset / "hcs_1w2p2c1z1t")
    assert found.findings == ()
    assert found.tiles.z.tolist() == [0.0, 5.0, 0.0, 5.0]
    assert found.tiles.x.tolist() == [10.0, 10.0, 1000.0, 1000.0]
    (image,) = tiled_image_from_tiles(tiles=found.tiles)
    assert image.path == "hcs_1w2p2c1z1t.zarr/A/01/0"
    assert image.attributes == {"drug": ["DMSO"]}
    assert image.channels == (ChannelInfo(channel_label="DAPI", wavelength_id="405"),)
    assert image.pixel_size == {"t": 1.0, "z": 5.0, "y": 0.65, "x": 0.65}

    (single,) = tiled_image_from_tiles(tiles=scan(dataset / "img_2p2c1z1t").tiles)
    assert single.path == "img_2p2c1z1t.zarr"
    assert [tile.image_loader.file_path for tile in single.tiles] == [
        f"data/fov{field}_z{z}.tif" for field in (1, 2) for z in (0, 1)
    ]


def test_a_table_of_files_and_wells_alone_takes_the_rest_from_the_first_file(folder: Path) -> None:
    stack = np.zeros((2, 3, 10, 12), np.uint16)
    metadata = {
        "axes": "CZYX",
        "PhysicalSizeX": 325.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.325,
        "PhysicalSizeZ": 2.0,
    }
    tifffile.imwrite(folder / "a.ome.tif", stack, metadata=metadata)
    found = scan(write(folder, {"file_path": "a.ome.tif", "row": "A", "column": 1}, toml=None))
    (tile,) = found.tiles
    assert tile.shape == (1, 2, 3, 10, 12)
    assert (tile.fov_name, tile.start_x, tile.start_y) == ("Image", 0.0, 0.0)
    assert tile.acquisition_details.pixelsize == pytest.approx(0.325)
    assert tile.acquisition_details.z_spacing == 2.0
    assert {finding.severity for finding in found.findings} == {"info"}
    assert "fov_name = Image" in found.findings[0].message


def test_the_spacing_of_an_imagej_file_is_read(folder: Path) -> None:
    stack = np.zeros((4, 10, 12), np.uint16)
    tifffile.imwrite(
        folder / "a.tif",
        stack,
        imagej=True,
        resolution=(1 / 0.65, 1 / 0.65),
        metadata={"axes": "ZYX", "spacing": 1.5, "unit": "um"},
    )
    (tile,) = scan(write(folder, {"file_path": "a.tif"}, toml=None)).tiles
    assert tile.shape == (1, 1, 4, 10, 12)
    assert tile.acquisition_details.pixelsize == pytest.approx(0.65, rel=1e-6)
    assert tile.acquisition_details.z_spacing == 1.5


def test_a_table_without_lengths_whose_first_file_is_missing_is_refused(folder: Path) -> None:
    write(folder, {"file_path": "a.tif", "row": "A", "column": 1})
    message = refusal(folder)
    assert "missing columns length_x, length_y, and the first file cannot tell" in message
    assert "a.tif" in message


def test_positions_are_not_assumed_where_an_image_has_several_fields(folder: Path) -> None:
    rows = [
        {name: ROW[name] for name in ("file_path", "row", "column", "length_x", "length_y")} for _ in "ab"
    ]
    rows[0]["fov_name"], rows[1]["fov_name"] = "1", "2"
    assert "missing column start_x, start_y" in refusal(write(folder, *rows))


def test_field_names_are_not_assumed_where_an_image_has_several_positions(folder: Path) -> None:
    rows = [
        {name: cell for name, cell in ROW.items() if name != "fov_name"} | {"start_x": x} for x in (0.0, 9.0)
    ]
    assert "missing column fov_name" in refusal(write(folder, *rows))


def test_scanning_opens_no_image_file(folder: Path) -> None:
    (folder / "a.tif").write_bytes(b"not an image")
    assert len(scan(write(folder, ROW)).tiles) == 1


# Condition tables


def test_a_condition_table_says_what_was_done_to_each_well(folder: Path) -> None:
    (folder / "conditions.csv").write_text("row,column,drug,dose\nB,3,DMSO,\nB,3,DMSO,\nb,04,X,0.5\n")
    write(folder, ROW, ROW | {"column": 4}, toml=TOML + 'condition_table_path = "conditions.csv"')
    found = scan(folder)
    assert found.conditions == {"B03": {"drug": "DMSO", "dose": None}, "B04": {"drug": "X", "dose": 0.5}}
    assert found.metadata_files == (folder / "acquisition_details.toml", folder / "conditions.csv")


def test_the_options_name_a_condition_table_anywhere_with_a_well_column(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text("well,drug\nb3,DMSO\n")
    options = AcquisitionOptions(condition_table_path=str(tmp_path / "elsewhere.csv"))
    assert scan(write(folder, ROW), options=options).conditions == {"B03": {"drug": "DMSO"}}


def test_a_toml_file_may_not_name_a_condition_table_outside_the_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text("well,drug\nb3,DMSO\n")
    write(folder, ROW, toml=TOML + 'condition_table_path = "../elsewhere.csv"')
    assert "../elsewhere.csv: expected a file in" in refusal(folder)
    assert scan(folder, allow_outside=True).conditions == {"B03": {"drug": "DMSO"}}


def test_a_condition_table_has_rows_of_several_acquisitions(folder: Path) -> None:
    text = "well,acquisition,path_in_well,drug\nB03,0,0,first\nB03,1,1f3,second\nB03,,,third\n"
    (folder / "conditions.csv").write_text(text.replace("B03,,,third\n", ""))
    write(folder, ROW, toml=TOML + 'condition_table_path = "conditions.csv"')
    assert scan(folder).conditions == {"B03": {"drug": "first"}}
    assert scan(folder, acquisition_id=1).conditions == {"B03": {"drug": "second"}}


def test_conditions_that_contradict_each_other_are_refused(folder: Path) -> None:
    (folder / "conditions.csv").write_text("well,drug\nB03,DMSO\nB3,X\n")
    write(folder, ROW, toml=TOML + 'condition_table_path = "conditions.csv"')
    assert "row 2: well B03 has two values of drug, 'DMSO' and 'X': keep one" in refusal(folder)


def test_wells_without_tiles_are_left_out_and_said(folder: Path) -> None:
    (folder / "conditions.csv").write_text("well,drug\nB03,DMSO\nH12,X\n")
    found = scan(write(folder, ROW, toml=TOML + 'condition_table_path = "conditions.csv"'))
    assert found.conditions == {"B03": {"drug": "DMSO"}}
    assert findings(found) == [("warning", "unknown-well")]
    assert "H12" in found.findings[0].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            None,
            "conditions.csv: expected a condition table, found nothing there: correct condition_table_path",
        ),
        ("drug\nDMSO\n", "missing column well, or row and column: expected one of them, found drug"),
        ("well,row,column\nB03,B,3\n", "expected either column well or columns row and column, found both"),
        ("well,drug\n?,DMSO\n", "row 1: well '?': expected letters from A to ZZ and a column from 1 to 999"),
        ("row,column,drug\nB,x,DMSO\n", "row 1: well 'Bx': expected letters"),
    ],
)
def test_a_condition_table_that_cannot_be_is_refused(folder: Path, text: str | None, message: str) -> None:
    if text is not None:
        (folder / "conditions.csv").write_text(text)
    write(folder, ROW, toml=TOML + 'condition_table_path = "conditions.csv"')
    assert message in refusal(folder)


def test_a_condition_table_needs_a_plate(folder: Path) -> None:
    (folder / "conditions.csv").write_text("well,drug\nB03,DMSO\n")
    write(folder, SINGLE, toml=TOML + 'condition_table_path = "conditions.csv"')
    assert "expected the condition table of a plate, found single images" in refusal(folder)


# Files within the folder


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("data/a.tif", "data/a.tif"),
        ("data\\b\\a.tif", "data/b/a.tif"),
        ("data/../a.tif", "a.tif"),
        ("./data//a..tif", "data/a..tif"),
        ("{folder}/data/a.tif", "data/a.tif"),
    ],
)
def test_paths_within_the_folder_become_relative_to_it(folder: Path, written: str, read: str) -> None:
    (tile,) = scan(write(folder, ROW | {"file_path": written.format(folder=folder)})).tiles
    assert tile.image_loader.file_path == read


@pytest.mark.parametrize(
    "path", ["../a.tif", "data/../../a.tif", "..\\a.tif", "/etc/a.tif", "C:\\data\\a.tif", ".."]
)
def test_a_path_that_leaves_the_folder_is_refused_by_row(folder: Path, path: str) -> None:
    write(folder, ROW, ROW | {"file_path": path, "fov_name": "2"})
    message = refusal(folder)
    assert (
        f"{folder / 'tiles.csv'}, row 2 ({path}): expected a file in {folder}, found one outside" in message
    )
    assert "allow_outside" in message


def test_a_path_that_leaves_the_folder_is_kept_when_that_is_allowed(folder: Path, tmp_path: Path) -> None:
    write(folder, ROW | {"file_path": "../a.tif"}, ROW | {"file_path": f"{tmp_path}/b.tif"})
    tiles = scan(folder, allow_outside=True).tiles
    assert [tile.image_loader.file_path for tile in tiles] == ["../a.tif", f"{tmp_path}/b.tif"]


def test_a_symbolic_link_out_of_the_folder_is_refused_and_one_within_it_is_not(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (folder / "data").mkdir()
    (folder / "inside").symlink_to(folder / "data")
    (folder / "outside").symlink_to(tmp_path / "other")
    assert len(scan(write(folder, ROW | {"file_path": "inside/a.tif"})).tiles) == 1
    write(folder, ROW, ROW | {"file_path": "outside/a.tif"})
    assert "row 2 (outside/a.tif): expected a file in" in refusal(folder)
    assert "through a symbolic link" in refusal(folder)
    assert len(scan(folder, allow_outside=True).tiles) == 2


def test_a_file_that_is_a_symbolic_link_out_of_the_folder_is_refused_and_one_within_it_is_not(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.tif").write_bytes(b"x")
    (folder / "data").mkdir()
    (folder / "data" / "inside.tif").symlink_to(folder / "store")
    (folder / "data" / "outside.tif").symlink_to(tmp_path / "other.tif")
    assert len(scan(write(folder, ROW | {"file_path": "data/inside.tif"})).tiles) == 1
    write(folder, ROW, ROW | {"file_path": "data/outside.tif"})
    assert "row 2 (data/outside.tif): expected a file in" in refusal(folder)
    assert "through a symbolic link" in refusal(folder)
    assert len(scan(folder, allow_outside=True).tiles) == 2


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2J", "a\u202eb", "a\u2028b", "x" * 1001])
def test_a_name_that_breaks_hides_in_or_turns_a_line_of_text_is_refused_by_row(
    folder: Path, name: str
) -> None:
    message = refusal(write(folder, ROW, ROW | {"fov_name": name}))
    assert message.startswith(f"{folder / 'tiles.csv'}, row 2 (")
    assert "column fov_name: expected a text of 1 to 1000 characters" in message
    assert message.isprintable()


def test_a_position_beyond_any_stage_is_refused_by_row(folder: Path) -> None:
    message = refusal(write(folder, ROW, ROW | {"start_x": 1e300}))
    assert "column start_x: expected a number from -1e+18 to 1e+18, found 1e+300" in message


def test_a_folder_reached_through_a_symbolic_link_holds_its_own_files(folder: Path, tmp_path: Path) -> None:
    write(folder, ROW, ROW | {"file_path": f"{tmp_path / 'link'}/b.tif"})
    (tmp_path / "link").symlink_to(folder)
    tiles = scan(tmp_path / "link").tiles
    assert [tile.image_loader.file_path for tile in tiles] == ["a.tif", "b.tif"]


# What is wrong with a table


def test_a_missing_column_is_named(folder: Path) -> None:
    write(folder, {name: cell for name, cell in ROW.items() if name != "file_path"})
    assert "missing column file_path: expected file_path, fov_name, start_x" in refusal(folder)
    write(folder, {name: cell for name, cell in ROW.items() if name != "length_y"})
    assert "missing column length_y" in refusal(folder)
    write(folder, {name: cell for name, cell in ROW.items() if name != "column"})
    assert "missing column column: expected row and column, found row alone" in refusal(folder)


def test_a_plate_and_an_image_at_once_are_refused(folder: Path) -> None:
    message = refusal(write(folder, ROW | {"image_path": "slide"}))
    assert "expected either row and column or image_path, found image_path and row, column" in message


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "inf", "abc", "NA", "1,5"])
def test_a_position_that_is_no_number_is_refused_by_row(folder: Path, cell: str) -> None:
    write(folder, ROW, ROW | {"file_path": "b.tif", "start_x": cell})
    assert "row 2 (b.tif), column start_x: expected a finite number, found" in refusal(folder)


@pytest.mark.parametrize(
    ("column", "cell"), [("length_x", 0), ("length_y", 1.5), ("start_c", -1), ("column", 0)]
)
def test_a_count_that_cannot_be_is_refused_by_row(folder: Path, column: str, cell: float) -> None:
    write(folder, ROW | {"start_c": 0}, ROW | {"start_c": 0, column: cell})
    assert f"row 2 (a.tif), column {column}: expected a whole number from" in refusal(folder)


@pytest.mark.parametrize("column", ["file_path", "fov_name", "row"])
def test_an_empty_name_is_refused_by_row(folder: Path, column: str) -> None:
    write(folder, ROW, ROW | {column: None})
    assert f"column {column}: expected" in refusal(folder)


def test_an_unknown_channel_is_refused_by_row(folder: Path) -> None:
    toml = TOML + 'channel_names = ["DAPI", "GFP"]'
    write(folder, ROW, ROW | {"file_path": "b.tif", "start_c": 1, "length_c": 2}, toml=toml)
    pd.DataFrame(
        [ROW | {"start_c": 0, "length_c": 2}, ROW | {"file_path": "b.tif", "start_c": 1, "length_c": 2}]
    ).to_csv(folder / "tiles.csv", index=False)
    expected = "row 2 (b.tif): expected a channel from 0 to 1 (DAPI, GFP), found channel 2"
    assert expected in refusal(folder)


def test_channels_of_the_options_count(folder: Path) -> None:
    write(folder, ROW | {"start_c": 1}, toml=TOML + 'channel_names = ["DAPI"]')
    channels = (ChannelInfo(channel_label="DAPI"), ChannelInfo(channel_label="GFP"))
    assert scan(folder, options=AcquisitionOptions(channels=channels)).tiles[0].start_c == 1


def test_a_plate_name_that_is_no_folder_name_is_refused(folder: Path) -> None:
    with pytest.raises(OptionsError, match="name of the plate: 'a/b' is no valid Zarr name"):
        scan(write(folder, ROW), plate_name="a/b")


@pytest.mark.parametrize("name", ["../up", "a//b", ".hidden", "a:b", "con", "x" * 300])
def test_an_image_path_that_is_no_name_is_refused_by_row(folder: Path, name: str) -> None:
    write(folder, SINGLE, SINGLE | {"image_path": name, "file_path": "b.tif"})
    message = refusal(folder)
    assert "tiles.csv, row 2 (b.tif): image_path: " in message
    assert "is no valid Zarr name" in message


@pytest.mark.parametrize("row", ["?", "A1", "ABC", "0", "703", "-1", "1.5"])
def test_a_row_that_is_none_is_refused(folder: Path, row: str) -> None:
    write(folder, ROW, ROW | {"row": row})
    expected = (
        f"row 2 (a.tif), column row: expected a row letter (A to ZZ) or a row number from 1, found '{row}'"
    )
    assert expected in refusal(folder)


@pytest.mark.parametrize("text", ["", "\n\n", "file_path,row,column\n"])
def test_an_empty_table_is_refused(folder: Path, text: str) -> None:
    assert "at least one row, found" in refusal(write_text(folder, text))


def test_a_column_that_stands_twice_is_refused(folder: Path) -> None:
    text = "file_path,row,column,fov_name,start_x,start_x,start_y\na.tif,A,1,1,0,0,0\n"
    assert "column start_x stands more than once: rename or remove one" in refusal(write_text(folder, text))


def test_another_encoding_is_refused(folder: Path) -> None:
    text = "file_path,row,column,fov_name,start_x,start_y,length_x,length_y,drug\na.tif,A,1,1,0,0,8,8,µ\n"
    assert "expected UTF-8, found byte 0xb5" in refusal(write_text(folder, text, "latin-1"))
    assert "expected UTF-8, found byte 0xff" in refusal(write_text(folder, text, "utf-16"))
    plain = text.replace("µ", "u")
    assert "expected text in UTF-8, found NUL characters" in refusal(write_text(folder, plain, "utf-16-le"))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_another_separator_is_refused(folder: Path, separator: str) -> None:
    text = "file_path,row,column\na.tif,A,1\n".replace(",", separator)
    assert "expected commas between columns, found" in refusal(write_text(folder, text))


@pytest.mark.parametrize(
    "body",
    ["a.tif,A,1,1,0,0,8,8,9\n", "a.tif,A,1,1,0,0,8,8\nb.tif,A,1,1,0,0,8,8,9\n"],
    ids=["first", "later"],
)
def test_a_row_with_more_cells_than_columns_is_refused(folder: Path, body: str) -> None:
    header = "file_path,row,column,fov_name,start_x,start_y,length_x,length_y\n"
    message = refusal(write_text(folder, header + body))
    assert "8" in message
    assert "more" in message or "saw 9" in message


def test_a_damaged_parquet_file_is_refused(folder: Path) -> None:
    (folder / "tiles.parquet").write_bytes(b"PAR1 this is none")
    assert "tiles.parquet: no Parquet table" in refusal(folder)


# What is wrong with a TOML file


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("pixelsize = ", "no TOML: Invalid value (at end of document)"),
        ("pixel_size = 0.65", "unknown key pixel_size: expected some of pixelsize, pixelsize_y, z_spacing"),
        ("pixelsize = 0", "pixelsize: Input should be greater than 0"),
        ("pixelsize = nan", "pixelsize: Input should be"),
        ('pixelsize = "wide"', "pixelsize: Input should be a valid number"),
        ("pixelsize = 1.0\nxy_pixel_size = 1.0", "xy_pixel_size and pixelsize mean the same: remove one"),
        ('position_unit = "mm"', 'position_unit: expected "micrometer" or "pixel", found \'mm\''),
        ('start_x_space = "stage"', 'start_x_space: expected "world" or "pixel", found \'stage\''),
        ('start_x_space = "world"\nstart_x_coo = "pixel"', "start_x_space is world, start_x_coo is pixel"),
        ('axes = "xyz"', "axes xyz: expected some of t, c, z in this order, then y and x"),
        ("wavelengths = [405]", "wavelengths without channel_names"),
        ('channel_names = ["a"]\nwavelengths = [1, 2]', "expected one for each of 1 channel_names, found 2"),
        ('channel_names = "DAPI"', "channel_names and wavelengths: expected lists"),
        (
            'channel_names = ["a"]\n[[channels]]\nchannel_label = "a"',
            "channels and channel_names mean the same",
        ),
        ('[[channels]]\nname = "a"', "channels.0.channel_label: Field required"),
        ('channel_names = [""]', "channels.0.channel_label: String should have at least 1 character"),
    ],
)
def test_a_toml_file_that_cannot_be_is_refused_by_key(folder: Path, toml: str, message: str) -> None:
    found = refusal(write(folder, ROW, toml=toml)).replace("'xyz'", "xyz")
    assert found.startswith(f"{folder / 'acquisition_details.toml'}: ")
    assert message in found


def test_a_toml_file_in_another_encoding_is_refused(folder: Path) -> None:
    write(folder, ROW)
    (folder / "acquisition_details.toml").write_text('channel_names = ["µ"]', encoding="latin-1")
    assert "acquisition_details.toml: expected UTF-8, found byte 0xb5" in refusal(folder)


# Size


def test_a_plate_of_138240_rows_is_read_in_seconds(folder: Path) -> None:
    count = 138_240
    index = np.arange(count)
    well, field, channel, z = index // 360, index // 40 % 9, index // 10 % 4, index % 10
    table = pd.DataFrame(
        {
            "file_path": [f"w{w}/{i}.tif" for i, w in enumerate(well)],
            "row": np.array(list("ABCDEFGHIJKLMNOP"))[well // 24],
            "column": well % 24 + 1,
            "fov_name": field,
            "start_x": field % 3 * 1404.0,
            "start_y": field // 3 * 1404.0,
            "start_z": z * 2.5,
            "start_c": channel,
            "length_x": 2160,
            "length_y": 2160,
            "drug": np.where(well % 2, "DMSO", "X"),
        }
    )
    table.to_csv(folder / "tiles.csv", index=False)
    (folder / "acquisition_details.toml").write_text("pixelsize = 0.65")
    began = time.perf_counter()
    images = tiled_image_from_tiles(tiles=scan(folder).tiles)
    seconds = time.perf_counter() - began
    assert len(images) == 384
    assert {len(image.tiles) for image in images} == {360}
    assert images[25].attributes == {"drug": ["DMSO"]}
    assert seconds < 10


def test_a_folder_that_no_format_claims_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError, match="found an empty folder: name one with --format"):
        detect_source(tmp_path)
    for name in ("a.TIF", "b.tif", "notes.txt", ".DS_Store"):
        (tmp_path / name).touch()
    with pytest.raises(UnknownFormatError, match=r"found 3 entries \(2 \.tif, 1 \.txt\): name one"):
        detect_source(tmp_path)


def test_a_plate_in_a_subfolder_is_pointed_to(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "tiles.csv").touch()
    with pytest.raises(UnknownFormatError, match=r"give its folder b \(table: it has a tiles\.csv\)"):
        detect_source(tmp_path)


def test_a_format_may_be_named_in_letters_of_any_size() -> None:
    assert source_by_name("OPERETTA") is source_by_name("operetta")
    with pytest.raises(UnknownFormatError, match="unknown format 'Opera'"):
        source_by_name("Opera")
