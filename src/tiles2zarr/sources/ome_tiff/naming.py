"""Which file on disk a document means: by name, by identity where names have changed since, or by its stem."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models.image_files.description import read_description
from tiles2zarr.sources.naming import within_folder
from tiles2zarr.sources.ome_xml import is_ome_xml, plain_uuid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tiles2zarr.sources.ome_xml import OmeXml
    from tiles2zarr.sources.ome_xml.document import OmeFile
    from tiles2zarr.sources.ome_xml.listing import Listing

TIFFS = (".tif", ".tiff", ".tf2", ".tf8", ".btf")
DOCUMENTS = (".companion.ome", ".ome.xml", ".ome")
_ENDINGS = tuple(f".ome{suffix}" for suffix in TIFFS) + DOCUMENTS + (*TIFFS, ".companion.ome.xml")
_ROOT = re.compile(r"<(?:\w+:)?OME\s[^>]*\bUUID\s*=\s*[\"']([^\"']+)", re.DOTALL)
_HEAD = 2**16  # characters


def is_tiff(name: str) -> bool:
    """Whether a file is a TIFF by its name."""
    return name.lower().endswith(TIFFS)


def stem(name: str) -> str:
    """A file's name without folder and ending: ``a`` of ``a.ome.tif`` and of ``a.companion.ome``."""
    return without_ending(name.rpartition("/")[2])


def without_ending(name: str) -> str:
    """A name, of a file or of an image that is called as one, without an ending of OME-TIFF."""
    lower = name.lower()
    if not lower.endswith(_ENDINGS):
        return name
    ending = max((end for end in _ENDINGS if lower.endswith(end)), key=len)
    return name[: len(name) - len(ending)] or name


class Names:
    """Finds files of one folder.

    Attributes:
        listing: the folder.
        findings: files that are called otherwise than their document says.
    """

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.findings: list[Finding] = []
        self._by_uuid: dict[str, str] | None = None
        self._by_stem: dict[str, list[str]] | None = None

    def resolve(self, document: OmeXml, own: str | None) -> list[str]:
        """The path of each file that a document names, relative to the folder; also of those that are not there.

        Args:
            document: the document.
            own: the TIFF that it stands in; None for a document of its own.

        Raises:
            SourceError: a file that is not there has no name, or one that leads out of the folder.
        """
        # Some software gives all files of a set one identity: then it tells nothing.
        is_own = own is not None and sum(file.uuid == document.uuid for file in document.files) == 1
        return [self._resolved(document, file, own, is_own=is_own) for file in document.files]

    def with_stem(self, text: str) -> str | None:
        """The only TIFF whose name without ending is that of another file or of an image."""
        if self._by_stem is None:
            self._by_stem = {}
            for name in filter(is_tiff, self.listing.names()):
                self._by_stem.setdefault(stem(name).casefold(), []).append(name)
        found = self._by_stem.get(stem(text).casefold(), [])
        return found[0] if len(found) == 1 else None

    def with_uuid(self, uuid: str) -> str | None:
        """The TIFF that says that this is its identity."""
        if self._by_uuid is None:
            self._by_uuid = dict(self._identities(filter(is_tiff, self.listing.names())))
        return self._by_uuid.get(uuid)

    def _resolved(self, document: OmeXml, file: OmeFile, own: str | None, *, is_own: bool) -> str:
        if own is not None and is_own and file.uuid and file.uuid == document.uuid:
            return own
        found = self.listing.find(file.name) if file.name else None
        if found is not None:
            return found
        if own is not None and len(document.files) == 1:
            return self._renamed(document, file, own)
        other = (self.with_uuid(file.uuid) if file.uuid else None) or (
            self.with_stem(file.name) if file.name else None
        )
        if other is not None:
            return self._renamed(document, file, other)
        if not file.name:
            msg = f"{document.where}: expected a file with identity {file.uuid!r}, found none: copy it, too"
            raise SourceError(msg)
        return within_folder(file.name, document.where)

    def _renamed(self, document: OmeXml, file: OmeFile, found: str) -> str:
        if file.name and len(self.findings) < 20:
            message = (
                f"expected {file.name[:200]!r}, found {found!r}, which has its identity or stem: taken for it"
            )
            self.findings.append(Finding("info", "renamed-file", document.where, message))
        return found

    def _identities(self, names: Iterable[str]) -> Iterable[tuple[str, str]]:
        for name in names:
            try:
                text = read_description(self.listing.root / name)
            except SourceError:
                continue  # it belongs to no image, or preflight says what is wrong with it
            match = _ROOT.search(text[:_HEAD]) if is_ome_xml(text) else None
            if match is not None:
                yield plain_uuid(match[1]), name
