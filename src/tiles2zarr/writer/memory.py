"""How much memory a conversion takes, and how many threads and cached tiles fit the limit."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tiles2zarr.errors import OptionsError
from tiles2zarr.writer.grid import Block, grid_of
from tiles2zarr.writer.overlap import scratch_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tiles2zarr.models import OverlapMode, RuntimeOptions
    from tiles2zarr.writer.grid import Grid

# What the interpreter and the libraries take before the first pixel, measured: 95 to 115 MiB of a task, 140 of the
# command line that has read a table.
_PROGRAM = 152 * 2**20
# Of glibc's mallopt: arrays that are larger are taken from the system and given back to it at once.
_M_MMAP_THRESHOLD, _LARGE_ARRAY = -3, 4 * 2**20
# A thread holds the unit of level 0 and, to verify, the unit on disk and what it is decoded from; beside them a chunk
# (or shard) as its file, a chunk that is made whole where it reaches beyond the image, what the codec makes of it, and
# a plane with what it is decoded from.
_UNITS_IN_WORK, _UNITS_COMPARED = 1, 2
_LARGEST_CACHE = 512 * 2**20
_SMALLEST_ADVISED = 64


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How one process uses its memory.

    Attributes:
        threads: units in work at a time.
        cache: bytes kept of decoded tiles that several units need.
        peak: the most that all of it may take, bytes.
    """

    threads: int
    cache: int
    peak: int

    def shared(self, share: int) -> MemoryPlan:
        """The part of one of several images that a process converts at the same time."""
        return MemoryPlan(max(1, self.threads // share), self.cache // share, self.peak // share)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the tiles of an image are once they are decoded.

    Attributes:
        largest: bytes of the most that is decoded in one go: a plane, or a tile where a source knows no less.
        used_again: some of it is needed by more than one unit, or for more than one plane.
    """

    largest: int
    used_again: bool


def plan_memory(
    path: str,
    grid: Grid,
    itemsize: int,
    decoded: Decoded,
    codec: int,
    overlap: OverlapMode,
    runtime: RuntimeOptions,
) -> MemoryPlan:
    """Choose threads and cache for an image.

    Args:
        path: the image's path, for the message.
        grid: levels and units.
        itemsize: bytes of a pixel.
        decoded: what decoding the tiles takes.
        codec: bytes that encoding takes beside pixels and file, see `tiles2zarr.writer.chunk_files.codec_bytes`.
        overlap: which pixel is kept where tiles overlap.
        runtime: limit and wanted threads.

    Raises:
        OptionsError: not even one unit fits the limit.
    """
    limit = int(runtime.memory_limit_gib * 2**30)
    room = limit - _PROGRAM

    def thread_bytes(grid: Grid) -> int:
        return codec + _thread_bytes(grid, itemsize, decoded, overlap, runtime)

    one = thread_bytes(grid)
    if one > room:
        cell = "shards" if grid.shard is not None else "chunks"
        z, y, x = grid.shard or grid.chunk
        side = _fitting_side(grid, itemsize, thread_bytes, room)
        smaller = f"use smaller {cell}, such as {side} x {side}, or " if side is not None else ""
        needed = math.ceil((one + _PROGRAM) / 2**30 * 100) / 100
        msg = (
            f"{path}: expected to stay within memory_limit_gib = {runtime.memory_limit_gib:g}, "
            f"found that {cell} of {z} x {y} x {x} (z, y, x) need {needed:.2f} GiB: "
            f"{smaller}raise memory_limit_gib"
        )
        raise OptionsError(msg)
    threads = max(1, min(runtime.threads or available_cores(), room // one))
    cache = min(_LARGEST_CACHE, room - threads * one) if decoded.used_again else 0
    return MemoryPlan(threads, cache, _PROGRAM + threads * one + cache)


@cache
def give_back_large_arrays() -> None:
    """Have the allocator give large arrays back to the system, from now on and in the whole process.

    glibc keeps what is freed once it has seen large arrays freed, a heap for each thread: the buffers of readers and
    codecs would add up to half of the limit. Other systems need no such word.
    """
    if sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _LARGE_ARRAY)


def available_cores() -> int:
    """How many cores this process may use, which is what a cluster grants it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _fitting_side(grid: Grid, itemsize: int, thread_bytes: Callable[[Grid], int], room: int) -> int | None:
    """A side of chunks (or shards) that fit, px; None where the tiles alone are too large."""
    cell = grid.shard or grid.chunk
    side = min(cell.y, cell.x)
    while side >= 2 * _SMALLEST_ADVISED:
        side = side // 4 * 2
        smaller = cell._replace(y=side, x=side)
        chunk = Block(*map(min, grid.chunk, smaller))
        shard = smaller if grid.shard is not None else None
        cut = grid_of(grid.shapes[0], chunk, shard, grid.levels, itemsize)
        if thread_bytes(cut) <= room:
            return side
    return None


def _thread_bytes(
    grid: Grid, itemsize: int, decoded: Decoded, overlap: OverlapMode, runtime: RuntimeOptions
) -> int:
    """A unit in work, the units above it that wait for their quadrants, and what is decoded for it."""
    unit = grid.unit
    open_units = sum(min(unit.y, shape.y) * min(unit.x, shape.x) for shape in grid.shapes[1:])
    level0 = min(unit.y, grid.shapes[0].y) * min(unit.x, grid.shapes[0].x)
    at_once = _UNITS_IN_WORK + (_UNITS_COMPARED if runtime.verify else 0)
    units = unit.z * itemsize * (at_once * level0 + open_units)
    files = itemsize * (math.prod(grid.shard or grid.chunk) + 2 * math.prod(grid.chunk))
    return units + files + scratch_bytes(overlap, level0) + 2 * decoded.largest
