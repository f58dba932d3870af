"""CSV as ngio reads it, and back."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.writer.csv_cells import dump, load

if TYPE_CHECKING:
    from tiles2zarr.core.tile import Scalar

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
cells = st.none() | texts | st.integers() | st.booleans() | st.floats(allow_nan=False)


@given(st.data(), st.lists(texts, min_size=2, max_size=4, unique=True), st.integers(0, 4))
def test_every_cell_comes_back_with_its_value_and_type(
    data: st.DataObject, names: list[str], rows: int
) -> None:
    columns = {name: data.draw(st.lists(cells, min_size=rows, max_size=rows)) for name in names}
    found = load(dump(columns))
    assert found == columns
    assert typed(found) == typed(columns)


def typed(columns: dict[str, list[Scalar]]) -> list[list[type]]:
    return [[type(cell) for cell in column] for column in columns.values()]


def test_the_very_bytes() -> None:
    columns: dict[str, list[Scalar]] = {
        "drug": ["DMSO", 'say "x", y', None, ""],
        "dose": [1.5, 2, None, float("inf")],
        "ok": [True, False, None, "True"],
    }
    assert dump(columns).decode() == (
        '"drug","dose","ok"\n"DMSO",1.5,True\n"say ""x"", y",2,False\n,,\n"",inf,"True"\n'
    )


def test_an_empty_cell_of_a_lone_column_keeps_its_row() -> None:
    content = dump({"drug": ["a", None, "b"]})
    assert content == b'"drug"\n"a"\n""\n"b"\n'
    assert pyarrow.csv.read_csv(io.BytesIO(content)).num_rows == 3


def test_the_reader_of_ngio_finds_the_types() -> None:
    table = pyarrow.csv.read_csv(
        io.BytesIO(dump({"t": ["a,b", None], "i": [1, 2], "f": [0.5, None], "b": [True, False]}))
    )
    assert table.to_pydict() == {"t": ["a,b", ""], "i": [1, 2], "f": [0.5, None], "b": [True, False]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\r\n1,x y\r\n", {"a": [1], "b": ["x y"]}),
        (b"a,b\n1,2", {"a": [1], "b": [2]}),
        (b"a,b\n1,", {"a": [1], "b": [None]}),
        (b"a,b\n1_000,1e3\n", {"a": ["1_000"], "b": [1000.0]}),
        (b'a,b\n"line\nbreak",007\n', {"a": ["line\nbreak"], "b": [7]}),
    ],
)
def test_what_other_programs_write_is_read_too(content: bytes, expected: dict[str, list[Scalar]]) -> None:
    assert load(content) == expected


@pytest.mark.parametrize("content", [b"", b'"a\n', b"a,b\n1\n", b"a\n1,2\n", b'"a"b\n', b"\xff\n"])
def test_what_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        load(content)
