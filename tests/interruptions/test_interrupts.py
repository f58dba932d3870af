"""Ctrl-C, which a terminal sends to every process of a run: it ends without a traceback, and leaves nothing."""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.interruptions.runs import DEADLINE, REPOSITORY
from tests.interruptions.scene import WELLS
from tests.interruptions.stores import look, stray
from tiles2zarr.models import ConverterOptions, ImageInPlate
from tiles2zarr.writer.lock import exclusive
from tiles2zarr.writer.plate import write_plates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.interruptions.scene import Scene

    Moment = tuple[str, str, str]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the scene is made where folders can be exchanged"
)
#: Phases that only workers have; the first process reads the source too.
WORK = ("lock", "staging", "arrays", "tables", "metadata", "publish", "well")


@contextmanager
def unfinishable(zarr_dir: Path) -> Iterator[None]:
    """A destination, one image of which is held by somebody else, so that no run ends by itself in the block."""
    places = [ImageInPlate(plate_name="P", row=row, column=column, acquisition=0) for row, column in WELLS]
    write_plates(zarr_dir, places, ConverterOptions().omezarr_options.ngff_version)
    target = zarr_dir / places[-1].path()
    with exclusive(target.with_name(f".{target.name}.lock")):
        yield


class Moments:
    """The log of `moments.watch` as a pipe: each moment is heard as it comes."""

    def __init__(self, log: Path) -> None:
        """Make the pipe, which needs nobody at its other end to be opened."""
        os.mkfifo(log)
        self._pipe = os.open(log, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""

    def hear(self, seconds: float = 0.0) -> list[Moment]:
        """The moments since the last call; waits for one at most so long."""
        if not select.select([self._pipe], [], [], seconds)[0]:
            return []
        *lines, self._rest = (self._rest + os.read(self._pipe, 1 << 16)).split(b"\n")
        return [(phase, operation, path) for phase, operation, path in (_parts(line) for line in lines)]

    def wait_for(self, is_meant: Callable[[Moment], bool]) -> None:
        """Return when a moment has come."""
        while heard := self.hear(DEADLINE):
            if any(map(is_meant, heard)):
                return
        pytest.fail("the moment did not come")

    def close(self) -> None:
        """Close the pipe; to be called when nobody writes to it any more."""
        os.close(self._pipe)


def _parts(line: bytes) -> list[str]:
    return os.fsdecode(line).split("\t", 2)


def interrupted(scene: Scene, is_meant: Callable[[Moment], bool], source: Path | None = None) -> None:
    """A run of two workers, whose whole group is told when a moment has come, and which cannot have ended by then.

    Args:
        scene: what is converted.
        is_meant: tells the moment.
        source: the folder that is watched beside the destination; None: the source.
    """
    zarr_dir = scene.destination()
    log = zarr_dir.parent / "moments"
    moments = Moments(log)
    watch = {"log": str(log), **({"source": str(source)} if source is not None else {})}
    with unfinishable(zarr_dir):
        run = scene.convert("old", zarr_dir, workers=2, watch=watch)
        try:
            moments.wait_for(is_meant)
            assert run.code_of() is None, run.log
            os.killpg(run.pid, signal.SIGINT)
            code = run.end(moments.hear)
        finally:
            if run.code_of() is None:
                run.kill()
            moments.close()
    assert code == 130, run.log
    assert "interrupted: images that were finished are complete" in run.log
    assert "Traceback" not in run.log
    assert "Interrupt" not in run.log
    look(zarr_dir, {path: [files] for path, files in scene.images["old"].items()})
    assert not stray(zarr_dir)


def in_phase(phase: str) -> Callable[[Moment], bool]:
    """Tells the moments of a phase of the work on an image; locks of the plate are none."""
    return lambda moment: moment[0] == phase and not moment[2].endswith((".plate.lock", ".conditions.lock"))


def test_ctrl_c_while_workers_start_ends_without_a_traceback(scene: Scene) -> None:
    # The first process has this module since before it was watched; a worker imports it before it can do anything.
    runners = REPOSITORY / "src" / "tiles2zarr" / "runners"
    interrupted(scene, lambda moment: moment[2].startswith(str(runners)), source=runners)


@pytest.mark.parametrize("phase", ["arrays", "publish"])
def test_ctrl_c_while_workers_work_ends_without_a_traceback(scene: Scene, phase: str) -> None:
    interrupted(scene, in_phase(phase))


@pytest.mark.slow
@pytest.mark.parametrize("phase", WORK)
def test_ctrl_c_in_any_phase_of_a_run_of_workers_ends_without_a_traceback(scene: Scene, phase: str) -> None:
    interrupted(scene, in_phase(phase))
