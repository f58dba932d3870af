"""The options document: defaults, what is refused, and how acquisition options change what a source says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from tiles2zarr import models
from tiles2zarr.models import (
    AcquisitionDetails,
    AcquisitionOptions,
    ChannelInfo,
    ChunkMultipleSharding,
    Compression,
    ConverterOptions,
    DataTypeEnum,
    ExcludeFilter,
    FilterModel,
    FixedSizeChunking,
    FovBasedChunking,
    ImplementedFilters,
    IncludeFilter,
    OmeZarrOptions,
    PixelSizeModel,
    RangeFilter,
    RegexIncludeFilter,
    StageOrientation,
    StagePositionCorrections,
)
from tiles2zarr.models.values import Value

if TYPE_CHECKING:
    from enum import Enum


def values(kind: type[Enum]) -> list[str]:
    return [member.value for member in kind]


def test_the_choices_are_the_words_of_the_documentation() -> None:
    assert values(models.TilingMode) == ["Auto", "Snap to Grid", "Snap to Corners", "Inplace"]
    assert values(models.Grouping) == ["Mosaic", "Per-FOV"]
    assert values(models.OverlapMode) == ["Last", "First", "Mean", "Maximum"]
    assert values(models.MissingTiles) == ["Fail", "Fill"]
    assert values(models.OverwriteMode) == ["No Overwrite", "Overwrite", "Extend"]
    assert values(models.BackendType) == ["csv", "anndata"]
    assert values(models.Compression) == ["blosc-lz4", "zstd", "none"]


def test_a_choice_is_written_as_its_word() -> None:
    assert str(models.OverwriteMode.NO_OVERWRITE) == "No Overwrite"
    assert f"{models.TilingMode.SNAP_TO_GRID}" == "Snap to Grid"


def test_the_empty_document_is_the_default() -> None:
    assert ConverterOptions.model_validate({}) == ConverterOptions()
    options = ConverterOptions()
    assert options.tiling_mode == "Auto"
    assert options.omezarr_options.ngff_version == "0.4"
    assert options.omezarr_options.chunks == FovBasedChunking()
    assert options.runtime.memory_limit_gib == 2.0
    assert options.acquisition.filters == ()


def test_a_whole_document_survives_json() -> None:
    document = {
        "tiling_mode": "Snap to Corners",
        "tiling_tolerance": 2.5,
        "max_displacement": 10.0,
        "grouping": "Per-FOV",
        "overlap_mode": "Mean",
        "missing_tiles": "Fill",
        "alignment_correction": {
            "remove_xy_offset": "Keep",
            "remove_z_offset": "Per-FOV",
            "remove_t_offset": "Global",
            "remove_xy_jitter": False,
        },
        "omezarr_options": {
            "ngff_version": "0.5",
            "num_levels": 3,
            "downsampling": "mean",
            "chunks": {"mode": "Fixed Size", "xy_chunk": 1024, "z_chunk": 2},
            "shards": {"mode": "Multiple of Chunks", "xy_factor": 2, "z_factor": 3},
            "compression": "zstd",
            "compression_level": 7,
            "table_backend": "anndata",
        },
        "runtime": {"memory_limit_gib": 1.5, "threads": 2, "verify": True},
        "acquisition": {
            "channels": [
                {
                    "channel_label": "GFP",
                    "wavelength_id": "488",
                    "color": "00FF00",
                    "window": [0.0, 9.0],
                    "excitation_nm": 488.0,
                    "emission_nm": 525.0,
                    "exposure_s": 0.1,
                    "z_offset": -2.0,
                    "objective": "20x Water",
                    "magnification": 20.0,
                    "numerical_aperture": 1.0,
                }
            ],
            "pixel_info": {"pixelsize": 0.325, "z_spacing": 1.0, "t_spacing": None},
            "condition_table_path": "conditions.csv",
            "axes": "czyx",
            "data_type": "uint16",
            "stage_orientation": {"flip_x": True, "flip_y": False, "swap_xy": True},
            "filters": [
                {"name": "Regex Include Filter", "field": "fov_name", "pattern": "FOV_[12]"},
                {"name": "Well Exclude Filter", "wells": ["A01"]},
                {"name": "Range Filter", "field": "z", "minimum": 0.0, "maximum": None},
            ],
        },
    }
    options = ConverterOptions.model_validate_json(json.dumps(document))
    assert json.loads(options.model_dump_json()) == document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"tilling_mode": "Auto"}, "tilling_mode"),
        ({"tiling_mode": "auto"}, "tiling_mode"),
        ({"tiling_tolerance": -1}, "tiling_tolerance"),
        ({"tiling_tolerance": float("nan")}, "tiling_tolerance"),
        ({"max_displacement": float("inf")}, "max_displacement"),
        ({"omezarr_options": {"ngff_version": "0.3"}}, "ngff_version"),
        ({"omezarr_options": {"num_levels": 0}}, "num_levels"),
        ({"omezarr_options": {"chunks": {"mode": "By FOV"}}}, "chunks"),
        ({"omezarr_options": {"chunks": {"mode": "Same as FOV", "xy_scaling": 3}}}, "xy_scaling"),
        ({"omezarr_options": {"chunks": {"mode": "Same as FOV", "xy_chunk": 64}}}, "xy_chunk"),
        ({"omezarr_options": {"chunks": {"mode": "Fixed Size", "xy_chunk": 0}}}, "xy_chunk"),
        ({"omezarr_options": {"shards": {"mode": "Multiple of Chunks", "xy_factor": 0}}}, "xy_factor"),
        ({"omezarr_options": {"shards": {"mode": "Multiple of Chunks"}}}, "shards need ngff_version 0.5"),
        ({"runtime": {"memory_limit_gib": 0}}, "memory_limit_gib"),
        ({"runtime": {"threads": 0}}, "threads"),
        ({"acquisition": {"pixel_info": {"pixelsize": 0}}}, "pixelsize"),
        ({"acquisition": {"filters": [{"name": "No Filter"}]}}, "filters"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ConverterOptions.model_validate(document)


@pytest.mark.parametrize(
    ("mode", "kind"), [("Same as FOV", FovBasedChunking), ("Fixed Size", FixedSizeChunking)]
)
def test_the_mode_decides_which_chunks_are_meant(mode: str, kind: type[BaseModel]) -> None:
    document = {"ngff_version": "0.5", "chunks": {"mode": mode}, "shards": {"mode": "Multiple of Chunks"}}
    options = OmeZarrOptions.model_validate(document)
    assert type(options.chunks) is kind
    assert options.shards == ChunkMultipleSharding()


@pytest.mark.parametrize(("value", "expected"), [(True, "Global"), (False, "Keep"), ("Keep", "Keep")])
def test_a_correction_may_be_yes_or_no_as_in_other_converters(value: Any, expected: str) -> None:
    corrections = StagePositionCorrections.model_validate(
        {"remove_xy_offset": value, "remove_z_offset": value, "remove_t_offset": value}
    )
    assert set(corrections.model_dump(mode="json").values()) == {expected, True}


# Filters


def test_the_name_decides_which_filter_is_meant() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(ImplementedFilters)
    assert adapter.validate_python(
        {"name": "Include Filter", "field": "row", "values": ["A", 2]}
    ) == IncludeFilter(field="row", values=("A", 2))
    assert adapter.validate_python({"name": "Range Filter"}) == RangeFilter()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"name": "Regex Include Filter", "pattern": "FOV_["}, "'FOV_.' is no regular expression"),
        ({"name": "Regex Include Filter", "field": "", "pattern": "a"}, "field"),
        ({"name": "Include Filter", "field": "well", "values": []}, "values"),
        ({"name": "Well Include Filter", "wells": []}, "wells"),
        ({"name": "Range Filter", "minimum": 2, "maximum": 1}, "minimum 2 is above maximum 1"),
        ({"name": "Range Filter", "min": 2}, "min"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(rule: dict[str, Any], message: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(ImplementedFilters)
    with pytest.raises(ValidationError, match=message):
        adapter.validate_python(rule)


def test_the_filters_of_the_guide_can_be_written_as_it_writes_them() -> None:
    assert RegexIncludeFilter(field="fov_name", pattern="FOV_[12]").name == "Regex Include Filter"
    assert ExcludeFilter(values=("A01",)).field == "well"

    class Mine(FilterModel):
        name: str = "Mine"
        threshold: int = 3

    assert Mine().model_dump() == {"name": "Mine", "threshold": 3}


# What acquisition options change

BASE = AcquisitionDetails(
    pixelsize=0.65,
    pixelsize_y=0.7,
    z_spacing=5.0,
    t_spacing=60.0,
    channels=(ChannelInfo(channel_label="DAPI"),),
    data_type=DataTypeEnum.UINT16,
    stage_orientation=StageOrientation(flip_x=True),
)


def test_options_that_nobody_set_change_nothing() -> None:
    assert AcquisitionOptions().update_acquisition_details(BASE) == BASE


@pytest.mark.parametrize(
    "empty", [{"channels": []}, {"axes": ""}, {"condition_table_path": ""}, {"filters": []}]
)
def test_a_field_that_a_form_sends_empty_changes_nothing(empty: dict[str, Any]) -> None:
    assert AcquisitionOptions.model_validate(empty).update_acquisition_details(BASE) == BASE


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (
            {"channels": [{"channel_label": "GFP", "wavelength_id": "488"}]},
            {"channels": (ChannelInfo(channel_label="GFP", wavelength_id="488"),)},
        ),
        ({"pixel_info": {"z_spacing": 1.0}}, {"z_spacing": 1.0}),
        ({"pixel_info": {"t_spacing": 2.0}}, {"t_spacing": 2.0}),
        ({"pixel_info": {"pixelsize": 0.3}}, {"pixelsize": 0.3, "pixelsize_y": None}),
        ({"condition_table_path": "c.csv"}, {"condition_table_path": "c.csv"}),
        ({"axes": "tczyx"}, {"axes": ("t", "c", "z", "y", "x")}),
        ({"data_type": "uint8"}, {"data_type": DataTypeEnum.UINT8}),
        ({"stage_orientation": {"swap_xy": True}}, {"stage_orientation": StageOrientation(swap_xy=True)}),
    ],
)
def test_each_option_changes_its_own_detail(options: dict[str, Any], changes: dict[str, Any]) -> None:
    changed = AcquisitionOptions.model_validate(options).update_acquisition_details(BASE)
    assert changed == BASE.model_copy(update=changes)
    assert BASE.z_spacing == 5.0


def test_axes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="expected some of t, c, z in this order"):
        AcquisitionOptions(axes="xyz")


def test_the_options_of_the_guide_can_be_written_as_it_writes_them() -> None:
    options = AcquisitionOptions(
        channels=[ChannelInfo(channel_label="GFP", wavelength_id="488")],  # type: ignore[arg-type]
        pixel_info=PixelSizeModel(pixelsize=0.325, z_spacing=1.0, t_spacing=1.0),
        filters=[RegexIncludeFilter(field="fov_name", pattern="FOV_[12]")],  # type: ignore[arg-type]
    )
    changed = options.update_acquisition_details(acquisition_details=BASE)
    assert (changed.pixelsize, changed.z_spacing, changed.t_spacing) == (0.325, 1.0, 1.0)
    assert changed.channels == (ChannelInfo(channel_label="GFP", wavelength_id="488"),)


# All models together


def public_values() -> list[type[BaseModel]]:
    found = [getattr(models, name) for name in models.__all__]
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, Value)]


@pytest.mark.parametrize("kind", public_values(), ids=lambda kind: kind.__name__)
def test_every_value_is_frozen_and_refuses_unknown_keys(kind: type[BaseModel]) -> None:
    assert kind.model_config["frozen"]
    assert kind.model_config["extra"] == "forbid"


def test_all_public_names_exist_once() -> None:
    assert len(set(models.__all__)) == len(models.__all__)
    assert all(hasattr(models, name) for name in models.__all__)


@pytest.mark.parametrize(
    ("compression", "level", "takes"), [("blosc-lz4", 10, "0 to 9"), ("zstd", 0, "1 to 22")]
)
def test_a_level_that_the_codec_has_not_is_refused(compression: str, level: int, takes: str) -> None:
    with pytest.raises(ValidationError, match=f"compression_level {level}: {compression} takes {takes}"):
        OmeZarrOptions(compression=Compression(compression), compression_level=level)
