"""Real measurements of CellVoyagers: what their SOURCE.md says, and pixels in place of the blank ones."""

from __future__ import annotations

import shutil
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from tests.simulators.truth import convert, fields_of, scale_of
from tiles2zarr.sources import detect_source
from tiles2zarr.sources.base import Scan, ScanRequest
from tiles2zarr.sources.cellvoyager import CellVoyagerSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.realdata


def scan(path: Path) -> Scan:
    assert isinstance(detect_source(path), CellVoyagerSource)
    return CellVoyagerSource().scan(ScanRequest(path))


def pixels_of(name: str, height: int, width: int) -> NDArray[Any]:
    """Pixels that are those of this file alone, and compress well."""
    seed = zlib.crc32(name.encode())
    return np.add.outer(np.arange(height) * 3 + seed % 1000, np.arange(width) + seed % 7).astype(np.uint16)


def with_pixels(source: Path, folder: Path, found: Scan) -> Path:
    """A copy whose images hold pixels that follow from their names."""
    folder.mkdir()
    for file in source.rglob("*"):
        if file.is_file() and file.suffix != ".tif":
            shutil.copyfile(file, folder / file.name)
    tiles = found.tiles
    for name, height, width in zip(
        tiles.loaders.fields["file_path"].tolist(),
        tiles.length_y.tolist(),
        tiles.length_x.tolist(),
        strict=True,
    ):
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        tifffile.imwrite(file, pixels_of(name, height, width), compression="zlib")
    return folder


def check_pixels(found: Scan, dest: Path) -> None:
    """Each plane of each field of view stands where its record puts it."""
    tiles = found.tiles
    spacing = tiles.all_details[0].z_spacing
    names = tiles.loaders.fields["file_path"].tolist()
    for index, collection in enumerate(tiles.collections):
        fields = fields_of(dest / collection.path())
        for row in np.flatnonzero(tiles.collection == index).tolist():
            view = fields[tiles.fov_names[int(tiles.fov[row])]]
            plane = view[int(tiles.c[row]), round(float(tiles.z[row]) / spacing)]
            np.testing.assert_array_equal(plane, pixels_of(names[row], *plane.shape))


def test_cv8000_two_channels_three_wells_four_fields_four_planes(
    real_dataset: Callable[[str], Path], tmp_path: Path
) -> None:
    source = real_dataset("cellvoyager-cv8000-minimal")
    found = scan(source)
    tiles, (details,) = found.tiles, found.tiles.all_details
    assert [collection.attributes()["well"] for collection in tiles.collections] == ["D08", "E03", "F08"]
    assert len(tiles) == 96
    assert found.findings == ()
    assert set(zip(tiles.length_y.tolist(), tiles.length_x.tolist(), strict=True)) == {(2000, 2000)}
    assert (details.pixelsize, details.pixelsize_y, details.z_spacing) == (0.325, None, 3.0)
    assert sorted(set(tiles.z.tolist())) == [0.0, 3.0, 6.0, 9.0]
    assert set(tiles.t.tolist()) == {0.0}
    places = {(tiles.fov_names[f], x, y) for f, x, y in zip(tiles.fov, tiles.x, tiles.y, strict=True)}
    assert places == {
        ("FOV_1", -567.1, -402.9),
        ("FOV_2", 82.8, -402.9),
        ("FOV_3", -567.1, 247.0),
        ("FOV_4", 82.8, 247.0),
    }
    assert [channel.model_dump(exclude_none=True) for channel in details.channels or ()] == [
        {
            "channel_label": label,
            "wavelength_id": wavelength,
            "color": color,
            "excitation_nm": float(label),
            "emission_nm": emission,
            "exposure_s": 0.1,
            "objective": "20x v2",
            "magnification": 20.0,
        }
        for label, wavelength, color, emission in (
            ("405", "A01_C01", "002FFF", 445.0),
            ("488", "A02_C02", "00FFA1", 525.0),
        )
    ]
    assert sorted(file.name for file in found.metadata_files) == [
        "1009680001_Cellvis_#P96-1.5H-N.wpp",
        "CV8000-Minimal-DataSet-2C-3W-4S-FP2-stack.wpi",
        "MeasurementData.mlf",
        "MeasurementDetail.mrf",
        "Minimal-3C3W2S-FP2-stack.mes",
        "crosstalk_parameter.xml",
        "geometry_parameter.xml",
    ]
    plate = with_pixels(source / "CV8000-Minimal-DataSet-2C-3W-4S-FP2-stack", tmp_path / "plate", found)
    images = convert(plate, tmp_path / "out", plate_name="cellvoyager-cv8000-minimal")
    assert [image.removeprefix("cellvoyager-cv8000-minimal.zarr/") for image in images] == [
        "D/08/0",
        "E/03/0",
        "F/08/0",
    ]
    check_pixels(found, tmp_path / "out")


def test_cv7000_maximum_projections_of_three_channels(
    real_dataset: Callable[[str], Path], tmp_path: Path
) -> None:
    source = real_dataset("cellvoyager-cv7000-zprojected-meta")
    found = scan(source)
    tiles, (details,) = found.tiles, found.tiles.all_details
    assert len(tiles.collections) == 5
    assert len(tiles) == 135
    assert [(finding.severity, finding.code) for finding in found.findings] == [("info", "projection-only")]
    assert [collection.path().rsplit("/", 1)[1] for collection in tiles.collections] == ["0"] * 5
    assert details.pixelsize == 0.10833333333333334
    assert set(zip(tiles.length_y.tolist(), tiles.length_x.tolist(), strict=True)) == {(2160, 2560)}
    assert sorted(set(tiles.x.tolist())) == sorted(set(tiles.y.tolist())) == [-625.0, 0.0, 625.0]
    first = np.flatnonzero(tiles.fov == 0)[0]
    assert (tiles.x[first], tiles.y[first]) == (-625.0, -625.0)
    assert (set(tiles.z.tolist()), set(tiles.t.tolist())) == ({0.0}, {0.0})
    named = [(c.channel_label, c.wavelength_id, c.color) for c in details.channels or ()]
    assert named == [
        ("405", "A03_C01", "1B54FF"),
        ("561", "A01_C03", "FF8200"),
        ("640", "A02_C04", "FF1B00"),
    ]
    # One well: nine fields far apart make images of 13,698 x 14,098 px.
    one = CellVoyagerSource().scan(ScanRequest(_first_well(source, tmp_path / "plate")))
    plate = with_pixels(tmp_path / "plate", tmp_path / "filled", one)
    assert convert(plate, tmp_path / "out", plate_name="plate") == ["plate.zarr/C/03/0"]
    check_pixels(one, tmp_path / "out")
    assert scale_of(tmp_path / "out" / "plate.zarr/C/03/0")["x"] == 0.10833333333333334


def _first_well(source: Path, folder: Path) -> Path:
    shutil.copytree(source, folder, copy_function=shutil.copyfile)
    mlf = folder / "MeasurementData.mlf"
    lines = mlf.read_text(encoding="utf-8-sig").splitlines()
    mlf.write_text("\n".join(line for line in lines if "Record " not in line or "_C03_" in line))
    return folder


def test_cv7000_errors_of_wells_outside_the_plate_are_told_and_nothing_else(
    real_dataset: Callable[[str], Path], tmp_path: Path
) -> None:
    source = real_dataset("cellvoyager-cv7000-err-meta")
    found = scan(source)
    tiles, (details,) = found.tiles, found.tiles.all_details
    assert [collection.attributes()["well"] for collection in tiles.collections] == ["B03"]
    assert (tiles.x.tolist(), tiles.y.tolist()) == ([-1448.3], [-1517.7])
    assert (tiles.z.tolist(), tiles.t.tolist()) == ([0.0], [0.0])  # TimePoint is 2
    assert (tiles.length_x.tolist(), tiles.length_y.tolist()) == ([2560], [2160])
    assert details.pixelsize == 0.1625
    assert found.known_gaps == ()
    assert [(finding.severity, finding.code) for finding in found.findings] == [
        ("info", "not-imaged"),
        ("warning", "assumed-value"),
    ]
    plate = with_pixels(source, tmp_path / "plate", found)
    assert convert(plate, tmp_path / "out") == ["plate.zarr/B/03/0"]
    check_pixels(CellVoyagerSource().scan(ScanRequest(plate)), tmp_path / "out")
