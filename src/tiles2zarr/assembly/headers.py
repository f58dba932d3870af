"""Preflight of the source files: headers only, in threads where that helps, every finding in one go."""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.core.tiles import LENGTHS
from tiles2zarr.errors import Finding, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.core.tiles import Tiles
    from tiles2zarr.models import PixelHeader

    #: Rows of tiles, and what their loaders are given.
    Part = tuple[Tiles, NDArray[np.int64], Any | None]
    #: Rows with their pixel types, and what is wrong with the others.
    Looked = tuple[list[tuple[int, str]], list[Finding]]

# On network file systems opening a file waits more than it works; there threads help. Where files come out of memory
# or from a fast disk, they only take the interpreter's lock from each other: 8 threads then need twice the CPU of one.
_THREADS, _WAITS = 8, 3.0
_TILES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Preflight:
    """What the headers of a run's files say.

    Attributes:
        findings: everything that is wrong.
        data_types: numpy's name of the output's pixel type of each image; None where no header says it.
        bytes_in: bytes of pixels of each image's tiles, uncompressed.
    """

    findings: tuple[Finding, ...]
    data_types: tuple[str | None, ...]
    bytes_in: tuple[int, ...]


def read_headers(
    images: Sequence[TiledImage[Any, Any]],
    resources: Sequence[Any | None],
    lost: Sequence[Sequence[int]] | None = None,
) -> Preflight:
    """Open every tile's file and compare its header with what the tile says.

    Args:
        images: their tiles.
        resources: for each image what the loaders are given.
        lost: for each image the rows of tiles that nobody looks for; None: there are none.
    """
    slices = [
        _slices(np.delete(np.arange(len(image.tiles)), list(rows)))
        for image, rows in zip(images, lost or [()] * len(images), strict=True)
    ]
    parts = [
        (image.tiles, rows, resource)
        for image, own, resource in zip(images, slices, resources, strict=True)
        for rows in own
    ]
    findings: list[Finding] = []
    data_types, sizes = [], []
    looked_at = _look_at(parts)
    for image, own, resource in zip(images, slices, resources, strict=True):
        types: Counter[str] = Counter()
        first_of: dict[str, int] = {}
        for _ in own:
            found, noticed = next(looked_at)
            findings += noticed
            types.update(dtype for _, dtype in found)
            for row, dtype in found:
                first_of.setdefault(dtype, row)
        data_type, wrong = _data_type(image, types, first_of, resource)
        findings += wrong
        data_types.append(data_type)
        pixels = sum(_pixels(image.tiles, rows) for rows in own)
        sizes.append(pixels * np.dtype(data_type or "uint16").itemsize)
    return Preflight(tuple(findings), tuple(data_types), tuple(sizes))


def _look_at(parts: Iterable[Part]) -> Iterator[Looked]:
    """Look at parts in their order: one by one while that works, side by side as soon as it mostly waits."""
    left = iter(parts)
    for part in left:
        started, worked = time.perf_counter(), time.thread_time()
        looked = _look(part)
        waits = time.perf_counter() - started > _WAITS * (time.thread_time() - worked)
        yield looked
        if waits:
            break
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(_look, left)


def _slices(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows to be looked at together: few enough hand-overs for a million tiles."""
    return np.array_split(rows, -(-len(rows) // _TILES_AT_ONCE))


def _pixels(tiles: Tiles, rows: NDArray[np.int64]) -> int:
    lengths = (getattr(tiles, name)[rows] for name in LENGTHS)
    return int(np.prod(list(lengths), axis=0).sum())


def _look(part: Part) -> Looked:
    """The pixel type of each tile whose header can be read, and what is wrong with the others."""
    tiles, rows, resource = part
    types: list[tuple[int, str]] = []
    findings: list[Finding] = []
    for row in rows.tolist():
        header = _header(tiles, row, resource)
        if isinstance(header, Finding):
            findings.append(header)
        elif header is not None:
            types.append((row, header.dtype))
            findings += _compare(tiles, row, header, resource)
    return types, findings


def _header(tiles: Tiles, row: int, resource: Any | None) -> PixelHeader | Finding | None:
    loader = tiles.loaders[row]
    try:
        return loader.read_header(resource)
    except SourceError as error:
        file = loader.source_file(resource)
        is_missing = file is not None and not os.path.exists(file)
        code = "missing-file" if is_missing else "unreadable-file"
        message = str(error).removeprefix(f"{loader.describe_source(resource)}: ")
        return Finding("error", code, tiles.describe(row, resource), message)


def _compare(tiles: Tiles, row: int, header: PixelHeader, resource: Any | None) -> list[Finding]:
    """What a header has against its tile."""
    shape = tiles.shape(row)
    is_color = header.samples >= 3
    planes = shape.t * shape.z * (1 if is_color else shape.c)
    if (header.height, header.width) != shape[3:]:
        message = (
            f"expected {shape.y} x {shape.x} px (height x width), "
            f"found {header.height} x {header.width}: correct the tile's lengths"
        )
    elif is_color and shape.c != 3:
        message = (
            f"expected a grey image, found {header.samples} colours per pixel: "
            "set length_c = 3 for the tile, or convert the file to grey"
        )
    elif header.planes < planes or (header.planes > planes and not header.is_shared):
        expected = "1 plane" if planes == 1 else f"{planes} planes"
        message = (
            f"expected {expected} (t {shape.t}, c {shape.c}, z {shape.z}), found {header.planes}: "
            "correct the tile's length_z, length_c or length_t, or give first_page where tiles share a file"
        )
    elif header.samples == 4:
        message = "the fourth colour (alpha) is left out"
        return [Finding("info", "dropped-alpha", tiles.describe(row, resource), message)]
    else:
        return []
    return [Finding("error", "wrong-shape", tiles.describe(row, resource), message)]


def _data_type(
    image: TiledImage[Any, Any], types: Counter[str], first_of: Mapping[str, int], resource: Any | None
) -> tuple[str | None, list[Finding]]:
    """The one pixel type of an image, and for each type that does not fit it the first tile that has it."""
    if image.data_type is not None:
        target, expected = image.data_type, f"pixels that fit data_type = {image.data_type}"
        unfit = [dtype for dtype in types if not np.can_cast(stored_type(dtype), target, "safe")]
    elif types:
        target = stored_type(types.most_common(1)[0][0])
        expected = f"{target} as most tiles of the image"
        unfit = [dtype for dtype in types if stored_type(dtype) != target]
    else:
        return None, []
    wrong = []
    for dtype in unfit:
        more = f" (and in {types[dtype] - 1} more tiles)" if types[dtype] > 1 else ""
        message = f"expected {expected}, found {dtype}{more}: set data_type to a type that holds them all"
        wrong.append(Finding("error", "wrong-type", image.tiles.describe(first_of[dtype], resource), message))
    return target, wrong


def stored_type(dtype: str) -> str:
    """How a type is stored: black and white as 0 and 1, half floats as floats, which every reader knows."""
    return {"bool": "uint8", "float16": "float32"}.get(dtype, dtype)
