"""A simulated ImageXpress: plates as MetaXpress exports them or keeps them in its database, with every known quirk."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import imagecodecs
import numpy as np

from tests.simulators.truth import plane
from tiles2zarr.sources.timestamps import posix
from tiles2zarr.sources.xml import parse_xml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

START = datetime(2024, 7, 9, 13, 13, 3, 256000)
FOCUS = 9988.88  # µm, of the lowest plane
DRIFT = 0.01  # µm, of the focus drive from one plane to the next but one
CAMERA = {"Gain": "16-bit (low noise & high well capacity)", "Trigger Mode": "Normal (TIMED)"}


@dataclass(frozen=True)
class Wave:
    """A wavelength, and what was taken of it.

    Attributes:
        name: of the illumination setting.
        number: as file names say it.
        planes: whether each plane of the stack was taken ("stack"), one plane ("single"), or none ("").
        projection: how planes were made one; empty: they were not.
        timepoints: those at which it was taken; empty: all.
        height: above the focus, µm.
    """

    name: str = "DAPI"
    number: int = 1
    planes: str = "stack"
    projection: str = ""
    timepoints: tuple[int, ...] = ()
    height: float = 0.0
    emission: float = 452
    exposure: float = 100


class Shot(NamedTuple):
    """One plane that was taken, or projected; z and t from 1, z 0 for a projection."""

    well: str
    site: int
    wave: Wave
    z: int
    t: int


@dataclass(frozen=True)
class Plate:
    """What was imaged, and how MetaXpress wrote it down.

    Attributes:
        offsets: stage position of each site, µm, y downwards, from the centre of the well.
        layout: "export", "database" (GUIDs in names, projections at the top), "flat" (no folders at all).
        copies: whether places where nothing was taken are filled with copies, as exports do.
        described: whether images have metadata; (well, site, wave, z, t) of those that have none.
        lost: (well, site, wave number, z, t) of files that were not copied.
        replaced: pairs of text to replace in each description.
        chosen: wells that the .HTD chooses; None: those that were imaged.
    """

    name: str = "9987"
    folder: str = "9987_Plate_3434"
    layout: str = "export"
    wells: tuple[str, ...] = ("B02", "B03")
    offsets: tuple[tuple[float, float], ...] = ((-10.0, -4.0), (10.0, -4.0))
    waves: tuple[Wave, ...] = (Wave(), Wave("FITC", 2, emission=520, exposure=80))
    planes: int = 2
    timepoints: int = 1
    step: float = 3.0
    interval: float = 600.0
    height: int = 10
    width: int = 16
    dtype: str = "uint16"
    pixelsize: tuple[float, float] = (1.25, 1.25)
    unit: str = "um"
    calibrated: bool = True
    copies: bool = True
    htd: bool = True
    thumbs: bool = False
    junk: bool = False
    names_prefix: bool = True
    suffix: str = ".TIF"
    says_step: bool = True
    described: bool = True
    lost: tuple[tuple[str, int, int, int, int], ...] = ()
    replaced: tuple[tuple[str, str], ...] = ()
    chosen: tuple[str, ...] | None = None
    broken: tuple[tuple[str, int, int, int, int], ...] = ()

    @property
    def has_projections(self) -> bool:
        """Whether there are any."""
        return any(wave.projection for wave in self.waves)

    def shots(self) -> Iterator[Shot]:
        """All that was taken, in the order of time."""
        for t in range(1, self.timepoints + 1):
            for well in self.wells:
                for site in range(1, len(self.offsets) + 1):
                    for wave in self.waves:
                        if wave.timepoints and t not in wave.timepoints:
                            continue
                        taken = {"stack": self.planes, "single": 1, "": 0}[wave.planes]
                        yield from (Shot(well, site, wave, z, t) for z in range(1, taken + 1))
                        if wave.projection:
                            yield Shot(well, site, wave, 0, t)

    @cached_property
    def whens(self) -> dict[Shot, datetime]:
        """When each plane was taken; a projection has the time of its first plane."""
        found: dict[Shot, datetime] = {}
        order: dict[Shot, int] = {}
        for shot in self.shots():
            number = order.setdefault(shot._replace(t=1), len(order))
            since = timedelta(seconds=(shot.t - 1) * self.interval, milliseconds=250 * number)
            found[shot] = found.get(shot._replace(z=1), START + since) if shot.z == 0 else START + since
        return found

    def pixels(self, shot: Shot) -> NDArray[Any]:
        """What the camera saw."""
        place = (shot.site, shot.wave.number, shot.z, shot.t)
        return plane(shot.well, *place, self.height, self.width, self.dtype)

    def position(self, shot: Shot) -> tuple[float, float]:
        """Where the stage was, µm."""
        row, column = _row(shot.well), int(shot.well[-2:])
        x, y = self.offsets[shot.site - 1]
        return 14300 + 9000 * (column - 1) + x, 11200 + 9000 * row + y

    def focus(self, shot: Shot) -> float:
        """Where the focus drive was, µm; for a projection the middle of its planes."""
        z = shot.z - 1 if shot.z else (self.planes - 1) / 2
        drift = -DRIFT if shot.z > 2 else 0.0
        return round(FOCUS + shot.wave.height + z * self.step + drift, 4)

    def write(self, parent: Path) -> Path:
        """Write the folder of the plate, or its `name/date/number` folders; the path to give to tiles2zarr."""
        top = parent / (self.name if self.layout == "database" else self.folder)
        folder = top / "2024-07-09" / "1697" if self.layout == "database" else top
        folder.mkdir(parents=True)
        for path, shot in self.files():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            key = (shot.well, shot.site, shot.wave.number, shot.z, shot.t)
            if key in self.broken:
                file.write_bytes(b"II*\0\x08\0\0\0")
                continue
            if self.suffix == ".png":
                file.write_bytes(picture(self.pixels(shot)))
            else:
                file.write_bytes(tiff(self.pixels(shot), self.description(shot) if self.described else ""))
            if self.thumbs:
                name = file.name.split(".")[0]
                name = f"{name[:-36]}_thumb{name[-36:]}" if self.layout == "database" else f"{name}_thumb"
                (file.parent / f"{name}{self.suffix}").write_bytes(
                    tiff(self.pixels(shot)[::4, ::4], "<MetaData>")
                )
        if self.htd and self.layout != "database":
            for part in {folder, *(folder / path.rpartition("/")[0] for path, _ in self.files())}:
                (part / f"{self.name}.HTD").write_bytes(self.htd_text())
        if self.junk:
            for name in (".DS_Store", f"._{self.name}_B02_s1_w1.TIF", "Thumbs.db", "notes.txt"):
                (folder / name).write_bytes(b"junk")
            (folder / "analysis").mkdir()
        return top

    def files(self) -> Iterator[tuple[str, Shot]]:
        """Each file below the plate's folder, and what it shows."""
        for shot in self.shots():
            for z, t in self._shown_at(shot):
                if (shot.well, shot.site, shot.wave.number, z, t) not in self.lost:
                    yield self._path(shot, z, t), shot

    def _shown_at(self, shot: Shot) -> list[tuple[int, int]]:
        """The z (0: projections) and t of the folders that show a plane: its own, and those filled with it."""
        if not self.copies or self.layout != "export":
            return [(shot.z, shot.t)]
        wave, taken = shot.wave, list(shot.wave.timepoints) or [*range(1, self.timepoints + 1)]
        times = [
            t
            for t in range(1, self.timepoints + 1)
            if max(filter(t.__ge__, taken), default=taken[0]) == shot.t
        ]
        depths = [shot.z]
        if self.has_projections and not wave.projection and shot.z == 1:
            depths.append(0)
        if wave.planes == "single":
            depths += range(2, self.planes + 1)
        if not wave.planes and any(other.planes for other in self.waves):
            depths += range(1, self.planes + 1)
        return [(z, t) for t in times for z in depths]

    def _path(self, shot: Shot, z: int, t: int) -> str:
        name = f"{self.name}_{shot.well}" if self.names_prefix else shot.well
        name += f"_s{shot.site}" if len(self.offsets) > 1 else ""
        name += f"_w{shot.wave.number}" if len(self.waves) > 1 else ""
        if self.layout == "database":
            digits = zlib.crc32(f"{shot} {z} {t}".encode())
            name += f"{digits:08X}-1234-4ABC-8DEF-{digits:012X}"
        parts = []
        is_stack = self.planes > 1 or self.has_projections
        if self.layout != "flat":
            if self.timepoints > 1 or self.layout == "export":
                parts.append(f"TimePoint_{t}")
            if is_stack and (z or self.layout == "export"):
                parts.append(f"ZStep_{z}")
        return "/".join([*parts, name + self.suffix])

    def description(self, shot: Shot) -> str:
        """The MetaSeries XML of a plane, some hundred properties long."""
        wave = shot.wave
        x, y = self.position(shot)
        said = [
            f"Plate Name: {self.name}",
            "Folder Name: staff",
            "two lines",
            f"Exposure: {wave.exposure:g} ms",
        ]
        said += [f"{name}: {value}" for name, value in CAMERA.items()]
        text = "".join(
            f"&#{ord(letter)};" if letter in '&<>"\r\n' else letter for letter in "\r\n".join(said)
        )
        when = self.whens[shot].strftime("%Y%m%d %H:%M:%S.%f")[:-3]
        guid = f"{{{zlib.crc32(str(shot).encode()):08X}-95BB-4D23-8E61-7EAA01561198}}"
        lines = [
            f'<prop id="Description" type="string" value="{text}"/>',
            '<prop id="ApplicationName" type="string" value="MetaMorph"/>',
            "<PlaneInfo>",
            f'<prop id="pixel-size-x" type="int" value="{self.width}"/>',
            *(f'<prop id="setting-{n}" type="float" value="0"/>' for n in range(20)),
            f'<prop id="spatial-calibration-state" type="bool" value="{"on" if self.calibrated else "off"}"/>',
            f'<prop id="spatial-calibration-x" type="float" value="{self.pixelsize[0]:g}"/>',
            f'<prop id="spatial-calibration-y" type="float" value="{self.pixelsize[1]:g}"/>',
            f'<prop id="spatial-calibration-units" type="string" value="{self.unit}"/>',
            f'<prop id="image-name" type="string" value="Copy of {wave.name}"/>',
            f'<prop id="plane-guid" type="guid" value="{guid}"/>',
            f'<prop id="acquisition-time-local" type="time" value="{when}"/>',
            f'<prop id="stage-position-x" type="float" value="{x:.10g}"/>',
            f'<prop id="stage-position-y" type="float" value="{y:.10g}"/>',
            f'<prop id="stage-label" type="string" value="{shot.well} : Site {shot.site}"/>',
            f'<prop id="z-position" type="float" value="{self.focus(shot):.10g}"/>',
            f'<prop id="wavelength" type="float" value="{wave.emission:g}"/>',
            *(f'<custom-prop id="89 North {n} Intensity" type="float" value="0"/>' for n in range(400, 440)),
            f'<prop id="_IllumSetting_" type="string" value="{wave.name}"/>',
            '<prop id="_MagNA_" type="float" value="0.95"/>',
            '<prop id="_MagSetting_" type="string" value="40X Plan Apo Lambda "/>',
            f'<custom-prop id="Exposure Time" type="string" value="{wave.exposure:g} ms"/>',
        ]
        if self.timepoints > 1:
            lines.append(f'<custom-prop id="Timepoint" type="float" value="{shot.t}"/>')
        if shot.z == 0:
            lines.append(f'<custom-prop id="Z Projection Method" type="string" value="{wave.projection}"/>')
            if self.says_step:
                lines.append(f'<custom-prop id="Z Projection Step Size" type="float" value="{self.step:g}"/>')
        elif self.planes > 1 or self.has_projections:
            lines.append(f'<custom-prop id="Z Step" type="float" value="{shot.z}"/>')
        found = "\n".join(["<MetaData>", *lines, "</PlaneInfo>", "<SetInfo>", "</SetInfo>", "</MetaData>"])
        for old, new in self.replaced:
            found = found.replace(old, new)
        return found

    def htd_text(self) -> bytes:
        """The description of the plate, with bytes that are of no encoding."""
        chosen = self.wells if self.chosen is None else self.chosen
        rows, columns = (32, 48) if any(len(well) > 3 for well in chosen) else (8, 12)
        lines = [
            b'"HTSInfoFile", Version 1.0',
            b'"Description", "two lines\x82\x81DAPI: 3z + MIP"',
            f'"TimePoints", {self.timepoints}'.encode(),
            f'"ZSeries", {_flag(self.planes > 1)}'.encode(),
            f'"ZSteps", {self.planes}'.encode(),
            f'"ZProjection", {_flag(self.has_projections)}'.encode(),
            f'"XWells", {columns}\r\n"YWells", {rows}'.encode(),
        ]
        for row in range(rows):
            flags = [
                _flag(any(_row(w) == row and int(w[-2:]) == c + 1 for w in chosen)) for c in range(columns)
            ]
            lines.append(f'"WellsSelection{row + 1}", {", ".join(flags)}'.encode())
        sites, waves = len(self.offsets), max(wave.number for wave in self.waves)
        lines += [
            f'"Sites", {_flag(sites > 1)}\r\n"XSites", {sites}\r\n"YSites", 1'.encode(),
            f'"SiteSelection1", {", ".join(["TRUE"] * sites)}'.encode(),
            f'"Waves", {_flag(waves > 1)}\r\n"NWavelengths", {waves}'.encode(),
            *(f'"WaveName{wave.number}", "{wave.name}"'.encode() for wave in self.waves),
            b'"UniquePlateIdentifier", "6f0ba473-d18a-4a31-8db8-e2087bc78145"\r\n"EndFile"\r\n',
        ]
        return b"\r\n".join(lines)


def picture(pixels: NDArray[Any]) -> bytes:
    """A PNG of the pixels, in which nothing is said of them."""
    data: bytes = imagecodecs.png_encode(pixels)
    return data


def read_by_an_xml_parser(text: str) -> dict[str, object]:
    """What the metadata of a plane say, by attribute of `PlaneInfo`, as an XML parser reads them."""
    said = {
        element.attrib["id"]: element.attrib["value"]
        for element in parse_xml(text, "test").iter()
        if element.tag in ("prop", "custom-prop")
    }
    return {
        "x": float(said["stage-position-x"]),
        "y": float(said["stage-position-y"]),
        "focus": float(said["z-position"]),
        "guid": said["plane-guid"],
        "projection": said.get("Z Projection Method", ""),
        "z_step": int(said["Z Step"]) if "Z Step" in said else None,
        "timepoint": int(said["Timepoint"]) if "Timepoint" in said else None,
        "calibration": (
            float(said["spatial-calibration-x"]),
            float(said["spatial-calibration-y"]),
            said["spatial-calibration-units"],
        ),
        "acquired": posix(said["acquisition-time-local"]),
    }


def _row(well: str) -> int:
    letters = well.rstrip("0123456789")
    return ord(letters) - 65 if len(letters) == 1 else 26 * (ord(letters[0]) - 64) + ord(letters[1]) - 65


def _flag(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def tiff(pixels: NDArray[Any], description: str) -> bytes:
    """A TIFF as MetaMorph writes it: pixels, then tags, then what they point to."""
    height, width = pixels.shape
    data = np.ascontiguousarray(pixels).tobytes()
    text = description.encode() + b"\0"
    tags = [
        (254, 4, 1, 0),
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 1, 8 * pixels.itemsize),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (270, 2, len(text), 0),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 3, 1, height),
        (279, 4, 1, len(data)),
    ]
    start = 8 + len(data) + len(data) % 2
    place = start + 2 + 12 * len(tags) + 4
    entries = b"".join(
        struct.pack("<HHII", code, kind, count, place if code == 270 and count > 4 else value)
        for code, kind, count, value in tags
        if description or code != 270
    )
    used = len(entries) // 12
    place_change = b"\0" * (12 * (len(tags) - used))
    pages = struct.pack("<H", used) + entries + struct.pack("<I", 0) + place_change
    return struct.pack("<2sHI", b"II", 42, start) + data.ljust(start - 8, b"\0") + pages + text


MIXED = (
    Wave("DAPI", 1, projection="Maximum"),
    Wave("FITC", 2, planes="", projection="Maximum", emission=520),
    Wave("Texas Red", 3, planes="single", emission=624),
    Wave("Cy5", 4, planes="single", height=10.0, emission=692),
)


def contract_plate(folder: Path) -> Path:
    """Two wells, two sites, two wavelengths, two z-planes."""
    return Plate().write(folder)
