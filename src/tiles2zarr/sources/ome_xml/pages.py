"""Which page of which file holds which plane: TiffData elements spread out, one row for each page."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.sources.ome_xml.channels import channels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.sources.ome_xml.document import OmeXml

# Blocks of more pages than this are believed only once their file was looked at.
_MANY = 4096
_IMAGE, _IFD, _Z, _C, _T, _COUNT, _FILE = range(7)


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """Pages of a document's images, by column.

    Attributes:
        image: index of the image.
        z: number of the z-plane.
        c: index of the channel; colours of one page are one channel.
        t: number of the timepoint.
        file: index into the document's files; -1: the file that the document stands in.
        page: page of that file.
    """

    image: NDArray[np.int64]
    z: NDArray[np.int64]
    c: NDArray[np.int64]
    t: NDArray[np.int64]
    file: NDArray[np.int64]
    page: NDArray[np.int64]

    def __len__(self) -> int:
        """How many pages there are."""
        return len(self.image)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Pages:
        """Some of the pages."""
        return Pages(*(getattr(self, name)[rows] for name in ("image", "z", "c", "t", "file", "page")))


def pages_of(
    document: OmeXml, count_pages: Callable[[int], int], wheres: Sequence[str] | None = None
) -> Pages:
    """The pages that a document names, in its order.

    A block that says how many pages it has runs through its image in the order of dimensions; pages behind the image's
    last plane are nobody's. An image without TiffData takes its file's pages from the first on, the next such image
    those behind them.

    Args:
        document: it has images.
        count_pages: how many pages a file has, by its index (-1: the file that the document stands in). Asked only
            where the document leaves it open.
        wheres: per image what messages call its document, where it is made of several.

    Raises:
        SourceError: a block lies outside its image.
    """
    blocks = blocks_of(document, count_pages)
    sizes = np.array([(image.sizes[0], len(channels_of(image)), image.sizes[2]) for image in document.images])
    strides = np.array(
        [_strides(image.order, size) for image, size in zip(document.images, sizes, strict=True)]
    )
    image = blocks[:, _IMAGE]
    total = sizes.prod(axis=1)
    count = _counts(blocks, total, count_pages)
    _check_claims(document, blocks, count, count_pages, wheres)
    first = blocks[:, [_Z, _C, _T]]
    _check_inside(document, image, first, sizes, wheres)

    row = np.repeat(np.arange(len(blocks)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    owner = image[row]
    place = (first * strides[image]).sum(axis=1)[row] + within
    kept = (place < total[owner]) | (within == 0)
    row, within, owner, place = row[kept], within[kept], owner[kept], place[kept]
    # A block of one page says where it is; Z and T may exceed what an interrupted run has written of its sizes.
    spread = place[:, np.newaxis] // strides[owner] % sizes[owner]
    zct = np.where(within[:, np.newaxis] == 0, first[row], spread)
    page = np.maximum(blocks[row, _IFD], 0) + within
    return _each_once(Pages(owner, zct[:, 0], zct[:, 1], zct[:, 2], blocks[row, _FILE], page))


def blocks_of(document: OmeXml, count_pages: Callable[[int], int]) -> NDArray[np.int64]:
    """TiffData elements as the document lists them, and one for each image that it lists none of.

    Args:
        document: the document.
        count_pages: as in `pages_of`.
    """
    have = set(document.pages[:, _IMAGE].tolist())
    if len(have) == len(document.images):
        return document.pages
    added, begin = [], 0
    for number, image in enumerate(document.images):
        if number not in have:
            planes = prod(image.sizes)
            listed = image.sizes[0] * len(channels_of(image)) * image.sizes[2]
            if listed < planes:
                planes = listed  # several colours of a page are one plane
            elif listed > planes:
                # More channels are listed than SizeC says: the file tells which of the two is right.
                planes = min(max(count_pages(-1) - begin, planes), listed)
            added.append((number, begin, 0, 0, 0, planes, -1))
            begin += planes
    return np.concatenate([document.pages, np.array(added, np.int64).reshape(-1, 7)])


def _strides(order: str, size: NDArray[np.int64]) -> tuple[int, int, int]:
    """How many pages lie between neighbours along Z, C and T."""
    lengths = dict(zip("ZCT", size.tolist(), strict=True))
    steps, step = {}, 1
    for letter in order:
        steps[letter] = step
        step *= lengths[letter]
    return steps["Z"], steps["C"], steps["T"]


def _counts(
    blocks: NDArray[np.int64], total: NDArray[np.int64], count_pages: Callable[[int], int]
) -> NDArray[np.int64]:
    """Pages of each block: what it says, one where it says which page, else all pages of its file.

    Some software gives an image of many planes a single block that says where its pages begin, and not how many
    they are: those up to where the next block's begin.
    """
    image, stated = blocks[:, _IMAGE], blocks[:, _COUNT] > 0
    count = np.where(stated, blocks[:, _COUNT], 1)
    # Where there is a block for each plane, each file has one page, without a look.
    listed = np.bincount(image, minlength=len(total))
    is_only = listed[image] == 1
    open_ended = ~stated & ((blocks[:, _IFD] < 0) | is_only) & (listed < total)[image]
    known: dict[int, int] = {}
    for row in np.flatnonzero(open_ended).tolist():
        file, first = int(blocks[row, _FILE]), max(int(blocks[row, _IFD]), 0)
        if file not in known:
            known[file] = count_pages(file)
        others = blocks[(blocks[:, _FILE] == file) & (blocks[:, _IFD] > first), _IFD] if is_only[row] else ()
        count[row] = max(min([known[file], *others]) - first, 1)
    return np.minimum(count, total[image])


def _check_inside(
    document: OmeXml,
    image: NDArray[np.int64],
    first: NDArray[np.int64],
    sizes: NDArray[np.int64],
    wheres: Sequence[str] | None,
) -> None:
    wrong = np.flatnonzero(first[:, 1] >= sizes[image, 1])
    if len(wrong):
        row = wrong[0]
        found = f"a page of channel {first[row, 1]}"
        within = wheres[image[row]] if wheres is not None else document.where
        where = f"{within}, image {document.images[image[row]].id}"
        msg = f"{where}: expected {sizes[image[row], 1]} channels, found {found}: export it again"
        raise SourceError(msg)


def _check_claims(
    document: OmeXml,
    blocks: NDArray[np.int64],
    count: NDArray[np.int64],
    count_pages: Callable[[int], int],
    wheres: Sequence[str] | None,
) -> None:
    """Refuse blocks of very many pages that their file does not have, before each gets a row."""
    for row in np.flatnonzero(count > _MANY).tolist():
        held, last = count_pages(int(blocks[row, _FILE])), int(max(blocks[row, _IFD], 0) + count[row])
        if last > held:
            image = blocks[row, _IMAGE]
            where = f"{wheres[image] if wheres is not None else document.where}, image {document.images[image].id}"
            msg = f"{where}: expected a file of {last} pages, found {held} or none: copy the file again"
            raise SourceError(msg)


def _each_once(pages: Pages) -> Pages:
    """Without blocks that repeat another one word for word."""
    columns = np.stack([pages.image, pages.z, pages.c, pages.t, pages.file, pages.page])
    _, firsts = np.unique(columns, axis=1, return_index=True)
    return pages if len(firsts) == len(pages) else pages.take(np.sort(firsts))


def unwritten(document: OmeXml, pages: Pages) -> list[Finding]:
    """What to say of images that are announced with more planes than any page is of."""
    if not len(pages):
        return []
    said = np.array([(image.sizes[0], len(channels_of(image)), image.sizes[2]) for image in document.images])
    found = np.zeros_like(said)
    np.maximum.at(found, pages.image, np.stack([pages.z, pages.c, pages.t], axis=1) + 1)
    short = np.flatnonzero((found < said).any(axis=1) & (found > 0).all(axis=1))
    if not len(short):
        return []
    image = document.images[short[0]]
    expected, actual = (" x ".join(map(str, row[short[0]].tolist())) for row in (said, found))
    message = (
        f"expected {expected} planes (Z x C x T), found {actual} (and {len(short) - 1} more such images): copy it "
        "again if pages were lost; if the run was interrupted, go on with what is there"
    )
    return [
        Finding(
            "warning", "missing-plane", f"{document.where}, image {(image.name or image.id)[:80]}", message
        )
    ]
