"""Acquisitions of MetaXpress Acquire: what becomes of tables, folders and descriptions."""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.simulators.imagexpress_hcsai import Run, Shot, Wavelength
from tests.simulators.truth import convert, fields_of, scale_of
from tiles2zarr.errors import SourceError
from tiles2zarr.models import ChannelInfo
from tiles2zarr.sources import detect_source
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.imagexpress_hcsai import ImageXpressHcsAiSource

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.sources.base import Scan

SOURCE = ImageXpressHcsAiSource()
MIXED = (
    Wavelength(projection="Max"),
    Wavelength("FITC", 475, 520, 20, projection="Max"),
    Wavelength("TL", 0, 0, 5, stack=False),
)


def scan(path: Path, **request: object) -> Scan:
    return SOURCE.scan(ScanRequest(path=path, **request))  # type: ignore[arg-type]


def codes(found: Scan) -> list[str]:
    return sorted(finding.code for finding in found.findings)


def edit_first_row(top: Path, values: dict[str, str]) -> Path:
    """Change what the first row of the table says; the folder."""
    table = top / "experiment" / "image_metadata_1.csv"
    header, first, *others = list(csv.reader(table.read_text(encoding="utf-8-sig").splitlines()))
    row = [values.get(name, value) for name, value in zip(header, first, strict=True)]
    with table.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([header, row, *others])
    return top


def verify_pixels(run: Run, dest: Path, paths: list[str], channels: dict[str, list[int]]) -> None:
    """Compare every plane of every image with what the camera saw; a place where nothing was taken is 0."""
    shots = {tuple(shot) for shot in run.shots()}
    seen = set()
    for path in paths:
        _, row, column, image = path.split("/")
        for field, pixels in fields_of(dest / path).items():
            volume = pixels if pixels.ndim == 5 else pixels[None]
            for t, c, z in np.ndindex(volume.shape[:3]):
                shot = Shot(
                    f"{row}{column}",
                    int(field.removeprefix("FOV_")) - 1,
                    channels[image][c],
                    z if image == "0" else -1,
                    t,
                )
                expected = run.pixels(shot) if tuple(shot) in shots else np.zeros((run.height, run.width))
                np.testing.assert_array_equal(volume[t, c, z], expected, str(shot))
                seen.add(tuple(shot))
    assert seen >= shots


class TestWhatBecomesOfWhat:
    def test_an_acquisition_becomes_a_plate_with_all_its_metadata(self, tmp_path: Path) -> None:
        run = Run(timepoints=2, wells=("C05", "AF48"))
        top = run.write(tmp_path)
        found = scan(top, acquisition_id=2)
        tiles = found.tiles
        assert [image.path() for image in tiles.collections] == [
            "test_data_2026-03-02.zarr/C/05/2",
            "test_data_2026-03-02.zarr/AF/48/2",
        ]
        assert tiles.fov_names == ("FOV_1", "FOV_2")
        left = set(run.shots())
        assert found.acquired is not None
        for index in range(len(tiles)):
            well = tiles.collections[tiles.collection[index]].well  # type: ignore[attr-defined]
            z, t = round(tiles.z[index] / 3), round(tiles.t[index] / 600)
            shot = Shot(well, int(tiles.fov[index]), int(tiles.c[index]), z, t)
            left.remove(shot)
            assert (tiles.x[index], tiles.y[index]) == pytest.approx(run.position(shot))
            assert found.acquired[index] == pytest.approx(run.acquired(shot))
        assert not left
        details = tiles.all_details[0]
        assert (details.pixelsize, details.pixelsize_y, details.z_spacing, details.t_spacing) == (
            1.25,
            None,
            3,
            600,
        )
        optics = {"objective": "20X Plan Apo Lambda D", "magnification": 20}
        assert details.channels == (
            ChannelInfo(
                channel_label="DAPI",
                wavelength_id="w0",
                excitation_nm=385,
                emission_nm=440,
                exposure_s=0.01,
                **optics,
            ),
            ChannelInfo(
                channel_label="FITC",
                wavelength_id="w1",
                excitation_nm=475,
                emission_nm=520,
                exposure_s=0.02,
                **optics,
            ),
        )
        folder = top / "experiment"
        assert found.metadata_files == (folder / "test_data.jdce", folder / "image_metadata_1.csv")
        assert found.findings == ()

    def test_pixels_are_those_of_the_camera(self, tmp_path: Path) -> None:
        run = Run(timepoints=2, pixelsize=(1.25, 2.5))
        paths = convert(run.write(tmp_path), tmp_path / "out")
        verify_pixels(run, tmp_path / "out", paths, {"0": [0, 1]})
        assert scale_of(tmp_path / "out" / paths[0]) == {"t": 600, "c": 1, "z": 3, "y": 2.5, "x": 1.25}

    @pytest.mark.parametrize(("marked", "mode"), [(True, ""), (False, "Max Intensity Projection")])
    def test_stacks_projections_and_single_planes_are_joined(
        self, tmp_path: Path, marked: bool, mode: str
    ) -> None:
        run = Run(wavelengths=MIXED, marked=marked, mode=mode, protocol="Max")
        top = run.write(tmp_path)
        found = scan(top)
        assert codes(found) == []
        assert [c.channel_label for c in found.tiles.all_details[0].channels or ()] == ["DAPI", "FITC", "TL"]
        assert [c.channel_label for c in found.tiles.all_details[1].channels or ()] == ["DAPI", "FITC"]
        paths = convert(top, tmp_path / "out")
        assert {path.split("/")[-1] for path in paths} == {"0", "0maximum"}
        verify_pixels(run, tmp_path / "out", paths, {"0": [0, 1, 2], "0maximum": [0, 1]})

    def test_the_protocol_says_what_a_projection_is(self, tmp_path: Path) -> None:
        run = Run(wavelengths=(Wavelength(projection="Mean"),), protocol="Mean")
        images = scan(run.write(tmp_path)).tiles.collections
        assert [image.path() for image in images][2:] == [
            "test_data_2026-03-02.zarr/C/05/0mean",
            "test_data_2026-03-02.zarr/C/06/0mean",
        ]

    def test_only_projections_become_the_images_themselves(self, tmp_path: Path) -> None:
        top = Run(wavelengths=(Wavelength(projection="Max"),)).write(tmp_path)
        found = scan(top / "experiment")
        assert [image.path() for image in found.tiles.collections] == [
            "test_data_2026-03-02.zarr/C/05/0",
            "test_data_2026-03-02.zarr/C/06/0",
        ]
        assert codes(found) == ["projection-only"]

    def test_single_planes_that_a_stack_holds_are_left_out(self, tmp_path: Path) -> None:
        run = Run(wavelengths=MIXED, doubled=True)
        top = run.write(tmp_path)
        assert codes(scan(top)) == ["copied-plane"]
        paths = convert(top, tmp_path / "out")
        verify_pixels(run, tmp_path / "out", paths, {"0": [0, 1, 2], "0maximum": [0, 1]})

    def test_stitched_images_are_read_only_when_they_are_given(self, tmp_path: Path) -> None:
        top = Run(montage=True).write(tmp_path)
        assert codes(scan(top)) == ["unused-file"]
        assert len(scan(top / "experiment_montage").tiles) == 2 * 2

    def test_rows_are_spread_over_several_tables_whether_named_or_not(self, tmp_path: Path) -> None:
        for named in (True, False):
            run = Run(name=f"n{named}", tables=12, named_tables=named)
            assert len(scan(run.write(tmp_path)).tiles) == 2 * 2 * 2 * 2

    def test_the_plate_is_called_like_its_folder(self, tmp_path: Path) -> None:
        top = Run(barcode="P-0042").write(tmp_path)
        usual = "test_data_2026-03-02"
        experiment = top / "experiment"
        for path, name in (
            (top, usual),
            (experiment, usual),
            (experiment / "test_data.jdce", usual),
            (tmp_path, tmp_path.name),
        ):
            (image, *_) = scan(path).tiles.collections
            assert image.path() == f"{name}.zarr/C/05/0"

    def test_colours_of_the_vendor_are_kept(self, tmp_path: Path) -> None:
        run = Run(
            wavelengths=(Wavelength(color="#FF00AAff"), Wavelength(color="#12abEF"), Wavelength(color="blue"))
        )
        channels = scan(run.write(tmp_path)).tiles.all_details[0].channels or ()
        assert [channel.color for channel in channels] == ["00AAFF", "12ABEF", None]
        assert [channel.channel_label for channel in channels] == ["DAPI", "DAPI 2", "DAPI 3"]

    def test_no_byte_order_mark_is_as_good(self, tmp_path: Path) -> None:
        assert len(scan(Run(bom=False).write(tmp_path)).tiles) == 16

    def test_the_z_step_is_measured_where_nothing_says_it(self, tmp_path: Path) -> None:
        details = scan(Run(planes=4, says_step=False).write(tmp_path)).tiles.all_details[0]
        assert details.z_spacing == pytest.approx(3.0, abs=0.02)

    def test_a_step_that_the_drive_did_not_follow_is_measured(self, tmp_path: Path) -> None:
        run = Run(replaced=(('"ZStep": 3.0', '"ZStep": 1.0'),))
        assert scan(run.write(tmp_path)).tiles.all_details[0].z_spacing == pytest.approx(3.0)


class TestWhichPath:
    def test_the_run_its_folders_its_files_and_its_parent_will_do(self, tmp_path: Path) -> None:
        top = Run(wavelengths=MIXED, protocol="Max").write(tmp_path)
        everything = len(scan(top).tiles)
        for path in (tmp_path, top / "test_data.mxprotocol"):
            assert detect_source(path).name == "imagexpress_hcsai"
            assert len(scan(path).tiles) == everything
        parts = [top / "experiment", top / "experiment_z_stack"]
        assert sum(len(scan(path).tiles) for path in parts) == everything
        for path in parts:
            (descriptor,) = path.glob("*.jdce")
            assert detect_source(descriptor).name == "imagexpress_hcsai"
            assert len(scan(descriptor).tiles) == len(scan(path).tiles)

    def test_several_acquisitions_are_named(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            Run(name=name).write(tmp_path)
        with pytest.raises(
            SourceError,
            match=r"expected one measurement, found 2 \(one_2026-03-02/.*\.jdce, two_.*\): give the path of one",
        ):
            scan(tmp_path)

    def test_other_folders_are_not_claimed(self, tmp_path: Path) -> None:
        (tmp_path / "image_metadata_1.csv").write_text("Well\n")
        assert SOURCE.detect(tmp_path) is None
        assert SOURCE.detect(tmp_path / "image_metadata_1.csv") is None
        with pytest.raises(SourceError, match=r"expected a \.jdce file, found none"):
            scan(tmp_path)


class TestWhatIsMissingOrWrong:
    @pytest.mark.parametrize(
        "drop", [("Well",), ("Row", "Column"), ("Wavelength", "Timepoint", "ImageSubFolderPath")]
    )
    def test_columns_that_others_can_stand_for_may_be_missing(
        self, tmp_path: Path, drop: tuple[str, ...]
    ) -> None:
        run = Run(wavelengths=(Wavelength(),), drop=drop)
        paths = convert(run.write(tmp_path), tmp_path / "out")
        verify_pixels(run, tmp_path / "out", paths, {"0": [0]})

    def test_positions_in_the_well_stand_for_those_of_the_stage(self, tmp_path: Path) -> None:
        run = Run(emptied=("PositionXUm", "PositionYUm"))
        paths = convert(run.write(tmp_path), tmp_path / "out")
        verify_pixels(run, tmp_path / "out", paths, {"0": [0, 1]})

    def test_fields_without_a_position_are_refused_unless_there_is_one(self, tmp_path: Path) -> None:
        lacking = ("PositionXUm", "PositionYUm", "FieldOffsetPointX", "FieldOffsetPointY")
        with pytest.raises(SourceError, match=r"expected PositionXUm and PositionYUm, because"):
            scan(Run(drop=lacking).write(tmp_path))
        assert len(scan(Run(name="one", drop=lacking, offsets=((0.0, 0.0),)).write(tmp_path)).tiles) == 8

    def test_a_plane_without_a_position_lies_where_its_field_does_and_not_in_the_corner_of_the_plate(
        self, tmp_path: Path
    ) -> None:
        run = Run()
        edited = edit_first_row(run.write(tmp_path / "edited"), {"PositionXUm": "", "PositionYUm": "NaN"})
        usual = scan(run.write(tmp_path / "usual"))
        np.testing.assert_array_equal(scan(edited).tiles.x, usual.tiles.x)
        np.testing.assert_array_equal(scan(edited).tiles.y, usual.tiles.y)

    def test_a_field_without_a_position_beside_others_that_have_one_is_refused(self, tmp_path: Path) -> None:
        run = Run(wells=("C05",), wavelengths=(Wavelength(),), planes=1)
        with pytest.raises(
            SourceError, match=r"_s0_w0_z0.tif: expected PositionXUm and PositionYUm, because"
        ):
            scan(edit_first_row(run.write(tmp_path), {"PositionXUm": ""}))

    @pytest.mark.parametrize("delimiter", [";", "\t", ","])
    def test_tables_of_other_countries_say_the_same(self, tmp_path: Path, delimiter: str) -> None:
        usual = scan(Run().write(tmp_path / "usual"))
        top = Run().write(tmp_path / "other")
        for table in top.rglob("image_metadata_*.csv"):
            rows = list(csv.reader(table.read_text(encoding="utf-8-sig").splitlines()))
            for row in rows[1:]:
                row[14:] = [text.replace(".", ",") for text in row[14:]]
            with table.open("w", newline="", encoding="cp1252") as handle:
                csv.writer(handle, delimiter=delimiter).writerows(rows)
        found = scan(top)
        for name in ("x", "y", "z", "t", "c", "fov"):
            np.testing.assert_array_equal(getattr(found.tiles, name), getattr(usual.tiles, name))
        assert found.tiles.all_details == usual.tiles.all_details

    def test_sizes_that_a_table_lacks_are_those_of_the_files_or_the_cameras(self, tmp_path: Path) -> None:
        """Stitched images are larger than the camera's, and their table has been seen to say 0."""
        run = Run(emptied=("ImageSizeXPx", "ImageSizeYPx"), replaced=(('"Width": 16', '"Width": 12'),))
        assert set(scan(run.write(tmp_path)).tiles.length_x.tolist()) == {16}
        lost = tuple(shot for shot in run.shots() if shot.well == "C05")
        found = scan(replace(run, name="b", lost=lost).write(tmp_path))
        assert found.tiles.length_x.tolist() == [12] * 8 + [16] * 8

    @pytest.mark.parametrize(
        ("drop", "said"),
        [
            (("Field",), "expected columns Field"),
            (("Well", "Row"), r"expected columns Well \(or Row and Column\)"),
        ],
    )
    def test_columns_that_nothing_stands_for_are_named(
        self, tmp_path: Path, drop: tuple[str, ...], said: str
    ) -> None:
        with pytest.raises(SourceError, match=rf"image_metadata_1\.csv: {said}, found "):
            scan(Run(drop=drop).write(tmp_path))

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("C - 5,3,5", "C - 5,4,5", r"row 2: expected row and column of C05, found those of D05"),
            ("C - 5,3,5", "?,,", r"row 2: expected a well such as 'C - 5', found '\?'"),
            ("C - 5,3,5,0,0,", "C - 5,3,5,0,99999999,", r"row 2: expected a whole number in Wavelength"),
            ("C - 5,3,5,0,", "C - 5,3,5,x,", r"row 2: expected a whole number in Field, found 'x'"),
            ("50390.0", "50390.0 um", r"row 2: expected a number in PositionXUm, found '50390.0 um'"),
            ("timepoint0", "../other", r"row 2: expected files below its own folder"),
            (
                "test_data_t0_C05_s0_w0_z0.tif",
                "",
                r"row 2: expected a file name in ImageFileName, found none",
            ),
        ],
    )
    def test_a_row_that_makes_no_sense_is_named(self, tmp_path: Path, old: str, new: str, said: str) -> None:
        top = Run().write(tmp_path)
        table = top / "experiment" / "image_metadata_1.csv"
        table.write_text(table.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
        with pytest.raises(SourceError, match=said):
            scan(top)

    def test_a_missing_table_is_named(self, tmp_path: Path) -> None:
        top = Run(tables=2).write(tmp_path)
        (top / "experiment" / "image_metadata_2.csv").unlink()
        with pytest.raises(
            SourceError, match=r"image_metadata_2\.csv: expected the table .* test_data\.jdce names, found"
        ):
            scan(top)

    @pytest.mark.parametrize("text", ["", "{", "[1]", '{"ImageStack": 3}', "[" * 100_000])
    def test_a_damaged_description_is_named(self, tmp_path: Path, text: str) -> None:
        top = Run().write(tmp_path)
        (top / "experiment" / "test_data.jdce").write_text(text)
        with pytest.raises(SourceError, match=r"test_data\.jdce: expected (a )?JSON"):
            scan(top)

    def test_a_description_that_says_nothing_leaves_the_table(self, tmp_path: Path) -> None:
        top = Run(planes=1).write(tmp_path)
        (top / "experiment" / "test_data.jdce").write_text(
            '{"ImageStack": {"AutoLeadAcquisitionProtocol": []}}'
        )
        found = scan(top)
        assert [c.channel_label for c in found.tiles.all_details[0].channels or ()] == ["DAPI", "FITC"]
        assert codes(found) == ["assumed-value"]
        assert found.tiles.collections[0].path() == "test_data_2026-03-02.zarr/C/05/0"

    def test_a_file_that_was_not_copied_is_left_to_preflight(self, tmp_path: Path) -> None:
        run = Run(lost=(Shot("C05", 0, 0, 0, 0),))
        assert len(scan(run.write(tmp_path)).tiles) == 16

    def test_an_acquisition_among_thousands_of_other_files_is_found(self, tmp_path: Path) -> None:
        for number in range(3000):
            (tmp_path / f"a{number:04d}.junk").touch()
        Run().write(tmp_path)
        assert len(scan(tmp_path).tiles) == 16
        for number in range(3000):
            (tmp_path / "test_data_2026-03-02" / "experiment" / f"a{number:04d}.junk").touch()
        assert len(scan(tmp_path / "test_data_2026-03-02").tiles) == 16

    def test_an_image_of_an_acquisition_is_no_acquisition(self, tmp_path: Path) -> None:
        image = next(Run().write(tmp_path).rglob("*.tif"))
        assert SOURCE.detect(image) is None
        with pytest.raises(
            SourceError, match=r"its .jdce, found an image of a measurement: give the folder$"
        ):
            scan(image)

    def test_an_empty_table_is_refused(self, tmp_path: Path) -> None:
        top = Run().write(tmp_path)
        table = top / "experiment" / "image_metadata_1.csv"
        table.write_text(table.read_text(encoding="utf-8").splitlines()[0])
        with pytest.raises(SourceError, match=r"image_metadata_1\.csv: expected a row per image, found none"):
            scan(top)

    def test_a_wavelength_without_an_image_is_said(self, tmp_path: Path) -> None:
        third = (Wavelength(), Wavelength("FITC", 475, 520, 20), Wavelength("Cy5", 640, 690, 20))
        top = Run().write(tmp_path / "two")
        described = Run(wavelengths=third).write(tmp_path / "three") / "experiment" / "test_data.jdce"
        (top / "experiment" / "test_data.jdce").write_bytes(described.read_bytes())
        found = scan(top)
        assert [channel.channel_label for channel in found.tiles.all_details[0].channels or ()] == [
            "DAPI",
            "FITC",
        ]
        (finding,) = found.findings
        assert (finding.severity, finding.code) == ("warning", "not-imaged")
        assert "expected planes of channel Cy5, found none" in finding.message

    def test_stacks_that_begin_late_are_said(self, tmp_path: Path) -> None:
        top = Run(planes=3).write(tmp_path)
        table = top / "experiment" / "image_metadata_1.csv"
        rows = table.read_text(encoding="utf-8-sig").splitlines()
        table.write_text("\n".join(row for row in rows if "_z0.tif" not in row))
        (finding,) = scan(top).findings
        assert "expected z-planes from number 0 on, found none below 1" in finding.message

    def test_a_stopped_acquisition_says_so(self, tmp_path: Path) -> None:
        run = Run(replaced=(('"CollectionComplete": true', '"CollectionComplete": false'),))
        found = scan(run.write(tmp_path))
        assert [(f.severity, f.code) for f in found.findings] == [("warning", "not-imaged")]


def test_ten_thousand_files_are_scanned_in_seconds(tmp_path: Path) -> None:
    wells = tuple(f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 13))
    run = Run(wells=wells, offsets=tuple((20.0 * n, 0.0) for n in range(13)), planes=4, lost=())
    folder = tmp_path / "experiment"
    folder.mkdir()
    shots = list(run.shots())
    (folder / "image_metadata_1.csv").write_text(run.table(shots))
    (folder / "a.jdce").write_text('{"ImageStack": {}}')
    started = time.perf_counter()
    assert len(scan(folder).tiles) == len(shots) == 96 * 13 * 8
    took = time.perf_counter() - started
    print(f"{len(shots)} files in {took:.2f} s")
    assert took < 20
