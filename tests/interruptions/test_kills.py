"""A run killed at any moment: no reader finds half an image, and the next run makes everything good."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.interruptions.moments import PHASES
from tests.interruptions.runs import start_interpreter
from tests.interruptions.scene import Kind, Scene, When

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interruptions.runs import ForkServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges folders in one step")
#: Phases that a run of the command line has.
RUN = tuple(phase for phase in PHASES if phase != "orders")


def test_an_uninterrupted_run_has_moments_of_every_phase(scene: Scene) -> None:
    assert {phase for phase, _, _ in scene.moments["add"]} >= {*RUN} - {"clearing"}
    assert {phase for phase, _, _ in scene.moments["replace"]} == {*RUN}


@pytest.mark.parametrize(
    ("when", "workers"),
    [
        (("init", 0.6), 1),
        (("conditions", 0.5), 1),
        (("arrays", 0.4), 1),
        (("tables", 0.5), 1),
        (("publish", 0.5), 1),
        (("well", 0.9), 1),
        (("time", 0.7), 1),
        (("tables", 0.2), 2),
    ],
)
def test_a_kill_costs_no_more_than_the_images_in_work(scene: Scene, when: When, workers: int) -> None:
    phase = scene.killed("add", when, workers)
    assert phase == when[0] or when[0] == "time" or workers > 1


@pytest.mark.parametrize("when", [("arrays", 0.9), ("publish", 0.0), ("publish", 1.0), ("clearing", 0.5)])
def test_while_an_image_is_replaced_the_old_or_the_new_one_is_there(scene: Scene, when: When) -> None:
    assert scene.killed("replace", when) == when[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["add", "replace"])
def test_sixty_kills(kind: Kind, server: ForkServer, tmp_path: Path) -> None:
    """Half of them at moments of every phase, half at any time of programs that start as users start them."""
    (tmp_path / "forks").mkdir()
    (tmp_path / "programs").mkdir()
    died: Counter[str] = Counter()
    forks = Scene.make(tmp_path / "forks", server.start, side=(128, 160), planes=2)
    for phase in sorted({phase for phase, _, _ in forks.moments[kind]}):
        for share in (0.0, 0.5, 1.0):
            died[
                forks.killed(kind, (phase, share), workers=2 if (phase, share) == ("tables", 0.5) else 1)
            ] += 1
    programs = Scene.make(tmp_path / "programs", start_interpreter, side=(128, 160), planes=2)
    rng = np.random.default_rng(60)
    tries = 0
    while died.total() - died["finished"] < 60 and tries < 90:
        what = ("time", "progress")[tries % 2]
        died[programs.killed(kind, (what, float(rng.uniform())), workers=1 + tries // 2 % 2)] += 1
        tries += 1
    print(kind, dict(sorted(died.items())))
    assert died.total() - died["finished"] == 60
    assert died.keys() >= {"init", "arrays", "tables", "publish", "well"}
