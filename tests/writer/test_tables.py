"""Tables beside images, in both versions and both backends, as ngio reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ngio
import numpy as np
import pandas as pd
import pytest

from tests.layouts import Layout, TileSpec, grid_of_tiles, stored, with_levels, write_layout
from tiles2zarr.models import BackendType, ConverterOptions, StagePositionCorrections
from tiles2zarr.placement import place_image
from tiles2zarr.writer.groups import read_attributes, write_group
from tiles2zarr.writer.image import write_metadata
from tiles2zarr.writer.tables import Table, condition_table, fov_roi_table, well_roi_table, write_tables

if TYPE_CHECKING:
    from pathlib import Path

    from ngio import OmeZarrContainer

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
BACKENDS = pytest.mark.parametrize("backend", BackendType)
CONDITIONS: dict[str, list[Any]] = {
    "drug": ["DMSO", 'X "1", y', None],
    "dose": [1.5, 2, None],
    "replicate": [1, 2, 3],
    "treated": [False, True, True],
}


def four_fields() -> Layout:
    """2 x 2 fields of 20 x 30 px, 3 z-planes, that overlap by 2 px, away from the origin, 2 timepoints."""
    specs = (
        replace(spec, y=spec.y * 18 // 20 - 5, x=spec.x * 28 // 30 + 7, z=4, t=t, fov=f"F{number}")
        for number, spec in enumerate(grid_of_tiles(2, 2, 20, 30, length_z=3))
        for t in range(2)
    )
    return Layout(tuple(specs))


def options(version: str = "0.4", backend: BackendType = BackendType.CSV) -> ConverterOptions:
    return with_levels(ConverterOptions(), ngff_version=version, table_backend=backend)


def opened(layout: Layout, chosen: ConverterOptions, folder: Path) -> OmeZarrContainer:
    """The image of a layout with its tables, as ngio opens it."""
    written = write_layout(layout, chosen, folder)
    write_metadata(folder, written.layout, [(0, 1)], {})
    return ngio.open_ome_zarr_container(folder, mode="r")


def test_the_fov_table_has_places_in_the_image_and_on_the_stage() -> None:
    table = fov_roi_table(place_image(four_fields().image(), options()))
    assert table.kind == "roi_table"
    # A pixel is 0.5 x 0.25 µm (x, y), z-planes are 2 µm apart, timepoints 8 s.
    assert table.columns == {
        "FieldIndex": ("F0", "F1", "F2", "F3"),
        "x_micrometer": [0, 14, 0, 14],
        "y_micrometer": [0, 0, 4.5, 4.5],
        "z_micrometer": [0, 0, 0, 0],
        "len_x_micrometer": [15] * 4,
        "len_y_micrometer": [5] * 4,
        "len_z_micrometer": [6] * 4,
        "t_second": [0] * 4,
        "len_t_second": [16] * 4,
        "x_micrometer_original": [3.5, 17.5, 3.5, 17.5],
        "y_micrometer_original": [-1.25, -1.25, 3.25, 3.25],
        "z_micrometer_original": [8, 8, 8, 8],
    }


def test_the_stage_position_is_kept_for_a_single_field_whatever_is_removed() -> None:
    layout = Layout((TileSpec(y=-40, x=90, height=8, width=8, z=3, fov="only"),))
    for keep in ("Keep", "Global"):
        corrections = StagePositionCorrections(remove_xy_offset=keep, remove_z_offset=keep)
        table = fov_roi_table(place_image(layout.image(), ConverterOptions(alignment_correction=corrections)))
        assert table.columns["x_micrometer"] == [0]
        assert table.columns["x_micrometer_original"] == [45]
        assert table.columns["y_micrometer_original"] == [-10]
        assert table.columns["z_micrometer_original"] == [6]


def test_fields_that_autofocus_moved_keep_their_heights() -> None:
    layout = Layout((TileSpec(0, 0, 8, 8, z=3, length_z=2, fov="a"), TileSpec(0, 8, 8, 8, z=7, fov="b")))
    corrections = StagePositionCorrections(remove_z_offset="Per-FOV")
    table = fov_roi_table(place_image(layout.image(), ConverterOptions(alignment_correction=corrections)))
    assert table.columns["z_micrometer"] == [0, 0]
    assert table.columns["len_z_micrometer"] == [4, 2]
    assert table.columns["z_micrometer_original"] == [6, 14]


def test_the_well_table_is_the_whole_image() -> None:
    table = well_roi_table(place_image(four_fields().image(), options()))
    assert table.columns == {
        "FieldIndex": ["well"],
        "x_micrometer": [0],
        "y_micrometer": [0],
        "z_micrometer": [0],
        "len_x_micrometer": [29],
        "len_y_micrometer": [9.5],
        "len_z_micrometer": [6],
        "t_second": [0],
        "len_t_second": [16],
    }


def test_without_a_time_axis_the_tables_have_no_time() -> None:
    placed = place_image(Layout((TileSpec(0, 0, 8, 8),), axes="czyx").image(), options())
    for table in (fov_roi_table(placed), well_roi_table(placed)):
        assert "t_second" not in table.columns
        assert "len_t_second" not in table.columns


@VERSIONS
@BACKENDS
def test_ngio_reads_both_roi_tables_and_cuts_the_fields_out(
    version: str, backend: BackendType, tmp_path: Path
) -> None:
    layout = four_fields()
    container = opened(layout, options(version, backend), tmp_path / "0")

    assert container.list_tables() == ["FOV_ROI_table", "well_ROI_table"]
    fields = container.get_roi_table("FOV_ROI_table")
    assert fields.backend_name == backend.value
    assert [roi.name for roi in fields.rois()] == ["F0", "F1", "F2", "F3"]
    placed = place_image(layout.image(), options())
    expected = pd.DataFrame(fov_roi_table(placed).columns).set_index("FieldIndex").astype(float)
    pd.testing.assert_frame_equal(
        fields.dataframe.astype(float), expected, check_like=True, check_index_type=False
    )
    image = container.get_image()
    assert image.get_roi(fields.get("F3")).shape == (2, 1, 3, 20, 30)
    (well,) = container.get_roi_table("well_ROI_table").rois()
    assert image.get_roi(well).shape == image.shape == (2, 1, 3, 38, 58)


@BACKENDS
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("0", "1", "10"), None),
        (("1", "A"), None),
        (("A01_f1", "NA"), None),
        (("001", "1"), ("FOV_001", "FOV_1")),
        (("1", "1.5"), ("FOV_1", "FOV_1.5")),
        (("2024-01-01", "2024-01-02"), ("FOV_2024-01-01", "FOV_2024-01-02")),
        (("10:30", "12:45"), ("FOV_10:30", "FOV_12:45")),
        (("NaN", "NA"), ("FOV_NaN", "FOV_NA")),
        (("true", "False"), ("FOV_true", "FOV_False")),
        (("0x1F", "1e3"), ("FOV_0x1F", "FOV_1e3")),
        (("99999999999999999999", "1"), ("FOV_99999999999999999999", "FOV_1")),
    ],
)
def test_ngio_finds_every_field_whatever_the_fields_are_called(
    names: tuple[str, ...], expected: tuple[str, ...] | None, backend: BackendType, tmp_path: Path
) -> None:
    layout = Layout(tuple(TileSpec(0, 8 * n, 8, 8, fov=name) for n, name in enumerate(names)))
    container = opened(layout, options(backend=backend), tmp_path / "0")
    found = container.get_roi_table("FOV_ROI_table")
    assert tuple(roi.name for roi in found.rois()) == (expected or names)


def test_the_offset_that_is_kept_does_not_move_the_regions(tmp_path: Path) -> None:
    corrections = StagePositionCorrections(remove_xy_offset="Keep", remove_z_offset="Keep")
    chosen = options().model_copy(update={"alignment_correction": corrections})
    layout = four_fields()
    container = opened(layout, chosen, tmp_path / "0")
    image, fields = container.get_image(), container.get_roi_table("FOV_ROI_table")
    assert list(image.dataset.translation) == [0.0, 0.0, 8.0, -1.25, 3.5]
    for number in range(4):
        pixels = image.get_roi(fields.get(f"F{number}"))
        expected = layout.loader(2 * number).pixels()[0, 0]
        # What no other field overlaps: the middle.
        np.testing.assert_array_equal(pixels[0, 0, :, 5:15, 5:25], expected[:, 5:15, 5:25])


@VERSIONS
@BACKENDS
def test_ngio_reads_conditions_of_every_kind(version: Any, backend: BackendType, tmp_path: Path) -> None:
    container = opened(Layout((TileSpec(0, 0, 8, 8),)), options(version, backend), tmp_path / "0")
    write_tables(tmp_path / "0", [condition_table(CONDITIONS)], version, backend)

    table = container.get_table("condition_table")

    assert table.table_type() == "condition_table"
    found = table.dataframe
    assert sorted(found.columns) == sorted(CONDITIONS)
    assert [text for text in found["drug"] if isinstance(text, str) and text] == ["DMSO", 'X "1", y']
    assert found["dose"].tolist()[:2] == [1.5, 2]
    assert pd.isna(found["dose"].iloc[2])
    assert found["replicate"].tolist() == [1, 2, 3]
    assert found["treated"].astype(bool).tolist() == [False, True, True]


@VERSIONS
@BACKENDS
@pytest.mark.parametrize(
    "column",
    [
        [None, None],
        ["a", None],
        [None, 3],
        [True, None],
        ["a", 1],
        [2**70, 1],
        [1, 2.5],
        ["a", "a"],
        [float("nan"), 1.0],
    ],
)
def test_no_column_of_cells_is_too_odd_to_be_read_back(
    column: list[Any], version: Any, backend: BackendType, tmp_path: Path
) -> None:
    container = opened(Layout((TileSpec(0, 0, 8, 8),)), options(version, backend), tmp_path / "0")
    write_tables(tmp_path / "0", [Table("gaps", "generic_table", {"odd": column})], version, backend)
    assert len(container.get_table("gaps").dataframe["odd"]) == 2


@VERSIONS
@BACKENDS
def test_tables_that_are_there_stay_and_are_listed_once(
    version: Any, backend: BackendType, tmp_path: Path
) -> None:
    for names in (["a", "b"], ["b", "c"]):
        tables = [Table(name, "generic_table", {"n": [1, 2]}) for name in names]
        write_tables(tmp_path, tables, version, backend)
    assert read_attributes(tmp_path / "tables") == {"tables": ["a", "b", "c"]}
    for name in "abc":
        attributes = read_attributes(tmp_path / "tables" / name) or {}
        assert attributes["backend"] == backend.value
        assert (attributes["type"], attributes["table_version"]) == ("generic_table", "1")


@VERSIONS
@BACKENDS
def test_what_else_the_attributes_of_the_group_of_tables_hold_stays(
    version: Any, backend: BackendType, tmp_path: Path
) -> None:
    write_group(tmp_path / "tables", {"mine": {"kept": [True]}, "tables": ["theirs"]}, version)
    write_tables(tmp_path, [Table("a", "generic_table", {"n": [1]})], version, backend)
    assert read_attributes(tmp_path / "tables") == {"mine": {"kept": [True]}, "tables": ["theirs", "a"]}


@VERSIONS
@BACKENDS
def test_the_same_tables_are_the_same_bytes(version: Any, backend: BackendType, tmp_path: Path) -> None:
    placed = place_image(four_fields().image(), options())
    for run in ("one", "two"):
        tables = [fov_roi_table(placed), condition_table(CONDITIONS)]
        write_tables(tmp_path / run, tables, version, backend)
    assert stored(tmp_path / "one") == stored(tmp_path / "two")


@VERSIONS
def test_writing_anndata_says_nothing(
    version: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_tables(tmp_path, [condition_table(CONDITIONS)], version, BackendType.ANNDATA)
    assert capfd.readouterr() == ("", "")


def test_a_csv_table_is_a_file_that_anybody_can_open(tmp_path: Path) -> None:
    write_tables(tmp_path, [condition_table(CONDITIONS)], "0.5", BackendType.CSV)
    folder = tmp_path / "tables" / "condition_table"
    assert json.loads((folder / "zarr.json").read_text())["attributes"] == {
        "type": "condition_table",
        "table_version": "1",
        "backend": "csv",
    }
    assert pd.read_csv(folder / "table.csv")["drug"].tolist()[:2] == ["DMSO", 'X "1", y']
