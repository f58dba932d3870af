"""A converter of somebody else's: its own kinds of collection, loader, filter, validator and step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import zarr

import tiles2zarr.pipelines as p
from tiles2zarr import (
    AcquisitionDetails,
    AcquisitionOptions,
    ChannelInfo,
    CollectionInterface,
    ConverterOptions,
    FilterModel,
    ImageInPlate,
    ImageLoaderInterface,
    OptionsError,
    OutputExistsError,
    OverwriteMode,
    PixelSizeModel,
    RegexIncludeFilter,
    Tile,
    generic_compute_task,
    setup_images_for_conversion,
    tiles_aggregation_pipeline,
)
from tiles2zarr.assembly.filters import CUSTOM_FILTERS
from tiles2zarr.assembly.validators import VALIDATORS
from tiles2zarr.fractal.collection_setup import COLLECTION_HANDLERS
from tiles2zarr.models import Grouping, StagePositionCorrections, TilingMode
from tiles2zarr.placement.steps import REGISTRATION_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tiles2zarr import TiledImage

SIDE = 8
OPTIONS = ConverterOptions()


class Slide(CollectionInterface):
    """A kind of collection that this package does not know."""

    slide: str
    section: int

    def path(self) -> str:
        return f"slides/{self.slide}/{self.section}.zarr"

    def attributes(self) -> dict[str, str | int]:
        return {"slide": self.slide, "section": self.section}


class Ramp(ImageLoaderInterface):
    """A loader that reads no file: numbers that count up from the value of a key of the resource."""

    key: str
    planes: tuple[int, ...] = (0,)

    def load_data(self, resource: Any | None = None) -> NDArray[Any]:
        assert resource is not None
        first = resource[self.key]
        return np.stack([ramp(first + 100 * plane) for plane in self.planes])


class EvenFields(FilterModel):
    name: Literal["even fields"] = "even fields"
    remainder: int = 0


class FewTiles(FilterModel):
    name: Literal["few tiles"] = "few tiles"
    most: int


@pytest.fixture(autouse=True)
def nothing_stays_registered() -> Iterator[None]:
    registries: tuple[dict[str, Any], ...] = (
        CUSTOM_FILTERS,
        VALIDATORS,
        REGISTRATION_FUNCTIONS,
        COLLECTION_HANDLERS,
    )
    before = [dict(registry) for registry in registries]
    yield
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


def ramp(first: int) -> NDArray[np.uint16]:
    return (np.arange(SIDE * SIDE, dtype=np.uint16) + first).reshape(SIDE, SIDE)


def slide_tiles(fields: int = 2, **loader: Any) -> list[Tile[Any, Any]]:
    """Fields of view side by side; pixels are 2 µm wide."""
    return [
        Tile[Slide, Ramp](
            fov_name=f"F{number}",
            start_x=100.0 + 2.0 * SIDE * number,
            start_y=50.0,
            length_x=SIDE,
            length_y=SIDE,
            length_z=len(loader.get("planes", (0,))),
            attributes={"stain": ["H&E"]},
            collection=Slide(slide="s7", section=3),
            image_loader=Ramp(key=f"F{number}", **loader),
            acquisition_details=AcquisitionDetails(
                pixelsize=2.0, channels=[ChannelInfo(channel_label="grey")]
            ),
        )
        for number in range(fields)
    ]


RESOURCE = {"F0": 0, "F1": 1000, "F2": 2000, "F3": 3000}


def pixels(url: str) -> NDArray[Any]:
    return np.asarray(zarr.open_array(f"{url}/0", mode="r")[...])


def omitting(steps: list[p.RegistrationStep], name: str) -> list[p.RegistrationStep]:
    return [step for step in steps if step["name"] != name]


def default_steps(mode: TilingMode = TilingMode.AUTO) -> list[p.RegistrationStep]:
    return p.build_default_registration_pipeline(StagePositionCorrections(), mode)


def create(image: TiledImage[Any, Any], folder: Path, steps: list[p.RegistrationStep]) -> Any:
    url = str(folder / image.path)
    return p.tiled_image_creation_pipeline(url, image, steps, OPTIONS, OverwriteMode.OVERWRITE, RESOURCE)


def translation(url: str) -> list[float]:
    attributes = json.loads(Path(url, ".zattrs").read_text())
    steps = attributes["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    found: list[float] = steps[1]["translation"] if len(steps) > 1 else [0.0] * len(steps[0]["scale"])
    return found


def test_a_custom_collection_and_a_custom_loader_go_through_work_orders(tmp_path: Path) -> None:
    images = tiles_aggregation_pipeline(slide_tiles(planes=(0, 1, 2)), converter_options=OPTIONS)
    units = setup_images_for_conversion(
        images, zarr_dir=str(tmp_path), collection_type="Slide", converter_options=OPTIONS
    )
    (unit,) = json.loads(json.dumps(units))
    assert unit["zarr_url"] == f"{tmp_path}/slides/s7/3.zarr"
    result = generic_compute_task(**unit, collection_type=Slide, image_loader_type=Ramp, resource=RESOURCE)
    assert result["image_list_updates"] == [
        {
            "zarr_url": unit["zarr_url"],
            "attributes": {"slide": "s7", "section": 3, "stain": "H&E"},
            "types": {"is_3D": True},
        }
    ]
    expected = np.stack([np.hstack([ramp(100 * z), ramp(1000 + 100 * z)]) for z in range(3)])
    np.testing.assert_array_equal(pixels(unit["zarr_url"])[0], expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["slides"]


def test_a_collection_handler_sets_up_its_kind(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = []

    def set_up(**arguments: Any) -> None:
        calls.append(arguments)

    p.add_collection_handler(function=set_up, collection_type="Slide")
    images = tiles_aggregation_pipeline(slide_tiles(), converter_options=OPTIONS)
    setup_images_for_conversion(
        images,
        zarr_dir=str(tmp_path),
        collection_type="Slide",
        converter_options=OPTIONS,
        overwrite_mode=OverwriteMode.EXTEND,
    )
    (call,) = calls
    assert call == {
        "zarr_dir": str(tmp_path),
        "tiled_images": images,
        "ngff_version": "0.4",
        "overwrite_mode": OverwriteMode.EXTEND,
    }


def test_a_collection_is_set_up_by_the_version_that_is_asked_for(tmp_path: Path) -> None:
    tiles = [
        tile.model_copy(update={"collection": ImageInPlate(plate_name="P", row="H", column=12)})
        for tile in slide_tiles()
    ]
    images = tiles_aggregation_pipeline(tiles, converter_options=OPTIONS)
    p.setup_ome_zarr_collection(
        tiled_images=images, collection_type="ImageInPlate", zarr_dir=str(tmp_path), ngff_version="0.5"
    )
    plate = json.loads((tmp_path / "P.zarr/zarr.json").read_text())["attributes"]["ome"]["plate"]
    assert [well["path"] for well in plate["wells"]] == ["H/12"]


def test_a_custom_filter_decides_with_its_own_model() -> None:
    def even(tile: Tile[Any, Any], model: EvenFields) -> bool:
        return int(tile.fov_name[1:]) % 2 == model.remainder

    p.add_filter(function=even, name="even fields")
    (image,) = tiles_aggregation_pipeline(
        slide_tiles(4), converter_options=OPTIONS, filters=[EvenFields(remainder=1)]
    )
    assert [region.fov_name for region in image.regions] == ["F1", "F3"]


def test_a_filter_without_a_function_is_refused() -> None:
    with pytest.raises(OptionsError, match="even fields"):
        tiles_aggregation_pipeline(slide_tiles(), converter_options=OPTIONS, filters=[EvenFields()])


def test_a_validator_sees_every_image_with_its_model_and_the_resource() -> None:
    seen: list[tuple[str, Any, Any]] = []

    def few(image: TiledImage[Any, Any], *, validator_params: FewTiles, resource: Any) -> None:
        seen.append((image.path, validator_params, resource))
        if len(image.regions) > validator_params.most:
            msg = f"{image.path} has too many tiles"
            raise ValueError(msg)

    p.add_validator(function=few, name="few tiles")
    options = ConverterOptions(grouping=Grouping.PER_FOV)
    rule = FewTiles(most=1)
    tiles_aggregation_pipeline(slide_tiles(2), converter_options=options, validators=[rule], resource="/data")
    assert seen == [(f"slides/s7/3f{n}.zarr", rule, "/data") for n in range(2)]
    with pytest.raises(ValueError, match="has too many tiles"):
        tiles_aggregation_pipeline(slide_tiles(2), converter_options=OPTIONS, validators=[rule])


def test_a_validator_without_a_function_is_refused() -> None:
    with pytest.raises(OptionsError, match=r"'few tiles': no function has that name .* add_validator"):
        tiles_aggregation_pipeline(slide_tiles(), converter_options=OPTIONS, validators=[FewTiles(most=1)])


def test_aggregation_heeds_what_the_options_replace() -> None:
    chosen = AcquisitionOptions(
        pixel_info=PixelSizeModel(pixelsize=0.5), filters=(RegexIncludeFilter(pattern="F[12]"),)
    )
    (image,) = tiles_aggregation_pipeline(
        slide_tiles(4), converter_options=ConverterOptions(acquisition=chosen)
    )
    assert [region.fov_name for region in image.regions] == ["F1", "F2"]
    assert image.pixel_size == {"t": 1.0, "z": 1.0, "y": 0.5, "x": 0.5}


def test_the_creation_pipeline_writes_an_image_and_opens_it(tmp_path: Path) -> None:
    (image,) = tiles_aggregation_pipeline(slide_tiles(), converter_options=OPTIONS)
    opened = create(image, tmp_path, default_steps())
    expected = np.hstack([ramp(0), ramp(1000)])
    np.testing.assert_array_equal(np.asarray(opened.get_image().get_as_numpy()).squeeze(), expected)
    assert opened.get_image().pixel_size.x == 2.0


def test_the_creation_pipeline_replaces_another_image_only_on_demand(tmp_path: Path) -> None:
    (image, other) = (
        tiles_aggregation_pipeline(slide_tiles(fields), converter_options=OPTIONS)[0] for fields in (2, 3)
    )
    url = str(tmp_path / image.path)
    create(image, tmp_path, default_steps())
    with pytest.raises(OutputExistsError, match=r"3\.zarr: expected no image, found one"):
        p.tiled_image_creation_pipeline(url, other, default_steps(), OPTIONS, resource=RESOURCE)
    assert pixels(url).shape[-1] == 2 * SIDE
    create(other, tmp_path, default_steps())
    assert pixels(url).shape[-1] == 3 * SIDE


def moved(image: TiledImage[Any, Any], *, by: float) -> TiledImage[Any, Any]:
    """A step that moves everything but the first tile to the right, µm."""
    x = image.tiles.x.copy()
    x[1:] += by
    return replace(image, tiles=replace(image.tiles, x=x))


def test_a_step_before_the_others_moves_tiles_on_the_stage(tmp_path: Path) -> None:
    p.add_registration_func(function=moved)
    (image,) = tiles_aggregation_pipeline(slide_tiles(), converter_options=OPTIONS)
    steps: list[p.RegistrationStep] = [
        {"name": "moved", "params": {"by": 8.0}},
        *default_steps(TilingMode.INPLACE),
    ]
    create(image, tmp_path, steps)
    gap = np.zeros((SIDE, 4), np.uint16)
    expected = np.hstack([ramp(0), gap, ramp(1000)])
    np.testing.assert_array_equal(pixels(str(tmp_path / image.path)).squeeze(), expected)


def test_a_step_behind_the_others_has_the_last_word(tmp_path: Path) -> None:
    # Tiling puts the fields edge to edge; the step then moves one of them, and it is not put back.
    p.add_registration_func(function=moved, name="my step")
    tiles = slide_tiles()
    tiles[1] = tiles[1].model_copy(update={"start_x": tiles[1].start_x + 1.0})
    (image,) = tiles_aggregation_pipeline(tiles, converter_options=OPTIONS)
    steps: list[p.RegistrationStep] = [
        *default_steps(TilingMode.SNAP_TO_CORNERS),
        {"name": "my step", "params": {"by": 2.0}},
    ]
    url = str(tmp_path / image.path)
    create(image, tmp_path, steps)
    expected = np.hstack([ramp(0), np.zeros((SIDE, 1), np.uint16), ramp(1000)])
    np.testing.assert_array_equal(pixels(url).squeeze(), expected)
    assert translation(url) == [0.0] * 4


def test_without_corrections_the_stage_s_origin_is_the_image_s_translation(tmp_path: Path) -> None:
    (image,) = tiles_aggregation_pipeline(slide_tiles(), converter_options=OPTIONS)
    create(image, tmp_path, omitting(default_steps(), "stage_position_corrections"))
    url = str(tmp_path / image.path)
    np.testing.assert_array_equal(pixels(url).squeeze(), np.hstack([ramp(0), ramp(1000)]))
    assert translation(url) == [0.0, 0.0, 50.0, 100.0]


def test_without_tiling_tiles_stay_where_the_stage_was(tmp_path: Path) -> None:
    tiles = slide_tiles()
    tiles[1] = tiles[1].model_copy(update={"start_x": tiles[1].start_x + 4.0})
    (image,) = tiles_aggregation_pipeline(tiles, converter_options=OPTIONS)
    create(image, tmp_path, omitting(default_steps(), "tile_regions"))
    expected = np.hstack([ramp(0), np.zeros((SIDE, 2), np.uint16), ramp(1000)])
    np.testing.assert_array_equal(pixels(str(tmp_path / image.path)).squeeze(), expected)


def test_a_step_without_a_function_is_refused(tmp_path: Path) -> None:
    (image,) = tiles_aggregation_pipeline(slide_tiles(), converter_options=OPTIONS)
    with pytest.raises(OptionsError, match="registration step 'drift': no function has that name"):
        create(image, tmp_path, [{"name": "drift", "params": {}}])


ADDERS = [p.add_filter, p.add_validator, p.add_registration_func]


@pytest.mark.parametrize("add", ADDERS)
def test_a_function_is_known_by_its_own_name_unless_another_is_given(add: Any) -> None:
    def mine() -> None: ...

    add(function=mine)
    add(function=mine, name="other")
    registered = [registry for registry in (CUSTOM_FILTERS, VALIDATORS, REGISTRATION_FUNCTIONS) if registry]
    assert [dict(registry) for registry in registered] == [{"mine": mine, "other": mine}]


@pytest.mark.parametrize("add", ADDERS)
def test_a_name_that_is_taken_is_given_away_only_on_demand(add: Any) -> None:
    def first() -> None: ...

    def second() -> None: ...

    add(function=first, name="n")
    with pytest.raises(OptionsError, match="'n': the name is taken"):
        add(function=second, name="n")
    add(function=second, name="n", overwrite=True)


def test_a_kind_of_collection_has_one_handler() -> None:
    def set_up(**_: Any) -> None: ...

    p.add_collection_handler(function=set_up, collection_type="Slide")
    with pytest.raises(OptionsError, match="'Slide': the name is taken"):
        p.add_collection_handler(function=set_up, collection_type="Slide")
