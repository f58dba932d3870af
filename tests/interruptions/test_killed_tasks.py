"""Fractal tasks killed at any moment: a new run makes everything good, and nothing of the killed one is left."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import pytest

from tests.interruptions.runs import COMPUTE, moments_of
from tests.interruptions.stores import look, stray, tree
from tests.interruptions.tasks import compute_all, start_init, start_task

if TYPE_CHECKING:
    from tests.interruptions.scene import Kind, Scene

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges folders in one step")
Task = Literal["init", "compute"]
Moments = dict[tuple["Kind", Task], list[tuple[str, str, str]]]


@pytest.fixture(scope="module")
def moments(scene: Scene) -> Moments:
    """Moments of the tasks of uninterrupted runs, whose results are those of the command line."""
    found: Moments = {}
    for kind, version, holds, mode in (
        ("add", "old", None, "No Overwrite"),
        ("replace", "new", "old", "Overwrite"),
    ):
        zarr_dir, source = scene.destination(holds), scene.sources[version]
        folder = zarr_dir.parent
        watch = {"zarr_dir": str(zarr_dir), "source": str(source)}
        logs = {"init": folder / "init.log", "compute": folder / "compute.log"}
        seen = {task: {**watch, "log": str(log)} for task, log in logs.items()}
        init = start_init(scene.start, folder / "init", zarr_dir, source, mode, seen["init"])
        first, *others = init.result()["parallelization_list"]
        start_task(scene.start, folder / "first", COMPUTE, first, seen["compute"]).result()
        compute_all(scene.start, folder / "others", others)
        assert tree(zarr_dir) == scene.whole[version]
        found |= {(kind, task): moments_of(log) for task, log in logs.items()}
    return found


def killed(scene: Scene, kind: Kind, task: Task, at: int) -> None:
    """A run, one task of which is killed at a moment, and another one that takes everything up."""
    adds = kind == "add"
    version, zarr_dir = ("old", scene.destination()) if adds else ("new", scene.destination("old"))
    folder, source = zarr_dir.parent, scene.sources[version]
    log = folder / "killed.log"
    watch = {"zarr_dir": str(zarr_dir), "source": str(source), "log": str(log), "at": at}
    may_be = {
        path: [scene.images[name][path] for name in (("old",) if adds else ("old", "new"))]
        for path in scene.images["old"]
    }

    def reader() -> int:
        return look(zarr_dir, may_be, must_be=not adds)

    mode = "No Overwrite" if adds else "Overwrite"
    init = start_init(scene.start, folder / "init", zarr_dir, source, mode, watch if task == "init" else None)
    dying = init.run
    if task == "compute":
        units = init.result()["parallelization_list"]
        compute_all(scene.start, folder / "done", units[1:2])
        dying = start_task(scene.start, folder / "killed", COMPUTE, units[0], watch).run
    assert dying.end(reader) == -9, dying.log
    reader()

    mode = "Extend" if adds else "Overwrite"
    again = start_init(scene.start, folder / "again", zarr_dir, source, mode).result(reader)
    compute_all(scene.start, folder / "computed", again["parallelization_list"], reader)
    assert tree(zarr_dir) == scene.whole[version]
    assert not stray(zarr_dir)


def test_tasks_have_moments_of_every_phase(moments: Moments) -> None:
    assert {phase for phase, _, _ in moments["add", "init"]} >= {
        "init",
        "conditions",
        "origin",
        "orders",
        "source",
    }
    assert {phase for phase, _, _ in moments["add", "compute"]} >= {
        "orders",
        "staging",
        "arrays",
        "tables",
        "metadata",
        "publish",
        "well",
    }


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_what_an_init_left_that_was_killed_while_it_wrote_work_orders_goes(
    scene: Scene, moments: Moments, share: float
) -> None:
    killed(scene, "add", "init", number_of(moments["add", "init"], "orders", share))


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_an_init_that_was_killed_while_it_wrote_where_images_come_from_is_made_good(
    scene: Scene, moments: Moments, share: float
) -> None:
    killed(scene, "add", "init", number_of(moments["add", "init"], "origin", share))


@pytest.mark.parametrize(("phase", "share"), [("tables", 0.5), ("orders", 1.0)])
def test_a_killed_compute_task_is_made_good_by_a_new_run(
    scene: Scene, moments: Moments, phase: str, share: float
) -> None:
    killed(scene, "add", "compute", number_of(moments["add", "compute"], phase, share))


def test_a_compute_task_that_was_killed_after_it_replaced_an_image_leaves_nothing(
    scene: Scene, moments: Moments
) -> None:
    killed(scene, "replace", "compute", number_of(moments["replace", "compute"], "orders", 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["add", "replace"])
def test_kills_of_tasks_at_moments_all_over_them(scene: Scene, moments: Moments, kind: Kind) -> None:
    tasks: tuple[Task, ...] = ("init", "compute")
    for task in tasks:
        count = len(moments[kind, task]) - 1
        for number in range(8):
            killed(scene, kind, task, round(count * number / 7))


def number_of(moments: list[tuple[str, str, str]], phase: str, share: float) -> int:
    """The number of the moment that lies at a share of those of a phase."""
    numbers = [number for number, moment in enumerate(moments) if moment[0] == phase]
    return numbers[round(share * (len(numbers) - 1))]
