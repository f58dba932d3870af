"""From the planes that an instrument lists to tiles.

What follows from the planes is the same for all formats and stands here: which channels were used, spacings that
follow from focus positions and time stamps, what the options replace, conditions of wells, and places where the
instrument says that it failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.core.tiles import Tiles
from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import ImageInPlate
from tiles2zarr.sources.base import Scan
from tiles2zarr.sources.channels import used_channels
from tiles2zarr.sources.conditions import conditions_of
from tiles2zarr.sources.failures import known_gaps
from tiles2zarr.sources.settling import assumed, settled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.models import AcquisitionDetails
    from tiles2zarr.sources.base import KnownGap, ScanRequest
    from tiles2zarr.sources.planes import Planes


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
        OptionsError: the condition table or the channels of the options cannot be used.
    """
    parts = [part for part in parts if len(part)]
    if not parts:
        msg = f"{request.path}: expected at least one image, found none: check the folder, or copy it again"
        raise SourceError(msg)
    noticed = [*findings, *_without_planes(request, parts)]
    gathered: list[Tiles] = []
    gaps: list[KnownGap] = []
    missing: dict[str, list[str]] = {}
    used = [tuple(used_channels(part.c, _lengths(part))) for part in parts]
    for part, (z0, t0) in zip(parts, _first_numbers(parts), strict=True):
        each = settled(request, part, z0, t0, is_like_others=len(set(used)) == 1)
        for name in each.missing:
            missing.setdefault(name, []).extend(image.path() for image in part.collections)
        noticed += [finding for finding in _late_planes(request, part, z0) if finding not in noticed]
        gathered.append(_tiles(each.part, each.details))
        gaps += known_gaps(each.part, each.details)
    noticed += assumed(request, missing)
    tiles = Tiles.joined(gathered)
    stated, unknown, condition_file = conditions_of(request, tiles, folder)
    said_of = conditions or {}
    return Scan(
        tiles=tiles,
        resource=folder,
        findings=(*noticed, *unknown),
        known_gaps=tuple(gaps),
        metadata_files=(*metadata_files, *([condition_file] if condition_file else [])),
        conditions={
            well: {**said_of.get(well, {}), **stated.get(well, {})} for well in {**said_of, **stated}
        },
        acquired=np.concatenate(
            [part.acquired if part.acquired is not None else np.full(len(part), np.nan) for part in parts]
        ),
    )


def _lengths(part: Planes) -> NDArray[np.int64]:
    return part.length_c if part.length_c is not None else np.ones(len(part), np.int64)


def _first_numbers(parts: Sequence[Planes]) -> list[tuple[int, int]]:
    """Number of the first z-plane and timepoint for each part: those of a plate share them, by kind of image."""
    kinds = [
        part.collections[0].projection if isinstance(part.collections[0], ImageInPlate) else number
        for number, part in enumerate(parts)
    ]
    z = {kind: min(int(p.z.min()) for p, k in zip(parts, kinds, strict=True) if k == kind) for kind in kinds}
    t = {kind: min(int(p.t.min()) for p, k in zip(parts, kinds, strict=True) if k == kind) for kind in kinds}
    return [(z[kind], t[kind]) for kind in kinds]


def _without_planes(request: ScanRequest, parts: Sequence[Planes]) -> Iterator[Finding]:
    """Channels that the acquisition says it took, and that have no plane anywhere."""
    # By index, not by name: of two channels that are both called DAPI one may be lost.
    declared = {(_labels(part), index) for part in parts for index in part.declared}
    taken = {(_labels(part), index) for part in parts for index in used_channels(part.c, _lengths(part))}
    for labels, index in sorted(declared - taken):
        message = f"expected planes of channel {labels[index]}, found none: check for losses"
        yield Finding("warning", "not-imaged", str(request.path), message)


def _labels(part: Planes) -> tuple[str, ...]:
    return tuple(channel.channel_label for channel in part.channels)


def _late_planes(request: ScanRequest, part: Planes, z0: int) -> Iterator[Finding]:
    """Stacks that begin later than the format's do."""
    if part.z_first is not None and z0 > part.z_first:
        message = f"expected z-planes from number {part.z_first} on, found none below {z0}: check for losses"
        yield Finding("warning", "not-imaged", str(request.path), message)


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
