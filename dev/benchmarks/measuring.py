"""Whole processes, measured from outside by the system's own account of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Command:
    """A program and its arguments.

    Attributes:
        arguments: the program first.
        makes: what it writes; removed before it starts, so that no run has to.
    """

    arguments: tuple[str, ...]
    makes: Path | None = None


_HERE = Path(__file__).parent


class FailedRunError(Exception):
    """A measured program failed, or cannot be run here: a figure of it would mean nothing."""


@dataclass(frozen=True)
class Run:
    """One process from its start to its end.

    Attributes:
        wall: seconds.
        cpu: seconds of user and system, of the process and of those it waited for.
        peak_mb: resident memory, MB (2**20 bytes), of the largest single process.
        output: what it printed.
        resident_mb: resident memory while it ran, MB, evenly in time; empty unless asked for.
    """

    wall: float
    cpu: float
    peak_mb: float
    output: str = ""
    resident_mb: tuple[float, ...] = ()

    @property
    def said(self) -> dict[str, Any]:
        """The JSON document that it printed last; empty when it printed none."""
        documents = [line for line in self.output.splitlines() if line.startswith("{")]
        return dict(json.loads(documents[-1])) if documents else {}

    @property
    def seconds(self) -> float:
        """What it says its own work took, start-up and preparations left out."""
        return float(self.said["seconds"])


@dataclass(frozen=True)
class Runs:
    """Several runs of one program."""

    runs: tuple[Run, ...]

    def middle(self, figure: str) -> float:
        """The median of ``wall``, ``cpu``, ``peak_mb`` or ``seconds``."""
        return float(median(getattr(run, figure) for run in self.runs))


@dataclass(frozen=True)
class Pair:
    """Two programs that were run in turn: first one, then the other, and again."""

    ours: Runs
    theirs: Runs

    def ratio(self, figure: str) -> float:
        """The median of the ratios of neighbouring runs, ours by theirs."""
        pairs = zip(self.ours.runs, self.theirs.runs, strict=True)
        return float(median(getattr(a, figure) / getattr(b, figure) for a, b in pairs))


def measured(command: Command, look_every: float = 0) -> Run:
    """Run a program once.

    Args:
        command: the program and its arguments.
        look_every: seconds between two looks at its resident memory; 0: none, which disturbs least.

    Raises:
        FailedRunError: it ended with an exit code other than 0; what it said is in the message.
    """
    launcher = (sys.executable, "-I", "-S", str(_HERE / "launcher.py"), str(look_every), *command.arguments)
    if command.makes is not None:
        shutil.rmtree(command.makes, ignore_errors=True)
    os.sync()  # what the program before it left to be written is not this one's to wait for
    # A file, not a pipe: nobody has to run beside the measured program to empty it.
    with tempfile.TemporaryFile("w+") as printed:
        code = subprocess.run(launcher, stdout=printed, stderr=subprocess.STDOUT, check=False).returncode  # noqa: S603 - of this folder
        printed.seek(0)
        text = printed.read()
    output, _, account = text.rstrip("\n").rpartition("\n")
    if code:
        raise _failed(command, code, text)
    figures: dict[str, Any] = json.loads(account)
    if code := figures.pop("exit_code"):
        raise _failed(command, code, output)
    resident = tuple(figures.pop("resident_mb"))
    return Run(**figures, output=output, resident_mb=resident)


def _failed(command: Command, code: int, output: str) -> FailedRunError:
    return FailedRunError(f"{' '.join(command.arguments)}: exit code {code}\n{output[-3000:]}")


def repeated(command: Command, runs: int) -> Runs:
    """A program, once for warming up and then some times more."""
    measured(command)
    return Runs(tuple(measured(command) for _ in range(runs)))


def in_turn(ours: Command, theirs: Command, runs: int, *, warm_up: bool = True) -> Pair:
    """Two programs in turn, after one run of each that is not counted.

    Args:
        ours: one program.
        theirs: the other.
        runs: counted runs of each.
        warm_up: whether to make the runs that are not counted.
    """
    for command in (ours, theirs) if warm_up else ():
        measured(command)
    pairs = []
    for number in range(runs):
        # Each goes first as often as the other.
        order = (ours, theirs) if number % 2 == 0 else (theirs, ours)
        found = {command: measured(command) for command in order}
        pairs.append((found[ours], found[theirs]))
    return Pair(Runs(tuple(a for a, _ in pairs)), Runs(tuple(b for _, b in pairs)))


def size_of(folders: Sequence[Path]) -> tuple[int, int]:
    """Bytes and number of the files in folders."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files), len(files)


def program(name: str) -> str:
    """The path of one of the measured programs."""
    return str(_HERE / "programs" / f"{name}.py")
