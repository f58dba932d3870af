"""Decode all TIFFs of a folder and do nothing with them: ``decode.py SOURCE PROCESSES``."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import tifffile


def decode(files: list[Path]) -> None:
    """Some files, one after the other."""
    for file in files:
        tifffile.imread(file)


if __name__ == "__main__":
    source, processes = Path(sys.argv[1]), int(sys.argv[2])
    files = sorted(source.glob("*.tif"))
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(decode, [files[start::processes] for start in range(processes)]))
