"""Prints what is promised of speed and memory, and what was measured."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dev.benchmarks.measuring import FailedRunError
from dev.benchmarks.outcome import HEAD, failed_row
from dev.benchmarks.targets import TARGETS, Bench, measure

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and say by the exit code whether all promises are kept."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if unknown := [name for name in chosen.targets if name not in TARGETS]:
        parser.error(f"unknown target {', '.join(unknown)}: expected some of {', '.join(TARGETS)}")
    if chosen.runs < 1:
        parser.error(f"--runs: expected at least 1, found {chosen.runs}")
    if not hasattr(os, "wait4"):
        parser.error("this system has no account of a process that has ended: measure on Linux or macOS")
    if chosen.peer is not None and shutil.which(chosen.peer) is None:
        parser.error(f"--peer {chosen.peer}: expected an interpreter, found none")
    try:
        chosen.work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--work {chosen.work}: expected a folder to write to: {error.strerror}")
    bench = Bench(chosen.work.resolve(), chosen.peer, chosen.runs)
    if not bench.peer:
        print("without --peer there are no rows that compare with it", file=sys.stderr)
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores; ", end="")
    print(f"{bench.runs} runs of each program\n\n{HEAD}", flush=True)
    # A list, so that a broken promise does not keep the others from being measured.
    return 0 if all([_measured(name, bench) for name in chosen.targets or TARGETS]) else 1


def _measured(name: str, bench: Bench) -> bool:
    """Print a target's rows as they come; whether all its promises are kept."""
    started = time.monotonic()
    are_kept = True
    try:
        for outcome in measure(name, bench):
            are_kept &= outcome.is_kept
            print(outcome.row(), flush=True)
    except FailedRunError as error:
        are_kept = False
        print(failed_row(name), flush=True)
        print(error, file=sys.stderr)
    print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return are_kept


def _parser() -> argparse.ArgumentParser:
    targets = "\n".join(f"  {name:<12}{(found.__doc__ or '').strip()}" for name, found in TARGETS.items())
    parser = argparse.ArgumentParser(
        prog="python -m dev.benchmarks",
        description=f"{__doc__} Whole processes, in turn, medians; see dev/benchmarks/README.md.",
        epilog=f"targets:\n{targets}\n\nexit code: 0 all promises are kept, 1 some are not, 2 bad usage",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--work",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder on a local disk; plates stay in it for the next time, results are removed",
    )
    parser.add_argument(
        "--peer", metavar="PYTHON", help="interpreter of an environment with the peer; none: no such rows"
    )
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="counted runs of each program (5)")
    parser.add_argument("targets", nargs="*", metavar="target", help="what to measure; none: everything")
    return parser


if __name__ == "__main__":
    sys.exit(main())
