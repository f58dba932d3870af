"""What a simulated instrument saw: pixels that differ in every plane and every place, and how to find them again."""

from __future__ import annotations

import csv
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

import tiles2zarr
from tiles2zarr.core.job import ImageJob
from tiles2zarr.core.tiled_image import tiled_image_from_tiles
from tiles2zarr.models import ConverterOptions, OverwriteMode
from tiles2zarr.sources.base import ScanRequest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.sources.base import Source


def plane(
    well: str, field: int, c: int, z: int, t: int, height: int, width: int, dtype: str = "uint16"
) -> NDArray[Any]:
    """The pixels of one plane: the same ones each time, others for any other place."""
    seed = zlib.crc32(f"{well} {field} {c} {z} {t}".encode())
    values = np.random.default_rng(seed).integers(1, 250, (height, width))
    return values.astype(dtype)


def convert(
    source: Path, dest: Path, *, format: str = "auto", plate_name: str | None = None, **options: Any
) -> list[str]:
    """Convert a folder, verified, each field of view where its stage put it; the paths of the images below `dest`.

    Args:
        source: what the instrument left behind.
        dest: an empty folder.
        format: as ``--format``.
        plate_name: as ``--plate-name``.
        options: fields of `ConverterOptions`.
    """
    chosen = {"tiling_mode": "Inplace", "runtime": {"verify": True}, **options}
    report = tiles2zarr.convert(
        source, dest, format=format, plate_name=plate_name, options=ConverterOptions.model_validate(chosen)
    )
    assert [image.error for image in report.images if image.error] == []
    return [image.zarr_url.removeprefix(f"{dest}/") for image in report.images]


def fields_of(image: Path) -> dict[str, NDArray[Any]]:
    """The pixels of each field of view of an image, as its FOV_ROI_table says where they are.

    Axes are those of the image: c, z, y, x, with t before them where there are several timepoints.
    """
    pixels = np.asarray(zarr.open_array(image / "0", mode="r")[...])
    size = scale_of(image)
    with (image / "tables" / "FOV_ROI_table" / "table.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    found = {}
    for row in rows:
        y, x = (round(float(row[f"{axis}_micrometer"]) / size[axis]) for axis in "yx")
        height, width = (round(float(row[f"len_{axis}_micrometer"]) / size[axis]) for axis in "yx")
        found[row["FieldIndex"]] = pixels[..., y : y + height, x : x + width]
    return found


def scale_of(image: Path) -> dict[str, float]:
    """The pixel size (µm), z spacing (µm) and time spacing (s) of an image's level 0, per axis."""
    (multiscale,) = zarr.open_group(image, mode="r").attrs["multiscales"]  # type: ignore[misc]
    axes = [axis["name"] for axis in multiscale["axes"]]  # type: ignore[index, call-overload]
    scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]  # type: ignore[index, call-overload]
    return dict(zip(axes, scale, strict=True))


def fingerprints(source: Source, path: Path, plate_name: str | None = None) -> dict[str, str]:
    """What tells whether an image has to be converted again, by the path of each image of a source."""
    scan = source.scan(ScanRequest(path, plate_name=plate_name))
    jobs = (
        ImageJob(image, "", ConverterOptions(), OverwriteMode.EXTEND, scan.resource, source.name)
        for image in tiled_image_from_tiles(tiles=scan.tiles)
    )
    return {job.image.path: job.fingerprint() for job in jobs}
