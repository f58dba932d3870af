"""A run killed at any moment: no reader finds half an image, and the next run makes everything good."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.interruptions.moments import PHASES
from tests.interruptions.runs import moments_of, start_interpreter
from tests.interruptions.scene import Kind, Scene, When
from tests.interruptions.stores import stray, tree
from tests.table_plates import small_plate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interruptions.runs import ForkServer, Run
    from tests.interruptions.stores import Tree

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
        (("origin", 0.3), 1),
        (("origin", 0.8), 1),
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


@pytest.mark.parametrize(
    "when", [("origin", 0.5), ("arrays", 0.9), ("publish", 0.0), ("publish", 1.0), ("clearing", 0.5)]
)
def test_while_an_image_is_replaced_the_old_or_the_new_one_is_there(scene: Scene, when: When) -> None:
    assert scene.killed("replace", when) == when[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["add", "replace"])
def test_kills_at_every_moment_of_writing_where_images_come_from(scene: Scene, kind: Kind) -> None:
    count = sum(phase == "origin" for phase, _, _ in scene.moments[kind])
    for number in range(count):
        assert scene.killed(kind, ("origin", number / (count - 1))) == "origin"


@pytest.fixture(scope="module")
def singles(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tree, list[int]]:
    """A folder of two images of their own, what they become, and the moments of writing where they come from."""
    folder = tmp_path_factory.mktemp("singles")
    plate = small_plate(folder / "source", channels=1, planes=1)
    for row in plate.rows:
        row["image_path"] = f"slides/{row.pop('row')}{row.pop('column')}"
    source, log = plate.write(), folder / "log"
    run = convert(server, source, folder / "whole", {"log": str(log)})
    assert run.end() == 0, run.log
    numbers = [number for number, (phase, _, _) in enumerate(moments_of(log)) if phase == "origin"]
    return source, tree(folder / "whole"), numbers


def convert(
    server: ForkServer, source: Path, zarr_dir: Path, watch: dict[str, Any], mode: str = "No Overwrite"
) -> Run:
    command = ["tiles2zarr", "convert", str(source), str(zarr_dir), "--mode", mode]
    options = ("omezarr_options.num_levels=1", "runtime.threads=1")
    command += [part for option in options for part in ("--set", option)]
    seen = {"zarr_dir": str(zarr_dir), "source": str(source), **watch}
    return server.start(command, zarr_dir.with_name(f"{zarr_dir.name} {mode}.txt"), seen)


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_an_image_of_its_own_has_where_it_comes_from_or_is_not_there(
    server: ForkServer, singles: tuple[Path, Tree, list[int]], tmp_path: Path, share: float
) -> None:
    source, whole, numbers = singles
    assert {name for name in whole if name.endswith("toml") or name.endswith(".xml")} == {
        f"slides/{well}.zarr/OME/{name}"
        for well in ("A1", "B2")
        for name in ("METADATA.ome.xml", "acquisition_0/acquisition_details.toml")
    }
    zarr_dir = tmp_path / "zarr"
    at = numbers[round(share * (len(numbers) - 1))]
    killed = convert(server, source, zarr_dir, {"log": str(tmp_path / "log"), "at": at})
    assert killed.end() == -9, killed.log
    for image in zarr_dir.glob("slides/[A-Z]*.zarr"):
        assert tree(image) == {
            name.split("/", 2)[2]: content
            for name, content in whole.items()
            if name.startswith(f"slides/{image.name}/")
        }
    again = convert(server, source, zarr_dir, {"log": str(tmp_path / "again")}, "Extend")
    assert again.end() == 0, again.log
    assert tree(zarr_dir) == whole
    assert not stray(zarr_dir)


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
