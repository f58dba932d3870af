"""Real ND2 files: the truth of each, converted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.simulators.truth import convert, fields_of, scale_of
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.nd2 import Nd2Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

nd2 = pytest.importorskip("nd2", reason="the extra nd2 is not installed")


def test_a_stack(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    source = real_dataset("nd2-arcadia") / "example-zstack.nd2"
    (image,) = convert(source, tmp_path)
    (found,) = fields_of(tmp_path / image).values()
    assert (image, found.shape, found.dtype) == ("example-zstack.zarr", (1, 11, 128, 128), np.uint16)
    assert_array_equal(found[0], nd2.imread(source))
    assert_allclose(found.mean(), 527.935, atol=1e-3)
    scale = scale_of(tmp_path / image)
    assert_allclose([scale[axis] for axis in "zyx"], [6.0, 0.32339, 0.32339], atol=1e-5)
    scan = Nd2Source().scan(ScanRequest(source))
    assert_allclose([scan.tiles.x[0], scan.tiles.y[0]], [49481.8, 32354.2])
    (channel,) = scan.tiles.all_details[0].channels or ()
    assert (channel.channel_label, channel.color, channel.emission_nm) == ("FITC BP", "07FF00", 512)
    assert channel.excitation_nm == 488
    assert (channel.objective, channel.exposure_s) == ("Plan Apo λ 20x", 0.5)


def test_four_channels_without_a_stack(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    source = real_dataset("nd2-arcadia") / "example-multichannel.nd2"
    (image,) = convert(source, tmp_path)
    (found,) = fields_of(tmp_path / image).values()
    assert found.shape == (4, 1, 256, 256)
    assert_array_equal(found[:, 0], nd2.imread(source))
    assert_allclose(found.mean(), 3771.515, atol=1e-3)
    assert scale_of(tmp_path / image)["z"] == 1.0
    channels = Nd2Source().scan(ScanRequest(source)).tiles.all_details[0].channels
    assert channels is not None
    assert [channel.channel_label for channel in channels] == ["Mono", "DAPI", "FITC BP", "TRITC BP"]
    assert [channel.exposure_s for channel in channels] == [0.02, 1.0, 1.0, 1.0]
    # The filter says 405 nm for all dyes; the laser lines that were on tell them apart.
    assert [channel.excitation_nm for channel in channels] == [None, 405, 488, 561]
