"""A field of view that is a whole unit is read straight into it: the same pixels as by way of an array of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from tests.layouts import Layout, TileSpec, with_levels
from tests.table_plates import small_plate
from tiles2zarr.converter import Acquisition, convert_image, plan
from tiles2zarr.core import Tile, tiled_image_from_tiles
from tiles2zarr.models import (
    AcquisitionDetails,
    ConverterOptions,
    DefaultImageLoader,
    FixedSizeChunking,
    PlaneIndex,
    SingleImage,
    TileShape,
    TilingMode,
)
from tiles2zarr.placement import place_image
from tiles2zarr.writer.image import layout_image, mosaic_of
from tiles2zarr.writer.planes import PlaneReader

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FILES: dict[str, dict[str, Any]] = {
    "raw": {},
    "big endian": {"byteorder": ">"},
    "lzw": {"compression": "lzw"},
    "deflate with differences": {"compression": "zlib", "predictor": True},
    "big endian, deflate with differences": {"compression": "zlib", "predictor": True, "byteorder": ">"},
    "zstd in rows": {"compression": "zstd", "rowsperstrip": 1},
    "tiles": {"tile": (16, 16)},
    "compressed tiles": {"tile": (16, 16), "compression": "lzw"},
}
SHAPE = TileShape(1, 1, 1, 40, 56)
FIRST = PlaneIndex(0, 0, 0)


def camera(dtype: str) -> NDArray[Any]:
    return np.random.default_rng(0).poisson(90, SHAPE[3:]).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float32"])
@pytest.mark.parametrize("name", FILES)
def test_a_loader_gives_the_same_pixels_with_a_target_and_without(
    name: str, dtype: str, tmp_path: Path
) -> None:
    how = dict(FILES[name])
    if dtype == "float32" and "predictor" in how:
        how["predictor"] = 3
    pixels = camera(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, **how)
    loader = DefaultImageLoader(file_path="a.tif")
    target = np.full(SHAPE[3:], 1, dtype)

    found = loader.load_plane_into(target, FIRST, SHAPE, tmp_path)

    np.testing.assert_array_equal(found, pixels)
    np.testing.assert_array_equal(loader.load_plane(FIRST, SHAPE, tmp_path), pixels)
    if np.may_share_memory(found, target):
        np.testing.assert_array_equal(target, pixels)


def test_a_file_without_compression_is_read_straight_into_its_target(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", camera("uint16"))
    target = np.zeros(SHAPE[3:], "uint16")
    found = DefaultImageLoader(file_path="a.tif").load_plane_into(target, FIRST, SHAPE, tmp_path)
    assert np.shares_memory(found, target)


@pytest.mark.parametrize(
    "target",
    [np.zeros((40, 56), "uint8"), np.zeros((40, 60), "uint16"), np.zeros((40, 60), "uint16")[:, :56]],
    ids=["another type", "another shape", "not in one piece"],
)
def test_a_target_that_the_pixels_do_not_fit_is_left_alone(target: NDArray[Any], tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", camera("uint16"))
    found = DefaultImageLoader(file_path="a.tif").load_plane_into(target, FIRST, SHAPE, tmp_path)
    np.testing.assert_array_equal(found, camera("uint16"))
    assert not target.any()


class FlatField(DefaultImageLoader):
    """A loader of a user, who corrects each plane."""

    def load_plane(self, plane: PlaneIndex, shape: TileShape, resource: Any | None = None) -> NDArray[Any]:
        """Twice the pixels of the file."""
        return super().load_plane(plane, shape, resource) * 2


def test_a_subclass_that_changes_planes_is_not_passed_over(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", camera("uint16"))
    target = np.zeros(SHAPE[3:], "uint16")
    found = FlatField(file_path="a.tif").load_plane_into(target, FIRST, SHAPE, tmp_path)
    np.testing.assert_array_equal(found, camera("uint16") * 2)


class Flipped(DefaultImageLoader):
    """A loader of a user, who turns what was read into the target."""

    def load_plane_into(
        self, target: NDArray[Any], plane: PlaneIndex, shape: TileShape, resource: Any | None = None
    ) -> NDArray[Any]:
        """The rows from bottom to top."""
        return super().load_plane_into(target, plane, shape, resource)[::-1]


def test_a_view_of_the_target_that_shows_something_else_is_copied(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", camera("uint16"))
    details = AcquisitionDetails(axes=("y", "x"))
    tile = Tile(
        fov_name="1",
        start_x=0.0,
        start_y=0.0,
        length_x=SHAPE.x,
        length_y=SHAPE.y,
        collection=SingleImage(image_path="a"),
        image_loader=Flipped(file_path=str(tmp_path / "a.tif")),
        acquisition_details=details,
    )
    (image,) = tiled_image_from_tiles(tiles=[tile])
    how = layout_image(place_image(image, ConverterOptions()), "uint16", ConverterOptions())
    mosaic = mosaic_of(how, None, how.memory)
    block = np.zeros((1, *SHAPE[3:]), "uint16")
    mosaic.fill(mosaic.units[0], block)
    np.testing.assert_array_equal(block[0], camera("uint16")[::-1])


def test_fields_that_are_units_are_read_straight_into_them_and_others_are_painted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways: list[str] = []
    read_into, read = PlaneReader.read_into, PlaneReader.read

    def straight(self: PlaneReader, target: Any, plane: int) -> None:
        ways.append("straight")
        read_into(self, target, plane)

    def painted(self: PlaneReader, plane: int) -> Any:
        ways.append("painted")
        return read(self, plane)

    monkeypatch.setattr(PlaneReader, "read_into", straight)
    monkeypatch.setattr(PlaneReader, "read", painted)
    monkeypatch.setattr("tiles2zarr.writer.grid.SMALL_UNIT", 0)
    # The first is chunk (0, 0); the second lies across two chunks.
    layout = Layout((TileSpec(0, 0, 16, 16), TileSpec(0, 24, 16, 16)))
    options = with_levels(
        ConverterOptions(tiling_mode=TilingMode.INPLACE), chunks=FixedSizeChunking(xy_chunk=16)
    )
    how = layout_image(place_image(layout.image(), options), layout.dtype, options)
    mosaic = mosaic_of(how, None, how.memory)
    for unit in mosaic.units:
        z, y, x = how.grid.extent(0, unit)
        block = np.full((z.stop - z.start, y.stop - y.start, x.stop - x.start), 9, layout.dtype)
        mosaic.fill(unit, block)
    assert sorted(ways) == ["painted", "painted", "straight"]


def test_a_damaged_file_is_refused_on_the_straight_way_too(tmp_path: Path) -> None:
    from tiles2zarr.errors import SourceError

    plate = small_plate(tmp_path / "plate", wells=(("A", 1),), fields=1, channels=1, planes=1)
    folder = plate.write()
    planned = plan([Acquisition(folder)], tmp_path / "zarr", ConverterOptions())
    file = folder / "A01_f0_t0_c0_z0.tif"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(SourceError, match=r"A01_f0_t0_c0_z0\.tif"):
        convert_image(planned.images[0].job)
