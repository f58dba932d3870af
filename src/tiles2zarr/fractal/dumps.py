"""Work orders on disk: init writes one for each image, its compute task reads and at last removes it.

Every run has a folder of its own, ``{zarr_dir}/.tiles2zarr/<run>/``, that goes with its last document. While init
writes into it, it holds the lock of ``<run>.lock`` beside it: one that nobody holds belongs to an init that was
killed, whose list of images reached nobody. A document is named after its image, so that those of one image in
other runs are found without looking into any other.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tiles2zarr.core.job import recorded_options
from tiles2zarr.errors import ConversionError, OptionsError, OutputError
from tiles2zarr.writer.groups import write_bytes
from tiles2zarr.writer.lock import exclusive, left_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tiles2zarr.core.job import ImageJob

#: The folder below the destination that holds the folders of all runs.
FOLDER = ".tiles2zarr"
#: Environment variable: how often a document that is not there yet is looked for again.
RETRIES = "TILES2ZARR_DUMP_RETRIES"

# Waits of 0.02, 0.04, 0.08 … s: 9 of them are 10 s, the longest that shared file systems hide a new file.
_RETRIES = 9
_FIRST_WAIT = 0.02
_LONGEST_WAIT = 30.0
_TRIES_TO_MAKE = 1000
_LOCK = ".lock"


@contextmanager
def new_run(zarr_dir: Path) -> Iterator[Path]:
    """A new, empty folder for the documents of one run; it is gone again if the block fails.

    What inits that were killed in this block left is removed first.

    Args:
        zarr_dir: the destination folder.

    Raises:
        OutputError: the folder, or a document in it, cannot be written.
    """
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
    folder = zarr_dir / FOLDER / run
    try:
        _clear_dead_runs(folder.parent)
        try:
            with _locked(folder):
                folder.mkdir()
                try:
                    yield folder
                except BaseException:
                    shutil.rmtree(folder, ignore_errors=True)  # what went wrong first is what counts
                    raise
        finally:
            with suppress(OSError):
                _lock_of(folder).unlink(missing_ok=True)  # Windows keeps the files of locks
            _remove_if_empty(folder.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"{folder}: cannot be written: {reason}: free space or grant access, then run again"
        raise OutputError(msg) from error


def write_dump(folder: Path, job: ImageJob, replaces: str | None = None) -> Path:
    """Write the document of a job in one step.

    Args:
        folder: what `new_run` made.
        job: what to do; the only one for its image in this run.
        replaces: state of the image that is to be replaced.

    Returns:
        the document's file.
    """
    document = {
        "collection_type": type(job.image.collection).__name__,
        "options": recorded_options(job.options),
        "replaces": replaces,
        **job.document(),
    }
    # Not the path itself: it has separators, and may be longer than a name can be.
    name = hashlib.blake2b(job.image.path.encode(), digest_size=16).hexdigest()
    file = folder / f"{name}.json"
    write_bytes(file, json.dumps(document, separators=(",", ":")).encode())
    return file


def read_dump(file: Path, wait: Callable[[float], None] = time.sleep) -> dict[str, Any] | None:
    """The document of a job; None where there is none, however often it was looked for.

    A document that is not there, or not whole, is looked for again after a wait that doubles each time.

    Args:
        file: what `write_dump` returned.
        wait: spends a number of seconds.

    Raises:
        OptionsError: the environment variable with the number of retries holds no number.
        ConversionError: the document stays unreadable, or is no object.
    """
    problem: Exception | None = None
    for seconds in (*_waits(), None):
        try:
            document = json.loads(file.read_bytes())
        except FileNotFoundError:
            problem = None
        except (OSError, ValueError, RecursionError) as error:
            problem = error
        else:
            if not isinstance(document, dict):
                raise foreign_dump(file, f"a {type(document).__name__}")
            return document
        if seconds is not None:
            wait(seconds)
            # Listing a folder makes a network file system look for new files.
            with suppress(OSError):
                os.listdir(file.parent)
    if problem is None:
        return None
    raise foreign_dump(file, f"something else ({problem})") from problem


def foreign_dump(file: Path, found: str) -> ConversionError:
    """What to say of a document that is no work order of ours."""
    msg = f"{file}: expected a work order in JSON, found {found}: run the task again with mode Extend"
    return ConversionError(msg)


def missing_dump(file: Path) -> ConversionError:
    """What to say of a document that is nowhere, while its image is not complete."""
    found = f"found none after {sum(_waits()):.0f} s"
    remedy = f"run the task again with mode Extend; on a slow file system raise {RETRIES}"
    return ConversionError(f"{file}: expected the work order of the image, {found}: {remedy}")


def remove_dump(file: Path) -> None:
    """Remove the document of a finished image, and the folders that it leaves empty."""
    file.unlink(missing_ok=True)
    if file.parent.parent.name == FOLDER:
        _remove_if_empty(file.parent)
        _remove_if_empty(file.parent.parent)


def remove_equal_dumps(
    file: Path, document: Mapping[str, Any], is_done: Callable[[str | None], bool]
) -> None:
    """Remove the documents of other runs that ask for the very image that is finished now.

    They are what is left of tasks that were killed, whose run was then started anew. The task of one, should it
    still be started, comes to the same end without it.

    Args:
        file: the document of this run; it may be gone.
        document: what is in it.
        is_done: whether a task that was to replace an image of this state would find its work done.
    """
    runs = file.parent.parent
    if runs.name != FOLDER:
        return
    for other in _entries_of(runs):
        twin = other / file.name
        # An init that is still writing removes its lock when it leaves, and never makes it again.
        if other != file.parent and twin.exists() and not _lock_of(other).exists():
            with suppress(OSError, ValueError, RecursionError):
                found = json.loads(twin.read_bytes())
                if _asked(found) == _asked(document) and is_done(found["replaces"]):
                    remove_dump(twin)


def _asked(document: Any) -> Any:
    """What a document asks for, whatever is in the image's place."""
    return {**document, "replaces": None} if isinstance(document, dict) and "replaces" in document else None


def _waits() -> list[float]:
    text = os.environ.get(RETRIES, str(_RETRIES))
    if not text.isdecimal():
        msg = (
            f"environment variable {RETRIES}: expected a number of retries such as {_RETRIES}, found {text!r}"
        )
        raise OptionsError(msg)
    return [min(_FIRST_WAIT * 2**number, _LONGEST_WAIT) for number in range(int(text))]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run, although the last task of another may just remove the folder that it is in."""
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for left in reversed(range(_TRIES_TO_MAKE)):
            with suppress(FileExistsError):
                folder.parent.mkdir()
            try:
                held.enter_context(exclusive(_lock_of(folder)))
            except FileNotFoundError:
                if not left:
                    raise
            else:
                break
        yield


def _clear_dead_runs(runs: Path) -> None:
    """Remove the folders of inits that were killed while they wrote them.

    The lock of one whose folder cannot be removed stays, so that a later run finds it.
    """
    for lock in _entries_of(runs):
        if lock.suffix == _LOCK:
            with (
                suppress(OSError),
                left_behind(lock) as is_dead,
            ):  # somebody else's are somebody else's to remove
                if is_dead and os.path.lexists(lock.with_suffix("")):
                    shutil.rmtree(lock.with_suffix(""))


def _entries_of(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _lock_of(folder: Path) -> Path:
    return folder.with_suffix(_LOCK)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
