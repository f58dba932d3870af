"""Plates of MetaXpress: what becomes of names, folders, metadata, copies and losses."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.simulators.imagexpress import (
    FOCUS,
    MIXED,
    START,
    Plate,
    Shot,
    Wave,
    picture,
    read_by_an_xml_parser,
    tiff,
)
from tests.simulators.truth import convert, fields_of, scale_of
from tiles2zarr.errors import SourceError
from tiles2zarr.models import AcquisitionOptions, ChannelInfo
from tiles2zarr.models.image_files.description import FirstPage, read_description
from tiles2zarr.sources import detect_source
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.imagexpress import ImageXpressSource
from tiles2zarr.sources.imagexpress.folders import image_name
from tiles2zarr.sources.imagexpress.metaseries import plane_info
from tiles2zarr.sources.projections import projection_name
from tiles2zarr.sources.timestamps import posix
from tiles2zarr.sources.xml import parse_xml

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.sources.base import Scan

SOURCE = ImageXpressSource()
GUIDS = Plate(layout="database", folder="", htd=False)


def scan(path: Path, **request: object) -> Scan:
    return SOURCE.scan(ScanRequest(path=path, **request))  # type: ignore[arg-type]


def codes(found: Scan) -> list[str]:
    return sorted(finding.code for finding in found.findings)


def verify_pixels(
    plate: Plate, dest: Path, paths: list[str], kinds: dict[str, str], names: dict[str, list[int]]
) -> None:
    """Compare every plane of every image with what the camera saw; a place where nothing was taken is 0."""
    shots = {(s.well, s.site, s.wave.number, s.z, s.t): s for s in plate.shots()}
    seen = set()
    for path in paths:
        _, row, column, image = path.split("/")
        kind = kinds[image]
        for site, pixels in fields_of(dest / path).items():
            volume = pixels if pixels.ndim == 5 else pixels[None]
            for t, c, z in np.ndindex(volume.shape[:3]):
                key = (
                    f"{row}{column}",
                    int(site.removeprefix("FOV_")),
                    names[image][c],
                    0 if kind else z + 1,
                    t + 1,
                )
                expected = plate.pixels(shots[key]) if key in shots else np.zeros((plate.height, plate.width))
                np.testing.assert_array_equal(volume[t, c, z], expected, str(key))
                seen.add(key)
    assert seen >= shots.keys()


class TestWhatBecomesOfWhat:
    def test_an_export_becomes_a_plate_with_all_its_metadata(self, tmp_path: Path) -> None:
        plate = Plate(timepoints=2, wells=("B02", "AF48"), offsets=((-9.0, -4.0), (9.0, -4.0)))
        found = scan(plate.write(tmp_path), acquisition_id=3)
        tiles = found.tiles
        assert [image.path() for image in tiles.collections] == [
            "9987_Plate_3434.zarr/B/02/3",
            "9987_Plate_3434.zarr/AF/48/3",
        ]
        assert tiles.fov_names == ("FOV_1", "FOV_2")
        shots = {
            (s.well, s.site, s.wave.number, s.z, s.t): (plate.position(s), plate.whens[s])
            for s in plate.shots()
        }
        assert len(tiles) == len(shots)
        assert found.acquired is not None
        for index in range(len(tiles)):
            well = tiles.collections[tiles.collection[index]].well  # type: ignore[attr-defined]
            key = (well, int(tiles.fov[index]) + 1, int(tiles.c[index]) + 1)
            key += (round(tiles.z[index] / 3) + 1, round(tiles.t[index] / 600) + 1)
            (x, y), when = shots.pop(key)
            assert (tiles.x[index], tiles.y[index]) == pytest.approx((x, y), abs=1e-6)
            assert found.acquired[index] == pytest.approx(posix(when.isoformat()))
        details = tiles.all_details[0]
        assert (details.pixelsize, details.pixelsize_y, details.z_spacing, details.t_spacing) == (
            1.25,
            None,
            3,
            600,
        )
        optics = {"objective": "40X Plan Apo Lambda", "magnification": 40, "numerical_aperture": 0.95}
        assert details.channels == (
            ChannelInfo(channel_label="DAPI", wavelength_id="w1", emission_nm=452, exposure_s=0.1, **optics),
            ChannelInfo(channel_label="FITC", wavelength_id="w2", emission_nm=520, exposure_s=0.08, **optics),
        )
        assert found.metadata_files == (tmp_path / plate.folder / "9987.HTD",)
        assert found.findings == ()
        assert found.resource == tmp_path / plate.folder

    def test_slices_and_projections_become_images_of_their_own_and_copies_are_left_out(
        self, tmp_path: Path
    ) -> None:
        plate = Plate(waves=MIXED, planes=3)
        found = scan(plate.write(tmp_path))
        assert [image.path() for image in found.tiles.collections] == [
            "9987_Plate_3434.zarr/B/02/0",
            "9987_Plate_3434.zarr/B/03/0",
            "9987_Plate_3434.zarr/B/02/0maximum",
            "9987_Plate_3434.zarr/B/03/0maximum",
        ]
        slices, projections = found.tiles.all_details
        assert [(c.channel_label, c.wavelength_id) for c in slices.channels or ()] == [
            ("DAPI", "w1"),
            ("Texas Red", "w3"),
            ("Cy5", "w4"),
        ]
        assert [c.channel_label for c in projections.channels or ()] == ["DAPI", "FITC"]
        assert [c.z_offset for c in slices.channels or ()] == [0, 0, 10]
        assert codes(found) == ["copied-plane"]
        assert "36 of 64" in found.findings[0].message
        assert len(found.known_gaps) == 2 * 2 * 2 * 2
        assert {gap.reason for gap in found.known_gaps} == {
            "not taken: the export holds a copy of another plane here"
        }
        assert {(gap.c, gap.z) for gap in found.known_gaps} == {(1, 3), (1, 6), (2, 3), (2, 6)}

    def test_pixels_of_a_mixed_export_are_those_of_the_camera(self, tmp_path: Path) -> None:
        plate = Plate(waves=MIXED, planes=3, thumbs=True, junk=True)
        paths = convert(plate.write(tmp_path), tmp_path / "out")
        verify_pixels(
            plate,
            tmp_path / "out",
            paths,
            {"0": "", "0maximum": "maximum"},
            {"0": [1, 3, 4], "0maximum": [1, 2]},
        )
        assert scale_of(tmp_path / "out" / "9987_Plate_3434.zarr/B/02/0") == {
            "c": 1,
            "z": 3,
            "y": 1.25,
            "x": 1.25,
        }

    def test_wavelengths_of_some_timepoints_only_are_copied_by_exports_and_left_out(
        self, tmp_path: Path
    ) -> None:
        waves = (Wave(), Wave("FITC", 2, timepoints=(1,)), Wave("Cy3", 3, timepoints=(1, 4)))
        plate = Plate(waves=waves, timepoints=4, planes=1)
        top = plate.write(tmp_path)
        found = scan(top)
        assert len(found.tiles) == 4 * (4 + 1 + 2)
        assert {(gap.c, gap.t) for gap in found.known_gaps} == {
            (1, 600),
            (1, 1200),
            (1, 1800),
            (2, 600),
            (2, 1200),
        }
        paths = convert(top, tmp_path / "out")
        verify_pixels(plate, tmp_path / "out", paths, {"0": ""}, {"0": [1, 2, 3]})

    def test_the_database_layout_has_guids_in_its_names_and_projections_at_the_top(
        self, tmp_path: Path
    ) -> None:
        waves = (Wave(projection="Maximum"), Wave("FITC", 2, projection="Maximum"))
        plate = replace(GUIDS, waves=waves, thumbs=True, timepoints=2)
        top = plate.write(tmp_path)
        paths = convert(top, tmp_path / "out")
        verify_pixels(
            plate,
            tmp_path / "out",
            paths,
            {"0": "", "0maximum": "maximum"},
            {"0": [1, 2], "0maximum": [1, 2]},
        )
        assert sorted(paths)[0] == "9987.zarr/B/02/0"
        assert scan(top).metadata_files == ()

    def test_one_site_and_one_wavelength_are_not_named(self, tmp_path: Path) -> None:
        plate = Plate(wells=("B02",), offsets=((0.0, 0.0),), waves=(Wave(),), planes=1)
        top = plate.write(tmp_path)
        assert (top / "TimePoint_1" / "9987_B02.TIF").is_file()
        paths = convert(top, tmp_path / "out")
        verify_pixels(plate, tmp_path / "out", paths, {"0": ""}, {"0": [1]})

    def test_a_plate_without_stacks_of_the_database_has_no_folders(self, tmp_path: Path) -> None:
        plate = replace(GUIDS, offsets=((0.0, 0.0),), waves=(Wave(),), planes=1)
        paths = convert(plate.write(tmp_path), tmp_path / "out")
        verify_pixels(plate, tmp_path / "out", paths, {"0": ""}, {"0": [1]})

    @pytest.mark.parametrize("suffix", [".TIF", ".tif", ".tiff"])
    def test_images_directly_in_a_folder_need_no_htd(self, tmp_path: Path, suffix: str) -> None:
        plate = Plate(layout="flat", planes=1, htd=False, names_prefix=False, suffix=suffix)
        paths = convert(plate.write(tmp_path), tmp_path / "out")
        verify_pixels(plate, tmp_path / "out", paths, {"0": ""}, {"0": [1, 2]})

    def test_a_missing_wavelength_between_others_is_no_channel(self, tmp_path: Path) -> None:
        plate = Plate(waves=(Wave(), Wave("Cy5", 3)), planes=1, htd=False)
        found = scan(plate.write(tmp_path))
        channels = found.tiles.all_details[0].channels or ()
        assert [(c.channel_label, c.wavelength_id) for c in channels] == [("DAPI", "w1"), ("Cy5", "w3")]

    def test_only_projections_become_the_images_themselves(self, tmp_path: Path) -> None:
        plate = Plate(waves=(Wave(planes="", projection="Minimum"),))
        found = scan(plate.write(tmp_path))
        assert [image.path() for image in found.tiles.collections] == [
            "9987_Plate_3434.zarr/B/02/0",
            "9987_Plate_3434.zarr/B/03/0",
        ]
        assert codes(found) == ["projection-only"]

    def test_projections_have_one_name_each(self) -> None:
        said = ["Maximum", "Minimum", "Average", "Mean", "Sum", "Best Focus", "Standard Deviation", "3"]
        named = ["maximum", "minimum", "mean", "mean", "sum", "focus", "standarddeviation", "maximum"]
        assert [projection_name(method) for method in said] == named

    def test_pixels_need_not_be_square(self, tmp_path: Path) -> None:
        plate = Plate(pixelsize=(1.25, 2.5), offsets=((-10.0, 0.0), (10.0, 0.0)))
        paths = convert(plate.write(tmp_path), tmp_path / "out")
        assert scale_of(tmp_path / "out" / paths[0]) == {"c": 1, "z": 3, "y": 2.5, "x": 1.25}

    def test_units_other_than_micrometres_are_converted(self, tmp_path: Path) -> None:
        found = scan(Plate(pixelsize=(0.00125, 0.00125), unit="mm").write(tmp_path))
        assert found.tiles.all_details[0].pixelsize == 1.25

    @pytest.mark.parametrize("change", [{"calibrated": False}, {"unit": "pixel"}])
    def test_an_image_without_calibration_has_pixels_of_unknown_size(
        self, tmp_path: Path, change: dict[str, object]
    ) -> None:
        found = scan(replace(Plate(), **change).write(tmp_path))  # type: ignore[arg-type]
        assert codes(found) == ["assumed-value"]

    def test_the_z_step_is_measured_where_nothing_says_it(self, tmp_path: Path) -> None:
        found = scan(Plate(planes=3, step=0.35).write(tmp_path))
        assert found.tiles.all_details[0].z_spacing == pytest.approx(0.34)
        assert found.tiles.z.max() == pytest.approx(0.68)

    def test_a_step_that_was_rounded_far_is_measured(self, tmp_path: Path) -> None:
        rounded = (
            '"Z Projection Step Size" type="float" value="0.25"',
            '"Z Projection Step Size" type="float" value="0.3"',
        )
        plate = Plate(waves=(Wave(projection="Maximum"),), step=0.25, replaced=(rounded,))
        assert scan(plate.write(tmp_path)).tiles.all_details[0].z_spacing == pytest.approx(0.25)

    def test_a_hundred_files_of_junk_are_not_looked_at(self, tmp_path: Path) -> None:
        clean, messy = (
            Plate(folder="a").write(tmp_path),
            Plate(folder="b", junk=True, thumbs=True).write(tmp_path),
        )
        assert len(scan(clean).tiles) == len(scan(messy).tiles)

    def test_the_plates_name_is_the_users_or_that_of_its_folder(self, tmp_path: Path) -> None:
        top = Plate(planes=1, timepoints=2).write(tmp_path)
        (image, *_) = scan(top, plate_name="mine").tiles.collections
        assert image.path() == "mine.zarr/B/02/0"
        for path in (top, top / "9987.HTD", top / "TimePoint_2", top / "TimePoint_1" / "9987.HTD"):
            (image, *_) = scan(path).tiles.collections
            assert image.path() == "9987_Plate_3434.zarr/B/02/0"

    def test_options_replace_what_the_metadata_say(self, tmp_path: Path) -> None:
        names = [ChannelInfo(channel_label="nuclei"), ChannelInfo(channel_label="actin")]
        options = AcquisitionOptions.model_validate({"channels": names, "pixel_info": {"pixelsize": 0.5}})
        found = scan(Plate().write(tmp_path), options=options)
        assert found.tiles.all_details[0].pixelsize == 0.5
        assert [c.channel_label for c in found.tiles.all_details[0].channels or ()] == ["nuclei", "actin"]


class TestWhichPath:
    def test_the_plate_its_parents_its_parts_and_its_htd_will_do(self, tmp_path: Path) -> None:
        plate = Plate(planes=1, timepoints=2)
        top = plate.write(tmp_path)
        everything = len(scan(top).tiles)
        assert len(scan(tmp_path).tiles) == everything
        assert len(scan(top / "9987.HTD").tiles) == everything
        assert len(scan(top / "TimePoint_1" / "9987.HTD").tiles) == everything
        assert len(scan(top / "TimePoint_2").tiles) == everything // 2

    @pytest.mark.parametrize("plate", [Plate(), GUIDS, Plate(layout="flat", htd=False, planes=1)])
    def test_it_is_recognised_from_the_plate_and_from_above(self, tmp_path: Path, plate: Plate) -> None:
        top = plate.write(tmp_path)
        assert detect_source(top).name == "imagexpress"
        assert detect_source(tmp_path).name == "imagexpress"

    def test_a_damaged_first_image_does_not_hide_a_plate(self, tmp_path: Path) -> None:
        top = Plate(htd=False, planes=1, broken=(("B02", 1, 1, 1, 1),)).write(tmp_path)
        assert SOURCE.detect(top) is not None

    def test_an_htd_is_recognised(self, tmp_path: Path) -> None:
        assert detect_source(Plate().write(tmp_path) / "9987.HTD").name == "imagexpress"

    def test_images_that_are_called_so_but_are_not_of_metaxpress_are_not_claimed(
        self, tmp_path: Path
    ) -> None:
        top = Plate(htd=False, described=False).write(tmp_path)
        assert SOURCE.detect(top) is None

    def test_other_folders_are_not_claimed(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "notes.txt").write_text("A01")
        (tmp_path / "fake.HTD").write_text("nothing")
        assert SOURCE.detect(tmp_path) is None
        assert SOURCE.detect(tmp_path / "a") is None
        assert SOURCE.detect(tmp_path / "fake.HTD") is None

    def test_several_plates_are_named(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            Plate(folder=name).write(tmp_path)
        with pytest.raises(
            SourceError,
            match=r"expected one measurement, found 2 \(one, two\): give the path of one of them$",
        ):
            scan(tmp_path)

    def test_plates_in_one_folder_are_told_apart_by_their_htd(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            top = Plate(name=name, folder="both", layout="flat", planes=1).write(tmp_path / name)
            for file in top.iterdir():
                (tmp_path / file.name).write_bytes(file.read_bytes())
            for file in top.iterdir():
                file.unlink()
            top.rmdir()
            top.parent.rmdir()
        with pytest.raises(SourceError, match=r"found names that begin with 'one', 'two': move each plate"):
            scan(tmp_path)
        found = scan(tmp_path / "two.HTD")
        assert found.tiles.collections[0].path() == "two.zarr/B/02/0"
        assert found.metadata_files == (tmp_path / "two.HTD",)

    def test_a_folder_without_images_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"found none: choose the folder of the plate$"):
            scan(tmp_path)
        (tmp_path / "a.HTD").write_bytes(Plate().htd_text())
        with pytest.raises(SourceError, match=r"found none: copy them into the folder$"):
            scan(tmp_path)


class TestWhatIsMissingOrWrong:
    def test_images_without_metadata_are_taken_by_name_where_wells_have_one_site(
        self, tmp_path: Path
    ) -> None:
        plate = Plate(
            described=False, offsets=((0.0, 0.0),), waves=(Wave(projection="Maximum"), Wave("FITC", 2))
        )
        plate = replace(plate, copies=False)
        top = plate.write(tmp_path)
        found = scan(top)
        assert [image.path() for image in found.tiles.collections][::2] == [
            "9987_Plate_3434.zarr/B/02/0",
            "9987_Plate_3434.zarr/B/02/0maximum",
        ]
        assert [c.channel_label for c in found.tiles.all_details[0].channels or ()] == ["DAPI", "FITC"]
        assert set(codes(found)) == {"assumed-value"}
        paths = convert(top, tmp_path / "out", format="imagexpress")
        verify_pixels(
            plate, tmp_path / "out", paths, {"0": "", "0maximum": "m"}, {"0": [1, 2], "0maximum": [1]}
        )

    def test_images_of_several_sites_without_positions_are_refused(self, tmp_path: Path) -> None:
        top = Plate(described=False).write(tmp_path)
        with pytest.raises(
            SourceError, match=r"_B02_s1_w1.TIF: expected the stage position .* describe the plate in"
        ):
            scan(top)

    def test_the_instruments_own_account_of_its_stage_stands_for_a_position_that_lacks(
        self, tmp_path: Path
    ) -> None:
        names = (("stage-position-x", "X"), ("stage-position-y", "Y"), ("z-position", "Z"))
        renamed = tuple(
            (f'<prop id="{old}', f'<custom-prop id="ImageXpress Micro {new}') for old, new in names
        )
        usual, other = (
            scan(Plate().write(tmp_path / "a")),
            scan(Plate(replaced=renamed).write(tmp_path / "b")),
        )
        np.testing.assert_array_equal(other.tiles.x, usual.tiles.x)
        np.testing.assert_array_equal(other.tiles.y, usual.tiles.y)
        assert other.tiles.all_details == usual.tiles.all_details

    def test_one_image_without_metadata_lies_where_the_others_of_its_field_do(self, tmp_path: Path) -> None:
        plate = Plate()
        top = plate.write(tmp_path)
        shot = next(iter(plate.shots()))
        (top / "TimePoint_1/ZStep_1/9987_B02_s1_w1.TIF").write_bytes(tiff(plate.pixels(shot), ""))
        found = scan(top)
        assert codes(found) == ["assumed-value"]
        paths = convert(top, tmp_path / "out")
        verify_pixels(plate, tmp_path / "out", paths, {"0": ""}, {"0": [1, 2]})

    @pytest.mark.parametrize("layout", ["export", "database"])
    def test_early_versions_do_not_say_what_is_a_projection(self, tmp_path: Path, layout: str) -> None:
        silent = (("Z Projection Method", "other"), ("Z Step", "other"), ("Z Projection Step Size", "other"))
        waves = (Wave(projection="Maximum"), Wave("Cy5", 2, planes="single"))
        plate = Plate(layout=layout, waves=waves, planes=3, htd=False, replaced=silent)
        paths = convert(plate.write(tmp_path), tmp_path / "out")
        verify_pixels(
            plate, tmp_path / "out", paths, {"0": "", "0maximum": "m"}, {"0": [1, 2], "0maximum": [1]}
        )

    def test_a_lost_file_is_a_loss_and_not_a_gap(self, tmp_path: Path) -> None:
        plate = Plate(waves=MIXED, planes=3, lost=(("B02", 1, 1, 2, 1),))
        found = scan(plate.write(tmp_path))
        assert len(found.known_gaps) == 2 * 2 * 2 * 2
        assert len(found.tiles) == 28 - 1

    def test_a_lost_original_is_replaced_by_its_copy(self, tmp_path: Path) -> None:
        plate = Plate(waves=MIXED, planes=3, lost=(("B02", 1, 3, 1, 1),))
        top = plate.write(tmp_path)
        paths = convert(top, tmp_path / "out")
        verify_pixels(
            plate, tmp_path / "out", paths, {"0": "", "0maximum": "m"}, {"0": [1, 3, 4], "0maximum": [1, 2]}
        )

    def test_a_damaged_original_is_replaced_by_its_copy(self, tmp_path: Path) -> None:
        plate = Plate(waves=MIXED, planes=3, broken=(("B02", 2, 2, 0, 1),))
        top = plate.write(tmp_path)
        for file in top.rglob("*_B02_s2_w2.TIF"):  # the simulator breaks all that show the plane
            if file.parent.name == "ZStep_2":
                shot = next(
                    s for s in plate.shots() if (s.well, s.site, s.wave.number, s.z) == ("B02", 2, 2, 0)
                )
                file.write_bytes(tiff(plate.pixels(shot), plate.description(shot)))
            elif file.parent.name != "ZStep_0":
                file.unlink()
        found = scan(top)
        assert codes(found) == ["copied-plane", "unreadable-file"]
        paths = convert(top, tmp_path / "out")
        names = {"0": [1, 3, 4], "0maximum": [1, 2]}
        verify_pixels(plate, tmp_path / "out", paths, {"0": "", "0maximum": "m"}, names)

    def test_a_damaged_file_is_left_to_preflight(self, tmp_path: Path) -> None:
        plate = Plate(broken=(("B02", 1, 1, 1, 1),))
        found = scan(plate.write(tmp_path))
        assert len(found.tiles) == len(list(plate.shots()))
        assert set(found.tiles.length_y.tolist()) == {plate.height}

    def test_pixel_sizes_that_differ_are_refused(self, tmp_path: Path) -> None:
        top = Plate().write(tmp_path)
        other = Plate(folder="other", pixelsize=(0.625, 0.625)).write(tmp_path)
        name = "TimePoint_1/ZStep_1/9987_B03_s1_w1.TIF"
        (top / name).write_bytes((other / name).read_bytes())
        with pytest.raises(
            SourceError, match=r"9987_B03_s1_w1.TIF: expected pixels of 1.25 µm .*, found 0.625 µm"
        ):
            scan(top)

    def test_wells_and_sites_that_the_htd_chooses_and_nobody_copied_are_said(self, tmp_path: Path) -> None:
        lost = tuple(("B03", 2, wave, z, 1) for wave in (1, 2) for z in (1, 2))
        found = scan(Plate(chosen=("B02", "B03", "C05"), lost=lost).write(tmp_path))
        assert [(f.severity, f.code) for f in found.findings] == [("warning", "not-imaged")] * 2
        assert "1 (C05)" in found.findings[0].message
        assert "1 (B03 site 2)" in found.findings[1].message

    @pytest.mark.parametrize(
        ("lost", "named"),
        [
            ("TimePoint_2", "all timepoints that the .HTD names, found none of 1 (TimePoint_2)"),
            ("*/ZStep_3", "all z-planes that the .HTD names, found none of 1 (ZStep_3)"),
            ("*/ZStep_1", "expected z-planes from number 1 on, found none below 2"),
            ("*/ZStep_0", "expected projections, as the .HTD says, found none: copy the folder ZStep_0"),
            ("**/*_w2.TIF", "expected planes of channel FITC, found none"),
            ("**/*_B03_*", "all wells that the .HTD names, found none of 1 (B03)"),
            ("**/*_s2_*", "all fields of view that the .HTD names, found none of 2 (B02 site 2, B03 site 2)"),
        ],
    )
    def test_what_the_htd_names_and_nobody_copied_is_said(
        self, tmp_path: Path, lost: str, named: str
    ) -> None:
        waves = (Wave(projection="Maximum"), Wave("FITC", 2, projection="Maximum"))
        top = Plate(waves=waves, planes=3, timepoints=2).write(tmp_path)
        assert scan(top).findings == ()
        for path in list(top.glob(lost)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (finding,) = scan(top).findings
        assert (finding.severity, finding.code) == ("warning", "not-imaged")
        assert named in finding.message

    def test_a_wavelength_that_was_not_to_be_collected_is_not_missed(self, tmp_path: Path) -> None:
        top = Plate(waves=(Wave(), Wave("FITC", 3)), planes=1).write(tmp_path)
        for file in top.rglob("*.HTD"):
            file.write_bytes(file.read_bytes().replace(b'"UniqueP', b'"WaveCollect2", 0\r\n"UniqueP'))
        assert scan(top).findings == ()

    def test_one_timepoint_that_somebody_chose_does_not_lack_the_others(self, tmp_path: Path) -> None:
        top = Plate(timepoints=3).write(tmp_path)
        assert scan(top / "TimePoint_2").findings == ()
        assert scan(top / "TimePoint_2" / "ZStep_2").findings == ()

    def test_pictures_are_read_by_their_names(self, tmp_path: Path) -> None:
        plate = Plate(offsets=((0.0, 0.0),), suffix=".png")
        top = plate.write(tmp_path)
        found = scan(top)
        assert "expected metadata of MetaXpress in the description of each image, found none in 8" in str(
            [finding.message for finding in found.findings]
        )
        paths = convert(top, tmp_path / "out")
        verify_pixels(plate, tmp_path / "out", paths, {"0": ""}, {"0": [1, 2]})

    def test_what_is_a_picture_is_decided_by_its_content(self, tmp_path: Path) -> None:
        plate = Plate(offsets=((0.0, 0.0),))
        top = plate.write(tmp_path)
        for file in top.rglob("*.TIF"):
            file.write_bytes(picture(plate.pixels(next(plate.shots()))))
        (first, *_) = sorted(top.rglob("*.TIF"))
        first.write_bytes(b"neither")
        found = scan(top)
        assert "found none in 7" in str([finding.message for finding in found.findings])
        assert set(zip(found.tiles.length_y.tolist(), found.tiles.length_x.tolist(), strict=True)) == {
            (10, 16)
        }

    def test_pictures_of_several_sites_are_refused_for_want_of_positions(self, tmp_path: Path) -> None:
        top = Plate(suffix=".png").write(tmp_path)
        expected = (
            r"_s1_w1.png: expected the stage position in its metadata, because its well has several sites, found none: "
            r"export the plate as TIFF, .* describe the plate in a tiles.csv: without positions nobody knows"
        )
        with pytest.raises(SourceError, match=expected):
            scan(top)

    def test_pictures_of_results_beside_the_images_are_left_out(self, tmp_path: Path) -> None:
        plate = Plate()
        top = plate.write(tmp_path)
        usual = scan(top)
        for file in list(top.rglob("*.TIF")):
            file.with_suffix(".png").write_bytes(picture(np.zeros((4, 4), np.uint8)))
        found = scan(top)
        assert len(found.tiles) == len(usual.tiles)
        assert found.findings == ()

    def test_a_folder_of_pictures_alone_is_a_plate_if_somebody_says_so(self, tmp_path: Path) -> None:
        plate = Plate(layout="flat", planes=1, htd=False, offsets=((0.0, 0.0),), suffix=".png")
        top = plate.write(tmp_path)
        assert SOURCE.detect(top) is None
        paths = convert(top, tmp_path / "out", format="imagexpress")
        verify_pixels(plate, tmp_path / "out", paths, {"0": ""}, {"0": [1, 2]})

    def test_a_plate_among_thousands_of_other_files_is_found(self, tmp_path: Path) -> None:
        for number in range(3000):
            (tmp_path / f"a{number:04d}.junk").touch()
        plate = Plate()
        plate.write(tmp_path)
        assert len(scan(tmp_path).tiles) == len(list(plate.shots()))

    def test_an_image_of_a_plate_is_no_plate(self, tmp_path: Path) -> None:
        top = Plate().write(tmp_path)
        image = next(top.rglob("*.TIF"))
        assert SOURCE.detect(image) is None
        with pytest.raises(SourceError, match=r"its .HTD, found an image of a measurement: give the folder$"):
            scan(image)

    def test_a_damaged_htd_is_a_warning_unless_it_was_given(self, tmp_path: Path) -> None:
        top = Plate().write(tmp_path)
        (top / "9987.HTD").write_bytes(b"\0\0\0")
        found = scan(top)
        assert [(f.severity, f.code) for f in found.findings] == [("warning", "unreadable-file")]
        with pytest.raises(SourceError, match=r"expected 'HTSInfoFile' in its first line"):
            scan(top / "9987.HTD")

    def test_timepoints_that_all_claim_to_be_the_first_are_told_apart_by_their_folders(
        self, tmp_path: Path
    ) -> None:
        said = ('"Timepoint" type="float" value="2"', '"Timepoint" type="float" value="1"')
        plate = Plate(timepoints=2, planes=1, replaced=(said,))
        paths = convert(plate.write(tmp_path), tmp_path / "out")
        verify_pixels(plate, tmp_path / "out", paths, {"0": ""}, {"0": [1, 2]})

    def test_planes_of_one_moment_that_nothing_tells_apart_stay_planes(self, tmp_path: Path) -> None:
        plate = Plate(replaced=((' id="Z Step"', ' id="No Step"'), (' id="z-position"', ' id="no-z"')))
        top = plate.write(tmp_path)
        for file in top.rglob("*.TIF"):
            data = file.read_bytes()
            place = data.index(b"acquisition-time-local")
            file.write_bytes(data[: place + 42] + b"20240709 13:13:03.256" + data[place + 63 :])
        assert read_description(next(top.rglob("*.TIF"))).count("20240709 13:13:03.256") == 1
        assert len(scan(top).tiles) == len(list(plate.shots()))


GUID = "1D5F8F51-A3E8-4358-AE51-A465AF87386F"


class TestNames:
    @pytest.mark.parametrize(
        ("name", "parts"),
        [
            ("9987_B02.TIF", ("9987", "B02", None, None)),
            ("9987_B02_s1_w2.tif", ("9987", "B02", "1", "2")),
            ("A01_s10_w1.TIF", (None, "A01", "10", "1")),
            ("9987_A01_w12.TIF", ("9987", "A01", None, "12")),
            ("a_B_C03 x_AF48_s10.tiff", ("a_B_C03 x", "AF48", "10", None)),
            (f"1well-3C_C07_s1_w1{GUID}.tif", ("1well-3C", "C07", "1", "1")),
            (f"mix_E08_s1{GUID}.tif", ("mix", "E08", "1", None)),
            (f"mix_E08{GUID}.tif", ("mix", "E08", None, None)),
            (f"HTS_A01_s1_[{GUID}].tif", ("HTS", "A01", "1", None)),
            (f"mcf-z-stacks_k06_s2_w1{GUID.lower()}.tif", ("mcf-z-stacks", "k06", "2", "1")),
        ],
    )
    def test_names_say_plate_well_site_and_wavelength(self, name: str, parts: tuple[str | None, ...]) -> None:
        match = image_name(name)
        assert match is not None
        assert match.group("plate", "well", "site", "wave") == parts

    @pytest.mark.parametrize(
        "name",
        [
            f"mix_E07_s1_thumb{GUID}.tif",
            "9987_B02_s1_w1_thumb.TIF",
            "._9987_B02.TIF",
            "9987_B00.TIF",
            "9987.HTD",
            "test_data_t0_C05_s0_w0_z0.tif",
            "W2_B06_T0001F001L01A01Z01C09.tif",
            "overview.tif",
            "overview_c01.tif",
            "notes_s10.tif",
        ],
    )
    def test_other_files_are_no_images_of_a_plate(self, name: str) -> None:
        assert image_name(name) is None


class TestReadingMetadata:
    def test_properties_are_what_an_xml_parser_reads(self) -> None:
        plate = Plate(waves=MIXED, planes=3, timepoints=2, name="a < b")
        for shot in [*plate.shots()][:12]:
            text = plate.description(shot)
            found, expected = plane_info(FirstPage(text, 1, 1)), read_by_an_xml_parser(text)
            assert {name: getattr(found, name) for name in expected} == expected
            assert expected["timepoint"] == shot.t and expected["focus"] == plate.focus(shot)

    @pytest.mark.parametrize(
        "value", ["&#181;m &lt;&gt;&amp;&quot;&apos;", "a&#13;&#10;b", "a\nb\tc\r\nd", "&#x41;&#128;"]
    )
    def test_values_are_unescaped_as_xml_says(self, value: str) -> None:
        text = f'<prop id="_IllumSetting_" type="string" value="{value}"/>'
        optics = plane_info(FirstPage(f"<MetaData><PlaneInfo>{text}", 1, 1)).optics
        assert optics is not None
        assert optics.name == parse_xml(text, "test").attrib["value"]

    def test_odd_values_are_unknown(self, tmp_path: Path) -> None:
        replaced = (
            ('"z-position" type="float" value="', '"z-position" type="float" value="x'),
            ('"wavelength" type="float" value="', '"wavelength" type="float" value="-'),
            ('local" type="time" value="2', 'local" type="time" value="x'),
            ('"Exposure Time" type="string" value="', '"Exposure Time" type="string" value="1e400'),
        )
        found = scan(Plate(replaced=replaced, copies=False).write(tmp_path))
        assert found.acquired is not None
        assert all(isnan(moment) for moment in found.acquired)
        channels = found.tiles.all_details[0].channels or ()
        assert [(channel.emission_nm, channel.exposure_s) for channel in channels] == [(None, None)] * 2
        assert codes(found) == ["assumed-value"]


def test_the_simulator_knows_focus_and_time() -> None:
    plate = Plate(waves=MIXED, planes=3)
    first = Shot("B02", 1, MIXED[0], 1, 1)
    assert plate.focus(first) == FOCUS
    assert plate.whens[first] == START
    assert plate.whens[first._replace(z=0)] == START


def test_ten_thousand_files_are_scanned_in_seconds(tmp_path: Path) -> None:
    wells = tuple(f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 13))
    plate = Plate(wells=wells, offsets=tuple((20.0 * n, 0.0) for n in range(13)), planes=4, height=2, width=2)
    top = plate.write(tmp_path)
    started = time.perf_counter()
    found = scan(top)
    took = time.perf_counter() - started
    assert len(found.tiles) == 96 * 13 * 4 * 2
    print(f"{len(found.tiles)} files in {took:.2f} s")
    assert took < 20
