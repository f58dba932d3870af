"""Tables of tiles that cannot be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pandas as pd

from tests.bad_inputs.scene import SECOND, TILE, BadInput, Scene, content

if TYPE_CHECKING:
    from collections.abc import Callable

ROW_2 = rf"^{{table}}, row 2 \({SECOND}\), column "


def cell(column: str, value: Any) -> Callable[[Scene], object]:
    """Another value in the second row."""

    def spoil(scene: Scene) -> None:
        scene.plate.rows[1][column] = value
        scene.plate.write_table()

    return spoil


def cells(column: str, value: Any) -> Callable[[Scene], object]:
    """Another value in every row."""

    def spoil(scene: Scene) -> None:
        for row in scene.plate.rows:
            row[column] = value
        scene.plate.write_table()

    return spoil


def without(*columns: str) -> Callable[[Scene], object]:
    def spoil(scene: Scene) -> None:
        for row in scene.plate.rows:
            for column in columns:
                del row[column]
        scene.plate.write_table()

    return spoil


def text(old: str, new: str, encoding: str = "utf-8") -> Callable[[Scene], object]:
    """Another text somewhere in the table."""

    def spoil(scene: Scene) -> None:
        known = scene.table.read_text()
        assert old in known
        scene.table.write_bytes(known.replace(old, new).encode(encoding))

    return spoil


def raw(old: bytes, new: bytes) -> Callable[[Scene], object]:
    """Other bytes in the table's first occurrence."""

    def spoil(scene: Scene) -> None:
        known = scene.table.read_bytes()
        assert old in known
        scene.table.write_bytes(known.replace(old, new, 1))

    return spoil


def appended(row: str) -> Callable[[Scene], object]:
    return lambda scene: scene.table.write_text(scene.table.read_text() + row)


def as_parquet(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Scene], object]:
    """The table as Parquet, changed."""

    def spoil(scene: Scene) -> None:
        frame = change(pd.read_csv(scene.table))
        scene.table.unlink()
        frame.to_parquet(scene.folder / "tiles.parquet")

    return spoil


def parquet_of(data: bytes) -> Callable[[Scene], object]:
    def spoil(scene: Scene) -> None:
        scene.table.unlink()
        (scene.folder / "tiles.parquet").write_bytes(data)

    return spoil


def cut_parquet(scene: Scene) -> None:
    as_parquet(lambda frame: frame)(scene)
    file = scene.folder / "tiles.parquet"
    os.truncate(file, file.stat().st_size // 2)


def damaged_parquet(scene: Scene) -> None:
    """Its pages are noise, its footer is whole."""
    as_parquet(lambda frame: frame)(scene)
    file = scene.folder / "tiles.parquet"
    data = bytearray(file.read_bytes())
    data[8:200] = bytes(192)
    file.write_bytes(data)


def nested(column: str) -> Callable[[Scene], object]:
    return as_parquet(lambda frame: frame.assign(**{column: [[1, 2]] * len(frame)}))


def structured(column: str) -> Callable[[Scene], object]:
    return as_parquet(lambda frame: frame.assign(**{column: [{"a": 1}] * len(frame)}))


def both_tables(scene: Scene) -> None:
    (scene.folder / "tiles.parquet").write_bytes(scene.table.read_bytes())


def folder_for_table(scene: Scene) -> None:
    scene.table.unlink()
    scene.table.mkdir()
    scene.options += ["--format", "table"]


def pipe_for_table(scene: Scene) -> None:
    scene.table.unlink()
    os.mkfifo(scene.table)
    scene.options += ["--format", "table"]


def linked_table(scene: Scene) -> None:
    scene.table.unlink()
    scene.table.symlink_to("no such table.csv")
    scene.options += ["--format", "table"]


def header_only(scene: Scene) -> None:
    scene.table.write_text(scene.table.read_text().splitlines()[0] + "\n")


def table_of_another_name(scene: Scene) -> None:
    scene.source = scene.folder / "plate.xlsx"
    scene.source.write_bytes(b"PK\3\4" + bytes(100))
    scene.options += ["--format", "table"]


FINITE = "expected a finite number, found "
A_NAME = "expected a text of 1 to 1000 characters, none of them a control character"

CASES = [
    # the file
    BadInput("table: empty", content("", "tiles.csv"), "^{table}: expected a header and at least one row"),
    BadInput("table: blank lines only", content("\n \n\n", "tiles.csv"), "^{table}: expected a header"),
    BadInput("table: header only", header_only, "^{table}: expected at least one row, found none"),
    BadInput("table: none of its columns", content("a,b\n1,2\n", "tiles.csv"), "^{table}: missing column"),
    BadInput(
        "table: a web page",
        content("<html>\n<p>404</p>\n</html>\n", "tiles.csv"),
        "^{table}: missing column file_path",
    ),
    BadInput("table: semicolons", text(",", ";"), "^{table}: expected commas between columns, found ';'"),
    BadInput("table: UTF-16", text("A", "A", "utf-16"), "^{table}: expected .*UTF-8"),
    BadInput("table: UTF-16 without a mark", text("A", "A", "utf-16-le"), "^{table}: expected .*UTF-8"),
    BadInput(
        "table: Latin-1", text("FOV_0", "Fläche", "latin-1"), "^{table}: expected UTF-8, found byte 0xe4"
    ),
    BadInput(
        "table: Latin-1 in the header", text("fov_name", "fläche", "latin-1"), "^{table}: expected UTF-8"
    ),
    BadInput(
        "table: a surrogate in bytes",
        raw(b"FOV_1", b"F\xed\xa0\x80"),
        "^{table}: expected UTF-8, found byte 0xed",
    ),
    BadInput("table: NUL characters", raw(b"FOV_1", b"FOV\0"), "^{table}: expected text in UTF-8, found NUL"),
    BadInput("table: NUL characters in the header", raw(b"fov_name", b"fov\0name"), "^{table}: .*NUL"),
    BadInput(
        "table: a row with more cells",
        appended("a,b,c,d,e,f,g,h,i,j,k,l,m,n\n"),
        "^{table}: no CSV table: Expected 11 fields in line 6, saw 14",
    ),
    BadInput(
        "table: a row with fewer cells", appended("a.tif,16,12,A\n"), r"^{table}, row 5 \(a.tif\), column "
    ),
    BadInput(
        "table: a quote that is not closed",
        text("FOV_1", '"FOV_1'),
        r"^{table}, row 3 \(.*column fov_name: expected a text of 1 to 1000",
    ),
    BadInput(
        "table: a quote that is not closed in the header",
        text("fov_name", '"fov_name'),
        "^{table}: no CSV table: EOF inside string",
    ),
    BadInput(
        "table: a column twice", text("start_t", "start_c"), "^{table}: column start_c stands more than once"
    ),
    BadInput(
        "table: a column name of two lines", text("start_x", '"start\nx"'), "^{table}: missing column start_x"
    ),
    BadInput(
        "table: a giant cell", cell("fov_name", "F" * 2_000_000), ROW_2 + f"fov_name: {A_NAME}, found 'FFFF"
    ),
    BadInput(
        "table: a giant column name",
        text("start_x", "x" * 2_000_000),
        "^{table}: no CSV table: field larger than",
    ),
    BadInput(
        "table: a folder",
        folder_for_table,
        "^{folder}: expected either tiles.csv or tiles.parquet, found neither",
    ),
    BadInput("table: a named pipe", pipe_for_table, "^{folder}: expected .*found neither", needs="posix"),
    BadInput("table: a link to nothing", linked_table, "^{folder}: expected .*found neither", needs="posix"),
    BadInput("table: a workbook", table_of_another_name, "^{source}: expected a .csv or .parquet file"),
    BadInput(
        "table: as CSV and as Parquet", both_tables, "^{folder}: expected either tiles.csv or .*found both"
    ),
    BadInput(
        "parquet: CSV by that name", parquet_of(b"file_path\na.tif\n"), "^{folder}/tiles.parquet: no Parquet"
    ),
    BadInput("parquet: empty", parquet_of(b""), "^{folder}/tiles.parquet: no Parquet table: "),
    BadInput(
        "parquet: its mark only", parquet_of(b"PAR1PAR1"), "^{folder}/tiles.parquet: no Parquet table: "
    ),
    BadInput(
        "parquet: a huge footer", parquet_of(b"PAR1" + b"\xff\xff\xff\x7fPAR1"), "^{folder}/tiles.parquet: "
    ),
    BadInput("parquet: cut", cut_parquet, "^{folder}/tiles.parquet: no Parquet"),
    BadInput(
        "parquet: damaged within", damaged_parquet, "^{folder}/tiles.parquet: (no Parquet|cannot be read)"
    ),
    BadInput(
        "parquet: lists for numbers",
        nested("start_x"),
        rf"^{{folder}}/tiles.parquet, row 1 \(.*column start_x: {FINITE}",
    ),
    BadInput(
        "parquet: lists for names",
        nested("fov_name"),
        r"^{folder}/tiles.parquet, row 1 \(.*column fov_name: ",
    ),
    BadInput(
        "parquet: records for numbers",
        structured("length_x"),
        r"^{folder}/tiles.parquet, row 1 \(.*column length_x: ",
    ),
    BadInput(
        "parquet: records for paths",
        structured("file_path"),
        r"^{folder}/tiles.parquet, row 1 \(.*column file_path: ",
    ),
    # columns
    BadInput(
        "column: row without column",
        without("column"),
        "^{table}: missing column column: expected row and column",
    ),
    BadInput("column: column without row", without("row"), "^{table}: missing column row"),
    BadInput(
        "column: row and image_path",
        cells("image_path", "a"),
        "^{table}: expected either row and column or image_path",
    ),
    BadInput(
        "column: no positions of two fields",
        without("start_x", "start_y"),
        "^{table}: missing column start_x, start_y",
    ),
    BadInput("column: no file_path", without("file_path"), "^{table}: missing column file_path"),
    BadInput(
        "column: start_x alone missing", without("start_x"), "^{table}: missing column start_x: expected "
    ),
    BadInput(
        "column: an acquisition that is another",
        cells("acquisition", 3),
        "^{table}, column acquisition: expected rows of acquisition 0, found 3",
    ),
]

assert TILE == SECOND
