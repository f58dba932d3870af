"""Running a plan on this machine: several images at a time in threads, and in processes when asked."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiles2zarr.converter import Acquisition, ImageResult, Plan, begin, convert_image, plan
from tiles2zarr.errors import OptionsError, Tiles2ZarrError, VerificationError
from tiles2zarr.models import ConverterOptions, OverwriteMode
from tiles2zarr.models.documents import mode_of, options_of
from tiles2zarr.runners.progress import Progress, Silent
from tiles2zarr.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.queues import SimpleQueue

    from tiles2zarr.core.job import ImageJob
    from tiles2zarr.runners.report import ConversionReport


def convert(
    source: str | Path,
    dest: str | Path,
    *,
    format: str = "auto",
    plate_name: str | None = None,
    acquisition_id: int = 0,
    mode: OverwriteMode | str = OverwriteMode.NO_OVERWRITE,
    options: ConverterOptions | Mapping[str, Any] | None = None,
    workers: int = 1,
    allow_outside: bool = False,
    progress: Progress | None = None,
) -> ConversionReport:
    """Convert one acquisition into OME-Zarr.

    Args:
        source: the folder or file that the instrument left behind.
        dest: the folder that gets the plate or the images.
        format: name of the source's format; ``auto`` finds it out.
        plate_name: name of the plate; None: the folder's name made valid.
        acquisition_id: 0-based number of the run of the instrument.
        mode: what to do about images that are there already.
        options: how to convert; a mapping is an options document.
        workers: processes; each has its share of the cores as threads.
        allow_outside: tiles may lie outside the source's folder.
        progress: hears how the run goes on.

    Returns:
        what became of every image; one that failed is in it and does not stop the others. It is written to
        ``conversion_report.json`` in `dest`, too.

    Raises:
        PreflightError: something is wrong with the source or the destination; nothing was written.
        Tiles2ZarrError: the source cannot be read at all, or an option is wrong; nothing was written.
    """
    from tiles2zarr.runners.report import ConversionReport

    started, began = time.monotonic(), datetime.now(UTC)
    progress = progress or Silent()
    progress.planning()
    path, zarr_dir = (Path(os.path.abspath(place)) for place in (source, dest))
    acquisition = Acquisition(path, format, plate_name, acquisition_id, allow_outside=allow_outside)
    planned = plan([acquisition], zarr_dir, options_of(options), mode_of(mode))
    begin(planned)
    progress.started(planned)
    results = {result.zarr_url: result for result in run(planned, workers, progress)}
    in_order = tuple(results[image.job.zarr_url] for image in planned.images)
    seconds = round(time.monotonic() - started, 3)
    about = {
        "source": str(path),
        "destination": str(zarr_dir),
        "format": planned.images[0].job.format,
        "plate_name": plate_name,
        "acquisition_id": acquisition_id,
        "mode": planned.mode.value,
        "options": planned.options.model_dump(mode="json"),
        "workers": workers,
        "started": began.isoformat(timespec="seconds"),
    }
    report = ConversionReport(in_order, planned.findings, seconds, peak_memory_mb(), __version__, about)
    return report.written_to(zarr_dir)


def run(plan: Plan, workers: int, progress: Progress) -> Iterator[ImageResult]:
    """Convert the images of a plan, and yield what became of each as soon as it is known.

    Args:
        plan: a plan that has begun.
        workers: processes; 1 works in this one.
        progress: hears how the run goes on.

    Raises:
        OptionsError: there are fewer workers than one.
    """
    if workers < 1:
        msg = f"workers: expected at least 1, found {workers}"
        raise OptionsError(msg)
    jobs = [image.job for image in plan.images]
    threads = min(
        (image.layout.memory.threads for image in plan.images if image.layout is not None), default=1
    )
    workers = min(workers, len(jobs))
    outcomes = (
        _in_processes(jobs, workers, progress)
        if workers > 1
        else _in_threads(jobs, min(threads, len(jobs)), progress)
    )
    for result in outcomes:
        progress.finished(result)
        yield result


def peak_memory_mb() -> float:
    """The largest resident memory that this process or one of its children ever had, MB."""
    if os.name == "nt":
        return 0.0
    import resource
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(peak * unit / 1e6, 1)


def _convert(job: ImageJob, share: int, advanced: Any) -> ImageResult:
    """Convert one image; what is wrong with it becomes its result, so that the others go on."""
    started = time.monotonic()
    try:
        return convert_image(job, share=share, progress=advanced)
    except Tiles2ZarrError as error:
        seconds = round(time.monotonic() - started, 3)
        verified = False if isinstance(error, VerificationError) else None
        return ImageResult(
            job.zarr_url, "failed", len(job.present.tiles), 0, 0, seconds, verified, str(error)
        )


class _Stopped(BaseException):
    """Ends an image in work after its current unit, once the run was interrupted."""


def _until(stopped: Any, advanced: Callable[[int], None]) -> Callable[[int], None]:
    """A progress function that ends the image in work once the event is set."""

    def tell(pixels: int) -> None:
        if stopped.is_set():
            raise _Stopped
        advanced(pixels)

    return tell


def _in_threads(jobs: Sequence[ImageJob], at_once: int, progress: Progress) -> Iterator[ImageResult]:
    """Whole images side by side: fewer hand-overs than sharing each image among all threads."""
    if at_once == 1:
        yield from (_convert(job, 1, progress.advanced) for job in jobs)
        return
    stopped = threading.Event()
    tell = _until(stopped, progress.advanced)
    with ThreadPoolExecutor(at_once, thread_name_prefix="image") as pool:
        futures = [pool.submit(_convert, job, at_once, tell) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _in_processes(jobs: Sequence[ImageJob], workers: int, progress: Progress) -> Iterator[ImageResult]:
    """One image at a time in each process, which has its share of the cores."""
    jobs = [_with_share(job, workers) for job in jobs]
    context = multiprocessing.get_context("spawn")
    stopped = context.Event()
    with _listening(context.SimpleQueue(), progress) as told:
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_join, initargs=(told, stopped))
        with pool:
            waiting: dict[Future[ImageResult], ImageJob] = {}
            try:
                with _deaf_children():  # submitting starts them
                    for job in jobs:
                        waiting[pool.submit(_convert_in_worker, job)] = job
                while waiting:
                    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield _outcome(future, waiting.pop(future))
            finally:
                stopped.set()
                # Waited for: what starting workers look for goes with this function.
                pool.shutdown(wait=True, cancel_futures=True)


def _outcome(future: Future[ImageResult], job: ImageJob) -> ImageResult:
    try:
        return future.result()
    except BrokenProcessPool:
        error = (
            f"{job.image.path}: a worker process died (killed, or out of memory): "
            "use fewer workers, then run again with mode Extend"
        )
        return ImageResult(job.zarr_url, "failed", len(job.present.tiles), 0, 0, 0.0, error=error)


def _with_share(job: ImageJob, workers: int) -> ImageJob:
    """A job whose threads are one worker's share of the cores."""
    from tiles2zarr.writer.memory import available_cores

    runtime = job.options.runtime
    threads = runtime.threads or max(1, available_cores() // workers)
    options = job.options.model_copy(update={"runtime": runtime.model_copy(update={"threads": threads})})
    return replace(job, options=options)


_worker_advanced: Callable[[int], None]


def _join(told: SimpleQueue[int | None], stopped: Any) -> None:
    """Start of a worker process: where to tell of progress, and how the run is stopped.

    Ctrl-C reaches every process of a terminal; the main one alone decides what follows.
    """
    global _worker_advanced
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    _worker_advanced = _until(stopped, told.put)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that the block starts never hear Ctrl-C, also before `_join`: they inherit what is held back here.

    A Ctrl-C in the block comes through at its end: a process that is half started would miss what it is told.
    """
    if os.name == "nt":
        yield
        return
    heard: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if is_main else None
    if handler is not None:  # another thread may be told instead, and this one then acts on it
        signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        for number in heard[:1]:
            signal.raise_signal(number)


def _end_with_parent() -> None:
    """Do not outlive the main process: nobody would be left to hear of the result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _convert_in_worker(job: ImageJob) -> ImageResult:
    return _convert(job, 1, _worker_advanced)


@contextmanager
def _listening(queue: SimpleQueue[int | None], progress: Progress) -> Iterator[SimpleQueue[int | None]]:
    """Pass on what worker processes tell, until the block ends."""

    def listen() -> None:
        while (pixels := queue.get()) is not None:
            progress.advanced(pixels)

    listener = threading.Thread(target=listen, name="progress", daemon=True)
    listener.start()
    try:
        yield queue
    finally:
        queue.put(None)
        listener.join()
