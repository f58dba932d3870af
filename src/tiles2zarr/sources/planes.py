"""From what an instrument lists, plane by plane, to tiles.

Every format gathers the same columns from its own files; what follows is the same for all and stands here:
which channels were used, spacings that follow from focus positions and time stamps, what the options replace,
conditions of wells, and places where the instrument says that it failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.core.loader_column import LoaderColumn
from tiles2zarr.core.tiles import Tiles
from tiles2zarr.errors import Finding, OptionsError, SourceError
from tiles2zarr.models import (
    AcquisitionDetails,
    ChannelInfo,
    DefaultImageLoader,
)
from tiles2zarr.sources.base import KnownGap, Scan
from tiles2zarr.sources.channels import distinctly_named, used_channels, with_offsets, z_offsets
from tiles2zarr.sources.conditions import conditions_of
from tiles2zarr.sources.spacing import median_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.models import AcquisitionOptions, CollectionInterface
    from tiles2zarr.sources.base import ScanRequest


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Where the instrument says that it failed; None stands for whatever lacks a plane there.

    Attributes:
        collection: index of the image.
        field: index of the field of view.
        c: index of the channel.
        z: number of the z-plane.
        t: number of the timepoint.
        reason: why, in a few words.
    """

    collection: int
    field: int | None
    c: int | None
    z: int | None
    t: int | None
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """The planes of images that share their channels and pixel size, by column.

    Attributes:
        collections: the images.
        collection: index into `collections` of each plane.
        field_names: names of the fields of view, in field order.
        field: index into `field_names`.
        channels: all channels that the acquisition declares; those without a plane are dropped.
        c: index into `channels`.
        z: number of the z-plane; the smallest becomes plane 0. Numbers in between that no plane has are gaps.
        t: number of the timepoint; as z.
        x: stage position, µm.
        y: stage position, µm, growing downwards.
        height: px.
        width: px.
        loaders: what fetches the pixels.
        pixelsize: edge of a pixel, µm; None: unknown.
        pixelsize_y: height of a pixel, µm, where pixels are not square.
        z_spacing: distance of z-planes, µm; None: the median step of `focus`.
        t_spacing: time between timepoints, s; None: the median step of `acquired`.
        focus: absolute z position of each plane, µm, NaN where unknown; gives each channel's z offset, too.
        acquired: when each plane was taken, s since 1970, NaN where unknown.
        not_taken: where the instrument says that it failed.
        length_c: 3 for planes of colours; None: 1 for all.
    """

    collections: tuple[CollectionInterface, ...]
    collection: NDArray[np.int64]
    field_names: tuple[str, ...]
    field: NDArray[np.int64]
    channels: tuple[ChannelInfo, ...]
    c: NDArray[np.int64]
    z: NDArray[np.int64]
    t: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    height: NDArray[np.int64]
    width: NDArray[np.int64]
    loaders: LoaderColumn
    pixelsize: float | None
    pixelsize_y: float | None = None
    z_spacing: float | None = None
    t_spacing: float | None = None
    focus: NDArray[np.float64] | None = None
    acquired: NDArray[np.float64] | None = None
    not_taken: tuple[NotTaken, ...] = ()
    length_c: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """How many planes there are."""
        return len(self.c)


def scan_of(
    request: ScanRequest,
    folder: Path,
    parts: Sequence[Planes],
    *,
    metadata_files: Iterable[Path] = (),
    findings: Iterable[Finding] = (),
    conditions: Mapping[str, Mapping[str, Scalar]] | None = None,
) -> Scan:
    """The tiles of all parts, one tile for each plane.

    Args:
        request: what the user says.
        folder: what relative paths of the loaders start from.
        parts: images that share channels and pixel size are one part: slices and projections of a plate are two,
            each series of a file of many is one.
        metadata_files: the vendor's own metadata.
        findings: what the format noticed.
        conditions: per well name what the vendor's metadata say was done to it; the user's table goes over it.

    Raises:
        SourceError: there is no plane.
        OptionsError: the condition table of the options cannot be used.
    """
    parts = [part for part in parts if len(part)]
    if not parts:
        msg = f"{request.path}: expected at least one image, found none: check the folder, or copy it again"
        raise SourceError(msg)
    noticed = list(findings)
    gathered: list[Tiles] = []
    gaps: list[KnownGap] = []
    acquired: list[NDArray[np.float64]] = []
    for part in parts:
        used, details, said = _settled(request, part)
        noticed += [finding for finding in said if finding not in noticed]
        gathered.append(_tiles(used, details))
        gaps += _known_gaps(used, details)
        acquired.append(used.acquired if used.acquired is not None else np.full(len(used), np.nan))
    tiles = Tiles.joined(gathered)
    stated, unknown, condition_file = conditions_of(request, tiles, folder)
    said_of = conditions or {}
    files = [*metadata_files, *([condition_file] if condition_file else [])]
    return Scan(
        tiles=tiles,
        resource=folder,
        findings=(*noticed, *unknown),
        known_gaps=tuple(gaps),
        metadata_files=tuple(files),
        conditions={
            well: {**said_of.get(well, {}), **stated.get(well, {})} for well in {**said_of, **stated}
        },
        acquired=np.concatenate(acquired),
    )


def file_loaders(paths: Sequence[str], first_pages: Sequence[int] | None = None) -> LoaderColumn:
    """Loaders of files, by column.

    Args:
        paths: relative to the source's folder, with ``/``.
        first_pages: the page of each plane, where files hold several; None: each file holds one.
    """
    pages: Sequence[int | None] = [None] * len(paths) if first_pages is None else first_pages
    columns = {
        "file_path": np.fromiter(paths, object, len(paths)),
        "first_page": np.fromiter(pages, object, len(paths)),
    }
    return LoaderColumn(DefaultImageLoader, columns, len(paths))


def ranked(groups: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rank of each value among the distinct values of its group, from 0.

    >>> ranked(np.array([0, 0, 0, 1, 1]), np.array([3, 7, 3, 5, 2])).tolist()
    [0, 1, 0, 1, 0]
    """
    if not len(values):
        return np.zeros(0, np.int64)
    _, group = np.unique(groups, return_inverse=True)
    levels, value = np.unique(values, return_inverse=True)
    distinct, inverse = np.unique(group * len(levels) + value, return_inverse=True)
    owner = distinct // len(levels)
    first = np.searchsorted(owner, owner)
    ranks: NDArray[np.int64] = (np.arange(len(distinct)) - first)[inverse]
    return ranks


def _settled(request: ScanRequest, part: Planes) -> tuple[Planes, AcquisitionDetails, list[Finding]]:
    """The part with the channels that were used, numbers from zero, and what all of its planes share."""
    lengths = part.length_c if part.length_c is not None else np.ones(len(part), np.int64)
    kept = used_channels(part.c, lengths)
    used = _renumbered(replace(part, length_c=lengths), kept)
    place = [used.collection, used.field, used.z, used.t]
    offsets = z_offsets(used.focus, used.c, len(kept), place) if used.focus is not None else None
    known = {
        "pixelsize": _measurable(part.pixelsize),
        "z_spacing": _measurable(_z_spacing(used)),
        "t_spacing": _measurable(_t_spacing(used)),
    }
    details = AcquisitionDetails(
        pixelsize=known["pixelsize"] or 1.0,
        pixelsize_y=_measurable(part.pixelsize_y),
        z_spacing=known["z_spacing"] or 1.0,
        t_spacing=known["t_spacing"] or 1.0,
        channels=with_offsets(distinctly_named([part.channels[index] for index in kept]), offsets),
    )
    chosen = _with_channels_of(request.options, kept, part.channels).update_acquisition_details(details)
    needed = {"pixelsize": True, "z_spacing": used.z.any(), "t_spacing": used.t.any()}
    missing = [name for name, value in known.items() if value is None and needed[name]]
    return used, chosen, [*_assumed(request, missing)]


def _renumbered(part: Planes, kept: Sequence[int]) -> Planes:
    """The part with indices of the channels that are kept, and numbers of planes and timepoints from zero."""
    index = np.full(len(part.channels), -1, np.int64)
    index[kept] = np.arange(len(kept))
    z0, t0 = int(part.z.min()), int(part.t.min())
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
    return replace(part, c=index[part.c], z=part.z - z0, t=part.t - t0, not_taken=tuple(not_taken))


def _with_channels_of(
    options: AcquisitionOptions, kept: Sequence[int], declared: Sequence[ChannelInfo]
) -> AcquisitionOptions:
    """The options with the channels of this part, where they name all that the acquisition declares.

    Raises:
        OptionsError: they name neither all channels nor all that were used.
    """
    if not options.channels or len(options.channels) == len(kept):
        return options
    if len(options.channels) != len(declared):
        labels = ", ".join(declared[index].channel_label for index in kept)
        found = len(options.channels)
        msg = f"option acquisition.channels: expected {len(kept)} channels ({labels}), found {found}: name each once"
        raise OptionsError(msg)
    return options.model_copy(update={"channels": tuple(options.channels[index] for index in kept)})


def _assumed(request: ScanRequest, names: Iterable[str]) -> Iterator[Finding]:
    """What nobody says is taken as 1, and that is said."""
    stated = request.options.pixel_info
    for name in names:
        if stated is None or getattr(stated, name) is None:
            message = (
                f"expected the source to say {name}, found nothing: "
                f"1 is assumed, set acquisition.pixel_info.{name} if it is not"
            )
            yield Finding("warning", "assumed-value", str(request.path), message)


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


def _tiles(part: Planes, details: AcquisitionDetails) -> Tiles:
    ones = np.ones(len(part), np.int64)
    return Tiles(
        x=part.x.astype(np.float64),
        y=part.y.astype(np.float64),
        z=part.z.astype(np.float64) * details.z_spacing,
        t=part.t.astype(np.float64) * details.t_spacing,
        c=part.c.astype(np.int64),
        length_t=ones,
        length_c=part.length_c if part.length_c is not None else ones,
        length_z=ones,
        length_y=part.height.astype(np.int64),
        length_x=part.width.astype(np.int64),
        fov=part.field.astype(np.int64),
        fov_names=part.field_names,
        collection=part.collection.astype(np.int64),
        collections=part.collections,
        details=np.zeros(len(part), np.int64),
        all_details=(details,),
        loaders=part.loaders,
        attributes={},
    )


def _known_gaps(part: Planes, details: AcquisitionDetails) -> Iterator[KnownGap]:
    """Each plane that is not there where the instrument says that it failed."""
    if not part.not_taken:
        return
    sizes = (int(part.t.max()) + 1, len(details.channels or ()), int(part.z.max()) + 1)
    fields: dict[int, set[int]] = {}
    for collection, seen in np.unique(np.stack([part.collection, part.field]), axis=1).T.tolist():
        fields.setdefault(collection, set()).add(seen)
    columns = (part.collection, part.field, part.t, part.c, part.z)
    taken = set(zip(*(column.tolist() for column in columns), strict=True))
    told: set[tuple[int, ...]] = set()
    for gap in part.not_taken:
        seen = fields.get(gap.collection, set())
        for view in sorted(seen if gap.field is None else seen & {gap.field}):
            asked = (gap.t, gap.c, gap.z)
            axes = (
                range(size) if number is None else [number] if 0 <= number < size else []
                for number, size in zip(asked, sizes, strict=True)
            )
            for place in product(*axes):
                key = (gap.collection, view, *place)
                if key not in taken and key not in told:
                    told.add(key)
                    t, c, z = place
                    yield KnownGap(
                        image=part.collections[gap.collection].path(),
                        fov_name=part.field_names[view],
                        c=c,
                        z=z * details.z_spacing,
                        t=t * details.t_spacing,
                        reason=gap.reason,
                    )
