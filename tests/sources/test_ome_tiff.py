"""OME-TIFF: single files, sets, companions and plates."""

from __future__ import annotations

import gc
import itertools
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr

import tiles2zarr
from tests.simulators.ome_tiff import Field, Image, OmeTiff, Plate, simple_plate
from tests.simulators.scanr import Scanr
from tests.simulators.truth import convert, fields_of, fingerprints, scale_of
from tiles2zarr.errors import PreflightError, SourceError
from tiles2zarr.models import ChannelInfo, ImageInPlate
from tiles2zarr.sources import detect_source
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.ome_tiff import OmeTiffSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.simulators.ome_tiff import Mode
    from tiles2zarr.sources.base import Scan

SMALL = Image(channels=("a",), size_z=1)


def scan(path: Path, **request: Any) -> Scan:
    return OmeTiffSource().scan(ScanRequest(path, **request))


def paths(found: Scan) -> list[str]:
    return sorted(collection.path() for collection in found.tiles.collections)


def codes(found: Scan) -> list[tuple[str, str]]:
    return [(finding.severity, finding.code) for finding in found.findings]


def stored(image: Path) -> NDArray[Any]:
    """Axes t (if there are several), c, z, y, x."""
    return np.asarray(zarr.open_array(image / "0", mode="r")[...])


def assert_converts(source: Path, dest: Path, images: dict[str, Image], **options: Any) -> None:
    """The source becomes these images, pixel by pixel."""
    assert sorted(convert(source, dest, format="ome_tiff", **options)) == sorted(images)
    for path, image in images.items():
        truth = image.truth()
        np.testing.assert_array_equal(stored(dest / path), truth if image.size_t > 1 else truth[0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.mark.parametrize("order", ["XYZCT", "XYZTC", "XYCTZ", "XYCZT", "XYTCZ", "XYTZC"])
@pytest.mark.parametrize("blocks", [True, False], ids=["blocks", "no blocks"])
def test_every_order_of_dimensions_is_read_with_and_without_blocks(
    order: str, blocks: bool, folder: Path, tmp_path: Path
) -> None:
    image = Image(order=order, size_z=3, size_t=2, seconds=30)
    source = OmeTiff((image,), blocks=blocks).write(folder)
    assert_converts(source, tmp_path / "out", {"set.zarr": image})


@pytest.mark.parametrize("mode", ["one", "per_image", "per_plane"])
@pytest.mark.parametrize("companion", [True, False], ids=["companion", "embedded"])
def test_pages_may_be_spread_over_files_in_any_way(
    mode: Mode, companion: bool, folder: Path, tmp_path: Path
) -> None:
    images = (Image("first", size_t=2), Image("second", channels=("x",), size_z=3))
    source = OmeTiff(images, mode=mode, companion=companion).write(folder)
    own = "set" if companion or mode == "one" else {"per_image": "set_0", "per_plane": "set_0_0"}[mode]
    expected = {f"{own}/first.zarr": images[0], f"{own}/second.zarr": images[1]}
    assert_converts(source, tmp_path / "out", expected)


def test_an_image_in_many_files_is_called_by_its_own_name(folder: Path, tmp_path: Path) -> None:
    image = Image("tubhiswt.ome.tif", size_t=2)
    source = OmeTiff((image,), mode="per_plane", stem="tubhiswt_C0_TP").write(folder)
    assert_converts(source, tmp_path / "out", {"tubhiswt.zarr": image})


@pytest.mark.parametrize("given", ["set.companion.ome", "set_0_1.ome.tif", "set_0_0.ome.tif"])
def test_any_file_of_a_set_stands_for_the_set(given: str, folder: Path, tmp_path: Path) -> None:
    source = OmeTiff((Image(),), mode="per_plane", companion=True).write(folder)
    assert OmeTiffSource().detect(source / given) is not None
    found = scan(source / given)
    assert (paths(found), len(found.tiles)) == (["set.zarr"], 4)
    assert found.metadata_files == (folder / "set.companion.ome",)


def test_a_folder_of_independent_files_becomes_as_many_images(folder: Path, tmp_path: Path) -> None:
    images = {f"{name}.zarr": Image(name, size_z=z) for name, z in (("a", 1), ("b", 2), ("c", 3))}
    for path, image in images.items():
        OmeTiff((image,), stem=path.removesuffix(".zarr")).write(folder)
    assert_converts(folder, tmp_path / "out", images)
    assert paths(scan(folder / "b.ome.tif")) == ["b.zarr"]


def test_images_of_one_file_may_differ_in_size_and_type_and_share_a_name(
    folder: Path, tmp_path: Path
) -> None:
    images = (
        Image("s"),
        Image("s", height=10, width=12, size_z=1),
        Image("", dtype="uint8", channels=("q",)),
    )
    source = OmeTiff(images).write(folder)
    expected = dict(zip(["set/s.zarr", "set/s_2.zarr", "set/image_3.zarr"], images, strict=True))
    assert_converts(source, tmp_path / "out", expected)


def test_names_of_images_become_valid_paths(folder: Path) -> None:
    images = tuple(replace(SMALL, name=name) for name in ("DAPI/GFP <1>", "b.ome.tif #2", "c.ome.tiff"))
    assert paths(scan(OmeTiff(images).write(folder))) == [
        "set/DAPI_GFP _1.zarr",
        "set/b.ome.tif _2.zarr",
        "set/c.zarr",
    ]


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.tiff", ".tif", ".OME.TIF", ".ome.btf"])
def test_the_content_decides_whatever_the_suffix(suffix: str, folder: Path, tmp_path: Path) -> None:
    source = OmeTiff((Image(),), suffix=suffix, big=suffix == ".ome.btf").write(folder)
    assert OmeTiffSource().detect(source) is not None
    assert_converts(source, tmp_path / "out", {"set.zarr": Image()})


@pytest.mark.parametrize("schema", ["2013-06", "2015-01", "2016-06"])
@pytest.mark.parametrize("prefix", ["", "OME"])
def test_every_version_and_prefix_is_read(schema: str, prefix: str, folder: Path) -> None:
    found = scan(OmeTiff((Image(),), schema=schema, prefix=prefix).write(folder))
    assert (paths(found), len(found.tiles)) == (["set.zarr"], 4)


def test_colours_become_three_channels(folder: Path, tmp_path: Path) -> None:
    image = Image(channels=("",), colors=3, dtype="uint8")
    source = OmeTiff((image,)).write(folder)
    (details,) = scan(source).tiles.all_details
    assert [(one.channel_label, one.color) for one in details.channels or ()] == [
        ("R", "FF0000"),
        ("G", "00FF00"),
        ("B", "0000FF"),
    ]
    assert_converts(source, tmp_path / "out", {"set.zarr": image})


def test_channels_keep_all_that_is_said_of_them(folder: Path) -> None:
    attributes = (
        'Color="16711935" ExcitationWavelength="405" EmissionWavelength="461.5"',
        'Color="-1" ExcitationWavelength="0.488" ExcitationWavelengthUnit="µm"',
    )
    instruments = (
        '<Instrument ID="Instrument:0"><Objective ID="Objective:0" Model="Plan 20x" NominalMagnification="20" '
        'LensNA="0.8"/></Instrument>'
    )
    image = Image(attributes=attributes, seconds=10, size_t=2)
    (details,) = scan(OmeTiff((image,), instruments=instruments).write(folder)).tiles.all_details
    common = {"objective": "Plan 20x", "magnification": 20, "numerical_aperture": 0.8}
    assert details.channels == (
        ChannelInfo(
            channel_label="DAPI",
            color="00FF00",
            excitation_nm=405,
            emission_nm=461.5,
            exposure_s=0.05,
            **common,
        ),
        ChannelInfo(channel_label="GFP", excitation_nm=488, exposure_s=0.1, **common),
    )


def test_nameless_channels_are_numbered_and_equal_names_told_apart(folder: Path) -> None:
    (details,) = scan(OmeTiff((Image(channels=("", "GFP", "GFP")),)).write(folder)).tiles.all_details
    assert [one.channel_label for one in details.channels or ()] == ["channel_0", "GFP", "GFP 2"]


def test_spacings_are_the_stated_ones_else_those_of_the_planes(folder: Path, tmp_path: Path) -> None:
    stated = Image(
        "a",
        size_t=2,
        pixels='PhysicalSizeX="500" PhysicalSizeXUnit="nm" PhysicalSizeY="0.25" '
        'PhysicalSizeZ="0.003" PhysicalSizeZUnit="mm" TimeIncrement="2" TimeIncrementUnit="min"',
    )
    measured = Image(
        "b",
        size_t=3,
        z_step=1.25,
        seconds=30,
        pixels='PhysicalSizeX="0.5" TimeIncrement="7"',
        date="2026-03-04T05:06:07",
    )
    OmeTiff((stated,), stem="a").write(folder)
    OmeTiff((measured,), stem="b").write(folder)
    convert(folder, tmp_path / "out")
    assert scale_of(tmp_path / "out/a.zarr") == {"t": 120, "c": 1, "z": pytest.approx(3), "y": 0.25, "x": 0.5}
    assert scale_of(tmp_path / "out/b.zarr") == {"t": 30, "c": 1, "z": 1.25, "y": 0.5, "x": 0.5}
    times = scan(folder / "b.ome.tif").acquired
    assert times is not None
    assert sorted(set((times - 1772600767).round(2).tolist())) == [0, 0.25, 30, 30.25, 60, 60.25]


def test_nothing_stated_is_assumed_and_said(folder: Path) -> None:
    found = scan(OmeTiff((Image(pixels="", size_t=2),)).write(folder))
    assert codes(found) == [("warning", "assumed-value")] * 3


@pytest.mark.parametrize("said", ['PhysicalSizeX="1e300"', 'PhysicalSizeX="1e-300"', 'PhysicalSizeX="inf"'])
def test_placeholders_are_no_sizes(said: str, folder: Path) -> None:
    found = scan(OmeTiff((replace(SMALL, pixels=said),)).write(folder))
    assert codes(found) == [("warning", "assumed-value")]
    assert found.tiles.all_details[0].pixelsize == 1


def test_times_that_no_clock_shows_are_no_times(folder: Path) -> None:
    found = scan(OmeTiff((replace(SMALL, size_t=2, seconds=1e300),)).write(folder))
    assert ("warning", "assumed-value") in codes(found)
    assert found.tiles.all_details[0].t_spacing == 1


# Names on disk


def test_a_renamed_file_is_its_own(folder: Path, tmp_path: Path) -> None:
    OmeTiff((Image(),), stem="before").write(folder)
    (folder / "before.ome.tif").rename(folder / "after.ome.tif")
    assert_converts(folder, tmp_path / "out", {"after.zarr": Image()})


def test_a_copy_beside_the_original_is_an_image_of_its_own(folder: Path, tmp_path: Path) -> None:
    OmeTiff((Image(),), stem="a").write(folder)
    shutil.copy(folder / "a.ome.tif", folder / "b.ome.tif")
    assert_converts(folder, tmp_path / "out", {"a.zarr": Image(), "b.zarr": Image()})


@pytest.mark.parametrize("companion", [True, False], ids=["companion", "embedded"])
def test_renamed_files_of_a_set_are_found_by_their_identity_and_said(
    companion: bool, folder: Path, tmp_path: Path
) -> None:
    image = Image(size_z=3)
    OmeTiff((image,), mode="per_plane", companion=companion).write(folder)
    files = sorted(folder.glob("*.ome.tif"))
    for number, file in enumerate(files[:-1]):
        file.rename(folder / f"{9 - number} plane.tif")
    name = "set.zarr" if companion else "image.zarr"
    assert_converts(folder, tmp_path / "out", {name: image})
    found = scan(folder)
    assert set(codes(found)) == {("info", "renamed-file")}


def test_files_that_lost_a_part_of_their_suffix_are_found_by_their_stem(folder: Path, tmp_path: Path) -> None:
    OmeTiff((Image(),), mode="per_plane", companion=True).write(folder)
    for file in folder.glob("*.ome.tif"):
        tifffile.imwrite(
            folder / file.name.replace(".ome.tif", ".tiff"),
            tifffile.imread(file, is_ome=False),
            metadata=None,
        )
        file.unlink()
    assert_converts(folder, tmp_path / "out", {"set.zarr": Image()})


def test_names_may_hold_folders_of_the_computer_that_wrote_them(folder: Path, tmp_path: Path) -> None:
    OmeTiff((Image(),), mode="per_plane", companion=True).write(folder)
    companion = folder / "set.companion.ome"
    companion.write_text(companion.read_text().replace('FileName="', 'FileName="D:\\data\\run 1\\'))
    assert_converts(folder, tmp_path / "out", {"set.zarr": Image()})


def test_a_companion_may_name_files_in_a_folder_below(folder: Path, tmp_path: Path) -> None:
    OmeTiff((Image(),), mode="per_plane", companion=True).write(folder)
    companion = folder / "set.companion.ome"
    companion.write_text(companion.read_text().replace('FileName="', 'FileName="below\\'))
    (folder / "below").mkdir()
    for file in list(folder.glob("*.tif")):
        file.rename(folder / "below" / file.name)
    assert_converts(folder, tmp_path / "out", {"set.zarr": Image()})


def test_a_renamed_companion_is_found_by_its_identity(folder: Path) -> None:
    OmeTiff((Image(),), mode="per_plane", companion=True).write(folder)
    (folder / "set.companion.ome").rename(folder / "other.companion.ome")
    for path in (folder, folder / "set_0_0.ome.tif"):
        assert (paths(scan(path)), len(scan(path).tiles)) == (["other.zarr"], 4)


def test_a_document_beside_tiffs_may_leave_out_their_names(folder: Path, tmp_path: Path) -> None:
    OmeTiff((Image("cells"),), blocks=False, suffix=".tif").write(folder)
    (folder / "set.ome.xml").write_text(OmeTiff((Image("cells"),), blocks=False).xml(""))
    pages = tifffile.imread(folder / "set.tif", is_ome=False)
    tifffile.imwrite(folder / "set.tif", pages, metadata=None, photometric="minisblack")
    assert_converts(folder, tmp_path / "out", {"set.zarr": Image("cells")})
    (folder / "set.tif").rename(folder / "cells.tif")
    assert_converts(folder, tmp_path / "again", {"set.zarr": Image("cells")})


def test_a_lost_companion_is_named(folder: Path) -> None:
    OmeTiff((Image(),), mode="per_plane", companion=True).write(folder)
    (folder / "set.companion.ome").unlink()
    for path in (folder, folder / "set_0_0.ome.tif"):
        with pytest.raises(
            SourceError, match=r"set_0_0.ome.tif: expected its metadata in 'set.companion.ome'"
        ):
            scan(path)


def test_tiffs_that_lost_their_companion_do_not_keep_others_from_being_read(folder: Path) -> None:
    OmeTiff((Image(),), mode="per_plane", companion=True, stem="lost").write(folder)
    (folder / "lost.companion.ome").unlink()
    OmeTiff((Image(),)).write(folder)
    found = scan(folder)
    assert (paths(found), codes(found)) == (["set.zarr"], [("warning", "unused-file")])
    assert "'lost.companion.ome'" in found.findings[0].message


def test_a_lost_file_is_found_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    OmeTiff((Image(),), mode="per_plane", companion=True).write(folder)
    (folder / "set_0_2.ome.tif").unlink()
    with pytest.raises(PreflightError) as refused:
        tiles2zarr.convert(folder, tmp_path / "out")
    assert [finding.code for finding in refused.value.findings if finding.severity == "error"] == [
        "missing-file"
    ]
    assert not (tmp_path / "out" / "set.zarr").exists()


def test_other_tiffs_are_left_out_and_said(folder: Path) -> None:
    OmeTiff((Image(),)).write(folder)
    tifffile.imwrite(folder / "overview.tif", np.zeros((4, 4), "uint8"))
    (folder / "._set.ome.tif").write_bytes(b"Mac OS X")
    found = scan(folder)
    assert codes(found) == [("info", "unused-file")]
    assert "overview.tif" in found.findings[0].message


def test_a_document_whose_files_are_elsewhere_gives_way_to_tiffs_that_know_themselves(folder: Path) -> None:
    OmeTiff((Image(),)).write(folder)
    (folder / "old.companion.ome").write_text(OmeTiff((Image(),), stem="gone").xml(""))
    found = scan(folder)
    assert (paths(found), codes(found)) == (["set.zarr"], [("warning", "unused-file")])


# Plates


def plate_truth(plate: OmeTiff, fields: Sequence[int]) -> dict[str, NDArray[Any]]:
    return {f"FOV_{number + 1}": plate.images[image].truth()[0] for number, image in enumerate(fields)}


def assert_fields(image: Path, expected: dict[str, NDArray[Any]]) -> None:
    found = fields_of(image)
    assert list(found) == list(expected)
    for name, pixels in expected.items():
        np.testing.assert_array_equal(found[name], pixels)


@pytest.mark.parametrize("mode", ["one", "per_image", "per_plane"])
def test_a_plate_becomes_wells_and_fields(mode: Mode, folder: Path, tmp_path: Path) -> None:
    plate = replace(simple_plate(), mode=mode, companion=mode == "per_plane")
    found = convert(plate.write(folder), tmp_path / "out")
    assert found == ["images.zarr/B/02/0", "images.zarr/C/04/0"]
    for path, fields in zip(found, ((0, 1), (2, 3)), strict=True):
        assert_fields(tmp_path / "out" / path, plate_truth(plate, fields))


def test_rows_and_columns_are_counted_whatever_they_are_called(folder: Path) -> None:
    listed = simple_plate(wells=((0, 0), (31, 47)))
    swapped = 'RowNamingConvention="number" ColumnNamingConvention="letter"'
    for number, attributes in enumerate((swapped, f'{swapped} Rows="8" Columns="12"', "")):
        plate = replace(listed, plates=(replace(listed.plates[0], attributes=attributes),))
        found = scan(plate.write(folder / str(number)))
        assert paths(found) == [f"{number}.zarr/A/01/0", f"{number}.zarr/AF/48/0"]


@pytest.mark.parametrize(("row", "column"), [(702, 0), (0, 999)])
def test_wells_outside_any_plate_are_refused(row: int, column: int, folder: Path) -> None:
    source = simple_plate(wells=((row, column),), channels=("a",)).write(folder)
    with pytest.raises(SourceError, match=f"expected wells within 702 rows and 999 columns, found row {row}"):
        scan(source)


def test_each_plate_acquisition_is_an_acquisition(folder: Path, tmp_path: Path) -> None:
    images = tuple(replace(SMALL, name=f"image {number}") for number in range(5))
    wells = ((0, 0, (Field(0, run=0), Field(1, run=1))), (0, 1, (Field(2, run=1), Field(3, run=0), Field(4))))
    plate = OmeTiff(images, (Plate(wells=wells, runs=2),))
    found = scan(plate.write(folder), acquisition_id=3)
    assert paths(found) == [
        "images.zarr/A/01/3",
        "images.zarr/A/01/4",
        "images.zarr/A/02/3",
        "images.zarr/A/02/4",
        "images.zarr/A/02/5",
    ]
    assert codes(found) == [("info", "assumed-value")]
    assert "1 in none: they become acquisition 5" in found.findings[0].message
    convert(folder, tmp_path / "out")
    for path, image in (("A/01/0", 0), ("A/01/1", 1), ("A/02/0", 3), ("A/02/1", 2), ("A/02/2", 4)):
        expected = images[image].truth()[0]
        np.testing.assert_array_equal(stored(tmp_path / "out" / "images.zarr" / path), expected)


def test_one_plate_acquisition_holds_all_fields_even_those_it_does_not_list(folder: Path) -> None:
    wells = ((0, 0, (Field(0, (0, 0), run=0), Field(1, (16, 0)))),)
    plate = OmeTiff((SMALL, replace(SMALL, name="b")), (Plate(wells=wells, runs=1),))
    found = scan(plate.write(folder))
    assert (paths(found), found.tiles.fov_names) == (["images.zarr/A/01/0"], ("FOV_1", "FOV_2"))


def test_positions_of_samples_go_before_those_of_planes_where_they_tell_fields_apart(folder: Path) -> None:
    images = tuple(replace(SMALL, name=str(n), position=(500.0 * n, 0)) for n in range(2))
    for number, (places, expected) in enumerate(
        [
            (((1, 2), (3, 4)), ([1, 3], [2, 4])),
            (((0, 0), (0, 0)), ([0, 500], [0, 0])),
            (((1, 2), None), ([0, 500], [0, 0])),
            ((None, None), ([0, 500], [0, 0])),
        ]
    ):
        wells = ((0, 0, tuple(Field(n, place) for n, place in enumerate(places))),)
        found = scan(OmeTiff(images, (Plate(wells=wells),)).write(folder / str(number)))
        assert (found.tiles.x.tolist(), found.tiles.y.tolist(), found.findings) == (*expected, ())


def test_fields_without_positions_are_laid_out_side_by_side_and_that_is_said(
    folder: Path, tmp_path: Path
) -> None:
    images = tuple(replace(SMALL, name=str(number)) for number in range(5))
    plate = OmeTiff(images, (Plate(wells=((0, 0, tuple(map(Field, range(5)))),)),))
    found = scan(plate.write(folder))
    assert codes(found) == [("warning", "assumed-value")]
    assert found.tiles.x.tolist() == [0, 16, 32, 0, 16]
    assert found.tiles.y.tolist() == [0, 0, 0, 12, 12]
    (path,) = convert(folder, tmp_path / "out")
    assert_fields(tmp_path / "out" / path, plate_truth(plate, range(5)))


@pytest.mark.parametrize("unit", ["pixel", "reference frame", None])
@pytest.mark.parametrize("of_samples", [False, True], ids=["planes", "samples"])
def test_fields_still_touch_where_the_user_says_another_pixel_size(
    unit: str | None, of_samples: bool, folder: Path, tmp_path: Path
) -> None:
    places = [(32.0 * (number % 2), 24.0 * (number // 2)) for number in range(4)]
    images = [replace(SMALL, name=str(number)) for number in range(4)]
    fields = tuple(map(Field, range(4)))
    if unit is not None and of_samples:
        fields = tuple(Field(number, place, unit=unit) for number, place in enumerate(places))
    elif unit is not None:
        images = [
            replace(image, position=place, position_unit=unit)
            for image, place in zip(images, places, strict=True)
        ]
    OmeTiff(tuple(images), (Plate(wells=((0, 0, fields),)),)).write(folder)
    options = {"pixel_info": {"pixelsize": 0.25}}
    (path,) = convert(folder, tmp_path / "out", acquisition=options, tiling_mode="Inplace")
    a, b, c, d = (image.plane(0, 0, 0) for image in images)
    np.testing.assert_array_equal(stored(tmp_path / "out" / path), [[np.block([[a, b], [c, d]])]])


def test_a_folder_and_the_companion_of_its_only_set_make_the_same_images(folder: Path) -> None:
    OmeTiff((Image("a"), Image("b")), companion=True, mode="per_image").write(folder)
    of_folder = fingerprints(OmeTiffSource(), folder)
    for file in ("set.companion.ome", "set_0.ome.tif", "set_1.ome.tif"):
        assert fingerprints(OmeTiffSource(), folder / file) == of_folder
    simple_plate().write(folder.parent / "plate")
    one = OmeTiff((SMALL,), (Plate(wells=((0, 0, (Field(0),)),)),)).write(folder.parent / "one")
    assert fingerprints(OmeTiffSource(), one, "P") == fingerprints(OmeTiffSource(), one / "set.ome.tif", "P")


def test_files_in_a_subfolder_are_pointed_at(folder: Path) -> None:
    OmeTiff((SMALL,)).write(folder / "day 1")
    with pytest.raises(SourceError, match="found some in its subfolder day 1 only: give that one"):
        scan(folder)


def test_positions_in_pixels_are_multiplied_and_said(folder: Path) -> None:
    for number, (unit, place, code) in enumerate(
        [("reference frame", 32, "warning"), ("pixel", 32, "warning"), ("", 16, "info"), ("µm", 16, "")]
    ):
        images = tuple(
            replace(SMALL, name=str(n), position=(n * place, 0), position_unit=unit) for n in range(2)
        )
        plate = OmeTiff(images, (Plate(wells=((0, 0, (Field(0), Field(1))),)),))
        found = scan(plate.write(folder / str(number)))
        assert found.tiles.x.tolist() == [0, 16]
        assert codes(found) == ([(code, "assumed-value")] if code else [])


def test_images_in_no_well_become_images_of_their_own(folder: Path, tmp_path: Path) -> None:
    images = (SMALL, replace(SMALL, name="overview", height=12, width=12))
    source = OmeTiff(images, (Plate(wells=((0, 0, (Field(0),)),)),)).write(folder)
    assert codes(scan(source)) == [("info", "assumed-value")]
    assert_converts(source, tmp_path / "out", {"images.zarr/A/01/0": images[0], "set.zarr": images[1]})


def test_several_plates_keep_their_names_and_a_name_of_the_user_is_numbered(folder: Path) -> None:
    plates = tuple(
        Plate(name, ((0, 0, (Field(number),)),)) for number, name in enumerate(["one", "two", "one"])
    )
    source = OmeTiff(tuple(replace(SMALL, name=str(n)) for n in range(3)), plates).write(folder)
    assert paths(scan(source)) == ["one.zarr/A/01/0", "one_2.zarr/A/01/0", "two.zarr/A/01/0"]
    assert paths(scan(source, plate_name="mine")) == [
        "mine.zarr/A/01/0",
        "mine_2.zarr/A/01/0",
        "mine_3.zarr/A/01/0",
    ]


def test_a_plate_is_called_as_its_folder_or_file_or_as_the_user_says(folder: Path) -> None:
    source = OmeTiff((SMALL,), (Plate("vendor's", ((0, 0, (Field(0),)),)), Plate("empty"))).write(folder)
    assert paths(scan(source)) == ["images.zarr/A/01/0"]
    assert paths(scan(source / "set.ome.tif")) == ["set.zarr/A/01/0"]
    assert paths(scan(source, plate_name="mine")) == ["mine.zarr/A/01/0"]


def test_files_that_each_describe_their_part_of_a_plate_make_one_plate(folder: Path) -> None:
    for number, (row, column) in enumerate(itertools.product(range(2), range(2))):
        image = replace(SMALL, name=f"well {number}")
        OmeTiff((image,), (Plate(wells=((row, column, (Field(0),)),)),), stem=f"well{number}").write(folder)
    assert paths(scan(folder)) == [f"images.zarr/{row}/0{column}/0" for row in "AB" for column in (1, 2)]


def test_wells_may_have_different_channels(folder: Path, tmp_path: Path) -> None:
    images = (replace(SMALL, channels=("DAPI", "GFP")), replace(SMALL, name="b", channels=("GFP",)))
    plate = Plate(wells=((0, 0, (Field(0),)), (0, 1, (Field(1),))))
    source = OmeTiff(images, (plate,)).write(folder)
    (details,) = scan(source).tiles.all_details
    assert [channel.channel_label for channel in details.channels or ()] == ["DAPI", "GFP"]


# What is refused, and what is left to others


def test_a_unit_that_nobody_knows_refuses_the_run(folder: Path, tmp_path: Path) -> None:
    source = OmeTiff((Image(pixels='PhysicalSizeX="1" PhysicalSizeXUnit="parsec"'),)).write(folder)
    with pytest.raises(PreflightError) as refused:
        tiles2zarr.convert(source, tmp_path / "out")
    assert "unknown-unit" in {finding.code for finding in refused.value.findings}


def test_pixels_within_the_document_are_refused(folder: Path) -> None:
    folder.mkdir()
    text = (
        OmeTiff((SMALL,), blocks=False)
        .xml("")
        .replace("</Pixels>", '<BinData Length="4">AAAA</BinData></Pixels>')
    )
    (folder / "a.ome.xml").write_text(text)
    with pytest.raises(
        SourceError, match="image image: expected the name of a TIFF, found its pixels as text"
    ):
        scan(folder)


def test_a_tiff_without_ome_xml_is_refused_and_not_claimed(folder: Path) -> None:
    folder.mkdir()
    tifffile.imwrite(folder / "plain.tif", np.zeros((4, 4), "uint8"), description="ImageJ=1.53\nimages=1")
    for path in (folder, folder / "plain.tif"):
        assert OmeTiffSource().detect(path) is None
        with pytest.raises(SourceError, match="expected"):
            scan(path)


def test_folders_of_instruments_and_tables_are_left_to_them(folder: Path) -> None:
    OmeTiff((Image(),)).write(folder)
    assert detect_source(folder).name == "ome_tiff"
    (folder / "tiles.csv").write_text("file_path")
    assert detect_source(folder).name == "table"
    plate = Scanr().write(folder.parent / "scanr")
    for path in (plate, plate / "data", plate / "data" / "metadata.ome.xml"):
        assert detect_source(path).name == "scanr"


def test_damaged_files_are_named(folder: Path) -> None:
    OmeTiff((Image(),)).write(folder)
    file = folder / "set.ome.tif"
    data = file.read_bytes()
    file.write_bytes(data.replace(b"</OME>", b"</OMG>"))
    with pytest.raises(SourceError, match=r"set.ome.tif, line 1: expected XML, found mismatched tag"):
        scan(folder)
    file.write_bytes(data[:6])
    with pytest.raises(SourceError, match=r"set.ome.tif: "):
        scan(folder)


def test_sub_resolutions_are_not_read(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    image = replace(SMALL, height=64, width=64)
    pixels = image.plane(0, 0, 0)
    text = OmeTiff((image,)).xml("set.ome.tif").encode()
    with tifffile.TiffWriter(folder / "set.ome.tif") as tif:
        tif.write(pixels, subifds=1, metadata=None, description=text)
        tif.write(pixels[::2, ::2], subfiletype=1, metadata=None)
    assert_converts(folder, tmp_path / "out", {"set.zarr": image})


def test_ten_thousand_planes_of_a_plate_are_scanned_in_seconds(folder: Path) -> None:
    folder.mkdir()
    wells = list(itertools.product(range(10), range(10)))
    plate = replace(simple_plate(wells, fields=5, channels=("a", "b", "c", "d"), size_z=5), mode="per_plane")
    (folder / "set.companion.ome").write_text(plate.xml(""))
    started = time.thread_time()
    found = scan(folder)
    assert time.thread_time() - started < 6
    assert (len(found.tiles), len(found.tiles.collections)) == (10000, 100)
    assert all(isinstance(one, ImageInPlate) for one in found.tiles.collections)


def test_files_that_each_describe_one_field_of_a_well_make_one_image(folder: Path, tmp_path: Path) -> None:
    images = tuple(replace(SMALL, name=f"field {number}", position=(16.0 * number, 0)) for number in range(3))
    for number, image in enumerate(images):
        OmeTiff((image,), (Plate(wells=((0, 0, (Field(0),)),)),), stem=f"f{number}").write(folder)
    (path,) = convert(folder, tmp_path / "out")
    assert path == "images.zarr/A/01/0"
    assert_fields(tmp_path / "out" / path, plate_truth(OmeTiff(images), range(3)))


def test_what_tifffile_writes_is_read(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    grey = np.random.default_rng(1).integers(0, 99, (2, 3, 4, 20, 30)).astype("uint16")
    tifffile.imwrite(folder / "grey.ome.tif", grey, metadata={"axes": "TCZYX", "TimeIncrement": 2.0})
    colours = np.random.default_rng(2).integers(0, 99, (3, 20, 30, 3)).astype("uint8")
    tifffile.imwrite(folder / "rgb.ome.tif", colours, photometric="rgb", metadata={"axes": "ZYXS"})
    planar = colours[0].transpose(2, 0, 1).copy()
    tifffile.imwrite(
        folder / "planar.ome.tif",
        planar,
        photometric="rgb",
        planarconfig="separate",
        metadata={"axes": "SYX"},
    )
    with tifffile.TiffWriter(folder / "two.ome.tif") as tif:
        tif.write(grey[0], photometric="minisblack", metadata={"axes": "CZYX", "Name": "stack"})
        tif.write(grey[0, 0, 0, :9], photometric="minisblack", metadata={"axes": "YX", "Name": "plane"})
    expected = {
        "grey.zarr": grey,
        "planar.zarr": planar[:, np.newaxis],
        "rgb.zarr": colours.transpose(3, 0, 1, 2),
        "two/plane.zarr": grey[0, 0, 0, :9][np.newaxis, np.newaxis],
        "two/stack.zarr": grey[0],
    }
    assert sorted(convert(folder, tmp_path / "out")) == sorted(expected)
    for path, pixels in expected.items():
        np.testing.assert_array_equal(stored(tmp_path / "out" / path), pixels)


@pytest.mark.parametrize("was_on", [True, False])
def test_a_scan_leaves_the_garbage_collector_as_it_was(tmp_path: Path, was_on: bool) -> None:
    path = OmeTiff().write(tmp_path)
    before = gc.isenabled()
    (gc.enable if was_on else gc.disable)()
    try:
        scan(path)
        assert gc.isenabled() is was_on
        with pytest.raises(SourceError):
            scan(tmp_path / "nothing")
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if before else gc.disable)()
