"""What all planes of a part share: channels, spacings, and what the user says instead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import Finding, OptionsError
from tiles2zarr.models import AcquisitionDetails
from tiles2zarr.sources.channels import distinctly_named, used_channels, with_offsets, z_offsets
from tiles2zarr.sources.spacing import median_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tiles2zarr.models import AcquisitionOptions, ChannelInfo
    from tiles2zarr.models.acquisition import Measured
    from tiles2zarr.sources.base import ScanRequest
    from tiles2zarr.sources.planes import Planes


@dataclass(frozen=True, slots=True)
class Settled:
    """A part, and what holds for all of its planes.

    Attributes:
        part: with the channels that were used, and numbers of planes and timepoints that count from 0.
        details: what its planes share.
        missing: names of the sizes that nobody says, and that are taken as 1.
    """

    part: Planes
    details: AcquisitionDetails
    missing: tuple[str, ...]


def settled(request: ScanRequest, part: Planes, z0: int, t0: int, *, is_like_others: bool) -> Settled:
    """The part with the channels that were used, numbers from zero, and what all of its planes share.

    Args:
        request: what the user says.
        part: not empty.
        z0: number of the acquisition's first z-plane.
        t0: number of its first timepoint.
        is_like_others: all parts of the scan use the same channels.

    Raises:
        OptionsError: the user names another number of channels.
    """
    lengths = part.length_c if part.length_c is not None else np.ones(len(part), np.int64)
    kept = used_channels(part.c, lengths)
    used = _renumbered(replace(part, length_c=lengths), kept, z0, t0)
    known = {
        "pixelsize": _measurable(part.pixelsize),
        "z_spacing": _measurable(_z_spacing(used)),
        "t_spacing": _measurable(_t_spacing(used)),
    }
    options = _with_channels_of(request.options, kept, part.channels, is_like_others=is_like_others)
    details = AcquisitionDetails(
        pixelsize=known["pixelsize"] or 1.0,
        pixelsize_y=_measurable(part.pixelsize_y),
        z_spacing=known["z_spacing"] or 1.0,
        t_spacing=known["t_spacing"] or 1.0,
        channels=_channels(used, [part.channels[index] for index in kept]),
        registered=part.is_registered,
        measured=_measured(request.options, part, known),
    )
    needed = {"pixelsize": True, "z_spacing": used.z.any(), "t_spacing": used.t.any()}
    missing = tuple(name for name, value in known.items() if value is None and needed[name])
    return Settled(used, options.update_acquisition_details(details), missing)


def pixel_size(request: ScanRequest, x: float | None, y: float | None = None) -> tuple[float, float]:
    """Width and height of a pixel as they will hold, µm, for positions that are counted in pixels.

    The user's size goes before the file's; where nobody says one, it is 1.

    Args:
        request: what the user says.
        x: width that the file says; None: nothing.
        y: height that the file says; None: as wide.
    """
    stated = request.options.pixel_info
    if stated is not None and stated.pixelsize is not None:
        return stated.pixelsize, stated.pixelsize
    width = _measurable(x) or 1.0
    return width, _measurable(y) or width


def assumed(request: ScanRequest, images: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """What nobody says is taken as 1, and that is said, once for each size.

    Args:
        request: what the user says.
        images: per name of a size the paths of the images that lack it.
    """
    stated = request.options.pixel_info
    for name, paths in images.items():
        if stated is None or getattr(stated, name) is None:
            others = f" (nor of {len(paths) - 1} other images)" if len(paths) > 1 else ""
            message = (
                f"expected the source to say {name}, found nothing{others}: "
                f"1 is assumed, set acquisition.pixel_info.{name} if it is not"
            )
            yield Finding("warning", "assumed-value", paths[0], message)


def _renumbered(part: Planes, kept: Sequence[int], z0: int, t0: int) -> Planes:
    """The part with indices of the channels that are kept, and numbers of planes and timepoints from zero."""
    index = np.full(len(part.channels), -1, np.int64)
    index[kept] = np.arange(len(kept))
    not_taken = [
        replace(
            gap,
            c=int(index[gap.c]) if gap.c is not None else None,
            z=gap.z - z0 if gap.z is not None else None,
            t=gap.t - t0 if gap.t is not None else None,
        )
        for gap in part.not_taken
        if gap.c is None or gap.c in kept
    ]
    return replace(
        part,
        channels=tuple(part.channels[number] for number in kept),
        c=index[part.c],
        z=part.z - z0,
        t=part.t - t0,
        not_taken=tuple(not_taken),
    )


def _channels(part: Planes, channels: Sequence[ChannelInfo]) -> tuple[ChannelInfo, ...]:
    """The channels, each with a name of its own and its height above the others."""
    place = [part.collection, part.field, part.z, part.t]
    offsets = z_offsets(part.focus, part.c, len(channels), place) if part.focus is not None else None
    return with_offsets(distinctly_named(channels), offsets)


def _with_channels_of(
    options: AcquisitionOptions,
    kept: Sequence[int],
    declared: Sequence[ChannelInfo],
    *,
    is_like_others: bool,
) -> AcquisitionOptions:
    """The options with the channels of this part, where they name all that the acquisition may have.

    Raises:
        OptionsError: they name neither all channels nor, where all parts have the same, all that were used.
    """
    if not options.channels:
        return options
    found = len(options.channels)
    if found == len(declared):
        return options.model_copy(update={"channels": tuple(options.channels[index] for index in kept)})
    if is_like_others and found == len(kept):
        return options
    wanted = [declared[index] for index in kept] if is_like_others else declared
    expected = f"{len(wanted)} channels ({', '.join(channel.channel_label for channel in wanted)})"
    msg = f"option acquisition.channels: expected {expected}, found {found}: name each once"
    raise OptionsError(msg)


def _measured(
    options: AcquisitionOptions, part: Planes, known: Mapping[str, float | None]
) -> tuple[Measured, ...]:
    """What follows from all planes together, so that it may change a little when wells are added."""
    spacings: tuple[Measured, ...] = ("z_spacing", "t_spacing")
    stated = options.pixel_info.model_dump(exclude_none=True) if options.pixel_info is not None else {}
    found = [
        name
        for name in spacings
        if name not in stated and getattr(part, name) is None and known[name] is not None
    ]
    return (*found, *(() if options.channels else ("channels",)))


def _measurable(length: float | None) -> float | None:
    """A length or time that somebody can have measured; placeholders such as 1e300 say nothing."""
    return length if length is not None and 1e-9 <= length <= 1e9 else None


def _z_spacing(part: Planes) -> float | None:
    if part.z_spacing is not None or part.focus is None:
        return part.z_spacing
    return median_step(part.focus, part.z, [part.collection, part.field, part.c, part.t])


def _t_spacing(part: Planes) -> float | None:
    if part.t_spacing is not None or part.acquired is None:
        return part.t_spacing
    return median_step(part.acquired, part.t, [part.collection, part.field, part.c, part.z])
