"""Locks between processes that a killed process cannot leave behind."""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tiles2zarr.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Asking again instead of waiting in the system: only so can a thread be stopped while it waits.
_PAUSE = 0.05
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def exclusive(file: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of a file while the block runs; wait for whoever holds it.

    The system drops the lock of a process that dies. The file is removed by whoever held it last: none stays.

    Args:
        file: its folder must exist.
        waiting: called again and again while somebody else holds the lock; what it raises ends the waiting.

    Raises:
        OutputError: the file system knows no locks.
    """
    descriptor = _acquire(file, waiting)
    try:
        yield
    finally:
        try:
            _remove_held(file)
        finally:
            os.close(descriptor)


@contextmanager
def left_behind(file: Path) -> Iterator[bool]:
    """Tell whether whoever held the lock of a file died; if so, it is held while the block runs, and then removed.

    If the block fails, the file stays: the next who asks is told again. Never makes the file, so that a holder who
    leaves in good order at this moment is not taken for dead. Where a file without holder stays in any case (Windows),
    nobody is.

    Args:
        file: a lock that nobody asks for but its first holder.
    """
    descriptor = None
    if sys.platform != "win32":
        with suppress(FileNotFoundError):
            descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    if descriptor is None:
        yield False
        return
    try:
        is_dead = _try_lock(descriptor) and _is_still(file, descriptor)
        yield is_dead
        if is_dead:
            _remove_held(file)
    finally:
        os.close(descriptor)


def _remove_held(file: Path) -> None:
    """Remove the file of a lock that is still held: whoever waits finds that it is gone and opens a new one.

    A file that cannot be removed (the disk went read-only) is left for the next holder.
    """
    if sys.platform != "win32":
        with suppress(OSError):
            file.unlink()


def _acquire(file: Path, waiting: Callable[[], None]) -> int:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            while not _try_lock(descriptor):
                waiting()
                time.sleep(_PAUSE)
            if _is_still(file, descriptor):
                return descriptor
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _NO_LOCKS:
                raise
            msg = (
                f"{file.parent}: expected a file system with file locks, found none ({error.strerror}): "
                "mount it with them (Lustre: -o flock), or choose another destination"
            )
            raise OutputError(msg) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_still(file: Path, descriptor: int) -> bool:
    """Whether the locked file is the one that the name stands for: another holder may have removed it."""
    try:
        return os.path.samestat(os.stat(file), os.fstat(descriptor))
    except FileNotFoundError:
        return False


if sys.platform == "win32":  # pragma: no cover - exercised by the Windows job
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
