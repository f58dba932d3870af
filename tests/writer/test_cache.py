"""The bounded cache of decoded tiles, and the reader in front of it."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.layouts import Layout, SeededLoader, TileSpec
from tiles2zarr.core.loader_column import LoaderColumn
from tiles2zarr.errors import SourceError
from tiles2zarr.models import ConverterOptions, ImageLoaderInterface
from tiles2zarr.placement import place_image
from tiles2zarr.writer.image import layout_image
from tiles2zarr.writer.planes import DecodedCache, PlaneReader, cover

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Maker:
    """Makes arrays of 100 bytes and counts."""

    def __init__(self) -> None:
        self.made: Counter[object] = Counter()

    def __call__(self, key: object) -> NDArray[Any]:
        self.made[key] += 1
        return np.full(100, ord(str(key)), np.uint8)


def asked(cache: DecodedCache, make: Maker, keys: str, uses: int) -> None:
    for key in keys:
        assert (cache.get(key, uses, lambda key=key: make(key)) == ord(key)).all()


def test_what_fits_is_made_once() -> None:
    make = Maker()
    asked(DecodedCache(200), make, "abab", 2)
    assert make.made == {"a": 1, "b": 1}


def test_what_exceeds_the_bound_is_made_again_the_longest_unused_first() -> None:
    make = Maker()
    asked(DecodedCache(200), make, "abacab", 4)
    # c pushes b out, since a was used after b.
    assert make.made == {"a": 1, "b": 2, "c": 1}


def test_nothing_is_kept_beyond_its_last_use() -> None:
    make, cache = Maker(), DecodedCache(1000)
    asked(cache, make, "ababcc", 2)
    assert cache._bytes == 0
    assert not cache._kept
    assert not cache._left
    assert not cache._making


def test_what_is_needed_once_is_never_kept() -> None:
    make, cache = Maker(), DecodedCache(1000)
    asked(cache, make, "abc", 1)
    assert cache._bytes == 0


def test_a_cache_of_nothing_makes_everything_each_time() -> None:
    make = Maker()
    asked(DecodedCache(0), make, "aab", 3)
    assert make.made == {"a": 2, "b": 1}


@given(st.lists(st.sampled_from("abcdef"), max_size=40), st.integers(0, 700))
def test_the_bound_holds_and_every_answer_is_right(keys: list[str], bound: int) -> None:
    make, cache, uses = Maker(), DecodedCache(bound), Counter(keys)
    for key in keys:
        assert (cache.get(key, uses[key], lambda key=key: make(key)) == ord(key)).all()
        assert cache._bytes == sum(array.nbytes for array in cache._kept.values()) <= bound
    assert cache._bytes == 0


def test_threads_that_want_the_same_wait_for_the_one_that_makes_it() -> None:
    cache, begun, go_on = DecodedCache(10**6), threading.Event(), threading.Event()
    made: list[int] = []

    def make() -> NDArray[Any]:
        made.append(1)
        begun.set()
        assert go_on.wait(30)
        return np.arange(5)

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(cache.get, "a", 4, make) for _ in range(4)]
        assert begun.wait(30)
        go_on.set()
        assert [answer.result().tolist() for answer in answers] == [[0, 1, 2, 3, 4]] * 4
    assert made == [1]


def test_a_failure_is_everybodys_and_blocks_nobody() -> None:
    cache = DecodedCache(10**6)

    def fail() -> NDArray[Any]:
        raise SourceError("torn")

    for _ in range(3):
        with pytest.raises(SourceError, match="torn"):
            cache.get("a", 3, fail)


# The reader


def reader(loader: type[ImageLoaderInterface], found: str = "uint16", output: str = "uint16") -> PlaneReader:
    layout = Layout((TileSpec(0, 0, 4, 6, fov="F7"),), found)
    image = layout.image()
    column = LoaderColumn.from_loaders([loader(**dict(layout.loader(0)))])
    image = replace(image, tiles=replace(image.tiles, loaders=column))
    options = ConverterOptions()
    placed = place_image(image, options)
    return PlaneReader(placed, cover(placed, layout_image(placed, output, options).grid), output, None, 0)


class WrongShape(SeededLoader):
    def load_plane(self, *args: Any, **kwargs: Any) -> NDArray[Any]:
        return np.zeros((4, 5), np.uint16)


class Unreadable(SeededLoader):
    def load_plane(self, *args: Any, **kwargs: Any) -> NDArray[Any]:
        raise PermissionError(13, "Permission denied")


class BigEndian(SeededLoader):
    def load_plane(self, *args: Any, **kwargs: Any) -> NDArray[Any]:
        return np.arange(24, dtype=">u2").reshape(4, 6)


def test_a_plane_of_another_shape_is_refused_by_name() -> None:
    with pytest.raises(SourceError) as caught:
        reader(WrongShape).read(0)
    assert "P.zarr/B/03/0, F7 (C0, z-plane 0, timepoint 0)" in str(caught.value)
    assert "expected 4 x 6 px (height x width), found 4 x 5: correct the tile's lengths" in str(caught.value)


def test_a_plane_that_cannot_be_read_is_named() -> None:
    message = r"F7 \(C0, z-plane 0, timepoint 0\).*: cannot be read: Permission denied: check"
    with pytest.raises(SourceError, match=message):
        reader(Unreadable).read(0)


@pytest.mark.parametrize(
    ("found", "output"),
    [("uint16", "uint8"), ("int8", "uint16"), ("float64", "float32"), ("uint64", "int64")],
)
def test_pixels_that_could_lose_something_are_refused(found: str, output: str) -> None:
    with pytest.raises(SourceError, match=f"expected pixels that fit {output}, found {found}: set data_type"):
        reader(SeededLoader, found, output).read(0)


@pytest.mark.parametrize(
    ("found", "output"), [("uint8", "uint16"), ("int16", "float32"), ("float32", "float64")]
)
def test_pixels_that_fit_are_widened(found: str, output: str) -> None:
    read = reader(SeededLoader, found, output).read(0)
    expected = SeededLoader(seed=0, shape=(1, 1, 1, 4, 6), dtype=found).pixels()[0, 0, 0]
    assert read.dtype == output
    np.testing.assert_array_equal(read, expected)


def test_pixels_of_the_other_byte_order_keep_their_values() -> None:
    read = reader(BigEndian).read(0)
    assert read.dtype == np.dtype("uint16")
    assert read.ravel().tolist() == list(range(24))
