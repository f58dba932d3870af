"""XML that an instrument wrote: read as a whole, or record by record where there are a hundred thousand.

The names of tags and attributes come without namespace: it differs between versions of the same software.

defusedxml refuses what could expand or point elsewhere, but goes through Python for each tag, five times as
slow. Its rule is kept in another way: a document type, without which there are no entities, can only stand
before the root element, and there it is refused before the fast parser sees the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from xml.etree.ElementTree import ParseError, XMLPullParser
from xml.parsers import expat

from tiles2zarr.errors import SourceError
from tiles2zarr.sources.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from xml.etree.ElementTree import Element

# Bytes. Of larger blocks so many elements wait at once that the garbage collector takes twice the parser's time.
_BLOCK = 2**14


def read_xml(file: Path) -> Element:
    """The root of a document.

    Raises:
        SourceError: the file cannot be read, is no XML, or declares a document type.
    """
    return _whole(_blocks(file), file)


def parse_xml(text: str | bytes, where: object) -> Element:
    """The root of a document that was embedded somewhere.

    Args:
        text: the document.
        where: what messages call it.

    Raises:
        SourceError: as `read_xml`.

    >>> parse_xml('<a:Well xmlns:a="urn:any" a:Row="3"/>', "an example").attrib
    {'Row': '3'}
    """
    return _whole([text.encode() if isinstance(text, str) else text], where)


def records(file: Path, *tags: str) -> Iterator[Element]:
    """Each element with one of these tags, with everything in it, as soon as it ends.

    It is emptied when the next one is asked for, so a large file needs little memory. Elements within another
    one of these come first, and are empty when the outer one comes.

    Raises:
        SourceError: as `read_xml`.
    """
    names = _LocalNames()
    for element in _ended(_blocks(file), file):
        if names[element.tag] in tags:
            yield names.applied(element)
            element.clear()


class _LocalNames(dict[str, str]):
    """Names without their namespace, each worked out once."""

    def __missing__(self, name: str) -> str:
        local = self[name] = name.rpartition("}")[2]
        return local

    def applied(self, root: Element) -> Element:
        """The element itself, its names and those of everything in it made local."""
        for element in root.iter():
            element.tag = self[element.tag]
            attributes = element.attrib
            if attributes:
                element.attrib = {self[name]: value for name, value in attributes.items()}
        return root


def _whole(blocks: Iterable[bytes], where: object) -> Element:
    root = None
    for root in _ended(blocks, where):  # noqa: B007 - the last one to end is the root
        pass
    if root is None:
        raise _not_xml(where, 1, "no element found")
    return _LocalNames().applied(root)


def _blocks(file: Path) -> Iterator[bytes]:
    try:
        with open(file, "rb") as handle:
            while block := handle.read(_BLOCK):
                yield block
    except OSError as error:
        raise unreadable(file, error) from error


def _ended(blocks: Iterable[bytes], where: object) -> Iterator[Element]:
    """Every element, in the order in which they end."""
    parser: XMLPullParser[Element] = XMLPullParser(("end",))
    prolog = _Prolog(where)
    try:
        for block in blocks:
            prolog.check(block)
            parser.feed(block)
            yield from _elements(parser)
        parser.close()
        yield from _elements(parser)  # newer releases of expat put off parsing what may not be complete
    except ParseError as error:
        line, _ = error.position
        raise _not_xml(where, line, expat.ErrorString(error.code)) from error
    except (LookupError, ValueError) as error:  # encodings that Python or expat do not know
        raise _not_xml(where, 1, f"an encoding that cannot be read ({error})") from error


def _elements(parser: XMLPullParser[Element]) -> Iterator[Element]:
    events = cast("Iterator[tuple[str, Element]]", parser.read_events())
    return (element for _, element in events)


class _Prolog:
    """Refuses a document type, which can only stand before the root element."""

    def __init__(self, where: object) -> None:
        self._where = where
        self._is_over = False
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse
        if hasattr(self._parser, "SetReparseDeferralEnabled"):
            # It must never see less of the document than the parser that it protects.
            self._parser.SetReparseDeferralEnabled(False)

    def check(self, block: bytes) -> None:
        if self._is_over:
            return
        try:
            self._parser.Parse(block, False)
        except expat.ExpatError as error:
            if not self._is_over:
                raise _not_xml(self._where, error.lineno, expat.ErrorString(error.code)) from error

    def _end(self, *_: Any) -> None:
        self._is_over = True
        self._parser.StartElementHandler = None

    def _refuse(self, *_: Any) -> None:
        msg = f"{self._where}: expected plain XML, found a document type or entities: remove them"
        raise SourceError(msg)


def _not_xml(where: object, line: int, found: str) -> SourceError:
    msg = (
        f"{where}, line {line}: expected XML, found {found}: the file is damaged or incomplete, copy it again"
    )
    return SourceError(msg)
