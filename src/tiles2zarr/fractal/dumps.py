"""Work orders on disk: init writes one for each image, its compute task reads and at last removes it.

Every run has a folder of its own, ``{zarr_dir}/.tiles2zarr/<run>/``, that goes with its last document.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import ConversionError, OptionsError, OutputError
from tiles2zarr.writer.groups import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


@contextmanager
def new_run(zarr_dir: Path) -> Iterator[Path]:
    """A new, empty folder for the documents of one run; it is gone again if the block fails.

    Args:
        zarr_dir: the destination folder.

    Raises:
        OutputError: the folder, or a document in it, cannot be written.
    """
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
    folder = zarr_dir / FOLDER / run
    try:
        _make(folder)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder)
            _remove_if_empty(folder.parent)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"{folder}: cannot be written: {reason}: free space or grant access, then run again"
        raise OutputError(msg) from error


def write_dump(folder: Path, number: int, job: ImageJob) -> Path:
    """Write the document of a job in one step.

    Args:
        folder: what `new_run` made.
        number: 0-based, unique within the run.
        job: what to do.

    Returns:
        the document's file.
    """
    document = {"collection_type": type(job.image.collection).__name__, **job.document()}
    file = folder / f"{number}.json"
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
        ConversionError: the document stays unreadable.
    """
    problem: Exception | None = None
    for seconds in (*_waits(), None):
        try:
            document: dict[str, Any] = json.loads(file.read_bytes())
        except FileNotFoundError:
            problem = None
        except (OSError, ValueError) as error:
            problem = error
        else:
            return document
        if seconds is not None:
            wait(seconds)
            # Listing a folder makes a network file system look for new files.
            with suppress(OSError):
                os.listdir(file.parent)
    if problem is None:
        return None
    found = f"found something else ({problem})"
    msg = f"{file}: expected a work order in JSON, {found}: run the task again with mode Extend"
    raise ConversionError(msg) from problem


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


def _waits() -> list[float]:
    text = os.environ.get(RETRIES, str(_RETRIES))
    if not text.isdecimal():
        msg = (
            f"environment variable {RETRIES}: expected a number of retries such as {_RETRIES}, found {text!r}"
        )
        raise OptionsError(msg)
    return [min(_FIRST_WAIT * 2**number, _LONGEST_WAIT) for number in range(int(text))]


def _make(folder: Path) -> None:
    """Make the folder of a run, although the last task of another run may just remove the folder above it."""
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(_TRIES_TO_MAKE):
        with suppress(FileExistsError):
            folder.parent.mkdir()
        with suppress(FileNotFoundError):
            folder.mkdir()
            return
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder.parent))


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
