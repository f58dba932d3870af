"""Where MetaXpress puts the files of a plate, and what their names say."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError
from tiles2zarr.models import well_name
from tiles2zarr.models.documents import one_line
from tiles2zarr.sources.choosing import no_measurement, several_measurements

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEX = "[0-9A-Fa-f]"
_GUID = rf"{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}"
# Letters of wells are capitals, those of sites and wavelengths are not: that tells the tenth site (s10) from a well.
# Archives have turned whole names into small letters; there a well is what a site or wavelength follows.
_WELL = "[A-Z]{1,2}[0-9]{2}|[a-p][0-9]{2}(?=_[sw][0-9])"
_NAME = re.compile(
    rf"(?:(?P<plate>.+?)_)?(?P<well>{_WELL})"
    r"(?:_s(?P<site>[0-9]{1,6}))?(?:_w(?P<wave>[0-9]{1,4}))?"
    rf"(?P<thumb>_thumb)?(?:{_GUID}|_?\[{_GUID}\])?\.(?i:tiff?|png|jpe?g)"
)
_PART = re.compile(r"(TimePoint|ZStep)_([0-9]{1,6})", re.IGNORECASE)
# How far below the path a plate may lie (name/date/number), and how many folders are looked into for it.
_DEPTH, _FOLDERS = 4, 300
_TIFF = ".tif"  # what pictures of results are not
_GLANCE = 2000  # entries of a folder that are looked at to recognise it


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image, as far as its name and folders tell.

    Attributes:
        path: relative to the plate's folder, with ``/``.
        plate: what the name begins with; empty where it begins with the well.
        well: such as ``A01``.
        site: number from 1; 1 where the name says none.
        wave: number of the wavelength from 1; 1 where the name says none.
        timepoint: number of its folder; None: it is in none.
        z_step: number of its folder, 0 holds projections; None: it is in none.
    """

    path: str
    plate: str
    well: str
    site: int
    wave: int
    timepoint: int | None
    z_step: int | None


def is_htd_name(name: str) -> bool:
    """Whether a file is called as the description of a plate."""
    return name.lower().endswith(".htd") and not name.startswith(".")


def image_name(name: str) -> re.Match[str] | None:
    """The parts of the name of an image; None for thumbnails and for whatever else lies there."""
    match = None if name.startswith(".") else _NAME.fullmatch(name)
    return match if match is not None and match["thumb"] is None and match["well"][-2:] != "00" else None


def plate_folder(path: Path) -> Path:
    """The folder of the one plate in or below a path.

    Args:
        path: the plate's folder, one of its parents, or its `.HTD`.

    Raises:
        SourceError: there is no plate, or there are several.
    """
    path = Path(os.path.abspath(path))
    if not path.is_dir():
        if not is_htd_name(path.name) or not path.exists():
            raise no_measurement(path, ".HTD")
        return home_of(path.parent)
    found = sorted(plates_below(path, most=None))
    if len(found) > 1:
        raise several_measurements(path, [Path(folder) for folder in found])
    if found:
        return Path(found[0])
    # Plates are looked for by their TIFFs; of pictures somebody has to say that they are a plate.
    if not _any_image(path):
        expected = "images that are called as MetaXpress does (<plate>_B02_s1_w1.TIF)"
        msg = f"{path}: expected {expected}, found none: choose the folder of the plate"
        raise SourceError(msg)
    return path


def is_part(folder: Path) -> bool:
    """Whether a folder is that of one timepoint or z-plane."""
    return _PART.fullmatch(folder.name) is not None


def home_of(folder: Path) -> Path:
    """The folder of the plate that a folder of it belongs to."""
    while is_part(folder):
        folder = folder.parent
    return folder


def _any_image(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(image_name(entry.name) for entry in entries)
    except OSError:  # what cannot be listed, or is not there, holds no image
        return False


def plates_below(path: Path, most: int | None = _GLANCE) -> Iterator[str]:
    """Folders of plates in or below a folder, as they are found.

    Args:
        path: the folder.
        most: how many entries of each folder are looked at; None: all.
    """
    level, looked = [str(path)], 0
    for _ in range(_DEPTH + 1):
        below: list[str] = []
        for folder in level:
            looked += 1
            if most is not None and looked > _FOLDERS:
                return
            is_plate, folders = _glance(folder, most)
            if is_plate:
                yield folder
            else:
                below += folders
        level = sorted(below)


def _glance(folder: str, most: int | None) -> tuple[bool, list[str]]:
    """Whether a folder is that of a plate, and the folders in it."""
    folders = []
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, most):
                if entry.is_dir():
                    if _PART.fullmatch(entry.name):
                        return True, []
                    folders.append(entry.path)
                elif is_htd_name(entry.name) or (image_name(entry.name) and _TIFF in entry.name.lower()):
                    return True, []
    except OSError:  # what cannot be listed is no plate that can be read
        return False, []
    return False, [path for path in folders if not os.path.basename(path).startswith(".")]


def files_of(folder: Path, plate: str | None) -> tuple[list[ImageFile], list[Path], bool]:
    """The images of a plate, its `.HTD` files, those in the plate's folder first, and whether it is one of several.

    Args:
        folder: of the plate.
        plate: what the names of its images begin with; None: whatever all of them begin with.

    Raises:
        SourceError: the folder cannot be read, or there are images of several plates in it.
    """
    images: list[ImageFile] = []
    descriptions: list[Path] = []
    for parts, timepoint, z_step in _parts(folder, "", None, None):
        with os.scandir(folder / parts) as entries:
            for name in sorted(entry.name for entry in entries):
                match = image_name(name)
                if match is not None:
                    images.append(
                        ImageFile(
                            path=f"{parts}/{name}" if parts else name,
                            plate=match["plate"] or "",
                            well=well_name(match["well"]),
                            site=int(match["site"] or 1),
                            wave=int(match["wave"] or 1),
                            timepoint=timepoint,
                            z_step=z_step,
                        )
                    )
                elif is_htd_name(name):
                    descriptions.append(folder / parts / name)
    chosen = _of_one_plate(folder, images, plate)
    return _without_pictures(chosen), descriptions, len(chosen) < len(images)


def _without_pictures(images: list[ImageFile]) -> list[ImageFile]:
    """The images without pictures (PNG, JPEG) that lie beside a TIFF of the same: those show results."""

    def place(image: ImageFile) -> tuple[object, ...]:
        return image.well, image.site, image.wave, image.timepoint, image.z_step

    is_tiff = [_TIFF in os.path.splitext(image.path)[1].lower() for image in images]
    if all(is_tiff):
        return images
    taken = {place(image) for image, is_one in zip(images, is_tiff, strict=True) if is_one}
    return [
        image for image, is_one in zip(images, is_tiff, strict=True) if is_one or place(image) not in taken
    ]


def _parts(
    folder: Path, parts: str, timepoint: int | None, z_step: int | None
) -> list[tuple[str, int | None, int | None]]:
    """The folder, and those of timepoints and z-planes in it, each with its numbers."""
    found = [(parts, timepoint, z_step)]
    try:
        with os.scandir(folder / parts) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"{folder / parts}: cannot be read: {reason}: ask for the right to read it"
        raise SourceError(msg) from error
    for name in names:
        match = _PART.fullmatch(name)
        if match is None:
            continue
        below = f"{parts}/{name}" if parts else name
        number = int(match[2])
        if match[1].lower() == "timepoint" and timepoint is None:
            found += _parts(folder, below, number, z_step)
        elif match[1].lower() == "zstep" and z_step is None:
            found += _parts(folder, below, timepoint, number)
    return found


def _of_one_plate(folder: Path, images: list[ImageFile], plate: str | None) -> list[ImageFile]:
    counts = Counter(image.plate for image in images)
    if plate is not None and plate in counts:
        return [image for image in images if image.plate == plate]
    if len(counts) > 1:
        shown = ", ".join(repr(name) for name in sorted(counts)[:10])
        remedy = "move each plate into a folder of its own, or give its .HTD file"
        msg = one_line(
            f"{folder}: expected images of one plate, found names that begin with {shown}: {remedy}", 900
        )
        raise SourceError(msg)
    return images
