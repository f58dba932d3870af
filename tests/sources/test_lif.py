"""Leica LIF: a simulator writes the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal

from tests.simulators.lif import FIRST_TICK, Series, write_lif
from tests.simulators.truth import convert, fields_of, fingerprints, scale_of
from tiles2zarr.errors import SourceError
from tiles2zarr.models import ChannelInfo
from tiles2zarr.sources.base import Scan, ScanRequest
from tiles2zarr.sources.lif import LifSource

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FIRST = FIRST_TICK / 1e7 - 11644473600
OPTICS = {"objective": "HC PL APO 63x/1.40", "magnification": 63.0, "numerical_aperture": 1.4}


def scan(path: Path) -> Scan:
    return LifSource().scan(ScanRequest(path))


def scanned(tmp_path: Path, *series: Series, **changes: Any) -> Scan:
    return scan(write_lif(tmp_path / "project.lif", series, **changes))


def planes(found: Scan, image: int = 0) -> dict[tuple[int, int, int, int], NDArray[Any]]:
    """Pixels of an image by field of view, channel, number of the z-plane and number of the timepoint."""
    tiles = found.tiles
    rows = np.flatnonzero(tiles.collection == image)
    z, t = (np.unique(axis[rows], return_inverse=True)[1] for axis in (tiles.z, tiles.t))
    return {
        (int(tiles.fov[row]), int(tiles.c[row]), int(z[at]), int(t[at])): tiles.loaders[row].load_data(
            found.resource
        )
        for at, row in enumerate(rows.tolist())
    }


def labels(found: Scan) -> list[str]:
    channels = found.tiles.all_details[0].channels
    assert channels is not None
    return [channel.channel_label for channel in channels]


def test_each_series_is_an_image_named_after_the_folders_it_is_in(tmp_path: Path) -> None:
    series = (Series("a"), Series("b", folders=("day 1", "left")), Series("c", folders=("day 1",)))
    found = scanned(tmp_path, *series)
    assert [image.path() for image in found.tiles.collections] == [
        "project/a.zarr",
        "project/day 1/left/b.zarr",
        "project/day 1/c.zarr",
    ]
    for number, one in enumerate(series):
        assert_array_equal(planes(found, number)[0, 1, 2, 0], one.pixels(1, 2))


def test_series_of_the_same_name_are_all_kept(tmp_path: Path) -> None:
    series = (Series(), Series(axes={"x": 8, "y": 8, "c": 1}))
    found = scanned(tmp_path, *series)
    assert [image.path() for image in found.tiles.collections] == [
        "project/Series001.zarr",
        "project/Series001_2.zarr",
    ]
    assert_array_equal(planes(found, 1)[0, 0, 0, 0], series[1].pixels())


def test_names_that_are_no_valid_paths_are_made_valid(tmp_path: Path) -> None:
    found = scanned(tmp_path, Series("10% / a:b", folders=("..",)))
    assert [image.path() for image in found.tiles.collections] == ["project/unnamed/10_ _ a_b.zarr"]


@pytest.mark.parametrize(
    "axes",
    [
        {"x": 20, "y": 16, "c": 2, "z": 3, "t": 2},
        {"x": 20, "y": 16, "z": 3, "t": 2, "c": 2},
        {"x": 20, "y": 16, "z": 3, "c": 2, "t": 2},
        {"x": 20, "c": 2, "y": 16, "z": 3, "t": 2},
        {"x": 20, "y": 16, "t": 2, "z": 3, "c": 2},
    ],
    ids="".join,
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_pixels_are_found_whatever_the_order_in_memory(
    tmp_path: Path, axes: dict[str, int], dtype: str
) -> None:
    series = Series(axes=axes, dtype=dtype)
    found = planes(scanned(tmp_path, series))
    assert len(found) == 12
    for (_, c, z, t), pixels in found.items():
        assert pixels.dtype == dtype
        assert_array_equal(pixels, series.pixels(c, z, t))


@pytest.mark.parametrize("version", [1, 2])
def test_both_versions_of_the_container_are_read(tmp_path: Path, version: int) -> None:
    series = Series()
    declared = '<?xml version="1.0" encoding="UTF-16"?>'
    found = planes(scanned(tmp_path, series, version=version, declaration=declared))
    assert_array_equal(found[0, 1, 2, 0], series.pixels(1, 2))


def test_rows_may_be_padded(tmp_path: Path) -> None:
    series = Series(axes={"x": 19, "y": 16, "z": 2}, luts=("Gray",), padding=1)
    found = planes(scanned(tmp_path, series))
    assert_array_equal(found[0, 0, 1, 0], series.pixels(0, 1))


def test_interleaved_colours_become_channels(tmp_path: Path) -> None:
    series = Series(axes={"c": 3, "x": 20, "y": 16}, luts=("Red", "Green", "Blue"))
    found = scanned(tmp_path, series)
    assert labels(found) == ["Red", "Green", "Blue"]
    for c in range(3):
        assert_array_equal(planes(found)[0, c, 0, 0], series.pixels(c))


def test_channels_keep_dye_lookup_table_recorded_band_and_objective(tmp_path: Path) -> None:
    found = scanned(tmp_path, Series())
    assert found.tiles.all_details[0].channels == (
        ChannelInfo(channel_label="FITC", color="00FF00", emission_nm=520.0, **OPTICS),
        ChannelInfo(channel_label="TRITC", color="FF0000", emission_nm=630.0, **OPTICS),
    )
    assert labels(scanned(tmp_path, Series(dyes=("Alexa 488", "Alexa 488")))) == ["Alexa 488", "Alexa 488 2"]


def test_sizes_are_those_of_each_series(tmp_path: Path) -> None:
    wide = Series("wide", steps={"x": 2e-7, "y": 3e-7, "z": 5e-7})
    found = scanned(tmp_path, Series("square"), wide)
    square, other = found.tiles.all_details
    assert (square.pixelsize, square.pixelsize_y, square.z_spacing) == (0.2, None, 1.0)
    assert (other.pixelsize, other.pixelsize_y, other.z_spacing) == (0.2, 0.3, 0.5)


@pytest.mark.parametrize(
    ("axes", "z_spacing", "words"),
    [
        ({"x": 20, "z": 16, "c": 2, "t": 3}, 1.0, "rows lie along z"),
        ({"x": 20, "z": 16, "c": 2, "y": 3}, 0.2, "rows lie along z, planes along y"),
        ({"y": 20, "z": 16, "c": 2}, 1.0, "rows lie along z"),
    ],
    ids=["xzt", "xzy", "yz"],
)
def test_scans_without_a_plane_in_x_and_y_keep_their_own_plane_and_it_is_said(
    tmp_path: Path, axes: dict[str, int], z_spacing: float, words: str
) -> None:
    series = Series(axes=axes)
    found = scanned(tmp_path, series)
    for (_, c, z, t), pixels in planes(found).items():
        assert_array_equal(pixels, series.pixels(c, z, t))
    details = found.tiles.all_details[0]
    assert (details.pixelsize, details.pixelsize_y, details.z_spacing) == (0.2, 1.0, z_spacing)
    assert [(finding.severity, finding.code) for finding in found.findings] == [("info", "assumed-value")]
    assert words in found.findings[0].message


@pytest.mark.parametrize(("axis", "field"), [("λ", "emission_nm"), ("Λ", "excitation_nm")])
def test_wavelengths_become_channels(tmp_path: Path, axis: str, field: str) -> None:
    series = Series(axes={"x": 20, "y": 16, "c": 2, axis: 3}, origins={axis: 5e-7})
    found = scanned(tmp_path, series)
    assert labels(found) == [f"{dye} {nm} nm" for dye in ("FITC", "TRITC") for nm in (500, 510, 520)]
    channels = found.tiles.all_details[0].channels
    assert channels is not None
    assert [getattr(channel, field) for channel in channels] == [500, 510, 520] * 2
    for (_, c, _, _), pixels in planes(found).items():
        assert_array_equal(pixels, series.pixels(c // 3, extra=c % 3))
    assert [finding.code for finding in found.findings] == ["assumed-value"]


def test_a_tile_scan_has_a_field_of_view_for_each_tile_where_the_stage_was(tmp_path: Path) -> None:
    stage = ((0.01, 0.02), (0.010004, 0.02), (0.010004, 0.0200032))
    series = Series(axes={"x": 20, "y": 16, "c": 2, "m": 3}, stage=stage)
    found = scanned(tmp_path, series)
    assert found.tiles.fov_names == ("FOV_1", "FOV_2", "FOV_3")
    for (m, c, _, _), pixels in planes(found).items():
        assert_array_equal(pixels, series.pixels(c, m=m))
    assert_allclose(found.tiles.x[::2], [10000.0, 10004.0, 10004.0])
    assert_allclose(found.tiles.y[::2], [20000.0, 20000.0, 20003.2])


@pytest.mark.parametrize(
    ("flips", "position"),
    [
        ((0, 0, 0), (10000.0, 20000.0)),
        ((1, 0, 0), (-10000.0, 20000.0)),
        ((0, 1, 0), (10000.0, -20000.0)),
        ((0, 0, 1), (20000.0, 10000.0)),
        ((1, 1, 1), (-20000.0, -10000.0)),
    ],
)
@pytest.mark.parametrize("axes", [{"x": 20, "y": 16, "m": 1}, {"x": 20, "y": 16}], ids=["tile scan", "image"])
def test_stage_positions_are_turned_as_the_image_is(
    tmp_path: Path, axes: dict[str, int], flips: tuple[int, int, int], position: tuple[float, float]
) -> None:
    found = scanned(tmp_path, Series(axes=axes, luts=("Gray",), flips=flips))
    assert_allclose((found.tiles.x[0], found.tiles.y[0]), position)


def test_a_converted_tile_scan_holds_every_tile_in_its_place(tmp_path: Path) -> None:
    stage = ((0.01, 0.02), (0.010004, 0.02), (0.01, 0.0200032))
    series = Series("s", axes={"x": 20, "y": 16, "c": 2, "z": 2, "m": 3}, stage=stage)
    write_lif(tmp_path / "project.lif", (series,))
    (image,) = convert(tmp_path / "project.lif", tmp_path / "out")
    assert image == "project/s.zarr"
    fields = fields_of(tmp_path / "out" / image)
    assert list(fields) == ["FOV_1", "FOV_2", "FOV_3"]
    for m, found in enumerate(fields.values()):
        assert_array_equal(found, [[series.pixels(c, z, m=m) for z in range(2)] for c in range(2)])
    assert scale_of(tmp_path / "out" / image) == {"c": 1.0, "z": 1.0, "y": 0.2, "x": 0.2}


def test_tiles_without_positions_are_put_in_a_row_and_it_is_said(tmp_path: Path) -> None:
    found = scanned(tmp_path, Series(axes={"x": 20, "y": 16, "m": 3}, luts=("Gray",), stage=((0.0, 0.0),)))
    assert_allclose(found.tiles.x, [0.0, 4.0, 8.0])
    assert [finding.severity for finding in found.findings] == ["warning"]


def test_tiles_in_a_row_still_touch_where_the_user_says_another_pixel_size(tmp_path: Path) -> None:
    series = Series(axes={"x": 20, "y": 16, "m": 3}, luts=("Gray",), stage=((0.0, 0.0),))
    source = write_lif(tmp_path / "a.lif", (series,))
    options = {"pixel_info": {"pixelsize": 0.5}}
    (image,) = convert(source, tmp_path / "out", acquisition=options, tiling_mode="Auto")
    stored = zarr.open_array(tmp_path / "out" / image / "0", mode="r")[...]
    assert_array_equal(stored, [[np.hstack([series.pixels(m=m) for m in range(3)])]])


def test_a_file_and_the_folder_that_holds_only_it_make_the_same_images(tmp_path: Path) -> None:
    file = write_lif(tmp_path / "a.lif", (Series(),))
    assert fingerprints(LifSource(), file) == fingerprints(LifSource(), tmp_path)


@pytest.mark.parametrize("stamps", ["old", "new"])
def test_time_stamps_give_the_time_spacing(tmp_path: Path, stamps: str) -> None:
    found = scanned(tmp_path, Series(axes={"x": 20, "y": 16, "c": 2, "t": 3}, stamps=stamps))
    assert found.tiles.all_details[0].t_spacing == 1.0
    assert found.acquired is not None
    assert_allclose(found.acquired - FIRST, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5], atol=1e-6)


def test_without_time_stamps_the_axis_gives_the_time_spacing(tmp_path: Path) -> None:
    found = scanned(tmp_path, Series(axes={"x": 20, "y": 16, "t": 3}, luts=("Gray",), stamps="none"))
    assert found.tiles.all_details[0].t_spacing == 4.0


def test_what_is_no_image_is_left_out_and_it_is_said(tmp_path: Path) -> None:
    found = scanned(tmp_path, Series("a"), Series("b", is_taken=False), Series("c", is_flim=True))
    assert [image.path() for image in found.tiles.collections] == ["project/a.zarr"]
    assert [(finding.code, finding.where.rpartition(" ")[2]) for finding in found.findings] == [
        ("not-imaged", "b"),
        ("unreadable-file", "c"),
    ]


def test_a_file_that_was_cut_off_anywhere_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = write_lif(tmp_path / "whole.lif", (Series(), Series("b"))).read_bytes()
    file = tmp_path / "cut.lif"
    for length in (
        0,
        1,
        12,
        13,
        100,
        1000,
        len(whole) // 2,
        len(whole) - 4000,
        len(whole) - 2000,
        len(whole) - 1,
    ):
        file.write_bytes(whole[:length])
        with pytest.raises(SourceError) as refused:
            scan(file)
        assert str(file) in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_damaged_file_is_refused_or_read_but_never_breaks(tmp_path: Path) -> None:
    whole = write_lif(tmp_path / "whole.lif", (Series(),)).read_bytes()
    file = tmp_path / "damaged.lif"
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(100):
        data = bytearray(whole)
        for place in random.integers(0, len(whole) - 1900, 4):
            data[place] = random.integers(32, 127)
        file.write_bytes(data)
        try:
            found = scan(file)
            for loader in found.tiles.loaders:
                loader.load_data(found.resource)
        except SourceError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 50


@pytest.mark.parametrize(
    ("found", "made"),
    [('BytesInc="640"', 'BytesInc="000"'), ('NumberOfElements="3"', 'NumberOfElements="9"')],
)
def test_axes_that_cannot_be_in_memory_are_refused(tmp_path: Path, found: str, made: str) -> None:
    whole = write_lif(tmp_path / "whole.lif", (Series(),)).read_bytes()
    file = tmp_path / "damaged.lif"
    assert found.encode("utf-16-le") in whole
    file.write_bytes(whole.replace(found.encode("utf-16-le"), made.encode("utf-16-le")))
    with pytest.raises(SourceError, match="series Series001: expected"):
        scan(file)


def test_a_document_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="document type"):
        scanned(tmp_path, Series(), declaration='<!DOCTYPE a [<!ENTITY b "c">]>')


def test_ten_thousand_planes_are_scanned_at_once(tmp_path: Path) -> None:
    series = tuple(
        Series(f"S{number}", axes={"x": 4, "y": 4, "c": 2, "z": 10, "t": 10}) for number in range(50)
    )
    found = scanned(tmp_path, *series)
    assert len(found.tiles) == 10_000
    assert len(found.tiles.collections) == 50
