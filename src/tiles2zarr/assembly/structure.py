"""Structural checks of a placed image: what can be seen from the tiles alone, without opening a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.assembly.gaps import FILE_MISSING, MOST_PLACES, count_places
from tiles2zarr.core.plane_words import place_in_words
from tiles2zarr.errors import Finding
from tiles2zarr.models import AXES, ImageInPlate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from tiles2zarr.assembly.gaps import Gap
    from tiles2zarr.core.placed_image import PlacedImage

# No microscope's stage travels further than this, µm; a plate is 128 mm long.
_LARGEST_EXTENT = 5e5


def check_structure(placed: PlacedImage, resource: Any | None) -> list[Finding]:
    """All structural findings of an image: extent, axes, channels, duplicate places, fields of uneven size."""
    findings = [*_extent(placed), *_axes(placed), *_channels(placed, resource)]
    if not findings:  # the next ones need a plausible extent
        findings = [*_duplicates(placed, resource), *_uneven_fields(placed, resource)]
    return findings


def is_plausible(placed: PlacedImage) -> bool:
    """Whether the image's extent is one that an instrument could have made."""
    return not any(True for _ in _extent(placed)) and not any(True for _ in _channels(placed, None))


def uneven_extents(images: Sequence[PlacedImage]) -> Iterator[Finding]:
    """A warning for each well of an acquisition that has fewer timepoints or z-planes than others.

    Projections are compared with projections; images outside of plates are what they are.
    """
    together: dict[str, list[PlacedImage]] = {}
    for placed in images:
        if isinstance(placed.image.collection, ImageInPlate):
            together.setdefault(placed.image.collection.projection, []).append(placed)
    for axis, noun in (("t", "timepoint"), ("z", "z-plane")):
        for wells in together.values():
            most = max(getattr(placed.shape, axis) for placed in wells)
            for placed in wells:
                length = getattr(placed.shape, axis)
                if length < most:
                    message = (
                        f"found {_counted(length, noun)}, other images of the acquisition have {most}: "
                        "check for losses"
                    )
                    yield Finding("warning", "uneven-extent", placed.image.path, message)


def gap_findings(placed: PlacedImage, gaps: list[Gap], *, fill: bool) -> list[Finding]:
    """Lost planes as errors (warnings when they are to be filled), known gaps as one line of information.

    Planes whose file is missing are not told: the file is.
    """
    remedy = (
        "; filled and recorded in the gaps table"
        if fill
        else ", or set missing_tiles to Fill to fill and record it"
    )
    findings = [
        Finding(
            "warning" if fill else "error",
            "missing-plane",
            f"{placed.image.path}, {gap.fov_name} ({_place(placed, gap)})",
            f"expected a tile, found none: find its file{remedy}",
        )
        for gap in gaps
        if not gap.known and gap.reason != FILE_MISSING
    ]
    known = [gap for gap in gaps if gap.known]
    if known:
        planes = sum(gap.z_stop - gap.z_start for gap in known)
        were = "plane was" if planes == 1 else "planes were"
        reasons = ", ".join(dict.fromkeys(gap.reason for gap in known))
        message = f"{planes} {were} never acquired ({reasons}); filled and recorded in the gaps table"
        findings.append(Finding("info", "known-gap", placed.image.path, message))
    return findings


def _place(placed: PlacedImage, gap: Gap) -> str:
    z = (gap.z_start, gap.z_stop - 1)
    return place_in_words(placed.image.details.channels, (gap.c, gap.c), z, (gap.t, gap.t))


def _extent(placed: PlacedImage) -> Iterator[Finding]:
    image, shape, size = placed.image, placed.shape, placed.image.pixel_size
    for axis, length in (("y", shape.y), ("x", shape.x)):
        step = size["y" if axis == "y" else "x"]
        if length * step > _LARGEST_EXTENT or length >= 2**31:
            positions = placed.y if axis == "y" else placed.x
            tile = int(np.argmax(np.abs(positions - np.median(positions))))
            message = (
                f"expected an extent of at most {_LARGEST_EXTENT / 1e6:g} m, found {length * step / 1e6:.4g} m "
                f"({length} px of {step:g} µm) along {axis}: correct the position or the pixel size"
            )
            yield Finding("error", "implausible-extent", placed.describe(tile), message)
    if count_places(placed) > MOST_PLACES:
        message = (
            f"expected z and t steps that fit the tiles, found "
            f"{_counted(shape.t, 'timepoint')} and {_counted(shape.z, 'z-plane')} "
            f"for {_counted(len(image.tiles), 'tile')}: "
            f"correct z_spacing ({size['z']:g} µm) or t_spacing ({size['t']:g} s)"
        )
        yield Finding("error", "implausible-extent", image.path, message)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _axes(placed: PlacedImage) -> Iterator[Finding]:
    for axis, length in zip(AXES[:3], placed.shape[:3], strict=True):
        if axis not in placed.image.axes and length > 1:
            message = (
                f"expected one {axis} only, since axes is {''.join(placed.image.axes)}, found {length}: "
                f"add {axis} to the axes or leave the tiles out"
            )
            yield Finding("error", "wrong-axes", placed.image.path, message)


def _channels(placed: PlacedImage, resource: Any | None) -> Iterator[Finding]:
    tiles, channels = placed.image.tiles, placed.image.channels
    beyond = np.flatnonzero(tiles.c + tiles.length_c > len(channels))
    if len(beyond):
        index = int((tiles.c + tiles.length_c)[beyond[0]]) - 1
        names = ", ".join(channel.channel_label for channel in channels)
        message = (
            f"expected a channel index from 0 to {len(channels) - 1} ({names}), found {index}: "
            "correct start_c or name the channel"
        )
        yield Finding("error", "unknown-channel", placed.describe(int(beyond[0]), resource), message)
    labels = [channel.channel_label for channel in channels]
    if len(set(labels)) != len(labels):
        twice = sorted({label for label in labels if labels.count(label) > 1})
        message = (
            f"expected channels with different labels, found {', '.join(twice)} more than once: rename one"
        )
        yield Finding("error", "unknown-channel", placed.image.path, message)


def _duplicates(placed: PlacedImage, resource: Any | None) -> Iterator[Finding]:
    """Two tiles with the same plane of one field, or at the very same place."""
    planes, tiles = placed.planes(), placed.image.tiles
    same_field = _repeated(tiles.fov[planes.tile], planes.t, planes.c, planes.z)
    same_place = _repeated(placed.y[planes.tile], placed.x[planes.tile], planes.t, planes.c, planes.z)
    pairs = dict.fromkeys((int(planes.tile[a]), int(planes.tile[b])) for a, b in (*same_field, *same_place))
    for first, second in pairs:
        message = (
            f"expected one tile in this place, found a second one, {placed.describe(second, resource)}: "
            "remove one, or correct its field of view, channel, z or t (at z_spacing "
            f"{placed.image.pixel_size['z']:g} µm and t_spacing {placed.image.pixel_size['t']:g} s both are z-plane "
            f"{placed.z[first]} of timepoint {placed.t[first]})"
        )
        yield Finding("error", "duplicate-place", placed.describe(first, resource), message)


def _repeated(*columns: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Rows that equal an earlier row, each with the first such row."""
    order = np.lexsort(columns[::-1])
    keys = np.stack(columns)[:, order]
    again = np.flatnonzero((keys[:, 1:] == keys[:, :-1]).all(axis=0))
    return [(int(order[row]), int(order[row + 1])) for row in again]


def _uneven_fields(placed: PlacedImage, resource: Any | None) -> Iterator[Finding]:
    tiles, fields = placed.image.tiles, placed.fields
    field = placed.field_of_tiles()
    uneven = np.flatnonzero(
        (tiles.length_x != fields.width[field]) | (tiles.length_y != fields.height[field])
    )
    if len(uneven):
        row = int(uneven[0])
        expected = f"{fields.height[field[row]]} x {fields.width[field[row]]}"
        message = (
            f"expected {expected} px (height x width) as its field of view's other tiles, "
            f"found {tiles.length_y[row]} x {tiles.length_x[row]}: give it a field of view of its own"
        )
        yield Finding("error", "wrong-shape", placed.describe(row, resource), message)
