"""Tiles from a table that somebody wrote.

It is called ``tiles.csv`` or ``tiles.parquet``; ``acquisition_details.toml`` beside it says what all tiles
share.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tiles2zarr.core.dataframe import TILES_TABLE, hcs_images_from_dataframe, single_images_from_dataframe
from tiles2zarr.errors import OptionsError, SourceError
from tiles2zarr.models import DefaultImageLoader
from tiles2zarr.models.documents import one_line
from tiles2zarr.models.values import path_part, valid_path_part
from tiles2zarr.sources.base import Scan
from tiles2zarr.sources.conditions import conditions_of
from tiles2zarr.sources.confinement import confine, confined_path
from tiles2zarr.sources.table.completion import (
    FirstFile,
    Report,
    with_details,
    with_missing_columns,
    with_pixel_size,
    with_spacings,
)
from tiles2zarr.sources.table.settings import FILE_NAME, read_settings
from tiles2zarr.sources.table.spacing import lengths_in_pixels, starts_in_world
from tiles2zarr.sources.table.wells import with_wells_parted
from tiles2zarr.sources.table_reading import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from tiles2zarr.core.tiles import Tiles
    from tiles2zarr.models import AcquisitionDetails, ImageLoaderInterface
    from tiles2zarr.sources.base import ScanRequest
    from tiles2zarr.sources.table.settings import Settings

_TABLES = ("tiles.csv", "tiles.parquet")
_SUFFIXES = (".csv", ".parquet")
_TEXTS = ("file_path", "fov_name", "row", "well", "image_path")
_NUMBERS = (
    "column",
    "first_page",
    *(f"start_{axis}" for axis in "xyzct"),
    *(f"length_{axis}" for axis in "xyzct"),
)


class TableSource:
    """A folder with ``tiles.csv`` or ``tiles.parquet``, or such a file itself: one row per tile.

    The columns are those of `hcs_images_from_dataframe` (a plate) or `single_images_from_dataframe`; a table
    with neither ``row`` and ``column`` nor ``image_path`` is one image, called as its folder. An optional
    ``acquisition_details.toml`` beside the table holds the fields of `AcquisitionDetails` and says whether
    starts are µm or pixels (``position_unit``).
    """

    name: ClassVar[str] = "table"
    title: ClassVar[str] = "Tiles table (CSV or Parquet)"
    extra: ClassVar[str | None] = None
    libraries: ClassVar[tuple[str, ...]] = ()
    loader: ClassVar[type[ImageLoaderInterface]] = DefaultImageLoader

    def detect(self, path: Path) -> str | None:
        """Whether there is a table of tiles, by name alone."""
        if path.is_dir():
            return next((f"it has a {name}" for name in _TABLES if (path / name).is_file()), None)
        return f"it is a {path.suffix.lower()} file" if path.suffix.lower() in _SUFFIXES else None

    def scan(self, request: ScanRequest) -> Scan:
        """All tiles of the table. No pixel is read.

        The first image file is opened only where the table leaves out what a header can tell: the extent of
        the tiles, or the pixel size.

        Raises:
            SourceError: the table, the TOML file or the condition table is wrong; the row is named.
            OptionsError: the plate's name is no valid name.
        """
        file = _table_file(request.path)
        with _naming(file):
            return _scan(file, request)


def _scan(file: Path, request: ScanRequest) -> Scan:
    folder = file.parent
    settings = read_settings(folder / FILE_NAME)
    details = request.options.update_acquisition_details(settings.details)
    given = settings.given | _given(request)
    table = with_wells_parted(read_table(file, texts=_TEXTS, numbers=_NUMBERS))
    image = _image_columns(table)
    report = Report(str(file))
    first = FirstFile(_first_file(table, folder, allow_outside=request.allow_outside))

    table = with_missing_columns(table, image, first, report)
    details = with_pixel_size(details, given, first, report)
    tiles = _tiles(_in_pixels(table, settings, details, given), image, details, request, folder)
    chosen = _rows_of_acquisition(tiles, request.acquisition_id)
    tiles = confine(tiles, folder, allow_outside=request.allow_outside)
    details = with_spacings(tiles, details, given, settings.starts_in_pixels, first, report)
    _check_channels(tiles, details, chosen)
    tiles = starts_in_world(with_details(tiles, details), settings.starts_in_pixels, details)
    if chosen is not None:
        others = {name: cells for name, cells in tiles.attributes.items() if name != "acquisition"}
        tiles = replace(tiles, attributes=others).take(chosen)

    toml = folder / FILE_NAME
    metadata = [toml] if toml.is_file() else []
    conditions, noticed, condition_file = conditions_of(request, tiles, folder, details.condition_table_path)
    report.findings.extend(noticed)
    if condition_file is not None:
        metadata.append(condition_file)
    return Scan(
        tiles=tiles,
        resource=folder,
        findings=tuple(report.findings),
        metadata_files=tuple(metadata),
        conditions=conditions,
    )


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """What goes wrong with the table names its file; whatever stands in its cells, the message is one line."""
    try:
        yield
    except SourceError as error:
        said = str(error)
        if said.startswith(TILES_TABLE):
            said = f"{file}{said.removeprefix(TILES_TABLE)}"
        raise type(error)(one_line(said)) from error


def _table_file(path: Path) -> Path:
    """The table of a folder, as an absolute path."""
    path = Path(os.path.abspath(path))
    if path.is_file():
        if path.suffix.lower() not in _SUFFIXES:
            msg = f"{path}: expected a .csv or .parquet file, or a folder with tiles.csv or tiles.parquet"
            raise SourceError(msg)
        return path
    found = [name for name in _TABLES if (path / name).is_file()]
    if len(found) != 1:
        how = "found both: remove one, or name the file" if found else "found neither: check the path"
        msg = f"{path}: expected either tiles.csv or tiles.parquet, {how}"
        raise SourceError(msg)
    return path / found[0]


def _given(request: ScanRequest) -> frozenset[str]:
    """Names of the spacings that the options state."""
    stated = request.options.pixel_info
    return frozenset(stated.model_dump(exclude_none=True)) if stated is not None else frozenset()


def _image_columns(table: pd.DataFrame) -> tuple[str, ...]:
    """The columns that say which image a tile belongs to; none when all belong to one.

    Raises:
        SourceError: it has columns of a plate and of single images, or only half of those of a plate.
    """
    place = [name for name in ("row", "column") if name in table.columns]
    if "image_path" in table.columns:
        if place:
            found = f"image_path and {', '.join(place)}"
            msg = f"{TILES_TABLE}: expected either row and column or image_path, found {found}"
            raise SourceError(msg)
        return ("image_path",)
    if len(place) == 1:
        missing = "column" if place == ["row"] else "row"
        msg = f"{TILES_TABLE}: missing column {missing}: expected row and column, found {place[0]} alone"
        raise SourceError(msg)
    return tuple(place)


def _first_file(table: pd.DataFrame, folder: Path, *, allow_outside: bool) -> Path | None:
    path = table["file_path"].iloc[0] if "file_path" in table.columns and len(table) else None
    if not isinstance(path, str):
        return None  # refused by name when the tiles are built
    try:
        return confined_path(path.strip(), folder, allow_outside=allow_outside)
    except SourceError:
        return None  # refused by row


def _in_pixels(
    table: pd.DataFrame, settings: Settings, details: AcquisitionDetails, given: frozenset[str]
) -> pd.DataFrame:
    for axis in sorted(settings.lengths_in_world & {"z", "t"}):
        if f"{axis}_spacing" not in given:
            msg = (
                f"{TILES_TABLE}, column length_{axis}: its unit is world, which needs {axis}_spacing: add it"
            )
            raise SourceError(msg)
    return lengths_in_pixels(table, settings.lengths_in_world, details)


def _tiles(
    table: pd.DataFrame,
    image: tuple[str, ...],
    details: AcquisitionDetails,
    request: ScanRequest,
    folder: Path,
) -> Tiles:
    name = request.plate_name
    if name is None:
        name = valid_path_part(folder.name)
    else:
        try:
            path_part(name)
        except ValueError as error:
            msg = f"name of the plate: {error}"
            raise OptionsError(msg) from error
    if image == ("row", "column"):
        return hcs_images_from_dataframe(
            tiles_table=table,
            acquisition_details=details,
            plate_name=name,
            acquisition_id=request.acquisition_id,
        )
    if not image:
        table = table.assign(image_path=name)
    return single_images_from_dataframe(tiles_table=table, acquisition_details=details)


def _rows_of_acquisition(
    tiles: Tiles, acquisition_id: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]] | None:
    """Where the column ``acquisition`` names this one; None where there is no such column.

    Raises:
        SourceError: it names this one nowhere.
    """
    column = tiles.attributes.get("acquisition")
    if column is None:
        return None
    chosen: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.asarray(column == acquisition_id, bool)
    if not chosen.any():
        found = ", ".join(map(str, list(dict.fromkeys(column))[:10]))
        msg = (
            f"{TILES_TABLE}, column acquisition: expected rows of acquisition {acquisition_id}, found {found}"
        )
        raise SourceError(msg)
    return chosen


def _check_channels(
    tiles: Tiles, details: AcquisitionDetails, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]] | None
) -> None:
    """Refuse a tile of a channel that the acquisition has not."""
    if details.channels is None:
        return
    unknown = tiles.c + tiles.length_c > len(details.channels)
    rows = np.flatnonzero(unknown if chosen is None else unknown & chosen)
    if not len(rows):
        return
    row = int(rows[0])
    index = max(int(tiles.c[row]), len(details.channels))
    labels = ", ".join(channel.channel_label for channel in details.channels)
    more = f" (and in {len(rows) - 1} more rows)" if len(rows) > 1 else ""
    file = tiles.loaders.fields["file_path"][row]
    expected = f"a channel from 0 to {len(details.channels) - 1} ({labels})"
    remedy = "correct start_c, or add the channel to channels"
    msg = f"{TILES_TABLE}, row {row + 1} ({file}): expected {expected}, found channel {index}{more}: {remedy}"
    raise SourceError(msg)
