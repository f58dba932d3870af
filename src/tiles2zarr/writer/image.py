"""Writing one image into a folder: arrays, tables, and last the metadata that make it an image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.writer.chunk_files import ChunkFiles, check_chunk, codec_bytes
from tiles2zarr.writer.comparison import LevelComparison
from tiles2zarr.writer.digest import Level0Digest
from tiles2zarr.writer.file_comparison import FileComparison
from tiles2zarr.writer.grid import Grid, build_grid
from tiles2zarr.writer.groups import ngff_attributes, write_group
from tiles2zarr.writer.image_metadata import multiscales, omero
from tiles2zarr.writer.levels import LevelWriter
from tiles2zarr.writer.memory import MemoryPlan, plan_memory
from tiles2zarr.writer.mosaic import Mosaic
from tiles2zarr.writer.planes import PlaneReader, cover, decoded
from tiles2zarr.writer.pyramid import Pyramid
from tiles2zarr.writer.tables import Table, fov_roi_table, well_roi_table, write_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.models import ConverterOptions
    from tiles2zarr.writer.comparison import Difference


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """How an image will be written.

    Attributes:
        placed: its tiles at pixel offsets.
        data_type: numpy's name of the output's pixel type.
        options: overlap, compression, version, tables.
        grid: levels, chunks, shards and units.
        memory: threads and cache of one process.
        pixels: pixels of level 0 that will be written; units without tiles are not.
    """

    placed: PlacedImage
    data_type: str
    options: ConverterOptions
    grid: Grid
    memory: MemoryPlan
    pixels: int


def layout_image(placed: PlacedImage, data_type: str, options: ConverterOptions) -> ImageLayout:
    """Decide how an image is written, from its extent and the options.

    Raises:
        OptionsError: a chunk is too large for its codec, or one unit of work for the memory limit.
    """
    itemsize = np.dtype(data_type).itemsize
    fields = placed.fields
    field = (int(fields.height[0]), int(fields.width[0]))
    grid = build_grid(placed.shape, field, itemsize, options.omezarr_options)
    check_chunk(placed.image.path, grid, itemsize, options.omezarr_options)
    coverage = cover(placed, grid)
    memory = plan_memory(
        placed.image.path,
        grid,
        itemsize,
        decoded(placed, coverage, itemsize),
        codec_bytes(options.omezarr_options),
        options.overlap_mode,
        options.runtime,
    )
    extents = (grid.extent(0, unit) for unit in coverage.units)
    pixels = sum(math.prod(part.stop - part.start for part in extent) for extent in extents)
    return ImageLayout(placed, data_type, options, grid, memory, pixels)


def write_image(
    folder: Path,
    layout: ImageLayout,
    resource: Any | None,
    tables: Sequence[Table],
    memory: MemoryPlan,
    progress: Callable[[int], None],
) -> Level0Digest:
    """Write the arrays and tables of an image; `write_metadata` makes the folder an image.

    Args:
        folder: an empty folder.
        layout: what to write, and how.
        resource: what the loaders are given.
        tables: further tables, beside those of the fields of view and the whole image.
        memory: threads and cache.
        progress: called with the number of pixels written since the last call, from any thread.

    Returns:
        the digest of level 0.
    """
    placed, how = layout.placed, layout.options.omezarr_options
    files = ChunkFiles(layout.grid, placed.image.axes, layout.data_type, how)
    digest = Level0Digest(layout.grid.shapes[0], layout.grid.chunk)
    mosaic = mosaic_of(layout, resource, memory)
    writer = LevelWriter(folder, layout.grid.levels, files, digest)
    Pyramid(layout.grid, mosaic.units, mosaic.fill, mosaic.dtype, writer).build(memory.threads, progress)
    write_tables(
        folder, [fov_roi_table(placed), well_roi_table(placed), *tables], how.ngff_version, how.table_backend
    )
    return digest


def compare_pixels(
    folder: Path,
    layout: ImageLayout,
    resource: Any | None,
    memory: MemoryPlan,
    progress: Callable[[int], None],
) -> list[Difference]:
    """Compare every pixel of every level on disk with what the tiles say. Writes nothing.

    Args:
        folder: the image's folder.
        layout: what should be in it.
        resource: what the loaders are given.
        memory: threads and cache.
        progress: called with the number of pixels of level 0 compared since the last call, from any thread.

    Returns:
        every chunk that is not what it should be; none for an identical image.

    Raises:
        SourceError: a tile cannot be read.
    """
    mosaic = mosaic_of(layout, resource, memory)
    comparison = LevelComparison(
        folder, layout.grid, layout.placed.image.axes, layout.data_type, mosaic.tile_at
    )
    pyramid = Pyramid(layout.grid, mosaic.units, mosaic.fill, mosaic.dtype, comparison)
    pyramid.build(memory.threads, progress)
    return comparison.finish(pyramid.covers)


def compare_files(
    folder: Path,
    layout: ImageLayout,
    resource: Any | None,
    memory: MemoryPlan,
    progress: Callable[[int], None],
) -> list[Difference]:
    """Compare every byte of every chunk on disk with what the tiles make. Writes nothing.

    Finds all that `compare_pixels` finds, and damage that shows in no pixel; costs an encoding of every chunk. Good
    for an image that was written by the codecs of today, see `tiles2zarr.writer.chunk_files.encoder`. The
    arguments, the result and the errors are those of `compare_pixels`.
    """
    mosaic, grid, axes = mosaic_of(layout, resource, memory), layout.grid, layout.placed.image.axes
    how = layout.options.omezarr_options
    files = FileComparison(folder, grid, axes, layout.data_type, how, mosaic.tile_at)
    pyramid = Pyramid(grid, mosaic.units, mosaic.fill, mosaic.dtype, files)
    pyramid.build(memory.threads, progress)
    return files.finish(pyramid.covers)


def mosaic_of(layout: ImageLayout, resource: Any | None, memory: MemoryPlan) -> Mosaic:
    """Level 0 of an image, to be read from its tiles unit by unit; good for one pass."""
    coverage = cover(layout.placed, layout.grid)
    reader = PlaneReader(layout.placed, coverage, layout.data_type, resource, memory.cache)
    return Mosaic(layout.placed, layout.grid, coverage, reader, layout.options.overlap_mode)


def write_metadata(
    folder: Path,
    layout: ImageLayout,
    windows: Sequence[tuple[float, float]],
    record: Mapping[str, Any],
) -> None:
    """Make a written folder an image, with the completion record beside its NGFF metadata.

    Args:
        folder: what `write_image` wrote.
        layout: how.
        windows: display range of each channel.
        record: the completion record.
    """
    version = layout.options.omezarr_options.ngff_version
    entry = multiscales(layout.placed, layout.grid)
    if version == "0.4":
        entry[0] = {"version": "0.4", **entry[0]}
    metadata = {"multiscales": entry, "omero": omero(layout.placed.image.channels, windows, layout.data_type)}
    write_group(folder, {**ngff_attributes(metadata, version), "tiles2zarr": dict(record)}, version)
