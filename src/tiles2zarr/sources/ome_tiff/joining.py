"""Several documents as one: files that each describe their own part of a plate make one plate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.sources.ome_xml import OmePlate, Pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tiles2zarr.sources.ome_tiff.documents import Located
    from tiles2zarr.sources.ome_xml import OmeXml


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Documents as one.

    Attributes:
        document: all images, plates, planes; its table of files and of TiffData is the first one's and not to be used.
        pages: of all images; their `file` is not to be used.
        files: the file of each page, relative to the folder.
        sources: where the images come from.
        source: per image its index into `sources`.
    """

    document: OmeXml
    pages: Pages
    files: NDArray[np.object_]
    sources: tuple[Located, ...]
    source: NDArray[np.int64]


def gathered(parts: Sequence[tuple[Located, Pages, NDArray[np.object_]]], where: str) -> Gathered:
    """All documents as one.

    Plates of the same name in different documents are one plate; so are their runs of the same number.

    Args:
        parts: each document with its pages and their files.
        where: what messages call the whole.
    """
    sources = tuple(located for located, _, _ in parts)
    documents = [located.document for located in sources]
    counts = np.array([len(document.images) for document in documents])
    source = np.repeat(np.arange(len(documents)), counts)
    files = np.concatenate([part[2] for part in parts])
    if len(documents) == 1:
        return Gathered(documents[0], parts[0][1], files, sources, source)
    firsts = (np.cumsum(counts) - counts).tolist()
    document = replace(
        documents[0],
        where=where,
        images=tuple(
            replace(image, id=f"{number}/{image.id}")
            for number, one in enumerate(documents)
            for image in one.images
        ),
        plates=_plates(documents),
        planes=np.concatenate(
            [_moved(one.planes, first) for one, first in zip(documents, firsts, strict=True)]
        ),
        plane_values=np.concatenate([one.plane_values for one in documents]),
        plane_kinds=np.concatenate([one.plane_kinds for one in documents]),
        findings=tuple(dict.fromkeys(finding for one in documents for finding in one.findings)),
    )
    columns = [
        np.concatenate([getattr(part[1], name) for part in parts])
        for name in ("image", "z", "c", "t", "file", "page")
    ]
    columns[0] = columns[0] + np.repeat(firsts, [len(part[1]) for part in parts])
    return Gathered(document, Pages(*columns), files, sources, source)


def _moved(rows: NDArray[np.int64], first: int) -> NDArray[np.int64]:
    """Rows whose first column counts images, from another one on."""
    moved = rows.copy()
    moved[:, 0] += first
    return moved


def _plates(documents: Sequence[OmeXml]) -> tuple[OmePlate, ...]:
    """Plates by name; two of one document stay two even if they share it. Identities are those of one document."""
    plates: dict[tuple[str, int], OmePlate] = {}
    for number, document in enumerate(documents):
        names: list[str] = []
        for plate in document.plates:
            key = (plate.name, names.count(plate.name))
            names.append(plate.name)
            plates[key] = _together(plates.get(key), _renamed(plate, f"{number}/"))
    return tuple(plates.values())


def _renamed(plate: OmePlate, prefix: str) -> OmePlate:
    return OmePlate(
        plate.name,
        tuple(
            replace(
                well,
                samples=tuple(
                    replace(one, id=prefix + one.id, image_id=prefix + one.image_id if one.image_id else None)
                    for one in well.samples
                ),
            )
            for well in plate.wells
        ),
        tuple(frozenset(prefix + one for one in run) for run in plate.acquisitions),
    )


def _together(one: OmePlate | None, other: OmePlate) -> OmePlate:
    if one is None:
        return other
    runs = [*one.acquisitions, *[frozenset[str]()] * (len(other.acquisitions) - len(one.acquisitions))]
    for number, run in enumerate(other.acquisitions):
        runs[number] |= run
    return OmePlate(one.name, one.wells + other.wells, tuple(runs))
