"""Memory of units in work, which is used again and again.

It comes from the system, not from the allocator: that one gives back little of what it gets back in another order, so
that a process would grow beyond what its units need, and every page of a fresh array costs a fault.
"""

from __future__ import annotations

import mmap
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


def fresh_memory(size: int) -> NDArray[np.uint8]:
    """Bytes from the system, all zero; given back when nobody uses the array any more."""
    return np.frombuffer(mmap.mmap(-1, max(1, size)), np.uint8)


class Blocks:
    """Blocks of pixels of one type and any shape up to a largest one. Safe to use from several threads."""

    def __init__(self, largest: int, dtype: DTypeLike) -> None:
        """Lend blocks of at most `largest` pixels."""
        self._dtype = np.dtype(dtype)
        self._size = largest * self._dtype.itemsize
        self._free: list[NDArray[np.uint8]] = []
        self._lent: dict[int, NDArray[np.uint8]] = {}
        self._lock = threading.Lock()

    def take(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """A block to write to; whatever was in it is still there."""
        with self._lock:
            memory = self._free.pop() if self._free else None
        if memory is None:
            memory = fresh_memory(self._size)
        count = int(np.prod(shape))
        block = memory[: count * self._dtype.itemsize].view(self._dtype).reshape(shape)
        with self._lock:
            self._lent[id(block)] = memory
        return block

    def give_back(self, block: NDArray[Any]) -> None:
        """Take back what `take` lent; nobody may look at it any more."""
        with self._lock:
            self._free.append(self._lent.pop(id(block)))
