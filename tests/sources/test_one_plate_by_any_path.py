"""One plate has one name, and its images one fingerprint each, whichever of its files or folders is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulators.imagexpress import Plate
from tests.simulators.imagexpress_hcsai import Run, Wavelength
from tests.simulators.operetta import Measurement as Harmony
from tests.simulators.operetta import write as write_harmony
from tests.simulators.yokogawa import Measurement
from tiles2zarr.core.job import ImageJob
from tiles2zarr.core.tiled_image import tiled_image_from_tiles
from tiles2zarr.models import ConverterOptions, OverwriteMode
from tiles2zarr.sources import detect_source
from tiles2zarr.sources.base import ScanRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def images(path: Path) -> dict[str, str]:
    """The fingerprint of each image by its path."""
    source = detect_source(path)
    scan = source.scan(ScanRequest(path))
    jobs = {
        image.collection.path(): ImageJob(
            image, "", ConverterOptions(), OverwriteMode.EXTEND, scan.resource, source.name
        )
        for image in tiled_image_from_tiles(tiles=scan.tiles)
    }
    return {path: job.fingerprint() for path, job in jobs.items()}


def operetta(folder: Path) -> Path:
    return write_harmony(folder / "plate", Harmony())


def operetta_archive(folder: Path) -> Path:
    write_harmony(folder / "plate" / "hs" / "0123abcd-0123-4567-89ab-0123456789ab", Harmony())
    return folder / "plate"


def yokogawa(folder: Path, *, is_cq: bool = False) -> Path:
    plate = Measurement(is_cq=is_cq).write(folder / "plate")
    (plate / "Image").mkdir(exist_ok=True)
    return plate


def imagexpress(folder: Path) -> Path:
    return Plate(timepoints=2).write(folder)


def hcsai(folder: Path) -> Path:
    return Run(protocol="Max").write(folder)


def hcsai_projections(folder: Path) -> Path:
    top = Run(wavelengths=(Wavelength(projection="Min"),), protocol="Min").write(folder)
    for file in (top / "experiment_z_stack").rglob("*"):
        if file.is_file():
            file.unlink()
    return top


@pytest.mark.parametrize(
    ("write", "inside"),
    [
        (operetta, ("Images", "Images/Index.*")),
        (operetta_archive, ("hs", "hs/*", "hs/*/Images", "hs/*/Images/Index.*")),
        (yokogawa, ("Image", "*.mlf", "*.mes", "*.mrf", "*.wpi", "*.wpp")),
        (lambda folder: yokogawa(folder, is_cq=True), ("Image", "*.mlf", "*.mes", "*.mrf", "*.wpi", "*.wpp")),
        (imagexpress, ("*.HTD", "TimePoint_2/ZStep_1/*.HTD")),
        (hcsai, ("experiment", "experiment/*.jdce", "*.mxprotocol")),
        (hcsai_projections, ("experiment", "experiment/*.jdce", "*.mxprotocol")),
    ],
    ids=[
        "operetta",
        "operetta_archive",
        "cellvoyager",
        "cq3k",
        "imagexpress",
        "imagexpress_hcsai",
        "imagexpress_hcsai_projections",
    ],
)
def test_every_path_that_means_a_plate_makes_the_same_images(
    tmp_path: Path, write: Callable[[Path], Path], inside: tuple[str, ...]
) -> None:
    plate = write(tmp_path)
    usual = images(plate)
    assert usual and {path.split(".zarr")[0] for path in usual} == {plate.name}
    for pattern in inside:
        (path, *_) = sorted(file for file in plate.glob(pattern) if not file.name.startswith("."))
        assert images(path) == usual, pattern
