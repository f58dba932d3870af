"""Disks that fill up or become read-only, sources that disappear, work orders that come late."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.interruptions.runs import COMPUTE, ForkServer, Run
from tests.interruptions.stores import images_of, look, stray, tree
from tests.interruptions.tasks import start_init, start_task
from tests.table_plates import small_plate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.interruptions.scene import Scene
    from tests.interruptions.stores import Tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs the disks and rights of Linux")
EXTENDED = "run again with mode Extend"


@contextmanager
def disk(folder: Path, *options: str) -> Iterator[Callable[..., None]]:
    """A disk of its own mounted in a folder, in memory; what is yielded gives it other options."""

    def mount(*options: str) -> subprocess.CompletedProcess[str]:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    folder.mkdir()
    mounted = mount(*options) if shutil.which("mount") else None
    if mounted is None or mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip() if mounted else 'no mount'}")

    def change(*options: str) -> None:
        changed = mount("remount", *options)
        assert changed.returncode == 0, changed.stderr

    try:
        yield change
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def noise(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tree]:
    """Three images of 2 MB that no codec makes smaller, and what they become."""
    folder = tmp_path_factory.mktemp("noise")
    wells = (("A", 1), ("B", 2), ("C", 3))
    plate = small_plate(folder / "noise", wells, channels=2, planes=1, side=(512, 512))
    source = plate.write()
    run = convert(server, source, folder / "whole")
    assert run.end() == 0, run.log
    return source, tree(folder / "whole")


def convert(
    server: ForkServer, source: Path, zarr_dir: Path, mode: str = "No Overwrite", output: Path | None = None
) -> Run:
    command = ["tiles2zarr", "convert", str(source), str(zarr_dir), "--plate-name", "P", "--mode", mode]
    options = ("omezarr_options.compression=none", "omezarr_options.num_levels=1", "runtime.threads=1")
    command += [part for option in options for part in ("--set", option)]
    return server.start(command, output or Path(f"{zarr_dir.parent}.{mode}.txt"))


def assert_said(run: Run, code: int, *parts: str) -> None:
    """The exit code, and one line with these parts; no traceback."""
    assert run.end() == code, run.log
    assert "Traceback" not in run.log
    assert [line for line in run.log.splitlines() if all(part in line for part in parts)], run.log


# Disk full


def test_a_disk_that_fills_up_fails_images_and_loses_none(
    server: ForkServer, noise: tuple[Path, Tree], scene: Scene, tmp_path: Path
) -> None:
    source, whole = noise
    with disk(tmp_path / "disk", "size=40m") as change:
        zarr_dir = tmp_path / "disk" / "zarr"
        shutil.copytree(scene.folder / "whole old" / "P.zarr", zarr_dir / "Before.zarr")
        before = tree(zarr_dir / "Before.zarr")
        change(f"size={used(tmp_path / 'disk') + 5_000_000}")  # an image takes 2.1 MB

        assert_said(convert(server, source, zarr_dir), 1, "P.zarr", "No space left on device", EXTENDED)

        assert tree(zarr_dir / "Before.zarr") == before
        done = {path: files for path, files in images_of(zarr_dir).items() if path.startswith("P.zarr")}
        assert 0 < len(done) < 3
        assert all(files == below(whole, path) for path, files in done.items())
        change("size=40m")
        assert convert(server, source, zarr_dir, "Extend").end() == 0
        assert below(tree(zarr_dir), "P.zarr") == below(whole, "P.zarr")
        assert tree(zarr_dir / "Before.zarr") == before
        assert not stray(zarr_dir)


def below(files: Tree, folder: str) -> Tree:
    """What is below a folder."""
    return {
        path.removeprefix(f"{folder}/"): content
        for path, content in files.items()
        if path.startswith(f"{folder}/")
    }


def test_a_disk_that_fills_up_keeps_the_image_that_was_to_be_replaced(
    server: ForkServer, noise: tuple[Path, Tree], tmp_path: Path
) -> None:
    source, whole = noise
    with disk(tmp_path / "disk", "size=40m") as change:
        zarr_dir = tmp_path / "disk" / "zarr"
        assert convert(server, source, zarr_dir).end() == 0
        change(f"size={used(tmp_path / 'disk') + 500_000}")
        run = convert(server, source, zarr_dir, "Overwrite")
        assert run.end() in (1, 2), run.log
        assert "Traceback" not in run.log
        assert tree(zarr_dir) == whole
        change("size=40m")
        assert convert(server, source, zarr_dir, "Overwrite").end() == 0
        assert tree(zarr_dir) == whole
        assert not stray(zarr_dir)


def used(folder: Path) -> int:
    """Bytes in use on the disk of a folder."""
    return shutil.disk_usage(folder).used


@pytest.mark.parametrize("inodes", [3, 9, 21])
def test_a_disk_that_is_full_before_the_first_image_is_an_error_and_taken_up_again(
    server: ForkServer, noise: tuple[Path, Tree], tmp_path: Path, inodes: int
) -> None:
    source, whole = noise
    with disk(tmp_path / "disk", "size=40m", f"nr_inodes={inodes}") as change:
        zarr_dir = tmp_path / "disk" / "zarr"
        run = convert(server, source, zarr_dir, output=tmp_path / "first.txt")
        assert_said(run, 2, str(zarr_dir), "No space left on device", EXTENDED)
        look(zarr_dir, {})
        change("nr_inodes=10000")
        assert convert(server, source, zarr_dir, "Extend").end() == 0
        assert tree(zarr_dir) == whole
        assert not stray(zarr_dir)


# Sources that disappear


def test_a_source_that_disappears_fails_what_is_left_and_a_rerun_finishes(
    scene: Scene, tmp_path: Path
) -> None:
    source = scene.sources["old"]
    away = source.with_name("away")
    zarr_dir = tmp_path / "zarr"
    then = ["move", str(source), str(away)]
    at = scene.number_of(("arrays", 0.5))
    run = scene.convert("old", zarr_dir, watch={"log": str(tmp_path / "log"), "at": at, "then": then})
    try:
        assert_said(run, 1, "C03", ".tif: no such file")
    finally:
        away.rename(source)
    assert look(zarr_dir, {path: [files] for path, files in scene.images["old"].items()}) < 3
    assert not stray(zarr_dir)
    assert scene.convert("old", zarr_dir, "Extend").end() == 0
    assert tree(zarr_dir) == scene.whole["old"]


def test_a_source_that_disappears_keeps_the_images_that_were_to_be_replaced(scene: Scene) -> None:
    zarr_dir = scene.destination("old")
    source = scene.sources["new"]
    away = source.with_name("away")
    watch = {
        "log": str(zarr_dir.parent / "log"),
        "at": scene.number_of(("staging", 0.0), "replace"),
        "then": ["move", str(source), str(away)],
    }
    run = scene.convert("new", zarr_dir, "Overwrite", watch=watch)
    try:
        assert_said(run, 1, "A01", ".tif: no such file")
    finally:
        away.rename(source)
    assert images_of(zarr_dir) == scene.images["old"]
    assert not stray(zarr_dir)


# A destination that becomes read-only


@contextmanager
def writable_again(folder: Path) -> Iterator[None]:
    """Give the rights to write back at the end."""
    try:
        yield
    finally:
        for place, _, _ in os.walk(folder):
            os.chmod(place, 0o755)


@pytest.mark.parametrize(
    ("phase", "mode"),
    [
        ("init", "No Overwrite"),
        ("origin", "No Overwrite"),
        ("arrays", "No Overwrite"),
        ("well", "No Overwrite"),
        ("publish", "Overwrite"),
        ("clearing", "Overwrite"),
    ],
)
def test_a_destination_that_becomes_read_only_is_an_error_and_a_rerun_finishes(
    scene: Scene, phase: str, mode: str
) -> None:
    adds = mode == "No Overwrite"
    version, zarr_dir = ("old", scene.destination()) if adds else ("new", scene.destination("old"))
    versions = ("old",) if adds else ("old", "new")
    may_be = {path: [scene.images[name][path] for name in versions] for path in scene.images["old"]}
    at = scene.number_of((phase, 0.5), "add" if adds else "replace")
    watch = {"log": str(zarr_dir.parent / "log"), "at": at, "then": ["lock", str(zarr_dir)]}
    with writable_again(zarr_dir):
        run = scene.convert(version, zarr_dir, mode, watch=watch)
        assert_said(
            run, 2 if phase in ("init", "origin") and adds else run.end(), "Permission denied", EXTENDED
        )
        assert run.end() in (1, 2)
        look(zarr_dir, may_be, must_be=not adds)
    look(zarr_dir, may_be, must_be=not adds)
    again = scene.convert(version, zarr_dir, "Extend" if adds else "Overwrite")
    assert again.end() == 0, again.log
    assert tree(zarr_dir) == scene.whole[version]
    assert not stray(zarr_dir)


# Fractal tasks


def test_a_task_whose_source_disappears_fails_in_one_line_and_can_be_started_again(
    scene: Scene, tmp_path: Path
) -> None:
    source, zarr_dir = scene.sources["old"], tmp_path / "zarr"
    units = start_init(scene.start, tmp_path / "init", zarr_dir, source).result()["parallelization_list"]
    away = source.rename(source.with_name("away"))
    try:
        failed = start_task(scene.start, tmp_path / "failed", COMPUTE, units[0])
        assert_said(failed.run, 1, "error: ", ".tif")
        assert not failed.out.exists()
    finally:
        away.rename(source)
    for number, unit in enumerate(units):
        start_task(scene.start, tmp_path / str(number), COMPUTE, unit).result()
    assert tree(zarr_dir) == scene.whole["old"]


@pytest.mark.parametrize("content", ['[{"image": 1}]', '{"format": "table"}', "{}", "[" * 100_000])
def test_a_work_order_that_is_not_ours_is_refused_in_one_line(
    scene: Scene, tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    zarr_dir = tmp_path / "zarr"
    init = start_init(scene.start, tmp_path / "init", zarr_dir, scene.sources["old"])
    unit = init.result()["parallelization_list"][0]
    order = Path(unit["init_args"]["tiled_image_json_dump_url"])
    order.write_text(content)
    failed = start_task(in_no_time(scene, monkeypatch), tmp_path / "failed", COMPUTE, unit)
    assert_said(failed.run, 1, "error: ", order.name, "expected a work order in JSON")


def in_no_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A starter of programs that do not look for work orders again."""

    def start(command: list[str], output: Path, watch: dict[str, Any] | None = None) -> Run:
        return scene.start(command, output, watch, environment={"TILES2ZARR_DUMP_RETRIES": "0"})

    return start


@pytest.mark.slow
def test_a_work_order_that_arrives_three_seconds_late_is_found(scene: Scene, tmp_path: Path) -> None:
    import time

    zarr_dir = tmp_path / "zarr"
    init = start_init(scene.start, tmp_path / "init", zarr_dir, scene.sources["old"])
    units = init.result()["parallelization_list"]
    orders = Path(units[0]["init_args"]["tiled_image_json_dump_url"]).parent
    hidden = orders.parent.rename(tmp_path / "hidden")
    tasks = [start_task(scene.start, tmp_path / str(n), COMPUTE, unit) for n, unit in enumerate(units)]
    due = time.monotonic() + 3.0
    while time.monotonic() < due:
        assert tasks[0].run.code_of() is None
        time.sleep(0.05)
    hidden.rename(orders.parent)
    for task in tasks:
        task.result()
    assert tree(zarr_dir) == scene.whole["old"]
    assert json.loads(tasks[0].out.read_text())["image_list_updates"][0]["zarr_url"] == units[0]["zarr_url"]
