"""Memory of units in work, which is used again and again.

It comes from the system, not from the allocator: that one gives back little of what it gets back in another order, so
that a process would grow beyond what its units need, and every page of a fresh array costs a fault.
"""

from __future__ import annotations

import errno
import mmap
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


def fresh_memory(size: int) -> NDArray[np.uint8]:
    """Bytes from the system, all zero; given back when nobody uses the array any more.

    Raises:
        MemoryError: the system has no more.
    """
    # Of this process alone: a child that somebody forks must not write to the pixels.
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    try:
        memory = mmap.mmap(-1, max(1, size), **private)
    except OSError as error:  # which would be told as a lack of disk
        if error.errno != errno.ENOMEM:
            raise
        msg = f"{size / 2**20:.0f} MiB for a unit of work"
        raise MemoryError(msg) from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint8)


class Blocks:
    """Blocks of pixels of one type and any shape up to a largest one. Safe to use from several threads."""

    def __init__(self, largest: int, dtype: DTypeLike) -> None:
        """Lend blocks of at most `largest` pixels."""
        self._dtype = np.dtype(dtype)
        self._size = largest * self._dtype.itemsize
        # What is in the list is nobody's: taking and giving back are single steps of a list, whatever the thread.
        self._free: list[NDArray[np.uint8]] = []

    def take(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """A block to write to; whatever was in it is still there.

        Raises:
            MemoryError: the system has no more.
        """
        try:
            memory = self._free.pop()
        except IndexError:
            memory = fresh_memory(self._size)
        return memory[: prod(shape) * self._dtype.itemsize].view(self._dtype).reshape(shape)

    def give_back(self, block: NDArray[Any]) -> None:
        """Take back what `take` lent; nobody may look at it any more."""
        memory = block.base
        if memory is None or memory.nbytes != max(1, self._size):
            msg = "a block that was not lent here"
            raise ValueError(msg)
        self._free.append(memory)
