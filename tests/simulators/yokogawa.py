"""A simulated Yokogawa imager: writes a measurement with its images, with every quirk as a switch."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

import imagecodecs
import numpy as np
import tifffile

from tests.simulators.truth import plane
from tiles2zarr.models.collection import row_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

BTS = 'xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0"'
START = datetime(2026, 3, 4, 5, 6, 7, 891000, tzinfo=UTC)


@dataclass(frozen=True)
class Channel:
    """A channel of the protocol.

    Attributes:
        number: Ch.
        action: ActionIndex.
        target: its name.
        acquisition: the filter.
        color: ``#AARRGGBB``.
        light: wavelength of the laser, nm; 0: a lamp.
        exposure: ms.
        offset: µm above the other channels.
        size_z: planes; None: as many as the measurement.
        geometry: height and width in pixels and edge of a pixel (µm), where they are not the measurement's.
    """

    number: int
    action: int
    target: str
    acquisition: str = "BP445/45"
    color: str = "#FF002FFF"
    light: int = 405
    exposure: float = 100
    offset: float = 0.0
    size_z: int | None = None
    geometry: tuple[int, int, float] | None = None


DAPI = Channel(1, 1, "DAPI")
GFP = Channel(3, 2, "GFP", "BP525/50", "#FF00FFA1", 488, 250)


class Plane(NamedTuple):
    """An image: where and when it was taken. `z` is 0-based, `kind` empty for slices."""

    well: str
    field: int
    channel: Channel
    z: int
    t: int
    kind: str


@dataclass(frozen=True)
class Measurement:
    """A measurement.

    Attributes:
        is_cq: files are called as a CQ1 or CQ3K calls them.
        wells: names.
        fields: stage positions in µm, X and Y, which grows upwards; the first is FieldIndex 1.
        channels: what is acquired.
        unused: what the protocol and the ``.mrf`` declare besides.
        kinds: of images: "" for slices, else ZImageProcessing.
        size_z: planes.
        size_t: timepoints.
        height: px.
        width: px.
        dtype: of the pixels.
        pixelsize: µm, in X.
        pixelsize_y: µm.
        z_step: µm.
        seconds: between timepoints.
        columns: of the plate.
        rows: of the plate.
        timepoints: per Ch or well the timeline and the TimePoint number of each timepoint.
        errors: further records, as XML.
        without: (well, FieldIndex, Ch, z, t) that were never taken.
        suffix: of the files on the disk; the list says ``.tif``.
        disk_folder: where images lie on the disk, though the list does not say so.
        has_mrf: there is such a file.
        has_mes: there is such a file.
        has_plate: there are ``.wpi`` and ``.wpp`` files.
        says_place: records have row and column.
        has_pixels: images are written.
        title: what files are called after.
        well_in_name: what files call a well, where that is not its name.
    """

    is_cq: bool = False
    wells: tuple[str, ...] = ("B03", "C04")
    fields: tuple[tuple[float, float], ...] = ((-20.0, 10.0), (-4.0, 10.0))
    channels: tuple[Channel, ...] = (DAPI, GFP)
    unused: tuple[Channel, ...] = (Channel(2, 1, "never"),)
    kinds: tuple[str, ...] = ("",)
    size_z: int = 2
    size_t: int = 1
    height: int = 24
    width: int = 32
    dtype: str = "uint16"
    pixelsize: float = 0.5
    pixelsize_y: float = 0.5
    z_step: float = 3.0
    seconds: float = 600.0
    columns: int = 12
    rows: int = 8
    timepoints: Mapping[int | str, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    without: frozenset[tuple[str, int, int, int, int]] = frozenset()
    suffix: str = ".tif"
    disk_folder: str | None = None
    has_mrf: bool = True
    has_mes: bool = True
    has_plate: bool = True
    says_place: bool = True
    has_pixels: bool = True
    title: str = "Assay #1"
    well_in_name: Mapping[str, str] = field(default_factory=dict)

    def planes(self) -> Iterator[Plane]:
        """Every image, in the order in which it is taken."""
        for t, well, number in itertools.product(
            range(self.size_t), self.wells, range(1, len(self.fields) + 1)
        ):
            for kind, channel in itertools.product(self.kinds, self.channels):
                for z in range((channel.size_z or self.size_z) if not kind else 1):
                    if (well, number, channel.number, z, t) not in self.without:
                        yield Plane(well, number, channel, z, t, kind)

    def pixels(self, image: Plane) -> NDArray[Any]:
        """Axes y and x."""
        height, width, _ = image.channel.geometry or (self.height, self.width, 0.0)
        depth = image.z if not image.kind else 1000 + self.kinds.index(image.kind)
        code = image.channel.number * 100 + image.channel.action
        return plane(image.well, image.field, code, depth, image.t, height, width, self.dtype)

    def expected(self, well: str, number: int, kind: str = "") -> NDArray[Any]:
        """A field of view as it should be converted: axes c, z, y, x, with t before them if there are several."""
        channels = sorted(self.channels, key=lambda channel: (channel.number, channel.action))
        shape = (self.size_t, len(channels), self.size_z if not kind else 1, self.height, self.width)
        pixels = np.zeros(shape, self.dtype)
        for image in self.planes():
            if (image.well, image.field, image.kind) == (well, number, kind):
                pixels[image.t, channels.index(image.channel), image.z] = self.pixels(image)
        return pixels if self.size_t > 1 else pixels[0]

    def when(self, image: Plane) -> datetime:
        """When an image was taken."""
        place = 10 * self.wells.index(image.well) + image.field
        return START + timedelta(
            seconds=image.t * self.seconds + place + 0.2 * image.z + 0.5 * image.channel.action
        )

    def moment(self, image: Plane) -> tuple[int, int]:
        """TimelineIndex and TimePoint."""
        said = self.timepoints.get(image.well) or self.timepoints.get(image.channel.number)
        return (said[0], said[1][image.t]) if said else (1, image.t + 1)

    def name(self, image: Plane) -> str:
        """What the list calls an image."""
        timeline, timepoint = self.moment(image)
        channel, kind = image.channel, self.kinds.index(image.kind)
        if self.is_cq:
            row, column = _place(image.well)
            folder = "Image" if not image.kind else f"Projection{kind if kind > 1 else ''}"
            z = image.z + 1 if not image.kind else 0
            number = (row - 1) * self.columns + column
            return f"{folder}/W{number:04d}F{image.field:04d}T{timepoint:04d}Z{z:03d}C{channel.number}.tif"
        well = self.well_in_name.get(image.well, image.well)
        return (
            f"{self.title}_{well}_T{timepoint:04d}F{image.field:03d}L{timeline:02d}"
            f"A{channel.action + 10 * kind:02d}Z{image.z + 1:02d}C{channel.number:02d}.tif"
        )

    def write(self, folder: Path) -> Path:
        """The measurement as a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "MeasurementData.mlf").write_text(self._mlf(), encoding="utf-8-sig", newline="\r\n")
        if self.has_mrf:
            (folder / "MeasurementDetail.mrf").write_text(self._mrf(), encoding="utf-8-sig")
        if self.has_mes:
            (folder / "Protocol 7.mes").write_text(self._mes(), encoding="utf-8")
        if self.has_plate:
            (folder / "plate.wpi").write_text(self._plate("WellPlate"), encoding="utf-8")
            (folder / "10_Greiner_μClear #655090.wpp").write_text(
                self._plate("WellPlateProduct"), encoding="utf-8"
            )
        for correction in ("DC_DCAM#1_CAM3.tif", "SC_BP445-45_20x_M01_CH01.tif", "._DC.mlf", ".DS_Store"):
            (folder / correction).write_bytes(b"no image of a field")
        if self.has_pixels:
            for image in self.planes():
                self._write_image(folder, image)
        return folder

    def _write_image(self, folder: Path, image: Plane) -> None:
        file = folder / self.name(image)
        if self.disk_folder is not None:
            file = folder / self.disk_folder / file.name
        file = file.with_name(file.stem + self.suffix)
        file.parent.mkdir(exist_ok=True)
        if self.suffix.lower() == ".png":
            file.write_bytes(imagecodecs.png_encode(self.pixels(image)))
        else:
            tifffile.imwrite(file, self.pixels(image))

    def _mlf(self) -> str:
        lines = [self._record(image) for image in self.planes()]
        body = "\n".join([*lines, *self.errors])
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            f'<bts:MeasurementData bts:Version="1.0" {BTS}>\n{body}\n</bts:MeasurementData>'
        )

    def _record(self, image: Plane) -> str:
        row, column = _place(image.well)
        x, y = self.fields[image.field - 1]
        timeline, timepoint = self.moment(image)
        kind = self.kinds.index(image.kind)
        said: dict[str, object] = {"Type": "IMG", "Time": self.when(image).isoformat(timespec="milliseconds")}
        if self.says_place:
            said |= {"Column": column, "Row": row}
        said |= {
            "TimePoint": timepoint,
            "FieldIndex": image.field,
            "ZIndex": image.z + 1,
            "TimelineIndex": timeline,
            "ActionIndex": image.channel.action + (0 if self.is_cq else 10 * kind),
            "Action": "3D",
            "X": x,
            "Y": y,
            "Z": image.z * self.z_step + image.channel.offset,
        }
        if image.kind:
            said |= {"ZImageProcessing": image.kind, "ZTop": "9.0", "ZBottom": "-3.0"}
        said["Ch"] = image.channel.number
        return record(said, self.name(image))

    def _mrf(self) -> str:
        channels = []
        for channel in (*self.channels, *self.unused):
            height, width, size = channel.geometry or (self.height, self.width, self.pixelsize)
            said = {
                "Ch": channel.number,
                "HorizontalPixelDimension": size,
                "VerticalPixelDimension": size if channel.geometry else self.pixelsize_y,
                "CameraNumber": 3,
                "InputBitDepth": 16,
                "HorizontalPixels": width,
                "VerticalPixels": height,
            }
            channels.append(f"<bts:MeasurementChannel {_attributes(said)} />")
        root = {
            "Version": "1.0",
            "Title": self.title,
            "MeasurementSettingFileName": "Protocol 7.mes",
            "ColumnCount": self.columns,
            "RowCount": self.rows,
            "TimePointCount": 99,
            "FieldCount": 99,
            "ZCount": 99,
            "TargetSystem": "CV8000",
        }
        plate = {
            "Name": "plate",
            "WellPlateFileName": "never written.wpi",
            "WellPlateProductFileName": "10_Greiner_μClear #655090.wpp",
        }
        body = "\n  ".join([f"<bts:MeasurementSamplePlate {_attributes(plate)} />", *channels])
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            f"<bts:MeasurementDetail {_attributes(root)} {BTS}>\n  {body}\n</bts:MeasurementDetail>"
        )

    def _mes(self) -> str:
        lights = {channel.light for channel in self.channels}
        sources = [
            f'<bts:LightSource bts:Name="{light}nm" bts:Type="Laser" bts:WaveLength="{light}" />'
            for light in lights
        ]
        channels = []
        for channel in {channel.number: channel for channel in (*self.unused, *self.channels)}.values():
            said = {
                "Ch": channel.number,
                "Target": channel.target,
                "Objective": "20x v2",
                "Magnification": 20,
                "Acquisition": channel.acquisition,
                "ExposureTime": channel.exposure,
                "Binning": 1,
                "Color": channel.color,
            }
            channels.append(
                f"<bts:Channel {_attributes(said)}>"
                f"<bts:LightSourceName>{channel.light}nm</bts:LightSourceName></bts:Channel>"
            )
        return (
            f'<bts:MeasurementSetting bts:Version="1.0" bts:Columns="{self.columns}" {BTS}>'
            '<bts:Timelapse><bts:Timeline bts:Name="Time Line 1" bts:Color="#ff44ee66"><bts:ActionList>'
            "<bts:ActionAcquire3D><bts:Ch>1</bts:Ch></bts:ActionAcquire3D></bts:ActionList></bts:Timeline>"
            f"</bts:Timelapse><bts:LightSourceList>{''.join(sources)}</bts:LightSourceList>"
            f"<bts:ChannelList>{''.join(channels)}</bts:ChannelList></bts:MeasurementSetting>"
        )

    def _plate(self, tag: str) -> str:
        return f'<bts:{tag} bts:Name="NoPlateID" bts:Columns="{self.columns}" bts:Rows="{self.rows}" {BTS} />'


def record(said: Mapping[str, object], text: str) -> str:
    """A measurement record as XML."""
    return f"<bts:MeasurementRecord {_attributes(said)}>{escape(text)}</bts:MeasurementRecord>"


def failed(well: str, text: str = "AF Error", **said: object) -> str:
    """A record of type ERR, which leaves out most."""
    row, column = _place(well)
    known = {
        "Type": "ERR",
        "Time": START.isoformat(),
        "Column": column,
        "Row": row,
        "TimePoint": 1,
        "TimelineIndex": 1,
        "X": 0.0,
        "Y": 0.0,
    }
    return record({**known, **said}, text)


def _attributes(said: Mapping[str, object]) -> str:
    return " ".join(f"bts:{name}={quoteattr(str(value))}" for name, value in said.items())


def _place(well: str) -> tuple[int, int]:
    letters = well.rstrip("0123456789")
    return row_index(letters) + 1, int(well.removeprefix(letters))
