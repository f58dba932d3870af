"""Runs of the programs of the package as groups of processes that can be watched, looked at and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
FRACTAL = REPOSITORY / "src" / "tiles2zarr" / "fractal"
INIT = str(FRACTAL / "convert_tiles_table_to_plate_init.py")
COMPUTE = str(FRACTAL / "convert_image_compute.py")
# What every process of a run does first, where `START` says so: workers are new interpreters too.
START = "TILES2ZARR_TESTS_WATCH"
SITE = f"""
import json, os, sys
if {START!r} in os.environ:
    sys.path.insert(0, {str(REPOSITORY)!r})
    from tests.interruptions.moments import watch
    watch(**json.loads(os.environ[{START!r}]))
"""
DEADLINE, PAUSE = 120.0, 0.005


@dataclass(frozen=True)
class Run:
    """A program at work.

    Attributes:
        pid: its first process, and its group.
        output: file that gets what it says.
        code_of: the exit code of a process; None while it runs.
    """

    pid: int
    output: Path
    code_of: Callable[[], int | None]

    def end(self, meanwhile: Callable[[], object] = lambda: None) -> int:
        """Wait for its end, asking again and again; its exit code."""
        last = time.monotonic() + DEADLINE
        while (code := self.code_of()) is None:
            assert time.monotonic() < last, self.log
            meanwhile()
            time.sleep(PAUSE)
        return code

    def kill(self) -> int:
        """Kill every process of it at once; the exit code of the first."""
        os.killpg(self.pid, signal.SIGKILL)
        return self.end()

    @property
    def log(self) -> str:
        """What it said."""
        return self.output.read_text() if self.output.exists() else ""

    @property
    def errors(self) -> list[str]:
        """The lines that it said, without those of a log."""
        return [line for line in self.log.splitlines() if line and "; INFO; " not in line]


class Starter(Protocol):
    """Starts programs."""

    def __call__(
        self,
        command: Sequence[str],
        output: Path,
        watch: dict[str, Any] | None = None,
        workers: bool = False,
        environment: dict[str, str] | None = None,
    ) -> Run:
        """Start ``tiles2zarr`` or a script; `watch` holds the arguments of `moments.watch`."""


class ForkServer:
    """Starts programs as forks of one process; see `fork_server`."""

    def __init__(self, folder: Path) -> None:
        """Keep what starts worker processes in a folder."""
        self._folder = folder

    @cached_property
    def _process(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.interruptions.fork_server"],
            cwd=REPOSITORY,
            env=plain_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _ask(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def start(
        self,
        command: Sequence[str],
        output: Path,
        watch: dict[str, Any] | None = None,
        workers: bool = False,
        environment: dict[str, str] | None = None,
    ) -> Run:
        """Start a program; see `Starter`. `workers`: its worker processes are watched as well."""
        more = watched_environment(self._folder, watch) if workers and watch else {}
        more |= environment or {}
        pid = self._ask(do="start", command=list(command), output=str(output), watch=watch, environment=more)[
            "pid"
        ]
        return Run(pid, output, lambda: self._ask(do="poll", pid=pid)["code"])

    def stop(self) -> None:
        """End the server."""
        if "_process" in vars(self):
            self._process.communicate()


def start_interpreter(
    command: Sequence[str],
    output: Path,
    watch: dict[str, Any] | None = None,
    workers: bool = False,
    environment: dict[str, str] | None = None,
) -> Run:
    """Start a program in a new interpreter, as users do."""
    more = watched_environment(output.parent, watch) if watch else {}
    more |= environment or {}
    program = ["-m", "tiles2zarr"] if command[0] == "tiles2zarr" else [command[0]]
    with output.open("w") as handle:
        process = subprocess.Popen(
            [sys.executable, *program, *command[1:]],
            cwd=output.parent,
            env=plain_environment() | more,
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,
        )
    return Run(process.pid, output, process.poll)


def plain_environment() -> dict[str, str]:
    """The environment of a program: the package of this repository, plain output."""
    path = os.pathsep.join([str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "1000"}


def watched_environment(folder: Path, watch: dict[str, Any]) -> dict[str, str]:
    """What makes every interpreter of a run watch itself."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SITE)
    return {"PYTHONPATH": f"{site}{os.pathsep}{plain_environment()['PYTHONPATH']}", START: json.dumps(watch)}


@contextmanager
def fork_server(folder: Path) -> Iterator[ForkServer]:
    """A fork server, stopped at the end."""
    server = ForkServer(folder)
    try:
        yield server
    finally:
        server.stop()


def moments_of(log: Path) -> list[tuple[str, str, str]]:
    """The moments that `moments.watch` logged: phase, operation, path."""
    text = log.read_text() if log.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [(phase, operation, path) for phase, operation, path in (line.split("\t", 2) for line in lines)]
