"""A real measurement of a CQ3K: what its SOURCE.md says, with pixels made up."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from tests.simulators.truth import convert, fields_of, plane, scale_of
from tiles2zarr.sources import detect_source
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.cq3k import Cq3kSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.realdata


def test_cq3k_maximum_projections_of_two_wells(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    source = real_dataset("cq3k-uzh-2w-mip-meta")
    assert isinstance(detect_source(source), Cq3kSource)
    found = Cq3kSource().scan(ScanRequest(source))
    tiles, (details,) = found.tiles, found.tiles.all_details
    assert [collection.attributes()["well"] for collection in tiles.collections] == ["C05", "F09"]
    assert tiles.loaders.fields["file_path"].tolist() == [
        "Projection/W0029F0001T0001Z000C1.tif",
        "Projection/W0069F0001T0001Z000C1.tif",
    ]
    assert (tiles.x.tolist(), tiles.y.tolist()) == ([-1460.8] * 2, [1303.2] * 2)
    assert (tiles.z.tolist(), tiles.t.tolist()) == ([0.0, 0.0], [0.0, 0.0])
    assert (set(tiles.length_x.tolist()), set(tiles.length_y.tolist())) == ({2000}, {2000})
    assert details.pixelsize == 0.32283699215257772
    assert [channel.model_dump(exclude_none=True) for channel in details.channels or ()] == [
        {
            "channel_label": "Ch1_ConfocalFluorescence_405nm/100mW_BP447/60",
            "wavelength_id": "A01_C01",
            "color": "00FFFF",
            "excitation_nm": 405.0,
            "emission_nm": 447.0,
            "exposure_s": 0.05,
            "objective": "UPLXAPO20X",
            "magnification": 20.0,
        }
    ]
    assert [(finding.severity, finding.code) for finding in found.findings] == [("info", "projection-only")]
    assert len(found.metadata_files) == 5

    plate = tmp_path / "plate"
    shutil.copytree(source, plate, copy_function=shutil.copyfile)
    (plate / "Projection").mkdir()
    for well, name in zip(("C05", "F09"), tiles.loaders.fields["file_path"].tolist(), strict=True):
        tifffile.imwrite(plate / name, plane(well, 1, 1, 0, 0, 2000, 2000))
    images = convert(plate, tmp_path / "out")
    assert images == ["plate.zarr/C/05/0", "plate.zarr/F/09/0"]
    for well, image in zip(("C05", "F09"), images, strict=True):
        pixels = fields_of(tmp_path / "out" / image)["FOV_1"]
        np.testing.assert_array_equal(pixels[0, 0], plane(well, 1, 1, 0, 0, 2000, 2000))
        assert scale_of(tmp_path / "out" / image)["x"] == 0.32283699215257772
