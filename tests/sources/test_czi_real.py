"""Real CZI files: the truth of each, converted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal

from tests.simulators.truth import convert, fields_of, scale_of
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.czi import CziSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.sources.base import Scan

MOSAICS = "S3_1Pos_2Mosaic_T1_Z1_CH1"
DATASET = "czi-czitools-small"


def test_a_time_series_of_stacks(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    source = real_dataset(DATASET) / "CellDivision_T3_Z5_CH2_X240_Y170.czi"
    (image,) = convert(source, tmp_path)
    assert image == "CellDivision_T3_Z5_CH2_X240_Y170.zarr"
    ((name, found),) = fields_of(tmp_path / image).items()
    assert (name, found.shape, found.dtype) == ("FOV_1", (3, 2, 5, 170, 240), np.uint16)
    scale = scale_of(tmp_path / image)
    assert_allclose([scale["x"], scale["y"], scale["z"]], [0.0905767, 0.0905767, 0.32], atol=1e-6)
    assert_allclose(scale["t"], 60.0, atol=0.1)
    scan = CziSource().scan(ScanRequest(source))
    channels = scan.tiles.all_details[0].channels
    assert channels is not None
    assert [(channel.channel_label, channel.color, channel.exposure_s) for channel in channels] == [
        ("LED555", "FF7E00", 0.1),
        ("LED470", "00FF33", 0.2),
    ]
    assert [(channel.excitation_nm, channel.emission_nm) for channel in channels] == [(553, 568), (493, 517)]
    assert {channel.objective for channel in channels} == {"Plan-Apochromat 50x/1.2"}
    assert_allclose([scan.tiles.x[0], scan.tiles.y[0]], [16977.153, 18621.489])
    for tile in scan.tiles:
        z, t = round(tile.start_z / 0.32), round(tile.start_t / 60)
        assert_array_equal(found[t, tile.start_c, z], tile.image_loader.load_data(scan.resource))


def test_a_well_with_a_pyramid(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    source = real_dataset(DATASET) / "WellD6_S1.czi"
    (image,) = convert(source, tmp_path)
    assert image == "WellD6_S1.zarr/D/06/0"
    (found,) = fields_of(tmp_path / image).values()
    assert (found.shape, found.dtype) == ((1, 1, 440, 544), np.uint16)
    assert scale_of(tmp_path / image) == {"c": 1.0, "z": 1.0, "y": 0.1, "x": 0.1}
    scan = CziSource().scan(ScanRequest(source))
    assert_allclose([scan.tiles.x[0], scan.tiles.y[0]], [49500.0, 35500.0])
    # Uncompressed: the pixels stand in the file as they are.
    assert found.tobytes() in source.read_bytes()


def test_two_mosaics_and_a_single_position(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    source = real_dataset(DATASET) / "S3_1Pos_2Mosaic_T1_Z1_CH1.czi"
    images = convert(source, tmp_path)
    name = "S3_1Pos_2Mosaic_T1_Z1_CH1"
    assert sorted(images) == [f"{name}/P1.zarr", f"{name}/TR1.zarr", f"{name}/TR2.zarr"]
    shapes = {
        image: [field.shape for field in fields_of(tmp_path / image).values()] for image in sorted(images)
    }
    assert [len(found) for found in shapes.values()] == [1, 10, 17]
    assert {shape for found in shapes.values() for shape in found} == {(1, 1, 64, 64)}
    assert scale_of(tmp_path / images[0])["x"] == 1.6
    scan = CziSource().scan(ScanRequest(source))
    assert len(scan.tiles) == 28
    steps = np.unique(np.round((scan.tiles.x[:10] - scan.tiles.x[:10].min()) / 1.6, 6))
    assert_array_equal(steps, [0, 58, 116, 173, 231])


@pytest.mark.parametrize("tiling_mode", ["Auto", "Inplace"])
def test_mosaics_are_the_pictures_that_the_vendors_library_makes_of_them(
    real_dataset: Callable[[str], Path], tmp_path: Path, tiling_mode: str
) -> None:
    """Where tiles overlap, too: the last number is on top."""
    vendor = pytest.importorskip("pylibCZIrw.czi", reason="Zeiss' library is not installed")
    source = real_dataset(DATASET) / f"{MOSAICS}.czi"
    convert(source, tmp_path, tiling_mode=tiling_mode)
    scan = CziSource().scan(ScanRequest(source))
    with vendor.open_czi(str(source)) as opened:
        for number, name in enumerate(("TR1", "P1", "TR2")):
            found = np.asarray(zarr.open_array(tmp_path / MOSAICS / f"{name}.zarr" / "0", mode="r")[0, 0])
            expected = opened.read(scene=number)[..., 0]
            covered = np.zeros(found.shape, bool)
            for x, y, _ in tiles_of(scan, number):
                covered[y : y + 64, x : x + 64] = True
            assert_array_equal(found, np.where(covered, expected, 0))


@pytest.mark.parametrize("tiling_mode", ["Auto", "Inplace"])
def test_tiles_of_a_mosaic_lie_where_the_file_says_and_the_last_one_is_seen_where_they_overlap(
    real_dataset: Callable[[str], Path], tmp_path: Path, tiling_mode: str
) -> None:
    source = real_dataset(DATASET) / f"{MOSAICS}.czi"
    convert(source, tmp_path, tiling_mode=tiling_mode)
    scan = CziSource().scan(ScanRequest(source))
    for number, name in enumerate(("TR1", "P1", "TR2")):
        found = np.asarray(zarr.open_array(tmp_path / MOSAICS / f"{name}.zarr" / "0", mode="r")[0, 0])
        expected = np.zeros_like(found)
        tiles = tiles_of(scan, number)
        for x, y, pixels in tiles:
            expected[y : y + 64, x : x + 64] = pixels
        assert_array_equal(found, expected)
        if name == "TR1":
            assert [(x, y) for x, y, _ in tiles[:4]] == [(0, 0), (58, 0), (116, 0), (173, 0)]


def tiles_of(scan: Scan, image: int) -> list[tuple[int, int, NDArray[Any]]]:
    """Left and upper edge in the image, px, and pixels of each tile, in the order of the fields of view."""
    tiles = scan.tiles
    rows = np.flatnonzero(tiles.collection == image)
    rows = rows[np.argsort(tiles.fov[rows])]
    x, y = (np.round((axis[rows] - axis[rows].min()) / 1.6).astype(int) for axis in (tiles.x, tiles.y))
    return [
        (int(left), int(upper), tiles.loaders[row].load_data(scan.resource))
        for left, upper, row in zip(x, y, rows.tolist(), strict=True)
    ]
