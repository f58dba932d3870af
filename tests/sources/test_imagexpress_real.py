"""Real plates of MetaXpress and MetaXpress Acquire, and what their makers say is in them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from tests.simulators import truth
from tests.simulators.imagexpress import read_by_an_xml_parser
from tests.simulators.truth import convert, plane, scale_of
from tiles2zarr.models import ChannelInfo
from tiles2zarr.models.image_files.description import read_first_page
from tiles2zarr.sources import detect_source
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.imagexpress.metaseries import plane_info

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.sources.base import Scan

pytestmark = pytest.mark.realdata
Folder = "Callable[[str], Path]"


def scan(path: Path, format: str = "imagexpress") -> Scan:
    source = detect_source(path)
    assert source.name == format
    return source.scan(ScanRequest(path=path))


def read(file: Path) -> NDArray[np.uint16]:
    return tifffile.imread(file)


def fields_of(image: Path) -> dict[str, NDArray[np.uint16]]:
    """The pixels of each field of view by the number of its site."""
    return {name.removeprefix("FOV_"): pixels for name, pixels in truth.fields_of(image).items()}


def positions(found: Scan) -> dict[tuple[str, str], tuple[float, float]]:
    tiles = found.tiles
    return {
        (tiles.collections[c].well, tiles.fov_names[f].removeprefix("FOV_")): (float(x), float(y))  # type: ignore[attr-defined]
        for c, f, x, y in zip(tiles.collection, tiles.fov, tiles.x, tiles.y, strict=True)
    }


def codes(found: Scan) -> list[str]:
    return sorted(finding.code for finding in found.findings)


@pytest.mark.parametrize(
    "name",
    [
        "imagexpress-metaxpress-export-3420",
        "imagexpress-metaxpress-export-3434",
        "imagexpress-db-time-zmix",
        "imagexpress-db-singlechannel",
        "imagexpress-embl-multisite-crop",
    ],
)
def test_metadata_are_read_as_an_xml_parser_reads_them(
    real_dataset: Callable[[str], Path], name: str
) -> None:
    for file in sorted(real_dataset(name).rglob("*.[tT][iI][fF]")):
        page = read_first_page(file)
        found, expected = plane_info(page), read_by_an_xml_parser(page.description)
        assert {name: getattr(found, name) for name in expected} == expected


class TestExports:
    def test_3420_has_neither_sites_nor_wavelengths_in_its_names(
        self, real_dataset: Callable[[str], Path], tmp_path: Path
    ) -> None:
        source = real_dataset("imagexpress-metaxpress-export-3420")
        found = scan(source)
        assert positions(found) == {("B02", "1"): (22985.0, 19885.0)}
        assert found.tiles.all_details[0].pixelsize == 1.3672
        assert codes(found) == []
        assert convert(source, tmp_path) == ["imagexpress-metaxpress-export-3420.zarr/B/02/0"]
        pixels = fields_of(tmp_path / "imagexpress-metaxpress-export-3420.zarr/B/02/0")["1"]
        np.testing.assert_array_equal(
            pixels, read(source / "9987_Plate_3420" / "TimePoint_1" / "9987_B02.TIF")[None, None]
        )

    def test_3434_is_what_was_taken_and_not_what_the_export_filled_in(
        self, real_dataset: Callable[[str], Path], tmp_path: Path
    ) -> None:
        source = real_dataset("imagexpress-metaxpress-export-3434")
        found = scan(source)
        slices, projections = found.tiles.all_details
        assert (slices.pixelsize, slices.z_spacing) == (1.3672, 3.0)
        optics = {
            "exposure_s": 0.1,
            "objective": "40X Plan Apo Lambda",
            "magnification": 40.0,
            "numerical_aperture": 0.95,
        }
        channels = slices.channels or ()
        assert channels[0] == ChannelInfo(
            channel_label="DAPI", wavelength_id="w1", emission_nm=452, z_offset=0, **optics
        )
        assert [(c.channel_label, c.wavelength_id, c.emission_nm) for c in channels] == [
            ("DAPI", "w1", 452),
            ("Texas Red", "w3", 624),
            ("Cy5", "w4", 692),
        ]
        assert (channels[2].z_offset or 0) - (channels[1].z_offset or 0) == pytest.approx(10, abs=0.1)
        assert [c.channel_label for c in projections.channels or ()] == ["DAPI", "FITC"]
        assert {key: tuple(map(round, place)) for key, place in positions(found).items()} == {
            ("B02", "1"): (22985, 19885),
            ("B02", "2"): (23300, 19885),
            ("B03", "1"): (31985, 19885),
            ("B03", "2"): (32300, 19885),
        }
        assert codes(found) == ["copied-plane"]
        assert len(found.tiles) == 4 * (3 + 1 + 1) + 4 * 2
        assert len(found.known_gaps) == 4 * 2 * 2
        assert found.metadata_files == (source / "9987_Plate_3434" / "9987.HTD",)

        paths = convert(source, tmp_path)
        assert sorted(paths) == [
            f"imagexpress-metaxpress-export-3434.zarr/B/{column}/{image}"
            for column in ("02", "03")
            for image in ("0", "0maximum")
        ]
        part = source / "9987_Plate_3434" / "TimePoint_1"
        for well, column in (("B02", "02"), ("B03", "03")):
            shown = fields_of_unblended(tmp_path / f"imagexpress-metaxpress-export-3434.zarr/B/{column}/0")
            flat = fields_of_unblended(
                tmp_path / f"imagexpress-metaxpress-export-3434.zarr/B/{column}/0maximum"
            )
            for site in ("1", "2"):
                for z in range(3):
                    expected = read(part / f"ZStep_{z + 1}" / f"9987_{well}_s{site}_w1.TIF")
                    np.testing.assert_array_equal(shown[site][0, z], expected[:, :200])
                for c, wave in ((1, 3), (2, 4)):
                    expected = read(part / "ZStep_1" / f"9987_{well}_s{site}_w{wave}.TIF")
                    np.testing.assert_array_equal(shown[site][c, 0], expected[:, :200])
                    assert not shown[site][c, 1:].any()
                for c in (0, 1):
                    expected = read(part / "ZStep_0" / f"9987_{well}_s{site}_w{c + 1}.TIF")
                    np.testing.assert_array_equal(flat[site][c, 0], expected[:, :200])
        assert scale_of(tmp_path / "imagexpress-metaxpress-export-3434.zarr/B/02/0") == {
            "c": 1,
            "z": 3,
            "y": 1.3672,
            "x": 1.3672,
        }


class TestDatabase:
    def test_time_and_mixed_z(self, real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
        source = real_dataset("imagexpress-db-time-zmix")
        found = scan(source)
        assert [c.path() for c in found.tiles.collections] == [
            "imagexpress-db-time-zmix.zarr/C/07/0",
            "imagexpress-db-time-zmix.zarr/C/07/0maximum",
        ]
        slices, projections = found.tiles.all_details
        assert [c.channel_label for c in slices.channels or ()] == ["FITC"]
        assert [c.channel_label for c in projections.channels or ()] == ["Cy3", "Texas Red"]
        assert slices.pixelsize == 13.5504
        assert slices.t_spacing == pytest.approx(5.5, abs=0.1)
        assert positions(found) == {
            ("C07", "1"): pytest.approx((68300, 27625.7), abs=0.2),
            ("C07", "2"): pytest.approx((68300, 31094.5), abs=0.2),
        }
        assert codes(found) == []
        assert len(found.tiles) == 12
        convert(source, tmp_path)
        for image, waves in (("0", (1,)), ("0maximum", (2, 3))):
            for site, pixels in fields_of(tmp_path / f"imagexpress-db-time-zmix.zarr/C/07/{image}").items():
                for t in range(2):
                    for c, wave in enumerate(waves):
                        (file,) = source.rglob(f"TimePoint_{t + 1}/*_s{site}_w{wave}????????-*")
                        np.testing.assert_array_equal(pixels[t, c, 0], read(file))

    def test_one_wavelength_with_projections_at_the_top(
        self, real_dataset: Callable[[str], Path], tmp_path: Path
    ) -> None:
        source = real_dataset("imagexpress-db-singlechannel")
        found = scan(source)
        assert [c.path() for c in found.tiles.collections] == [
            f"imagexpress-db-singlechannel.zarr/E/{column}/{image}"
            for image in ("0", "0maximum")
            for column in ("07", "08")
        ]
        assert positions(found)["E07", "1"] == (79813.4, 41385.4)
        assert positions(found)["E07", "2"] == (80513.3, 41385.4)
        details = found.tiles.all_details[0]
        assert (details.pixelsize, details.z_spacing) == (1.3668, 5.0)
        assert codes(found) == []
        convert(source, tmp_path)
        for column in ("07", "08"):
            planes = fields_of(tmp_path / f"imagexpress-db-singlechannel.zarr/E/{column}/0")
            flat = fields_of(tmp_path / f"imagexpress-db-singlechannel.zarr/E/{column}/0maximum")
            for site in ("1", "2"):
                for z in range(2):
                    (file,) = source.rglob(f"ZStep_{z + 1}/*_E{column}_s{site}????????-*")
                    np.testing.assert_array_equal(planes[site][0, z], read(file))
                (file,) = source.rglob(f"1334/*_E{column}_s{site}????????-*")
                np.testing.assert_array_equal(flat[site][0, 0], read(file))

    def test_files_directly_in_a_folder(self, real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
        source = real_dataset("imagexpress-embl-multisite-crop")
        found = scan(source)
        assert positions(found) == {("A01", "1"): (-24698.2, 14107.4), ("A02", "4"): (-13935.2, 15677.5)}
        assert found.tiles.all_details[0].pixelsize == 0.645
        assert (found.tiles.length_y[0], found.tiles.length_x[0]) == (884, 1183)
        (channel,) = found.tiles.all_details[0].channels or ()
        assert (channel.channel_label, channel.exposure_s, channel.magnification) == ("DAPI", 0.01, 10)
        convert(source, tmp_path)
        for column, site in (("01", "1"), ("02", "4")):
            expected = read(source / f"IM-Assays-EXP2_A{column}_s{site}_w1.TIF")
            pixels = fields_of(tmp_path / f"imagexpress-embl-multisite-crop.zarr/A/{column}/0")[site]
            np.testing.assert_array_equal(pixels, expected[None, None])


def test_hcs_ai_with_pixels_that_its_table_names(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    top = tmp_path / "run"
    shutil.copytree(real_dataset("imagexpress-hcsai-uzh-1w-meta"), top)
    pixels = plane("C05", 0, 0, 0, 0, 576, 576)
    (top / "experiment" / "timepoint0").mkdir()
    tifffile.imwrite(top / "experiment" / "timepoint0" / "test_data_t0_C05_s0_w0_z0.tif", pixels)
    found = scan(top, "imagexpress_hcsai")
    assert positions(found) == {("C05", "1"): (50027.34, 30045.34)}
    details = found.tiles.all_details[0]
    assert details.pixelsize == 1.294
    assert details.channels == (
        ChannelInfo(
            channel_label="DAPI",
            wavelength_id="w0",
            excitation_nm=440,
            emission_nm=440,
            exposure_s=0.01,
            objective="20X Plan Apo Lambda D",
            magnification=20,
        ),
    )
    assert found.acquired is not None
    assert found.acquired.tolist() == [1772456272.45]
    assert codes(found) == []
    (path,) = convert(top, tmp_path / "out")
    assert path == "run.zarr/C/05/0"
    np.testing.assert_array_equal(fields_of(tmp_path / "out" / path)["1"], pixels[None, None])


def fields_of_unblended(image: Path) -> dict[str, NDArray[np.uint16]]:
    """Of each field of view a part that no later one covers: sites overlap by a tenth."""
    found = fields_of(image)
    return {"1": found["1"][..., :200], "2": found["2"][..., :200]}
