"""A simulated Imaris: writes IMS files, which are HDF5, as their published description says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from tests.simulators.truth import plane

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Ims:
    """A document.

    Attributes:
        channels: names.
        colors: red, green and blue from 0 to 1.
        size_z: planes.
        size_t: timepoints.
        height: px.
        width: px.
        dtype: of the pixels.
        voxel: µm along x, y and z.
        padding: pixels that are stored beyond the image along y and x.
    """

    channels: tuple[str, ...] = ("DAPI", "GFP")
    colors: tuple[tuple[float, float, float], ...] = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0))
    size_z: int = 2
    size_t: int = 1
    height: int = 24
    width: int = 32
    dtype: str = "uint16"
    voxel: tuple[float, float, float] = (0.5, 0.25, 2.0)
    padding: int = 8

    def pixels(self, c: int, z: int = 0, t: int = 0) -> NDArray[Any]:
        """Axes y and x."""
        return plane("ims", 0, c, z, t, self.height, self.width, self.dtype)

    def write(self, file: Path) -> Path:
        """The document as a file."""
        with h5py.File(file, "w") as root:
            _say(
                root,
                DataSetDirectoryName="DataSet",
                DataSetInfoDirectoryName="DataSetInfo",
                ImarisVersion="5.5.0",
            )
            _say(root, ImarisDataSet="ImarisDataSet", ThumbnailDirectoryName="Thumbnail")
            root.attrs["NumberOfDataSets"] = np.uint32([1])
            level = root.create_group("DataSet/ResolutionLevel 0")
            for t in range(self.size_t):
                for c in range(len(self.channels)):
                    group = level.create_group(f"TimePoint {t}/Channel {c}")
                    _say(group, ImageSizeX=self.width, ImageSizeY=self.height, ImageSizeZ=self.size_z)
                    stack = np.stack([self.pixels(c, z, t) for z in range(self.size_z)])
                    stored = np.pad(stack, ((0, 0), (0, self.padding), (0, self.padding)))
                    group.create_dataset("Data", data=stored, chunks=(1, 16, 16), compression="gzip")
            image = root.create_group("DataSetInfo/Image")
            _say(image, X=self.width, Y=self.height, Z=self.size_z, Unit="um", Name="an image")
            for axis, (count, step) in enumerate(
                zip((self.width, self.height, self.size_z), self.voxel, strict=True)
            ):
                _say(image, **{f"ExtMin{axis}": 0.0, f"ExtMax{axis}": count * step})
            for c, (name, color) in enumerate(zip(self.channels, self.colors, strict=True)):
                _say(
                    root.create_group(f"DataSetInfo/Channel {c}"),
                    Name=name,
                    Color=" ".join(f"{part:.3f}" for part in color),
                    LSMEmissionWavelength=450 + 50 * c,
                )
            times = {f"TimePoint{t + 1}": f"2026-03-04 05:06:{7 + t:02}.000" for t in range(self.size_t)}
            info = root.create_group("DataSetInfo/TimeInfo")
            _say(info, DatasetTimePoints=self.size_t, FileTimePoints=self.size_t, **times)
        return file


def contract_plate(folder: Path) -> Path:
    """One image: the format has no fields of view."""
    return Ims().write(folder / "image.ims")


def _say(group: Any, **values: Any) -> None:
    """Attributes as Imaris writes them: arrays of single characters."""
    for name, value in values.items():
        group.attrs[name] = np.array(list(str(value)), "S1")
