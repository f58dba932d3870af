"""ND2 files as planes: positions of the stage as fields of view, or as wells where that is what they are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.core.loader_column import LoaderColumn
from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import ChannelInfo, SingleImage, well_name
from tiles2zarr.models.collection import row_index
from tiles2zarr.sources.bioimage_parts import field_names
from tiles2zarr.sources.nd2.pixels import Nd2ImageLoader
from tiles2zarr.sources.planes import NotTaken, Planes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tiles2zarr.models import CollectionInterface
    from tiles2zarr.sources.bioimage_files import Images
    from tiles2zarr.sources.nd2.reading import Nd2File

# A1, B02, AF48; after them what tells positions in a well apart: B02_0003, A1 #2.
_WELL = re.compile(r"([A-P]|A[A-F])(0?[1-9]|[1-4][0-9])(?:[^A-Za-z0-9].*)?")
# More than any file has: what counts further is damaged.
_MOST_PLANES = 5_000_000
_COLORS = (("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF"))


def planes_of(file: Nd2File, images: Images) -> tuple[Planes, list[Finding]]:
    """One plane for each channel of each frame that is in the file.

    Raises:
        SourceError: its loops count more frames than any file has, or another number of positions than it lists.
    """
    positions = int(np.prod([loop.count for loop in file.loops if loop.axis == "p"], dtype=object))
    if positions != len(file.points) or positions < 1:
        found = f"{len(file.points)} in its list"
        msg = f"{file.file}: expected the {positions} positions of its loops, found {found}: copy the file again"
        raise SourceError(msg)
    lengths = [loop.count for loop in file.loops]
    frames = int(np.prod(lengths, dtype=object))
    if frames * len(file.planes) > _MOST_PLANES:
        remedy = "the file is damaged, copy it again"
        msg = (
            f"{file.file}: expected at most {_MOST_PLANES} planes, found loops over {frames} frames: {remedy}"
        )
        raise SourceError(msg)
    findings = _findings(file, frames)
    index = np.indices([*lengths, len(file.planes)]).reshape(len(lengths) + 1, -1)
    number = np.repeat(np.arange(frames), len(file.planes))
    axes = {axis: _along(file, index, axis) for axis in "tpz"}
    position = np.array([file.chunks.frames.get(frame, -1) for frame in range(frames)], np.int64)
    taken = position[number] >= 0
    collections, image_of, field_of = _images(file, images)
    channels, first = _channels(file)
    x, y = _stage(file)
    channel, point = index[-1][taken], axes["p"][taken]
    samples = np.array([plane.samples for plane in file.planes], np.int64)
    acquired = _acquired(file, frames)
    times = [loop for loop in file.loops if loop.axis == "t"]
    z_step = next((loop.step for loop in file.loops if loop.axis == "z" and loop.count > 1), 0.0)
    return Planes(
        collections=collections,
        collection=image_of[point],
        field_names=field_names(field_of),
        field=field_of[point],
        channels=channels,
        c=first[channel],
        z=axes["z"][taken],
        t=axes["t"][taken],
        x=x[point],
        y=y[point],
        height=np.full(len(point), file.height, np.int64),
        width=np.full(len(point), file.width, np.int64),
        loaders=_loaders(file, number[taken], position[number[taken]], channel),
        pixelsize=file.pixelsize,
        z_spacing=z_step or None,
        t_spacing=None if np.isfinite(acquired).any() or len(times) != 1 else times[0].step or None,
        acquired=acquired[number[taken]],
        not_taken=_not_taken(axes, taken, image_of, field_of, first[index[-1]], samples[index[-1]]),
        length_c=samples[channel],
    ), findings


def _along(file: Nd2File, index: NDArray[np.int64], axis: str) -> NDArray[np.int64]:
    """Position along an axis, which several loops may share."""
    rows = [row for row, loop in enumerate(file.loops) if loop.axis == axis]
    found = np.zeros(index.shape[1], np.int64)
    for row in rows:
        found = found * file.loops[row].count + index[row]
    return found


def _images(
    file: Nd2File, images: Images
) -> tuple[tuple[CollectionInterface, ...], NDArray[np.int64], NDArray[np.int64]]:
    """The images, and for each position of the stage its image and its field of view there."""
    wells = _wells([point.name for point in file.points])
    if not wells:
        count = len(file.points)
        image = SingleImage(image_path=images.paths.path(file.file.stem))
        return (image,), np.zeros(count, np.int64), np.arange(count)
    distinct, image_of = np.unique(wells, return_inverse=True)
    collections = tuple(
        images.well(row_index(well.rstrip("0123456789")) + 1, int(well.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")))
        for well in distinct.tolist()
    )
    field_of = np.array([images.fields(collections[image], 1) for image in image_of.reshape(-1)], np.int64)
    return collections, image_of.reshape(-1).astype(np.int64), field_of


def _wells(names: Sequence[str]) -> list[str]:
    """The well of each position; nothing unless all of them are called after wells.

    Positions that were called P1, P2, P3 … are no wells.
    """
    matches = [_WELL.fullmatch(name.strip()) for name in names]
    found = [match for match in matches if match is not None]
    if not names or len(found) < len(names):
        return []
    if all(match[1] == "P" for match in found) and [int(match[2]) for match in found] == list(
        range(1, len(names) + 1)
    ):
        return []
    return [well_name(f"{match[1]}{match[2]}") for match in found]


def _stage(file: Nd2File) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each position lies, µm, in the direction of the image's columns and rows.

    The stage counts Y upwards, as a rule. Where there are several positions and the camera is turned against the stage,
    they are turned with it by the nearest right angles, so that neighbours meet at the right edges.
    """
    stage = np.array([[point.x, -point.y] for point in file.points], np.float64)
    if len(stage) == 1:
        return stage[:, 0] + 0.0, stage[:, 1] + 0.0
    camera = file.camera
    turn = np.zeros((2, 2))
    if np.isfinite(camera).all():
        rows = np.argmax(np.abs(camera), axis=1)
        if sorted(rows.tolist()) == [0, 1]:
            turn[[0, 1], rows] = np.sign(camera[[0, 1], rows])
    if abs(np.linalg.det(turn)) == 1:
        # Pixels to stage is what the matrix says: its transpose leads from the stage to pixels.
        stage = (stage * file.orientation * (1, -1)) @ turn
    return stage[:, 0] + 0.0, stage[:, 1] + 0.0


def _channels(file: Nd2File) -> tuple[tuple[ChannelInfo, ...], NDArray[np.int64]]:
    """The channels, and the first one of each of the file's; colours take three."""
    channels: list[ChannelInfo] = []
    first = []
    for plane in file.planes:
        first.append(len(channels))
        if plane.samples == 1:
            channels.append(ChannelInfo(**plane.known))
            continue
        label = plane.known["channel_label"]
        channels += [
            ChannelInfo(**{**plane.known, "channel_label": f"{label} {name}", "color": color})
            for name, color in _COLORS
        ]
    return tuple(channels), np.array(first, np.int64)


def _acquired(file: Nd2File, frames: int) -> NDArray[np.float64]:
    """When each frame was taken, s since 1970, or since the start where that is not said."""
    acquired = np.full(frames, np.nan)
    times = file.chunks.times[:frames]
    if len(times):
        acquired[: len(times)] = times + (file.started if np.isfinite(file.started) else 0.0)
    return acquired


def _loaders(
    file: Nd2File, frame: NDArray[np.int64], position: NDArray[np.int64], channel: NDArray[np.int64]
) -> LoaderColumn:
    samples = np.array([plane.samples for plane in file.planes], np.int64)
    component = np.concatenate([[0], np.cumsum(samples)[:-1]])
    constants = {
        "file_path": file.file.name,
        "height": file.height,
        "width": file.width,
        "row_bytes": file.row_bytes,
        "components": int(samples.sum()),
        "dtype": file.dtype,
        "is_compressed": file.is_compressed,
    }
    varying = {
        "frame": frame,
        "position": position,
        "component": component[channel],
        "samples": samples[channel],
    }
    fields = {name: np.full(len(frame), value, object) for name, value in constants.items()}
    fields |= {name: np.fromiter(column.tolist(), object, len(frame)) for name, column in varying.items()}
    return LoaderColumn(Nd2ImageLoader, fields, len(frame))


def _not_taken(
    axes: dict[str, NDArray[np.int64]],
    taken: NDArray[np.bool_],
    image_of: NDArray[np.int64],
    field_of: NDArray[np.int64],
    first: NDArray[np.int64],
    samples: NDArray[np.int64],
) -> tuple[NotTaken, ...]:
    """Frames that the loops count and the file lacks, as after an acquisition that was stopped."""
    lost = np.flatnonzero(~taken)
    reason = "the file has no such frame"
    return tuple(
        NotTaken(
            int(image_of[axes["p"][row]]),
            int(field_of[axes["p"][row]]),
            int(first[row]),
            int(axes["z"][row]),
            int(axes["t"][row]),
            reason,
            int(samples[row]),
        )
        for row in lost.tolist()
    )


def _findings(file: Nd2File, frames: int) -> list[Finding]:
    found = []
    further = sum(1 for frame in file.chunks.frames if frame >= frames)
    if further:
        message = (
            f"expected the {frames} frames of its loops, found {further} more, which are left out: "
            "check the file in NIS-Elements"
        )
        found.append(Finding("warning", "wrong-shape", str(file.file), message))
    for loop in file.loops:
        if loop.kind == "CustomLoop" and loop.count > 1:
            message = (
                f"expected loops over time, positions and z, found another of {loop.count}: it counts as time"
            )
            found.append(Finding("info", "assumed-value", str(file.file), message))
    return found
