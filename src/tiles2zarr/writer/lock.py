"""Locks between processes that a killed process cannot leave behind."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Hold the lock of a file while the block runs; wait for whoever holds it.

    The system drops the lock of a process that dies. The file is removed by whoever held it last: none stays.
    """
    descriptor = _acquire(file)
    try:
        yield
    finally:
        # Removed while it is still held: whoever waits finds that its file is gone and opens a new one.
        if sys.platform != "win32":
            file.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(file: Path) -> int:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            _lock(descriptor)
            if _is_still(file, descriptor):
                return descriptor
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
    import time

    def _lock(descriptor: int) -> None:
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError:
                time.sleep(0.05)
            else:
                return
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
