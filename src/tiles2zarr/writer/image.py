"""Writing one image into a folder: arrays, tables, and last the metadata that make it an image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.writer.arrays import create_levels
from tiles2zarr.writer.digest import Level0Digest
from tiles2zarr.writer.grid import Grid, build_grid
from tiles2zarr.writer.groups import ngff_attributes, write_group
from tiles2zarr.writer.image_metadata import multiscales, omero
from tiles2zarr.writer.memory import MemoryPlan, plan_memory
from tiles2zarr.writer.planes import PlaneReader, cover, decoded
from tiles2zarr.writer.pyramid import PyramidWriter
from tiles2zarr.writer.tables import Table, fov_roi_table, well_roi_table, write_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.models import ConverterOptions


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """How an image will be written.

    Attributes:
        grid: levels, chunks, shards and units.
        memory: threads and cache of one process.
        pixels: pixels of level 0 that will be written; units without tiles are not.
    """

    grid: Grid
    memory: MemoryPlan
    pixels: int


def layout_image(placed: PlacedImage, data_type: str, options: ConverterOptions) -> ImageLayout:
    """Decide how an image is written, from its extent and the options.

    Raises:
        OptionsError: one unit of work does not fit the memory limit.
    """
    itemsize = np.dtype(data_type).itemsize
    fields = placed.fields
    field = (int(fields.height[0]), int(fields.width[0]))
    grid = build_grid(placed.shape, field, itemsize, options.omezarr_options)
    coverage = cover(placed, grid)
    memory = plan_memory(
        placed.image.path,
        grid,
        itemsize,
        decoded(placed, coverage, itemsize),
        options.overlap_mode,
        options.runtime,
    )
    extents = (grid.extent(0, unit) for unit in coverage.units)
    pixels = sum(math.prod(part.stop - part.start for part in extent) for extent in extents)
    return ImageLayout(grid, memory, pixels)


def write_image(
    folder: Path,
    placed: PlacedImage,
    layout: ImageLayout,
    data_type: str,
    options: ConverterOptions,
    resource: Any | None,
    tables: Sequence[Table],
    memory: MemoryPlan,
    progress: Callable[[int], None],
) -> Level0Digest:
    """Write the arrays and tables of an image; `write_metadata` makes the folder an image.

    Args:
        folder: an empty folder.
        placed: tiles at pixel offsets.
        layout: how to write it.
        data_type: numpy's name of the pixel type.
        options: overlap, compression, version, tables.
        resource: what the loaders are given.
        tables: further tables, beside those of the fields of view and the whole image.
        memory: threads and cache.
        progress: called with the number of pixels written since the last call, from any thread.

    Returns:
        the digest of level 0.
    """
    axes, how = placed.image.axes, options.omezarr_options
    coverage = cover(placed, layout.grid)
    arrays = create_levels(folder, layout.grid, axes, data_type, how)
    digest = Level0Digest(layout.grid.chunk)
    reader = PlaneReader(placed, coverage, data_type, resource, memory.cache)
    PyramidWriter(placed, layout.grid, coverage, reader, arrays, axes, options.overlap_mode, digest).write(
        memory.threads, progress
    )
    write_tables(
        folder, [fov_roi_table(placed), well_roi_table(placed), *tables], how.ngff_version, how.table_backend
    )
    return digest


def write_metadata(
    folder: Path,
    placed: PlacedImage,
    grid: Grid,
    data_type: str,
    windows: Sequence[tuple[float, float]],
    options: ConverterOptions,
    record: Mapping[str, Any],
) -> None:
    """Make a written folder an image, with the completion record beside its NGFF metadata."""
    version = options.omezarr_options.ngff_version
    entry = multiscales(placed, grid)
    if version == "0.4":
        entry[0] = {"version": "0.4", **entry[0]}
    metadata = {"multiscales": entry, "omero": omero(placed.image.channels, windows, data_type)}
    write_group(folder, {**ngff_attributes(metadata, version), "tiles2zarr": dict(record)}, version)
