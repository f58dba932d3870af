"""One CZI file as columns: which of its sub-blocks count, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import SourceError
from tiles2zarr.sources.czi.container import DIMENSIONS, CziContainer, SubBlocks
from tiles2zarr.sources.czi.metadata import Document, Scene, Tags, read_document, read_tags
from tiles2zarr.sources.czi.pixels import COMPRESSIONS, PIXEL_TYPES
from tiles2zarr.sources.czi.stage import stage_positions
from tiles2zarr.sources.settling import pixel_size
from tiles2zarr.sources.unreadable import unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.sources.base import ScanRequest


@dataclass(frozen=True, slots=True, eq=False)
class CziFile:
    """What one file holds.

    Attributes:
        file: its path.
        document: what its XML says.
        blocks: the sub-blocks at full size.
        scene: number of the scene of each, 0 where the file has none.
        tile: number of the tile within its scene.
        x: stage position, µm.
        y: stage position, µm, growing with the rows of the pixels.
        acquired: s since 1970, NaN where unknown.
    """

    file: Path
    document: Document
    blocks: SubBlocks
    scene: NDArray[np.int64]
    tile: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    acquired: NDArray[np.float64]


def read_file(file: Path, request: ScanRequest) -> CziFile:
    """Everything but pixels.

    Args:
        file: its path.
        request: what the user says; a pixel size holds for the grid of tiles, too.

    Raises:
        SourceError: the file is damaged, or holds what cannot be converted.
    """
    try:
        with open(file, "rb") as handle:
            container = CziContainer(file, handle)
            document = read_document(container.metadata(), file)
            blocks = _by_tile(_full_size(container.directory(), file))
            tags = [read_tags(container.tags(int(position))) for position in blocks.position]
            listed = container.time_stamps()
    except OSError as error:
        raise unreadable(file, error) from error
    _check(blocks, file)
    scene = np.maximum(index_of(blocks, "S"), 0)
    sizes = pixel_size(request, document.pixelsize, document.pixelsize_y)
    stated = request.options.pixel_info
    is_known = document.pixelsize is not None or (stated is not None and stated.pixelsize is not None)
    x, y = _positions(document, blocks, scene, tags, sizes if is_known else None)
    times = listed if len(listed) else np.array(document.times)
    acquired = np.array([tag.acquired for tag in tags])
    return CziFile(
        file=file,
        document=document,
        blocks=blocks,
        scene=scene,
        tile=_tiles(blocks, scene),
        x=x,
        y=y,
        acquired=_with_times(acquired, index_of(blocks, "T"), document.started, times),
    )


def index_of(blocks: SubBlocks, dimension: str) -> NDArray[np.int64]:
    """The position of each sub-block along a dimension, 0 where it does not lie along it."""
    column = blocks.index.get(dimension)
    return np.zeros(len(blocks), np.int64) if column is None else np.maximum(column, 0)


def _full_size(blocks: SubBlocks, file: Path) -> SubBlocks:
    """Without the pyramid, once it is known that nothing is stored in the pyramid alone."""
    full = blocks.take(~blocks.is_scaled)
    keys = [name for name in DIMENSIONS if name != "M"]
    places = {tuple(row) for row in np.stack([index_of(full, key) for key in keys], axis=1).tolist()}
    scaled = blocks.take(blocks.is_scaled)
    for row in np.unique(np.stack([index_of(scaled, key) for key in keys], axis=1), axis=0).tolist():
        if tuple(row) not in places:
            stated = [key for key in keys if key in scaled.index]
            place = " ".join(f"{key}={value}" for key, value in zip(keys, row, strict=True) if key in stated)
            remedy = "export it from ZEN at full size"
            msg = f"{file}: expected pixels at full size, found {place} stored at another size only: {remedy}"
            raise SourceError(msg)
    return full


def _by_tile(blocks: SubBlocks) -> SubBlocks:
    """The tiles of each plane by number, which is how ZEN lays them over each other, whenever they were written."""
    others = np.stack([index_of(blocks, name) for name in DIMENSIONS if name != "M"], axis=1)
    plane = np.unique(others, axis=0, return_inverse=True)[1].reshape(-1)
    order = np.zeros(len(blocks), np.int64)
    order[np.argsort(plane, kind="stable")] = np.lexsort((index_of(blocks, "M"), plane))
    return blocks.take(order)


def _check(blocks: SubBlocks, file: Path) -> None:
    """What cannot be read is refused before the conversion starts."""
    if blocks.part.any():
        msg = f"{file}: expected a document in one file, found parts of it in others: save it as one file in ZEN"
        raise SourceError(msg)
    for number in np.unique(blocks.pixel_type).tolist():
        if number not in PIXEL_TYPES:
            msg = f"{file}: expected grey or colour pixels, found pixel type {number}: convert it in ZEN"
            raise SourceError(msg)
    for number in np.unique(blocks.compression).tolist():
        if number not in COMPRESSIONS:
            known = ", ".join(COMPRESSIONS.values())
            msg = f"{file}: expected compression {known}, found number {number}: save it with another in ZEN"
            raise SourceError(msg)
    if len(blocks) and min(blocks.width.min(), blocks.height.min()) < 1:
        msg = f"{file}: expected tiles of at least one pixel, found an empty one: the file is damaged, copy it again"
        raise SourceError(msg)


def _positions(
    document: Document,
    blocks: SubBlocks,
    scene: NDArray[np.int64],
    tags: list[Tags],
    sizes: tuple[float, float] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Stage positions of the tiles, µm; in pixels where nobody knows their size."""
    planned = [document.scenes.get(int(number), Scene()).center for number in scene]
    found = []
    for axis, start in enumerate((blocks.x, blocks.y)):
        stage = np.array([(tag.x, tag.y)[axis] for tag in tags], np.float64)
        centers = np.array([center[axis] for center in planned], np.float64)
        if sizes is None:
            # Without a pixel size, pixels cannot be brought to the stage's micrometres.
            stage, centers = np.full(len(stage), np.nan), np.full(len(stage), np.nan)
        corners = start.astype(np.float64) * (sizes[axis] if sizes is not None else 1.0)
        found.append(stage_positions(corners, stage, scene, centers))
    return found[0], found[1]


def _tiles(blocks: SubBlocks, scene: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the tile: the M dimension where it tells tiles apart, else the rank of the place.

    Some software writes several tiles of a plane without numbering them.
    """
    others = [index_of(blocks, name) for name in "ZCTHIVBR"]
    numbers = index_of(blocks, "M")
    keys = np.stack([scene, numbers, *others], axis=1)
    if not len(keys) or len(np.unique(keys, axis=0)) == len(keys):
        return numbers
    places = np.stack([scene, blocks.y, blocks.x, blocks.height, blocks.width], axis=1)
    return np.unique(places, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _with_times(
    acquired: NDArray[np.float64], t: NDArray[np.int64], started: float, times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where no sub-block says when it was taken, what the document says of its timepoint."""
    if np.isfinite(acquired).any() or not len(times):
        return acquired
    known = t < len(times)
    result = acquired.copy()
    result[known] = times[t[known]] + (started if np.isfinite(started) else 0.0)
    return result
