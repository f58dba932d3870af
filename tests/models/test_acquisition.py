"""Acquisition details, channels and stage orientation: what may be said, and in which words."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tiles2zarr.models import (
    AXES,
    AcquisitionDetails,
    ChannelInfo,
    DataTypeEnum,
    StageOrientation,
    default_axes_builder,
)

ALLOWED_AXES = [
    "".join(axes)
    for count in range(4)
    for axes in (("".join(chosen) + "yx") for chosen in itertools.combinations("tcz", count))
]


def test_details_that_nobody_states_are_these() -> None:
    assert AcquisitionDetails().model_dump() == {
        "pixelsize": 1.0,
        "pixelsize_y": None,
        "z_spacing": 1.0,
        "t_spacing": 1.0,
        "channels": None,
        "axes": None,
        "data_type": DataTypeEnum.AUTODETECT,
        "condition_table_path": None,
        "stage_orientation": {"flip_x": False, "flip_y": False, "swap_xy": False},
        "registered": False,
        "measured": (),
    }


def test_the_pixel_size_has_two_names() -> None:
    assert AcquisitionDetails.model_validate({"xy_pixel_size": 0.65}) == AcquisitionDetails(pixelsize=0.65)
    assert AcquisitionDetails(pixelsize=0.65).xy_pixel_size == 0.65
    with pytest.raises(ValidationError, match="xy_pixel_size and pixelsize mean the same: give one of them"):
        AcquisitionDetails.model_validate({"xy_pixel_size": 0.65, "pixelsize": 0.65})


def test_a_pixel_is_as_high_as_wide_unless_said_otherwise() -> None:
    assert AcquisitionDetails(pixelsize=0.5).pixel_height == 0.5
    assert AcquisitionDetails(pixelsize=0.5, pixelsize_y=0.25).pixel_height == 0.25


@pytest.mark.parametrize("axes", ALLOWED_AXES)
def test_axes_may_be_a_word_or_a_list(axes: str) -> None:
    expected = tuple(axes)
    assert AcquisitionDetails.model_validate({"axes": axes}).axes == expected
    assert AcquisitionDetails.model_validate({"axes": list(axes)}).axes == expected


@given(st.text("tczyxq", max_size=6).filter(lambda axes: axes not in ALLOWED_AXES))
def test_axes_in_another_order_or_without_a_plane_are_refused(axes: str) -> None:
    with pytest.raises(ValidationError, match="expected some of t, c, z in this order, then y and x"):
        AcquisitionDetails.model_validate({"axes": axes})


def test_a_time_series_has_all_five_axes() -> None:
    assert default_axes_builder(is_time_series=True) == list(AXES)
    assert default_axes_builder(is_time_series=False) == ["c", "z", "y", "x"]


@pytest.mark.parametrize("name", ["pixelsize", "pixelsize_y", "z_spacing", "t_spacing"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "wide"])
def test_a_spacing_is_a_positive_number(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        AcquisitionDetails.model_validate({name: value})


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="pixel_size"):
        AcquisitionDetails.model_validate({"pixel_size": 0.65})


def test_details_are_values() -> None:
    channels = (ChannelInfo(channel_label="DAPI"),)
    one = AcquisitionDetails(channels=channels)
    assert one == AcquisitionDetails.model_validate({"channels": [{"channel_label": "DAPI"}]})
    assert hash(one) == hash(AcquisitionDetails(channels=channels))
    with pytest.raises(ValidationError):
        one.pixelsize = 2.0  # type: ignore[misc]


@given(
    st.builds(
        AcquisitionDetails,
        pixelsize=st.floats(1e-6, 1e6),
        z_spacing=st.floats(1e-6, 1e6),
        axes=st.none() | st.sampled_from(ALLOWED_AXES),
        data_type=st.sampled_from(DataTypeEnum),
        stage_orientation=st.builds(StageOrientation),
        channels=st.none()
        | st.lists(
            st.builds(
                ChannelInfo,
                channel_label=st.text(min_size=1, max_size=5),
                wavelength_id=st.none() | st.text(max_size=3),
                color=st.none() | st.from_regex(r"\A#?[0-9A-Fa-f]{6}\Z"),
                window=st.none() | st.tuples(st.floats(-9, 0), st.floats(1, 9)),
            ),
            max_size=3,
        ),
    )
)
def test_details_survive_json(details: AcquisitionDetails) -> None:
    assert AcquisitionDetails.model_validate_json(details.model_dump_json()) == details
    assert AcquisitionDetails.model_validate_json(details.model_dump_json(exclude_unset=True)) == details


def test_a_colour_may_have_a_hash_and_small_letters() -> None:
    assert ChannelInfo(channel_label="a", color="#00ff7f").color == "00FF7F"
    assert ChannelInfo.model_validate({"channel_label": "a", "color": "00ff7f"}).color == "00FF7F"
    details = AcquisitionDetails.model_validate({"channels": [{"channel_label": "a", "color": "#00ff7f"}]})
    assert details.channels == (ChannelInfo(channel_label="a", color="00FF7F"),)


@pytest.mark.parametrize("color", ["red", "#fff", "00FF7", "00FF7F0", "GG0000", "##0000FF", "00FF7F\n"])
def test_another_colour_is_refused(color: str) -> None:
    with pytest.raises(ValidationError, match="color"):
        ChannelInfo(channel_label="a", color=color)


@pytest.mark.parametrize("label", ["", "x" * 201])
def test_a_channel_has_a_name_of_sensible_length(label: str) -> None:
    with pytest.raises(ValidationError, match="channel_label"):
        ChannelInfo(channel_label=label)


@pytest.mark.parametrize("name", [kind.value for kind in DataTypeEnum])
def test_pixel_types_are_called_as_numpy_calls_them(name: str) -> None:
    import numpy as np

    assert DataTypeEnum(name) == name
    assert str(DataTypeEnum(name)) == name
    assert name == "autodetect" or np.dtype(name).name == name


@pytest.mark.parametrize("window", [(5, 5), (9, 1), (0, float("inf")), (float("nan"), 1)])
def test_a_display_range_is_finite_and_ordered(window: tuple[float, float]) -> None:
    with pytest.raises(ValidationError, match="window"):
        ChannelInfo(channel_label="a", window=window)
