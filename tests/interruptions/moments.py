"""Moments of a run: its file operations in a destination and a source, numbered, each with the phase it belongs to.

`watch` writes every moment to a log as it comes, and lets something happen at one of them: a kill of the whole
group of processes, a source that disappears, a destination that becomes read-only. It needs nothing but Python's
own audit events, so that what is watched is the very program that users run.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import signal
import struct
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir", "os.listdir"}
PHASES = (
    "init",
    "conditions",
    "origin",
    "orders",
    "lock",
    "staging",
    "source",
    "arrays",
    "tables",
    "metadata",
    "publish",
    "clearing",
    "well",
)
_WELL = re.compile(r"[^/]+\.zarr/[^/]+/[^/]+(/\.?(zattrs|zgroup|zarr\.json)[^/]*)?")


def watch(
    zarr_dir: str, source: str, log: str, at: int | None = None, then: tuple[str, ...] = ("kill",)
) -> None:
    """Log the moments of this process from now on; at one of them something happens.

    Args:
        zarr_dir: the destination.
        source: the folder of the source, absolute.
        log: file that gets a line for each moment: phase, operation, path.
        at: 0-based number of the moment at which something happens, before its operation is done.
        then: what happens: ``kill``, ``move FROM TO`` or ``lock FOLDER``, which takes all rights to write.
    """
    number = itertools.count()
    writing = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    staged: list[str] = []
    if then[0] == "lock":
        give_up_privileges()

    def moment(operation: str, path: str) -> None:
        phase = "source" if path.startswith(source) else phase_of(os.path.relpath(path, zarr_dir), operation)
        if phase == "staging":
            staged.append(path)
        if phase == "well" and not staged:
            phase = "init"
        os.write(writing, f"{phase}\t{operation}\t{path}\n".encode())
        if next(number) == at:
            happen(*then)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS:
            return
        path = path_of(event, arguments)
        if path.startswith((zarr_dir, source)):
            wrap_exchange(moment)
            moment(event, path)

    sys.addaudithook(hook)


def path_of(event: str, arguments: tuple[Any, ...]) -> str:
    """The path that an operation is about, also where it is relative to an open folder."""
    path = arguments[0]
    if path is None or isinstance(path, int):
        return ""
    text = os.fsdecode(path)
    folder = arguments[-1] if event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir") else -1
    if not os.path.isabs(text) and isinstance(folder, int) and folder >= 0:
        text = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), text)
    return text


def phase_of(path: str, operation: str) -> str:
    """The phase of a run that an operation on a path of the destination belongs to."""
    if path.startswith(".tiles2zarr"):
        return "orders"
    staging, _, inside = path.partition(".staging")
    if staging != path:
        if not inside:
            own = {"os.rename": "publish", "exchange": "publish", "os.mkdir": "staging"}
            return own.get(operation, "clearing")
        if operation in ("os.remove", "os.rmdir", "os.scandir", "os.listdir"):
            return "clearing"
        if inside.startswith("/tables"):
            return "tables"
        if inside.startswith("/OME"):
            return "origin"
        return "metadata" if inside.count("/") == 1 and re.match(r"/\.?z", inside) else "arrays"
    if path.endswith((".lock", ".old")):
        return "lock"
    if "/tables" in path:
        return "conditions"
    if ".zarr/OME" in path:
        return "origin"
    return "well" if _WELL.fullmatch(path) else "init"


def wrap_exchange(moment: Any) -> None:
    """Make moments of what is no audit event: before two folders change places, and after it."""
    commit = sys.modules.get("tiles2zarr.writer.commit")
    exchange = getattr(commit, "_exchange", None)
    if commit is None or exchange is None or hasattr(exchange, "is_watched"):
        return

    def watched(first: Path, second: Path) -> Any:
        moment("exchange", str(first))
        done = exchange(first, second)
        moment("exchange", str(first))
        return done

    watched.is_watched = True  # type: ignore[attr-defined]
    commit._exchange = watched  # type: ignore[attr-defined]


def happen(what: str, *places: str) -> None:
    """Let something happen."""
    if what == "kill":
        os.killpg(0, signal.SIGKILL)
    elif what == "move":
        os.rename(*places)
    elif what == "lock":
        for folder, _, _ in os.walk(places[0]):
            os.chmod(folder, 0o555)


def give_up_privileges() -> None:
    """Make file modes hold for root too, in this thread and those that it starts: drop CAP_DAC_OVERRIDE."""
    if os.getuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
        data = ctypes.create_string_buffer(24)
        libc.capget(header, data)
        words = list(struct.unpack("6I", data.raw))
        words[0] &= ~0b110  # effective
        words[1] &= ~0b110  # permitted: a thread cannot take them back
        libc.capset(header, ctypes.create_string_buffer(struct.pack("6I", *words)))
