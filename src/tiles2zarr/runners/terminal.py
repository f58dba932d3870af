"""Progress for people: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from tiles2zarr.converter import ImageResult, Plan
    from tiles2zarr.runners.progress import Progress

_PLAIN_STEP = 0.1


@contextmanager
def progress_for(console: Console) -> Iterator[Progress]:
    """A bar where the console is a terminal, a line for every ten per cent where it is not."""
    if not console.is_terminal:
        yield PlainProgress(console)
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[images]} images"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=console, transient=True) as bar:
        yield BarProgress(bar)


class _Counting:
    """What both kinds count: pixels and images, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pixels = 0
        self._total = 0
        self._images = 0
        self._done = 0
        self._bytes_per_pixel = 2.0
        self._started = time.monotonic()

    def _begin(self, plan: Plan) -> None:
        verify = plan.options.runtime.verify
        self._total = sum(
            image.layout.pixels * ((not image.is_complete) + verify)
            for image in plan.images
            if image.layout is not None
        )
        self._images = len(plan.images)
        self._bytes_per_pixel = sum(image.bytes_in for image in plan.images) / max(1, self._total)
        self._started = time.monotonic()

    @property
    def _rate(self) -> str:
        seconds = time.monotonic() - self._started
        return f"{self._pixels * self._bytes_per_pixel / 1e6 / max(seconds, 1e-3):.0f} MB/s"


class BarProgress(_Counting):
    """A bar on a terminal."""

    def __init__(self, bar: Bar) -> None:
        """Draw on the given bar."""
        super().__init__()
        self._bar = bar
        self._task: TaskID = bar.add_task("looking at the source", total=None, images="", rate="")

    def planning(self) -> None:
        """Show that something happens."""

    def started(self, plan: Plan) -> None:
        """Show how much there is."""
        self._begin(plan)
        self._bar.update(
            self._task, description="converting", total=self._total, images=f"0/{self._images}", rate=""
        )

    def advanced(self, pixels: int) -> None:
        """Move the bar."""
        with self._lock:
            self._pixels += pixels
            self._bar.update(self._task, completed=self._pixels, rate=self._rate)

    def finished(self, result: ImageResult) -> None:
        """Count the image; what it did not write counts as done."""
        with self._lock:
            self._done += 1
            self._bar.update(self._task, images=f"{self._done}/{self._images}")


class PlainProgress(_Counting):
    """Lines in a log."""

    def __init__(self, console: Console) -> None:
        """Print on the given console."""
        super().__init__()
        self._console = console
        self._told = 0.0

    def planning(self) -> None:
        """Say so."""
        self._print("looking at the source")

    def started(self, plan: Plan) -> None:
        """Say how much there is."""
        self._begin(plan)
        to_do = [image for image in plan.images if not image.is_complete]
        size = sum(image.bytes_in for image in to_do) / 1e6
        images = "1 image" if self._images == 1 else f"{self._images} images"
        done = f" ({len(plan.images) - len(to_do)} complete already)" if len(to_do) < len(plan.images) else ""
        self._print(f"converting {len(to_do)} of {images}{done}, {size:.1f} MB of pixels")

    def advanced(self, pixels: int) -> None:
        """Say every ten per cent."""
        with self._lock:
            self._pixels += pixels
            share = self._pixels / max(1, self._total)
            if share < self._told + _PLAIN_STEP:
                return
            self._told = share
            seconds = time.monotonic() - self._started
            left = seconds / share - seconds
            self._print(
                f"{100 * share:.0f} % ({self._done}/{self._images} images, {self._rate}, {left:.0f} s left)"
            )

    def finished(self, result: ImageResult) -> None:
        """Count the image."""
        with self._lock:
            self._done += 1

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)
