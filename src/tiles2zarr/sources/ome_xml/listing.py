"""The files of a folder, listed once, and found again under names that changed a little."""

from __future__ import annotations

import ntpath
import os
import posixpath
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path


class Listing:
    """The files of a folder and of those subfolders that somebody asks for; no file is opened.

    Attributes:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: dict[str, dict[str, str]] = {}

    def names(self) -> list[str]:
        """Files right in the folder, sorted, without hidden ones.

        Raises:
            SourceError: it cannot be listed.
        """
        try:
            return sorted(name for name in self._in("").values() if not name.startswith("."))
        except OSError as error:
            reason = error.strerror or str(error)
            msg = f"{self.root}: expected a folder, found none that can be read ({reason}): check the path"
            raise SourceError(msg) from error

    def find(self, path: str) -> str | None:
        """The path, relative and with ``/``, of a file that is there; its letters may differ in case.

        A file that was named by an absolute path, or one that leaves the folder, is looked for by its name.
        """
        relative = posixpath.normpath(path.strip().replace("\\", "/"))
        outside = posixpath.isabs(relative) or ntpath.splitdrive(relative)[0] or relative.startswith("../")
        if outside or "\0" in relative:
            relative = posixpath.basename(relative)
        parent, name = posixpath.split(relative)
        try:
            found = self._in(parent)
        except OSError:
            return None
        if name in found:
            return relative
        actual = found.get(name.casefold())
        return posixpath.join(parent, actual) if actual is not None else None

    def _in(self, parent: str) -> dict[str, str]:
        """Names as they are, also by their names in small letters."""
        if parent not in self._folders:
            with os.scandir(os.path.join(self.root, parent)) as entries:
                names = [entry.name for entry in entries if entry.is_file()]
            self._folders[parent] = {
                **{name.casefold(): name for name in names},
                **{name: name for name in names},
            }
        return self._folders[parent]
