"""What images of their own keep of the vendor's files: what is small beside their pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.layouts import Layout, TileSpec
from tiles2zarr.core.job import ImageJob, VendorFile
from tiles2zarr.models import ConverterOptions, OverwriteMode, SingleImage
from tiles2zarr.provenance import without_heavy_files

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 4000
PIXELS = SIDE * SIDE


def job(file: VendorFile, data_type: str | None, *, in_plate: bool = False) -> ImageJob:
    image = replace(Layout((TileSpec(0, 0, SIDE, SIDE),)).image(), data_type=data_type)
    if not in_plate:
        image = replace(image, collection=SingleImage(image_path="alone"))
    return ImageJob(
        image,
        "alone.zarr",
        ConverterOptions(),
        OverwriteMode.OVERWRITE,
        resource="source",
        metadata_files=(file,),
    )


def file_of(folder: Path, size: int) -> VendorFile:
    file = folder / "table.csv"
    with file.open("wb") as opened:
        opened.truncate(size)
    return VendorFile(str(file), file.name)


@pytest.mark.parametrize(
    ("data_type", "most"), [("uint8", PIXELS // 10), ("uint16", PIXELS // 5), ("float64", PIXELS * 8 // 10)]
)
def test_copies_take_at_most_a_tenth_of_the_bytes_of_an_images_pixels(
    data_type: str, most: int, tmp_path: Path
) -> None:
    light = job(file_of(tmp_path, most), data_type)
    assert without_heavy_files([light]) == ([light], [])
    heavy = job(file_of(tmp_path, most + 1), data_type)
    kept, (finding,) = without_heavy_files([heavy])
    assert kept == [replace(heavy, metadata_files=())]
    assert (finding.severity, finding.code, finding.where) == ("warning", "uncopied-file", "source")


def test_a_plate_keeps_its_one_copy_however_large(tmp_path: Path) -> None:
    plate = job(file_of(tmp_path, PIXELS * 10), "uint8", in_plate=True)
    assert without_heavy_files([plate]) == ([plate], [])


def test_a_mebibyte_is_kept_beside_any_image(tmp_path: Path) -> None:
    small = job(file_of(tmp_path, 2**20), None)
    image = replace(small.image, tiles=Layout((TileSpec(0, 0, 2, 2),)).image().tiles)
    assert without_heavy_files([small.with_image(image)]) == ([small.with_image(image)], [])
