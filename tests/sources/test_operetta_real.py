"""Real exports of Harmony become what their metadata say."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import tiles2zarr
from tests.simulators.truth import convert, fields_of, plane, scale_of
from tiles2zarr.models import ChannelInfo, ImageInPlate
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.operetta import OperettaSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.realdata


def light(
    label: str, excitation: float, emission: float | None, exposure: float, offset: float
) -> ChannelInfo:
    """A channel of a 20× water objective."""
    return ChannelInfo(
        channel_label=label,
        excitation_nm=excitation,
        emission_nm=emission,
        exposure_s=exposure,
        z_offset=offset,
        magnification=20,
        numerical_aperture=1,
    )


def test_an_operetta_cls_plate_of_harmony_5(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    source = real_dataset("operetta-operetta-compose")
    assert tiles2zarr.inspect(source).format == "operetta"
    found = OperettaSource().scan(ScanRequest(source))
    tiles = found.tiles
    assert tiles.collections == (ImageInPlate(plate_name="operetta-operetta-compose", row="C", column=3),)
    assert list(zip(tiles.fov_names, tiles.x.tolist(), tiles.y.tolist(), strict=True)) == [
        ("FOV_1", -645.814, -645.814),
        ("FOV_2", 645.814, -645.814),
    ]
    assert tiles.all_details[0].pixelsize == pytest.approx(1.1959521619135234, abs=1e-15)
    assert tiles.all_details[0].pixelsize_y is None
    assert tiles.all_details[0].channels == (
        ChannelInfo(
            channel_label="Fluorescein (FITC)",
            excitation_nm=475,
            emission_nm=525,
            exposure_s=0.006,
            magnification=10,
            numerical_aperture=0.3,
        ),
    )
    assert found.acquired is not None
    assert found.acquired[0] == pytest.approx(1671441566.58)
    assert found.conditions == {}  # the layout holds no value
    assert found.metadata_files == (
        source / "Images" / "Index.idx.xml",
        source / "Assaylayout" / "Unnamed.xml",
    )
    assert (found.findings, found.known_gaps) == ((), ())

    (image,) = convert(source, tmp_path / "out")

    assert image == "operetta-operetta-compose.zarr/C/03/0"
    fields = fields_of(tmp_path / "out" / image)
    for number in (1, 2):
        expected = tifffile.imread(source / "Images" / f"r03c03f0{number}p01-ch1sk1fk1fl1.tiff")
        np.testing.assert_array_equal(fields[f"FOV_{number}"], expected[np.newaxis, np.newaxis])
    first = fields["FOV_1"]
    assert (first.dtype, first.min(), first.max()) == (np.uint16, 120, 47088)
    assert first.mean() == pytest.approx(1374.7296, abs=1e-4)


def test_a_phenix_plate_of_harmony_5_with_six_channels(
    real_dataset: Callable[[str], Path], tmp_path: Path
) -> None:
    source = real_dataset("operetta-phenix-harmonyv5-6ch")
    found = OperettaSource().scan(ScanRequest(source))
    details = found.tiles.all_details[0]
    assert details.pixelsize == pytest.approx(0.5979760809567617, abs=1e-15)
    assert [(channel.channel_label, channel.z_offset) for channel in details.channels or ()] == [
        ("Alexa 647", 0.0),
        ("Alexa 568", 2.0),
        ("488 long", 2.0),
        ("Alexa 488", 1.0),
        ("HOECHST 33342", 1.0),
        ("Brightfield", 5.0),
    ]
    assert (details.channels or ())[5] == light("Brightfield", 740, None, 0.01, 5.0)
    assert set(found.tiles.z) == {0.0}

    (image,) = convert(source, tmp_path / "out")

    assert image == "operetta-phenix-harmonyv5-6ch.zarr/A/01/0"
    pixels = fields_of(tmp_path / "out" / image)["FOV_1"]
    for number in range(6):
        expected = tifffile.imread(source / "images" / f"r01c01f01p01-ch{number + 1}sk1fk1fl1.tiff")
        np.testing.assert_array_equal(pixels[number, 0], expected)
    assert (pixels[0].min(), pixels[0].max()) == (154, 65535)
    assert pixels[0].mean() == pytest.approx(855.7585, abs=1e-4)


def test_a_phenix_plate_of_harmony_7_with_channels_in_the_last_map(
    real_dataset: Callable[[str], Path], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "images").mkdir(parents=True)
    shutil.copyfile(
        real_dataset("operetta-phenix-harmonyv7-index-only") / "images" / "Index.xml",
        source / "images" / "Index.xml",
    )
    urls = re.findall("<URL>(.*?)</URL>", (source / "images" / "Index.xml").read_text("utf-8-sig"))
    frames = {url: plane("A01", 1, number, 0, 0, 2160, 2160) for number, url in enumerate(urls)}
    for url, frame in frames.items():
        tifffile.imwrite(source / "images" / url, frame)
    found = OperettaSource().scan(ScanRequest(source))
    assert found.tiles.collections == (ImageInPlate(plate_name="source", row="A", column=1),)
    channels = found.tiles.all_details[0].channels or ()
    assert [channel.channel_label for channel in channels] == [
        "Alexa 488",
        "Alexa 568",
        "Alexa 488 Em 650",
        "405ex, 570-630-em)",
        "Alexa 647",
        "HOECHST 33342",
        "Brightfield",
    ]
    assert [
        (channel.exposure_s, channel.magnification, channel.numerical_aperture) for channel in channels[:4]
    ] == [
        (0.01, 20, 1),
        (0.02, 20, 1),
        (0.03, 20, 1),
        (0.035, 20, 1),
    ]
    assert [channel.z_offset for channel in channels] == [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 5.0]
    assert channels[6].emission_nm is None
    assert set(found.tiles.t) == {0.0}

    (image,) = convert(source, tmp_path / "out")

    pixels = fields_of(tmp_path / "out" / image)["FOV_1"]
    np.testing.assert_array_equal(pixels[:, 0], np.stack(list(frames.values())))
    assert pixels.dtype == np.uint16
    scale = scale_of(tmp_path / "out" / image)
    assert (scale["x"], scale["y"]) == (pytest.approx(0.296688132474701), pytest.approx(0.296688132474701))
