"""From the planes that an instrument lists to tiles: what is the same for every format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.core.job import ImageJob
from tiles2zarr.core.tiled_image import tiled_image_from_tiles
from tiles2zarr.errors import OptionsError, SourceError
from tiles2zarr.models import (
    AcquisitionOptions,
    ChannelInfo,
    ConverterOptions,
    OverwriteMode,
    PixelSizeModel,
)
from tiles2zarr.sources.base import KnownGap, Scan, ScanRequest
from tiles2zarr.sources.naming import plate_name, wells_of, within_folder
from tiles2zarr.sources.planes import NotTaken, Planes, file_loaders
from tiles2zarr.sources.scanning import scan_of
from tiles2zarr.sources.spacing import median_step

DAPI, GFP, RFP = (ChannelInfo(channel_label=label) for label in ("DAPI", "GFP", "RFP"))
FOLDER = Path("plate 1")


def planes(*rows: tuple[int, int, int, int, int], **changes: Any) -> Planes:
    """Planes at (well, field, c, z, t) of two wells with fields 100 µm apart; one file each."""
    well, field, c, z, t = np.array(rows, np.int64).T
    ones = np.ones(len(rows), np.int64)
    names = ["_".join(map(str, row)) + ".tif" for row in rows]
    made = Planes(
        collections=wells_of(("A01", "B02"), "P", 0),
        collection=well,
        field_names=("1", "2", "3"),
        field=field,
        channels=(DAPI, GFP, RFP),
        c=c,
        z=z,
        t=t,
        x=field * 100.0,
        y=field * 0.0,
        height=8 * ones,
        width=10 * ones,
        loaders=file_loaders(names),
        pixelsize=0.5,
    )
    return replace(made, **changes)


def scanned(*parts: Planes, options: AcquisitionOptions | None = None, **changes: Any) -> Scan:
    request = ScanRequest(FOLDER, options=options or AcquisitionOptions(), **changes)
    return scan_of(request, FOLDER, parts)


def starts(scan: Scan) -> list[tuple[str, str, float, float, int, float, float]]:
    return [
        (t.collection.path(), t.fov_name, t.start_x, t.start_y, t.start_c, t.start_z, t.start_t)
        for t in scan.tiles
    ]


def test_each_plane_becomes_a_tile_where_the_stage_put_it() -> None:
    scan = scanned(planes((0, 0, 0, 0, 0), (1, 2, 1, 0, 0)))
    assert starts(scan) == [
        ("P.zarr/A/01/0", "1", 0.0, 0.0, 0, 0.0, 0.0),
        ("P.zarr/B/02/0", "3", 200.0, 0.0, 1, 0.0, 0.0),
    ]
    tile = scan.tiles[0]
    assert tile.shape == (1, 1, 1, 8, 10)
    assert tile.image_loader.model_dump() == {"file_path": "0_0_0_0_0.tif", "first_page": None}
    assert (tile.acquisition_details.pixelsize, tile.acquisition_details.channels) == (0.5, (DAPI, GFP))
    assert scan.resource == FOLDER and scan.findings == ()


def test_channels_without_a_plane_are_left_out_and_the_others_keep_their_order() -> None:
    scan = scanned(planes((0, 0, 2, 0, 0), (0, 0, 0, 0, 0)))
    assert scan.tiles[0].acquisition_details.channels == (DAPI, RFP)
    assert [tile.start_c for tile in scan.tiles] == [1, 0]


def test_channels_of_one_name_are_told_apart() -> None:
    scan = scanned(planes((0, 0, 0, 0, 0), (0, 0, 1, 0, 0), channels=(DAPI, DAPI)))
    labels = [channel.channel_label for channel in scan.tiles[0].acquisition_details.channels or ()]
    assert labels == ["DAPI", "DAPI 2"]


def test_numbers_of_planes_start_at_the_smallest_and_a_lost_one_stays_a_gap() -> None:
    rows = [(0, 0, 0, z, t) for t in (7, 9) for z in (3, 4, 6)]
    scan = scanned(planes(*rows, z_spacing=2.0, t_spacing=60.0))
    assert [(tile.start_z, tile.start_t) for tile in scan.tiles] == [
        *((0.0, 0.0), (2.0, 0.0), (6.0, 0.0)),
        *((0.0, 120.0), (2.0, 120.0), (6.0, 120.0)),
    ]


def test_spacings_are_the_median_steps_of_focus_and_time() -> None:
    rows = [(0, 0, 0, z, t) for t in range(4) for z in range(3)]
    focus = np.array([50.0 + 3 * z + t for _, _, _, z, t in rows])
    acquired = np.array([1e9 + (0, 61, 119, 240)[t] + 0.5 * z for _, _, _, z, t in rows])
    details = scanned(planes(*rows, focus=focus, acquired=acquired)).tiles[0].acquisition_details
    assert (details.z_spacing, details.t_spacing) == (3.0, 61.0)


def test_what_nobody_says_is_taken_as_one_and_said() -> None:
    rows = [(0, 0, 0, z, t) for t in range(2) for z in range(2)]
    scan = scanned(planes(*rows, pixelsize=None))
    assert [(f.severity, f.code, f.message.split(" ")[5].rstrip(",")) for f in scan.findings] == [
        ("warning", "assumed-value", "pixelsize"),
        ("warning", "assumed-value", "z_spacing"),
        ("warning", "assumed-value", "t_spacing"),
    ]
    stated = PixelSizeModel(pixelsize=0.3, z_spacing=2.0, t_spacing=5.0)
    scan = scanned(planes(*rows, pixelsize=None), options=AcquisitionOptions(pixel_info=stated))
    assert scan.findings == ()
    details = scan.tiles[3].acquisition_details
    assert (details.pixelsize, details.z_spacing, details.t_spacing) == (0.3, 2.0, 5.0)
    assert (scan.tiles[3].start_z, scan.tiles[3].start_t) == (2.0, 5.0)


def test_a_channel_keeps_how_far_its_planes_lie_above_the_others() -> None:
    rows = [(0, field, c, z, 0) for field in range(2) for c in range(2) for z in range(2)]
    focus = np.array([10.0 * field + 2 * z - 5 * c for _, field, c, z, _ in rows])
    channels = scanned(planes(*rows, focus=focus)).tiles[0].acquisition_details.channels or ()
    assert [channel.z_offset for channel in channels] == [5.0, 0.0]
    same = np.array([10.0 * field + 2 * z for _, field, _, z, _ in rows])
    channels = scanned(planes(*rows, focus=same)).tiles[0].acquisition_details.channels or ()
    assert [channel.z_offset for channel in channels] == [None, None]


def test_the_user_names_the_channels_that_are_there_or_all_that_are_declared() -> None:
    part = planes((0, 0, 0, 0, 0), (0, 0, 2, 0, 0))
    for names in (("a", "c"), ("a", "b", "c")):
        options = AcquisitionOptions(channels=tuple(ChannelInfo(channel_label=name) for name in names))
        channels = scanned(part, options=options).tiles[0].acquisition_details.channels or ()
        assert [channel.channel_label for channel in channels] == ["a", "c"]
    with pytest.raises(OptionsError, match=r"expected 2 channels \(DAPI, RFP\), found 1"):
        scanned(part, options=AcquisitionOptions(channels=(DAPI,)))


def test_parts_become_images_of_their_own_with_channels_of_their_own() -> None:
    slices = planes((0, 0, 0, 0, 0), (0, 0, 0, 1, 0), z_spacing=2.0)
    projection = planes(
        (0, 1, 1, 0, 0),
        (0, 0, 1, 0, 0),
        collections=wells_of(("A01", "B02"), "P", 0, "maximum"),
        field_names=("2", "1", "3"),
    )
    scan = scanned(slices, projection)
    assert [
        (tile.collection.path(), tile.fov_name, [c.channel_label for c in tile.acquisition_details.channels])
        for tile in scan.tiles
    ] == [
        ("P.zarr/A/01/0", "1", ["DAPI"]),
        ("P.zarr/A/01/0", "1", ["DAPI"]),
        ("P.zarr/A/01/0maximum", "1", ["GFP"]),
        ("P.zarr/A/01/0maximum", "2", ["GFP"]),
    ]


def test_where_the_instrument_failed_every_plane_that_lacks_is_a_known_gap() -> None:
    rows = [(0, f, c, z, 0) for f in range(2) for c in (0, 2) for z in (1, 2) if (f, c, z) != (1, 2, 2)]
    failures = (
        NotTaken(0, 1, None, None, None, "no focus"),
        NotTaken(0, None, 2, 2, 0, "lamp"),  # the same plane: told once
        NotTaken(0, 0, 1, None, None, "a channel that has no plane at all"),
        NotTaken(0, 2, None, None, None, "a field of view that has no plane at all"),
    )
    scan = scanned(planes(*rows, z_spacing=2.0, not_taken=failures))
    assert scan.known_gaps == (KnownGap("P.zarr/A/01/0", "2", 1, 2.0, 0.0, "no focus"),)


def test_conditions_of_wells_come_with_any_format(tmp_path: Path) -> None:
    table = tmp_path / "conditions.csv"
    table.write_text("well,drug\nA01,DMSO\nB02,x\n")
    options = AcquisitionOptions(condition_table_path=str(table))
    scan = scanned(planes((0, 0, 0, 0, 0), (1, 0, 0, 0, 0)), options=options)
    assert scan.conditions == {"A01": {"drug": "DMSO"}, "B02": {"drug": "x"}}
    assert scan.metadata_files == (table,)


def test_without_a_plane_there_is_nothing_to_convert() -> None:
    with pytest.raises(SourceError, match="plate 1: expected at least one image, found none"):
        scanned()


def test_the_plate_is_called_as_the_user_says_else_as_the_instruments_folder(tmp_path: Path) -> None:
    assert plate_name(ScanRequest(FOLDER, plate_name="mine")) == "mine"
    assert plate_name(ScanRequest(FOLDER)) == "plate 1"
    assert plate_name(ScanRequest(FOLDER / "Images"), FOLDER) == "plate 1"
    assert plate_name(ScanRequest(FOLDER), FOLDER / "the only measurement") == "plate 1"
    (tmp_path / "x.1.czi").touch()
    assert plate_name(ScanRequest(tmp_path / "x.1.czi")) == "x.1"
    with pytest.raises(OptionsError, match="name of the plate: 'a/b'"):
        plate_name(ScanRequest(FOLDER, plate_name="a/b"))


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../a.tif", "a/../../b.tif", "C:\\a.tif", "", "\0", ".", ".."]
)
def test_metadata_name_files_below_their_own_folder_only(path: str) -> None:
    with pytest.raises(SourceError, match=r"^Index\.xml: expected files below its own folder"):
        within_folder(path, "Index.xml")


def test_windows_paths_are_paths() -> None:
    assert within_folder(" Images\\sub\\..\\a.tif ", "x") == "Images/a.tif"


def test_no_step_can_be_told_from_one_value_or_from_equal_ones() -> None:
    zeros = np.zeros(3, np.int64)
    numbers = np.arange(3)
    assert median_step(np.array([1.0, np.nan, np.nan]), numbers, [zeros]) is None
    assert median_step(np.array([1.0, 1.0, 1.0]), numbers, [zeros]) is None
    assert median_step(np.array([1.0, 3.0, 5.0]), numbers, [numbers]) is None


@given(st.integers(2, 30), st.floats(0.01, 1e4), st.data())
def test_the_step_survives_lost_planes_any_order_and_direction(
    count: int, step: float, data: st.DataObject
) -> None:
    numbers = np.array(data.draw(st.permutations(range(count))))
    kept = numbers[: data.draw(st.integers(2, count))]
    for sign in (1, -1):
        found = median_step(17.0 + sign * step * kept, kept, [np.zeros(len(kept), np.int64)])
        assert found == pytest.approx(step, rel=1e-5)


def test_a_channel_that_was_declared_and_has_no_plane_anywhere_is_said() -> None:
    slices = planes((0, 0, 0, 0, 0), declared=frozenset({0, 1, 2}))
    projection = planes((0, 0, 1, 0, 0), collections=wells_of(("A01", "B02"), "P", 0, "maximum"))
    (finding,) = scanned(slices, projection).findings
    assert (finding.severity, finding.code) == ("warning", "not-imaged")
    assert "expected planes of channel RFP, found none" in finding.message


def test_of_two_channels_of_one_name_the_lost_one_is_said() -> None:
    part = planes((0, 0, 0, 0, 0), channels=(DAPI, DAPI), declared=frozenset({0, 1}))
    assert [finding.code for finding in scanned(part).findings] == ["not-imaged"]


def test_a_stack_that_begins_later_than_the_formats_is_said() -> None:
    rows = [(0, 0, 0, z, 0) for z in (2, 3)]
    (finding,) = scanned(planes(*rows, z_spacing=1.0, z_first=1)).findings
    assert "expected z-planes from number 1 on, found none below 2" in finding.message
    assert scanned(planes(*rows, z_spacing=1.0, z_first=2)).findings == ()
    assert scanned(planes(*rows, z_spacing=1.0)).findings == ()


def test_parts_of_a_plate_count_planes_and_timepoints_from_the_same_number() -> None:
    late = planes((0, 0, 0, 4, 2), (0, 0, 0, 5, 2), z_spacing=1.0, t_spacing=1.0)
    early = planes((1, 0, 1, 3, 1), z_spacing=1.0, t_spacing=1.0)
    flat = planes(
        (1, 0, 1, 7, 9), collections=wells_of(("A01", "B02"), "P", 0, "maximum"), t_spacing=1.0, z_spacing=1.0
    )
    scan = scanned(late, early, flat)
    assert [(tile.start_z, tile.start_t) for tile in scan.tiles] == [(1, 1), (2, 1), (0, 0), (0, 0)]


def test_a_lost_plane_of_colours_is_a_known_gap_in_each_of_them() -> None:
    colours = (DAPI, GFP, RFP)
    part = planes(
        (0, 0, 0, 0, 0),
        (0, 1, 0, 0, 0),
        (0, 0, 0, 0, 1),
        channels=colours,
        length_c=np.full(3, 3),
        t_spacing=5.0,
        not_taken=(NotTaken(0, 1, 0, 0, 1, "stopped", length_c=3),),
    )
    gaps = scanned(part).known_gaps
    assert [(gap.fov_name, gap.c, gap.t) for gap in gaps] == [("2", c, 5.0) for c in range(3)]


def test_parts_with_other_channels_need_the_names_of_all() -> None:
    parts = (planes((0, 0, 0, 0, 0), (0, 0, 1, 0, 0)), planes((1, 0, 0, 0, 0), (1, 0, 2, 0, 0)))
    options = AcquisitionOptions(channels=tuple(ChannelInfo(channel_label=name) for name in "abc"))
    labels = [
        [channel.channel_label for channel in details.channels or ()]
        for details in scanned(*parts, options=options).tiles.all_details
    ]
    assert labels == [["a", "b"], ["a", "c"]]
    with pytest.raises(OptionsError, match=r"expected 3 channels \(DAPI, GFP, RFP\), found 2"):
        scanned(*parts, options=AcquisitionOptions(channels=(DAPI, GFP)))


def test_an_image_stays_the_same_when_wells_are_added_that_were_taken_a_little_later() -> None:
    def images(scan: Scan) -> dict[str, str]:
        return {
            image.path: ImageJob(image, "", ConverterOptions(), OverwriteMode.EXTEND).fingerprint("")
            for image in tiled_image_from_tiles(tiles=scan.tiles)
        }

    rows = [(0, 0, 0, z, t) for z in range(2) for t in range(3)]
    later = [(1, 0, 0, z, t) for z in range(2) for t in range(3)]

    def part(some: list[tuple[int, int, int, int, int]]) -> Planes:
        focus = np.array([z * (2.0 + 0.01 * well) for well, _, _, z, _ in some])
        acquired = np.array([1e9 + t * (60.0 + 0.03 * well) for well, _, _, _, t in some])
        return planes(*some, focus=focus, acquired=acquired)

    alone, together = images(scanned(part(rows))), images(scanned(part([*rows, *later, *later])))
    assert alone["P.zarr/A/01/0"] == together["P.zarr/A/01/0"]
    stated = AcquisitionOptions(pixel_info=PixelSizeModel(t_spacing=59.0))
    assert images(scanned(part(rows), options=stated)) != alone
    renamed = AcquisitionOptions(channels=(GFP,))
    assert images(scanned(part(rows), options=renamed)) != alone


def test_columns_that_do_not_fit_together_are_refused_as_the_mistake_of_a_format() -> None:
    good = planes((0, 0, 0, 0, 0), (0, 0, 1, 0, 0))
    for wrong in (
        {"c": np.array([0, -1])},
        {"c": np.array([0, 3])},
        {"x": np.zeros(1)},
        {"field": np.array([3, 0])},
    ):
        with pytest.raises(ValueError, match=r"columns of|an index of"):
            replace(good, **wrong)
