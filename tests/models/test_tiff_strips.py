from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.image_file_cases import (
    EXACT_TIFFS,
    LOSSY_TIFFS,
    Case,
    change_tag,
    noise,
    patch,
)
from tiles2zarr.errors import SourceError
from tiles2zarr.models.image_files import read_plane
from tiles2zarr.models.image_files.tiff_strips import Strips

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.models.image_files.opened import OpenImage

_KINDS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
_CODECS = ["lzw", "zlib", "adobe_deflate", "zstd", "packbits"]
_ENCODERS = {
    "lzw": "lzw_encode",
    "zlib": "deflate_encode",
    "zstd": "zstd_encode",
    "packbits": "packbits_encode",
}
_CUTS: list[dict[str, Any]] = [
    {},
    {"rowsperstrip": 1},
    {"rowsperstrip": 7},
    {"rowsperstrip": 1000},
    {"tile": (16, 16)},
    {"tile": (32, 16)},
    {"tile": (16, 64)},
]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return tmp_path / "image"


@pytest.fixture
def decoded_here(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose strips were decoded here and not by tifffile."""
    found: list[Path] = []
    plane = Strips.plane

    def watched(self: Strips, file: OpenImage, *others: Any) -> NDArray[Any]:
        found.append(file.path)
        return plane(self, file, *others)

    monkeypatch.setattr(Strips, "plane", watched)
    return found


@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    kind=st.sampled_from(_KINDS),
    compression=st.sampled_from(_CODECS),
    predictor=st.sampled_from([1, 2]),
    segments=st.sampled_from(_CUTS),
    byteorder=st.sampled_from("<>"),
    bigtiff=st.booleans(),
)
@settings(max_examples=150)
def test_compressed_pixels_decode_to_the_pixels_that_tifffile_decodes(
    shape: tuple[int, int],
    kind: str,
    compression: str,
    predictor: int,
    segments: dict[str, Any],
    byteorder: str,
    bigtiff: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tif"
    pixels = noise(*shape, dtype=kind)
    predictor = 1 if kind.startswith("float") else predictor
    tifffile.imwrite(
        path,
        pixels,
        compression=compression,
        predictor=predictor,
        byteorder=byteorder,
        bigtiff=bigtiff,
        photometric="minisblack",
        metadata=None,
        **segments,
    )
    plane = read_plane(path, 0)
    expected = tifffile.imread(path).reshape(shape)
    assert plane.dtype == expected.dtype == np.dtype(kind)
    assert plane.dtype.isnative
    assert plane.flags.c_contiguous
    assert plane.flags.writeable
    assert plane.tobytes() == expected.tobytes()


@pytest.mark.parametrize("segments", [cut for cut in _CUTS if "tile" not in cut], ids=str)
@pytest.mark.parametrize("compression", _CODECS)
def test_usual_pixels_are_decoded_without_tifffile(
    compression: str, segments: dict[str, Any], image: Path, decoded_here: list[Path]
) -> None:
    pixels = noise(37, 53)
    for byteorder in "<>":
        tifffile.imwrite(image, pixels, compression=compression, byteorder=byteorder, **segments)
        np.testing.assert_array_equal(read_plane(image, 0), pixels)
    assert decoded_here == [image, image]


_NEED_MORE = ["tiles", "floats with their", "RGB", "JPEG", "PNG", "LZMA", "twelve", "one bit"]


@pytest.mark.parametrize(
    "case",
    [case for case in EXACT_TIFFS + LOSSY_TIFFS if any(word in case.name for word in _NEED_MORE)],
    ids=lambda case: case.name,
)
def test_pixels_that_need_more_than_a_codec_are_left_to_tifffile(
    case: Case, image: Path, decoded_here: list[Path]
) -> None:
    case.write(image)
    read_plane(image, 0)
    assert decoded_here == []


def replace_tag_code(path: Path, code: int) -> None:
    """Give the extra tag 65000 of a little-endian file another code."""
    with tifffile.TiffFile(path) as tif:
        entry = tif.pages.first.tags[65000].offset
    patch(path, entry, struct.pack("<H", code))


def test_bytes_with_their_lowest_bit_first_are_left_to_tifffile(
    image: Path, decoded_here: list[Path]
) -> None:
    pixels = noise(37, 53, dtype="uint8")
    options: dict[str, Any] = {"metadata": None, "byteorder": "<", "extratags": [(65000, 3, 1, 2, True)]}
    tifffile.imwrite(image, pixels, compression="packbits", rowsperstrip=5, **options)
    with tifffile.TiffFile(image) as tif:
        page = tif.pages.first
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    data = image.read_bytes()
    for offset, count in places:
        patch(image, offset, imagecodecs.bitorder_encode(data[offset : offset + count]))
    replace_tag_code(image, 266)
    np.testing.assert_array_equal(read_plane(image, 0), pixels)
    assert decoded_here == []


def test_sample_formats_that_do_not_match_are_refused_as_tifffile_does(image: Path) -> None:
    options: dict[str, Any] = {"metadata": None, "byteorder": "<", "extratags": [(65000, 3, 2, (1, 2), True)]}
    tifffile.imwrite(image, noise(16, 16), compression="lzw", **options)
    replace_tag_code(image, 339)
    with pytest.raises(SourceError, match="sample formats"):
        read_plane(image, 0)


def test_differences_between_floats_are_summed_as_tifffile_sums_them(
    image: Path, decoded_here: list[Path]
) -> None:
    tifffile.imwrite(image, noise(16, 21, dtype="int32"), compression="zlib", predictor=2, byteorder="<")
    change_tag(image, "SampleFormat", 3)
    assert read_plane(image, 0).tobytes() == tifffile.imread(image).tobytes()
    assert decoded_here == [image]


def test_a_strip_that_holds_too_few_pixels_is_refused_by_its_number(image: Path) -> None:
    pixels = noise(37, 53)
    for compression in ("lzw", "zlib", "zstd", "packbits"):
        tifffile.imwrite(image, pixels, compression=compression, rowsperstrip=5, metadata=None)
        offsets, counts = _places(image)
        short = getattr(imagecodecs, _ENCODERS[compression])(pixels[5:9])
        assert len(short) <= counts[1]
        patch(image, offsets[1], short)
        change_tag(image, "StripByteCounts", (counts[0], len(short), *counts[2:]))
        with pytest.raises(SourceError, match="expected 530 bytes of pixels in strip 1, decoded 424"):
            read_plane(image, 0)


def test_more_strips_than_the_image_needs_are_not_looked_at(image: Path, decoded_here: list[Path]) -> None:
    pixels = noise(16, 16)
    tifffile.imwrite(image, pixels, compression="lzw", rowsperstrip=2, metadata=None)
    offsets, counts = _places(image)
    change_tag(image, "StripByteCounts", (*counts, 2**31), dtype=4)
    change_tag(image, "StripOffsets", (*offsets, 2**31), dtype=4)
    np.testing.assert_array_equal(read_plane(image, 0), pixels)
    assert decoded_here == [image]


def _places(path: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Offsets and byte counts of the strips or tiles of the first page."""
    with tifffile.TiffFile(path) as tif:
        return tif.pages.first.dataoffsets, tif.pages.first.databytecounts


@given(
    compression=st.sampled_from(_CODECS),
    segments=st.sampled_from(_CUTS),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
    ),
    shorter=st.integers(0, 3),
)
@settings(max_examples=150)
def test_damaged_pixels_are_refused_where_tifffile_refuses_them_and_else_the_same(
    compression: str,
    segments: dict[str, Any],
    changes: list[tuple[float, int]],
    shorter: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.tif"
    pixels = np.arange(37 * 53, dtype=np.uint16).reshape(37, 53) // 5
    tifffile.imwrite(path, pixels, compression=compression, metadata=None, **segments)
    offsets, counts = _places(path)
    for place, value in changes:
        number = int(place * len(offsets))
        patch(path, offsets[number] + int(place * 1000) % counts[number], bytes([value]))
    change_tag(
        path,
        "TileByteCounts" if "tile" in segments else "StripByteCounts",
        (counts[0] - shorter, *counts[1:]),
    )
    try:
        expected = tifffile.imread(path, maxworkers=1)
    except (RuntimeError, ValueError):
        with pytest.raises(SourceError):
            read_plane(path, 0)
    else:
        np.testing.assert_array_equal(read_plane(path, 0), expected)
