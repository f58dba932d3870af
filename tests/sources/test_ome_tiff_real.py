"""Real OME-XML and OME-TIFFs become what they say."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr

import tiles2zarr
from tests.simulators.truth import convert, fields_of, plane, scale_of
from tiles2zarr.errors import UnknownFormatError
from tiles2zarr.models import ChannelInfo, ImageInPlate, SingleImage
from tiles2zarr.sources import detect_source
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.ome_tiff import OmeTiffSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.realdata


def stored(image: Path) -> NDArray[Any]:
    return np.asarray(zarr.open_array(image / "0", mode="r")[...])


def write_tiff(file: Path, pages: Sequence[NDArray[Any]], text: str | None) -> None:
    """A TIFF with the document as its description."""
    with tifffile.TiffWriter(file) as tif:
        for index, page in enumerate(pages):
            description = text.encode() if text is not None and index == 0 else None
            tif.write(page, photometric="minisblack", metadata=None, description=description)


def pixels_within(text: str, height: int, width: int) -> list[NDArray[Any]]:
    """The planes of 8 bits that stand in a document as text."""
    found = re.findall(r"<BinData[^>]*>([^<]*)</BinData>", text)
    return [np.frombuffer(base64.b64decode(one), np.uint8).reshape(height, width) for one in found]


def test_a_set_of_five_files_with_a_companion(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    source = real_dataset("ometiff-multifile-companion")
    plan = tiles2zarr.inspect(source)
    assert plan.format == "ome_tiff"
    found = OmeTiffSource().scan(ScanRequest(source))
    assert found.tiles.collections == (SingleImage(image_path="multifile"),)
    assert found.metadata_files == (source / "multifile.companion.ome",)
    assert {(finding.code, finding.severity) for finding in found.findings} == {("assumed-value", "warning")}
    assert len(found.findings) == 2  # neither pixel size nor z spacing is stated

    assert convert(source, tmp_path / "out") == ["multifile.zarr"]

    expected = [tifffile.imread(source / f"multifile-Z{z}.ome.tiff", is_ome=False) for z in range(1, 6)]
    np.testing.assert_array_equal(stored(tmp_path / "out" / "multifile.zarr"), [expected])
    for z in range(1, 6):
        one = OmeTiffSource().scan(ScanRequest(source / f"multifile-Z{z}.ome.tiff"))
        assert len(one.tiles) == 5


def test_visiview_writes_a_file_for_each_channel(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    source = real_dataset("ometiff-visiview-companion-meta")
    found = OmeTiffSource().scan(ScanRequest(source))
    tiles = found.tiles
    assert tiles.collections == (SingleImage(image_path="c3_z33"),)
    assert (len(tiles), set(tiles.length_x.tolist()), set(tiles.length_y.tolist())) == (99, {2048}, {2048})
    (details,) = tiles.all_details
    assert (details.pixelsize, details.pixelsize_y, details.z_spacing) == (0.0649555549, None, 0.5)
    lights = ((640, 650), (561, 580), (405, 460))
    for channel, (excitation, emission) in zip(details.channels or (), lights, strict=True):
        assert (
            channel.channel_label,
            channel.excitation_nm,
            channel.emission_nm,
            channel.numerical_aperture,
        ) == (
            f"Conf{excitation}",
            excitation,
            emission,
            1.4,
        )

    text = (source / "c3_z33.companion.ome").read_text().replace('="2048"', '="16"')
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "c3_z33.companion.ome").write_text(text)
    truth = np.stack([[plane("x", 1, c, z, 0, 16, 16) for z in range(33)] for c in range(3)])
    for c, name in enumerate(("w1Conf640", "w2Conf561", "w3Conf405")):
        write_tiff(tmp_path / "small" / f"c3_z33_{name}.ome.tif", truth[c], None)
    assert convert(tmp_path / "small", tmp_path / "out") == ["c3_z33.zarr"]
    np.testing.assert_array_equal(stored(tmp_path / "out" / "c3_z33.zarr"), truth)


def test_a_plate_whose_rows_are_called_by_numbers(
    real_dataset: Callable[[str], Path], tmp_path: Path
) -> None:
    text = (real_dataset("omexml-ome-model-2016-06") / "hcs.ome.xml").read_text().replace('="1024"', '="16"')
    truth = np.stack([[plane("A1", 1, c, 0, t, 16, 16) for c in range(3)] for t in range(16)])
    # XYCZT: channels run fastest
    write_tiff(tmp_path / "hcs.ome.tif", truth.reshape(-1, 16, 16), text)

    found = OmeTiffSource().scan(ScanRequest(tmp_path / "hcs.ome.tif"))
    assert found.tiles.collections == (ImageInPlate(plate_name="hcs", row="A", column=1),)
    (details,) = found.tiles.all_details
    assert details.channels == (
        ChannelInfo(channel_label="CH1", excitation_nm=488, emission_nm=523),
        ChannelInfo(channel_label="CH3", excitation_nm=561, emission_nm=578),
        ChannelInfo(channel_label="TD1", excitation_nm=488),
    )
    (image,) = convert(tmp_path / "hcs.ome.tif", tmp_path / "out")
    assert scale_of(tmp_path / "out" / image) == {"t": 120.1302, "c": 1, "z": 1, "y": 0.207, "x": 0.207}
    np.testing.assert_array_equal(fields_of(tmp_path / "out" / image)["FOV_1"], truth[:, :, np.newaxis])


def test_a_plate_of_four_wells_and_two_acquisitions(
    real_dataset: Callable[[str], Path], tmp_path: Path
) -> None:
    text = (real_dataset("omexml-ome-model-2016-06") / "one-screen-one-plate-four-wells.ome.xml").read_text()
    pages = pixels_within(text, 4, 6)
    assert len(pages) == 11
    pages = [page + np.uint8(number) for number, page in enumerate(pages)]  # the published ones are all alike
    write_tiff(tmp_path / "plate.ome.tif", pages, text)

    found = OmeTiffSource().scan(ScanRequest(tmp_path / "plate.ome.tif"))
    assert {details.pixelsize for details in found.tiles.all_details} == {10000.0}
    # two fields of no acquisition share a well, and nothing says where they lie
    assert [finding.severity for finding in found.findings] == ["info", "warning"]
    images = convert(tmp_path / "plate.ome.tif", tmp_path / "out")
    expected = {
        "B/02/0": [0],
        "B/02/1": [1],
        "B/03/0": [2],
        "B/03/1": [3],
        "C/02/0": [4],
        "C/02/1": [5],
        "C/02/2": [6, 7, 8],
        "C/03/0": [9],
        "C/03/1": [10],
    }
    assert sorted(images) == [f"plate.zarr/{path}" for path in expected]
    for path, members in expected.items():
        fields = fields_of(tmp_path / "out" / "plate.zarr" / path)
        assert list(fields) == [f"FOV_{number + 1}" for number in range(len(members))]
        for name, member in zip(fields, members, strict=True):
            np.testing.assert_array_equal(fields[name], [[pages[member]]])


def test_five_dimensions(real_dataset: Callable[[str], Path], tmp_path: Path) -> None:
    folder = real_dataset("omexml-ome-model-2016-06")
    text = (folder / "multi-channel-z-series-time-series.ome.xml").read_text()
    pages = pixels_within(text, 24, 18)
    assert len(pages) == 50
    write_tiff(tmp_path / "five.ome.tif", pages, text)
    assert convert(tmp_path / "five.ome.tif", tmp_path / "out") == ["five.zarr"]
    truth = np.stack(pages).reshape(5, 2, 5, 24, 18)  # XYZCT
    np.testing.assert_array_equal(stored(tmp_path / "out" / "five.zarr"), truth)


@pytest.mark.parametrize(
    "name",
    [
        "operetta-operetta-compose",
        "cellvoyager-cv8000-minimal",
        "scanr-app-lite-1w1p",
        "imagexpress-metaxpress-export-3420",
    ],
)
def test_real_plates_of_other_instruments_are_left_to_their_formats(
    name: str, real_dataset: Callable[[str], Path]
) -> None:
    source = real_dataset(name)
    for folder in (source, *(path for path in source.rglob("*") if path.is_dir())):
        try:
            assert detect_source(folder).name != "ome_tiff"
        except UnknownFormatError as unknown:
            assert "expected a known format" in str(unknown)
