"""The size of images and pixels, which all channels of an image share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.sources.yokogawa.settings import Geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tiles2zarr.sources.yokogawa.image_files import ImageFiles
    from tiles2zarr.sources.yokogawa.locating import Measurement
    from tiles2zarr.sources.yokogawa.settings import Settings

# Cameras differ by a few parts in a thousand; binning or another objective, by far more.
_ALIKE = 0.01


def geometry_of(
    settings: Settings, ch: NDArray[np.int64], files: ImageFiles, measurement: Measurement
) -> tuple[Geometry, list[Finding]]:
    """The one geometry of some images.

    Args:
        settings: what the ``.mrf`` file says of each channel.
        ch: the channel of each image.
        files: the images, one of which is opened where the ``.mrf`` file says nothing.
        measurement: for messages.

    Raises:
        SourceError: channels differ in size, or nothing tells it.
    """
    used = np.unique(ch).tolist()
    declared = {number: settings.geometries[number] for number in used if number in settings.geometries}
    if not declared:
        return _from_header(files, measurement)
    number, first = next(iter(declared.items()))
    for other, geometry in declared.items():
        _refuse_different(measurement, number, first, other, geometry)
    findings = []
    sizes = {(geometry.pixelsize, geometry.pixelsize_y) for geometry in declared.values()}
    if len(sizes) > 1:
        found = ", ".join(f"{geometry.pixelsize} of Ch {other}" for other, geometry in declared.items())
        message = f"expected one pixel size, found {found}: check whether that of Ch {number}, which is taken, is right"
        findings.append(Finding("warning", "contradiction", str(measurement.folder), message))
    return first, findings


def _refuse_different(
    measurement: Measurement, number: int, first: Geometry, other: int, geometry: Geometry
) -> None:
    def differs(a: float | None, b: float | None) -> bool:
        return a is not None and b is not None and abs(a - b) > _ALIKE * max(a, b)

    if (
        (first.width, first.height) != (geometry.width, geometry.height)
        or differs(first.pixelsize, geometry.pixelsize)
        or differs(first.pixelsize_y, geometry.pixelsize_y)
    ):
        expected = f"images of all channels as large as those of Ch {number} ({_text(first)})"
        remedy = "make one .mlf file for each, with the records of these channels, and convert each as an acquisition"
        msg = f"{measurement.mlf}: expected {expected}, found Ch {other} with {_text(geometry)}: {remedy}"
        raise SourceError(msg)


def _text(geometry: Geometry) -> str:
    return f"{geometry.width} x {geometry.height} px of {geometry.pixelsize or 'unknown'} µm"


def _from_header(files: ImageFiles, measurement: Measurement) -> tuple[Geometry, list[Finding]]:
    from tiles2zarr.models.image_files import read_header

    rows = np.flatnonzero(files.present)
    if not len(rows):
        expected = "a .mrf file with the size of images, or at least one of the images"
        msg = f"{measurement.mlf}: expected {expected}, found neither: copy them into the folder"
        raise SourceError(msg)
    path = files.paths[int(rows[0])]
    header = read_header(measurement.folder / path)
    message = f"no .mrf file says the size of images: {header.width} x {header.height} px, as in {path}"
    return Geometry(header.width, header.height, None, None), [
        Finding("info", "assumed-value", str(measurement.folder), message)
    ]
