"""The vendor's own metadata files, copied beside what was made from them: their content, under their own names."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tiles2zarr.core.job import VendorFile
from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.writer.groups import remove_parts, write_in_one_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

_BLOCK = 2**20
# A copy of these would make a group or an array of the folder that it lies in.
_ZARR = frozenset({"zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata"})


def vendor_files(
    files: Iterable[Path], folder: Path, *, allow_outside: bool = False
) -> tuple[tuple[VendorFile, ...], tuple[Finding, ...]]:
    """What to copy, sorted by name, and what is not copied, with the reason. Opens each file, reads none.

    Args:
        files: as a scan names them; a folder is none.
        folder: the source's; a file below it keeps its relative path, another one (a condition table that the user
            named) its name.
        allow_outside: links may lead out of the folder.
    """
    root = os.path.realpath(folder)
    chosen: dict[str, VendorFile] = {}
    findings = []
    for file in sorted({os.path.abspath(file) for file in files}):
        is_inside = Path(file).is_relative_to(os.path.abspath(folder))
        target = Path(file).relative_to(os.path.abspath(folder)).as_posix() if is_inside else Path(file).name
        found = _why_not(file, root if is_inside and not allow_outside else None)
        if found is None and _ZARR & {part.lower() for part in target.split("/")}:
            found = "one whose name Zarr reserves"
        if found is None and target.casefold() in chosen:  # some file systems tell no case
            found = f"the same name as {chosen[target.casefold()].source}"
        if found is not None:
            message = f"expected a metadata file to keep, found {found}: it is not copied, copy it by hand"
            findings.append(Finding("warning", "uncopied-file", file, message))
        else:
            chosen[target.casefold()] = VendorFile(file, target)
    return tuple(sorted(chosen.values(), key=lambda file: file.target)), tuple(findings)


def bytes_of(files: Iterable[VendorFile]) -> int:
    """The size of all files together; those that are gone have none."""
    return sum(os.path.getsize(file.source) for file in files if os.path.exists(file.source))


def copy_vendor_files(folder: Path, files: Sequence[VendorFile]) -> None:
    """Copy files into a folder, each in one step; what is there already with the same content stays as it is.

    Times and rights are not copied: the result depends on nothing but content and names.

    Raises:
        SourceError: a file cannot be read.
    """
    for file in files:
        target = folder / file.target
        target.parent.mkdir(parents=True, exist_ok=True)
    for place in {(folder / file.target).parent for file in files}:
        remove_parts(place)
    for file in files:
        target = folder / file.target
        if not _is_equal(file.source, target):
            # A short temporary name: that of the file may be as long as a name can be.
            write_in_one_step(target, "copy", partial(_copy, file.source))


def _why_not(file: str, root: str | None) -> str | None:
    """What speaks against copying a file: it is none, it cannot be read, or it leads out of a folder."""
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            return "something that is no file"
        if root is not None and not Path(os.path.realpath(file)).is_relative_to(root):
            return "a link that leads out of its folder"
        os.close(os.open(file, os.O_RDONLY))
    except OSError as error:
        return f"one that cannot be read ({error.strerror})"
    return None


def _copy(source: str, handle: BinaryIO) -> None:
    for block in _blocks(source):
        handle.write(block)


def _blocks(source: str) -> Iterator[bytes]:
    try:
        with open(source, "rb") as handle:
            while block := handle.read(_BLOCK):
                yield block
    except OSError as error:
        msg = f"{source}: expected a metadata file, cannot read it ({error.strerror}): restore it, then run again"
        raise SourceError(msg) from error


def _is_equal(source: str, target: Path) -> bool:
    try:
        if os.path.getsize(source) != os.path.getsize(target):
            return False
        with open(target, "rb") as copy:
            return all(copy.read(len(block)) == block for block in _blocks(source))
    except OSError:
        return False
