from __future__ import annotations

import os
import struct
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models import image_file_cases as cases
from tests.models.image_file_cases import (
    CASES,
    EXACT_TIFFS,
    Case,
    change_tag,
    next_page_pointer,
    noise,
    patch,
)
from tiles2zarr.errors import SourceError
from tiles2zarr.models.image_files import (
    SUFFIXES,
    ImageHeader,
    read_header,
    read_header_from,
    read_plane,
    sample_plane,
)
from tiles2zarr.models.image_files.opened import sample_bands, sample_segments

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A file of any kind: its name says nothing."""
    return tmp_path / "image"


def header_of(case: Case) -> ImageHeader:
    count, height, width, *samples = case.planes.shape
    return ImageHeader(count, height, width, samples[0] if samples else 1, case.planes.dtype.name)


def assert_refused(path: Path, *words: str, reading: tuple[Callable[..., Any], ...] = ()) -> None:
    """Header, plane and sample all end in one line that names the file and says what is wrong."""
    everything = (read_header, lambda path: read_plane(path, 0), lambda path: sample_plane(path, 0))
    for read in reading or everything:
        with pytest.raises(SourceError) as caught:
            read(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        for word in words:
            assert word in message


# Whole files


@each_case
def test_every_plane_comes_back_as_it_was_written(case: Case, image: Path) -> None:
    case.write(image)
    for index, expected in enumerate(case.planes):
        plane = read_plane(image, index)
        assert plane.shape == expected.shape
        assert plane.dtype == expected.dtype
        assert plane.dtype.isnative
        assert plane.flags.c_contiguous
        assert plane.flags.writeable
        if case.tolerance:
            assert np.abs(plane.astype(int) - expected).max() <= case.tolerance
        else:
            np.testing.assert_array_equal(plane, expected)


@each_case
def test_the_header_says_what_the_planes_are(case: Case, image: Path) -> None:
    case.write(image)
    assert read_header(image) == header_of(case)


@each_case
def test_a_sample_of_a_small_plane_is_the_same_each_time_and_of_its_pixels(case: Case, image: Path) -> None:
    case.write(image)
    for index in range(len(case.planes)):
        plane, sample = read_plane(image, index), sample_plane(image, index)
        assert sample.ndim == 1
        assert sample.dtype == plane.dtype
        pixel = plane.shape[2:] or (1,)
        found = {tuple(p) for p in sample.reshape(-1, *pixel).tolist()}
        assert found == {tuple(p) for p in plane.reshape(-1, *pixel).tolist()}
        np.testing.assert_array_equal(sample, sample_plane(image, index))


@each_case
def test_a_plane_beyond_the_last_or_before_the_first_is_refused(case: Case, image: Path) -> None:
    case.write(image)
    count = len(case.planes)
    for index in (count, -1):
        expected = (f"0 to {count - 1}", f"asked for {index}")
        assert_refused(image, *expected, reading=(lambda path, i=index: read_plane(path, i),))
        assert_refused(image, *expected, reading=(lambda path, i=index: sample_plane(path, i),))


# What the libtiff of some release of imagecodecs does not decode.
NOT_OF_LIBTIFF = ("JPEG 2000", "JPEG XL", "PNG", "one bit", "twelve bits")
LIBTIFF_CASES = [case for case in EXACT_TIFFS if not any(word in case.name for word in NOT_OF_LIBTIFF)]


@pytest.mark.parametrize("case", LIBTIFF_CASES, ids=lambda case: case.name)
def test_a_tiff_reads_as_libtiff_reads_it(case: Case, image: Path) -> None:
    case.write(image)
    pages = 1 if "one page header" in case.name else len(case.planes)
    for index in range(pages):
        expected = imagecodecs.tiff_decode(image.read_bytes(), index=index)
        if "planar" in case.name:
            expected = np.moveaxis(expected, 0, -1)
        np.testing.assert_array_equal(read_plane(image, index), expected)


@given(
    pixels=st.tuples(st.integers(1, 3), st.integers(2, 40), st.integers(2, 40)),
    dtype=st.sampled_from(["uint8", "uint16", "int32", "float32"]),
    compression=st.sampled_from([None, "lzw", "zlib", "zstd", "packbits"]),
    segments=st.sampled_from(
        [{}, {"rowsperstrip": 1}, {"rowsperstrip": 7}, {"tile": (16, 16)}, {"tile": (32, 16)}]
    ),
    byteorder=st.sampled_from("<>"),
    bigtiff=st.booleans(),
)
@settings(max_examples=60)
def test_any_tiff_comes_back_as_it_was_written(
    pixels: tuple[int, int, int],
    dtype: str,
    compression: str | None,
    segments: dict[str, Any],
    byteorder: str,
    bigtiff: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    case = cases.tiff(
        "any",
        noise(*pixels, dtype=dtype),
        compression=compression,
        byteorder=byteorder,
        bigtiff=bigtiff,
        **segments,
    )
    path = tmp_path_factory.mktemp("any") / "any.tif"
    case.write(path)
    assert read_header(path) == header_of(case)
    for index, expected in enumerate(case.planes):
        np.testing.assert_array_equal(read_plane(path, index), expected)


@pytest.mark.parametrize("name", ["plane.png", "plane.npy", "plane.txt", "plane", "plane.TIF"])
def test_the_content_decides_and_not_the_name(name: str, tmp_path: Path) -> None:
    pixels = noise(5, 7)
    tifffile.imwrite(tmp_path / "as written.tif", pixels)
    (tmp_path / "as written.tif").rename(tmp_path / name)
    np.testing.assert_array_equal(read_plane(tmp_path / name, 0), pixels)


def test_suffixes_are_lower_case_with_their_dot() -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)
    assert {Path(name).suffix.lower() for name in ("a.TIF", "b.Jpeg", "c.npy")} <= SUFFIXES


def test_threads_read_the_same_files_without_meeting(tmp_path: Path) -> None:
    paths = []
    for number, case in enumerate(CASES):
        paths.append(tmp_path / f"{number}")
        case.write(paths[-1])
    alone = [read_plane(path, 0) for path in paths]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda path: (read_header(path), read_plane(path, 0)), paths * 4))
    for (header, plane), expected, case in zip(together, alone * 4, CASES * 4, strict=True):
        assert header == header_of(case)
        np.testing.assert_array_equal(plane, expected)


def test_every_file_is_closed_again(image: Path) -> None:
    for case in CASES:
        case.write(image)
        read_header(image)
        read_plane(image, 0)
        sample_plane(image, 0)
        image.unlink()  # fails on Windows while a file is open; elsewhere an unclosed file warns


def test_an_uncompressed_plane_is_read_once_into_the_array_that_is_returned(image: Path) -> None:
    pixels = noise(1200, 1000)
    tifffile.imwrite(image, pixels, byteorder=">", rowsperstrip=16)
    read_plane(image, 0)
    tracemalloc.start()
    try:
        plane = read_plane(image, 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(plane, pixels)
    assert peak < 1.2 * pixels.nbytes


def test_a_header_is_read_without_decoding_pixels(image: Path) -> None:
    tifffile.imwrite(image, noise(64, 64), compression="zlib")
    with tifffile.TiffFile(image) as tif:
        offset, count = tif.pages.first.dataoffsets[0], tif.pages.first.databytecounts[0]
    patch(image, offset, b"\xff" * count)
    assert read_header(image) == ImageHeader(1, 64, 64, 1, "uint16")
    assert_refused(
        image, "the pixels", reading=(lambda path: read_plane(path, 0), lambda path: sample_plane(path, 0))
    )


# What counts as a plane


def write_pages(path: Path, *pages: tuple[NDArray[Any], int]) -> None:
    """A TIFF of pages with their NewSubfileType."""
    with tifffile.TiffWriter(path) as writer:
        for pixels, kind in pages:
            writer.write(pixels, subfiletype=kind, metadata=None, photometric="minisblack")


@pytest.mark.parametrize("aside", [1, 4, 5], ids=["reduced", "mask", "mask of a reduced copy"])
def test_pages_flagged_as_copies_or_masks_are_not_planes(aside: int, image: Path) -> None:
    planes = noise(2, 8, 9)
    small = noise(4, 4)
    write_pages(image, (small, 1), (planes[0], 0), (small, 1), (planes[1], 2), (small, 1))
    for page in (0, 2, 4):
        change_tag(image, "NewSubfileType", aside, page)
    assert read_header(image) == ImageHeader(2, 8, 9, 1, "uint16")
    for index in range(2):
        np.testing.assert_array_equal(read_plane(image, index), planes[index])
        np.testing.assert_array_equal(sample_plane(image, index), planes[index].ravel())


def test_pages_that_are_all_flagged_as_copies_are_planes(image: Path) -> None:
    planes = noise(2, 8, 9)
    write_pages(image, (planes[0], 1), (planes[1], 1))
    assert read_header(image) == ImageHeader(2, 8, 9, 1, "uint16")
    np.testing.assert_array_equal(read_plane(image, 1), planes[1])


@pytest.mark.parametrize("other", [noise(8, 8), noise(8, 9, dtype="int16")], ids=["shape", "type"])
def test_pages_that_differ_are_refused(other: NDArray[Any], image: Path) -> None:
    write_pages(image, (noise(8, 9), 0), (other, 0))
    assert_refused(image, "alike", "8 x 9 px, 1 samples, uint16", "in page 1", reading=(read_header,))


def test_images_of_a_file_that_differ_are_read_each_from_its_first_page_on(image: Path) -> None:
    pages = (noise(8, 9), noise(8, 9), noise(6, 7), noise(6, 7, dtype="int16"))
    write_pages(image, *((page, 0) for page in pages))
    assert [read_header_from(image, first) for first in range(5)] == [
        ImageHeader(2, 8, 9, 1, "uint16"),
        ImageHeader(1, 8, 9, 1, "uint16"),
        ImageHeader(1, 6, 7, 1, "uint16"),
        ImageHeader(1, 6, 7, 1, "int16"),
        ImageHeader(0, 6, 7, 1, "int16"),
    ]
    for index, page in enumerate(pages):
        np.testing.assert_array_equal(read_plane(image, index), page)


def test_an_imagej_stack_beyond_4_gb_counts_all_of_its_planes(image: Path) -> None:
    first, last = noise(2048, 2048), noise(2048, 2048)
    tifffile.imwrite(
        image,
        first,
        byteorder=">",
        metadata=None,
        description="ImageJ=1.54f\nimages=600\nslices=600\nloop=false\n",
    )
    with tifffile.TiffFile(image) as tif:
        start = tif.pages.first.dataoffsets[0]
    with image.open("r+b") as file:  # a sparse file: the planes between take no room on the disk
        file.seek(start + 599 * last.nbytes)
        file.write(last.astype(">u2").tobytes())
    assert image.stat().st_size > 2**32
    assert read_header(image) == ImageHeader(600, 2048, 2048, 1, "uint16")
    np.testing.assert_array_equal(read_plane(image, 0), first)
    np.testing.assert_array_equal(read_plane(image, 599), last)
    assert not sample_plane(image, 300).any()
    assert np.isin(sample_plane(image, 599), last).all()
    image.unlink()


def test_an_imagej_stack_of_several_axes_counts_their_product(image: Path) -> None:
    planes = noise(2, 3, 4, 8, 9)
    tifffile.imwrite(image, planes, imagej=True, truncate=True, metadata={"axes": "TZCYX"})
    assert read_header(image) == ImageHeader(24, 8, 9, 1, "uint16")
    np.testing.assert_array_equal(read_plane(image, 17), planes.reshape(24, 8, 9)[17])


def test_an_imagej_stack_of_colours_counts_images_and_not_samples(image: Path) -> None:
    planes = noise(3, 8, 9, 3, dtype="uint8")
    tifffile.imwrite(image, planes, imagej=True, truncate=True, photometric="rgb")
    assert read_header(image) == ImageHeader(3, 8, 9, 3, "uint8")
    np.testing.assert_array_equal(read_plane(image, 2), planes[2])


def test_samples_that_an_imagej_description_calls_channels_are_not_counted_as_planes(image: Path) -> None:
    planes = noise(2, 8, 9, 3, dtype="uint8")
    text = "ImageJ=1.54f\nimages=6\nchannels=3\nslices=2\nhyperstack=true\n"
    tifffile.imwrite(image, planes[0], photometric="rgb", metadata=None, description=text)
    with image.open("ab") as file:
        file.write(planes[1].tobytes())
    assert read_header(image) == ImageHeader(2, 8, 9, 3, "uint8")
    np.testing.assert_array_equal(read_plane(image, 1), planes[1])


def test_a_description_does_not_count_where_the_chain_has_pages(image: Path) -> None:
    pixels = noise(8, 9)
    with tifffile.TiffWriter(image) as writer:
        writer.write(pixels, metadata=None, description="ImageJ=1.54f\nimages=6\nslices=6\n")
        writer.write(pixels[::2, ::2], metadata=None, subfiletype=1)
    assert read_header(image).planes == 1


def test_a_compressed_page_is_one_plane_whatever_its_description_says(image: Path) -> None:
    pixels = noise(8, 9)
    tifffile.imwrite(image, pixels, compression="lzw", metadata=None, description="ImageJ=1.54f\nimages=6\n")
    assert read_header(image).planes == 1
    np.testing.assert_array_equal(read_plane(image, 0), pixels)


def test_a_stack_shorter_than_its_description_is_refused(image: Path) -> None:
    tifffile.imwrite(image, noise(6, 8, 9), imagej=True, truncate=True)
    os.truncate(image, image.stat().st_size - 8 * 9 * 2)
    assert_refused(image, "6 planes", "truncated", reading=(read_header, lambda path: read_plane(path, 1)))


UIC1, UIC2 = (33628, 4, 2, (0, 0), True), (33629, 5, 3, (0,) * 6, True)


def test_a_metamorph_stack_counts_all_of_its_planes(image: Path) -> None:
    planes = noise(3, 8, 9)
    tifffile.imwrite(image, planes[0], metadata=None, extratags=[UIC1, UIC2], byteorder="<")
    with tifffile.TiffFile(image) as tif:
        os.truncate(image, tif.pages.first.dataoffsets[0])
    with image.open("ab") as file:
        file.write(planes.tobytes())
    assert read_header(image) == ImageHeader(3, 8, 9, 1, "uint16")
    for index in range(3):
        np.testing.assert_array_equal(read_plane(image, index), planes[index])


def test_strips_of_a_metamorph_file_are_found_where_they_are(image: Path) -> None:
    pixels = noise(8, 9)
    tifffile.imwrite(image, pixels, metadata=None, extratags=[UIC1], rowsperstrip=4)
    with tifffile.TiffFile(image) as tif:
        offsets = tif.pages.first.dataoffsets
    change_tag(image, "StripOffsets", offsets[::-1])
    np.testing.assert_array_equal(read_plane(image, 0), np.roll(pixels, 4, axis=0))
    np.testing.assert_array_equal(sample_plane(image, 0), np.roll(pixels, 4, axis=0).ravel())


def test_a_file_that_changes_between_two_calls_is_looked_at_again(image: Path) -> None:
    for count in (5, 2, 4):
        planes = noise(count, 6, 7)
        tifffile.imwrite(image, planes, photometric="minisblack")
        assert read_header(image).planes == count
        np.testing.assert_array_equal(read_plane(image, count - 1), planes[-1])


# Colours and types


def palette_of(*ramps: int) -> NDArray[np.uint16]:
    """Palette of 256 colours; each of red, green, blue grows with the index up to this value."""
    return np.stack([np.linspace(0, top, 256).round().astype(np.uint16) for top in ramps])


@pytest.mark.parametrize("ramps", [(65535, 65535, 65535), (0, 65535, 0), (65280, 32000, 0), (255, 255, 255)])
def test_a_palette_of_one_hue_shows_its_indices_which_are_the_pixels(
    ramps: tuple[int, int, int], image: Path
) -> None:
    pixels = noise(8, 9, dtype="uint8")
    tifffile.imwrite(image, pixels, photometric="palette", colormap=palette_of(*ramps))
    assert read_header(image) == ImageHeader(1, 8, 9, 1, "uint8")
    np.testing.assert_array_equal(read_plane(image, 0), pixels)


def test_a_palette_of_colours_is_refused(image: Path) -> None:
    colors = palette_of(65535, 65535, 65535)
    colors[1] = colors[1][::-1]
    tifffile.imwrite(image, noise(8, 9, dtype="uint8"), photometric="palette", colormap=colors)
    assert_refused(image, "palette", "grey or RGB")


def test_an_inverted_palette_is_refused(image: Path) -> None:
    tifffile.imwrite(
        image,
        noise(8, 9, dtype="uint8"),
        photometric="palette",
        colormap=palette_of(65535, 65535, 65535)[:, ::-1],
    )
    assert_refused(image, "palette")


REFUSED_PIXELS = {
    "complex": ({"data": noise(8, 9, dtype="float32").astype("complex64")}, "complex64"),
    "CMYK": ({"data": noise(8, 9, 4, dtype="uint8"), "photometric": "separated"}, "SEPARATED"),
    "grey with alpha": (
        {"data": noise(8, 9, 2), "photometric": "minisblack", "planarconfig": "contig"},
        "found 2",
    ),
    "four channels that are no colours": (
        {"data": noise(8, 9, 4), "photometric": "minisblack", "planarconfig": "contig"},
        "MINISBLACK",
    ),
    "five samples": ({"data": noise(8, 9, 5), "photometric": "rgb"}, "found 5"),
    "CIE L*a*b*": ({"data": noise(8, 9, 3, dtype="uint8"), "photometric": "cielab"}, "CIELAB"),
    "a volume in one page": (
        {"data": noise(16, 16, 16), "volumetric": True, "tile": (16, 16, 16), "photometric": "minisblack"},
        "volume",
    ),
}


@pytest.mark.parametrize("kind", REFUSED_PIXELS)
def test_pixels_that_are_no_grey_or_colour_values_are_refused(kind: str, image: Path) -> None:
    options, word = REFUSED_PIXELS[kind]
    tifffile.imwrite(image, metadata=None, **options)
    assert_refused(image, word)


def test_a_zeiss_lsm_file_is_refused_by_name(image: Path) -> None:
    tifffile.imwrite(image, noise(8, 9), metadata=None, extratags=[(34412, 1, 8, b"12345678", True)])
    assert_refused(image, "LSM", "export")


def test_an_unknown_compression_is_refused_by_number(image: Path) -> None:
    tifffile.imwrite(image, noise(8, 9), metadata=None)
    change_tag(image, "Compression", 12345)
    assert_refused(image, "compression 12345")


def test_a_predictor_of_other_pixels_is_refused_from_the_header(image: Path) -> None:
    for predictor in (3, 99):
        tifffile.imwrite(image, noise(8, 9), metadata=None, compression="lzw", predictor=2)
        change_tag(image, "Predictor", predictor)
        assert_refused(image, f"predictor {predictor} for pixels of uint16")


def test_fax_of_more_than_one_bit_is_refused_from_the_header(image: Path) -> None:
    tifffile.imwrite(image, noise(8, 9), metadata=None)
    change_tag(image, "Compression", 4)
    assert_refused(image, "fax", "1 bit")


def test_a_file_that_ends_within_a_standard_tag_is_truncated_and_a_private_tag_may_lie(image: Path) -> None:
    pixels = noise(8, 9)
    for code, is_whole in ((305, False), (40_000, True)):
        tifffile.imwrite(
            image, pixels, metadata=None, extratags=[(65_000, 2, 12, "a long text", True)], software=False
        )
        with tifffile.TiffFile(image) as tif:
            entry = tif.pages.first.tags[65_000].offset
        patch(image, entry, struct.pack("<H", code))
        patch(image, entry + 8, struct.pack("<I", image.stat().st_size - 5))
        if is_whole:
            np.testing.assert_array_equal(read_plane(image, 0), pixels)
        else:
            assert_refused(image, "truncated")


def test_uncompressed_pixels_with_a_predictor_are_refused_since_readers_disagree_about_them(
    image: Path,
) -> None:
    cases.write_with_tag(image, noise(8, 9), 317, 2)
    assert_refused(image, "predictor")


def refused_pictures() -> dict[str, tuple[bytes, str]]:
    colors = np.random.default_rng(1).integers(0, 255, (16, 16, 4), dtype=np.uint8)
    grey = colors[..., 0].copy()
    jpeg = imagecodecs.jpeg8_encode(grey)
    frame = jpeg.index(b"\xff\xc0")
    bmp, rgba = cases.bmp(grey, palette=cases.GREY_RAMP), cases.bmp(colors)
    return {
        "PNG palette": (
            cases.png(2, 1, 8, 3, b"\0\1\0", cases.png_chunk(b"PLTE", bytes(range(6)))),
            "palette",
        ),
        "PNG grey with alpha": (cases.png(2, 1, 8, 4, b"\0\1\2\3\4"), "transparency"),
        "PNG grey with a transparent value": (
            cases.png(2, 1, 8, 0, b"\0\1\2", cases.png_chunk(b"tRNS", b"\0\1")),
            "transparency",
        ),
        "PNG animated": (
            cases.png(2, 1, 8, 0, b"\0\1\2", cases.png_chunk(b"acTL", struct.pack(">II", 2, 0))),
            "animated",
        ),
        "PNG with a huge claim": (cases.png(2**31 - 1, 2**31 - 1, 8, 0, b"\0\1\2"), "claims"),
        "PNG with a claim beyond its bytes": (cases.png(40_000, 40_000, 8, 0, b"\0\1\2"), "claims"),
        "PNG with another width than its checksum says": (
            cases.png(2, 1, 8, 0, b"\0\1\2").replace(struct.pack(">II", 2, 1), struct.pack(">II", 3, 1)),
            "checksum",
        ),
        "PNG of no columns": (cases.png(0, 1, 8, 0, b"\0"), "at least one pixel"),
        "JPEG of CMYK": (imagecodecs.jpeg8_encode(colors, colorspace="cmyk", outcolorspace="cmyk"), "CMYK"),
        "JPEG of 12 bits": (jpeg[: frame + 4] + b"\x0c" + jpeg[frame + 5 :], "12 bits"),
        "JPEG without its end": (jpeg[:-2], "truncated"),
        "PNG without its last bytes": (cases.png(2, 1, 8, 0, b"\0\1\2")[:-1], "truncated"),
        "BMP of other colour masks": (rgba[:54] + rgba[58:62] + rgba[54:58] + rgba[62:], "plain BMP"),
        "BMP palette": (cases.bmp(grey, palette=cases.GREY_RAMP[::-1]), "palette"),
        "BMP run-length encoded": (cases.bmp(grey, palette=cases.GREY_RAMP, packing=1), "compression 1"),
        "BMP with a huge claim": (bmp[:18] + struct.pack("<ii", 2**30, 2**30) + bmp[26:], "claims"),
        "BMP with a claim beyond its bytes": (bmp[:18] + struct.pack("<ii", 16, 17) + bmp[26:], "truncated"),
        "a text that starts like BMP": (b"BM is the name of this well, as far as we know\n" * 3, "BMP"),
        "GIF": (b"GIF89a" + bytes(20), "GIF89a"),
        "text": (b"Not an image\n", "Not an i"),
        "two bytes": (b"II", "b'II'"),
    }


REFUSED_PICTURES = refused_pictures()


@pytest.mark.parametrize("name", REFUSED_PICTURES)
def test_a_picture_that_cannot_be_read_is_refused_with_its_reason(name: str, image: Path) -> None:
    data, word = REFUSED_PICTURES[name]
    image.write_bytes(data)
    assert_refused(image, word)


def npy_bytes(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode("latin1") + data


REFUSED_ARRAYS = {
    "one axis": (npy_bytes("{'descr': '<u2', 'fortran_order': False, 'shape': (3,)}", bytes(6)), "two axes"),
    "no pixels": (
        npy_bytes("{'descr': '<u2', 'fortran_order': False, 'shape': (0, 3)}"),
        "at least one pixel",
    ),
    "objects": (
        npy_bytes("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}", b"cos\nsystem\n"),
        "object",
    ),
    "texts": (npy_bytes("{'descr': '<U4', 'fortran_order': False, 'shape': (1, 1)}", bytes(16)), "str"),
    "fields": (
        npy_bytes("{'descr': [('a', '<u2')], 'fortran_order': False, 'shape': (1, 1)}", bytes(2)),
        "NPY header",
    ),
    "a huge claim": (
        npy_bytes("{'descr': '<u2', 'fortran_order': False, 'shape': (999999, 999999)}"),
        "claims",
    ),
    "more planes than bytes": (
        npy_bytes("{'descr': '<u2', 'fortran_order': False, 'shape': (9999999999999, 2, 2)}"),
        "truncated",
    ),
    "a second array behind": (
        npy_bytes("{'descr': '<u2', 'fortran_order': False, 'shape': (1, 1)}", bytes(2)) * 2,
        "more than one",
    ),
    "a negative length": (
        npy_bytes("{'descr': '<u2', 'fortran_order': False, 'shape': (-1, -1)}"),
        "NPY header",
    ),
    "a truth value as length": (
        npy_bytes("{'descr': '<u2', 'fortran_order': False, 'shape': (True, 1)}"),
        "NPY header",
    ),
    "no type": (npy_bytes("{'fortran_order': False, 'shape': (1, 1)}"), "NPY header"),
    "nested without end": (npy_bytes("(" * 9_000), "NPY header"),
    "a program": (npy_bytes("__import__('os').abort()"), "NPY header"),
    "a header longer than the file": (npy_bytes("{}", version=b"\2\0"), "NPY"),
    "an unknown version": (npy_bytes("{}", version=b"\7\0"), "version"),
}


@pytest.mark.parametrize("kind", REFUSED_ARRAYS)
def test_an_npy_file_that_holds_no_planes_of_numbers_is_refused(kind: str, image: Path) -> None:
    data, word = REFUSED_ARRAYS[kind]
    image.write_bytes(data)
    assert_refused(image, word)


# Files that are not there, or not whole


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent.tif", "no such file")


def test_a_file_below_a_file_is_refused(image: Path) -> None:
    image.write_bytes(b"x")
    assert_refused(image / "plane.tif", "no such file")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, "found a folder")


def test_an_empty_file_is_refused(image: Path) -> None:
    image.touch()
    assert_refused(image, "empty")


def test_a_name_that_no_file_system_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be opened"):
        read_header(tmp_path / "a\0b.tif")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_the_message_is_one_line_even_when_the_name_is_two(tmp_path: Path) -> None:
    path = tmp_path / "first\nsecond \udcff.tif"
    with pytest.raises(SourceError, match="no such file") as caught:
        read_header(path)
    assert r"first\nsecond \udcff.tif" in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_refused_and_not_waited_for(image: Path) -> None:
    os.mkfifo(image)
    assert_refused(image, "pipe")


def test_a_file_without_permission_is_refused(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(image, noise(5, 7))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tiles2zarr.models.image_files.opened.open", refuse, raising=False)
    assert_refused(image, "permission denied")


def test_a_disk_that_fails_while_pixels_are_read_is_the_error_of_this_file(image: Path) -> None:
    from tiles2zarr.models.image_files.opened import OpenImage

    class Failing:
        def seek(self, offset: int) -> None:
            raise OSError(5, "Input/output error")

    file = OpenImage(image, Failing(), 1000, (0, 0, 0, 0))  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="Input/output error"):
        file.bytes_at(0, 10)
    with pytest.raises(SourceError, match="Input/output error"):
        file.values_at(np.dtype("uint16"), 0, 10)


def cuts(path: Path) -> list[int]:
    """Where to cut a file: at every place that means something, and evenly between."""
    size = path.stat().st_size
    places = set(range(0, size, max(1, size // 30)))
    if path.read_bytes()[:2] in (b"II", b"MM"):
        places |= {place - step for place in cases.structural_offsets(path) for step in (0, 1)}
    return sorted(place for place in places if 0 <= place < size)


@each_case
def test_a_truncated_file_is_refused_or_gives_the_right_pixels(case: Case, image: Path) -> None:
    case.write(image)
    whole = image.read_bytes()
    last = len(case.planes) - 1
    readings: list[Callable[[], Any]] = [
        lambda: read_header(image),
        lambda: read_plane(image, 0),
        lambda: read_plane(image, last),
        lambda: sample_plane(image, last),
    ]
    expected = [read() for read in readings]
    refused = 0
    for size in cuts(image):
        image.write_bytes(whole[:size])
        for read, right in zip(readings, expected, strict=True):
            try:
                found = read()
            except SourceError:
                refused += 1
            else:
                assert np.array_equal(found, right) if isinstance(found, np.ndarray) else found == right, size
    assert refused


@given(
    case=st.sampled_from(CASES),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
    ),
    at_start=st.booleans(),
)
@settings(max_examples=400)
def test_a_damaged_file_is_read_or_refused_but_nothing_else(
    case: Case, changes: list[tuple[float, int]], at_start: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    case.write(path)
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[int(place * (min(600, len(data)) if at_start else len(data)))] = value
    path.write_bytes(data)
    for read in (
        read_header,
        lambda path: read_header_from(path, 1),
        lambda path: read_plane(path, len(case.planes) - 1),
        lambda path: sample_plane(path, 0),
    ):
        try:
            read(path)
        except SourceError as error:
            assert str(error).isprintable()


def test_a_broken_file_says_nothing_beside_its_error(
    image: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for case in CASES:
        case.write(image)
        whole = image.read_bytes()
        for size in range(8, len(whole), max(1, len(whole) // 12)):
            for data in (whole[:size], whole[:size] + bytes([whole[size] ^ 0xFF]) + whole[size + 1 :]):
                image.write_bytes(data)
                for read in (read_header, lambda path: read_plane(path, 0)):
                    try:
                        read(image)
                    except SourceError:
                        pass
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_tifffile_still_logs_for_others(caplog: pytest.LogCaptureFixture) -> None:
    tifffile.logger().warning("something else")
    assert [record.message for record in caplog.records] == ["something else"]


# Headers that lie


def little(path: Path, planes: int = 3, **options: Any) -> NDArray[Any]:
    pixels = noise(planes, 16, 16)
    tifffile.imwrite(path, pixels, byteorder="<", metadata=None, photometric="minisblack", **options)
    return pixels


@pytest.mark.parametrize("start", [b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"])
def test_a_tiff_that_ends_after_its_first_bytes_is_refused(start: bytes, image: Path) -> None:
    for tail in (0, 4, 12):
        image.write_bytes(start + bytes(tail))
        assert_refused(image)


@pytest.mark.parametrize("pages", [3, 150])
def test_a_chain_of_pages_that_comes_back_on_itself_is_refused(pages: int, image: Path) -> None:
    pixels = little(image, pages)
    with tifffile.TiffFile(image) as tif:
        target = tif.pages[pages - 2].offset
    patch(image, next_page_pointer(image, pages - 1), struct.pack("<I", target))
    assert_refused(image, "earlier", reading=(read_header, lambda path: read_plane(path, pages - 1)))
    np.testing.assert_array_equal(read_plane(image, 0), pixels[0])


@pytest.mark.parametrize(("target", "word"), [(2**32 - 1, "truncated"), (3, "page 2")])
def test_a_chain_of_pages_that_leads_nowhere_is_refused(target: int, word: str, image: Path) -> None:
    pixels = little(image)
    patch(image, next_page_pointer(image, 1), struct.pack("<I", target))
    assert_refused(image, word, reading=(read_header, lambda path: read_plane(path, 2)))
    np.testing.assert_array_equal(read_plane(image, 0), pixels[0])


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("ImageWidth", 2**31),
        ("ImageLength", 2**31),
        ("ImageWidth", 17),
        ("ImageWidth", 0),
        ("ImageLength", 0),
        ("BitsPerSample", 32),
        ("SamplesPerPixel", 60000),
        ("RowsPerStrip", 0),
    ],
)
def test_sizes_that_an_uncompressed_file_cannot_hold_are_refused(tag: str, value: int, image: Path) -> None:
    little(image, 1)
    change_tag(image, tag, value)
    assert_refused(image)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "zstd", "lzma", "jpeg2000"])
@pytest.mark.parametrize(
    ("tag", "value"), [("ImageWidth", 2**31), ("TileWidth", 2**28), ("TileLength", 2**28)]
)
def test_a_compressed_plane_that_claims_more_than_any_codec_expands_is_refused_before_memory_is_asked_for(
    compression: str, tag: str, value: int, image: Path
) -> None:
    little(image, 1, compression=compression, tile=(16, 16))
    for size in ("ImageWidth", "ImageLength"):
        change_tag(image, size, value)
    change_tag(image, tag, value)
    change_tag(image, "TileLength", value)
    change_tag(image, "TileWidth", value)
    tracemalloc.start()
    try:
        assert_refused(image, "claims")
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "zstd"])
@pytest.mark.parametrize(
    "sizes", [{"ImageWidth": 50_000, "ImageLength": 50_000}, {"TileWidth": 2**15, "TileLength": 2**15}]
)
def test_a_claim_within_reason_that_the_compressed_bytes_cannot_expand_to_is_refused(
    compression: str, sizes: dict[str, int], image: Path
) -> None:
    little(
        image,
        1,
        compression=compression,
        **({"tile": (16, 16)} if "TileWidth" in sizes else {"rowsperstrip": 16}),
    )
    for tag, size in {**sizes, **({} if "TileWidth" in sizes else {"RowsPerStrip": 50_000})}.items():
        change_tag(image, tag, size)
    assert_refused(image, "claims")


def test_a_plane_that_compresses_extremely_well_is_no_false_claim(image: Path) -> None:
    blank = np.zeros((4096, 4096), np.uint16)
    for compression in ("lzw", "zlib", "packbits", "zstd", "lzma"):
        tifffile.imwrite(image, blank, compression=compression, rowsperstrip=4096)
        assert read_header(image) == ImageHeader(1, 4096, 4096, 1, "uint16")
        assert not read_plane(image, 0).any()
    image.write_bytes(imagecodecs.png_encode(blank))
    assert not read_plane(image, 0).any()


def test_a_decisive_tag_that_cannot_be_read_is_not_replaced_by_its_default(image: Path) -> None:
    tifffile.imwrite(image, noise(16, 16, 3), photometric="rgb", metadata=None, byteorder="<")
    with tifffile.TiffFile(image) as tif:
        entry = tif.pages.first.tags["BitsPerSample"].offset
    patch(image, entry + 8, struct.pack("<I", 2**31))
    assert_refused(image, "tag 258")


@pytest.mark.parametrize(
    "tag", ["ImageWidth", "Compression", "RowsPerStrip", "SamplesPerPixel", "StripOffsets"]
)
@pytest.mark.parametrize("kind", [1, 2, 6, 7, 11, 12, 99])
def test_tags_of_a_foreign_type_are_refused_or_harmless(tag: str, kind: int, image: Path) -> None:
    pixels = little(image, 1)
    with tifffile.TiffFile(image) as tif:
        entry = tif.pages.first.tags[tag].offset
    patch(image, entry + 2, struct.pack("<H", kind))
    try:
        found = read_plane(image, 0)
    except SourceError:
        return
    np.testing.assert_array_equal(found, pixels[0])  # a byte holds small sizes just as well


@pytest.mark.parametrize("tag", ["StripOffsets", "StripByteCounts"])
def test_strips_that_were_never_written_are_refused_and_not_filled(tag: str, image: Path) -> None:
    for compression in (None, "lzw"):
        little(image, 1, rowsperstrip=4, compression=compression)
        with tifffile.TiffFile(image) as tif:
            values = tif.pages.first.tags[tag].value
        change_tag(image, tag, (*values[:2], 0, *values[3:]))
        assert_refused(image, "without data")


@pytest.mark.parametrize("tag", ["StripOffsets", "StripByteCounts"])
def test_fewer_strips_than_the_image_needs_are_refused(tag: str, image: Path) -> None:
    for compression in (None, "lzw"):
        little(image, 1, rowsperstrip=4, compression=compression)
        with tifffile.TiffFile(image) as tif:
            values = tif.pages.first.tags[tag].value
        change_tag(image, tag, values[:3])
        assert_refused(image, "4 strips or tiles")


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd", "packbits", "jpeg2000", "lzma", "png"])
def test_compressed_data_that_end_early_are_refused(compression: str, image: Path) -> None:
    little(image, 1, compression=compression)
    with tifffile.TiffFile(image) as tif:
        (count,) = tif.pages.first.databytecounts
    change_tag(image, "StripByteCounts", (count // 3,))
    assert_refused(image, reading=(lambda path: read_plane(path, 0), lambda path: sample_plane(path, 0)))


# Samples of large planes


def rows_of(pixels: NDArray[Any], bands: list[tuple[int, int]]) -> NDArray[Any]:
    return np.concatenate([pixels[start:stop].ravel() for start, stop in bands])


@pytest.mark.parametrize(
    "case",
    [
        cases.tiff("grey", noise(1, 900, 700)),
        cases.tiff("grey in strips big-endian", noise(1, 900, 700), rowsperstrip=10, byteorder=">"),
        cases.tiff("RGB chunky", noise(1, 900, 700, 3, dtype="uint8")),
        cases.tiff("RGB planar", noise(1, 900, 700, 3, dtype="uint8"), planarconfig="separate"),
        cases.tiff("second plane of a stack", noise(2, 900, 700), imagej=True, truncate=True),
        cases.npy("NPY", noise(2, 900, 700)),
        cases.npy("NPY in Fortran order", np.asfortranarray(noise(2, 900, 700))),
        cases.encoded("PNG", _png := noise(900, 700, dtype="uint8"), imagecodecs.png_encode(_png)),
    ],
    ids=lambda case: case.name,
)
def test_a_sample_of_a_large_plane_is_bands_of_its_rows(case: Case, image: Path) -> None:
    case.write(image)
    pixels = case.planes[-1]
    sample = sample_plane(image, len(case.planes) - 1)
    np.testing.assert_array_equal(sample, rows_of(pixels, sample_bands(900, 700)))
    assert 50_000 < sample.size < pixels.size / 4


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"compression": "lzw", "rowsperstrip": 10}, 16),
        ({"compression": "zlib", "tile": (64, 64)}, 32),
        ({"compression": "zstd", "rowsperstrip": 900}, 1),
        (
            {"compression": "zlib", "tile": (128, 128), "planarconfig": "separate", "photometric": "rgb"},
            3 * 16,
        ),
    ],
    ids=["strips", "tiles", "one strip", "planar tiles"],
)
def test_a_sample_of_a_compressed_plane_decodes_few_strips_or_tiles(
    options: dict[str, Any], most: int, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tiles2zarr.models.image_files import tiff

    colored = "planarconfig" in options
    # Values that tell where they are, so that neighbours and tile padding can be told from pixels.
    y, x = np.mgrid[1:901, 1:701]
    pixels = (y * 1000 + x).astype(np.uint32)
    tifffile.imwrite(image, np.stack([pixels, pixels + 1, pixels + 2]) if colored else pixels, **options)
    decoded = []
    segment = tiff._segment

    def counted(*args: Any) -> NDArray[Any]:
        decoded.append(args)
        return segment(*args)

    monkeypatch.setattr(tiff, "_segment", counted)
    sample = sample_plane(image, 0)
    assert len(decoded) <= most
    if colored:
        red, green, blue = sample.reshape(-1, 3).T
        np.testing.assert_array_equal(green, red + 1)
        np.testing.assert_array_equal(blue, red + 2)
        sample = red
    assert np.isin(sample, pixels).all()
    assert np.unique(sample).size == sample.size
    assert 5_000 < sample.size < pixels.size / 3
    assert np.histogram(sample // 1000, 4, (1, 901))[0].min() > 0  # from top to bottom


@given(height=st.integers(1, 5000), width=st.integers(1, 200_000))
def test_sample_bands_are_separate_ordered_and_within_the_plane(height: int, width: int) -> None:
    bands = sample_bands(height, width)
    flat = [edge for band in bands for edge in band]
    assert all(start < stop for start, stop in bands)
    assert flat == sorted(flat)
    assert flat[0] >= 0
    assert flat[-1] <= height
    assert sum(stop - start for start, stop in bands) * width >= min(height * width, 2**16)


@given(rows=st.integers(1, 300), columns=st.integers(1, 300), pixels=st.integers(1, 10**7))
def test_sampled_segments_are_distinct_and_within_the_grid(rows: int, columns: int, pixels: int) -> None:
    places = sample_segments(rows, columns, pixels)
    assert len(set(places)) == len(places)
    assert all(0 <= row < rows and 0 <= column < columns for row, column in places)
    assert len(places) >= min(rows * columns, 8) / 2


# Real files


@pytest.mark.realdata
def test_real_vendor_files_read_as_tifffile_reads_them(real_dataset: Callable[[str], Path]) -> None:
    files = [
        file
        for name in (
            "customtiff-cellprofiler-sbs",
            "imagexpress-metaxpress-export-3434",
            "operetta-operetta-compose",
        )
        for file in sorted(real_dataset(name).rglob("*"))
        if file.suffix.lower() in SUFFIXES
    ]
    assert files
    for file in files:
        plane = read_plane(file, 0)
        np.testing.assert_array_equal(plane, tifffile.imread(file))
        assert read_header(file) == ImageHeader(1, *plane.shape, 1, plane.dtype.name)
