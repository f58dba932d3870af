"""Plates of the first ImageXpress: what MetaMorph knew of a plane stands in tags, not in XML."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.simulators.imagexpress import Plate, Wave
from tests.simulators.stk import Stk
from tests.simulators.truth import convert, fields_of, plane, scale_of
from tiles2zarr.errors import SourceError
from tiles2zarr.sources import detect_source
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.imagexpress import ImageXpressSource

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.sources.base import Scan

START = datetime(2013, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)
SITES = {1: (-13935.2, 15677.5), 2: (-13907.68, 15677.5)}


def scan(path: Path) -> Scan:
    return ImageXpressSource().scan(ScanRequest(path=path))


def pixels(site: int, wave: int) -> NDArray[np.uint16]:
    return plane("A01", site, wave, 1, 1, 10, 16)


def stk(site: int, wave: int) -> Stk:
    return Stk(
        name=f"plane {site} {wave}",
        position=SITES[site],
        focus=11449.4 + wave,
        when=START + timedelta(seconds=site, milliseconds=250 * wave),
        wavelength={1: 457.0, 2: 536.0}[wave],
        exposure={1: 100.0, 2: 25.5}[wave],
    )


def write(folder: Path, name: str = "IX_A01_s{site}_w{wave}.TIF", **changes: object) -> Path:
    folder.mkdir(parents=True)
    for site in SITES:
        for wave in (1, 2):
            said = replace(stk(site, wave), **changes)  # type: ignore[arg-type]
            (folder / name.format(site=site, wave=wave)).write_bytes(said.tiff(pixels(site, wave)))
    return folder


@pytest.mark.parametrize("place", [1, 4])
def test_positions_pixel_size_times_and_optics_are_those_of_the_tags(tmp_path: Path, place: int) -> None:
    found = scan(write(tmp_path / "plate", positions_in=place))
    tiles = found.tiles
    assert sorted(set(zip(tiles.x.tolist(), tiles.y.tolist(), strict=True))) == sorted(SITES.values())
    (details,) = tiles.all_details
    assert (details.pixelsize, details.pixelsize_y) == (1.72, None)
    channels = [
        (channel.channel_label, channel.emission_nm, channel.exposure_s, channel.z_offset)
        for channel in details.channels or ()
    ]
    assert channels == [("plane 1 1", 457.0, 0.1, 0.0), ("plane 1 2", 536.0, 0.0255, 1.0)]
    assert found.acquired is not None
    expected = [
        (START + timedelta(seconds=site, milliseconds=250 * wave)).timestamp()
        for site in SITES
        for wave in (1, 2)
    ]
    np.testing.assert_allclose(sorted(found.acquired), expected, atol=1e-6)
    assert found.findings == ()


def test_channels_are_called_as_the_htd_calls_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "9987")
    waves = (Wave("DAPI", 1), Wave("FITC", 2))
    (folder / "IX.HTD").write_bytes(Plate(waves=waves, wells=("A01",)).htd_text())
    (details,) = scan(folder).tiles.all_details
    assert [channel.channel_label for channel in details.channels or ()] == ["DAPI", "FITC"]


def test_such_a_plate_is_recognised_and_converted_with_every_pixel(tmp_path: Path) -> None:
    folder = write(tmp_path / "plate")
    assert detect_source(folder).name == "imagexpress"
    (image,) = convert(folder, tmp_path / "out")
    assert scale_of(tmp_path / "out" / image) == {"c": 1.0, "z": 1.0, "y": 1.72, "x": 1.72}
    fields = fields_of(tmp_path / "out" / image)
    for site in SITES:
        for wave in (1, 2):
            np.testing.assert_array_equal(fields[f"FOV_{site}"][wave - 1, 0], pixels(site, wave))


def test_a_calibration_that_is_off_says_nothing(tmp_path: Path) -> None:
    found = scan(write(tmp_path / "plate", is_calibrated=False))
    assert [finding.code for finding in found.findings] == ["assumed-value"]
    assert found.tiles.all_details[0].pixelsize == 1.0


def test_a_stage_that_nobody_noted_is_not_the_origin(tmp_path: Path) -> None:
    """Else all fields of view would lie on each other, and all but one be lost."""
    with pytest.raises(SourceError, match="expected the stage position"):
        scan(write(tmp_path / "plate", position=(0.0, 0.0)))


def test_timepoints_in_folders_are_believed_and_it_is_said(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / "plate" / f"TimePoint_{number}", when=START + timedelta(seconds=90 * number))
    found = scan(tmp_path / "plate")
    assert sorted(set(found.tiles.t.tolist())) == [0.0, 90.0]
    assert [finding.code for finding in found.findings] == ["assumed-value"]


@pytest.mark.parametrize("cut", [10, 200, 500, 700])
def test_a_damaged_tag_is_no_crash(tmp_path: Path, cut: int) -> None:
    folder = write(tmp_path / "plate")
    file = folder / "IX_A01_s1_w2.TIF"
    file.write_bytes(file.read_bytes()[:cut])
    tiles = scan(folder).tiles
    assert len(tiles) == 4
