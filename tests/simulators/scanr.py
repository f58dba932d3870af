"""A simulated ScanR: a TIFF for each plane, and ``metadata.ome.xml``, with every quirk as a switch."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile

from tests.simulators.truth import plane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2013-06"


@dataclass(frozen=True)
class Scanr:
    """A plate.

    Attributes:
        wells: numbers and labels, as ``(14, "B2")``.
        grid: rows and columns of positions in a well.
        channels: names.
        size_z: planes.
        size_t: timepoints.
        height: of an image, px.
        width: of an image, px.
        dtype: of the pixels.
        pixelsize: µm, x and y.
        z_step: µm.
        seconds: between timepoints.
        offset: added to every value.
        names_wells: the label stands in the name of each image.
        labels_files: the label stands in the name of each file.
        numbers_ids: well and position stand in the identity of each image.
        creator: the software.
        without: (well, position, c, z, t) of planes that neither document nor folder has.
        lost: the same of planes that only the folder has not.
        date: when each image was begun; empty: not stated.
        subfolder: where document and images are.
        suffix: of images on disk.
    """

    wells: tuple[tuple[int, str], ...] = ((14, "B2"), (27, "C3"))
    grid: tuple[int, int] = (2, 1)
    channels: tuple[str, ...] = ("405 nm #1", "488 nm #2")
    size_z: int = 2
    size_t: int = 1
    height: int = 24
    width: int = 32
    dtype: str = "uint16"
    pixelsize: tuple[float, float] = (0.325, 0.325)
    z_step: float = 1.5
    seconds: float = 60.0
    offset: int = 0
    names_wells: bool = True
    labels_files: bool = True
    numbers_ids: bool = True
    creator: str = "Olympus, scanR 3.3.0  (r4137)"
    without: frozenset[tuple[int, int, int, int, int]] = frozenset()
    lost: frozenset[tuple[int, int, int, int, int]] = frozenset()
    date: str = ""
    subfolder: str = "data"
    suffix: str = ".tif"

    def pixels(self, well: int, position: int, c: int, z: int, t: int) -> NDArray[Any]:
        """Axes y and x."""
        values = plane(str(well), position, c, z, t, self.height, self.width, self.dtype)
        return (values + np.array(self.offset, self.dtype)).astype(self.dtype)

    def stage(self, well: int, position: int) -> tuple[float, float]:
        """Where the stage was, µm, Y growing upwards: positions run row by row from the upper left one."""
        row, column = divmod(position - 1, self.grid[1])
        x = 9000.0 * well + column * self.width * self.pixelsize[0]
        return x, 60000.0 - row * self.height * self.pixelsize[1]

    def focus(self, well: int, c: int, z: int) -> float:
        """Absolute height of a plane, µm."""
        return 6275.29 + well + 0.5 * c + z * self.z_step

    def file(self, well: int, label: str, position: int, c: int, z: int, t: int) -> str:
        """The name of a file."""
        prefix = label if self.labels_files else ""
        return f"{prefix}--W{well:05d}--P{position:05d}--Z{z:05d}--T{t:05d}--{self.channels[c]}.tif"

    def places(self) -> Iterator[tuple[int, str, int]]:
        """Number, label and position of each image."""
        for (well, label), position in itertools.product(
            self.wells, range(1, self.grid[0] * self.grid[1] + 1)
        ):
            yield well, label, position

    def planes(self, well: int, position: int) -> Iterator[tuple[int, int, int]]:
        """c, z and t of each plane that was taken."""
        for z, c, t in itertools.product(range(self.size_z), range(len(self.channels)), range(self.size_t)):
            if (well, position, c, z, t) not in self.without:
                yield c, z, t

    def write(self, folder: Path, *, images: bool = True) -> Path:
        """The plate's folder."""
        data = folder / self.subfolder
        data.mkdir(parents=True, exist_ok=True)
        (data / "metadata.ome.xml").write_text(self.xml(), encoding="utf-8")
        if images:
            for well, label, position in self.places():
                for c, z, t in self.planes(well, position):
                    if (well, position, c, z, t) in self.lost:
                        continue
                    name = self.file(well, label, position, c, z, t).removesuffix(".tif") + self.suffix
                    tifffile.imwrite(data / name, self.pixels(well, position, c, z, t), metadata=None)
        return folder

    def xml(self) -> str:
        """The document."""
        images = "".join(itertools.starmap(self._image, self.places()))
        return (
            '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n'
            f'<OME Creator={quoteattr(self.creator)} UUID="urn:uuid:115baacc-908f-4bde-a18b-832f05cd6da9" '
            f'xmlns="{_SCHEMA}">'
            '<Instrument ID="Instrument:0"><Objective ID="Objective:0" LensNA="0.16" Model="UPLSAPO 4x" '
            'NominalMagnification="4.0"/><Objective ID="Objective:1" LensNA="0.80" Model="UPLXAPO 20x" '
            f'NominalMagnification="20.0"/></Instrument>{images}</OME>\n'
        )

    def _image(self, well: int, label: str, position: int) -> str:
        own = f"W{well}P{position}" if self.numbers_ids else f"{well}-{position}"
        shown = f" ({label})" if self.names_wells else ""
        name = quoteattr(f"Well {well}, Position {position}{shown}")
        date = f"<AcquisitionDate>{self.date}</AcquisitionDate>" if self.date else ""
        channels = "".join(
            f'<Channel ID="Channel:{own}:{c}" Name={quoteattr(channel)}/>'
            for c, channel in enumerate(self.channels)
        )
        blocks, planes = [], []
        x, y = self.stage(well, position)
        for c, z, t in self.planes(well, position):
            file = quoteattr(self.file(well, label, position, c, z, t))
            blocks.append(
                f'<TiffData FirstC="{c}" FirstT="{t}" FirstZ="{z}"><UUID FileName={file}>urn:uuid:0</UUID></TiffData>'
            )
            planes.append(
                f'<Plane DeltaT="{t * self.seconds + 0.25 * z + 0.1 * c}" ExposureTime="0.1" PositionX="{x:.6f}" '
                f'PositionY="{y:.6f}" PositionZ="{self.focus(well, c, z):.6f}" TheC="{c}" TheT="{t}" TheZ="{z}"/>'
            )
        return (
            f'<Image ID="Image:{own}" Name={name}>{date}<InstrumentRef ID="Instrument:0"/>'
            '<ObjectiveSettings ID="Objective:1"/>'
            f'<Pixels DimensionOrder="XYCTZ" ID="Pixels:{own}" PhysicalSizeX="{self.pixelsize[0]}" '
            f'PhysicalSizeY="{self.pixelsize[1]}" SizeC="{len(self.channels)}" SizeT="{self.size_t}" '
            f'SizeX="{self.width}" '
            f'SizeY="{self.height}" SizeZ="{self.size_z}" Type="uint16">{channels}{"".join(blocks)}{"".join(planes)}'
            "</Pixels></Image>\n"
        )


def contract_plate(folder: Path) -> Path:
    """Two wells of two positions, two channels, two planes."""
    return Scanr().write(folder / "plate")
