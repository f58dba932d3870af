"""Several documents as one: files that each describe their own part of a plate make one plate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.sources.ome_xml import OmePlate, pages_of
from tiles2zarr.sources.ome_xml.pages import blocks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.sources.ome_tiff.documents import Located
    from tiles2zarr.sources.ome_xml import OmeXml, Pages


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Documents as one.

    Attributes:
        document: all images, plates, planes, TiffData; what it says of files is the first one's and not to be used.
        pages: of all images; their `file` is an index into `files`.
        files: relative to the folder; empty for the file that a document means without naming it.
        sources: where the images come from.
        source: per image its index into `sources`.
    """

    document: OmeXml
    pages: Pages
    files: list[str]
    sources: tuple[Located, ...]
    source: NDArray[np.int64]


def gathered(sources: Sequence[Located], where: str, count_pages: Callable[[str], int]) -> Gathered:
    """All documents as one.

    Plates of the same name in different documents are one plate; so are their runs of the same number.

    Args:
        sources: the documents.
        where: what messages call the whole.
        count_pages: how many pages a file has, by its path relative to the folder.

    Raises:
        SourceError: as `pages_of`.
    """
    documents = [located.document for located in sources]
    counts = np.array([len(document.images) for document in documents])
    firsts = (np.cumsum(counts) - counts).tolist()
    source = np.repeat(np.arange(len(documents)), counts)
    named = [
        [*located.paths, located.own or ""] for located in sources
    ]  # -1 is the document's own file, the last
    files = [name for names in named for name in names]
    blocks = [
        blocks_of(document, _by_index(names, count_pages))
        for document, names in zip(documents, named, strict=True)
    ]
    rows = _moved(blocks, firsts)
    of_each = np.array([len(names) for names in named])
    lengths = [len(block) for block in blocks]
    rows[:, -1] += np.repeat(np.cumsum(of_each) - of_each, lengths)
    rows[:, -1] += np.where(np.concatenate(blocks)[:, -1] < 0, np.repeat(of_each, lengths), 0)
    document = replace(documents[0], pages=rows)
    if len(documents) > 1:
        document = _joined(document, documents, firsts, where)
    wheres = None if len(documents) == 1 else [documents[number].where for number in source.tolist()]
    pages = pages_of(document, _by_index(files, count_pages), wheres)
    return Gathered(document, pages, files, tuple(sources), source)


def _by_index(files: Sequence[str], count_pages: Callable[[str], int]) -> Callable[[int], int]:
    return lambda file: count_pages(files[file])


def _joined(document: OmeXml, documents: Sequence[OmeXml], firsts: Sequence[int], where: str) -> OmeXml:
    """The first document with what all of them say."""
    has_plates = any(one.plates for one in documents)
    return replace(
        document,
        where=where,
        images=tuple(
            # Only wells refer to images by their identity, which is that of one document.
            replace(image, id=f"{number}/{image.id}") if has_plates else image
            for number, one in enumerate(documents)
            for image in one.images
        ),
        plates=_plates(documents),
        planes=_moved([one.planes for one in documents], firsts),
        plane_values=np.concatenate([one.plane_values for one in documents]),
        plane_kinds=np.concatenate([one.plane_kinds for one in documents]),
        findings=tuple(dict.fromkeys(finding for one in documents for finding in one.findings)),
    )


def _moved(tables: Sequence[NDArray[np.int64]], firsts: Sequence[int]) -> NDArray[np.int64]:
    """The rows of all documents, whose first columns count images, each from its first one on."""
    moved: NDArray[np.int64] = np.concatenate(tables)
    moved[:, 0] += np.repeat(firsts, [len(table) for table in tables])
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
