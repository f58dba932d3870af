"""Locks between threads, between processes, and after a kill."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tiles2zarr.errors import OutputError
from tiles2zarr.writer import lock as locks
from tiles2zarr.writer.lock import exclusive, left_behind

if TYPE_CHECKING:
    from pathlib import Path

COUNT = """
import sys
from pathlib import Path
from tiles2zarr.writer.lock import exclusive
lock, counter = map(Path, sys.argv[1:3])
for _ in range(int(sys.argv[3])):
    with exclusive(lock):
        number = int(counter.read_text())
        counter.write_text("torn")
        counter.write_text(str(number + 1))
"""
HOLD = """
import sys
from pathlib import Path
from tiles2zarr.writer.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
posix = pytest.mark.skipif(os.name == "nt", reason="Windows keeps the files of locks")


def test_processes_exclude_each_other(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    arguments = [sys.executable, "-c", COUNT, str(tmp_path / ".lock"), str(counter), "100"]
    processes = [subprocess.Popen(arguments) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert counter.read_text() == "400"


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    inside: list[int] = []

    def work(_: int) -> None:
        for _ in range(50):
            with exclusive(tmp_path / ".lock"):
                inside.append(1)
                assert len(inside) == 1
                inside.pop()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


@posix
def test_no_file_is_left(tmp_path: Path) -> None:
    with exclusive(tmp_path / ".lock"):
        assert [file.name for file in tmp_path.iterdir()] == [".lock"]
    assert not list(tmp_path.iterdir())


@posix
def test_neither_is_one_left_by_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ArithmeticError), exclusive(tmp_path / ".lock"):
        raise ArithmeticError
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        holder.wait()
        assert lock.exists()
        with exclusive(lock):
            pass
    assert os.name == "nt" or not lock.exists()


@posix
def test_a_lock_is_left_behind_by_the_killed_only(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with left_behind(lock) as is_dead:
        assert not is_dead
    assert not lock.exists()
    with exclusive(lock):
        with left_behind(lock) as is_dead:
            assert not is_dead
        assert lock.exists()
    lock.touch()
    with left_behind(lock) as is_dead:
        assert is_dead
        with left_behind(lock) as is_dead_too:
            assert not is_dead_too
    assert not lock.exists()


@posix
def test_a_lock_that_was_left_behind_stays_for_the_next_if_the_block_fails(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    lock.touch()
    for _ in range(2):
        with pytest.raises(ArithmeticError), left_behind(lock) as is_dead:
            assert is_dead
            raise ArithmeticError
        assert lock.exists()
    with left_behind(lock) as is_dead:
        assert is_dead
    assert not lock.exists()


@posix
def test_a_lock_that_was_left_behind_is_held_until_its_file_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / ".lock"
    lock.touch()
    remove, was_free = type(lock).unlink, []

    def asked(file: Path) -> None:
        with left_behind(file) as is_dead:
            was_free.append(is_dead)
        remove(file)

    monkeypatch.setattr(type(lock), "unlink", asked)
    with left_behind(lock) as is_dead:
        assert is_dead
    assert was_free == [False]
    assert not lock.exists()


@posix
def test_a_lock_whose_file_cannot_be_removed_is_free_nevertheless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: object) -> None:
        raise PermissionError(errno.EROFS, "read-only")

    with monkeypatch.context() as patch, pytest.raises(ArithmeticError):
        patch.setattr(type(tmp_path), "unlink", unable)
        with exclusive(tmp_path / ".lock"):
            raise ArithmeticError
    with exclusive(tmp_path / ".lock"):
        pass
    assert not list(tmp_path.iterdir())


@posix
def test_who_waited_for_a_removed_file_locks_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking, the holder leaves and removes the file."""
    lock = tmp_path / ".lock"
    opened, real = [], locks._try_lock

    def slow(descriptor: int) -> bool:
        opened.append(descriptor)
        if len(opened) == 1:
            lock.unlink()
        return real(descriptor)

    monkeypatch.setattr(locks, "_try_lock", slow)
    with exclusive(lock):
        assert len(opened) == 2
        assert os.path.samestat(lock.stat(), os.fstat(opened[-1]))


def test_a_lock_can_be_taken_again_and_again_by_the_same_thread(tmp_path: Path) -> None:
    for _ in range(3):
        with exclusive(tmp_path / ".lock"):
            assert threading.current_thread().is_alive()


def test_where_nothing_can_be_written_the_system_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), exclusive(tmp_path / "nowhere" / ".lock"):
        pass


class Stopped(Exception):
    """What ends a wait."""


@posix
def test_who_waits_can_be_stopped(tmp_path: Path) -> None:
    asked: list[int] = []

    def stop() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise Stopped

    with exclusive(tmp_path / ".lock"):
        with pytest.raises(Stopped), exclusive(tmp_path / ".lock", stop):
            pass
        assert (tmp_path / ".lock").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(_: int) -> bool:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(locks, "_try_lock", unable)
    with (
        pytest.raises(OutputError, match=r"expected a file system with file locks, found none \("),
        exclusive(tmp_path / ".lock"),
    ):
        pass
