"""Random layouts of tiles, and loaders that make their pixels from nothing but a seed."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st

from tests.reference import PlacedPlane
from tiles2zarr.core import Tile, tiled_image_from_tiles
from tiles2zarr.core.job import ImageJob
from tiles2zarr.models import (
    AcquisitionDetails,
    ChannelInfo,
    ChunkMultipleSharding,
    Compression,
    ConverterOptions,
    FixedSizeChunking,
    FovBasedChunking,
    ImageInPlate,
    ImageLoaderInterface,
    NoSharding,
    OmeZarrOptions,
    OverlapMode,
    OverwriteMode,
    PlaneIndex,
    TileShape,
    TilingMode,
)
from tiles2zarr.placement import place_image
from tiles2zarr.writer import grid
from tiles2zarr.writer.image import layout_image, write_image
from tiles2zarr.writer.memory import MemoryPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.models import CollectionInterface
    from tiles2zarr.writer.digest import Level0Digest
    from tiles2zarr.writer.image import ImageLayout

DTYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64")
WELL = ImageInPlate(plate_name="P", row="B", column=3, acquisition=0)
# Powers of two, so that a position in µm is exactly a number of pixels.
PIXEL_SIZE, PIXEL_HEIGHT, Z_SPACING, T_SPACING = 0.5, 0.25, 2.0, 8.0

_LOADS: Counter[tuple[int, PlaneIndex | None]] = Counter()
_LOADS_LOCK = threading.Lock()


@contextmanager
def counted_loads() -> Iterator[Counter[tuple[int, PlaneIndex | None]]]:
    """How often each plane (seed and index) or whole tile (seed and None) is decoded within the block."""
    _LOADS.clear()
    yield _LOADS


class SeededLoader(ImageLoaderInterface):
    """Pixels that follow from a seed; one plane at a time.

    Attributes:
        seed: names the tile.
        shape: t, c, z, y, x.
        dtype: numpy's name of the pixel type.
        content: noise over all values, mostly zeros, or nothing but zeros.
    """

    seed: int
    shape: tuple[int, int, int, int, int]
    dtype: str
    content: str = "noise"

    def load_data(self, resource: Any | None = None) -> NDArray[Any]:
        _count(self.seed, None)
        return self.pixels()

    def load_plane(self, plane: PlaneIndex, shape: TileShape, resource: Any | None = None) -> NDArray[Any]:
        assert tuple(shape) == self.shape
        _count(self.seed, plane)
        return self.pixels()[plane]

    def pixels(self) -> NDArray[Any]:
        """All of the tile, axes t, c, z, y, x."""
        random = np.random.default_rng(self.seed)
        dtype = np.dtype(self.dtype)
        if self.content == "zeros":
            return np.zeros(self.shape, dtype)
        if dtype.kind == "f":
            noise = random.normal(scale=1e3, size=self.shape).astype(dtype)
        else:
            limits = np.iinfo(dtype)
            noise = random.integers(limits.min, limits.max, self.shape, dtype, endpoint=True)
            # Sums of these are the ones that overflow.
            noise[random.random(self.shape) < 0.2] = limits.max
            noise[random.random(self.shape) < 0.1] = limits.min
        if self.content == "sparse":
            noise[random.random(self.shape) < 0.97] = 0
        return noise


class WholeTileLoader(SeededLoader):
    """The same for a source that can only read whole tiles."""

    load_plane = ImageLoaderInterface.load_plane


def _count(seed: int, plane: PlaneIndex | None) -> None:
    with _LOADS_LOCK:
        _LOADS[(seed, plane)] += 1


@dataclass(frozen=True)
class TileSpec:
    """A tile in whole pixels, planes, channels and timepoints; x and y may be negative."""

    y: int
    x: int
    height: int
    width: int
    t: int = 0
    c: int = 0
    z: int = 0
    length_t: int = 1
    length_c: int = 1
    length_z: int = 1
    fov: str = ""
    content: str = "noise"
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        return self.length_t, self.length_c, self.length_z, self.height, self.width


@dataclass(frozen=True)
class Layout:
    """Tiles of one image, and everything the image is made from beside the writer's options."""

    tiles: tuple[TileSpec, ...]
    dtype: str = "uint16"
    axes: str = "tczyx"
    channels: int = 1
    whole_tiles: bool = False
    collection: CollectionInterface = WELL

    def loader(self, number: int) -> SeededLoader:
        kind = WholeTileLoader if self.whole_tiles else SeededLoader
        spec = self.tiles[number]
        return kind(seed=number, shape=spec.shape, dtype=self.dtype, content=spec.content)

    def image(self) -> TiledImage[Any, Any]:
        details = AcquisitionDetails(
            pixelsize=PIXEL_SIZE,
            pixelsize_y=PIXEL_HEIGHT,
            z_spacing=Z_SPACING,
            t_spacing=T_SPACING,
            axes=tuple(self.axes),
            channels=tuple(ChannelInfo(channel_label=f"C{c}") for c in range(self.channels)),
        )
        tiles = [
            Tile[Any, Any](
                fov_name=spec.fov or f"FOV_{number}",
                start_x=spec.x * PIXEL_SIZE,
                start_y=spec.y * PIXEL_HEIGHT,
                start_z=spec.z * Z_SPACING,
                start_t=spec.t * T_SPACING,
                start_c=spec.c,
                length_t=spec.length_t,
                length_c=spec.length_c,
                length_z=spec.length_z,
                length_y=spec.height,
                length_x=spec.width,
                attributes=dict(spec.attributes),
                collection=self.collection,
                image_loader=self.loader(number),
                acquisition_details=details,
            )
            for number, spec in enumerate(self.tiles)
        ]
        (image,) = tiled_image_from_tiles(tiles=tiles)
        return image

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """The extent of the image where tiles stay where the stage put them, t, c, z, y, x."""
        y, x, z, t = self._origin()
        return (
            max(spec.t + spec.length_t for spec in self.tiles) - t,
            self.channels,
            max(spec.z + spec.length_z for spec in self.tiles) - z,
            max(spec.y + spec.height for spec in self.tiles) - y,
            max(spec.x + spec.width for spec in self.tiles) - x,
        )

    def planes(self) -> Iterator[PlacedPlane]:
        """Every plane of every tile where the stage put it, in tile order."""
        y, x, z, t = self._origin()
        for number, spec in enumerate(self.tiles):
            yield from _planes(self.loader(number), spec.t - t, spec.c, spec.z - z, spec.y - y, spec.x - x)

    def _origin(self) -> tuple[int, int, int, int]:
        y, x, z, t = (min(getattr(spec, axis) for spec in self.tiles) for axis in "yxzt")
        return y, x, z, t


def planes_of(layout: Layout, placed: PlacedImage) -> Iterator[PlacedPlane]:
    """Every plane of every tile where the placement put it, in tile order."""
    for number, spec in enumerate(layout.tiles):
        place = (int(getattr(placed, axis)[number]) for axis in ("t", "z", "y", "x"))
        t, z, y, x = place
        yield from _planes(layout.loader(number), t, spec.c, z, y, x)


def _planes(loader: SeededLoader, t: int, c: int, z: int, y: int, x: int) -> Iterator[PlacedPlane]:
    pixels = loader.pixels()
    for index in np.ndindex(pixels.shape[:3]):
        yield PlacedPlane(t + index[0], c + index[1], z + index[2], y, x, pixels[index])


@dataclass(frozen=True)
class Written:
    """What `write_layout` wrote, and from what."""

    folder: Path
    placed: PlacedImage
    layout: ImageLayout
    digest: Level0Digest


def write_layout(
    layout: Layout,
    options: ConverterOptions,
    folder: Path,
    *,
    threads: int = 1,
    cache: int = 2**28,
    small_unit: int = grid.SMALL_UNIT,
    progress: Callable[[int], None] = lambda _: None,
) -> Written:
    """Write arrays and tables of a layout into a new folder.

    Args:
        layout: the tiles.
        options: how to write them.
        folder: must not exist yet.
        threads: units in work at a time.
        cache: bytes of decoded tiles to keep.
        small_unit: bytes up to which units grow; 0 for the smallest units that the chunks allow.
        progress: is told of pixels.
    """
    with mock.patch.object(grid, "SMALL_UNIT", small_unit):
        placed = place_image(layout.image(), options)
        image_layout = layout_image(placed, layout.dtype, options)
    folder.mkdir()
    memory = MemoryPlan(threads, cache, 0)
    digest = write_image(folder, image_layout, None, [], memory, progress)
    return Written(folder, placed, image_layout, digest)


def stored(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@contextmanager
def quick_folder() -> Iterator[Path]:
    """An empty folder, in memory where the system has such a place: Hypothesis writes thousands of files."""
    memory = Path("/dev/shm")
    usable = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=usable, prefix="tiles2zarr-test-") as folder:
        yield Path(folder)


def grid_of_tiles(rows: int, columns: int, height: int, width: int, **fields: Any) -> tuple[TileSpec, ...]:
    """Tiles edge to edge, row by row."""
    return tuple(
        TileSpec(y=row * height, x=column * width, height=height, width=width, **fields)
        for row in range(rows)
        for column in range(columns)
    )


def well(column: int = 3, acquisition: int = 0) -> ImageInPlate:
    """A place in row B of the plate P."""
    return ImageInPlate(plate_name="P", row="B", column=column, acquisition=acquisition)


def four_fields(collection: CollectionInterface = WELL, **fields: Any) -> Layout:
    """2 x 2 fields of 20 x 30 px in 2 channels; what is given goes to every tile."""
    specs = (
        replace(spec, c=c, fov=f"F{number}")
        for number, spec in enumerate(grid_of_tiles(2, 2, 20, 30, **fields))
        for c in range(2)
    )
    return Layout(tuple(specs), channels=2, collection=collection)


def image_job(
    layout: Layout,
    zarr_dir: Path,
    options: ConverterOptions | None = None,
    mode: OverwriteMode = OverwriteMode.NO_OVERWRITE,
    **fields: Any,
) -> ImageJob:
    """The job of a layout's image; without options, chunks of 16 px and 3 levels."""
    image = layout.image()
    return ImageJob(image, str(zarr_dir / image.path), options or SMALL_IMAGES, mode, **fields)


# Strategies


@st.composite
def tile_specs(draw: st.DrawFn, axes: str, channels: int, largest: int = 24) -> TileSpec:
    """One tile: anywhere within a few tiles of the origin, of any size from 1 px."""
    side, place = st.integers(1, largest), st.integers(-2 * largest, 2 * largest)
    steps = {axis: (draw(st.integers(0, 2)), draw(st.integers(1, 3))) for axis in "tz" if axis in axes}
    first_c = draw(st.integers(0, channels - 1))
    (t, length_t), (z, length_z) = steps.get("t", (0, 1)), steps.get("z", (0, 1))
    return TileSpec(
        y=draw(place),
        x=draw(place),
        height=draw(side),
        width=draw(side),
        t=t,
        c=first_c,
        z=z,
        length_t=length_t,
        length_c=draw(st.integers(1, channels - first_c)),
        length_z=length_z,
        content=draw(st.sampled_from(["noise", "noise", "sparse", "zeros"])),
    )


@st.composite
def layouts(draw: st.DrawFn, most_tiles: int = 5, dtypes: Sequence[str] = DTYPES) -> Layout:
    """Tiles that overlap, leave gaps, differ in size and depth, or all of it."""
    axes = draw(st.sampled_from(["tczyx", "czyx", "zyx", "cyx", "tyx", "yx"]))
    channels = draw(st.integers(1, 2)) if "c" in axes else 1
    tiles = draw(st.lists(tile_specs(axes, channels), min_size=1, max_size=most_tiles))
    return Layout(tuple(tiles), draw(st.sampled_from(dtypes)), axes, channels, draw(st.booleans()))


@st.composite
def stage_layouts(draw: st.DrawFn) -> Layout:
    """Fields of one size on a grid, some missing, each a little off, or overlapping its neighbours."""
    height, width = draw(st.integers(4, 20)), draw(st.integers(4, 20))
    step_y, step_x = (side - draw(st.integers(0, side // 4)) for side in (height, width))
    jitter = draw(st.integers(0, 1))
    nodes = draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6, unique=True)
    )
    tiles = [
        TileSpec(
            y=row * step_y + draw(st.integers(-jitter, jitter)) - 7,
            x=column * step_x + draw(st.integers(-jitter, jitter)) + 11,
            height=height,
            width=width,
        )
        for row, column in nodes
    ]
    return Layout(tuple(tiles))


@st.composite
def omezarr_options(draw: st.DrawFn) -> OmeZarrOptions:
    """Every kind of chunk, shard, version and codec."""
    version = draw(st.sampled_from(["0.4", "0.5"]))
    z_chunk = draw(st.none() | st.integers(1, 6))
    chunks: FixedSizeChunking | FovBasedChunking
    if draw(st.booleans()):
        chunks = FixedSizeChunking(xy_chunk=draw(st.integers(4, 70)), z_chunk=z_chunk)
    else:
        chunks = FovBasedChunking(xy_scaling=draw(st.sampled_from([0.25, 0.5, 1, 2, 4])), z_chunk=z_chunk)
    shards: NoSharding | ChunkMultipleSharding = NoSharding()
    if version == "0.5" and draw(st.booleans()):
        shards = ChunkMultipleSharding(xy_factor=draw(st.integers(1, 5)), z_factor=draw(st.integers(1, 3)))
    compression = draw(st.sampled_from(list(Compression)))
    lowest = 1 if compression is Compression.ZSTD else 0
    return OmeZarrOptions(
        ngff_version=version,
        num_levels=draw(st.integers(1, 6) | st.just(20)),
        chunks=chunks,
        shards=shards,
        compression=compression,
        compression_level=draw(st.none() | st.integers(lowest, 3)),
    )


@st.composite
def converter_options(
    draw: st.DrawFn, tiling: Sequence[TilingMode] = (TilingMode.INPLACE,)
) -> ConverterOptions:
    """Options of the writer; tiles stay where they are unless other modes are given."""
    return ConverterOptions(
        tiling_mode=draw(st.sampled_from(list(tiling))),
        overlap_mode=draw(st.sampled_from(list(OverlapMode))),
        omezarr_options=draw(omezarr_options()),
    )


def with_levels(options: ConverterOptions, **changes: Any) -> ConverterOptions:
    """Options with other OME-Zarr options."""
    changed = OmeZarrOptions.model_validate({**dict(options.omezarr_options), **changes})
    return options.model_copy(update={"omezarr_options": changed})


SMALL_IMAGES = with_levels(ConverterOptions(), chunks=FixedSizeChunking(xy_chunk=16, z_chunk=1), num_levels=3)
