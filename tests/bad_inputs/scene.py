"""A good plate that is about to be spoilt, and the shape of a case that spoils it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tests.table_plates import TablePlate, small_plate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIRST, SECOND, THIRD = "A01_f0_t0_c0_z0.tif", "A01_f0_t0_c1_z0.tif", "A01_f1_t0_c0_z0.tif"
#: The tile that is spoilt where only one is: neither the first, which is looked at for what the table leaves
#: out, nor the last.
TILE = SECOND
SIDE = (12, 16)
#: A list in a list in a list, in JSON and in TOML.
DEEP = "[" * 100_000 + "]" * 100_000


@dataclass
class Scene:
    """What one command line is about.

    Attributes:
        root: holds everything; nothing in it may change while the command runs.
        plate: four tiles of two fields and two channels, already written.
        source: first argument.
        dest: second argument; not there.
        options: further arguments.
    """

    root: Path
    plate: TablePlate
    source: Path
    dest: Path
    options: list[str] = field(default_factory=list)

    @classmethod
    def within(cls, root: Path) -> Scene:
        """A good plate in a folder of its own."""
        plate = small_plate(root / "plate", wells=(("A", 1),), planes=1, side=SIDE)
        return cls(root, plate, plate.write(), root / "out")

    @property
    def folder(self) -> Path:
        return self.plate.folder

    @property
    def tile(self) -> Path:
        return self.folder / TILE

    @property
    def table(self) -> Path:
        return self.folder / "tiles.csv"

    @property
    def toml(self) -> Path:
        return self.folder / "acquisition_details.toml"

    def arguments(self) -> list[str]:
        return ["convert", str(self.source), str(self.dest), *self.options]


@dataclass(frozen=True)
class BadInput:
    """One way to spoil a plate, and what must be said about it.

    Attributes:
        name: of the case.
        spoil: changes the files of a scene, or its arguments.
        says: pattern of the message; ``{tile}``, ``{table}``, ``{toml}``, ``{source}``, ``{folder}`` and
            ``{dest}`` are paths of the scene.
        errors: how many findings there are to report.
        needs: ``nobody`` is run without the rights of the superuser; ``posix`` asks for what Windows has not.
    """

    name: str
    spoil: Callable[[Scene], object]
    says: str
    errors: int = 1
    needs: Literal["", "posix", "nobody"] = ""

    def pattern(self, scene: Scene) -> str:
        """The pattern of the message for one scene."""
        pattern = self.says
        for name in ("tile", "table", "toml", "source", "folder", "dest"):
            pattern = pattern.replace(f"{{{name}}}", re.escape(str(getattr(scene, name))))
        return pattern


def options(*arguments: str) -> Callable[[Scene], object]:
    """Spoil the command line only."""
    return lambda scene: scene.options.extend(arguments)


def setting(text: str) -> Callable[[Scene], object]:
    """Spoil one ``--set``."""
    return options("--set", text)


def content(data: bytes | str, name: str = TILE) -> Callable[[Scene], object]:
    """Replace a file of the folder."""
    as_bytes = data.encode() if isinstance(data, str) else data
    return lambda scene: replace_file(scene.folder / name, as_bytes)


def replace_file(file: Path, data: bytes) -> None:
    """Write a file anew."""
    file.unlink(missing_ok=True)
    file.write_bytes(data)


def single_tile(scene: Scene, data: bytes, **row: Any) -> None:
    """Make the plate one tile, whose file holds these bytes."""
    scene.plate.rows = [scene.plate.rows[0] | {"file_path": TILE} | row]
    for name in scene.plate.pixels:
        (scene.folder / name).unlink()
    scene.plate.write_table()
    scene.tile.write_bytes(data)
