"""A simulated ImageXpress HCS.ai: folders as MetaXpress Acquire writes them, with every known quirk."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.simulators.imagexpress import tiff
from tests.simulators.truth import plane

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

START = 1772456272.45  # s since 1970
FOCUS = 18444.72
COLUMNS = (
    "FovUuid,Well,Row,Column,Field,Wavelength,Timepoint,ZIndex,ImageStartXPx,ImageStartYPx,ImageSizeXPx,ImageSizeYPx,"
    "ImageSubFolderPath,ImageFileName,TimeStampSec,ExposureTimeMs,ExcitationEmissionFilter,MinIntensity,MaxIntensity,"
    "MeanIntensity,PositionXUm,PositionYUm,PositionZUm,FieldOffsetPointX,FieldOffsetPointY,TemperatureC,CO2,Annotations,"
    "Checksum,O2Level"
).split(",")


@dataclass(frozen=True)
class Wavelength:
    """A channel.

    Attributes:
        stack: whether each plane was taken; else one.
        projection: how the planes were made one, beside them; empty: they were not.
        color: display colour; empty: not said.
    """

    name: str = "DAPI"
    excitation: float = 385
    emission: float = 440
    exposure: float = 10
    stack: bool = True
    projection: str = ""
    color: str = ""


class Shot(NamedTuple):
    """One plane; all numbers from 0, z -1 for a projection."""

    well: str
    field: int
    wavelength: int
    z: int
    t: int


@dataclass(frozen=True)
class Run:
    """What was imaged, and how it was written down.

    Attributes:
        offsets: of each field of view from the centre of its well, µm, y downwards.
        bare: give no folder of the run, only `experiment` with everything.
        tables: how many tables the rows are spread over.
        named_tables: whether the `.jdce` names all tables.
        drop: columns that the tables lack.
        emptied: columns that hold nothing.
        lost: files that were not copied.
        replaced: pairs of text to replace in the `.jdce`.
        doubled: whether `experiment` holds a plane of each stack, too.
        montage: whether there are stitched images.
    """

    name: str = "test_data"
    barcode: str = ""
    wells: tuple[str, ...] = ("C05", "C06")
    offsets: tuple[tuple[float, float], ...] = ((-10.0, -4.0), (10.0, -4.0))
    wavelengths: tuple[Wavelength, ...] = (Wavelength(), Wavelength("FITC", 475, 520, 20))
    planes: int = 2
    timepoints: int = 1
    step: float = 3.0
    says_step: bool = True
    interval: float = 600.0
    height: int = 10
    width: int = 16
    dtype: str = "uint16"
    pixelsize: tuple[float, float] = (1.25, 1.25)
    bom: bool = True
    tables: int = 1
    named_tables: bool = True
    drop: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    lost: tuple[Shot, ...] = ()
    replaced: tuple[tuple[str, str], ...] = ()
    doubled: bool = False
    montage: bool = False
    mode: str = ""
    marked: bool = True
    protocol: str = ""

    def shots(self) -> Iterator[Shot]:
        """All planes and projections."""
        for t in range(self.timepoints):
            for well in self.wells:
                for field in range(len(self.offsets)):
                    for index, wavelength in enumerate(self.wavelengths):
                        planes = self.planes if wavelength.stack else 1
                        yield from (Shot(well, field, index, z, t) for z in range(planes))
                        if wavelength.projection:
                            yield Shot(well, field, index, -1, t)

    def pixels(self, shot: Shot) -> NDArray[Any]:
        """What the camera saw."""
        return plane(shot.well, *shot[1:], self.height, self.width, self.dtype)

    def position(self, shot: Shot) -> tuple[float, float]:
        """Where the stage was, µm."""
        x, y = self.offsets[shot.field]
        row, column = _row_column(shot.well)
        return 14400 + 9000 * (column - 1) + x, 11300 + 9000 * (row - 1) + y

    def acquired(self, shot: Shot) -> float:
        """When, s since 1970."""
        return START + shot.t * self.interval + 0.25 * shot.field + 0.05 * shot.wavelength

    @property
    def has_two_folders(self) -> bool:
        """Whether planes of stacks lie apart from projections and single planes."""
        return self.planes > 1 and any(w.projection or not w.stack for w in self.wavelengths)

    def write(self, parent: Path) -> Path:
        """Write the folder of the run; the path to give to tiles2zarr."""
        top = parent / f"{self.name}_2026-03-02"
        shots = list(self.shots())
        if self.has_two_folders:
            stacks = [s for s in shots if s.z >= 0 and self.wavelengths[s.wavelength].stack]
            others = [s for s in shots if s not in set(stacks)]
            self._write_unit(top / "experiment_z_stack", stacks)
            self._write_unit(top / "experiment", [*others, *(s for s in stacks if self.doubled and s.z == 1)])
        else:
            self._write_unit(top / "experiment", shots)
        if self.montage:
            self._write_unit(top / "experiment_montage", [s for s in shots if s.field == 0 and s.z <= 0])
        if self.protocol:
            document = {"steps": [{"zProjectionMechanism": self.protocol}]}
            (top / f"{self.name}.mxprotocol").write_text(json.dumps(document))
        (top / "autofocus").mkdir()
        return top

    def _write_unit(self, folder: Path, shots: Sequence[Shot]) -> None:
        folder.mkdir(parents=True)
        mark = "\ufeff" if self.bom else ""
        for number in range(self.tables):
            text = self.table(shots[number :: self.tables])
            (folder / f"image_metadata_{number + 1}.csv").write_text(
                mark + text, encoding="utf-8", newline=""
            )
        descriptor = json.dumps(self._descriptor(), ensure_ascii=False)
        for old, new in self.replaced:
            descriptor = descriptor.replace(old, new)
        suffix = folder.name.removeprefix("experiment")
        (folder / f"{self.name}{suffix}.jdce").write_text(mark + descriptor, encoding="utf-8")
        for shot in shots:
            file = folder / f"timepoint{shot.t}" / self._name(shot)
            file.parent.mkdir(exist_ok=True)
            if shot not in self.lost:
                file.write_bytes(tiff(self.pixels(shot), ""))
                file.with_name(f"{file.name}.statistics.json").write_text("{}")

    def _name(self, shot: Shot) -> str:
        kind = "_projection" if shot.z < 0 and self.marked else ""
        return (
            f"{self.name}{kind}_t{shot.t}_{shot.well}_s{shot.field}_w{shot.wavelength}_z{max(shot.z, 0)}.tif"
        )

    def table(self, shots: Sequence[Shot]) -> str:
        """A table of images."""
        out = io.StringIO()
        columns = [name for name in COLUMNS if name not in self.drop]
        writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\r\n")
        writer.writeheader()
        for shot in shots:
            row, column = _row_column(shot.well)
            wavelength = self.wavelengths[shot.wavelength]
            x, y = self.position(shot)
            values = {
                "FovUuid": "952fe967-9cba-46f3-900d-bcd915e681cc",
                "Well": f"{shot.well[:-2]} - {column}",
                "Row": row,
                "Column": column,
                "Field": shot.field,
                "Wavelength": shot.wavelength,
                "Timepoint": shot.t,
                "ZIndex": max(shot.z, 0),
                "ImageStartXPx": 0,
                "ImageStartYPx": 0,
                "ImageSizeXPx": self.width,
                "ImageSizeYPx": self.height,
                "ImageSubFolderPath": f"timepoint{shot.t}",
                "ImageFileName": self._name(shot),
                "TimeStampSec": self.acquired(shot),
                "ExposureTimeMs": wavelength.exposure,
                "ExcitationEmissionFilter": wavelength.name,
                "PositionXUm": x,
                "PositionYUm": y,
                "PositionZUm": round(FOCUS + max(shot.z, 0) * self.step - (0.02 if shot.z > 1 else 0), 4),
                "FieldOffsetPointX": self.offsets[shot.field][0],
                "FieldOffsetPointY": self.offsets[shot.field][1],
            }
            writer.writerow({name: "" if name in self.emptied else values.get(name, "") for name in columns})
        return out.getvalue()

    def _descriptor(self) -> dict[str, Any]:
        wavelengths = [
            {
                "Index": index,
                "ImagingMode": (self.mode if w.projection else "")
                or ("3-D" if w.stack and self.planes > 1 else "2-D"),
                "ZSlice": self.planes,
                "ZStep": self.step if self.says_step and w.stack and self.planes > 1 else 0.0,
                "EmissionFilter": {"Name": w.name, "Wavelength": w.emission, "Unit": "nm"},
                "ExcitationFilter": {"Name": w.name, "Wavelength": w.excitation, "Unit": "nm"},
                **({"Color": w.color} if w.color else {}),
            }
            for index, w in enumerate(self.wavelengths)
        ]
        named = range(1, self.tables + 1 if self.named_tables else 2)
        protocol = {
            "Camera": {"Size": {"Width": self.width, "Height": self.height}, "Binning": "4 X 4"},
            "ObjectiveCalibration": {
                "Unit": "µm",
                "ObjectiveName": "20X Plan Apo Lambda D",
                "PixelWidth": self.pixelsize[0],
                "PixelHeight": self.pixelsize[1],
            },
            "Plate": {
                "Name": "µ-Plate",
                "Rows": 8,
                "Columns": 12,
                "WellSpacing": {"Unit": "µm", "Horizontal": 9.0},
            },
            "Wavelengths": wavelengths[::-1],
            "PlateMap": {"ZDimensionParameters": {"Enabled": self.planes > 1, "Step": 0.0}},
            "CollectionComplete": True,
        }
        return {
            "Version": "1.1",
            "ImageStack": {
                "PlateId": f"{self.name} 2026-03-02, 13:57:52",
                "ImageFormat": "TIFF",
                "AutoLeadAcquisitionProtocol": protocol,
                "SpecimenHolder": {"Type": "plate", "Barcode": self.barcode},
                "ImageMetadataFiles": [f"image_metadata_{number}.csv" for number in named],
            },
        }


def _row_column(well: str) -> tuple[int, int]:
    """Row and column, from 1."""
    letters = well[:-2]
    row = ord(letters[-1]) - 64 + (26 * (ord(letters[0]) - 64) if len(letters) == 2 else 0)
    return row, int(well[-2:])


def contract_plate(folder: Path) -> Path:
    """Two wells, two fields, two channels, two z-planes."""
    return Run().write(folder)
