"""Where the measurement of a folder is, and which instrument wrote it."""

from __future__ import annotations

import ntpath
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tiles2zarr.errors import SourceError
from tiles2zarr.models.documents import one_line
from tiles2zarr.sources.choosing import no_measurement, several_measurements

CELLVOYAGER = "cellvoyager"
CQ = "cq3k"

_MLF = ".mlf"
_USUAL = "MeasurementData.mlf"
_FAMILY = frozenset({_MLF, ".mrf", ".mes", ".wpi", ".wpp"})
_IMAGE_FOLDERS = frozenset({"image", "images", "projection"})
_GLANCE = 2**16  # bytes
_IMAGE_NAME = re.compile(rb">\s*([^<>]*?\.[A-Za-z]{3,4})\s*</(?:\w+:)?MeasurementRecord>")
#: Well number, field, timepoint, z-plane and channel in the names that CQ1 and CQ3K give to images.
CQ_NAME = re.compile(r"(?:^|[/\\])W(\d{1,9})F\d+T\d+Z\d+C\d+\.\w+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Measurement:
    """The files of one measurement, as absolute paths.

    Attributes:
        mlf: the list of measurement records.
        others: names of the files beside it, without hidden ones.
    """

    mlf: Path
    others: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """What the names in the list start from."""
        return self.mlf.parent

    def beside(self, said: str | None, suffix: str) -> Path | None:
        """The file of a kind: the one that the metadata name, else the only one with this suffix."""
        if said is not None and ntpath.basename(said) in self.others:
            return self.folder / ntpath.basename(said)
        found = [name for name in self.others if name.lower().endswith(suffix)]
        return self.folder / found[0] if len(found) == 1 else None


def measurement_at(path: Path) -> Measurement:
    """The one measurement of a folder, of its only subfolder that has one, of the folder above, or of a file.

    Raises:
        SourceError: there is none, or more than one.
    """
    found = _lists(path)
    if not found and not path.is_dir():
        raise no_measurement(path, _USUAL)
    if not found:
        msg = f"{path}: expected a MeasurementData.mlf in this folder, found none: check the path"
        raise SourceError(msg)
    if len(found) > 1:
        raise several_measurements(path if path.is_dir() else path.parent, found)
    (mlf,) = found
    return Measurement(mlf, tuple(_visible_names(mlf.parent)))


def claim(path: Path, kind: str) -> str | None:
    """Why a folder or file is a measurement of this kind of instrument; None when it is not."""
    found = _lists(path)
    if not found or _kind(found[0]) != kind:
        return None
    if len(found) > 1:
        return f"it has {len(found)} measurements"
    return f"it has a {one_line(found[0].name, 100)}"


def _lists(path: Path) -> list[Path]:
    path = Path(os.path.abspath(path))
    if path.is_file():
        if path.suffix.lower() == _MLF:
            return [path]
        return _lists_in(path.parent) if path.suffix.lower() in _FAMILY else []
    if found := _lists_in(path):
        return found
    if path.name.lower() in _IMAGE_FOLDERS and (found := _lists_in(path.parent)):
        return found
    # Of other folders only the usual name counts: to list them all may take long.
    return [file for folder in _subfolders(path) if os.path.isfile(file := folder / _USUAL)]


def _lists_in(folder: Path) -> list[Path]:
    return [folder / name for name in _visible_names(folder) if name.lower().endswith(_MLF)]


def _visible_names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError:
        return []


def _subfolders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return sorted(
                Path(entry.path) for entry in entries if not entry.name.startswith(".") and entry.is_dir()
            )
    except OSError:
        return []


def _kind(mlf: Path) -> str | None:
    """By the name of the first image, which is all that differs for sure."""
    try:
        with open(mlf, "rb") as file:
            start = file.read(_GLANCE).replace(b"\0", b"")  # of UTF-16
    except OSError:
        return None
    if b"MeasurementData" not in start and b"MeasurementRecord" not in start:
        return None
    for match in _IMAGE_NAME.finditer(start):
        return CQ if CQ_NAME.search(match[1].decode(errors="replace")) else CELLVOYAGER
    return CELLVOYAGER
