"""The planes of a series: one for each tile, timepoint, z-plane and channel, wherever they lie in memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.core.loader_column import LoaderColumn
from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import ChannelInfo, SingleImage
from tiles2zarr.sources.lif.pixels import LifImageLoader
from tiles2zarr.sources.lif.series import plane_axes, time_stamps
from tiles2zarr.sources.lif.settings import channels_of, stage_of
from tiles2zarr.sources.planes import Planes
from tiles2zarr.sources.settling import pixel_size
from tiles2zarr.sources.spacing import median_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tiles2zarr.sources.base import ScanRequest
    from tiles2zarr.sources.lif.container import LifFile
    from tiles2zarr.sources.lif.series import Channel, Dimension, Series

_TIME_AND_TILES = ("t", "m")
# More than any series has: what counts further is damaged.
_MOST_PLANES = 5_000_000
_SPACE = ("x", "y", "z")


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Every plane of a series, by column.

    Attributes:
        index: per axis beyond the plane, and ``channel``, the position of each plane.
        position: the first byte of each plane, from the series' first on.
    """

    index: dict[str, NDArray[np.int64]]
    position: NDArray[np.int64]

    def of(self, name: str) -> NDArray[np.int64]:
        """Positions along an axis, 0 where the series does not have it."""
        return self.index.get(name, np.zeros(len(self.position), np.int64))


def planes_of(
    series: Series, lif: LifFile, image_path: str, request: ScanRequest, where: str
) -> tuple[Planes, list[Finding]]:
    """The planes of a series, and what there is to say of it.

    Args:
        series: the series.
        lif: the file it is in.
        image_path: where its image goes.
        request: what the user says; a pixel size holds for tiles without positions, too.
        where: what messages call it.

    Raises:
        SourceError: its pixels are not all in the file, or they are mixed.
    """
    x, y = plane_axes(series)
    rest = [item for item in series.dimensions if item is not x and item is not y and item.count > 1]
    space = [item for item in rest if item.name in _SPACE]
    z = space[0] if space else None
    shown = [item for item in rest if item is not z and item.name not in _TIME_AND_TILES]
    _check(series, x, y, lif, where)
    grid = _grid(series.channels, rest)
    channels, c = _channels(series, shown, grid)
    tiles = next((item.count for item in rest if item.name == "m"), 1)
    size_x, size_y = _pixel_sizes(x, y)
    stage, said = _stage(series, tiles, x.count * pixel_size(request, size_x, size_y)[0], where)
    time = next((item for item in rest if item.name == "t"), None)
    stamps, started = time_stamps(series, where)
    taken = _in_planes(stamps, series, rest, grid)
    others = [c, *(grid.of(item.name) for item in rest if item.name != "t")]
    t_spacing = median_step(taken, grid.of("t"), others)
    if t_spacing is None and time is not None:
        t_spacing = _positive(time.step)
    tile = grid.of("m")
    findings = [*said, *_findings(x, y, z, shown, where)]
    count = len(grid.position)
    return Planes(
        collections=(SingleImage(image_path=image_path),),
        collection=np.zeros(count, np.int64),
        field_names=tuple(f"FOV_{number + 1}" for number in range(tiles)),
        field=tile,
        channels=channels,
        c=c,
        z=grid.of(z.name) if z is not None else np.zeros(count, np.int64),
        t=grid.of("t"),
        x=stage[tile, 0],
        y=stage[tile, 1],
        height=np.full(count, y.count, np.int64),
        width=np.full(count, x.count, np.int64),
        loaders=_loaders(series, lif, (x, y), grid),
        pixelsize=size_x,
        pixelsize_y=size_y if size_y != size_x else None,
        z_spacing=_positive(z.step) if z is not None else None,
        t_spacing=t_spacing,
        acquired=taken + started,
    ), findings


def _check(series: Series, x: Dimension, y: Dimension, lif: LifFile, where: str) -> None:
    """The series' last byte must be in its block, and its block in the file."""
    block = lif.blocks.get(series.memory)
    remedy = "the file is damaged or incomplete, copy it again"
    if block is None:
        msg = f"{where}: expected memory block {series.memory}, found none: {remedy}"
        raise SourceError(msg)
    kinds = {channel.dtype for channel in series.channels}
    if len(kinds) > 1:
        found = ", ".join(sorted(kinds))
        msg = f"{where}: expected one pixel type, found {found}: export the channels one by one in LAS X"
        raise SourceError(msg)
    last = max(channel.offset for channel in series.channels)
    last += sum((item.count - 1) * item.stride for item in (*series.dimensions,))
    last += np.dtype(kinds.pop()).itemsize
    long = [item for item in series.dimensions if item.count > 1]
    count = len(series.channels) * int(
        np.prod([item.count for item in long if item not in (x, y)], dtype=object)
    )
    if min((item.stride for item in long), default=1) < 1 or count > _MOST_PLANES:
        msg = f"{where}: expected axes that lie apart in memory, found {count} planes of them: {remedy}"
        raise SourceError(msg)
    if last > block.size or block.start + last > lif.size:
        found = f"{min(block.size, lif.size - block.start)}"
        msg = f"{where}: expected {last} bytes of pixels, found {found}: {remedy}"
        raise SourceError(msg)


def _grid(channels: Sequence[Channel], rest: Sequence[Dimension]) -> _Grid:
    """All combinations of channel and further axes, slowest first; the channel varies fastest."""
    axes = [*reversed(rest)]
    lengths = [*(item.count for item in axes), len(channels)]
    index = np.indices(lengths).reshape(len(lengths), -1)
    position = np.array([channel.offset for channel in channels], np.int64)[index[-1]]
    for row, item in enumerate(axes):
        position = position + index[row] * item.stride
    named = {item.name: index[row].astype(np.int64) for row, item in enumerate(axes)}
    return _Grid({**named, "channel": index[-1].astype(np.int64)}, position)


def _channels(
    series: Series, shown: Sequence[Dimension], grid: _Grid
) -> tuple[tuple[ChannelInfo, ...], NDArray[np.int64]]:
    """A channel for each channel and each position along wavelengths, loops and so on."""
    base = channels_of(series)
    lengths = [len(base), *(item.count for item in shown)]
    c = np.ravel_multi_index([grid.of("channel"), *(grid.of(item.name) for item in shown)], lengths)
    channels = []
    for combination in np.ndindex(*lengths):
        known = base[combination[0]]
        label, update = known.channel_label, {}
        for item, position in zip(shown, combination[1:], strict=True):
            value = item.origin + position * item.step
            if item.name in ("λ", "Λ") and isfinite(value) and value > 0:
                value = float(f"{value:.6g}")
                label += f" {value:g} nm"
                update["emission_nm" if item.name == "λ" else "excitation_nm"] = value
            else:
                label += f" {item.name} {position + 1}"
        channels.append(known.model_copy(update={**update, "channel_label": label}))
    return tuple(channels), np.asarray(c, np.int64)


def _pixel_sizes(x: Dimension, y: Dimension) -> tuple[float | None, float | None]:
    """Width and height of a pixel, µm; rows that are no distance are as high as wide."""
    sizes = [_positive(item.step) if item.name in _SPACE else None for item in (x, y)]
    width = sizes[0] if sizes[0] is not None else sizes[1]
    return width, sizes[1] if sizes[1] is not None else width


def _stage(series: Series, tiles: int, width: float, where: str) -> tuple[NDArray[np.float64], list[Finding]]:
    """Stage positions of the tiles, axes tile and (x, y), µm."""
    stage = stage_of(series, tiles)
    if stage is not None:
        return stage, []
    row = np.arange(tiles)[:, None] * np.array([width, 0.0])
    if tiles == 1:
        return row, []
    message = (
        f"expected a stage position for each of {tiles} tiles, found none, so they lie in a row: "
        "give their places in a tiles table if they are known"
    )
    return row, [Finding("warning", "assumed-value", where, message)]


def _in_planes(
    stamps: NDArray[np.float64], series: Series, rest: Sequence[Dimension], grid: _Grid
) -> NDArray[np.float64]:
    """The stamp of each plane, where there is one for each, or one for all channels of each; else NaN."""
    unknown = np.full(len(grid.position), np.nan)
    frames = int(np.prod([item.count for item in rest], dtype=np.int64))
    channels = len(series.channels)
    if len(stamps) == frames * channels:
        offsets = [channel.offset for channel in series.channels]
        # Stamps lie in the order of memory, where channels may be slower than other axes.
        span = sorted(
            [*((item.stride, item.name) for item in rest), (_step(offsets), "channel")], reverse=True
        )
        lengths = {**{item.name: item.count for item in rest}, "channel": channels}
        names = [name for _, name in span]
        order = np.ravel_multi_index([grid.of(name) for name in names], [lengths[name] for name in names])
        return stamps[order]
    if len(stamps) == frames:
        return stamps[np.arange(len(grid.position)) // channels]
    return unknown


def _step(offsets: Sequence[int]) -> int:
    """Bytes from one channel to the next."""
    return min((b - a for a, b in zip(sorted(offsets), sorted(offsets)[1:], strict=False)), default=0)


def _loaders(series: Series, lif: LifFile, axes: tuple[Dimension, Dimension], grid: _Grid) -> LoaderColumn:
    x, y = axes
    count = len(grid.position)
    constants = {
        "file_path": lif.file.name,
        "height": y.count,
        "width": x.count,
        "row_step": max(y.stride, 1),
        "pixel_step": max(x.stride, 1),
        "dtype": series.channels[0].dtype,
    }
    fields = {name: np.full(count, value, object) for name, value in constants.items()}
    start = lif.blocks[series.memory].start
    fields["position"] = np.fromiter((grid.position + start).tolist(), object, count)
    return LoaderColumn(LifImageLoader, fields, count)


def _findings(
    x: Dimension, y: Dimension, z: Dimension | None, shown: Sequence[Dimension], where: str
) -> list[Finding]:
    found = []
    if (x.name, y.name) != ("x", "y"):
        planes = f", planes along {z.name}" if z is not None else ""
        message = f"expected planes in x and y, found a scan in {x.name} and {y.name}: rows lie along {y.name}{planes}"
        found.append(Finding("info", "assumed-value", where, message))
    for item in shown:
        message = f"expected one {item.name}, found {item.count}: each becomes channels of its own"
        found.append(Finding("info", "assumed-value", where, message))
    return found


def _positive(value: float) -> float | None:
    return value if isfinite(value) and value > 0 else None
