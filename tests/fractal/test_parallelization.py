"""Units of work: what init lists, what a compute task does with one, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr

from tests.table_plates import PIXEL_SIZE, pixels_of, small_plate
from tiles2zarr.core import single_images_from_dataframe, tiled_image_from_tiles
from tiles2zarr.errors import ConversionError, OptionsError, OutputExistsError, PreflightError
from tiles2zarr.fractal.dumps import RETRIES
from tiles2zarr.fractal.parallelization import (
    build_parallelization_list,
    generic_compute_task,
    join_url_paths,
    refuse_unlistable,
    setup_images_for_conversion,
)
from tiles2zarr.models import (
    AcquisitionDetails,
    ConverterOptions,
    DefaultImageLoader,
    ImageInPlate,
    OmeZarrOptions,
    OverlapMode,
    OverwriteMode,
    SingleImage,
)
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.table import TableSource

if TYPE_CHECKING:
    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.fractal.parallelization import Unit

OPTIONS = ConverterOptions()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return small_plate(tmp_path / "plate").write()


@pytest.fixture
def zarr_dir(tmp_path: Path) -> str:
    return str(tmp_path / "zarr")


def images_of(source: Path, acquisition: int = 0) -> list[TiledImage[Any, Any]]:
    return tiled_image_from_tiles(tiles=TableSource().scan(ScanRequest(source, "P", acquisition)).tiles)


def listed(
    images: list[TiledImage[Any, Any]], zarr_dir: str, mode: str = "No Overwrite", **more: Any
) -> list[Unit]:
    arguments: dict[str, Any] = {"collection_type": "ImageInPlate", "converter_options": OPTIONS} | more
    return setup_images_for_conversion(
        tiled_images=images, zarr_dir=zarr_dir, overwrite_mode=OverwriteMode(mode), **arguments
    )


def compute(unit: Unit, source: Path) -> dict[str, Any]:
    (update,) = generic_compute_task(
        **json.loads(json.dumps(unit)),
        collection_type=ImageInPlate,
        image_loader_type=DefaultImageLoader,
        resource=source,
    )["image_list_updates"]
    return dict(update)


def level_0(unit: Unit) -> np.ndarray[Any, Any]:
    return np.asarray(zarr.open_array(f"{unit['zarr_url']}/0", mode="r")[...])


def well_pixels(well: int) -> np.ndarray[Any, Any]:
    """Axes c, z, y, x of a well of `small_plate`."""
    return np.stack(
        [
            np.stack([np.hstack([pixels_of(well, f, 0, c, z) for f in range(2)]) for z in range(2)])
            for c in range(2)
        ]
    )


def tree(folder: str) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes() for file in Path(folder).rglob("*") if file.is_file()
    }


def test_init_lists_one_unit_for_each_image_and_opens_no_source_file(source: Path, zarr_dir: str) -> None:
    images = images_of(source)
    for file in source.glob("*.tif"):
        file.unlink()
    units = listed(images, zarr_dir)
    assert [unit["zarr_url"] for unit in units] == [f"{zarr_dir}/P.zarr/A/01/0", f"{zarr_dir}/P.zarr/B/02/0"]
    assert json.loads(json.dumps(units)) == units
    plate = json.loads(Path(zarr_dir, "P.zarr", ".zattrs").read_text())["plate"]
    assert [well["path"] for well in plate["wells"]] == ["A/01", "B/02"]
    assert json.loads(Path(zarr_dir, "P.zarr/A/01/.zattrs").read_text())["well"]["images"] == []


def test_compute_converts_the_image_and_tells_the_image_list(source: Path, zarr_dir: str) -> None:
    units = listed(images_of(source, acquisition=3), zarr_dir)
    for well, (unit, name) in enumerate(zip(units, ("A01", "B02"), strict=True)):
        assert compute(unit, source) == {
            "zarr_url": unit["zarr_url"],
            "attributes": {"plate": "P.zarr", "well": name, "acquisition": 3},
            "types": {"is_3D": True},
        }
        np.testing.assert_array_equal(level_0(unit), well_pixels(well))
    assert not Path(zarr_dir, ".tiles2zarr").exists()


@pytest.mark.parametrize("ngff_version", ["0.4", "0.5"])
def test_an_image_of_one_plane_is_not_3d(tmp_path: Path, zarr_dir: str, ngff_version: Any) -> None:
    flat = small_plate(tmp_path / "flat", planes=1).write()
    options = ConverterOptions(omezarr_options=OmeZarrOptions(ngff_version=ngff_version))
    (unit, _) = listed(images_of(flat), zarr_dir, converter_options=options)
    assert compute(unit, flat)["types"] == {"is_3D": False}


def test_attributes_of_the_tiles_are_attributes_of_the_image(tmp_path: Path, zarr_dir: str) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1),))
    for number, row in enumerate(plate.rows):
        row |= {"drug": "DMSO", "dose": 0.5, "batch": number // 4, "note": ""}
    (unit,) = listed(images_of(plate.write()), zarr_dir)
    attributes = compute(unit, plate.folder)["attributes"]
    place = {"plate": "P.zarr", "well": "A01", "acquisition": 0}
    assert attributes == {**place, "drug": "DMSO", "dose": 0.5, "batch": "0; 1", "note": None}


def test_the_compute_task_s_resource_wins_over_what_init_was_given(
    source: Path, tmp_path: Path, zarr_dir: str
) -> None:
    image = images_of(source)[0]
    (unit,) = listed([image], zarr_dir)
    moved = source.rename(tmp_path / "moved")
    compute(unit, moved)
    np.testing.assert_array_equal(level_0(unit), well_pixels(0))


def test_single_images_go_through_work_orders(tmp_path: Path, zarr_dir: str) -> None:
    import pandas as pd

    pixels = pixels_of(5)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    place = {"fov_name": "1", "start_x": 0, "start_y": 0, "length_x": 16, "length_y": 12}
    table = pd.DataFrame([{"file_path": "a.tif", "image_path": "slides/a", **place}])
    images = tiled_image_from_tiles(
        tiles=single_images_from_dataframe(
            tiles_table=table, acquisition_details=AcquisitionDetails(pixelsize=PIXEL_SIZE)
        )
    )
    (unit,) = listed(images, zarr_dir, collection_type="SingleImage")
    (update,) = generic_compute_task(
        **unit, collection_type=SingleImage, image_loader_type=DefaultImageLoader, resource=tmp_path
    )["image_list_updates"]
    assert update == {"zarr_url": f"{zarr_dir}/slides/a.zarr", "attributes": {}, "types": {"is_3D": False}}
    np.testing.assert_array_equal(level_0(unit).squeeze(), pixels)


def test_a_job_that_is_queued_again_after_its_work_is_done_succeeds(source: Path, zarr_dir: str) -> None:
    for mode in ("No Overwrite", "Extend", "Overwrite"):
        unit = listed(images_of(source), f"{zarr_dir}/{mode[0]}", mode)[0]
        first, files = compute(unit, source), tree(unit["zarr_url"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(RETRIES, "0")
            assert compute(unit, source) == first
        assert tree(unit["zarr_url"]) == files


def test_a_work_order_that_is_lost_is_no_success_for_the_image_that_it_was_to_replace(
    source: Path, zarr_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute(listed(images_of(source), zarr_dir)[0], source)
    unit = listed(images_of(source), zarr_dir, "Overwrite")[0]
    lost = Path(unit["init_args"]["tiled_image_json_dump_url"])
    kept = lost.rename(lost.with_suffix(".kept"))
    monkeypatch.setenv(RETRIES, "0")
    with pytest.raises(ConversionError, match="expected the work order of the image, found none"):
        compute(unit, source)
    kept.rename(lost)
    compute(unit, source)
    compute(unit, source)


def test_a_work_order_that_is_lost_is_an_error_where_no_image_is(
    source: Path, zarr_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = listed(images_of(source), zarr_dir)[0]
    Path(unit["init_args"]["tiled_image_json_dump_url"]).unlink()
    monkeypatch.setenv(RETRIES, "2")
    with pytest.raises(ConversionError, match=r"found none after 0 s: run the task again with mode Extend"):
        compute(unit, source)


def test_a_failed_image_keeps_its_work_order_for_another_try(source: Path, zarr_dir: str) -> None:
    unit = listed(images_of(source), zarr_dir)[0]
    file = next(source.glob("A01*.tif"))
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(PreflightError, match=file.name):
        compute(unit, source)
    assert not Path(unit["zarr_url"]).exists()
    file.write_bytes(content)
    compute(unit, source)
    np.testing.assert_array_equal(level_0(unit), well_pixels(0))


def test_two_runs_in_one_destination_never_touch_each_other_s_work_orders(
    source: Path, zarr_dir: str
) -> None:
    first = listed(images_of(source), zarr_dir)
    orders = tree(f"{zarr_dir}/.tiles2zarr")
    second = listed(images_of(source, acquisition=1), zarr_dir)
    assert tree(f"{zarr_dir}/.tiles2zarr").items() >= orders.items()
    for unit in second:
        compute(unit, source)
    assert tree(f"{zarr_dir}/.tiles2zarr") == orders
    for unit in first:
        compute(unit, source)
    assert not Path(zarr_dir, ".tiles2zarr").exists()
    well = json.loads(Path(zarr_dir, "P.zarr/A/01/.zattrs").read_text())["well"]
    assert [image["path"] for image in well["images"]] == ["0", "1"]


def test_no_overwrite_is_refused_by_init_when_any_image_is_there(source: Path, zarr_dir: str) -> None:
    compute(listed(images_of(source), zarr_dir)[1], source)
    before = tree(zarr_dir)
    with pytest.raises(OutputExistsError, match=r"P.zarr/B/02/0: expected no image, found one"):
        listed(images_of(source), zarr_dir)
    assert tree(zarr_dir) == before


def test_extend_skips_what_is_complete_and_does_the_rest(source: Path, zarr_dir: str) -> None:
    (done, left) = listed(images_of(source), zarr_dir)
    compute(done, source)
    files = {name: Path(done["zarr_url"], name).stat().st_mtime_ns for name in tree(done["zarr_url"])}
    for unit in listed(images_of(source), zarr_dir, "Extend"):
        compute(unit, source)
    assert {name: Path(done["zarr_url"], name).stat().st_mtime_ns for name in files} == files
    np.testing.assert_array_equal(level_0(left), well_pixels(1))


def test_extend_refuses_an_image_of_other_options_by_name(source: Path, zarr_dir: str) -> None:
    compute(listed(images_of(source), zarr_dir)[0], source)
    other = ConverterOptions(overlap_mode=OverlapMode.FIRST)
    with pytest.raises(
        OutputExistsError, match=r"A/01/0: expected .*, found one made with other options \(overlap_mode"
    ):
        listed(images_of(source), zarr_dir, "Extend", converter_options=other)


def test_extend_refuses_an_image_of_other_files_when_it_comes_to_it(source: Path, zarr_dir: str) -> None:
    compute(listed(images_of(source), zarr_dir)[0], source)
    tifffile.imwrite(next(source.glob("A01*.tif")), pixels_of(9))
    unit = listed(images_of(source), zarr_dir, "Extend")[0]
    with pytest.raises(OutputExistsError, match="A/01/0"):
        compute(unit, source)


def test_overwrite_replaces_only_the_images_of_its_run(source: Path, zarr_dir: str) -> None:
    for acquisition in (0, 1):
        for unit in listed(images_of(source, acquisition), zarr_dir):
            compute(unit, source)
    others = {
        name: content for name, content in tree(zarr_dir).items() if not name.startswith("P.zarr/A/01/0/")
    }
    tifffile.imwrite(source / "A01_f0_t0_c0_z0.tif", np.zeros((12, 16), np.uint16))
    (unit,) = listed(images_of(source)[:1], zarr_dir, "Overwrite")
    compute(unit, source)
    expected = well_pixels(0)
    expected[0, 0, :, :16] = 0
    np.testing.assert_array_equal(level_0(unit), expected)
    after = tree(zarr_dir)
    assert {name: after[name] for name in others} == others


def test_a_channel_that_no_image_has_is_no_loss(tmp_path: Path, zarr_dir: str) -> None:
    plate = small_plate(tmp_path / "plate", channels=1)
    plate.details += 'channels = [{channel_label = "DAPI"}, {channel_label = "unused"}]\n'
    units = listed(images_of(plate.write()), zarr_dir)
    compute(units[0], plate.folder)
    expected = np.stack([well_pixels(0)[0], np.zeros((2, 12, 32), np.uint16)])
    np.testing.assert_array_equal(level_0(units[0]), expected)


def test_the_list_alone_needs_a_collection_that_is_set_up(source: Path, zarr_dir: str) -> None:
    images = images_of(source)
    listed(images, zarr_dir)
    units = build_parallelization_list(images, zarr_dir=zarr_dir, converter_options=OPTIONS)
    compute(units[0], source)
    np.testing.assert_array_equal(level_0(units[0]), well_pixels(0))


def test_no_images_are_refused(zarr_dir: str) -> None:
    with pytest.raises(OptionsError, match="no images: expected at least one"):
        listed([], zarr_dir)
    assert not Path(zarr_dir).exists()


def test_two_images_in_one_place_are_refused(source: Path, zarr_dir: str) -> None:
    with pytest.raises(OptionsError, match="A/01/0: expected one image in this place, found two"):
        listed(images_of(source) * 2, zarr_dir)


def test_more_images_than_a_server_takes_are_refused() -> None:
    refuse_unlistable([f"/{number}" for number in range(20_000)])
    with pytest.raises(OptionsError, match="expected at most 20000 images in one job, found 20001"):
        refuse_unlistable([f"/{number}" for number in range(20_001)])


def test_a_collection_of_another_kind_than_said_is_refused(source: Path, zarr_dir: str) -> None:
    with pytest.raises(OptionsError, match="expected an image in a SingleImage, found one in a ImageInPlate"):
        listed(images_of(source), zarr_dir, collection_type="SingleImage")


def test_an_object_store_is_refused_before_anything_is_written(source: Path) -> None:
    with pytest.raises(OptionsError, match="s3://bucket/zarr: expected a folder"):
        listed(images_of(source), "s3://bucket/zarr")
    with pytest.raises(OptionsError, match=r"s3://bucket/P\.zarr/A/01/0: expected a folder"):
        generic_compute_task(
            zarr_url="s3://bucket/P.zarr/A/01/0",
            init_args={"tiled_image_json_dump_url": "x", "converter_options": {}},
            collection_type=ImageInPlate,
            image_loader_type=DefaultImageLoader,
        )


def test_a_relative_destination_becomes_an_absolute_url(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    unit = listed(images_of(source), "out/zarr")[0]
    assert unit["zarr_url"] == f"{tmp_path}/out/zarr/P.zarr/A/01/0"


def test_paths_are_joined_with_one_slash() -> None:
    assert join_url_paths("/a/", "b", "c/d") == "/a/b/c/d"
    assert join_url_paths("s3://bucket/x", "/y/", "", "z") == "s3://bucket/x/y/z"
    assert join_url_paths("/", "a") == "/a"
    assert join_url_paths("/a") == "/a"


def test_init_does_not_change_what_it_was_given(source: Path, zarr_dir: str) -> None:
    image = images_of(source)[0]
    before = replace(image)
    listed([image], zarr_dir)
    assert image == before
