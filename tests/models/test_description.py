"""The description and size of a TIFF's first page, read without anything else of the file."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.errors import SourceError
from tiles2zarr.models.image_files.description import (
    FirstPage,
    each_first_page,
    read_description,
    read_first_page,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write(file: Path, description: str = "", **options: object) -> Path:
    pixels = np.zeros((3, 7, 5), "uint16")
    tifffile.imwrite(
        file, pixels, description=description, metadata=None, photometric="minisblack", **options
    )  # type: ignore[arg-type]
    return file


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 9, 6000, 100_000])
def test_it_reads_what_tifffile_reads(tmp_path: Path, order: str, bigtiff: bool, length: int) -> None:
    text = ("<MetaData>" * length)[:length]
    file = write(tmp_path / "a.tif", text, byteorder=order, bigtiff=bigtiff)
    with tifffile.TiffFile(file) as tif:
        assert tif.pages.first.description == text
    assert read_first_page(file) == FirstPage(text, 7, 5)
    assert read_description(file) == text


def test_a_page_without_description_has_an_empty_one(tmp_path: Path) -> None:
    assert read_first_page(write(tmp_path / "a.tif")) == FirstPage("", 7, 5)


def test_tags_behind_the_pixels_are_found(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    file.write_bytes(hand_made(b"behind 40,000 bytes of pixels\0", pixels=40_000))
    assert read_first_page(file) == FirstPage("behind 40,000 bytes of pixels", 10, 2000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"one\0two\0", "one"),
        ("1 µm\0".encode(), "1 µm"),
        (b"\xb5m and \x80\0", "µm and €"),
        (b"no end", "no end"),
    ],
)
def test_text_ends_at_the_first_nul_and_may_be_of_windows(tmp_path: Path, text: bytes, expected: str) -> None:
    file = tmp_path / "a.tif"
    file.write_bytes(hand_made(text, pixels=20))
    assert read_description(file) == expected


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "found an empty one"),
        (b"\x89PNG\r\n\x1a\n", "expected a TIFF file, found one that starts with"),
        (b"II*\0", "expected at least 8 bytes, found 4: truncated"),
        (b"II*\0\0\0\0\0", "expected a page, found none"),
        (b"II*\0\x08\0\0\0", "expected at least 10 bytes, found 8: truncated"),
        (b"II*\0\xff\xff\xff\xff", "truncated"),
        (b"II+\0\x08\0\0\0" + b"\xff" * 8, "truncated"),
        (b"II*\0\x08\0\0\0\xff\xff", "truncated"),
        (b"II*\0\x08\0\0\0\0\0", "expected the height and width of its first page, found 0 x 0"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "a.tif"
    file.write_bytes(data)
    with pytest.raises(SourceError, match=said) as error:
        read_first_page(file)
    assert str(error.value).startswith(f"{file}: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.tif: no such file"):
        read_description(tmp_path / "a.tif")


@given(cut=st.integers(0, 400), place=st.integers(0, 400), value=st.binary(min_size=1, max_size=8))
def test_whatever_is_damaged_it_reads_something_or_says_why(
    tmp_path_factory: pytest.TempPathFactory, cut: int, place: int, value: bytes
) -> None:
    whole = hand_made(b"some description of a plane\0", pixels=40)
    data = bytearray(whole[: len(whole) - cut])
    data[place : place + len(value)] = value
    file = tmp_path_factory.mktemp("damaged") / "a.tif"
    file.write_bytes(bytes(data))
    try:
        assert read_first_page(file).height > 0
    except SourceError as error:
        assert "\n" not in str(error)


class TestManyFiles:
    def test_they_come_in_order_with_the_errors_of_those_that_cannot_be_read(self, tmp_path: Path) -> None:
        files = [write(tmp_path / f"{number}.tif", f"number {number}") for number in range(5)]
        files[3].write_bytes(b"broken")
        found = list(each_first_page(files, lambda page: page.description))
        assert [found[0], found[1], found[2], found[4]] == ["number 0", "number 1", "number 2", "number 4"]
        assert isinstance(found[3], SourceError)

    def test_slow_files_are_read_side_by_side(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from tiles2zarr.models.image_files import description

        monkeypatch.setattr(description, "_WAITS", -1.0)
        monkeypatch.setattr(description, "_FILES_AT_ONCE", 2)
        write(tmp_path / "0.tif")
        threads = set()
        met = threading.Barrier(2, timeout=20)

        def taken(page: FirstPage) -> int:
            threads.add(threading.get_ident())
            if threading.current_thread() is not threading.main_thread():
                met.wait()
            return page.width

        assert list(each_first_page([tmp_path / "0.tif"] * 6, taken)) == [5] * 6
        assert len(threads) == 3

    def test_no_files_are_no_pages(self) -> None:
        assert list(each_first_page([], lambda page: page)) == []


@pytest.mark.realdata
def test_every_real_tiff_is_read_as_tifffile_reads_it(real_dataset: Callable[[str], Path]) -> None:
    files = [
        file
        for file in sorted(real_dataset("imagexpress-embl-multisite-crop").parent.rglob("*"))
        if file.suffix.lower() in (".tif", ".tiff")
    ]
    assert len(files) > 100
    for file in files:
        found = read_first_page(file)
        with tifffile.TiffFile(file) as tif:
            page = tif.pages.first
            assert (found.height, found.width) == page.shape[:2], file  # type: ignore[union-attr]
            assert found.description.strip() == page.description.strip(), file  # type: ignore[union-attr]


def hand_made(text: bytes, *, pixels: int) -> bytes:
    """A TIFF whose tags follow its pixels, as MetaMorph and tools of the nineties write them."""
    start, count = 8 + pixels, 3
    tags = [(256, 3, 1, pixels // 20), (257, 3, 1, 10), (270, 2, len(text), start + 2 + 12 * count + 4)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return (
        struct.pack("<2sHI", b"II", 42, start)
        + bytes(pixels)
        + struct.pack("<H", count)
        + entries
        + bytes(4)
        + text
    )


@pytest.mark.parametrize(
    ("photometric", "shape", "samples"),
    [("minisblack", (7, 5), 1), ("rgb", (7, 5, 3), 3), ("rgb", (7, 5, 4), 4)],
)
def test_it_counts_the_values_of_a_pixel(
    tmp_path: Path, photometric: str, shape: tuple[int, ...], samples: int
) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros(shape, "uint8"), photometric=photometric, description="x", metadata=None
    )
    assert read_first_page(tmp_path / "a.tif") == FirstPage("x", 7, 5, samples)
