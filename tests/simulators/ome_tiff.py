"""A simulated writer of OME-TIFF: single files, sets, companions and plates, with every quirk as a switch."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile

from tests.simulators.truth import plane

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Mode = Literal["one", "per_image", "per_plane"]


@dataclass(frozen=True)
class Image:
    """An image of five dimensions.

    Attributes:
        name: what people call it.
        channels: their names; empty ones are not written.
        attributes: per channel further attributes, such as ``Color``.
        size_z: planes.
        size_t: timepoints.
        height: px.
        width: px.
        dtype: of the pixels.
        order: of dimensions.
        colors: values per pixel.
        pixels: further attributes of Pixels.
        position: of the stage, X and Y.
        position_unit: of the stage; empty: not stated.
        z_step: µm between planes; 0: planes do not say where they are.
        seconds: between timepoints; 0: planes do not say when they were taken.
        date: when it was begun; empty: not stated.
        label: X and Y of a stage label in µm.
    """

    name: str = "image"
    channels: tuple[str, ...] = ("DAPI", "GFP")
    attributes: tuple[str, ...] = ()
    size_z: int = 2
    size_t: int = 1
    height: int = 24
    width: int = 32
    dtype: str = "uint16"
    order: str = "XYZCT"
    colors: int = 1
    pixels: str = 'PhysicalSizeX="0.5" PhysicalSizeY="0.5" PhysicalSizeZ="2"'
    position: tuple[float, float] | None = None
    position_unit: str = "µm"
    z_step: float = 0.0
    seconds: float = 0.0
    date: str = ""
    label: tuple[float, float] | None = None

    def planes(self) -> list[tuple[int, int, int]]:
        """z, c and t of each page, in the order of dimensions."""
        sizes = {"Z": self.size_z, "C": len(self.channels), "T": self.size_t}
        fast, middle, slow = self.order[2:]
        found = []
        for k, j, i in itertools.product(*(range(sizes[letter]) for letter in (slow, middle, fast))):
            at = {fast: i, middle: j, slow: k}
            found.append((at["Z"], at["C"], at["T"]))
        return found

    def plane(self, z: int, c: int, t: int) -> NDArray[Any]:
        """Axes y and x, and red, green, blue for colours."""
        grey = [
            plane(self.name, 1, c + 100 * color, z, t, self.height, self.width, self.dtype)
            for color in range(self.colors)
        ]
        return grey[0] if self.colors == 1 else np.stack(grey, axis=-1)

    def truth(self) -> NDArray[Any]:
        """Axes t, c, z, y, x; colours are channels."""
        return np.stack(
            [
                np.concatenate(
                    [
                        np.stack(
                            [
                                np.atleast_3d(self.plane(z, c, t)).transpose(2, 0, 1)
                                for z in range(self.size_z)
                            ],
                            axis=1,
                        )
                        for c in range(len(self.channels))
                    ]
                )
                for t in range(self.size_t)
            ]
        )


@dataclass(frozen=True)
class Field:
    """A field of a well: the image, its sample's position and unit, and its plate acquisition."""

    image: int
    position: tuple[float, float] | None = None
    run: int | None = None
    unit: str = "µm"


@dataclass(frozen=True)
class Plate:
    """A plate.

    Attributes:
        name: empty: not stated.
        wells: row and column, 0-based, and fields.
        runs: how many plate acquisitions are listed.
        attributes: further ones, such as naming conventions.
    """

    name: str = "Control Plate"
    wells: tuple[tuple[int, int, tuple[Field, ...]], ...] = ()
    runs: int = 0
    attributes: str = 'Rows="8" Columns="12"'


@dataclass(frozen=True)
class OmeTiff:
    """A set of images.

    Attributes:
        images: at least one.
        plates: that they are of.
        mode: how pages are spread over files.
        companion: the document stands in a file of its own, and files point to it.
        instruments: XML that comes first.
        schema: version.
        prefix: of all tags.
        blocks: False: no TiffData at all.
        stem: of the files.
        suffix: of the files.
        extra: XML that comes last, such as annotations.
        big: BigTIFF.
    """

    images: tuple[Image, ...] = (Image(),)
    plates: tuple[Plate, ...] = ()
    mode: Mode = "one"
    companion: bool = False
    instruments: str = ""
    schema: str = "2016-06"
    prefix: str = ""
    blocks: bool = True
    stem: str = "set"
    suffix: str = ".ome.tif"
    extra: str = ""
    big: bool = False

    def pages(self) -> Iterator[tuple[int, tuple[int, int, int], str, int]]:
        """Image, plane, file and page of each page."""
        counts: dict[str, int] = {}
        for number, image in enumerate(self.images):
            for index, place in enumerate(image.planes()):
                name = {
                    "one": self.stem,
                    "per_image": f"{self.stem}_{number}",
                    "per_plane": f"{self.stem}_{number}_{index}",
                }[self.mode] + self.suffix
                yield number, place, name, counts.get(name, 0)
                counts[name] = counts.get(name, 0) + 1

    def write(self, folder: Path) -> Path:
        """The folder with all files."""
        folder.mkdir(parents=True, exist_ok=True)
        files: dict[str, list[NDArray[Any]]] = {}
        for number, place, name, _ in self.pages():
            files.setdefault(name, []).append(self.images[number].plane(*place))
        for name, pages in files.items():
            with tifffile.TiffWriter(folder / name, bigtiff=self.big) as tif:
                text = (self.stub(name) if self.companion else self.xml(name)).encode()
                for index, page in enumerate(pages):
                    kind = "rgb" if page.ndim == 3 else "minisblack"
                    tif.write(page, photometric=kind, metadata=None, description=text if index == 0 else None)
        if self.companion:
            (folder / f"{self.stem}.companion.ome").write_text(self.xml(""), encoding="utf-8")
        return folder

    def identity(self, name: str) -> str:
        """The identity of a file."""
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, self.stem + name)}"

    def stub(self, name: str) -> str:
        """What stands in a file that points to the companion."""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><OME {self._schema()} UUID="{self.identity(name)}"><BinaryOnly '
            f'MetadataFile="{self.stem}.companion.ome" UUID="{self.identity("")}"/></OME>'
        )

    def xml(self, name: str) -> str:
        """The document as it stands in a file."""
        by_image: dict[int, list[tuple[tuple[int, int, int], str, int]]] = {}
        for number, place, file, page in self.pages():
            by_image.setdefault(number, []).append((place, file, page))
        images = "".join(self._image(number, by_image[number]) for number in range(len(self.images)))
        plates = "".join(map(self._plate, range(len(self.plates)), self.plates))
        body = f"{plates}{self.instruments}{images}{self.extra}"
        text = f'<OME {self._schema()} UUID="{self.identity(name)}" Creator="simulated">{body}</OME>'
        if self.prefix:
            text = text.replace("</", f"</{self.prefix}:").replace("<", f"<{self.prefix}:")
            text = text.replace(f"<{self.prefix}:/{self.prefix}:", f"</{self.prefix}:")
        return f'<?xml version="1.0" encoding="UTF-8"?>{text}'

    def _schema(self) -> str:
        name = f"xmlns:{self.prefix}" if self.prefix else "xmlns"
        return f'{name}="http://www.openmicroscopy.org/Schemas/OME/{self.schema}"'

    def _image(self, number: int, pages: Sequence[tuple[tuple[int, int, int], str, int]]) -> str:
        image = self.images[number]
        attributes = image.attributes or ("",) * len(image.channels)
        channels = "".join(
            f'<Channel ID="Channel:{number}:{c}"{f" Name={quoteattr(name)}" if name else ""} '
            f'SamplesPerPixel="{image.colors}" {more}/>'
            for c, (name, more) in enumerate(zip(image.channels, attributes, strict=True))
        )
        blocks = "".join(
            f'<TiffData FirstZ="{z}" FirstC="{c}" FirstT="{t}" IFD="{page}" PlaneCount="1">'
            f"<UUID FileName={quoteattr(file)}>{self.identity(file)}</UUID></TiffData>"
            for (z, c, t), file, page in pages
        )
        planes = "".join(self._plane(image, *place) for place, _, _ in pages)
        date = f"<AcquisitionDate>{image.date}</AcquisitionDate>" if image.date else ""
        label = ""
        if image.label is not None:
            label = (
                f'<StageLabel Name="here" X="{image.label[0]}" XUnit="µm" Y="{image.label[1]}" YUnit="µm"/>'
            )
        settings = '<ObjectiveSettings ID="Objective:0"/>' if self.instruments else ""
        return (
            f'<Image ID="Image:{number}" Name={quoteattr(image.name)}>{date}{settings}{label}'
            f'<Pixels ID="Pixels:{number}" DimensionOrder="{image.order}" Type="{image.dtype}" SizeX="{image.width}" '
            f'SizeY="{image.height}" SizeZ="{image.size_z}" SizeC="{len(image.channels) * image.colors}" '
            f'SizeT="{image.size_t}" {image.pixels}>{channels}{blocks if self.blocks else ""}{planes}</Pixels></Image>'
        )

    @staticmethod
    def _plane(image: Image, z: int, c: int, t: int) -> str:
        said = ""
        if image.position is not None:
            unit = image.position_unit
            for axis, value in zip("XY", image.position, strict=True):
                said += f' Position{axis}="{value}"' + (f' Position{axis}Unit="{unit}"' if unit else "")
        if image.z_step:
            said += f' PositionZ="{100 + z * image.z_step}" PositionZUnit="µm"'
        if image.seconds:
            said += f' DeltaT="{(t * image.seconds + 0.25 * z) * 1000}" DeltaTUnit="ms"'
            said += f' ExposureTime="{50 * (c + 1)}" ExposureTimeUnit="ms"'
        return f'<Plane TheZ="{z}" TheC="{c}" TheT="{t}"{said}/>' if said else ""

    def _plate(self, number: int, plate: Plate) -> str:
        wells, members = "", [""] * plate.runs
        for index, (row, column, fields) in enumerate(plate.wells):
            samples = ""
            for count, one in enumerate(fields):
                identity = f"WellSample:{number}:{index}:{count}"
                place = ""
                if one.position is not None:
                    place = "".join(
                        f' Position{axis}="{value}" Position{axis}Unit="{one.unit}"'
                        for axis, value in zip("XY", one.position, strict=True)
                    )
                samples += f'<WellSample ID="{identity}" Index="{count}"{place}>'
                samples += f'<ImageRef ID="Image:{one.image}"/></WellSample>'
                if one.run is not None:
                    members[one.run] += f'<WellSampleRef ID="{identity}"/>'
            wells += f'<Well ID="Well:{number}:{index}" Row="{row}" Column="{column}">{samples}</Well>'
        runs = "".join(
            f'<PlateAcquisition ID="PlateAcquisition:{number}:{run}">{refs}</PlateAcquisition>'
            for run, refs in enumerate(members)
        )
        name = f"Name={quoteattr(plate.name)}" if plate.name else ""
        return f'<Plate ID="Plate:{number}" {name} {plate.attributes}>{wells}{runs}</Plate>'


def simple_plate(
    wells: Sequence[tuple[int, int]] = ((1, 1), (2, 3)), fields: int = 2, **image: Any
) -> OmeTiff:
    """A plate whose fields lie beside each other, one file for each."""
    base = replace(Image(), **image)
    images, listed = [], []
    for row, column in wells:
        members = []
        for number in range(fields):
            place = (9000.0 * column + number * base.width * 0.5, 9000.0 * row)
            members.append(Field(len(images)))
            images.append(replace(base, name=f"{row}-{column}-{number}", position=place))
        listed.append((row, column, tuple(members)))
    return OmeTiff(tuple(images), (Plate(wells=tuple(listed)),), mode="per_image")


def contract_plate(folder: Path) -> Path:
    """Two wells of two fields, with a companion."""
    return replace(simple_plate(), companion=True).write(folder / "plate")
