"""A real ScanR acquisition becomes what its metadata say."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import tiles2zarr
from tests.simulators.truth import convert, fields_of, plane, scale_of
from tiles2zarr.models import AcquisitionDetails, ChannelInfo, ImageInPlate
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.scanr import ScanrSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.realdata

_FILE = "B2--W00014--P00001--Z00000--T00000--405 nm #1.tif"


def test_one_position_of_well_14(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    source = real_dataset("scanr-app-lite-1w1p")
    assert tiles2zarr.inspect(source).format == "scanr"
    found = ScanrSource().scan(ScanRequest(source))
    tiles = found.tiles
    assert tiles.collections == (ImageInPlate(plate_name="scanr-app-lite-1w1p", row="B", column=2),)
    assert tiles.fov_names == ("FOV_1",)
    assert (tiles.x.tolist(), tiles.y.tolist()) == ([100090.0], [-61827.0])
    assert (tiles.length_y.tolist(), tiles.length_x.tolist()) == ([2048], [2048])
    assert tiles.all_details == (
        AcquisitionDetails(
            pixelsize=0.325,
            channels=(
                ChannelInfo(
                    channel_label="405 nm #1",
                    exposure_s=0.1,
                    objective="UPLXAPO 20x",
                    magnification=20,
                    numerical_aperture=0.8,
                ),
            ),
            measured=("channels",),
        ),
    )
    assert found.acquired is not None
    assert found.acquired.tolist() == [4.888]
    assert found.metadata_files == (source / "data" / "metadata.ome.xml",)
    assert (found.findings, found.known_gaps) == ((), ())

    copy = tmp_path / "plate"
    shutil.copytree(source, copy)
    assert not tifffile.imread(copy / "data" / _FILE).any()  # the published image is blank
    pixels = plane("B2", 1, 0, 0, 0, 2048, 2048)
    tifffile.imwrite(copy / "data" / _FILE, pixels, metadata=None)

    (image,) = convert(copy, tmp_path / "out")

    assert image == "plate.zarr/B/02/0"
    assert scale_of(tmp_path / "out" / image) == {"c": 1.0, "z": 1.0, "y": 0.325, "x": 0.325}
    np.testing.assert_array_equal(fields_of(tmp_path / "out" / image)["FOV_1"], [[pixels]])
