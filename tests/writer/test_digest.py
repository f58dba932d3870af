"""The digest of level 0."""

from __future__ import annotations

import threading

import google_crc32c
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.models import TileShape
from tiles2zarr.writer.digest import Level0Digest, crc32c
from tiles2zarr.writer.grid import Block, UnitIndex

UNIT = UnitIndex(1, 2, 0, 0, 0)
SHAPE = TileShape(2, 3, 12, 18, 18)


def extent_of(block: np.ndarray, z: int = 0, y: int = 0, x: int = 0) -> tuple[slice, slice, slice]:
    starts = zip((z, y, x), block.shape, strict=True)
    depth, height, width = (slice(start, start + length) for start, length in starts)
    return depth, height, width


def test_every_chunk_has_the_crc32c_of_its_pixels() -> None:
    block = np.arange(3 * 5 * 7, dtype=np.uint16).reshape(3, 5, 7)
    digest = Level0Digest(SHAPE, Block(2, 4, 3))
    digest.add(UNIT, extent_of(block, z=4, y=8, x=9), block)
    expected = {
        (1, 2, 2 + z, 2 + y, 3 + x): google_crc32c.value(
            block[2 * z : 2 * z + 2, 4 * y : 4 * y + 4, 3 * x : 3 * x + 3].tobytes()
        )
        for z in range(2)
        for y in range(2)
        for x in range(3)
    }
    assert digest.chunks == expected
    assert list(digest.chunks) == sorted(expected)


def test_chunks_of_zeros_are_absent() -> None:
    block = np.zeros((1, 4, 8), np.uint8)
    digest, empty = Level0Digest(SHAPE, Block(1, 4, 4)), Level0Digest(SHAPE, Block(1, 4, 4))
    digest.add(UNIT, extent_of(block), block)
    assert digest.value() == empty.value()
    block[0, 0, 5] = 1
    digest.add(UNIT, extent_of(block), block)
    assert set(digest.chunks) == {(1, 2, 0, 0, 1)}


def test_the_extent_of_the_level_is_part_of_the_value() -> None:
    taller = Level0Digest(SHAPE._replace(y=19), Block(1, 4, 4))
    assert taller.value() != Level0Digest(SHAPE, Block(1, 4, 4)).value()


def test_the_byte_order_of_the_machine_does_not_show() -> None:
    little = np.arange(6, dtype="<u4").reshape(1, 2, 3)
    assert crc32c(little) == crc32c(little.astype(">u4")) == google_crc32c.value(little.tobytes())


@given(st.permutations(range(6)))
def test_neither_order_nor_thread_shows_in_the_value(order: list[int]) -> None:
    blocks = np.random.default_rng(0).integers(1, 99, (6, 1, 4, 4), np.uint8)
    straight, shuffled = Level0Digest(SHAPE, Block(1, 2, 2)), Level0Digest(SHAPE, Block(1, 2, 2))
    for z in range(6):
        straight.add(UNIT, extent_of(blocks[z], z=z), blocks[z])
    threads = [
        threading.Thread(target=shuffled.add, args=(UNIT, extent_of(blocks[z], z=z), blocks[z]))
        for z in order
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shuffled.value() == straight.value()
    assert len(straight.value()) == 8


def test_one_changed_pixel_changes_the_value() -> None:
    block = np.ones((1, 4, 4), np.uint8)
    values = set()
    for changed in (block, block + (np.arange(16).reshape(1, 4, 4) == 7)):
        digest = Level0Digest(SHAPE, Block(1, 2, 2))
        digest.add(UNIT, extent_of(block), changed)
        values.add(digest.value())
    assert len(values) == 2
