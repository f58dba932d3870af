"""A simulated LAS X: writes LIF files block by block, with every quirk as a switch."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.simulators.truth import plane

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_NUMBERS = {"x": 1, "y": 2, "z": 3, "t": 4, "λ": 5, "rotation": 6, "Λ": 9, "m": 10, "loop": 11}
_BITS = {"uint8": (0, 8), "uint16": (0, 12), "float32": (1, 32)}
#: Ticks of 100 ns since 1601 when the first frame was taken.
FIRST_TICK = 132_593_507_579_510_000
_UNITS = {"x": "m", "y": "m", "z": "m", "t": "s", "λ": "m", "Λ": "m"}


@dataclass(frozen=True)
class Series:
    """An image.

    Attributes:
        name: its own.
        folders: that it is in.
        axes: letters and counts, from the fastest in memory to the slowest; ``c`` stands for the channels.
        luts: a lookup table for each channel.
        dyes: what the channels are called, by LAS X 4; empty: not said.
        dtype: of the pixels.
        steps: distance of two positions of an axis, in metres or seconds.
        origins: the first position of an axis.
        stage: metres; of the only tile, or of each.
        flips: FlipX, FlipY and SwapXY.
        stamps: ``new`` (hexadecimal), ``old`` (elements), ``none``.
        seconds: between two frames of memory.
        padding: unused bytes after each row.
        is_taken: False: there are no pixels.
        is_flim: it is a histogram of photon arrival times.
    """

    name: str = "Series001"
    folders: tuple[str, ...] = ()
    axes: Mapping[str, int] = field(default_factory=lambda: {"x": 20, "y": 16, "c": 2, "z": 3})
    luts: tuple[str, ...] = ("Green", "Red")
    dyes: tuple[str, ...] = ()
    dtype: str = "uint8"
    steps: Mapping[str, float] = field(
        default_factory=lambda: {"x": 2e-7, "y": 2e-7, "z": 1e-6, "t": 4.0, "λ": 1e-8, "Λ": 1e-8, "m": 1.0}
    )
    origins: Mapping[str, float] = field(default_factory=dict)
    stage: tuple[tuple[float, float], ...] = ((0.01, 0.02),)
    flips: tuple[int, int, int] = (0, 0, 0)
    stamps: str = "new"
    seconds: float = 0.5
    padding: int = 0
    is_taken: bool = True
    is_flim: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """Folders and name."""
        return (*self.folders, self.name)

    def pixels(self, c: int = 0, z: int = 0, t: int = 0, m: int = 0, extra: int = 0) -> NDArray[Any]:
        """One plane; its axes are the two fastest ones in space, slower one first."""
        x, y = (count for name, count in self.axes.items() if name in self.plane)
        return plane("/".join(self.path), m, c, z, t + 1000 * extra, y, x, self.dtype)

    @property
    def plane(self) -> tuple[str, ...]:
        """The names of the plane's axes, fastest first."""
        return tuple(name for name in self.axes if name in ("x", "y", "z"))[:2]

    def memory(self) -> bytes:
        """All pixels as they lie in the file."""
        rest = [name for name in self.axes if name not in (*self.plane, "c")]
        space = next((name for name in rest if name in ("y", "z")), None)
        letters = [*reversed(self.axes)]
        data = np.zeros([self.axes[name] for name in letters], self.dtype)
        for index in np.ndindex(*(self.axes[name] for name in rest)):
            at = dict(zip(rest, index, strict=True))
            others = [name for name in rest if name not in ("t", "m", space)]
            lengths = [self.axes[name] for name in others]
            extra = int(np.ravel_multi_index([at[name] for name in others], lengths)) if others else 0
            for c in range(self.axes.get("c", 1)):
                where = {**at, "c": c}
                slot = tuple(where.get(name, slice(None)) for name in letters)
                z = at[space] if space is not None else 0
                data[slot] = self.pixels(c, z, at.get("t", 0), at.get("m", 0), extra)
        if self.padding:
            rows = data.reshape(-1, data.shape[-1]).view(np.uint8)
            return np.pad(rows, ((0, 0), (0, self.padding))).tobytes()
        return data.tobytes()

    def strides(self) -> dict[str, int]:
        """Bytes from one position of each axis to the next."""
        step = np.dtype(self.dtype).itemsize
        steps = {}
        for number, (name, count) in enumerate(self.axes.items()):
            steps[name] = step
            step *= count
            if number == 0:
                step += self.padding
        return steps

    def xml(self, block: str, children: str = "") -> str:
        """The series as an Element."""
        if self.is_flim:
            return f'<Element Name="{self.name}"><Data><SingleMoleculeDetection/></Data><Memory Size="0"/></Element>'
        strides = self.strides()
        kind, bits = _BITS[self.dtype]
        channels = "".join(
            f'<ChannelDescription DataType="{kind}" ChannelTag="0" Resolution="{bits}" NameOfMeasuredQuantity="" '
            f'Min="0" Max="255" Unit="" LUTName="{lut}" IsLUTInverted="0" BytesInc="{number * strides.get("c", 0)}" '
            f'BitInc="0">{self._dye(number)}</ChannelDescription>'
            for number, lut in enumerate(self.luts[: self.axes.get("c", 1)])
        )
        dimensions = "".join(
            f'<DimensionDescription DimID="{_NUMBERS[name]}" NumberOfElements="{count}" '
            f'Origin="{self.origins.get(name, 0.0):e}" Length="{self.steps.get(name, 1.0) * (count - 1):e}" '
            f'Unit="{_UNITS.get(name, "")}" BitInc="0" BytesInc="{strides[name]}"/>'
            for name, count in self.axes.items()
            if name != "c"
        )
        size = len(self.memory()) if self.is_taken else 0
        return (
            f'<Element Name="{self.name}"><Data><Image TextDescription=""><ImageDescription><Channels>{channels}'
            f"</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription>{self._stamps()}{self._scan()}"
            f'{self._hardware()}</Image></Data><Memory Size="{size}" MemoryBlockID="{block}"/>'
            f"<Children>{children}</Children></Element>"
        )

    def _dye(self, number: int) -> str:
        if not self.dyes:
            return ""
        return f"<ChannelProperty><Key>DyeName</Key><Value>{self.dyes[number]}</Value></ChannelProperty>"

    def _stamps(self) -> str:
        counts = [count for name, count in self.axes.items() if name not in self.plane]
        ticks = [FIRST_TICK + round(number * self.seconds * 1e7) for number in range(int(np.prod(counts)))]
        if self.stamps == "none":
            return ""
        if self.stamps == "old":
            each = "".join(
                f'<TimeStamp HighInteger="{tick >> 32}" LowInteger="{tick & 0xFFFFFFFF}"/>' for tick in ticks
            )
            return f'<TimeStampList NumberOfTimeStamps="{len(ticks)}">{each}</TimeStampList>'
        listed = " ".join(f"{tick:x}" for tick in ticks)
        return f'<TimeStampList NumberOfTimeStamps="{len(ticks)}">{listed} </TimeStampList>'

    def _scan(self) -> str:
        if "m" not in self.axes:
            return ""
        tiles = "".join(
            f'<Tile FieldX="{number}" FieldY="0" PosX="{x!r}" PosY="{y!r}" PosZ="0"/>'
            for number, (x, y) in enumerate(self.stage)
        )
        x, y, swap = self.flips
        return f'<Attachment Name="TileScanInfo" FlipX="{x}" FlipY="{y}" SwapXY="{swap}">{tiles}</Attachment>'

    def _hardware(self) -> str:
        x, y, swap = self.flips
        stage = f'StagePosX="{self.stage[0][0]!r}" StagePosY="{self.stage[0][1]!r}"' if self.stage else ""
        return (
            '<Attachment Name="HardwareSetting"><ATLConfocalSettingDefinition '
            f'{stage} FlipX="{x}" FlipY="{y}" SwapXY="{swap}" Magnification="63" '
            'ObjectiveName="HC PL APO    63x/1.40 " NumericalAperture="1.4"><DetectorList>'
            '<Detector Channel="1" IsActive="1"/><Detector Channel="2" IsActive="0"/>'
            '<Detector Channel="3" IsActive="1"/>'
            '</DetectorList><Spectro><MultiBand Channel="1" LeftWorld="500" RightWorld="540" DyeName="Leica/FITC"/>'
            '<MultiBand Channel="2" LeftWorld="0" RightWorld="0" DyeName=""/>'
            '<MultiBand Channel="3" LeftWorld="600" RightWorld="660" DyeName="Leica/TRITC"/></Spectro>'
            "</ATLConfocalSettingDefinition></Attachment>"
        )


def write_lif(file: Path, series: tuple[Series, ...], version: int = 2, declaration: str = "") -> Path:
    """A LIF file of these series, in this order.

    Args:
        file: where to write.
        series: at least one.
        version: 1 for sizes of 32 bits, 2 for 64.
        declaration: an XML declaration.
    """
    blocks = {f"MemBlock_{number}": item for number, item in enumerate(series)}
    tree = _tree([(item.folders, item.xml(block)) for block, item in blocks.items()])
    xml = (
        f'{declaration}<LMSDataContainerHeader Version="{version}"><Element Name="project"><Data><Experiment/></Data>'
        f'<Memory Size="0" MemoryBlockID="MemBlock_x"/><Children>{tree}</Children></Element></LMSDataContainerHeader>'
    )
    data = struct.pack("<IIBI", 0x70, 2 * len(xml) + 5, 0x2A, len(xml)) + xml.encode("utf-16-le")
    for block, item in blocks.items():
        memory = item.memory() if item.is_taken and not item.is_flim else b""
        name = block.encode("utf-16-le")
        layout = "<IIBQBI" if version == 2 else "<IIBIBI"
        size = 2 * len(block) + (14 if version == 2 else 10)
        data += struct.pack(layout, 0x70, size, 0x2A, len(memory), 0x2A, len(block)) + name + memory
    file.write_bytes(data)
    return file


def contract_plate(folder: Path) -> Path:
    """Two series; the second one is a tile scan of two fields of view."""
    tiles = ((0.01, 0.02), (0.01 + 20 * 2e-7, 0.02))
    scan = Series("Scan", axes={"x": 20, "y": 16, "c": 2, "z": 2, "m": 2}, stage=tiles)
    return write_lif(
        folder / "project.lif", (Series("Single", axes={"x": 20, "y": 16, "c": 2, "z": 2}), scan)
    )


def _tree(items: list[tuple[tuple[str, ...], str]]) -> str:
    """Series in their folders, which LAS X writes as elements without pixels."""
    written = []
    done = set()
    for folders, xml in items:
        if not folders:
            written.append(xml)
        elif folders[0] not in done:
            done.add(folders[0])
            inner = _tree([(path[1:], text) for path, text in items if path[:1] == folders[:1]])
            written.append(
                f'<Element Name="{folders[0]}"><Memory Size="0" MemoryBlockID=""/>'
                f"<Children>{inner}</Children></Element>"
            )
    return "".join(written)
