"""Display ranges that are the same for a channel in all images of an acquisition."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.assembly.headers import stored_type
from tiles2zarr.errors import Finding
from tiles2zarr.models import PlaneIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.models import AcquisitionDetails

#: Planes that are sampled for a channel, spread evenly over all tiles that have it.
PLANES_PER_CHANNEL = 32
# The darkest and brightest share of pixels that may be clipped, per cent.
_LOW, _HIGH = 0.1, 99.9
_THREADS = 2
_HALF = 2**15  # of the numbers of 16 bits
_COUNTED = 2**17  # pixels at a time, each of which takes 8 bytes then


Windows = tuple[tuple[float, float], ...]


def sample_windows(images: Sequence[TiledImage[Any, Any]], resources: Sequence[Any | None]) -> list[Windows]:
    """For each image the display range (start, end) of each of its channels.

    Images that share their details have the same ranges: slices and projections, or the series of a file, have
    their own. At most 32 planes of a channel are looked at, always the same ones. A range that the channel itself
    declares is kept.

    Raises:
        SourceError: a sampled plane cannot be read.
    """
    together: dict[AcquisitionDetails, list[int]] = {}
    for number, image in enumerate(images):
        together.setdefault(image.details, []).append(number)
    windows: dict[int, Windows] = {}
    for numbers in together.values():
        shared = _shared_windows([images[n] for n in numbers], [resources[n] for n in numbers])
        windows |= dict.fromkeys(numbers, shared)
    return [windows[number] for number in range(len(images))]


def _shared_windows(images: Sequence[TiledImage[Any, Any]], resources: Sequence[Any | None]) -> Windows:
    """The display range of each channel of images that share their channels."""
    channels = images[0].channels
    chosen = [_chosen(images, channel) for channel in range(len(channels))]
    with ThreadPoolExecutor(_THREADS) as pool:
        jobs = [
            (images[image], row, channel, resources[image])
            for channel, planes in enumerate(chosen)
            for image, row in planes
        ]
        samples = list(pool.map(_sample, jobs))
    windows, start = [], 0
    for channel, planes in zip(channels, chosen, strict=True):
        part = samples[start : start + len(planes)]
        start += len(planes)
        windows.append(channel.window or _window(part))
    return tuple(windows)


def shifted_values(images: Sequence[TiledImage[Any, Any]]) -> Iterator[Finding]:
    """A warning where no sampled pixel has a value that a camera records.

    Some instruments (ScanR among them) stored signed numbers as unsigned ones or the other way round, and neither
    metadata nor headers say so. Values are converted as they are.

    Args:
        images: with their display ranges.
    """
    told: set[AcquisitionDetails] = set()
    for image in images:
        pairs = zip(image.channels, image.windows or (), strict=False)
        sampled = [window for channel, window in pairs if channel.window is None]
        if not sampled or image.details in told:
            continue
        if image.data_type == "uint16" and min(start for start, _ in sampled) >= _HALF:
            found, sign = f"none below {_HALF}", "subtract"
        elif image.data_type == "int16" and max(end for _, end in sampled) < 0:
            found, sign = "only negative ones", "add"
        else:
            continue
        told.add(image.details)
        message = (
            f"expected values from 0 on, found {found}, as if signed numbers were stored as unsigned ones: "
            f"keep that in mind and {sign} {_HALF} before measuring; values are converted as they are"
        )
        yield Finding("warning", "shifted-values", image.path, message)


def _chosen(images: Sequence[TiledImage[Any, Any]], channel: int) -> list[tuple[int, int]]:
    """Image and row of the tiles to sample for a channel, evenly spread."""
    if images[0].channels[channel].window is not None:
        return []
    places = []
    for number, image in enumerate(images):
        tiles = image.tiles
        rows = np.flatnonzero((tiles.c <= channel) & (channel < tiles.c + tiles.length_c))
        places += [(number, int(row)) for row in rows]
    if len(places) <= PLANES_PER_CHANNEL:
        return places
    steps = np.linspace(0, len(places) - 1, PLANES_PER_CHANNEL).round().astype(int)
    return [places[step] for step in steps]


def _sample(job: tuple[TiledImage[Any, Any], int, int, Any | None]) -> NDArray[Any]:
    image, row, channel, resource = job
    tiles = image.tiles
    shape = tiles.shape(row)
    plane = PlaneIndex(shape.t // 2, channel - int(tiles.c[row]), shape.z // 2)
    pixels = tiles.loaders[row].sample_plane(plane, shape, resource)
    return pixels.astype(stored_type(str(pixels.dtype)), copy=False)


def _window(samples: Sequence[NDArray[Any]]) -> tuple[float, float]:
    pixels = np.concatenate([sample.ravel() for sample in samples]) if samples else np.zeros(1)
    if pixels.dtype.kind == "f":
        pixels = pixels[np.isfinite(pixels)]
    if not len(pixels):
        return 0.0, 1.0
    start, end = percentiles(pixels, (_LOW, _HIGH))
    if pixels.dtype.kind in "iu":
        start, end = float(np.floor(start)), float(np.ceil(end))
    return start, end if end > start else start + 1.0


def percentiles(pixels: NDArray[Any], shares: Sequence[float]) -> list[float]:
    """What `numpy.percentile` says, of camera pixels in a sixth of its time: they are counted and not sorted.

    Args:
        pixels: at least one, along one axis, none of them NaN.
        shares: per cent.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        return [float(value) for value in np.percentile(pixels, shares)]
    counts = np.zeros(2 * _HALF, np.int64)
    for start in range(0, len(pixels), _COUNTED):
        counts += np.bincount(pixels[start : start + _COUNTED], minlength=len(counts))
    ends = np.cumsum(counts)
    found = []
    for share in shares:
        place = (len(pixels) - 1) * (share / 100)
        below = int(place)
        low, high = np.searchsorted(ends, (below, min(below + 1, len(pixels) - 1)), side="right").tolist()
        part = place - below
        # From the nearer one, as numpy has it: the last bit decides how a value is rounded.
        found.append(low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part))
    return found
