"""The planes a writer needs, decoded once: which unit needs which, and a bounded cache of shared ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.errors import SourceError
from tiles2zarr.models import ImageLoaderInterface, PlaneIndex, TileShape
from tiles2zarr.models.loaders import as_tczyx
from tiles2zarr.writer.grid import UnitIndex, in_z_order
from tiles2zarr.writer.memory import Decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from numpy.typing import NDArray

    from tiles2zarr.core.placed_image import PlacedImage, Planes
    from tiles2zarr.core.tiles import Tiles
    from tiles2zarr.writer.grid import Grid


_COLORS = 3


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which units hold pixels of which planes.

    Attributes:
        planes: every plane of the image.
        units: the units of level 0 that hold any pixel, in the order in which they are written.
        planes_of: for each of them its planes, in tile order.
        uses: for each plane the number of units that need it.
    """

    planes: Planes
    units: tuple[UnitIndex, ...]
    planes_of: Mapping[UnitIndex, NDArray[np.int64]]
    uses: NDArray[np.int64]


def cover(placed: PlacedImage, grid: Grid) -> Coverage:
    """Find the units that hold pixels, and their planes; costs what the tiles cost, whatever the extent."""
    planes, tiles = placed.planes(), placed.image.tiles
    x, y = placed.x[planes.tile], placed.y[planes.tile]
    first_i, first_j = y // grid.unit.y, x // grid.unit.x
    rows = (y + tiles.length_y[planes.tile] - 1) // grid.unit.y - first_i + 1
    columns = (x + tiles.length_x[planes.tile] - 1) // grid.unit.x - first_j + 1
    uses = rows * columns
    plane = np.repeat(np.arange(len(planes)), uses)
    within = np.arange(len(plane)) - np.repeat(np.cumsum(uses) - uses, uses)
    di, dj = np.divmod(within, columns[plane])
    keys = np.stack(
        [
            planes.t[plane],
            planes.c[plane],
            planes.z[plane] // grid.unit.z,
            first_i[plane] + di,
            first_j[plane] + dj,
        ],
        axis=1,
    )
    order = np.lexsort(keys.T[::-1])
    keys, plane = keys[order], plane[order]
    starts = np.flatnonzero(np.any(np.diff(keys, axis=0, prepend=-1), axis=1))
    groups = np.split(plane, starts[1:])
    planes_of = {
        UnitIndex(*map(int, keys[start])): group for start, group in zip(starts, groups, strict=True)
    }
    return Coverage(planes, tuple(in_z_order(planes_of)), planes_of, uses)


def loads_whole_tiles(tiles: Tiles) -> bool:
    """Whether the tiles' loaders read nothing less than a tile: asked for once then, not for each plane."""
    return tiles.loaders.kind.load_plane is ImageLoaderInterface.load_plane


def decoded(placed: PlacedImage, coverage: Coverage, itemsize: int) -> Decoded:
    """How much memory decoding takes, and whether any of it is needed again.

    Args:
        placed: the image.
        coverage: its planes, and how often each is needed.
        itemsize: bytes of a pixel of the output.
    """
    tiles = placed.image.tiles
    # A page of colours is decoded as a whole, with a fourth one where there is transparency.
    samples = np.where(tiles.length_c == _COLORS, _COLORS + 1, 1)
    pixels = tiles.length_y * tiles.length_x * samples
    used_again = bool((coverage.uses > 1).any())
    if loads_whole_tiles(tiles):
        planes = tiles.length_t * tiles.length_c * tiles.length_z
        pixels = pixels * planes
        used_again = used_again or bool((planes > 1).any())
    return Decoded(int(pixels.max()) * itemsize, used_again)


class PlaneReader:
    """Decodes planes, each once as far as the cache allows. Safe to use from several threads."""

    def __init__(
        self, placed: PlacedImage, coverage: Coverage, dtype: str, resource: Any | None, cache_bytes: int
    ) -> None:
        """Read planes of an image.

        Args:
            placed: the image.
            coverage: its planes and how often each is needed.
            dtype: numpy's name of the output's pixel type.
            resource: what the tiles' loaders are given.
            cache_bytes: how much may be kept for units still to come.
        """
        self._placed, self._tiles = placed, placed.image.tiles
        self._planes = coverage.planes
        self._uses = coverage.uses
        self._dtype = np.dtype(dtype)
        self._resource = resource
        self._cache = DecodedCache(cache_bytes)
        self._loads_whole_tiles = loads_whole_tiles(self._tiles)

    def read(self, plane: int) -> NDArray[Any]:
        """The pixels of a plane, axes y and x, in the output's type; not to be changed.

        Raises:
            SourceError: they cannot be read, or have another shape or type than the tile.
        """
        return self._read(plane, None)

    def read_into(self, target: NDArray[Any], plane: int) -> None:
        """Write the pixels of a plane into an array of its shape (axes y, x) and the output's type.

        A loader that can decodes straight into it, unless further units need the plane.

        Raises:
            SourceError: they cannot be read, or have another shape or type than the tile.
        """
        pixels = self._read(plane, target)
        if _place(pixels) != _place(target):
            target[...] = pixels

    def _read(self, plane: int, target: NDArray[Any] | None) -> NDArray[Any]:
        planes = self._planes
        tile = int(planes.tile[plane])
        shape = self._tiles.shape(tile)
        index = PlaneIndex(int(planes.tile_t[plane]), int(planes.tile_c[plane]), int(planes.tile_z[plane]))
        uses = int(self._uses[plane])
        if self._loads_whole_tiles and shape.t * shape.c * shape.z > 1:
            uses *= shape.t * shape.c * shape.z
            pixels: NDArray[Any] = self._cache.get((tile,), uses, lambda: self._whole_tile(tile, shape))[
                index
            ]
            return pixels
        target = target if uses == 1 else None  # what is kept has memory of its own
        return self._cache.get((tile, index), uses, lambda: self._plane(tile, index, shape, target))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The output's pixel type."""
        return self._dtype

    def _plane(
        self, tile: int, index: PlaneIndex, shape: TileShape, target: NDArray[Any] | None
    ) -> NDArray[Any]:
        loader = self._tiles.loaders[tile]
        with self._naming(tile):
            if target is None:
                pixels = loader.load_plane(index, shape, self._resource)
            else:
                pixels = loader.load_plane_into(target, index, shape, self._resource)
        if pixels.shape != shape[3:]:
            found = " x ".join(map(str, pixels.shape))
            msg = (
                f"{self.describe(tile)}: expected {shape.y} x {shape.x} px (height x width), "
                f"found {found}: correct the tile's lengths"
            )
            raise SourceError(msg)
        return self._typed(pixels, tile)

    def _whole_tile(self, tile: int, shape: TileShape) -> NDArray[Any]:
        with self._naming(tile):
            data = self._tiles.loaders[tile].load_data(self._resource)
        return self._typed(as_tczyx(data, shape, self.describe(tile)), tile)

    @contextmanager
    def _naming(self, tile: int) -> Iterator[None]:
        """Say which tile could not be read; a loader's own message may not know."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            msg = f"{self.describe(tile)}: cannot be read: {reason}: check the file and its permissions"
            raise SourceError(msg) from error

    def _typed(self, pixels: NDArray[Any], tile: int) -> NDArray[Any]:
        if pixels.dtype == self._dtype:
            return pixels
        if not np.can_cast(pixels.dtype, self._dtype, "safe"):
            msg = (
                f"{self.describe(tile)}: expected pixels that fit {self._dtype}, "
                f"found {pixels.dtype}: set data_type to a type that holds both"
            )
            raise SourceError(msg)
        return pixels.astype(self._dtype)

    def describe(self, tile: int) -> str:
        """A tile in a message: field of view, place and file."""
        return self._placed.describe(tile, self._resource)


def _place(pixels: NDArray[Any]) -> tuple[object, ...]:
    """Where and how pixels lie in memory: the same for two views that show the same."""
    return pixels.__array_interface__["data"][0], pixels.shape, pixels.strides, pixels.dtype


class DecodedCache:
    """Arrays that are needed a known number of times; what exceeds the bound is made again."""

    def __init__(self, largest: int) -> None:
        """Keep at most `largest` bytes."""
        self._largest = largest
        self._bytes = 0
        self._kept: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
        self._left: dict[Hashable, int] = {}
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, uses: int, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """The array of a key, made at most once at a time.

        Args:
            key: names the array.
            uses: how often it will be asked for in all.
            make: makes it.
        """
        if uses == 1:
            return make()
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                array = self._kept.get(key)
            if array is None:
                array = make()
            self._used(key, uses, array)
        return array

    def _used(self, key: Hashable, uses: int, array: NDArray[Any]) -> None:
        with self._lock:
            left = self._left[key] = self._left.get(key, uses) - 1
            known = self._kept.pop(key, None)
            self._bytes -= known.nbytes if known is not None else 0
            if left == 0:
                del self._left[key], self._making[key]
                return
            self._kept[key] = array
            self._bytes += array.nbytes
            while self._bytes > self._largest:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= dropped.nbytes
