"""A simulated Operetta or Opera Phenix: folders as Harmony exports them, of any size, with every known quirk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
import tifffile

from tests.simulators.truth import plane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

NAMESPACES = {
    "V4": "http://www.perkinelmer.com/PEHH/HarmonyV4",
    "V5": "http://www.perkinelmer.com/PEHH/HarmonyV5",
    "V6": "http://www.perkinelmer.com/PEHH/HarmonyV6",
    "V7": "43B2A954-E3C3-47E1-B392-6635266B0DD3/HarmonyV7",
    "Columbus": "http://www.perkinelmer.com/Columbus",
}
START = datetime(2024, 6, 24, 9, 48, 44, 500000, tzinfo=UTC)
USUAL_MATRIX = "[[0.994724,0,0,47.2],[0,-0.994724,0,-7.5],[0,0,1.00,5.597]]"


@dataclass(frozen=True)
class Channel:
    """A channel, how far above the focus it was taken (m), and, where it is fewer than others, in how many planes."""

    name: str
    excitation: float = 488
    emission: float = 522
    exposure: float = 0.02
    height: float = 0.0
    color: int | None = None
    resolution: float | None = None
    planes: int | None = None


@dataclass(frozen=True)
class Measurement:
    """What was measured, and how Harmony wrote it down.

    Attributes:
        wells: row and column, from 1.
        offsets: stage position of each field of view, m, y upwards, from the centre of the well.
        not_recorded: (row, column, field, channel, plane, timepoint) listed without a file.
        absent: the same for images whose state is not Ok and whose file is not there.
        extra: text to stand in each record.
        replaced: pairs of text to replace in the finished index.
    """

    version: str = "V5"
    wells: tuple[tuple[int, int], ...] = ((2, 3), (2, 4))
    declared: tuple[tuple[int, int], ...] = ()
    offsets: tuple[tuple[float, float], ...] = ((-8e-6, 6e-6), (8e-6, 6e-6))
    channels: tuple[Channel, ...] = (Channel("HOECHST 33342", 375, 456), Channel("Alexa 488"))
    planes: int = 2
    timepoints: int = 1
    step: float = 2e-6
    interval: float = 300.0
    height: int = 12
    width: int = 16
    resolution: float = 1e-6
    resolution_y: float | None = None
    name: str = "Plate.1 a"
    images: str = "Images"
    index: str = ""
    bom: bool = True
    matrix: str = USUAL_MATRIX
    not_recorded: tuple[tuple[int, ...], ...] = ()
    absent: tuple[tuple[int, ...], ...] = ()
    max_intensity: int = 65536
    dtype: str = "uint16"
    url: str = "{name}"
    files_in: str = ""
    suffix: str = ".tiff"
    extra: str = ""
    replaced: tuple[tuple[str, str], ...] = ()
    constant_position_z: bool = False

    @property
    def maps(self) -> bool:
        """Whether channels are described in a map, and not in each record."""
        return self.version in ("V6", "V7", "ref")

    @property
    def index_name(self) -> str:
        """The file that this version writes."""
        usual = {
            "V6": "Index.xml",
            "V7": "Index.xml",
            "ref": "Index.ref.xml",
            "Columbus": "ImageIndex.ColumbusIDX.xml",
        }
        return self.index or usual.get(self.version, "Index.idx.xml")

    @property
    def first_timepoint(self) -> int:
        """Timepoints count from 0 up to V5."""
        return 0 if self.version in ("V4", "V5", "ref") else 1

    def places(self) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Row, column, field, channel, plane, timepoint of every image, as the index counts them."""
        for row, column in self.wells:
            for field in range(1, len(self.offsets) + 1):
                for t in range(self.first_timepoint, self.first_timepoint + self.timepoints):
                    for z in range(1, self.planes + 1):
                        for c, channel in enumerate(self.channels, start=1):
                            if channel.planes is None or z <= channel.planes:
                                yield row, column, field, c, z, t

    def pixels(self, place: tuple[int, ...]) -> NDArray[Any]:
        """What the camera saw."""
        row, column, field, c, z, t = place
        return plane(f"{row}/{column}", field, c, z, t, self.height, self.width, self.dtype)

    def file_name(self, place: tuple[int, ...]) -> str:
        """As Harmony names a file."""
        row, column, field, c, z, t = place
        kinetic = t - self.first_timepoint + 1
        return f"r{row:02d}c{column:02d}f{field:02d}p{z:02d}-ch{c}sk{kinetic}fk1fl1{self.suffix}"

    def acquired(self, place: tuple[int, ...]) -> datetime:
        """When an image was taken."""
        row, column, field, c, z, t = place
        within = 0.1 * c + 0.5 * z + 3.0 * field + 20.0 * self.wells.index((row, column))
        return START + timedelta(seconds=(t - self.first_timepoint) * self.interval + within)


def write(folder: Path, measurement: Measurement, *, pixels: bool = True) -> Path:
    """Write the folder of a measurement.

    Returns:
        The folder.
    """
    images = folder / measurement.images
    images.mkdir(parents=True, exist_ok=True)
    text = index_text(measurement)
    for old, new in measurement.replaced:
        assert old in text, old
        text = text.replace(old, new)
    (images / measurement.index_name).write_text(text, encoding="utf-8-sig" if measurement.bom else "utf-8")
    if pixels and measurement.version == "Columbus":
        _write_pages(images, measurement)
    elif pixels:
        below = images / measurement.files_in
        below.mkdir(exist_ok=True)
        for place in measurement.places():
            if place not in measurement.not_recorded + measurement.absent:
                tifffile.imwrite(below / measurement.file_name(place), measurement.pixels(place))
    return folder


def write_layout(
    folder: Path, layers: dict[str, tuple[str, dict[tuple[int, int], str]]], rows: int = 8
) -> Path:
    """An assay layout: per layer the type of its values, and the value of each well; of all others it is empty."""
    parts = [f"<PlateCols>12</PlateCols><PlateRows>{rows}</PlateRows>"]
    for name, (kind, values) in layers.items():
        wells = "".join(
            f"<Well><Row>{row}</Row><Col>{column}</Col><Value>{escape(values.get((row, column), ''))}</Value>"
            "<Color>4294967295</Color></Well>"
            for row in range(1, rows + 1)
            for column in range(1, 13)
        )
        parts.append(f"<Layer><Name>{name}</Name><ValueType>{kind}</ValueType>{wells}</Layer>")
    file = folder / "Assaylayout" / "Layout.xml"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = f'<AssayLayout xmlns="{NAMESPACES["V5"]}">{"".join(parts)}</AssayLayout>'
    file.write_text(text, encoding="utf-8-sig")
    return file


def index_text(measurement: Measurement) -> str:
    """The index, as this version of the software writes it."""
    m = measurement
    wells = "".join(f'<Well id="{row:02d}{column:02d}" />' for row, column in (*m.wells, *m.declared))
    references = "".join(
        f"<Well><id>{row:02d}{column:02d}</id><Row>{row}</Row><Col>{column}</Col>"
        + "".join(f'<Image id="{_identity(place)}" />' for place in m.places() if place[:2] == (row, column))
        + "</Well>\n"
        for row, column in m.wells
    )
    records = "".join(
        f'<Image Version="1">{_record(m, place, number)}{m.extra}</Image>\n'
        for number, place in enumerate(m.places())
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<EvaluationInputData Version="1" xmlns="{NAMESPACES.get(m.version, NAMESPACES["V5"])}">'
        "<User>somebody</User><InstrumentType>Phenix</InstrumentType><Plates><Plate>"
        f"<PlateID>{escape(m.name)}</PlateID><MeasurementID>6f2adb32-6c4b-4583-b792-9aefb0aa3cf0</MeasurementID>"
        f"<MeasurementStartTime>{_time(START)}</MeasurementStartTime><Name>{escape(m.name)}</Name>"
        "<PlateTypeName>384 µClear</PlateTypeName><PlateRows>16</PlateRows><PlateColumns>24</PlateColumns>"
        f"{wells}</Plate></Plates>\n<Wells>{references}</Wells>\n<Maps>{''.join(_maps(m))}</Maps>\n"
        f"<Images>{records}</Images></EvaluationInputData>\n"
    )


def _identity(place: tuple[int, ...]) -> str:
    row, column, field, c, z, t = place
    return f"{row:02d}{column:02d}K{t}F{field}P{z}R{c}"


def _time(moment: datetime) -> str:
    """As .NET writes it: seven digits, another time zone."""
    text = moment.astimezone().strftime("%Y-%m-%dT%H:%M:%S.%f")
    offset = moment.astimezone().strftime("%z")
    return f"{text}0{offset[:3]}:{offset[3:]}"


def _record(m: Measurement, place: tuple[int, ...], number: int) -> str:
    row, column, field, c, z, t = place
    lost = place in m.not_recorded
    url = "" if lost else m.url.format(name=m.file_name(place))
    buffer = ""
    if m.version == "Columbus":
        per_well = len(m.channels) * m.planes * m.timepoints * len(m.offsets)
        url, buffer = f"{row:03d}{column:03d}-1.tif", f' BufferNo="{number % per_well}"'
    state = "Failed" if place in m.absent else "Ok"
    later = m.version in ("V6", "V7", "Columbus")
    parts = [
        f"<id>{_identity(place)}</id><State>{state}</State><URL{buffer}>{url}</URL><Row>{row}</Row><Col>{column}</Col>",
        f"<FieldID>{field}</FieldID><PlaneID>{z}</PlaneID><TimepointID>{t}</TimepointID>",
        "<SequenceID>1</SequenceID><GroupID>1</GroupID>" if later else "",
        f"<ChannelID>{c}</ChannelID><FlimID>1</FlimID>",
        "" if m.maps else _channel(m, m.channels[c - 1]),
        "" if m.version == "ref" else _position(m, field),
        "" if m.version == "ref" else _height(m, z, m.channels[c - 1].height, 0.1346 + 1e-5 * field),
        f'<MeasurementTimeOffset Unit="s">{(t - m.first_timepoint) * m.interval}</MeasurementTimeOffset>',
        f"<AbsTime>{_time(m.acquired(place))}</AbsTime>",
    ]
    return "".join(parts)


def _position(m: Measurement, field: int) -> str:
    x, y = m.offsets[field - 1]
    return f'<PositionX Unit="m">{x!r}</PositionX><PositionY Unit="m">{y!r}</PositionY>'


def _height(m: Measurement, z: int, above: float, found: float) -> str:
    relative = (z - 1) * m.step + above
    shown = 0.0 if m.constant_position_z else relative
    return f'<PositionZ Unit="m">{shown!r}</PositionZ><AbsPositionZ Unit="m">{found + relative:.9f}</AbsPositionZ>'


def _channel(m: Measurement, channel: Channel) -> str:
    width = channel.resolution or m.resolution
    height = m.resolution_y or width
    color = f"<ChannelColor>{channel.color}</ChannelColor>" if channel.color is not None else ""
    return (
        f"<ChannelName>{escape(channel.name)}</ChannelName>{color}<ImageType>Signal</ImageType>"
        "<AcquisitionType>NonConfocal</AcquisitionType><IlluminationType>Epifluorescence</IlluminationType>"
        "<ChannelType>Fluorescence</ChannelType>"
        f'<ImageResolutionX Unit="m">{width!r}</ImageResolutionX>'
        f'<ImageResolutionY Unit="m">{height!r}</ImageResolutionY>'
        f"<ImageSizeX>{m.width}</ImageSizeX><ImageSizeY>{m.height}</ImageSizeY><BinningX>2</BinningX><BinningY>2</BinningY>"
        f"<MaxIntensity>{m.max_intensity}</MaxIntensity><CameraType>AndorZylaCam</CameraType>"
        f'<MainExcitationWavelength Unit="nm">{channel.excitation}</MainExcitationWavelength>'
        f'<MainEmissionWavelength Unit="nm">{channel.emission}</MainEmissionWavelength>'
        '<ObjectiveMagnification Unit="">20</ObjectiveMagnification><ObjectiveNA Unit="">1</ObjectiveNA>'
        f'<ExposureTime Unit="s">{channel.exposure}</ExposureTime><OrientationMatrix>{m.matrix}</OrientationMatrix>'
    )


def _maps(m: Measurement) -> Iterator[str]:
    """Flat fields in the first map; from V6 on the channels in the last; in an archive fields and planes, too."""
    profile = (
        "{Background: {Character: Null, Mean: NaN, Profile: {Type: Identity}}, ChannelName: not this one}"
    )
    numbers = range(1, len(m.channels) + 1)
    yield _map(
        f'<Entry ChannelID="{c}"><FlatfieldProfile>{profile}</FlatfieldProfile></Entry>' for c in numbers
    )
    if m.maps:
        yield _map(
            f'<Entry ChannelID="{c}"><SkewcropParameters>H4sIAAA=</SkewcropParameters></Entry>'
            for c in numbers
        )
        yield _map(
            f'<Entry ChannelID="{c}">{_channel(m, m.channels[c - 1])}</Entry>' for c in reversed(numbers)
        )
    if m.version == "ref":
        fields = range(1, len(m.offsets) + 1)
        yield _map(f'<Entry FieldID="{field}">{_position(m, field)}</Entry>' for field in fields)
        yield _map(
            f'<Entry PlaneID="{z}">{_height(m, z, 0.0, 0.1346)}</Entry>' for z in range(1, m.planes + 1)
        )
        yield _map([f"<Entry><ImageSizeX>{m.width}</ImageSizeX></Entry>"])


def _map(entries: Any) -> str:
    return f"<Map>{''.join(entries)}</Map>"


def _write_pages(images: Path, m: Measurement) -> None:
    """Columbus: one file for each well, a page for each plane."""
    for row, column in m.wells:
        pages = [m.pixels(place) for place in m.places() if place[:2] == (row, column)]
        tifffile.imwrite(images / f"{row:03d}{column:03d}-1.tif", np.stack(pages), photometric="minisblack")


def contract_plate(folder: Path) -> Path:
    """A small plate: two wells, two fields of view, two channels, two planes."""
    return write(folder, Measurement())
