"""Columns and spacings that a table leaves out, where there is no doubt what they are.

Everything that is assumed is said, as a finding.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from tiles2zarr.core.dataframe import TILES_TABLE
from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import DefaultImageLoader
from tiles2zarr.sources.table.embedded import Embedded, read_embedded
from tiles2zarr.sources.table.spacing import median_step

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import pandas as pd

    from tiles2zarr.core.tiles import Tiles
    from tiles2zarr.models import AcquisitionDetails

_FOV = "Image"


@dataclass(frozen=True)
class FirstFile:
    """The file of the first row, opened only when the table does not say enough.

    Attributes:
        file: where it lies; None where there is none inside the folder.
    """

    file: Path | None

    @cached_property
    def embedded(self) -> Embedded:
        """What it says of its own extent and spacings."""
        return read_embedded(self.file) if self.file is not None and self.file.is_file() else Embedded()

    def lengths(self) -> dict[str, int]:
        """Extent of a tile, px; planes, channels and timepoints where they are known.

        Raises:
            SourceError: the file is missing or damaged.
        """
        if self.file is None:
            msg = f"{TILES_TABLE}: missing columns length_x, length_y: add them"
            raise SourceError(msg)
        try:
            header = DefaultImageLoader(file_path=str(self.file)).read_header()
        except SourceError as error:
            msg = (
                f"{TILES_TABLE}: missing columns length_x, length_y, and the first file cannot tell: {error}"
            )
            raise SourceError(msg) from error
        known = {name: getattr(self.embedded, name) for name in ("length_z", "length_c", "length_t")}
        lengths = {name: length for name, length in known.items() if length is not None}
        return {"length_x": header.width, "length_y": header.height, **lengths}


@dataclass
class Report:
    """Findings gathered on the way.

    Attributes:
        where: the table.
        findings: in the order in which they were made.
    """

    where: str
    findings: list[Finding] = field(default_factory=list)

    def info(self, code: str, message: str) -> None:
        """Something that is as it should be."""
        self.findings.append(Finding("info", code, self.where, message))

    def warn(self, code: str, message: str) -> None:
        """Something to look at."""
        self.findings.append(Finding("warning", code, self.where, message))


def with_missing_columns(
    table: pd.DataFrame, image: Collection[str], first: FirstFile, report: Report
) -> pd.DataFrame:
    """The table with ``fov_name``, positions and lengths where it has none and they cannot be mistaken.

    One field of view per image needs no name and no position; lengths can be read from the first file. A
    table that has more than one tile position per image, or half of a pair of columns, is left as it is, to
    be refused.

    Args:
        table: one row per tile.
        image: the columns that say which image a tile belongs to.
        first: the file of the first row.
        report: takes what was assumed.
    """
    additions: dict[str, Any] = {}
    if not {"start_x", "start_y"} & set(table.columns) and _one_per_image(table, image, ["fov_name"]):
        additions |= {"start_x": 0.0, "start_y": 0.0}
    if "fov_name" not in table.columns and _one_per_image(table, image, ["start_x", "start_y"]):
        additions["fov_name"] = _FOV
    if "file_path" in table.columns and not {"length_x", "length_y"} & set(table.columns):
        lengths = first.lengths()
        additions |= {name: length for name, length in lengths.items() if name not in table.columns}
    if additions:
        assumed = ", ".join(f"{name} = {value}" for name, value in additions.items())
        report.info("assumed-value", f"the table has no column for it: {assumed}")
    return table.assign(**additions)


def _one_per_image(table: pd.DataFrame, image: Collection[str], columns: Collection[str]) -> bool:
    """Whether the columns, as far as there are any, have one value for each image."""
    present = [name for name in columns if name in table.columns]
    if not present:
        return True
    distinct = table[[*image, *present]].drop_duplicates()
    return len(distinct) == (len(distinct[[*image]].drop_duplicates()) if image else 1)


def with_pixel_size(
    details: AcquisitionDetails, given: Collection[str], first: FirstFile, report: Report
) -> AcquisitionDetails:
    """The details with the pixel size of the first file, where nobody stated one."""
    if "pixelsize" in given:
        return details
    embedded = first.embedded
    if embedded.pixelsize is None:
        report.warn(
            "assumed-value",
            "no pixel size is given, 1 µm is assumed: set pixelsize in acquisition_details.toml or by option",
        )
        return details
    report.info("derived-spacing", f"pixel size {embedded.pixelsize:g} µm is read from {first.file}")
    return details.model_copy(update={"pixelsize": embedded.pixelsize, "pixelsize_y": embedded.pixelsize_y})


def with_spacings(
    tiles: Tiles,
    details: AcquisitionDetails,
    given: Collection[str],
    starts_in_pixels: Collection[str],
    first: FirstFile,
    report: Report,
) -> AcquisitionDetails:
    """The details with distances of z-planes and timepoints that nobody stated.

    They are the median step of the positions where these are µm or s, else what the first file says, else 1.
    """
    axes: tuple[tuple[Literal["z", "t"], str], ...] = (("z", "µm"), ("t", "s"))
    for axis, unit in axes:
        name = f"{axis}_spacing"
        positions, lengths = getattr(tiles, axis), getattr(tiles, f"length_{axis}")
        if name in given or not ((positions != positions[0]).any() or (lengths > 1).any()):
            continue
        step = median_step(tiles, axis) if axis not in starts_in_pixels else None
        origin = f"the median step of start_{axis}"
        if step is None:
            step, origin = getattr(first.embedded, name), f"read from {first.file}"
        if step is None:
            remedy = f"set {name} in acquisition_details.toml or in the options"
            report.warn("assumed-value", f"no {name} is given, 1 {unit} is assumed: {remedy}")
        else:
            report.info("derived-spacing", f"{name} {step:g} {unit} is {origin}")
            details = details.model_copy(update={name: step})
    return details


def with_details(tiles: Tiles, details: AcquisitionDetails) -> Tiles:
    """The tiles, all of this one acquisition."""
    return replace(tiles, all_details=(details,))
