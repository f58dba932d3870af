"""From the records of an index to planes: places, heights, times, and what the instrument did not take."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import row_name
from tiles2zarr.sources.naming import wells_of
from tiles2zarr.sources.operetta.channels import channels_of, orientation_findings, pixel_size
from tiles2zarr.sources.operetta.locating import ImageFiles
from tiles2zarr.sources.operetta.plates import chosen_plates
from tiles2zarr.sources.operetta.repeated import each_once, in_sequence
from tiles2zarr.sources.planes import NotTaken, Planes, file_loaders
from tiles2zarr.sources.spacing import median_step
from tiles2zarr.sources.timestamps import posix
from tiles2zarr.units import to_micrometre, to_second

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.models import ImageInPlate
    from tiles2zarr.sources.base import ScanRequest
    from tiles2zarr.sources.operetta.index import Index

_LAST_COLUMN = 999
_LAST_ROW = 702
_MOST_LISTED = 10


def planes_of(request: ScanRequest, index: Index, folder: Path) -> tuple[Planes, list[Finding]]:
    """The planes that were taken, and what was noticed.

    Raises:
        SourceError: an image lacks what says where it belongs, or contradicts others.
    """
    index, repeated = each_once(index)
    index, sequences = in_sequence(index)
    index, plate_of = chosen_plates(request, index, folder)
    files = ImageFiles(index.file, folder, allow_outside=request.allow_outside)
    places = _places_of_files(index, files)
    is_taken = np.array([path is not None for path in places], bool)
    kept = np.flatnonzero(is_taken)
    taken, failed = index.take(kept.tolist()), index.take(np.flatnonzero(~is_taken).tolist())
    if not len(taken):
        msg = (
            f"{index.file}: expected at least one image that was taken, found none among {len(index)}: "
            "check the measurement in Harmony, or export it again"
        )
        raise SourceError(msg)
    wells, collections, collection = _wells(request, taken, [plate_of[row] for row in kept.tolist()])
    fields = taken.whole("FieldID", 0)
    numbers, field = np.unique(fields, return_inverse=True)
    ids = taken.whole("ChannelID", 0)
    is_dark = np.isin(failed.whole("ChannelID", 0), ids, invert=True)
    dark = np.flatnonzero(~is_taken)[is_dark].tolist()
    # Channels of which every image failed are among them, so that the scan can say so.
    channels, c_of_all = channels_of(index.take([*kept.tolist(), *dark]))
    c = c_of_all[: len(taken)]
    width = pixel_size(taken, channels, c, "ImageResolutionX")
    height = pixel_size(taken, channels, c, "ImageResolutionY")
    z, t = taken.whole("PlaneID", 0), taken.whole("TimepointID", 0)
    paths = [path for path in places if path is not None]
    size_y, size_x = _sizes(taken, folder, paths)
    planes = Planes(
        collections=collections,
        collection=collection,
        field_names=tuple(f"FOV_{number}" for number in numbers.tolist()),
        field=field,
        channels=channels,
        c=c,
        z=z,
        t=t,
        x=_micrometres(taken, "PositionX"),
        y=-_micrometres(taken, "PositionY") + 0.0,
        height=size_y,
        width=size_x,
        loaders=file_loaders(paths, _pages(taken)),
        pixelsize=width if width is not None else height,
        pixelsize_y=None
        if width is None or height is None or isclose(width, height, rel_tol=1e-6)
        else height,
        focus=_focus(taken, z, [collection, field, c, t]),
        acquired=_acquired(taken),
        not_taken=_not_taken(
            failed, [plate_of[row] for row in np.flatnonzero(~is_taken).tolist()], wells, taken, c
        ),
        declared=frozenset(range(len(channels))),
    )
    return planes, [
        *files.findings(),
        *repeated,
        *sequences,
        *orientation_findings(taken),
        *_not_imaged(index, taken, failed),
    ]


def _places_of_files(index: Index, files: ImageFiles) -> list[str | None]:
    """The file of each image, None where it failed: it has no URL, or another state than ``Ok`` and no file."""
    urls = [url if url and url.strip() else None for url in index.columns["URL"]]
    paths = iter(files.paths([url for url in urls if url is not None]))
    places = [next(paths) if url is not None else None for url in urls]
    for row, state in enumerate(index.columns["State"]):
        path = places[row]
        if (
            path is not None
            and state
            and state.strip().lower() not in ("ok", "")
            and not files.is_there(path)
        ):
            places[row] = None
    return places


def _wells(
    request: ScanRequest, index: Index, plates: Sequence[str]
) -> tuple[dict[tuple[str, int, int], int], tuple[ImageInPlate, ...], NDArray[np.int64]]:
    """The image of each well by plate, row and column, all images, and which one each plane is of."""
    rows, columns = index.whole("Row", 1), index.whole("Col", 1)
    for row in np.flatnonzero((rows > _LAST_ROW) | (columns > _LAST_COLUMN)).tolist():
        found = f"{rows[row]} and {columns[row]}"
        expected = f"Row up to {_LAST_ROW} and Col up to {_LAST_COLUMN}"
        msg = f"{index.place(row)}: expected {expected}, found {found}: export it again"
        raise SourceError(msg)
    places = list(zip(plates, rows.tolist(), columns.tolist(), strict=True))
    wells = {place: number for number, place in enumerate(sorted(set(places)))}
    collections = tuple(
        wells_of([_well(row, column)], plate, request.acquisition_id)[0] for plate, row, column in wells
    )
    return wells, collections, np.array([wells[place] for place in places], np.int64)


def _well(row: int, column: int) -> str:
    return f"{row_name(row - 1)}{column:02d}"


def _micrometres(index: Index, name: str) -> NDArray[np.float64]:
    return to_micrometre(index.needed(name), index.units.get(name, "m"))


def _sizes(index: Index, folder: Path, paths: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Height and width of each image, px; of the first file where the index does not say them."""
    if index.says("ImageSizeX") or index.says("ImageSizeY"):
        return index.whole("ImageSizeY", 1), index.whole("ImageSizeX", 1)
    from tiles2zarr.models.image_files import read_header

    header = read_header(folder / paths[0])
    return np.full(len(index), header.height), np.full(len(index), header.width)


def _pages(index: Index) -> list[int] | None:
    """The page of each image, where Columbus put several into one file."""
    return index.whole("BufferNo", 0).tolist() if index.says("BufferNo") else None


def _focus(index: Index, z: NDArray[np.int64], groups: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The height of each plane, µm.

    ``PositionZ`` counts from where the autofocus found the plate, as people set it; ``AbsPositionZ`` is the drive's
    own and wanders with the plate. Instruments before Harmony 4 repeat one ``PositionZ`` for all planes.
    """
    relative, absolute = (
        to_micrometre(index.numbers(name), index.units.get(name, "m"))
        for name in ("PositionZ", "AbsPositionZ")
    )
    if not np.isfinite(relative).any():
        return absolute
    is_stack = z.min() < z.max()
    return absolute if is_stack and median_step(relative, z, groups) is None else relative


def _acquired(index: Index) -> NDArray[np.float64]:
    """When each image was taken, s since 1970."""
    times = np.array([posix(text) if text else np.nan for text in index.columns["AbsTime"]], np.float64)
    if np.isfinite(times).any() or not index.plates:
        return times
    offsets = to_second(index.numbers("MeasurementTimeOffset"), index.units.get("MeasurementTimeOffset", "s"))
    start = posix(index.plates[0].started)
    return offsets + (start if np.isfinite(start) else 0.0)


def _not_taken(
    failed: Index,
    plates: Sequence[str],
    wells: dict[tuple[str, int, int], int],
    taken: Index,
    c: NDArray[np.int64],
) -> tuple[NotTaken, ...]:
    """Where the instrument says that it failed, in wells of which it took something."""
    places = ("Row", "Col", "FieldID", "ChannelID", "PlaneID", "TimepointID")
    columns = [failed.whole(name, 0).tolist() for name in places]
    field_index = {number: at for at, number in enumerate(np.unique(taken.whole("FieldID", 0)).tolist())}
    channel_index = dict(zip(taken.whole("ChannelID", 0).tolist(), c.tolist(), strict=True))
    states = failed.columns["State"]
    gaps = []
    for row, (well_row, column, field, channel, z, t) in enumerate(zip(*columns, strict=True)):
        well = wells.get((plates[row], well_row, column))
        if well is not None and field in field_index and channel in channel_index:
            state = (states[row] or "").strip()
            reason = "no file was recorded" if state.lower() in ("", "ok") else f"its state is {state[:60]}"
            gaps.append(NotTaken(well, field_index[field], channel_index[channel], z, t, reason))
    return tuple(gaps)


def _not_imaged(index: Index, taken: Index, failed: Index) -> list[Finding]:
    """What the index speaks of, but holds no single image of: wells, and fields of view of other wells."""
    imaged = _places(taken)
    wells = {(row, column) for row, column, _ in imaged}
    declared = {well for plate in index.plates for well in plate.wells} | {
        place[:2] for place in _places(failed)
    }
    findings = []
    if missing := sorted(declared - wells):
        listed = _listed([_well(*well) for well in missing if min(well) > 0])
        message = (
            f"expected images of every selected well, found none of {listed}: export them again if taken"
        )
        findings.append(Finding("warning", "not-imaged", str(index.file), message))
    if lost := sorted(place for place in _places(failed) - imaged if place[:2] in wells):
        listed = _listed([f"{_well(row, column)} FOV_{field}" for row, column, field in lost])
        message = f"expected images of every field of view, found that all failed of {listed}: check them in Harmony"
        findings.append(Finding("warning", "not-imaged", str(index.file), message))
    return findings


def _places(index: Index) -> set[tuple[int, int, int]]:
    """Row, column and field of view of each image."""
    columns = (index.whole(name, 0).tolist() for name in ("Row", "Col", "FieldID"))
    return set(zip(*columns, strict=True))


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + rest
