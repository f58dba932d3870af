"""Filters: which tiles pass, and what is said when none does."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.assembly.filters import CUSTOM_FILTERS, apply_filters, register_filter
from tiles2zarr.core import Tile, Tiles
from tiles2zarr.errors import OptionsError
from tiles2zarr.models import (
    AcquisitionDetails,
    ChannelInfo,
    CollectionInterface,
    DefaultImageLoader,
    ExcludeFilter,
    FilterModel,
    ImageInPlate,
    ImageLoaderInterface,
    IncludeFilter,
    RangeFilter,
    RegexExcludeFilter,
    RegexIncludeFilter,
    SingleImage,
    WellExcludeFilter,
    WellIncludeFilter,
)

DETAILS = AcquisitionDetails(
    z_spacing=2.0, channels=(ChannelInfo(channel_label="DAPI"), ChannelInfo(channel_label="GFP"))
)
PLATE = ImageInPlate(plate_name="P", row="A", column=1, acquisition=2)


def tile(name: str, collection: CollectionInterface = PLATE, **fields: Any) -> Tile[Any, Any]:
    """A tile whose file is called as the test knows it by."""
    values: dict[str, Any] = {
        "fov_name": "FOV_1",
        "start_x": 0.0,
        "start_y": 0.0,
        "length_x": 8,
        "length_y": 8,
    }
    return Tile(
        **(values | fields),
        collection=collection,
        image_loader=DefaultImageLoader(file_path=name),
        acquisition_details=DETAILS,
    )


def well(row: str, column: int) -> ImageInPlate:
    return ImageInPlate(plate_name="P", row=row, column=column, acquisition=2)


def passing(tiles: list[Tile[Any, Any]], *rules: Any) -> list[str]:
    kept = apply_filters(Tiles.from_tiles(tiles), rules)
    return [kept_tile.image_loader.file_path for kept_tile in kept]


def refusal(tiles: list[Tile[Any, Any]], *rules: Any) -> str:
    with pytest.raises(OptionsError) as refused:
        apply_filters(Tiles.from_tiles(tiles), rules)
    message = str(refused.value)
    assert "\n" not in message
    return message


FIELDS = [tile("a", fov_name="FOV_1"), tile("b", fov_name="FOV_2"), tile("c", fov_name="FOV_12")]
WELLS = [tile("a", well("A", 1)), tile("b", well("A", 12)), tile("c", well("AF", 1))]


def test_without_filters_the_tiles_come_back_as_they_are() -> None:
    tiles = Tiles.from_tiles(FIELDS)
    assert apply_filters(tiles, ()) is tiles


def test_a_pattern_matches_the_whole_value() -> None:
    assert passing(FIELDS, RegexIncludeFilter(field="fov_name", pattern="FOV_[12]")) == ["a", "b"]
    assert passing(FIELDS, RegexExcludeFilter(field="fov_name", pattern="FOV_1")) == ["b", "c"]


def test_every_filter_must_let_a_tile_pass() -> None:
    rules = (RegexIncludeFilter(pattern="FOV_1.?"), ExcludeFilter(field="fov_name", values=("FOV_1",)))
    assert passing(FIELDS, *rules) == ["c"]


@pytest.mark.parametrize("written", ["A12", "a12", "A012", " A12 "])
def test_a_well_is_one_however_it_is_written(written: str) -> None:
    assert passing(WELLS, WellIncludeFilter(wells=(written,))) == ["b"]
    assert passing(WELLS, WellExcludeFilter(wells=(written,))) == ["a", "c"]
    assert passing(WELLS, IncludeFilter(field="well", values=(written,))) == ["b"]


def test_a_short_well_matches_its_zero_padded_name_and_no_other() -> None:
    assert passing(WELLS, WellIncludeFilter(wells=("A1",))) == ["a"]
    assert passing(WELLS, RegexIncludeFilter(field="well", pattern="A1")) == ["a"]
    assert passing(WELLS, RegexIncludeFilter(field="well", pattern="A01|AF01")) == ["a", "c"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("plate", "P"),
        ("plate", "P.zarr"),
        ("row", "A"),
        ("row", "a"),
        ("column", 1),
        ("column", "01"),
        ("acquisition", 2),
        ("acquisition", "2"),
    ],
)
def test_the_place_on_a_plate_is_a_field(field: str, value: str | int) -> None:
    other = ImageInPlate(plate_name="Q", row="B", column=2, acquisition=3)
    assert passing([tile("a"), tile("b", other)], IncludeFilter(field=field, values=(value,))) == ["a"]
    assert passing([tile("a"), tile("b", other)], ExcludeFilter(field=field, values=(value,))) == ["b"]


def test_the_path_of_a_single_image_is_a_field() -> None:
    tiles = [tile("a", SingleImage(image_path="s/1")), tile("b", SingleImage(image_path="s/2"))]
    assert passing(tiles, RegexIncludeFilter(field="image_path", pattern="s/1")) == ["a"]


def test_the_file_is_a_field() -> None:
    assert passing(FIELDS, RegexExcludeFilter(field="file_path", pattern="[ab]")) == ["c"]


def test_a_channel_is_chosen_by_label_or_index() -> None:
    tiles = [tile("a"), tile("b", start_c=1), tile("c", length_c=2)]
    assert passing(tiles, IncludeFilter(field="channel", values=("GFP",))) == ["b", "c"]
    assert passing(tiles, IncludeFilter(field="c", values=(0,))) == ["a", "c"]
    assert passing(tiles, RangeFilter(field="c", minimum=1)) == ["b", "c"]


def test_a_channel_without_a_label_is_called_by_its_index() -> None:
    plain = tile("a").model_copy(update={"acquisition_details": AcquisitionDetails()})
    assert passing([plain], IncludeFilter(field="channel", values=("channel_0",))) == ["a"]


def test_a_range_includes_both_bounds_and_any_plane_of_a_stack() -> None:
    tiles = [tile("a", start_z=0.0), tile("b", start_z=2.0), tile("c", start_z=4.0), tile("d", length_z=3)]
    assert passing(tiles, RangeFilter(field="z", minimum=2.0, maximum=3.0)) == ["b", "d"]
    assert passing(tiles, RangeFilter(field="z", maximum=0.0)) == ["a", "d"]
    assert passing(tiles, RangeFilter(field="t", minimum=0.0)) == ["a", "b", "c", "d"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_range_keeps_what_python_calls_between(numbers: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    tiles = [tile(str(i), attributes={"dose": number}) for i, number in enumerate(numbers)]
    expected = [str(i) for i, number in enumerate(numbers) if low <= number <= high]
    if expected:
        assert passing(tiles, RangeFilter(field="dose", minimum=low, maximum=high)) == expected
    else:
        assert "leaves none" in refusal(tiles, RangeFilter(field="dose", minimum=low, maximum=high))


def test_an_attribute_is_a_field_and_any_of_its_values_counts() -> None:
    tiles = [
        tile("a", attributes={"drug": "DMSO"}),
        tile("b", attributes={"drug": ["DMSO", "X"]}),
        tile("c", attributes={"drug": None}),
        tile("d"),
    ]
    assert passing(tiles, IncludeFilter(field="drug", values=("X",))) == ["b"]
    assert passing(tiles, RegexIncludeFilter(field="drug", pattern="D.*")) == ["a", "b"]
    assert passing(tiles, ExcludeFilter(field="drug", values=("X",))) == ["a", "c", "d"]


def test_values_of_several_types_in_one_attribute_stay_apart() -> None:
    tiles = [
        tile(name, attributes={"v": value}) for name, value in (("a", 1), ("b", True), ("c", "1"), ("d", 1.0))
    ]
    assert passing(tiles, IncludeFilter(field="v", values=(1,))) == ["a", "c", "d"]
    assert passing(tiles, IncludeFilter(field="v", values=("true",))) == ["b"]


def test_a_field_comes_before_an_attribute_of_its_name() -> None:
    tiles = [tile("a", attributes={"well": "H12"})]
    assert passing(tiles, WellIncludeFilter(wells=("A1",))) == ["a"]


@given(st.lists(st.sampled_from(["FOV_1", "FOV_2", "x"]), min_size=1), st.sampled_from(["FOV_.", "x", ".*"]))
def test_include_and_exclude_by_one_pattern_divide_the_tiles(names: list[str], pattern: str) -> None:
    tiles = [tile(str(i), fov_name=name) for i, name in enumerate(names)]
    kept: list[str] = []
    for rule in (RegexIncludeFilter(pattern=pattern), RegexExcludeFilter(pattern=pattern)):
        try:
            kept += passing(tiles, rule)
        except OptionsError:
            continue
    assert sorted(kept, key=int) == [str(i) for i in range(len(names))]


def test_an_unknown_field_is_refused_with_the_known_ones() -> None:
    message = refusal([tile("a", attributes={"drug": "X"})], IncludeFilter(field="dose", values=(1,)))
    assert message == (
        "filter 1 (Include Filter on dose): unknown field 'dose': these tiles have plate, well, row, column, "
        "acquisition, fov_name, channel, c, z, t, file_path, and its attributes are drug"
    )


def test_a_well_filter_needs_a_plate() -> None:
    message = refusal([tile("a", SingleImage(image_path="s"))], WellIncludeFilter(wells=("A1",)))
    assert (
        "filter 1 (Well Include Filter): unknown field 'well': these tiles have image_path, fov_name"
        in message
    )


def test_a_well_that_cannot_be_is_refused() -> None:
    assert "well 'everything': expected letters from A to ZZ" in refusal(
        WELLS, WellIncludeFilter(wells=("everything",))
    )


def test_a_range_of_texts_is_refused() -> None:
    message = refusal(FIELDS, RangeFilter(field="fov_name", minimum=1))
    assert "expected a field of numbers, found 'FOV_1'" in message


def test_the_filter_that_leaves_nothing_says_what_it_saw() -> None:
    message = refusal(FIELDS, RegexExcludeFilter(pattern="FOV_1"), RegexIncludeFilter(pattern="FOV_[3-9]"))
    assert message == (
        "filter 2 (Regex Include Filter on fov_name): it leaves none of 2 tiles: "
        "the values it saw are FOV_2, FOV_12"
    )


def test_a_long_list_of_values_is_cut() -> None:
    tiles = [tile(str(i), fov_name=f"FOV_{i}") for i in range(40)]
    message = refusal(tiles, IncludeFilter(field="fov_name", values=("none",)))
    assert message.endswith(f"are {', '.join(f'FOV_{i}' for i in range(10))}, … (40 values)")


class EveryOther(FilterModel):
    """Keeps the files whose number is even, or odd."""

    name: Literal["Every Other"] = "Every Other"
    odd: bool = False


@pytest.fixture
def registered() -> Any:
    def keep(one: Tile[Any, Any], rule: EveryOther) -> bool:
        return int(one.image_loader.file_path) % 2 == rule.odd

    register_filter(keep, "Every Other")
    yield
    del CUSTOM_FILTERS["Every Other"]


@pytest.mark.usefixtures("registered")
def test_a_filter_of_somebody_else_sees_every_tile_and_its_own_model() -> None:
    tiles = [tile(str(i)) for i in range(5)]
    assert passing(tiles, EveryOther()) == ["0", "2", "4"]
    assert passing(tiles, EveryOther(odd=True)) == ["1", "3"]
    assert "filter 2 (Every Other): it leaves none of 3 tiles" in refusal(
        tiles, EveryOther(), EveryOther(odd=True)
    )


def test_a_filter_that_nobody_registered_is_refused() -> None:
    assert "no function is registered for it (registered: none): call add_filter first" in refusal(
        FIELDS, EveryOther()
    )


def test_a_filter_may_not_take_the_name_of_an_own_one() -> None:
    with pytest.raises(OptionsError, match="the name is taken"):
        register_filter(lambda _tile, _rule: True, "Range Filter")


def test_tiles_without_files_have_no_field_for_them() -> None:
    class Frame(ImageLoaderInterface):
        index: int

        def load_data(self, resource: Any | None = None) -> Any:
            raise NotImplementedError

    frames = [tile("a").model_copy(update={"image_loader": Frame(index=0)})]
    assert "unknown field 'file_path'" in refusal(frames, RegexIncludeFilter(field="file_path", pattern="a"))
