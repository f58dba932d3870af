"""A simulated ZEN: writes CZI files segment by segment, with every quirk as a switch."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.simulators.truth import plane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_PIXEL_TYPES = {
    ("uint8", 1): 0,
    ("uint16", 1): 1,
    ("float32", 1): 2,
    ("uint8", 3): 3,
    ("uint16", 3): 4,
    ("uint8", 4): 9,
}
COMPRESSIONS = {"none": 0, "jpeg": 1, "lzw": 2, "jpegxr": 4, "zstd0": 5, "zstd1": 6}
START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@dataclass(frozen=True)
class Scene:
    """A region that was scanned.

    Attributes:
        name: what people call it.
        tiles: upper left corners, px of the document, x and y.
        well: row and column, both 1-based.
        stage: µm that the stage is away from the document's pixels, x and y.
    """

    name: str = "scene"
    tiles: tuple[tuple[int, int], ...] = ((0, 0),)
    well: tuple[int, int] | None = None
    stage: tuple[float, float] = (1000.0, 2000.0)


@dataclass(frozen=True)
class Czi:
    """A document.

    Attributes:
        scenes: at least one.
        channels: names, which may be alike.
        colors: display colours, ``#AARRGGBB``.
        size_z: planes.
        size_t: timepoints.
        height: of a tile, px.
        width: of a tile, px.
        dtype: of the pixels.
        samples: 3 for blue, green, red; 4 with transparency.
        compression: a key of `COMPRESSIONS`.
        pixelsize: metres, x and y; None: not calibrated.
        z_spacing: metres; None: not said.
        seconds: between timepoints.
        extra: lengths of further dimensions, such as ``{"H": 3}``.
        has_stage: sub-blocks say where the stage was.
        has_times: sub-blocks say when they were taken.
        has_time_stamps: an attachment says when each timepoint began.
        has_pyramid: there is one, of sub-blocks at half size.
        numbers_tiles: the M dimension is written.
        reverses_tiles: what comes last is written first.
        writes_scene: the S dimension is written.
        stage_sign: -1: the stage counts against the pixels.
        without: (scene, tile, c, z, t) that were never written.
        has_metadata: there is an XML document.
        half_size: dimensions and positions along them that were stored at half size only.
        part: another file that all sub-blocks are said to be in.
    """

    scenes: tuple[Scene, ...] = (Scene(),)
    channels: tuple[str, ...] = ("DAPI", "GFP")
    colors: tuple[str, ...] = ("#FF0033FF", "#FF00FF33")
    size_z: int = 2
    size_t: int = 1
    height: int = 24
    width: int = 32
    dtype: str = "uint16"
    samples: int = 1
    compression: str = "none"
    pixelsize: tuple[float, float] | None = (2.5e-7, 2.5e-7)
    z_spacing: float | None = 1.5e-6
    seconds: float = 30.0
    extra: Mapping[str, int] = field(default_factory=dict)
    has_stage: bool = True
    has_times: bool = True
    has_time_stamps: bool = False
    has_pyramid: bool = False
    numbers_tiles: bool = True
    reverses_tiles: bool = False
    writes_scene: bool = True
    stage_sign: int = 1
    without: frozenset[tuple[int, int, int, int, int]] = frozenset()
    has_metadata: bool = True
    half_size: tuple[tuple[str, int], ...] = ()
    part: int = 0

    def pixels(self, scene: int, tile: int, c: int, z: int, t: int, extra: int = 0) -> NDArray[Any]:
        """Axes y and x, and red, green, blue for colours."""
        name = self.scenes[scene].name
        grey = [
            plane(name, tile, c, z, t + 1000 * extra + 100000 * sample, self.height, self.width, self.dtype)
            for sample in range(self.samples)
        ]
        return grey[0] if self.samples == 1 else np.stack(grey, axis=-1)

    def position(self, scene: int, tile: int) -> tuple[float, float]:
        """Where the stage was for a tile, µm, growing with the pixels."""
        assert self.pixelsize is not None
        x, y = self.scenes[scene].tiles[tile]
        dx, dy = self.scenes[scene].stage
        return x * self.pixelsize[0] * 1e6 + dx, y * self.pixelsize[1] * 1e6 + dy

    def places(self) -> Iterator[tuple[int, int, int, int, int, tuple[int, ...]]]:
        """Scene, tile, c, z, t and further indices of each sub-block, as ZEN orders them."""
        for scene, region in enumerate(self.scenes):
            for t, tile, z, c in itertools.product(
                range(self.size_t), range(len(region.tiles)), range(self.size_z), range(len(self.channels))
            ):
                if (scene, tile, c, z, t) in self.without:
                    continue
                for further in itertools.product(*map(range, self.extra.values())):
                    yield scene, tile, c, z, t, further

    def when(self, z: int, c: int, t: int) -> datetime:
        """When a plane was taken."""
        return START + timedelta(seconds=t * self.seconds + 0.5 * z + 0.1 * c)

    def write(self, file: Path) -> Path:
        """The document as a file."""
        body = bytearray(_segment(b"ZISRAWFILE", bytes(512)))
        entries = []
        places = list(self.places())
        for scene, tile, c, z, t, further in reversed(places) if self.reverses_tiles else places:
            x, y = self.scenes[scene].tiles[tile]
            number = int(np.ravel_multi_index(further, tuple(self.extra.values()))) if further else 0
            pixels = self.pixels(scene, tile, c, z, t, number)
            index = {"Z": z, "C": c, "T": t, **dict(zip(self.extra, further, strict=True))}
            if self.writes_scene:
                index["S"] = scene
            if self.numbers_tiles:
                index["M"] = tile
            size = pixels.shape[:2]
            if any(index[name] == value for name, value in self.half_size):
                pixels = pixels[::2, ::2]
            entry = self._entry(len(body), (x, y), size, pixels.shape[:2], index, pyramid=0)
            entries.append(entry)
            body += _sub_block(entry, self._tags(scene, tile, c, z, t), self._encoded(pixels))
            if self.has_pyramid and tile == 0:
                half = pixels[::2, ::2]
                index.pop("M", None)
                small = self._entry(len(body), (x, y), pixels.shape[:2], half.shape[:2], index, pyramid=2)
                entries.append(small)
                body += _sub_block(small, b"", self._encoded(half))
        directory = len(body)
        listed = b"".join(entries)
        body += _segment(b"ZISRAWDIRECTORY", struct.pack("<i124x", len(entries)) + listed)
        metadata = 0
        if self.has_metadata:
            metadata = len(body)
            xml = self.xml().encode()
            body += _segment(b"ZISRAWMETADATA", struct.pack("<ii248x", len(xml), 0) + xml)
        attachments = self._attach(body) if self.has_time_stamps else 0
        places = (0, directory, metadata, 0, attachments)
        body[32:112] = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, b"p" * 16, b"f" * 16, *places)
        file.write_bytes(body)
        return file

    def xml(self) -> str:
        """The document's metadata."""
        channels = "".join(
            f'<Channel Id="Channel:{c}" Name="{name}"><ExposureTime>100000000</ExposureTime>'
            f"<ExcitationWavelength>{400 + 50 * c}</ExcitationWavelength>"
            f"<EmissionWavelength>{450 + 50 * c}</EmissionWavelength><Color>#FFFFFFFF</Color></Channel>"
            for c, name in enumerate(self.channels)
        )
        shown = "".join(
            f'<Channel Id="Channel:{c}"><Color>{color}</Color></Channel>'
            for c, color in enumerate(self.colors)
        )
        scenes = "".join(map(_scene_xml, range(len(self.scenes)), self.scenes))
        lengths = dict(zip("XY", self.pixelsize, strict=True)) if self.pixelsize else {}
        if self.z_spacing is not None:
            lengths["Z"] = self.z_spacing
        scaling = "".join(
            f'<Distance Id="{axis}"><Value>{value!r}</Value></Distance>' for axis, value in lengths.items()
        )
        return (
            '<?xml version="1.0" encoding="utf-8"?><ImageDocument><Metadata><Information><Image>'
            f"<SizeT>{self.size_t}</SizeT><Dimensions><Channels>{channels}</Channels><S><Scenes>{scenes}</Scenes></S>"
            f"<T><StartTime>{START.isoformat()}</StartTime></T></Dimensions>"
            '<ObjectiveSettings><ObjectiveRef Id="Objective:1"/></ObjectiveSettings></Image><Instrument><Objectives>'
            '<Objective Id="Objective:1" Name="Plan-Apochromat 20x/0.8"><LensNA>0.8</LensNA>'
            "<NominalMagnification>20</NominalMagnification></Objective></Objectives></Instrument></Information>"
            f"<Scaling><Items>{scaling}</Items></Scaling>"
            f"<DisplaySetting><Channels>{shown}</Channels></DisplaySetting></Metadata></ImageDocument>"
        )

    def _entry(
        self,
        position: int,
        corner: tuple[int, int],
        size: tuple[int, ...],
        stored: tuple[int, ...],
        index: Mapping[str, int],
        pyramid: int,
    ) -> bytes:
        dimensions = [("X", corner[0], size[1], stored[1]), ("Y", corner[1], size[0], stored[0])]
        dimensions += [(name, value, 1, 1) for name, value in index.items()]
        head = struct.pack(
            "<2siqiiB5si",
            b"DV",
            _PIXEL_TYPES[self.dtype, self.samples],
            position,
            self.part,
            COMPRESSIONS[self.compression],
            pyramid,
            b"",
            len(dimensions),
        )
        return head + b"".join(
            struct.pack("<4siifi", name.encode(), start, size, 0.0, stored)
            for name, start, size, stored in dimensions
        )

    def _tags(self, scene: int, tile: int, c: int, z: int, t: int) -> bytes:
        tags = ""
        if self.has_times:
            tags += f"<AcquisitionTime>{self.when(z, c, t):%Y-%m-%dT%H:%M:%S.%f}0Z</AcquisitionTime>"
        if self.has_stage and self.pixelsize is not None:
            x, y = self.position(scene, tile)
            tags += f"<StageXPosition>{self.stage_sign * x:+020.4f}</StageXPosition>"
            tags += f"<StageYPosition>{self.stage_sign * y:+020.4f}</StageYPosition>"
        return f"<METADATA><Tags>{tags}</Tags></METADATA>".encode()

    def _encoded(self, pixels: NDArray[Any]) -> bytes:
        import imagecodecs

        stored = (
            pixels if self.samples == 1 else np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: self.samples]])
        )
        match self.compression:
            case "jpeg":
                return bytes(imagecodecs.jpeg_encode(pixels, lossless=True, bitspersample=8))
            case "lzw":
                return bytes(imagecodecs.lzw_encode(stored.tobytes()))
            case "jpegxr":
                return _blue_first(bytes(imagecodecs.jpegxr_encode(pixels, level=1.0)))
            case "zstd0":
                return bytes(imagecodecs.zstd_encode(stored.tobytes()))
            case "zstd1" if stored.itemsize == 2:
                halves = np.frombuffer(stored.tobytes(), np.uint8).reshape(-1, 2).T.tobytes()
                return b"\x03\x01\x01" + bytes(imagecodecs.zstd_encode(halves))
            case "zstd1":
                return b"\x01" + bytes(imagecodecs.zstd_encode(stored.tobytes()))
            case _:
                return stored.tobytes()

    def _attach(self, body: bytearray) -> int:
        """The attachment with the time stamps; where the list of attachments begins."""
        times = [t * self.seconds for t in range(self.size_t)]
        data = struct.pack("<ii", 8 + 8 * len(times), len(times)) + np.array(times, "<f8").tobytes()
        position = len(body)
        body += _segment(b"ZISRAWATTACH", struct.pack("<i252x", len(data)) + data)
        entry = struct.pack("<2s10sqi16s8s80s", b"A1", b"", position, 0, b"g" * 16, b"CZTIMS", b"TimeStamps")
        start = len(body)
        body += _segment(b"ZISRAWATTDIR", struct.pack("<i252x", 1) + entry)
        return start


def contract_plate(folder: Path) -> Path:
    """A plate of two wells, each a mosaic of two tiles."""
    tiles = ((0, 0), (32, 0))
    scenes = (Scene("B2", tiles, (2, 2)), Scene("C4", tiles, (3, 4), (19000.0, 11000.0)))
    return Czi(scenes=scenes).write(folder / "plate.czi")


def _scene_xml(number: int, scene: Scene) -> str:
    shape = ""
    if scene.well is not None:
        row, column = scene.well
        shape = f"<Shape><RowIndex>{row}</RowIndex><ColumnIndex>{column}</ColumnIndex></Shape>"
    center = f"<CenterPosition>{scene.stage[0]},{scene.stage[1]}</CenterPosition>"
    return f'<Scene Index="{number}" Name="{scene.name}">{center}{shape}</Scene>'


def _blue_first(picture: bytes) -> bytes:
    """ZEN declares colours of 8 bits as blue, green, red; the codec stores them alike."""
    guid = bytes.fromhex("24c3dd6f034efe4bb1853d77768dc9")
    return picture.replace(guid + b"\x0d", guid + b"\x0c")


def _segment(name: bytes, data: bytes) -> bytes:
    allocated = -len(data) % 32 + len(data)
    return struct.pack("<16sqq", name, allocated, len(data)) + data + bytes(allocated - len(data))


def _sub_block(entry: bytes, tags: bytes, pixels: bytes) -> bytes:
    head = struct.pack("<iiq", len(tags), 0, len(pixels)) + entry
    return _segment(b"ZISRAWSUBBLOCK", head + bytes(max(0, 256 - len(head))) + tags + pixels)
