"""Containers through openreadout: Imaris files, which a simulator writes as HDF5."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.simulators.bioimage import Ims
from tests.simulators.czi import Czi, Scene
from tests.simulators.truth import convert, fields_of, scale_of
from tiles2zarr.errors import MissingExtraError, SourceError
from tiles2zarr.models import ChannelInfo
from tiles2zarr.sources.base import Scan, ScanRequest
from tiles2zarr.sources.bioimage import SUFFIXES, BioimageSource

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("openreadout", reason="the extra bioimage is not installed")


def scan(path: Path) -> Scan:
    return BioimageSource().scan(ScanRequest(path))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_pixels_of_every_plane(tmp_path: Path, dtype: str) -> None:
    document = Ims(dtype=dtype, size_t=2)
    found = scan(document.write(tmp_path / "a.ims"))
    assert len(found.tiles) == 8
    for tile in found.tiles:
        pixels = tile.image_loader.load_data(found.resource)
        assert pixels.dtype == dtype
        assert_array_equal(pixels, document.pixels(tile.start_c, int(tile.start_z / 2), int(tile.start_t)))


def test_sizes_channels_and_times(tmp_path: Path) -> None:
    found = scan(Ims(size_t=3).write(tmp_path / "a.ims"))
    details = found.tiles.all_details[0]
    assert (details.pixelsize, details.pixelsize_y, details.z_spacing, details.t_spacing) == (
        0.5,
        0.25,
        2.0,
        1.0,
    )
    assert details.channels == (
        ChannelInfo(channel_label="DAPI", color="0000FF", emission_nm=450),
        ChannelInfo(channel_label="GFP", color="00FF00", emission_nm=500),
    )


def test_a_folder_of_files_is_converted_file_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "imaris"
    folder.mkdir()
    documents = {name: Ims(size_z=size) for name, size in (("a", 1), ("b", 3))}
    for name, document in documents.items():
        document.write(folder / f"{name}.ims")
    images = convert(folder, tmp_path / "out")
    assert sorted(images) == ["a.zarr", "b.zarr"]
    for name, document in documents.items():
        (found,) = fields_of(tmp_path / "out" / f"{name}.zarr").values()
        expected = [[document.pixels(c, z) for z in range(document.size_z)] for c in range(2)]
        assert_array_equal(found, expected)
    scale = scale_of(tmp_path / "out" / "b.zarr")
    assert_allclose([scale[axis] for axis in "zyx"], [2.0, 0.25, 0.5])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_is_recognised_by_its_suffix(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"A{suffix.upper()}").write_bytes(b"anything")
    assert BioimageSource().detect(tmp_path) == "1 container file"
    assert BioimageSource().detect(tmp_path / f"A{suffix.upper()}") == "one container file"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"no such file at all", bytes(5000)])
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    with pytest.raises(SourceError) as refused:
        scan(file)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_was_cut_off_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = Ims().write(tmp_path / "whole.ims").read_bytes()
    file = tmp_path / "cut.ims"
    for length in (0, 1, 100, 1000, len(whole) // 4, len(whole) // 2):
        file.write_bytes(whole[:length])
        with pytest.raises(SourceError) as refused:
            scan(file)
        assert "\n" not in str(refused.value)


def test_what_the_reader_saves_of_a_damaged_file_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    """Of half a CZI file openreadout shows the scenes that it finds, and says the rest in a note."""
    whole = Czi(scenes=(Scene("a"), Scene("b"))).write(tmp_path / "whole.czi").read_bytes()
    file = tmp_path / "half.czi"
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="expected a complete file"):
        scan(file)


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    first, second = Ims(height=24), Ims(height=30)
    found = scan(first.write(tmp_path / "a.ims"))
    assert_array_equal(found.tiles.loaders[0].load_data(found.resource), first.pixels(0))
    found = scan(second.write(tmp_path / "a.ims"))
    assert_array_equal(found.tiles.loaders[0].load_data(found.resource), second.pixels(0))


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Ims().write(tmp_path / "a.ims")
    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "openreadout":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert BioimageSource().detect(path) == "one container file"
    with pytest.raises(MissingExtraError, match=r'run pip install "tiles2zarr\[bioimage\]"'):
        scan(path)
