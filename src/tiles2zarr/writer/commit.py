"""Publishing an image in one step: it is written beside its place under a hidden name, then renamed.

A reader sees the old image or the new one, whole, or none. What a killed run left is removed by whoever holds
the image's lock next.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from tiles2zarr.writer.lock import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# Writes that were under way when a run was interrupted end within a second.
_TRIES, _PAUSE = 20, 0.1
# What waiting does not mend; Windows says EACCES of a file that somebody has open.
_HOPELESS = (errno.EROFS, *((errno.EACCES, errno.EPERM) if os.name != "nt" else ()))


@dataclass(frozen=True, slots=True)
class Staging:
    """The places of one image while it is written.

    Attributes:
        target: where the image will be.
        folder: where it is written.
    """

    target: Path
    folder: Path

    def publish(self) -> None:
        """Put the written image in its place, and remove the one it replaces.

        What cannot be removed yet, because a reader on a network file system has it open, is left for the next
        holder of the lock: the new image is there.
        """
        if not os.path.lexists(self.target):
            os.rename(self.folder, self.target)
        elif _exchange(self.folder, self.target):
            _remove(self.folder)
        else:
            old = _hidden(self.target, "old")
            os.rename(self.target, old)
            os.rename(self.folder, self.target)
            _remove(old)


@contextmanager
def staged(target: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[Staging]:
    """Hold an image's lock, with an empty staging folder beside it, gone afterwards, published or not.

    Args:
        target: where the image will be.
        waiting: called again and again while somebody else holds the lock; what it raises ends the waiting.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(_hidden(target, "lock"), waiting):
        recover(target)
        staging = Staging(target, _hidden(target, "staging"))
        staging.folder.mkdir()
        try:
            yield staging
        finally:
            _remove(staging.folder)


def recover(target: Path) -> None:
    """Clear what a killed run left of an image. To be called by the holder of its lock.

    An image that was moved aside and never replaced comes back.
    """
    old = _hidden(target, "old")
    if os.path.lexists(old):
        if os.path.lexists(target):
            _clear(old)
        else:
            os.rename(old, target)
    staging = _hidden(target, "staging")
    if os.path.lexists(staging):
        _clear(staging)


def _remove(folder: Path) -> None:
    """Remove a folder, also one that an interrupted write in another thread still adds a file to."""
    for _ in range(_TRIES):
        try:
            _clear(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno in _HOPELESS:
                return
        if not os.path.lexists(folder):
            return
        time.sleep(_PAUSE)


def _clear(path: Path) -> None:
    """Remove a folder, or the file or link that somebody put in its place; what a link points to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _hidden(target: Path, role: str) -> Path:
    return target.with_name(f".{target.name}.{role}")


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step; False where the system or the file system cannot."""
    rename = _renameat2()
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    # EPERM is what some sandboxes say of calls they do not know; a lack of permission shows in the rename.
    if code in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code), str(second))


@cache
def _renameat2() -> Any | None:
    if not sys.platform.startswith("linux"):
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
        function.restype = ctypes.c_int
    return function
