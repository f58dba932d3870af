"""Memory of units in work: lent, taken back, lent again."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tiles2zarr.writer.blocks import Blocks, fresh_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray


def test_fresh_memory_is_zero_and_of_the_size() -> None:
    assert fresh_memory(10_000).tolist() == [0] * 10_000
    assert len(fresh_memory(0)) == 1


def test_a_block_has_the_shape_and_type_that_was_asked_for() -> None:
    block = Blocks(100, "float32").take((2, 5, 3))
    assert (block.shape, block.dtype, block.flags.c_contiguous) == ((2, 5, 3), np.float32, True)


def test_two_blocks_never_share_memory_while_they_are_lent() -> None:
    blocks = Blocks(12, "uint16")
    first, second = blocks.take((1, 3, 4)), blocks.take((1, 3, 4))
    assert not np.shares_memory(first, second)


def test_what_is_given_back_is_lent_again() -> None:
    blocks = Blocks(12, "uint16")
    first = blocks.take((1, 3, 4))
    first[...] = 7
    blocks.give_back(first)
    again = blocks.take((1, 2, 2))
    assert np.shares_memory(first, again)
    assert again.tolist() == [[[7, 7], [7, 7]]]  # whoever takes it writes all of it


def test_threads_that_hold_blocks_at_the_same_time_never_share_memory() -> None:
    blocks, together = Blocks(12, "int64"), Barrier(8)

    def hold(_: int) -> NDArray[Any]:
        for _ in range(200):
            blocks.give_back(blocks.take((1, 3, 4)))
        block = blocks.take((1, 3, 4))
        together.wait(30)
        return block

    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(hold, range(8)))
    places = {block.__array_interface__["data"][0] for block in held}
    assert len(places) == 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_forked_child_cannot_write_to_it() -> None:
    memory = fresh_memory(100)
    if (child := os.fork()) == 0:
        memory[...] = 1
        os._exit(0)
    os.waitpid(child, 0)
    assert not memory.any()


def test_nothing_is_taken_back_that_was_not_lent() -> None:
    with pytest.raises(ValueError, match="not lent"):
        Blocks(12, "uint16").give_back(np.zeros((1, 3, 4), "uint16"))


NO_MEMORY = """
import resource
from tiles2zarr.writer.blocks import fresh_memory
resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
try:
    fresh_memory(2**33)
except MemoryError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is kept by Linux")
def test_lack_of_memory_is_not_told_as_lack_of_disk() -> None:
    done = subprocess.run([sys.executable, "-c", NO_MEMORY], capture_output=True, text=True, check=True)
    assert done.stdout == "8192 MiB for a unit of work\n"
