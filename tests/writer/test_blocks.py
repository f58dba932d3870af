"""Memory of units in work: lent, taken back, lent again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tiles2zarr.writer.blocks import Blocks, fresh_memory


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


def test_threads_never_get_the_same_memory() -> None:
    blocks = Blocks(1000, "int64")

    def work(number: int) -> bool:
        block = blocks.take((10, 10, 10))
        block[...] = number
        untouched = bool((block == number).all())
        blocks.give_back(block)
        return untouched

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(2000)))
