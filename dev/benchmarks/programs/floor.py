"""A plain one-pass program: ``floor.py OUT SOURCE THREADS``, of a plate whose fields of view touch on a grid.

Every plane is decoded once, and every chunk of five levels is encoded (Blosc-lz4, level 5, shuffle) and written once
as a plain file. There are no checks and no metadata, any channel of a whole level is held in memory, and nothing but
such a plate can be converted: what is left when all else is left out.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tifffile
from numcodecs import Blosc, blosc
from numpy.typing import NDArray

LEVELS = 5
CODEC = Blosc("lz4", 5, Blosc.SHUFFLE)
blosc.use_threads = False
Row = dict[str, str]
Block = NDArray[np.uint16]


def halved(block: Block) -> Block:
    """The rounded mean of 2 x 2 pixels; the last odd row or column is left out."""
    height, width = (length // 2 * 2 for length in block.shape[1:])
    total = block[:, 0:height:2, 0:width:2].astype(np.uint32)
    for dy, dx in ((0, 1), (1, 0), (1, 1)):
        total += block[:, dy:height:2, dx:width:2]
    total += 2
    total >>= 2
    return total.astype(np.uint16)


def write(file: Path, block: Block) -> None:
    """One chunk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(CODEC.encode(np.ascontiguousarray(block)))


def convert(source: Path, base: Path, channel: int, rows: list[Row]) -> None:
    """One channel of a well."""
    side = int(rows[0]["length_x"])
    step = min({float(row["start_x"]) for row in rows} - {0.0}, default=1.0)
    depth = 1 + max(int(float(row["start_z"])) for row in rows)
    fields: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows:
        fields[round(float(row["start_y"]) / step), round(float(row["start_x"]) / step)].append(row)
    down, across = (1 + max(place[axis] for place in fields) for axis in (0, 1))
    level: Block = np.zeros((depth, down * side // 2, across * side // 2), np.uint16)
    for (i, j), planes in fields.items():
        block = np.zeros((depth, side, side), np.uint16)
        for row in planes:
            block[int(float(row["start_z"]))] = tifffile.imread(source / row["file_path"])
        write(base / f"0/{channel}/0/{i}/{j}", block)
        half = halved(block)
        top, left = i * side // 2, j * side // 2
        level[:, top : top + half.shape[1], left : left + half.shape[2]] = half
    for number in range(1, LEVELS):
        for i in range(-(-level.shape[1] // side)):
            for j in range(-(-level.shape[2] // side)):
                chunk = level[:, i * side : (i + 1) * side, j * side : (j + 1) * side]
                write(base / f"{number}/{channel}/0/{i}/{j}", chunk)
        if number < LEVELS - 1:
            level = halved(level)


def main() -> None:
    """Convert all channels of all wells side by side."""
    out, source, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    parts: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    with (source / "tiles.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            parts[row["row"], row["column"], int(row["start_c"])].append(row)
    with ThreadPoolExecutor(threads) as pool:
        jobs = [
            pool.submit(convert, source, out / row / column, channel, rows)
            for (row, column, channel), rows in parts.items()
        ]
        for job in jobs:
            job.result()


main()
