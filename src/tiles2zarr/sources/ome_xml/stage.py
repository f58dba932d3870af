"""Where the stage was: what OME-XML says of each page, by its Plane element, else by its image's stage label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.sources.ome_xml.values import IN_PIXELS, IN_UNIT
from tiles2zarr.sources.settling import pixel_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tiles2zarr.sources.base import ScanRequest
    from tiles2zarr.sources.ome_xml.document import OmeXml
    from tiles2zarr.sources.ome_xml.pages import Pages


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Where and when each page was taken, by column.

    Attributes:
        x: µm, NaN where unknown.
        y: µm, in the direction in which the document counts.
        kind: what the units of X and Y say, see `values`.
        focus: absolute height, µm, NaN where unknown.
        since_start: s, NaN where unknown.
        exposure: s, NaN where unknown.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    kind: NDArray[np.int8]
    focus: NDArray[np.float64]
    since_start: NDArray[np.float64]
    exposure: NDArray[np.float64]


def stage_of(document: OmeXml, pages: Pages, request: ScanRequest) -> Stage:
    """What is said of each page.

    Positions in pixels or in a "reference frame" are multiplied by the pixel size, unless there is a stage label in
    a unit of length. A page without a position was taken where the first one of its image was.

    Args:
        document: the document.
        pages: of its images.
        request: what the user says; a pixel size holds for positions in pixels, too.
    """
    row = _plane_rows(document, pages)
    values = np.where((row >= 0)[:, np.newaxis], _rows(document.plane_values, row), np.nan)
    kinds = np.where((row >= 0)[:, np.newaxis], _rows(document.plane_kinds, row), IN_UNIT).astype(np.int8)
    sizes = np.array([pixel_size(request, image.pixelsize, image.pixelsize_y) for image in document.images])
    x, x_kind = _filled(values[:, 0], kinds[:, 0], pages.image)
    y, y_kind = _filled(values[:, 1], kinds[:, 1], pages.image)
    kind = np.maximum(x_kind, y_kind)
    labels = np.array([[length.value for length in image.stage] for image in document.images])[pages.image]
    label_kinds = np.array([max(length.kind for length in image.stage) for image in document.images])[
        pages.image
    ]
    unknown = ~(np.isfinite(x) & np.isfinite(y))
    use_label = np.isfinite(labels).all(axis=1) & (unknown | ((kind == IN_PIXELS) & (label_kinds == IN_UNIT)))
    x, y = np.where(use_label, labels[:, 0], x), np.where(use_label, labels[:, 1], y)
    kind = np.where(use_label, label_kinds, kind).astype(np.int8)
    in_pixels = kind == IN_PIXELS
    x[in_pixels] *= sizes[pages.image[in_pixels], 0]
    y[in_pixels] *= sizes[pages.image[in_pixels], 1]
    known = np.isfinite(x) & np.isfinite(y)
    return Stage(
        x=np.where(known, x, np.nan),
        y=np.where(known, y, np.nan),
        kind=kind,
        focus=np.where((kinds[:, 2] == IN_PIXELS) | ~np.isfinite(values[:, 2]), np.nan, values[:, 2]),
        since_start=np.where(np.isfinite(values[:, 3]), values[:, 3], np.nan),
        exposure=np.where(values[:, 4] > 0, values[:, 4], np.nan),
    )


def _plane_rows(document: OmeXml, pages: Pages) -> NDArray[np.int64]:
    """The row of the Plane element of each page, -1 where there is none."""
    planes = document.planes
    wanted = np.stack([pages.image, pages.z, pages.c, pages.t], axis=1)
    if not len(planes):
        return np.full(len(wanted), -1, np.int64)
    sizes = np.maximum(planes.max(axis=0), wanted.max(axis=0)) + 1
    if float(np.prod(sizes.astype(np.float64))) >= 2**62:
        return np.full(len(wanted), -1, np.int64)
    codes = np.ravel_multi_index(tuple(planes.T), tuple(sizes.tolist()))
    order = np.argsort(codes, kind="stable")
    asked = np.ravel_multi_index(tuple(wanted.T), tuple(sizes.tolist()))
    found = order[np.minimum(np.searchsorted(codes, asked, sorter=order), len(order) - 1)]
    rows: NDArray[np.int64] = np.where(codes[found] == asked, found, -1)
    return rows


def _rows(table: NDArray[np.float64] | NDArray[np.int8], row: NDArray[np.int64]) -> NDArray[np.float64]:
    if not len(table):
        return np.full((len(row), table.shape[1]), np.nan)
    return table[row].astype(np.float64)


def _filled(
    values: NDArray[np.float64], kinds: NDArray[np.int8], image: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Unknown values replaced by the first known one of their image."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known) or len(known) == len(values):
        return values.copy(), kinds
    owners, first = np.unique(image[known], return_index=True)
    place = np.minimum(np.searchsorted(owners, image), len(owners) - 1)
    source = known[first[place]]
    fill = ~np.isfinite(values) & (owners[place] == image)
    return np.where(fill, values[source], values), np.where(fill, kinds[source], kinds).astype(np.int8)
