"""The documents of a folder or file: companions first, then those within TIFFs that no other one names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models.image_files.description import FirstPage, each_first_page, read_first_page
from tiles2zarr.sources.ome_tiff.naming import DOCUMENTS, Names, is_tiff
from tiles2zarr.sources.ome_xml import is_ome_xml, parse_ome_xml, read_ome_xml
from tiles2zarr.sources.ome_xml.channels import with_colors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tiles2zarr.sources.ome_xml import OmeXml
    from tiles2zarr.sources.ome_xml.document import OmeChannel

_HEAD = 2**13  # bytes
_MOST_NAMED = 5
_MOST_AT_ONCE = 1024  # files whose descriptions are held at a time


@dataclass(frozen=True, slots=True)
class Located:
    """A document, and where it and its files are.

    Attributes:
        document: the document.
        file: the file that it stands in, relative to the folder.
        paths: of the files that it names, relative to the folder.
    """

    document: OmeXml
    file: str
    paths: list[str]

    @property
    def own(self) -> str | None:
        """The TIFF that the document stands in; None for a document of its own."""
        return self.file if is_tiff(self.file) else None


def is_document(file: Path) -> bool:
    """Whether a file that is no TIFF begins like OME-XML."""
    try:
        with open(file, "rb") as handle:
            head = handle.read(_HEAD)
        encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
        return is_ome_xml(head.decode(encoding, errors="replace"))
    except OSError:
        return False


def documents_of_file(file: str, names: Names) -> list[Located]:
    """The document of one file; of a TIFF that only points to its companion, that one.

    Raises:
        SourceError: it is no OME-TIFF, or its companion is not there.
    """
    root = names.listing.root
    if not is_tiff(file):
        return [_located(read_ome_xml(root / file), file, names)]
    page = read_first_page(root / file)
    if not is_ome_xml(page.description):
        msg = f"{root / file}: expected OME-XML in its description, found none: list it in a tiles.csv"
        raise SourceError(msg)
    document = _embedded(page, root / file)
    if document.images:
        return [_located(document, file, names)]
    return [_companion(document, file, names)]


def documents_of_folder(names: Names) -> tuple[list[Located], list[Finding]]:
    """Every document of a folder, each set once, and what to say of files that belong to none.

    Raises:
        SourceError: a document is damaged, or lacks its companion.
    """
    listed, root = names.listing.names(), names.listing.root
    separate = [name for name in listed if name.lower().endswith(DOCUMENTS) and is_document(root / name)]
    found = [_located(read_ome_xml(root / name), name, names) for name in separate]
    found = [located for located in found if located.document.images]
    used = {path for located in found for path in (*located.paths, *_unnamed(located, names))}
    lost = [located for located in found if not any(map(names.listing.find, located.paths)) and located.paths]
    stray: list[str] = []
    orphans: list[tuple[OmeXml, str]] = []
    embedded: list[Located] = []
    known: dict[tuple[str | None, ...], OmeChannel] = {}
    for name, page in _first_pages([name for name in listed if is_tiff(name)], used, root):
        file = root / name
        if page is None or not is_ome_xml(page.description):
            stray.append(name)
            continue
        document = _embedded(page, file, known)
        if not document.images:
            orphans.append((document, name))
            continue
        located = _located(document, name, names)
        embedded.append(located)
        used.update((name, *located.paths))
    if orphans and not found and not embedded:
        embedded.append(_companion(*orphans[0], names))
        orphans = []
    if not embedded:
        lost = []
    kept = [located for located in found if located not in lost] + embedded
    return kept, [*_left_out(stray, root), *_without_metadata(orphans), *_without_files(lost)]


def _located(document: OmeXml, file: str, names: Names) -> Located:
    return Located(document, file, names.resolve(document, file if is_tiff(file) else None))


def _companion(document: OmeXml, file: str, names: Names) -> Located:
    """The document that a TIFF points to: by its name, else by its identity."""
    found = names.listing.find(document.metadata_file) if document.metadata_file else None
    if found is not None and not is_tiff(found):
        return _located(read_ome_xml(names.listing.root / found), found, names)
    if found is not None and found != file:
        other = _embedded(read_first_page(names.listing.root / found), names.listing.root / found)
        if other.images:
            return _located(other, found, names)
    for name in names.listing.names():
        if name.lower().endswith(DOCUMENTS) and is_document(names.listing.root / name):
            other = read_ome_xml(names.listing.root / name)
            if other.uuid and other.uuid == document.metadata_uuid:
                return _located(other, name, names)
    wanted = document.metadata_file or "an image"
    msg = f"{document.where}: expected its metadata in {wanted!r} beside it, found none: copy that file, too"
    raise SourceError(msg)


def _unnamed(located: Located, names: Names) -> list[str]:
    """TIFFs that a document of its own means without naming them."""
    if located.document.files:
        return []
    texts = [located.file, *(image.name for image in located.document.images)]
    return [path for text in texts if text and (path := names.with_stem(text)) is not None]


def _embedded(
    page: FirstPage, file: Path, known: dict[tuple[str | None, ...], OmeChannel] | None = None
) -> OmeXml:
    return with_colors(parse_ome_xml(page.description, str(file), known), page.samples)


def _first_pages(names: list[str], used: set[str], root: Path) -> Iterator[tuple[str, FirstPage | None]]:
    """What the first page of each file says that is not used by then; nothing of damaged ones of perhaps no interest.

    The first file of a set names all others; where files are independent, more and more are read at once.
    """
    start, count = 0, 1
    while start < len(names):
        batch = [name for name in names[start : start + count] if name not in used]
        for name, page in zip(batch, each_first_page([root / name for name in batch], _itself), strict=True):
            if name in used:
                continue
            if isinstance(page, SourceError):
                if ".ome." in name.lower():
                    raise page
                yield name, None
            else:
                yield name, page
        start, count = start + count, min(4 * count, _MOST_AT_ONCE)


def _itself(page: FirstPage) -> FirstPage:
    return page


def _left_out(stray: list[str], root: Path) -> list[Finding]:
    if not stray:
        return []
    shown = ", ".join(stray[:_MOST_NAMED]) + (" …" if len(stray) > _MOST_NAMED else "")
    message = f"expected each TIFF to belong to an image, found {len(stray)} that no OME-XML names ({shown}): left out"
    return [Finding("info", "unused-file", str(root), message)]


def _without_metadata(orphans: list[tuple[OmeXml, str]]) -> list[Finding]:
    if not orphans:
        return []
    document, name = orphans[0]
    message = (
        f"expected its metadata in {document.metadata_file[:200]!r}, found none, as {len(orphans) - 1} others: "
        "copy it, too; they are left out"
    )
    return [Finding("warning", "unused-file", name, message)]


def _without_files(lost: list[Located]) -> list[Finding]:
    message = (
        "expected one of the files that it names, found none: copy them if it is meant; it is left out, since other "
        "TIFFs say what they are"
    )
    return [Finding("warning", "unused-file", located.file, message) for located in lost]
