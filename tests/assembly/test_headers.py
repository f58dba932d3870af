"""Looking at headers: in order, one by one while that keeps the processor busy, side by side where it waits."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from tiles2zarr.assembly import headers


@pytest.mark.parametrize(("waited_s", "in_main_thread"), [(0.0, 40), (10.0, 1)])
def test_threads_are_taken_once_looking_mostly_waits(
    waited_s: float, in_main_thread: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(wall=0.0, busy=0.0)
    monkeypatch.setattr(headers.time, "perf_counter", lambda: clock.wall)
    monkeypatch.setattr(headers.time, "thread_time", lambda: clock.busy)
    threads: list[str] = []

    def look(part: Any) -> Any:
        clock.wall += 1.0 + waited_s
        clock.busy += 1.0
        threads.append(threading.current_thread().name)
        return [(part, "uint16")], []

    monkeypatch.setattr(headers, "_look", look)
    parts: Any = range(40)
    assert [found[0][0] for found, _ in headers._look_at(parts)] == list(range(40))
    assert threads.count(threading.main_thread().name) == in_main_thread
