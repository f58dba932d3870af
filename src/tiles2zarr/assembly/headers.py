"""Preflight of the source files: headers only, in threads, every finding in one go."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import PixelHeader, TileShape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.core.tiles import Tiles

_MOST_LISTED = 20
# Opening files waits for the disk more than it works.
_THREADS = 8


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


def read_headers(images: Sequence[TiledImage[Any, Any]], resources: Sequence[Any | None]) -> Preflight:
    """Open every tile's file and compare its header with what the tile says."""
    jobs = [
        (image.tiles, row, resource)
        for image, resource in zip(images, resources, strict=True)
        for row in range(len(image.tiles))
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        answers = list(pool.map(_header, jobs, chunksize=64))
    findings: list[Finding] = [answer for answer in answers if isinstance(answer, Finding)]
    data_types, sizes = [], []
    start = 0
    for image, resource in zip(images, resources, strict=True):
        headers = answers[start : start + len(image.tiles)]
        start += len(image.tiles)
        found = {row: header for row, header in enumerate(headers) if isinstance(header, PixelHeader)}
        findings += [
            finding
            for row, header in found.items()
            for finding in _compare(image.tiles, row, header, resource)
        ]
        dtype, wrong = _data_type(image, found, resource)
        findings += wrong
        data_types.append(dtype)
        itemsize = np.dtype(dtype).itemsize if dtype is not None else 2
        sizes.append(image.pixels * itemsize)
    return Preflight(tuple(_shortened(findings)), tuple(data_types), tuple(sizes))


def _header(job: tuple[Tiles, int, Any | None]) -> PixelHeader | Finding | None:
    tiles, row, resource = job
    loader = tiles.loaders[row]
    try:
        return loader.read_header(resource)
    except SourceError as error:
        file = loader.source_file(resource)
        missing = file is not None and not file.exists()
        return Finding(
            "error",
            "missing-file" if missing else "unreadable-file",
            tiles.describe(row, resource),
            _without(str(error), str(file)),
        )


def _compare(tiles: Tiles, row: int, header: PixelHeader, resource: Any | None) -> list[Finding]:
    shape = TileShape(*(int(getattr(tiles, f"length_{axis}")[row]) for axis in "tczyx"))
    problems = []
    if (header.height, header.width) != shape[3:]:
        problems.append(
            (
                "wrong-shape",
                f"expected {shape.y} x {shape.x} px (height x width), found {header.height} x {header.width}: correct the tile's lengths",
            )
        )
    is_color = header.samples >= 3
    if is_color and shape.c != 3:
        problems.append(
            (
                "wrong-shape",
                f"expected a grey image, found {header.samples} colours per pixel: set length_c = 3 for the tile, or convert the file to grey",
            )
        )
    expected = shape.t * shape.z * (1 if is_color else shape.c)
    if header.planes != expected and not problems:
        problems.append(
            (
                "wrong-shape",
                f"expected {expected} plane{'s'[: expected != 1]} (t {shape.t}, c {shape.c}, z {shape.z}), found {header.planes}: correct the tile's length_z, length_c or length_t",
            )
        )
    if header.samples == 4 and not problems:
        return [
            Finding(
                "info",
                "dropped-alpha",
                tiles.describe(row, resource),
                "the fourth colour (alpha) is left out",
            )
        ]
    return [Finding("error", code, tiles.describe(row, resource), message) for code, message in problems]


def _data_type(
    image: TiledImage[Any, Any], headers: dict[int, PixelHeader], resource: Any | None
) -> tuple[str | None, list[Finding]]:
    """The one pixel type of an image, and the tiles that do not fit it."""
    counts = Counter(header.dtype for header in headers.values())
    if image.data_type is not None:
        target = image.data_type
        unfit = {dtype for dtype in counts if not np.can_cast(stored_type(dtype), target, "safe")}
        advice = f"expected pixels that fit data_type = {target}"
    elif counts:
        target = stored_type(counts.most_common(1)[0][0])
        unfit = {dtype for dtype in counts if stored_type(dtype) != target}
        advice = f"expected {target} as most tiles of the image"
    else:
        return None, []
    wrong = [
        Finding(
            "error",
            "wrong-type",
            image.tiles.describe(row, resource),
            f"{advice}, found {header.dtype}: set data_type to a type that holds them all",
        )
        for row, header in headers.items()
        if header.dtype in unfit
    ]
    return target, wrong


def stored_type(dtype: str) -> str:
    """How a type is stored: black and white as 0 and 1, half floats as floats, since not every reader knows them."""
    return {"bool": "uint8", "float16": "float32"}.get(dtype, dtype)


def _without(message: str, file: str) -> str:
    return message.removeprefix(f"{file}: ")


def _shortened(findings: list[Finding]) -> list[Finding]:
    """At most a screenful of each kind, and how many more there are."""
    kept: list[Finding] = []
    counts: Counter[str] = Counter()
    for finding in findings:
        counts[finding.code] += 1
        if counts[finding.code] <= _MOST_LISTED:
            kept.append(finding)
    last = {finding.code: finding for finding in kept}
    kept += [
        Finding(last[code].severity, code, "the run", f"{count - _MOST_LISTED} more findings like these")
        for code, count in counts.items()
        if count > _MOST_LISTED
    ]
    return kept
