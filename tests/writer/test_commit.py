"""Publishing in one step, whatever interrupts it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.layouts import stored
from tiles2zarr.writer import commit
from tiles2zarr.writer.commit import recover, staged

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from tiles2zarr.writer.commit import staged
with staged(Path(sys.argv[1])) as staging:
    (staging.folder / "half").write_text("half")
    print("held", flush=True)
    sys.stdin.read()
"""
# Replaces an image without an exchange, and is killed at the rename with the given number.
REPLACE = """
import os, signal, sys
from pathlib import Path
from tiles2zarr.writer import commit
rename, left = os.rename, [int(sys.argv[2])]
def dying(*names):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    rename(*names)
commit._exchange = lambda *folders: False
commit.os.rename = dying
if sys.argv[2] == "2":
    commit.shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
with commit.staged(Path(sys.argv[1])) as staging:
    (staging.folder / "pixels").write_text("new")
    staging.publish()
"""
posix = pytest.mark.skipif(os.name == "nt", reason="Windows keeps the files of locks")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two folders in one step")


def existing(folder: Path) -> Path:
    """An image that is there already."""
    target = folder / "well" / "0"
    target.mkdir(parents=True)
    (target / "pixels").write_text("old")
    return target


def write(target: Path, content: str = "new") -> None:
    with staged(target) as staging:
        (staging.folder / "pixels").write_text(content)
        staging.publish()


@posix
def test_a_new_image_appears_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "well" / "0")
    assert stored(tmp_path) == {"well/0/pixels": b"new"}
    assert [entry.name for entry in (tmp_path / "well").iterdir()] == ["0"]


def test_until_it_is_published_it_is_hidden_beside_its_place(tmp_path: Path) -> None:
    target = tmp_path / "well" / "0"
    with staged(target) as staging:
        assert staging.folder.parent == target.parent
        assert staging.folder.name == ".0.staging"
        assert not list(staging.folder.iterdir())
        assert not target.exists()


@posix
@pytest.mark.parametrize("exchanges", [True, False])
def test_an_image_is_readable_until_another_takes_its_place(
    exchanges: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchanges:
        monkeypatch.setattr(commit, "_exchange", lambda *_: False)
    target = existing(tmp_path)
    with staged(target) as staging:
        (staging.folder / "pixels").write_text("new")
        assert (target / "pixels").read_text() == "old"
        staging.publish()
        assert (target / "pixels").read_text() == "new"
    assert [entry.name for entry in target.parent.iterdir()] == ["0"]


@linux
def test_a_reader_finds_an_image_at_every_moment(tmp_path: Path) -> None:
    target = existing(tmp_path)
    done = threading.Event()
    failures: list[Exception] = []

    def look() -> None:
        while not done.is_set():
            try:
                target.stat()
            except OSError as error:
                failures.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(100):
        write(target, str(number))
        assert (target / "pixels").read_text() == str(number)
    done.set()
    reader.join()
    assert not failures


@posix
@pytest.mark.parametrize("is_there", [True, False])
def test_a_failure_publishes_nothing_and_leaves_nothing(is_there: bool, tmp_path: Path) -> None:
    target = existing(tmp_path) if is_there else tmp_path / "well" / "0"
    with pytest.raises(ArithmeticError), staged(target) as staging:
        (staging.folder / "pixels").write_text("half")
        raise ArithmeticError
    assert stored(tmp_path) == ({"well/0/pixels": b"old"} if is_there else {})
    assert [entry.name for entry in target.parent.iterdir()] == (["0"] if is_there else [])


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    target = existing(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    assert (target / "pixels").read_text() == "old"
    assert (target.parent / ".0.staging" / "half").exists()
    with staged(target) as staging:
        assert not list(staging.folder.iterdir())
    assert stored(tmp_path) == {"well/0/pixels": b"old"}


@posix
@pytest.mark.parametrize(("renames", "expected"), [(0, "old"), (1, "old"), (2, "new")])
def test_a_replacement_by_two_renames_survives_a_kill_between_them(
    renames: int, expected: str, tmp_path: Path
) -> None:
    target = existing(tmp_path)
    died = subprocess.run([sys.executable, "-c", REPLACE, str(target), str(renames)], check=False)
    assert died.returncode == -9
    assert target.exists() == (renames != 1)
    with staged(target):
        assert (target / "pixels").read_text() == expected
    assert stored(tmp_path) == {"well/0/pixels": expected.encode()}


@posix
@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_disk_that_became_read_only_is_not_waited_for(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def unable(folder: Path) -> None:
        asked.append(folder)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(commit.shutil, "rmtree", unable)
    with pytest.raises(ArithmeticError), staged(tmp_path / "0"):
        raise ArithmeticError
    assert len(asked) == 1


def test_two_processes_write_one_after_the_other(tmp_path: Path) -> None:
    target = tmp_path / "0"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waiting = threading.Thread(target=write, args=(target,))
        waiting.start()
        assert not target.exists()
        holder.communicate("")
        waiting.join()
    assert (target / "pixels").read_text() == "new"


def test_of_two_left_images_the_one_in_place_counts(tmp_path: Path) -> None:
    target = existing(tmp_path)
    (target.parent / ".0.old").mkdir()
    recover(target)
    assert stored(tmp_path) == {"well/0/pixels": b"old"}
    assert not (target.parent / ".0.old").exists()


@linux
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EXDEV])
def test_a_file_system_that_cannot_exchange_is_given_two_renames(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_exchange(monkeypatch, code)
    target = existing(tmp_path)
    write(target)
    assert stored(tmp_path) == {"well/0/pixels": b"new"}


@linux
def test_any_other_failure_of_the_exchange_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_exchange(monkeypatch, errno.EIO)
    target = existing(tmp_path)
    with pytest.raises(OSError) as caught:
        write(target)
    assert caught.value.errno == errno.EIO
    assert stored(tmp_path) == {"well/0/pixels": b"old"}


def fail_exchange(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def failing(*_: Any) -> int:
        commit.ctypes.set_errno(code)
        return -1

    monkeypatch.setattr(commit, "_renameat2", lambda: failing)
