"""A real LIF file: its truth, converted, and compared with what LAS X exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

from tests.simulators.truth import convert, fields_of, scale_of
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.lif import LifSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_three_scans_in_x_and_z(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    folder = real_dataset("lif-readlif-xzt-2ch")
    source = folder / "testdata_2channel_xz.lif"
    images = convert(source, tmp_path)
    assert sorted(images) == [f"testdata_2channel_xz/{name}.zarr" for name in ("xz", "xzt", "xzy")]
    found = {}
    for image in images:
        ((name, pixels),) = fields_of(tmp_path / image).items()
        assert (name, pixels.dtype) == ("FOV_1", np.uint8)
        found[image.split("/")[1]] = pixels
    shapes = {name: pixels.shape for name, pixels in found.items()}
    # Rows lie along the stage's z; of xzy, planes lie along y.
    assert shapes == {
        "xz.zarr": (2, 1, 512, 512),
        "xzt.zarr": (20, 2, 1, 128, 128),
        "xzy.zarr": (2, 23, 128, 128),
    }
    exported = {path.stem: tifffile.imread(path) for path in sorted((folder / "tiff").glob("*.tif"))}
    assert_array_equal(found["xzt.zarr"][0, 0, 0], exported["xz_c0_t0"])
    assert_array_equal(found["xzt.zarr"][8, 1, 0], exported["xz_c1_t8"])
    scale = scale_of(tmp_path / "testdata_2channel_xz" / "xzt.zarr")
    assert_allclose([scale[axis] for axis in "tyx"], [0.53, 0.1402787, 0.1402798], atol=1e-6)
    assert scale["t"] == 0.53
    scan = LifSource().scan(ScanRequest(source))
    for details in scan.tiles.all_details:
        assert details.channels is not None
        assert [(channel.channel_label, channel.color) for channel in details.channels] == [
            ("FITC", "00FF00"),
            ("TRITC", "FF0000"),
        ]
    assert [finding.code for finding in scan.findings] == ["assumed-value"] * 3
