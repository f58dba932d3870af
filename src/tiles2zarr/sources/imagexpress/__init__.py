"""Plates of an ImageXpress, as MetaXpress exports them or keeps them in its database."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import DefaultImageLoader
from tiles2zarr.models.image_files import read_header
from tiles2zarr.models.image_files.description import each_first_page, read_description
from tiles2zarr.sources.imagexpress.folders import (
    files_of,
    home_of,
    image_name,
    is_htd_name,
    is_part,
    plate_folder,
    plates_below,
)
from tiles2zarr.sources.imagexpress.htd import is_htd, read_htd
from tiles2zarr.sources.imagexpress.metaseries import PlaneInfo, is_metaseries, plane_info
from tiles2zarr.sources.imagexpress.originals import originals_of
from tiles2zarr.sources.imagexpress.parts import parts_of
from tiles2zarr.sources.imagexpress.plate import Plate
from tiles2zarr.sources.imagexpress.stk import is_stk, with_stk
from tiles2zarr.sources.naming import plate_name
from tiles2zarr.sources.scanning import scan_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tiles2zarr.models import ImageLoaderInterface
    from tiles2zarr.sources.base import Scan, ScanRequest
    from tiles2zarr.sources.imagexpress.folders import ImageFile
    from tiles2zarr.sources.imagexpress.htd import Htd

_GLANCE = 2000  # entries of a folder that are looked at to recognise it
_TRIED = 3  # images: the first may be damaged


class ImageXpressSource:
    """A folder of images that MetaXpress wrote, with or without an `.HTD`; or the `.HTD` itself.

    Names and folders say wells, sites and wavelengths. Timepoint, z-plane and projection are what the metadata in
    each image say, because an export fills places where nothing was taken with copies.
    """

    name: ClassVar[str] = "imagexpress"
    title: ClassVar[str] = "Molecular Devices ImageXpress (MetaXpress)"
    extra: ClassVar[str | None] = None
    libraries: ClassVar[tuple[str, ...]] = ()
    loader: ClassVar[type[ImageLoaderInterface]] = DefaultImageLoader

    def detect(self, path: Path) -> str | None:
        """Whether there is an `.HTD`, or an image with metadata of MetaXpress that is called as those are."""
        if not path.is_dir():
            return "it is the .HTD of a plate" if is_htd_name(path.name) and is_htd(path) else None
        reasons = (_reason(Path(folder)) for folder in islice(plates_below(path), 3))
        return next((reason for reason in reasons if reason is not None), None)

    def scan(self, request: ScanRequest) -> Scan:
        """All planes of the plate; of each image only the first page's tags are read.

        Raises:
            SourceError: there is no plate or there are several; images of several fields of view lack stage
                positions; pixel sizes contradict each other.
            OptionsError: the plate's name is no valid name.
        """
        path = Path(os.path.abspath(request.path))
        folder = plate_folder(path)
        images, descriptions, is_one_of_several = files_of(
            folder, path.stem if is_htd_name(path.name) else None
        )
        if not images:
            expected = "images that are called as MetaXpress does (<plate>_B02_s1_w1.TIF)"
            msg = f"{folder}: expected {expected}, found none: copy them into the folder"
            raise SourceError(msg)
        htd, findings = _htd(path, descriptions)
        infos, damaged = _described(folder, images)
        plate = Plate(
            folder=folder,
            name=plate_name(request, None if is_one_of_several else home_of(folder)),
            acquisition_id=request.acquisition_id,
            images=images,
            infos=infos,
            damaged=damaged,
            originals=originals_of(images, infos, damaged),
            htd=htd,
            is_part=is_part(folder),
        )
        parts, noticed = parts_of(plate)
        kept = [path] if path in descriptions else descriptions[:1]
        return scan_of(request, folder, parts, metadata_files=kept, findings=[*findings, *noticed])


def _reason(folder: Path) -> str | None:
    """Why the folder of a plate is one of MetaXpress; its files may lie one or two folders deeper."""
    level = [folder]
    for _ in range(3):
        below: list[Path] = []
        for part in level[:3]:
            with os.scandir(part) as entries:
                listed = list(islice(entries, _GLANCE))
            names = sorted(entry.name for entry in listed)
            if any(name.lower().endswith(".jdce") for name in names):
                return None
            for name in names:
                if is_htd_name(name) and is_htd(part / name):
                    return f"it has an .HTD ({name})"
            images = [part / name for name in names if image_name(name)][:_TRIED]
            if images:
                return "its images have metadata of MetaXpress" if any(map(_has_metadata, images)) else None
            below += [part / entry.name for entry in listed if entry.is_dir()]
        level = sorted(below)
    return None


def _has_metadata(file: Path) -> bool:
    try:
        return is_metaseries(read_description(file)) or is_stk(file)
    except SourceError:
        return False


def _htd(path: Path, descriptions: Sequence[Path]) -> tuple[Htd | None, list[Finding]]:
    """What the plate's `.HTD` says; it is not needed, so a damaged one is only reported, unless the user gave it.

    Raises:
        SourceError: the file that the user gave is no `.HTD`.
    """
    if not path.is_dir():
        return read_htd(path), []
    for file in descriptions[:1]:
        try:
            return read_htd(file), []
        except SourceError as error:
            message = f"{str(error).removeprefix(f'{file}: ')} (the plate is read without it)"
            return None, [Finding("warning", "unreadable-file", str(file), message)]
    return None, []


def _described(folder: Path, images: Sequence[ImageFile]) -> tuple[list[PlaneInfo], dict[int, SourceError]]:
    """What each image says of itself, and the errors of those that cannot be read: preflight will name all."""
    infos: list[PlaneInfo] = []
    damaged: dict[int, SourceError] = {}
    paths = [folder / image.path for image in images]
    for path, found in zip(paths, each_first_page(paths, plane_info), strict=True):
        info = found if isinstance(found, PlaneInfo) else _picture(path)
        if isinstance(info, SourceError):
            damaged[len(infos)] = info
        infos.append(PlaneInfo(0, 0) if isinstance(info, SourceError) else info)
    files = [
        path if not (info.is_described or index in damaged) else None
        for index, (path, info) in enumerate(zip(paths, infos, strict=True))
    ]
    return with_stk(infos, files), damaged


def _picture(file: Path) -> PlaneInfo | SourceError:
    """What is known of a file that is no TIFF, or its error: a PNG or JPEG holds no metadata of MetaXpress."""
    try:
        header = read_header(file)
    except SourceError as error:
        return error
    return PlaneInfo(header.height, header.width)
