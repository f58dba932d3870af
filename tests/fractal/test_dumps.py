"""Work orders on disk: late, missing, damaged, removed, and those of two runs."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.table_plates import small_plate
from tiles2zarr.converter import Acquisition, plan
from tiles2zarr.core.job import recorded_options
from tiles2zarr.errors import ConversionError, OptionsError, OutputError
from tiles2zarr.fractal.dumps import (
    FOLDER,
    RETRIES,
    new_run,
    read_dump,
    remove_dump,
    remove_equal_dumps,
    write_dump,
)
from tiles2zarr.models import ConverterOptions
from tiles2zarr.writer.lock import left_behind

if TYPE_CHECKING:
    from tiles2zarr.core.job import ImageJob


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[ImageJob]:
    folder = tmp_path_factory.mktemp("source")
    source = small_plate(folder / "plate", wells=(("C", 7), ("D", 8))).write()
    planned = plan([Acquisition(source)], folder / "zarr", ConverterOptions())
    return [image.job for image in planned.images]


@pytest.fixture(scope="module")
def job(jobs: list[ImageJob]) -> ImageJob:
    return jobs[0]


class Clock:
    """Time that passes only by waiting; a document appears in it when it is due."""

    def __init__(self, file: Path, content: bytes, due: float) -> None:
        self.waits: list[float] = []
        self._file, self._content, self._due = file, content, due

    def wait(self, seconds: float) -> None:
        before = sum(self.waits)
        self.waits.append(seconds)
        if before < self._due <= sum(self.waits):
            self._file.write_bytes(self._content)


def test_a_work_order_holds_the_job_and_the_kind_of_its_collection(tmp_path: Path, job: ImageJob) -> None:
    with new_run(tmp_path) as run:
        document = read_dump(write_dump(run, job, "state"))
    own = {"collection_type": "ImageInPlate", "options": recorded_options(job.options), "replaces": "state"}
    assert document == {**own, **json.loads(json.dumps(job.document()))}
    assert document["format"] == "table"


def test_a_run_has_a_folder_of_its_own_below_the_destination(tmp_path: Path, job: ImageJob) -> None:
    with new_run(tmp_path) as first, new_run(tmp_path) as second:
        files = [write_dump(run, job) for run in (first, second)]
    assert [file.parent for file in files] == [first, second]
    assert files[0].name == files[1].name
    assert first.name < second.name
    assert list(first.iterdir()) == [files[0]]
    assert sorted((tmp_path / FOLDER).iterdir()) == [first, second]


@pytest.mark.parametrize("late", [0.01, 0.5, 3.0, 8.0])
def test_a_late_work_order_is_found(tmp_path: Path, late: float) -> None:
    file = tmp_path / "0.json"
    clock = Clock(file, b'{"image": 1}', late)
    assert read_dump(file, clock.wait) == {"image": 1}
    assert sum(clock.waits) < 2 * late + 0.1


def test_a_work_order_that_is_half_there_is_read_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "0.json"
    file.write_bytes(b'{"ima')
    assert read_dump(file, Clock(file, b'{"image": 1}', 1.0).wait) == {"image": 1}


def test_a_work_order_that_never_comes_is_given_up_after_about_ten_seconds(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "0.json", b"", 1e9)
    assert read_dump(tmp_path / "0.json", clock.wait) is None
    assert 8 < sum(clock.waits) < 13
    assert all(
        later == pytest.approx(2 * earlier)
        for earlier, later in zip(clock.waits, clock.waits[1:], strict=False)
    )


def test_the_number_of_retries_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for retries in (0, 3, 14):
        monkeypatch.setenv(RETRIES, str(retries))
        clock = Clock(tmp_path / "0.json", b"", 1e9)
        assert read_dump(tmp_path / "0.json", clock.wait) is None
        assert len(clock.waits) == retries


def test_a_number_of_retries_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RETRIES, "often")
    with pytest.raises(
        OptionsError, match=r"TILES2ZARR_DUMP_RETRIES: expected a number of retries .* found 'often'"
    ):
        read_dump(tmp_path / "0.json")


def test_a_damaged_work_order_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RETRIES, "1")
    (tmp_path / "0.json").write_bytes(b'{"ima')
    with pytest.raises(ConversionError, match=r"0\.json: expected a work order in JSON"):
        read_dump(tmp_path / "0.json")


@pytest.mark.parametrize("content", ["[1]", '"text"', "null", "[" * 100_000])
def test_a_work_order_that_is_no_object_is_an_error_that_names_it(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RETRIES, "0")
    (tmp_path / "0.json").write_text(content)
    with pytest.raises(ConversionError, match=r"0\.json: expected a work order in JSON, found ") as caught:
        read_dump(tmp_path / "0.json")
    assert "\n" not in str(caught.value)


def test_the_last_work_order_takes_the_folders_with_it(tmp_path: Path, jobs: list[ImageJob]) -> None:
    with new_run(tmp_path) as run:
        files = [write_dump(run, job) for job in jobs]
    remove_dump(files[0])
    assert files[1].exists()
    remove_dump(files[1])
    assert list(tmp_path.iterdir()) == []


def test_removing_a_work_order_twice_is_no_error(tmp_path: Path, job: ImageJob) -> None:
    with new_run(tmp_path) as run:
        file = write_dump(run, job)
    remove_dump(file)
    remove_dump(file)


def test_the_folder_of_another_run_stays(tmp_path: Path, job: ImageJob) -> None:
    with new_run(tmp_path) as first, new_run(tmp_path) as second:
        gone, kept = write_dump(first, job), write_dump(second, job)
    content = kept.read_bytes()
    remove_dump(gone)
    assert not first.exists()
    assert kept.read_bytes() == content


def test_only_folders_of_work_orders_are_removed(tmp_path: Path) -> None:
    file = tmp_path / "mine" / "run" / "0.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    remove_dump(file)
    assert file.parent.is_dir()


def test_a_run_that_fails_leaves_no_work_order(tmp_path: Path, job: ImageJob) -> None:
    with pytest.raises(KeyboardInterrupt), new_run(tmp_path) as run:
        write_dump(run, job)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from tiles2zarr.fractal.dumps import new_run
with new_run(Path(sys.argv[1])) as run:
    (run / "0.json").write_text("{}")
    print(run, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the files of locks")
def test_what_a_killed_init_left_goes_with_the_next_and_that_of_others_stays(
    tmp_path: Path, job: ImageJob
) -> None:
    with new_run(tmp_path) as done:
        write_dump(done, job)
    with new_run(tmp_path) as live:
        killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True)
        dead = Path(killed.stdout.strip())
        assert dead.is_dir()
        with new_run(tmp_path) as own:
            names = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert names == {done.name, live.name, f"{live.name}.lock", own.name, f"{own.name}.lock"}


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the files of locks")
def test_what_a_killed_init_left_and_cannot_be_removed_now_goes_with_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True)
    dead = Path(killed.stdout.strip())
    lock = dead.with_suffix(".lock")

    def unable(folder: Path, ignore_errors: bool = False) -> None:
        assert (folder, ignore_errors) == (dead, False)
        (folder / "0.json").unlink()
        raise PermissionError(errno.EBUSY, "busy")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", unable)
        with new_run(tmp_path) as other:
            assert dead.is_dir()
            assert lock.exists()

    def watched(folder: Path, ignore_errors: bool = False) -> None:
        with left_behind(lock) as is_dead:
            assert not is_dead  # it is held
        assert lock.exists()
        folder.rmdir()

    monkeypatch.setattr(shutil, "rmtree", watched)
    with new_run(tmp_path) as own:
        names = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert names == {other.name, own.name, f"{own.name}.lock"}


def test_work_orders_of_other_runs_for_the_very_image_go_with_it(
    tmp_path: Path, jobs: list[ImageJob]
) -> None:
    def run(number: int, replaces: str | None = None, **options: Any) -> Path:
        job = replace(jobs[number], options=ConverterOptions(**options))
        with new_run(tmp_path) as folder:
            return write_dump(folder, job, replaces)

    own, equal, replaced = run(0), run(0), run(0, "old")
    others = [run(1), run(0, overlap_mode="First"), run(0, "new"), run(0)]
    others[-1].write_text("[1, 2]")
    busy = run(0)
    lock = busy.parent.with_suffix(".lock")
    lock.touch()  # its init is writing still
    document = read_dump(own)
    assert document is not None
    remove_dump(own)
    remove_equal_dumps(own, document, lambda state: state != "new")
    assert not own.exists()
    assert not equal.parent.exists()
    assert not replaced.parent.exists()
    assert all(file.exists() for file in (*others, busy))


def test_a_destination_that_cannot_be_written_is_an_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written: File exists"), new_run(tmp_path / "file"):
        pass


def test_a_folder_that_cannot_be_made_is_given_up(tmp_path: Path) -> None:
    (tmp_path / FOLDER).symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="cannot be written: No such file"), new_run(tmp_path):
        pass


def test_runs_that_begin_while_others_end_do_not_disturb_each_other(tmp_path: Path, job: ImageJob) -> None:
    def begin_and_end(_: int) -> None:
        with new_run(tmp_path) as run:
            file = write_dump(run, job)
        assert read_dump(file) is not None
        remove_dump(file)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin_and_end, range(100)))
    assert list(tmp_path.iterdir()) == []
