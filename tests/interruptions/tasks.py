"""Fractal tasks as processes that can be watched and killed: init, and compute for each of its units."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.interruptions.runs import COMPUTE, INIT, Run, Starter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Task:
    """A task at work.

    Attributes:
        run: its process.
        out: the file that it leaves its result in.
    """

    run: Run
    out: Path

    def result(self, meanwhile: Callable[[], object] = lambda: None) -> Any:
        """Its result, once it is done."""
        assert self.run.end(meanwhile) == 0, self.run.log
        return json.loads(self.out.read_text())


def start_task(
    start: Starter, folder: Path, script: str, arguments: Any, watch: dict[str, Any] | None = None
) -> Task:
    """Start a task; its files go into a folder that is made for it."""
    folder.mkdir(parents=True)
    (folder / "args.json").write_text(json.dumps(arguments))
    command = [script, "--args-json", str(folder / "args.json"), "--out-json", str(folder / "out.json")]
    return Task(start(command, folder / "log.txt", watch), folder / "out.json")


def start_init(
    start: Starter,
    folder: Path,
    zarr_dir: Path,
    source: Path,
    mode: str = "No Overwrite",
    watch: dict[str, Any] | None = None,
    **acquisition: Any,
) -> Task:
    """Start the init task of one acquisition; `acquisition` replaces what its form says."""
    form = {"path": str(source), "plate_name": "P", **acquisition}
    arguments = {
        "zarr_dir": str(zarr_dir),
        "acquisitions": [form],
        "overwrite_mode": mode,
        "advanced": {"num_levels": 3},
    }
    return start_task(start, folder, INIT, arguments, watch)


def compute_all(
    start: Starter, folder: Path, units: Sequence[Any], meanwhile: Callable[[], object] = lambda: None
) -> None:
    """All units at once."""
    tasks = [start_task(start, folder / f"unit{number}", COMPUTE, unit) for number, unit in enumerate(units)]
    for task in tasks:
        task.result(meanwhile)
