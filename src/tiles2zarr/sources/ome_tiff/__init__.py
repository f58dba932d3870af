"""OME-TIFF: single files, sets of files with or without companion, and plates (Screen-Plate-Well)."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tiles2zarr.errors import SourceError
from tiles2zarr.models import DefaultImageLoader
from tiles2zarr.models.image_files import read_header_from
from tiles2zarr.models.image_files.description import read_description
from tiles2zarr.sources.bioimage_files import subfolder_with
from tiles2zarr.sources.ome_tiff.documents import documents_of_file, documents_of_folder, is_document
from tiles2zarr.sources.ome_tiff.joining import gathered
from tiles2zarr.sources.ome_tiff.layout import layout_of
from tiles2zarr.sources.ome_tiff.naming import DOCUMENTS, Names, is_tiff, stem
from tiles2zarr.sources.ome_xml import is_ome_xml, parts_of, stage_of
from tiles2zarr.sources.ome_xml.listing import Listing
from tiles2zarr.sources.ome_xml.pages import unwritten
from tiles2zarr.sources.planes import file_loaders
from tiles2zarr.sources.scanning import scan_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.core.loader_column import LoaderColumn
    from tiles2zarr.errors import Finding
    from tiles2zarr.models import ImageLoaderInterface
    from tiles2zarr.sources.base import Scan, ScanRequest
    from tiles2zarr.sources.ome_tiff.documents import Located
    from tiles2zarr.sources.ome_tiff.joining import Gathered

_OME_TIFFS = (".ome.tif", ".ome.tiff", ".ome.btf", ".ome.tf8", ".ome.tf2")


class OmeTiffSource:
    """Reads OME-TIFFs, one, a set, or a folder of them."""

    name: ClassVar[str] = "ome_tiff"
    title: ClassVar[str] = "OME-TIFF"
    extra: ClassVar[str | None] = None
    libraries: ClassVar[tuple[str, ...]] = ()
    loader: ClassVar[type[ImageLoaderInterface]] = DefaultImageLoader

    def detect(self, path: Path) -> str | None:
        """An OME-TIFF or companion, or a folder with some right in it."""
        if path.is_file():
            return _claim_of_file(path)
        try:
            names = Listing(path).names()
        except SourceError:
            return None
        for suffixes in (DOCUMENTS, _OME_TIFFS):
            found = [name for name in names if name.lower().endswith(suffixes)]
            if found and _claim_of_file(path / found[0]) is not None:
                return f"{len(found)} file{'s' if len(found) > 1 else ''} such as {found[0]}"
        first = next(filter(is_tiff, names), None)
        return _claim_of_file(path / first) if first is not None else None

    def scan(self, request: ScanRequest) -> Scan:
        """A field of view for each image in a well; each other image is one of its own.

        Raises:
            SourceError: there is no OME-XML, or it is damaged, contradicts itself or lacks its companion.
        """
        with _without_collecting():
            return self._scanned(request)

    def _scanned(self, request: ScanRequest) -> Scan:
        path = request.path
        if not path.exists():
            msg = (
                f"{path}: expected an OME-TIFF, a companion or a folder, found nothing there: check the path"
            )
            raise SourceError(msg)
        folder = path if path.is_dir() else path.parent
        names = Names(Listing(folder))
        findings: list[Finding] = []
        if path.is_dir():
            documents, findings = documents_of_folder(names)
        else:
            documents = documents_of_file(path.name, names)
        if not documents:
            below = subfolder_with(path, (*_OME_TIFFS, *DOCUMENTS)) if path.is_dir() else None
            if below is not None:
                msg = f"{path}: expected OME-TIFF files, found some in its subfolder {below} only: give that one"
                raise SourceError(msg)
            msg = f"{path}: expected OME-TIFF files or a companion with images, found none: check the path"
            raise SourceError(msg)
        base = stem(path.name) if path.is_file() else os.path.basename(os.path.abspath(path))

        def count_pages(file: str) -> int:
            if not file or not (folder / file).is_file():
                return 1
            return read_header_from(folder / file, 0).planes

        together = gathered(documents, str(path), count_pages)
        document, pages = together.document, together.pages
        stage = stage_of(document, pages, request)
        files = _files(together, names)
        layout, said = layout_of(together, stage, request, base)

        def loaders(rows: NDArray[np.int64]) -> LoaderColumn:
            return file_loaders(files[rows].tolist(), pages.page[rows].tolist())

        parts = parts_of(document, pages, stage, layout, loaders)
        findings += [*document.findings, *said, *names.findings, *unwritten(document, pages)]
        kept = dict.fromkeys(folder / located.file for located in documents if located.own is None)
        return scan_of(request, folder, parts, metadata_files=kept, findings=findings)


def _claim_of_file(path: Path) -> str | None:
    if path.name.lower().endswith(DOCUMENTS):
        return f"{path.name} is OME-XML" if is_document(path) else None
    if not is_tiff(path.name):
        return None
    try:
        return f"{path.name} holds OME-XML" if is_ome_xml(read_description(path)) else None
    except SourceError:
        # It is what its name says, and scan says what is wrong with it.
        return f"{path.name} is called OME-TIFF" if path.name.lower().endswith(_OME_TIFFS) else None


def _files(together: Gathered, names: Names) -> NDArray[np.object_]:
    """The file of each page, relative to the folder."""
    pages = together.pages
    files: NDArray[np.object_] = np.array(together.files, object)[pages.file]
    unnamed = files == ""
    firsts = np.searchsorted(together.source, np.arange(len(together.sources)))
    for number in np.unique(pages.image[unnamed]).tolist():
        source = together.source[number]
        found = _unnamed_file(together.sources[source], int(number - firsts[source]), names)
        files[unnamed & (pages.image == number)] = found
    return files


def _unnamed_file(located: Located, image: int, names: Names) -> str:
    """The TIFF that a document of its own means without naming it: called as the image, or as the document."""
    document = located.document
    one = document.images[image]
    texts: Sequence[str] = (one.name, *([located.file] if len(document.images) == 1 else []))
    found = next((path for text in texts if text and (path := names.with_stem(text)) is not None), None)
    if found is None:
        where = f"{document.where}, image {(one.name or one.id)[:80]}"
        kind = "its pixels as text in the document" if one.holds_pixels else "no file that is named for it"
        remedy = "convert it to OME-TIFF, for instance with bfconvert"
        msg = f"{where}: expected the name of a TIFF, found {kind}: {remedy}"
        raise SourceError(msg)
    return found


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Keeps the garbage collector from looking at a hundred thousand documents again and again.

    All of them stay until the scan ends, and none is part of a cycle: it would take a third of the time and find
    nothing.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
