"""The plate's condition table, merged by key over any number of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ngio
import pytest

from tests.layouts import Layout, TileSpec
from tiles2zarr.errors import OutputError
from tiles2zarr.models import BackendType, ImageInPlate, SingleImage
from tiles2zarr.writer import conditions
from tiles2zarr.writer.conditions import check_conditions, write_conditions
from tiles2zarr.writer.csv_cells import load
from tiles2zarr.writer.groups import write_group
from tiles2zarr.writer.plate import write_plates
from tiles2zarr.writer.tables import condition_table, write_tables

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.core.tiled_image import TiledImage

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])


def image(row: str, column: int, acquisition: int = 0, **attributes: Any) -> TiledImage[Any, Any]:
    place = ImageInPlate(plate_name="P", row=row, column=column, acquisition=acquisition)
    return Layout((TileSpec(0, 0, 4, 4, attributes=attributes),), collection=place).image()


def run(folder: Path, *images: TiledImage[Any, Any], version: Any = "0.4") -> dict[str, list[Any]]:
    """The table after a run with these images."""
    write_plates(folder, [one.collection for one in images], version)
    write_conditions(folder, images, version)
    file = folder / "P.zarr" / "tables" / "condition_table" / "table.csv"
    return load(file.read_bytes()) if file.exists() else {}


def test_one_row_for_each_image_sorted_by_well_and_acquisition(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        image("AA", 1, drug="z"),
        image("B", 10, drug="c"),
        image("B", 2, 11, drug="b"),
        image("B", 2, 2, drug="a"),
    )
    assert found == {
        "row": ["B", "B", "B", "AA"],
        "column": [2, 2, 10, 1],
        "acquisition": [2, 11, 0, 0],
        "path_in_well": ["2", "11", "0", "0"],
        "drug": ["a", "b", "c", "z"],
    }


def test_a_later_run_adds_its_rows_and_columns_and_replaces_only_its_own(tmp_path: Path) -> None:
    run(tmp_path, image("A", 1, drug="DMSO", dose=1), image("A", 2, drug="X", dose=2.5))
    found = run(tmp_path, image("A", 2, drug="Y"), image("A", 1, 1, time="24 h"))
    assert found == {
        "row": ["A", "A", "A"],
        "column": [1, 1, 2],
        "acquisition": [0, 1, 0],
        "path_in_well": ["0", "1", "0"],
        "drug": ["DMSO", None, "Y"],
        "dose": [1, None, None],
        "time": [None, "24 h", None],
    }


def test_runs_in_any_order_end_with_the_same_rows(tmp_path: Path) -> None:
    first, second = image("A", 1, drug="a"), image("B", 1, drug="b")
    run(tmp_path / "one", first)
    run(tmp_path / "two", second)
    assert run(tmp_path / "one", second) == run(tmp_path / "two", first)


def test_the_order_of_runs_does_not_show_in_the_columns(tmp_path: Path) -> None:
    images = [
        image("A", 1, drug="x", first=1),
        image("A", 2, drug=None, second=2),
        image("B", 1, third=3, never=None),
    ]
    for name, order in (("one", (0, 1, 2)), ("two", (2, 0, 1)), ("three", (1, 2, 0))):
        for number in order:
            run(tmp_path / name, images[number])
    tables = [
        (tmp_path / name / "P.zarr/tables/condition_table/table.csv").read_bytes()
        for name in ("one", "two", "three")
    ]
    assert tables == tables[:1] * 3
    assert list(load(tables[0]))[4:] == ["drug", "first", "second", "third", "never"]


def test_several_values_of_an_image_are_joined(tmp_path: Path) -> None:
    assert run(tmp_path, image("A", 1, drug=["a", "b"], ok=True))["drug"] == ["a; b"]


def test_without_attributes_there_is_no_table(tmp_path: Path) -> None:
    assert run(tmp_path, image("A", 1)) == {}
    single = Layout((TileSpec(0, 0, 4, 4, attributes={"a": 1}),), collection=SingleImage(image_path="s"))
    write_conditions(tmp_path, [single.image()], "0.4")
    assert not list((tmp_path / "P.zarr").glob("tables*"))


def files_of(plate: Path) -> dict[str, bytes]:
    return {str(file.relative_to(plate)): file.read_bytes() for file in plate.rglob("*") if file.is_file()}


def test_rows_of_images_of_the_run_that_have_no_attributes_go_and_those_of_others_stay(
    tmp_path: Path,
) -> None:
    run(
        tmp_path, *(image("A", column, drug=f"x{column}") for column in (1, 2, 3)), image("A", 1, 1, drug="y")
    )
    assert run(tmp_path, image("A", 1), image("A", 2, dose=5)) == {
        "row": ["A", "A", "A"],
        "column": [1, 2, 3],
        "acquisition": [1, 0, 0],
        "path_in_well": ["1", "0", "0"],
        "drug": ["y", None, "x3"],
        "dose": [None, 5, None],
    }
    found = run(tmp_path, image("A", 3), image("C", 1))
    assert found["column"] == [1, 2]
    assert found["drug"] == ["y", None]


@VERSIONS
def test_a_table_whose_last_row_went_has_none_and_can_be_read(version: str, tmp_path: Path) -> None:
    run(tmp_path, image("A", 1, drug="x"), version=version)
    empty = {"row": [], "column": [], "acquisition": [], "path_in_well": []}
    assert run(tmp_path, image("A", 1), version=version) == empty
    table = ngio.open_ome_zarr_plate(tmp_path / "P.zarr", mode="r").get_table("condition_table")
    assert table.dataframe.empty
    assert run(tmp_path, image("A", 1, drug="y"), version=version)["drug"] == ["y"]


def test_a_run_without_attributes_writes_and_locks_nothing_where_it_has_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(conditions, "exclusive", unwanted)
    monkeypatch.setattr(conditions, "write_tables", unwanted)
    assert run(tmp_path, image("A", 1)) == {}
    monkeypatch.undo()
    before = run(tmp_path, image("A", 1, drug="x"))
    monkeypatch.setattr(conditions, "exclusive", unwanted)
    monkeypatch.setattr(conditions, "write_tables", unwanted)
    assert run(tmp_path, image("A", 2), image("A", 1, 1)) == before


@pytest.mark.parametrize("content", ["row,column\nA,1\n", "nonsense", ""])
def test_a_table_that_is_not_ours_does_not_stop_a_run_without_attributes(
    content: str, tmp_path: Path
) -> None:
    run(tmp_path, image("A", 1, drug="a"))
    plate = tmp_path / "P.zarr"
    (plate / "tables" / "condition_table" / "table.csv").write_text(content)
    before = files_of(plate)
    write_conditions(tmp_path, [image("A", 1)], "0.4")
    assert files_of(plate) == before


def test_a_damaged_list_of_tables_is_found_before_rows_are_to_go(tmp_path: Path) -> None:
    run(tmp_path, image("A", 1, drug="a"))
    write_group(tmp_path / "P.zarr" / "tables", {"tables": {}}, "0.4")
    with pytest.raises(OutputError, match="expected a list of names under tables"):
        check_conditions(tmp_path, [image("A", 1)])


def test_a_table_that_another_program_wrote_anew_keeps_its_rows(tmp_path: Path) -> None:
    run(tmp_path, image("A", 1, drug="a"))
    file = tmp_path / "P.zarr" / "tables" / "condition_table" / "table.csv"
    file.write_text("row,column,acquisition,path_in_well,drug,mine\nA,1,0,0,a,7\nC,3,0,0,c,8\n")
    found = run(tmp_path, image("A", 1, drug="b"))
    assert found["row"] == ["A", "C"]
    assert found["drug"] == ["b", "c"]
    assert found["mine"] == [None, 8]


@pytest.mark.parametrize("content", ["row,column\nA,1\n", "nonsense", "", "row,column,acquisition\nA,1\n"])
def test_a_table_that_cannot_be_merged_is_refused_and_kept(content: str, tmp_path: Path) -> None:
    run(tmp_path, image("A", 1, drug="a"))
    file = tmp_path / "P.zarr" / "tables" / "condition_table" / "table.csv"
    file.write_text(content)
    wanted = [image("A", 1, drug="b")]
    for write in (lambda: run(tmp_path, *wanted), lambda: check_conditions(tmp_path, wanted)):
        with pytest.raises(
            OutputError, match=r"table\.csv: expected a condition table with the columns row, "
        ):
            write()
    check_conditions(tmp_path, [image("A", 1)])
    assert file.read_text() == content


def test_a_table_of_another_backend_is_refused_and_kept(tmp_path: Path) -> None:
    write_plates(tmp_path, [image("A", 1).collection], "0.4")
    write_tables(tmp_path / "P.zarr", [condition_table({"a": [1.5]})], "0.4", BackendType.ANNDATA)
    with pytest.raises(OutputError, match="expected a condition table stored as csv, found anndata"):
        run(tmp_path, image("A", 1, drug="b"))


@VERSIONS
def test_ngio_reads_it_from_the_plate(version: str, tmp_path: Path) -> None:
    run(tmp_path, image("A", 1, drug="DMSO", dose=1), image("B", 2, dose=2.5), version=version)
    table = ngio.open_ome_zarr_plate(tmp_path / "P.zarr", mode="r").get_table("condition_table")
    assert table.table_type() == "condition_table"
    frame = table.dataframe
    assert frame["row"].tolist() == ["A", "B"]
    assert frame["column"].tolist() == [1, 2]
    assert frame["drug"].tolist() == ["DMSO", ""]
    assert frame["dose"].tolist() == [1, 2.5]


def test_nothing_but_the_table_is_left(tmp_path: Path) -> None:
    run(tmp_path, image("A", 1, drug="a"))
    assert sorted(entry.name for entry in (tmp_path / "P.zarr").iterdir()) == [
        ".zattrs",
        ".zgroup",
        "A",
        "tables",
    ]
