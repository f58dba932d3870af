"""Where images go: wells, single images and collections of somebody's own; which names are accepted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tiles2zarr.models import (
    CollectionInterface,
    ImageInPlate,
    SingleImage,
    row_index,
    row_name,
    well_name,
)
from tiles2zarr.models.values import path_part, valid_path_part


def test_an_image_of_a_well_has_the_path_of_its_plate_well_and_acquisition() -> None:
    image = ImageInPlate(plate_name="P 1", row="AF", column=7, acquisition=12)
    assert image.path() == "P 1.zarr/AF/07/12"
    assert image.plate_path == "P 1.zarr"
    assert image.well_path == "AF/07"
    assert image.well == "AF07"
    assert image.attributes() == {"plate": "P 1.zarr", "well": "AF07", "acquisition": 12}


def test_a_suffix_on_a_name_is_not_doubled() -> None:
    assert ImageInPlate(plate_name="P.zarr", row="A", column=1).path() == "P.zarr/A/01/0"
    assert SingleImage(image_path="set/s.zarr").path() == "set/s.zarr"


def test_a_single_image_may_lie_in_folders() -> None:
    assert SingleImage(image_path="set/1/s").path() == "set/1/s.zarr"
    assert SingleImage(image_path="s").attributes() == {}


@given(st.integers(0, 701))
def test_rows_are_counted_like_columns_of_a_spreadsheet(index: int) -> None:
    name = row_name(index)
    assert row_index(name) == index
    assert re.fullmatch("[A-Z]{1,2}", name)
    assert [row_name(25), row_name(26), row_name(31), row_name(701)] == ["Z", "AA", "AF", "ZZ"]


@pytest.mark.parametrize("index", [-1, 702])
def test_a_row_beyond_zz_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match=r"expected 1 \(A\) to 702 \(ZZ\)"):
        row_name(index)


@given(st.integers(0, 701), st.integers(1, 999), st.integers(0, 3), st.booleans())
def test_a_well_has_one_name_however_it_is_written(row: int, column: int, zeros: int, small: bool) -> None:
    written = f"{row_name(row)}{'0' * zeros}{column}"
    expected = ImageInPlate(plate_name="P", row=row_name(row), column=column).well
    assert well_name(written.lower() if small else written) == expected


@pytest.mark.parametrize(
    "text", ["", "A", "1", "A0", "A1000", "ABC1", "A-1", "A1x", "A 1", "Ä1", "A\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_what_is_no_well_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected letters from A to ZZ and a column from 1 to 999"):
        well_name(text)


@pytest.mark.parametrize(
    "fields",
    [
        {"row": "a"},
        {"row": ""},
        {"row": "AAA"},
        {"row": "A\n"},
        {"column": 0},
        {"column": 1000},
        {"column": 1.5},
        {"acquisition": -1},
        {"acquisition": 10000},
        {"well": "A01"},
    ],
)
def test_a_well_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(fields))):
        ImageInPlate.model_validate({"plate_name": "P", "row": "A", "column": 1} | fields)


REFUSED = [
    "",
    ".",
    "..",
    ".hidden",
    "a/b",
    "a\\b",
    "a:b",
    "a*b",
    "a\0b",
    "a\n",
    " a",
    "a ",
    "a.",
    "__a",
    "con",
]
REFUSED += ["NUL", "aux.txt", "com1", "$HOME", "a;b", "a|b", "a'b", 'a"b', "`a`", "<a>", "x" * 201, "ä" * 101]


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_some_file_system_refuses_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no valid Zarr name"):
        path_part(name)
    with pytest.raises(ValidationError, match="is no valid Zarr name"):
        ImageInPlate(plate_name=name, row="A", column=1)
    if "/" not in name:
        with pytest.raises(ValidationError, match="is no valid Zarr name"):
            SingleImage(image_path=f"set/{name}")


@pytest.mark.parametrize(
    "name", ["a", "Plate 1", "2024-01-02_x", "a.b", "ä", "板", "a+b=c@d~e", "a_", "console"]
)
def test_names_that_people_give_are_accepted(name: str) -> None:
    assert path_part(name) == name
    assert valid_path_part(name) == name


@given(st.text())
def test_any_name_can_be_made_valid(name: str) -> None:
    valid = valid_path_part(name)
    assert path_part(valid) == valid
    assert valid_path_part(valid) == valid


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("../Plate 7 (b)", "Plate 7 _b"),
        ("con", "_con"),
        ("+plate", "plate"),
        ("a//b", "a_b"),
        ("???", "unnamed"),
        ("\udcff", "unnamed"),
    ],
)
def test_what_a_name_made_valid_looks_like(name: str, valid: str) -> None:
    assert valid_path_part(name) == valid


def test_a_long_name_is_cut_between_characters() -> None:
    assert valid_path_part("板" * 100) == "板" * 66


class Slide(CollectionInterface):
    """A collection of somebody's own."""

    slide: str

    def path(self) -> str:
        return f"slides/{self.slide}.zarr"


def test_a_collection_of_somebody_else_is_a_value_that_survives_json() -> None:
    slide = Slide(slide="7")
    assert Slide.model_validate_json(slide.model_dump_json()) == slide
    assert not slide.__eq__(SingleImage(image_path="7"))
    assert slide.attributes() == {}
    with pytest.raises(ValidationError):
        Slide.model_validate({"slide": "7", "extra": 1})


def test_a_collection_must_say_its_path() -> None:
    class Nowhere(CollectionInterface):
        slide: str

    with pytest.raises(TypeError, match="path"):
        Nowhere(slide="7")  # type: ignore[abstract]
