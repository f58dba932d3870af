"""The planes that an instrument lists, by column: what every format gathers from its own files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.core.loader_column import LoaderColumn
from tiles2zarr.models import DefaultImageLoader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tiles2zarr.models import ChannelInfo, CollectionInterface


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
        length_c: how many channels from `c` on: 3 where a plane of colours is lost.
    """

    collection: int
    field: int | None
    c: int | None
    z: int | None
    t: int | None
    reason: str
    length_c: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """The planes of images that share their channels and pixel size, by column.

    Attributes:
        collections: the images.
        collection: index into `collections` of each plane.
        field_names: names of the fields of view, in field order.
        field: index into `field_names`.
        channels: all channels that the acquisition may have; those without a plane are dropped.
        c: index into `channels`.
        z: number of the z-plane; the smallest of the acquisition becomes plane 0. Numbers in between that no plane
            has are gaps.
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
        acquired: when each plane was taken, NaN where unknown: s since 1970, or where the date is unknown, since the
            acquisition began.
        not_taken: where the instrument says that it failed.
        length_c: 3 for planes of colours; None: 1 for all.
        is_registered: positions are those of a mosaic that the vendor's software registered, in whole pixels.
        declared: indices of the channels that the acquisition says it took: of one that no part has a plane of, that
            is said.
        z_first: number that the format gives the first z-plane; None: none in particular. Where the smallest is
            larger, that is said.
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
    is_registered: bool = False
    declared: frozenset[int] = frozenset()
    z_first: int | None = None

    def __post_init__(self) -> None:
        """Columns of unequal length, and indices that point nowhere, are a mistake of the format's code."""
        columns = (
            self.collection,
            self.field,
            self.c,
            self.z,
            self.t,
            self.x,
            self.y,
            self.height,
            self.width,
        )
        if {len(column) for column in columns} != {len(self.loaders)}:
            msg = f"columns of {[len(column) for column in columns]} planes and {len(self.loaders)} loaders"
            raise ValueError(msg)
        for codes, values in (
            (self.collection, self.collections),
            (self.field, self.field_names),
            (self.c, self.channels),
        ):
            if len(codes) and not 0 <= codes.min() <= codes.max() < len(values):
                msg = f"an index of {codes.min()} to {codes.max()} into {len(values)} values"
                raise ValueError(msg)

    def __len__(self) -> int:
        """How many planes there are."""
        return len(self.c)


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
