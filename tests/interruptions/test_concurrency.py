"""Several programs at once in one destination: all complete, and none sees another's files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.interruptions.runs import COMPUTE
from tests.interruptions.stores import stray, tree
from tests.interruptions.tasks import Task, compute_all, start_init, start_task
from tests.table_plates import small_plate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interruptions.runs import ForkServer, Run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
WELLS = (("A", 1), ("B", 2))
#: How runs at the same time differ: by plate, or by acquisition of one plate, whose wells are partly the same.
DIFFERENT = pytest.mark.parametrize("what", ["plates", "acquisitions"])
Name = tuple[str, int]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four acquisitions with different pixels, wells and conditions."""
    folders = []
    for number in range(4):
        folder = tmp_path_factory.mktemp("sources") / "cycle"
        plate = small_plate(folder, (*WELLS, ("C", number + 1)), channels=1, planes=1)
        plate.pixels = {name: pixels + number for name, pixels in plate.pixels.items()}
        for row in plate.rows:
            row |= {"drug": f"{number} {row['row']}", f"only {number}": number}
        folders.append(plate.write())
    return folders


def names_of(what: str, count: int) -> list[Name]:
    """Plate names and numbers of the acquisitions."""
    return [(f"P{number}", 0) if what == "plates" else ("P", number) for number in range(count)]


def convert(server: ForkServer, source: Path, zarr_dir: Path, name: Name, mode: str = "No Overwrite") -> Run:
    plate, number = name
    command = ["tiles2zarr", "convert", str(source), str(zarr_dir), "--plate-name", plate, "--mode", mode]
    command += ["--acquisition-id", str(number), "--set", "omezarr_options.num_levels=3"]
    return server.start(command, zarr_dir.with_name(f"{zarr_dir.name} {plate} {number} {mode}.txt"))


def one_by_one(server: ForkServer, sources: list[Path], folder: Path, names: list[Name]) -> dict[str, object]:
    """What runs one after the other leave."""
    for source, name in zip(sources, names, strict=False):
        run = convert(server, source, folder / "one by one", name)
        assert run.end() == 0, run.log
    return dict(tree(folder / "one by one"))


def check_conversions(server: ForkServer, sources: list[Path], folder: Path, what: str, count: int) -> None:
    """Conversions at once are conversions one by one."""
    names = names_of(what, count)
    zarr_dir = folder / "at once"
    runs = [convert(server, source, zarr_dir, name) for source, name in zip(sources, names, strict=False)]
    for run in runs:
        assert run.end() == 0, run.log
        assert run.log.count("3 converted of 3 images") == 1
    assert tree(zarr_dir) == one_by_one(server, sources, folder, names)
    assert not stray(zarr_dir)


def check_tasks(server: ForkServer, sources: list[Path], folder: Path, what: str, count: int) -> None:
    """Inits at once, and then others while the images of the first are computed, are conversions one by one."""
    names = names_of(what, count)
    zarr_dir = folder / "at once"

    def start(number: int) -> Task:
        plate, acquisition = names[number]
        place = {"plate_name": plate, "acquisition_id": acquisition}
        return start_init(server.start, folder / f"init {number}", zarr_dir, sources[number], **place)

    def units_of(inits: list[Task]) -> list[dict[str, Any]]:
        return [unit for init in inits for unit in init.result()["parallelization_list"]]

    half = (count + 1) // 2
    units = units_of([start(number) for number in range(half)])
    late = [start(number) for number in range(half, count)]
    compute_all(server.start, folder / "units", units)
    others = units_of(late)
    compute_all(server.start, folder / "others", others)
    expected = one_by_one(server, sources, folder, names)
    assert {unit["zarr_url"] for unit in units + others} == {
        f"{zarr_dir}/{path}" for path in expected if path.count("/") == 3 and path[-1].isdecimal()
    }
    orders = {unit["init_args"]["tiled_image_json_dump_url"] for unit in units + others}
    assert len(orders) == 3 * count
    assert tree(zarr_dir) == expected
    assert not stray(zarr_dir)


@DIFFERENT
def test_two_conversions_at_once_are_two_one_by_one(
    server: ForkServer, sources: list[Path], tmp_path: Path, what: str
) -> None:
    check_conversions(server, sources, tmp_path, what, 2)


def test_four_conversions_at_once_are_four_one_by_one(
    server: ForkServer, sources: list[Path], tmp_path: Path
) -> None:
    check_conversions(server, sources, tmp_path, "acquisitions", 4)


def test_inits_and_tasks_at_once_are_runs_one_by_one(
    server: ForkServer, sources: list[Path], tmp_path: Path
) -> None:
    check_tasks(server, sources, tmp_path, "acquisitions", 3)


@pytest.mark.slow
@DIFFERENT
@pytest.mark.parametrize("count", [2, 4])
def test_many_rounds_of_conversions_and_tasks_at_once(
    server: ForkServer, sources: list[Path], tmp_path: Path, what: str, count: int
) -> None:
    for number in range(3):
        for check in (check_conversions, check_tasks):
            folder = tmp_path / f"{check.__name__} {number}"
            folder.mkdir()
            check(server, sources, folder, what, count)


def test_the_same_conversion_twice_at_once_succeeds_twice(
    server: ForkServer, sources: list[Path], tmp_path: Path
) -> None:
    expected = one_by_one(server, sources, tmp_path, [("P", 0)])
    zarr_dir = tmp_path / "at once"
    runs = [convert(server, sources[0], zarr_dir, ("P", 0), mode) for mode in ("Extend", "extend")]
    assert [run.end() for run in runs] == [0, 0], [run.log for run in runs]
    assert tree(zarr_dir) == expected
    assert not stray(zarr_dir)


def test_two_tasks_of_one_unit_at_once_both_succeed(
    server: ForkServer, sources: list[Path], tmp_path: Path
) -> None:
    """A server that took a node for lost starts its task a second time."""
    zarr_dir = tmp_path / "zarr"
    init = start_init(server.start, tmp_path / "init", zarr_dir, sources[0])
    unit, *others = init.result()["parallelization_list"]
    twins = [start_task(server.start, tmp_path / f"twin{number}", COMPUTE, unit) for number in range(2)]
    first, second = (twin.result() for twin in twins)
    assert first == second
    compute_all(server.start, tmp_path / "others", others)
    assert tree(zarr_dir) == one_by_one(server, sources, tmp_path, [("P", 0)])
