"""Ctrl-C, which a terminal sends to every process of a run: it ends without a traceback, and leaves nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.interruptions.runs import PAUSE
from tests.interruptions.stores import look, stray

if TYPE_CHECKING:
    from tests.interruptions.runs import Run
    from tests.interruptions.scene import Scene

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the scene is made where folders can be exchanged"
)


def interrupted(scene: Scene, seconds: float) -> Run:
    """A run of two workers, interrupted so long after its images have begun; its whole group is told."""
    zarr_dir = scene.destination()
    run = scene.convert("old", zarr_dir, workers=2)
    while "converting" not in run.log and run.code_of() is None:
        time.sleep(PAUSE)
    due = time.monotonic() + seconds
    while time.monotonic() < due:
        time.sleep(PAUSE)
    os.killpg(run.pid, signal.SIGINT)
    code = run.end()
    assert code in (130, 0), run.log
    assert "Traceback" not in run.log
    assert "Interrupt" not in run.log
    look(zarr_dir, {path: [files] for path, files in scene.images["old"].items()})
    assert not stray(zarr_dir)
    return run


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_ctrl_c_while_workers_start_ends_without_a_traceback(scene: Scene, seconds: float) -> None:
    interrupted(scene, seconds)


@pytest.mark.slow
def test_ctrl_c_at_any_time_of_a_run_of_workers_ends_without_a_traceback(scene: Scene) -> None:
    for number in range(8):
        interrupted(scene, number * 0.2)
