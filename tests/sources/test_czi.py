"""Zeiss CZI: a simulator writes the files, and Zeiss' own library where it is installed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tiles2zarr
from tests.simulators.czi import COMPRESSIONS, START, Czi, Scene
from tests.simulators.truth import convert, fields_of, fingerprints, scale_of
from tiles2zarr.errors import SourceError
from tiles2zarr.models import AcquisitionOptions, ChannelInfo, ImageInPlate, PixelSizeModel, SingleImage
from tiles2zarr.sources.base import Scan, ScanRequest
from tiles2zarr.sources.czi import CziSource
from tiles2zarr.sources.czi.stage import stage_positions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MOSAIC = ((0, 0), (28, 0), (0, 20), (28, 20))


def scan(path: Path, **changes: Any) -> Scan:
    return CziSource().scan(ScanRequest(path, **changes))


def pixels(found: Scan, row: int) -> NDArray[Any]:
    """Axes y and x, and the colour last."""
    data: NDArray[Any] = found.tiles.loaders[row].load_data(found.resource)
    return data if data.ndim == 2 else data.transpose(1, 2, 0)


def assert_same_pixels(found: Scan, document: Czi) -> None:
    places = list(document.places())
    assert len(found.tiles) == len(places)
    for row, (scene, tile, c, z, t, further) in enumerate(places):
        number = int(np.ravel_multi_index(further, tuple(document.extra.values()))) if further else 0
        assert_array_equal(pixels(found, row), document.pixels(scene, tile, c, z, t, number))


def test_a_scene_that_lies_in_no_well_is_an_image_named_after_file_and_scene(tmp_path: Path) -> None:
    Czi(scenes=(Scene("left"), Scene("right"))).write(tmp_path / "slide.czi")
    Czi().write(tmp_path / "single.czi")
    assert scan(tmp_path).tiles.collections == (
        SingleImage(image_path="single"),
        SingleImage(image_path="slide/left"),
        SingleImage(image_path="slide/right"),
    )


def test_scenes_in_wells_make_a_plate_counted_from_row_and_column_one(tmp_path: Path) -> None:
    scenes = (Scene("D6", well=(4, 6)), Scene("AF48", well=(32, 48)))
    found = scan(Czi(scenes=scenes).write(tmp_path / "p.czi"), acquisition_id=2)
    assert found.tiles.collections == (
        ImageInPlate(plate_name="p", row="D", column=6, acquisition=2),
        ImageInPlate(plate_name="p", row="AF", column=48, acquisition=2),
    )


def test_a_folder_with_a_file_for_each_well_is_one_plate_named_after_it(tmp_path: Path) -> None:
    folder = tmp_path / "screen 1"
    folder.mkdir()
    for name, well in (("b", (1, 1)), ("a", (1, 2))):
        Czi(scenes=(Scene(name, well=well),)).write(folder / f"{name}.czi")
    found = scan(folder)
    assert [image.path() for image in found.tiles.collections] == [
        "screen 1.zarr/A/02/0",
        "screen 1.zarr/A/01/0",
    ]
    assert len(found.tiles.all_details) == 1


def test_several_scenes_of_a_well_are_its_fields_of_view(tmp_path: Path) -> None:
    scenes = (Scene("P1", MOSAIC[:2], (1, 1)), Scene("P2", ((400, 0),), (1, 1)))
    found = scan(Czi(scenes=scenes).write(tmp_path / "p.czi"))
    assert found.tiles.fov_names == ("FOV_1", "FOV_2", "FOV_3")
    assert len(found.tiles.collections) == 1


def test_each_tile_of_a_mosaic_is_a_field_of_view_with_all_of_its_pixels_where_they_overlap(
    tmp_path: Path,
) -> None:
    document = Czi(scenes=(Scene("m", MOSAIC),), size_t=2)
    found = scan(document.write(tmp_path / "m.czi"))
    assert_same_pixels(found, document)
    assert found.tiles.fov_names == ("FOV_1", "FOV_2", "FOV_3", "FOV_4")
    positions = {(found.tiles.x[row], found.tiles.y[row]) for row in range(len(found.tiles))}
    assert positions == {document.position(0, tile) for tile in range(4)}


def test_a_converted_mosaic_holds_every_tile_in_its_place(tmp_path: Path) -> None:
    tiles = ((0, 0), (32, 0), (0, 24))
    document = Czi(scenes=(Scene("B2", tiles, (2, 2)),))
    (image,) = convert(document.write(tmp_path / "p.czi"), tmp_path / "out")
    assert image == "p.zarr/B/02/0"
    fields = fields_of(tmp_path / "out" / image)
    assert list(fields) == ["FOV_1", "FOV_2", "FOV_3"]
    for tile, found in enumerate(fields.values()):
        expected = [[document.pixels(0, tile, c, z, 0) for z in range(2)] for c in range(2)]
        assert_array_equal(found, expected)
    assert scale_of(tmp_path / "out" / image) == {"c": 1.0, "z": 1.5, "y": 0.25, "x": 0.25}


def test_channels_keep_names_wavelengths_exposure_objective_and_display_colour(tmp_path: Path) -> None:
    found = scan(Czi().write(tmp_path / "a.czi"))
    optics = {"objective": "Plan-Apochromat 20x/0.8", "magnification": 20.0, "numerical_aperture": 0.8}
    assert found.tiles.all_details[0].channels == (
        ChannelInfo(
            channel_label="DAPI", color="0033FF", excitation_nm=400, emission_nm=450, exposure_s=0.1, **optics
        ),
        ChannelInfo(
            channel_label="GFP", color="00FF33", excitation_nm=450, emission_nm=500, exposure_s=0.1, **optics
        ),
    )


def test_channels_without_a_name_or_with_the_same_one_are_told_apart(tmp_path: Path) -> None:
    document = Czi(channels=("", "AF", "AF"), colors=("#FF000000",) * 3)
    channels = scan(document.write(tmp_path / "a.czi")).tiles.all_details[0].channels
    assert channels is not None
    assert [channel.channel_label for channel in channels] == ["channel 1", "AF", "AF 2"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(
    ("dtype", "samples"),
    [("uint8", 1), ("uint16", 1), ("float32", 1), ("uint8", 3), ("uint16", 3)],
)
def test_every_compression_gives_the_same_pixels(
    tmp_path: Path, compression: str, dtype: str, samples: int
) -> None:
    if (compression == "jpeg" and dtype != "uint8") or (compression == "jpegxr" and dtype == "float32"):
        pytest.skip(f"{compression} is not defined for {dtype}")
    document = Czi(compression=compression, dtype=dtype, samples=samples, size_z=1)
    assert_same_pixels(scan(document.write(tmp_path / "a.czi")), document)


def test_colours_become_channels_in_the_order_red_green_blue(tmp_path: Path) -> None:
    document = Czi(channels=("H&amp;E",), samples=3, dtype="uint8", size_z=1)
    (image,) = convert(document.write(tmp_path / "a.czi"), tmp_path / "out")
    channels = scan(tmp_path / "a.czi").tiles.all_details[0].channels
    assert channels is not None
    assert [(channel.channel_label, channel.color) for channel in channels] == [
        ("H&E R", "FF0000"),
        ("H&E G", "00FF00"),
        ("H&E B", "0000FF"),
    ]
    (found,) = fields_of(tmp_path / "out" / image).values()
    assert_array_equal(found[:, 0], document.pixels(0, 0, 0, 0, 0).transpose(2, 0, 1))


def test_the_pyramid_is_left_out(tmp_path: Path) -> None:
    document = Czi(scenes=(Scene("m", MOSAIC),), has_pyramid=True)
    assert_same_pixels(scan(document.write(tmp_path / "a.czi")), replace(document, has_pyramid=False))


def test_tiles_without_a_number_are_told_apart_by_their_place(tmp_path: Path) -> None:
    document = Czi(scenes=(Scene("m", MOSAIC),), numbers_tiles=False)
    found = scan(document.write(tmp_path / "a.czi"))
    assert_same_pixels(found, document)
    assert found.tiles.fov_names == ("FOV_1", "FOV_2", "FOV_3", "FOV_4")


def test_a_file_without_scenes_is_one_image(tmp_path: Path) -> None:
    document = Czi(writes_scene=False, numbers_tiles=False)
    found = scan(document.write(tmp_path / "a.czi"))
    assert_same_pixels(found, document)
    assert [image.path() for image in found.tiles.collections] == ["a.zarr"]


def test_time_stamps_of_planes_give_the_time_spacing(tmp_path: Path) -> None:
    document = Czi(size_t=3)
    found = scan(document.write(tmp_path / "a.czi"))
    assert found.tiles.all_details[0].t_spacing == 30.0
    assert found.acquired is not None
    expected = [document.when(z, c, t).timestamp() for _, _, c, z, t, _ in document.places()]
    assert_allclose(found.acquired, expected, atol=1e-5)


def test_time_stamps_of_the_document_serve_where_planes_have_none(tmp_path: Path) -> None:
    document = Czi(size_t=3, has_times=False, has_time_stamps=True)
    found = scan(document.write(tmp_path / "a.czi"))
    assert found.tiles.all_details[0].t_spacing == 30.0
    assert found.acquired is not None
    assert found.acquired[0] == START.timestamp()


def test_pixels_that_are_not_square_and_lengths_that_are_not_said(tmp_path: Path) -> None:
    found = scan(Czi(pixelsize=(2e-7, 3e-7)).write(tmp_path / "a.czi"))
    details = found.tiles.all_details[0]
    assert (details.pixelsize, details.pixelsize_y, details.z_spacing) == (0.2, 0.3, 1.5)
    found = scan(Czi(pixelsize=None, z_spacing=None).write(tmp_path / "a.czi"))
    assert found.tiles.all_details[0].pixelsize == 1.0
    assert [finding.code for finding in found.findings] == ["assumed-value", "assumed-value"]


def test_a_file_without_metadata_still_has_its_pixels(tmp_path: Path) -> None:
    document = Czi(has_metadata=False, scenes=(Scene("m", MOSAIC),))
    found = scan(document.write(tmp_path / "a.czi"))
    assert_same_pixels(found, document)
    assert [*found.tiles.x[:12:4], *found.tiles.y[:12:4]] == [0.0, 28.0, 0.0, 0.0, 0.0, 20.0]


def test_a_stage_that_counts_against_the_pixels_is_turned(tmp_path: Path) -> None:
    document = Czi(scenes=(Scene("m", MOSAIC),), stage_sign=-1)
    found = scan(document.write(tmp_path / "a.czi"))
    assert_allclose(sorted(set(found.tiles.x)), [1000.0, 1007.0])
    assert_allclose(sorted(set(found.tiles.y)), [2000.0, 2005.0])


def test_what_was_never_written_is_a_known_gap_and_the_rest_is_converted(tmp_path: Path) -> None:
    """A channel with a single plane, and a tile that a stopped run no longer reached."""
    one_plane = {(0, tile, 1, 1, t) for tile in range(2) for t in range(2)}
    stopped = {(0, 1, c, z, 1) for c in range(2) for z in range(2)}
    document = Czi(scenes=(Scene("m", ((0, 0), (32, 0))),), size_t=2, without=frozenset(one_plane | stopped))
    found = scan(document.write(tmp_path / "a.czi"))
    assert_same_pixels(found, document)
    gaps = sorted((gap.fov_name, gap.c, gap.z, gap.t) for gap in found.known_gaps)
    assert gaps == [
        ("FOV_1", 1, 1.5, 0.0),
        ("FOV_1", 1, 1.5, 30.0),
        ("FOV_2", 0, 0.0, 30.0),
        ("FOV_2", 0, 1.5, 30.0),
        ("FOV_2", 1, 0.0, 30.0),
        ("FOV_2", 1, 1.5, 0.0),
        ("FOV_2", 1, 1.5, 30.0),
    ]
    (image,) = convert(tmp_path / "a.czi", tmp_path / "out")
    first, second = fields_of(tmp_path / "out" / image).values()
    assert_array_equal(first[1, 0, 1], document.pixels(0, 0, 0, 1, 1))
    assert_array_equal(second[0, 1, 0], document.pixels(0, 1, 1, 0, 0))
    assert not second[1].any()


@pytest.mark.parametrize(
    ("dimension", "word"),
    [("H", "phase"), ("I", "illumination"), ("V", "view"), ("B", "block"), ("R", "rotation")],
)
def test_further_dimensions_become_channels_and_it_is_said(tmp_path: Path, dimension: str, word: str) -> None:
    document = Czi(extra={dimension: 3})
    found = scan(document.write(tmp_path / "a.czi"))
    assert_same_pixels(found, document)
    channels = found.tiles.all_details[0].channels
    assert channels is not None
    assert [channel.channel_label for channel in channels] == [
        f"{name} {word} {number}" for name in ("DAPI", "GFP") for number in (1, 2, 3)
    ]
    assert [finding.code for finding in found.findings] == ["assumed-value"]
    assert f"dimension {dimension}" in found.findings[0].message


TOUCHING = ((0, 0), (32, 0), (0, 24), (32, 24))
SIZED = AcquisitionOptions(pixel_info=PixelSizeModel(pixelsize=0.5))


@pytest.mark.parametrize("said", [None, (2.5e-7, 2.5e-7), (2.5e-7, 3e-7)], ids=["nothing", "0.25", "oblong"])
@pytest.mark.parametrize("tiling_mode", ["Auto", "Inplace"])
def test_tiles_still_touch_where_the_user_says_another_pixel_size(
    tmp_path: Path, said: tuple[float, float] | None, tiling_mode: str
) -> None:
    document = Czi(scenes=(Scene("m", TOUCHING),), pixelsize=said, size_z=1)
    source = document.write(tmp_path / "a.czi")
    (image,) = convert(source, tmp_path / "out", acquisition=SIZED.model_dump(), tiling_mode=tiling_mode)
    pixels = zarr.open_array(tmp_path / "out" / image / "0", mode="r")[...]
    assert scale_of(tmp_path / "out" / image)["x"] == 0.5
    whole = [[document.pixels(0, tile, c, 0, 0) for tile in range(4)] for c in range(2)]
    expected = [[np.block([[a, b], [c, d]])] for a, b, c, d in whole]
    assert_array_equal(pixels, expected)


def test_a_mosaic_stays_where_zen_registered_it_and_single_fields_do_not(tmp_path: Path) -> None:
    tiles = ((0, 0), (29, 1), (59, -1))
    document = Czi(scenes=(Scene("m", tiles),), size_z=1)
    found = scan(document.write(tmp_path / "m.czi"))
    assert found.tiles.all_details[0].registered
    (image,) = convert(tmp_path / "m.czi", tmp_path / "out", tiling_mode="Auto")
    pixels = np.asarray(zarr.open_array(tmp_path / "out" / image / "0", mode="r")[...])
    assert pixels.shape == (2, 1, 26, 91)
    assert_array_equal(pixels[0, 0, 0:24, 61:91], document.pixels(0, 2, 0, 0, 0)[:, 2:])
    single = Czi(scenes=(Scene("a", well=(1, 1)), Scene("b", well=(1, 1), stage=(1008.0, 2000.0))))
    assert not scan(single.write(tmp_path / "s.czi")).tiles.all_details[0].registered


@pytest.mark.parametrize("dimension", [*"ZTHIVRB"])
def test_what_is_stored_at_another_size_only_is_refused(tmp_path: Path, dimension: str) -> None:
    sizes = {"Z": {"size_z": 2}, "T": {"size_t": 2}}.get(dimension, {"extra": {dimension: 2}})
    document = Czi(**{"size_z": 1, **sizes}, half_size=((dimension, 1),))
    with pytest.raises(
        SourceError, match=rf"expected pixels at full size, found .*{dimension}=1.* stored at"
    ):
        scan(document.write(tmp_path / "a.czi"))


def test_a_stopped_run_of_colours_is_converted_without_filling(tmp_path: Path) -> None:
    document = Czi(
        scenes=(Scene("m", ((0, 0), (32, 0))),),
        channels=("H&amp;E",),
        samples=3,
        dtype="uint8",
        size_z=1,
        size_t=2,
        without=frozenset({(0, 1, 0, 0, 1)}),
    )
    (image,) = convert(document.write(tmp_path / "a.czi"), tmp_path / "out")
    first, second = fields_of(tmp_path / "out" / image).values()
    assert_array_equal(first[1, :, 0], document.pixels(0, 0, 0, 0, 1).transpose(2, 0, 1))
    assert_array_equal(second[0, :, 0], document.pixels(0, 1, 0, 0, 0).transpose(2, 0, 1))
    assert not second[1].any()


def test_files_that_share_a_well_are_fields_of_one_image_with_the_channels_of_both(tmp_path: Path) -> None:
    folder = tmp_path / "screen"
    folder.mkdir()
    first = Czi(scenes=(Scene("x", well=(1, 1)), Scene("y", well=(1, 2))), size_z=1)
    second = Czi(scenes=(Scene("z", well=(1, 1), stage=(1008.0, 2000.0)),), channels=("GFP", "RFP"), size_z=1)
    first.write(folder / "a.czi")
    second.write(folder / "b.czi")
    assert sorted(convert(folder, tmp_path / "out")) == ["screen.zarr/A/01/0", "screen.zarr/A/02/0"]
    found = scan(folder)
    assert {
        detail.channels and tuple(c.channel_label for c in detail.channels)
        for detail in found.tiles.all_details
    } == {("DAPI", "GFP", "RFP")}
    fields = fields_of(tmp_path / "out" / "screen.zarr/A/01/0")
    assert list(fields) == ["FOV_1", "FOV_2"]
    nothing = np.zeros((24, 32))
    assert_array_equal(
        fields["FOV_1"][:, 0], [first.pixels(0, 0, 0, 0, 0), first.pixels(0, 0, 1, 0, 0), nothing]
    )
    assert_array_equal(
        fields["FOV_2"][:, 0], [nothing, second.pixels(0, 0, 0, 0, 0), second.pixels(0, 0, 1, 0, 0)]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pixelsize": (5e-7, 5e-7)},
            "expected pixelsize 0.25 µm as in a.czi, which has the same well, found 0.5 µm",
        ),
        ({"z_spacing": 3e-6}, "expected z_spacing 1.5 µm as in a.czi, which has the same well, found 3 µm"),
    ],
)
def test_files_that_share_a_well_and_differ_in_size_are_both_named(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    one = Czi(scenes=(Scene("x", well=(1, 1)),))
    one.write(tmp_path / "a.czi")
    replace(one, **changes).write(tmp_path / "b.czi")
    with pytest.raises(SourceError, match=f"b.czi: {message}"):
        scan(tmp_path)


def test_a_file_and_the_folder_that_holds_only_it_make_the_same_images(tmp_path: Path) -> None:
    file = Czi(scenes=(Scene("D6", MOSAIC, (4, 6)),)).write(tmp_path / "a.czi")
    assert fingerprints(CziSource(), file, "P") == fingerprints(CziSource(), tmp_path, "P")


def test_files_in_a_subfolder_are_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "day 1").mkdir()
    Czi().write(tmp_path / "day 1" / "a.czi")
    with pytest.raises(SourceError, match="found some in its subfolder day 1 only: give that one"):
        scan(tmp_path)


def test_images_without_a_size_are_named_and_counted_once(tmp_path: Path) -> None:
    for name in "abc":
        Czi(pixelsize=None, size_z=1).write(tmp_path / f"{name}.czi")
    Czi(size_z=1).write(tmp_path / "known.czi")
    (said,) = scan(tmp_path).findings
    assert (said.severity, said.code, said.where) == ("warning", "assumed-value", "a.zarr")
    assert "expected the source to say pixelsize, found nothing (nor of 2 other images): 1 is" in said.message


def test_the_last_number_is_seen_where_tiles_overlap_whenever_it_was_written(tmp_path: Path) -> None:
    tiles = ((0, 0), (28, 0))
    document = Czi(scenes=(Scene("m", tiles),), size_z=1, channels=("a",), reverses_tiles=True)
    (image,) = convert(document.write(tmp_path / "a.czi"), tmp_path / "out")
    pixels = np.asarray(zarr.open_array(tmp_path / "out" / image / "0", mode="r")[0, 0])
    assert_array_equal(pixels[:, 28:], document.pixels(0, 1, 0, 0, 0))
    assert_array_equal(pixels[:, :28], document.pixels(0, 0, 0, 0, 0)[:, :28])


def test_transparency_that_is_dropped_is_said(tmp_path: Path) -> None:
    document = Czi(channels=("a",), samples=4, dtype="uint8", size_z=1)
    source = document.write(tmp_path / "a.czi")
    assert [finding.code for finding in tiles2zarr.inspect(source).findings] == ["dropped-alpha"]
    (image,) = convert(source, tmp_path / "out")
    (found,) = fields_of(tmp_path / "out" / image).values()
    assert_array_equal(found[:, 0], document.pixels(0, 0, 0, 0, 0)[..., :3].transpose(2, 0, 1))


def test_a_document_in_several_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected a document in one file"):
        scan(Czi(part=1).write(tmp_path / "a.czi"))


@pytest.mark.parametrize("compression", ["none", "zstd1", "jpegxr"])
def test_a_file_that_was_cut_off_anywhere_is_refused_in_one_line(tmp_path: Path, compression: str) -> None:
    document = Czi(size_z=1, compression=compression, has_time_stamps=True)
    whole = document.write(tmp_path / "whole.czi").read_bytes()
    file = tmp_path / "cut.czi"
    for length in (
        0,
        1,
        20,
        31,
        100,
        511,
        544,
        len(whole) // 3,
        len(whole) // 2,
        len(whole) * 3 // 4,
        len(whole) - 1,
    ):
        file.write_bytes(whole[:length])
        with pytest.raises(SourceError) as refused:
            scan(file)
        assert str(file) in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_damaged_file_is_refused_or_read_but_never_breaks(tmp_path: Path) -> None:
    whole = Czi(size_z=1, compression="zstd1").write(tmp_path / "whole.czi").read_bytes()
    file = tmp_path / "damaged.czi"
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 30):
            data[place] = random.integers(256)
        file.write_bytes(data)
        try:
            found = scan(file)
            for loader in found.tiles.loaders:
                loader.load_data(found.resource)
        except SourceError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 30


def test_positions_keep_the_pixel_grid_where_the_stage_is_wrong_for_one_tile() -> None:
    corners = np.array([0.0, 10.0, 20.0, 30.0])
    stage = np.array([100.0, 110.0, 110.0, np.nan])
    scenes = np.zeros(4, np.int64)
    found = stage_positions(corners, stage, scenes, np.full(4, np.nan))
    assert_array_equal(found, [100.0, 110.0, 120.0, 130.0])


@given(
    steps=st.lists(st.integers(0, 500), min_size=2, max_size=20, unique=True),
    size=st.sampled_from([0.1, 0.325, 1.6]),
    offset=st.floats(-1e5, 1e5),
    sign=st.sampled_from([1.0, -1.0]),
)
def test_positions_are_whole_pixels_apart_and_where_the_stage_was(
    steps: list[int], size: float, offset: float, sign: float
) -> None:
    corners = np.array(steps) * size
    one_scene = np.zeros(len(steps), np.int64)
    found = stage_positions(corners, sign * (corners + offset), one_scene, np.full(len(steps), np.nan))
    assert_allclose(found, corners + offset, atol=1e-6)


def test_a_scene_without_stage_positions_follows_the_others_or_its_own_centre() -> None:
    corners = np.array([0.0, 10.0, 500.0])
    scenes = np.array([0, 0, 1])
    stage = np.array([100.0, 110.0, np.nan])
    assert_array_equal(stage_positions(corners, stage, scenes, np.full(3, 7.0)), [100.0, 110.0, 600.0])
    nothing = np.full(3, np.nan)
    assert_array_equal(
        stage_positions(corners, nothing, scenes, np.array([50.0, 50.0, 9.0])), [45.0, 55.0, 9.0]
    )
    assert_array_equal(stage_positions(corners, nothing, scenes, nothing), corners)


@pytest.mark.parametrize(
    ("options", "dtype", "samples"),
    [
        (None, "uint8", 1),
        (None, "uint16", 1),
        (None, "float32", 1),
        (None, "uint8", 3),
        (None, "uint16", 3),
        ("zstd0:ExplicitLevel=3", "uint16", 1),
        ("zstd1:ExplicitLevel=2;PreProcess=HiLoByteUnpack", "uint8", 1),
        ("zstd1:ExplicitLevel=2;PreProcess=HiLoByteUnpack", "uint16", 1),
        ("zstd1:ExplicitLevel=2;PreProcess=HiLoByteUnpack", "uint8", 3),
        ("zstd1:ExplicitLevel=2;PreProcess=HiLoByteUnpack", "uint16", 3),
    ],
)
def test_files_of_the_vendors_own_library_are_read_tile_by_tile(
    tmp_path: Path, options: str | None, dtype: str, samples: int
) -> None:
    vendor = pytest.importorskip("pylibCZIrw.czi", reason="Zeiss' library is not installed")
    document = Czi(
        scenes=(Scene("a", MOSAIC), Scene("b", tuple((x + 900, y) for x, y in MOSAIC))),
        size_t=2,
        dtype=dtype,
        samples=samples,
    )
    file = tmp_path / "vendor.czi"
    with vendor.create_czi(str(file), compression_options=options) as writer:
        for scene, tile, c, z, t, _ in document.places():
            data = document.pixels(scene, tile, c, z, t)
            stored = data[..., None] if samples == 1 else np.ascontiguousarray(data[..., ::-1])
            location = document.scenes[scene].tiles[tile]
            writer.write(stored, location=location, plane={"C": c, "Z": z, "T": t}, scene=scene)
        writer.write_metadata(
            "a", channel_names={0: "one", 1: "two"}, scale_x=2.5e-7, scale_y=2.5e-7, scale_z=1e-6
        )
    found = scan(file)
    tiles = found.tiles
    assert len(tiles) == len(list(document.places()))
    for row, tile in enumerate(tiles):
        scene, field = int(tiles.collection[row]), int(tiles.fov[row])
        place = (scene, field, tile.start_c // samples, int(tile.start_z), int(tile.start_t))
        assert_array_equal(pixels(found, row), document.pixels(*place))
        assert (tile.start_x, tile.start_y) == tuple(0.25 * at for at in document.scenes[scene].tiles[field])
    assert len(set(zip(tiles.collection, tiles.fov, tiles.c, tiles.z, tiles.t, strict=True))) == len(tiles)
    assert (tiles.all_details[0].pixelsize, tiles.all_details[0].z_spacing) == (0.25, 1.0)


def test_the_vendors_own_library_reads_what_the_simulator_writes(tmp_path: Path) -> None:
    vendor = pytest.importorskip("pylibCZIrw.czi", reason="Zeiss' library is not installed")
    scenes = (Scene("a", ((0, 0), (40, 0))), Scene("b", ((500, 0),)))
    document = Czi(scenes=scenes, compression="zstd1", has_pyramid=True, has_time_stamps=True)
    with vendor.open_czi(str(document.write(tmp_path / "a.czi"))) as opened:
        for scene, tile, c, z, t, _ in document.places():
            region = (*document.scenes[scene].tiles[tile], document.width, document.height)
            found = opened.read(roi=region, plane={"C": c, "Z": z, "T": t}, scene=scene)
            assert_array_equal(found[..., 0], document.pixels(scene, tile, c, z, t))


def test_ten_thousand_planes_are_scanned_at_once(tmp_path: Path) -> None:
    tiles = tuple((4 * column, 4 * row) for row in range(25) for column in range(25))
    document = Czi(scenes=(Scene("m", tiles),), size_z=8, height=4, width=4)
    found = scan(document.write(tmp_path / "a.czi"))
    assert len(found.tiles) == 10_000
    assert len(set(zip(found.tiles.x.tolist(), found.tiles.y.tolist(), strict=True))) == 625
