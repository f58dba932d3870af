"""What the command line prints."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from tiles2zarr.cli.findings import print_findings
from tiles2zarr.errors import PreflightError, Tiles2ZarrError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tiles2zarr.runners.report import ConversionReport

_WIDTH = 240
_SAID = {"converted": "converted", "skipped": "skipped (complete already)", "failed": "failed"}


def print_report(report: ConversionReport, console: Console) -> None:
    """Say in a few lines what became of a run."""
    print_findings(report.findings, console)
    for image in report.failed:
        error = str(image.error)
        named = error if image.zarr_url in error else f"{image.zarr_url}: {error}"
        console.print(f"[red]failed[/red]: {escape(named)}", highlight=False, soft_wrap=True)
    counts = {
        status: sum(image.status == status for image in report.images)
        for status in ("converted", "skipped", "failed")
    }
    said = ", ".join(f"{count} {_SAID[status]}" for status, count in counts.items() if count)
    images = counted(len(report.images), "image")
    tiles = counted(sum(image.tiles for image in report.images), "tile")
    read, written = (
        sum(sizes) / 1e6
        for sizes in zip(*((image.bytes_in, image.bytes_out) for image in report.images), strict=True)
    )
    verified = sum(image.verified is True for image in report.images)
    proof = f", {verified} verified pixel by pixel" if verified else ""
    console.print(
        f"{said} of {images}{proof}: {tiles}, {read:.1f} MB of pixels to {written:.1f} MB of files "
        f"in {report.seconds:.1f} s, peak memory of a process {report.peak_memory_mb:.0f} MB",
        highlight=False,
        soft_wrap=True,
    )
    if report.failed:
        others = "The other images are complete; run" if len(report.failed) < len(report.images) else "Run"
        damaged = any(image.verified is False for image in report.failed)
        mode = "Overwrite for those that differ" if damaged else "Extend to do the rest"
        console.print(f"{others} again with --mode {mode}.", soft_wrap=True)


def wide_console() -> Console:
    """Stdout for tables: as wide as the terminal, and wide enough for any table where there is none."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDTH)


def counted(number: int, noun: str) -> str:
    """A number and its noun, which gets an s unless there is just one.

    >>> counted(1, "image"), counted(2, "image")
    ('1 image', '2 images')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_json(document: dict[str, Any]) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=1, allow_nan=False) + "\n")


@contextmanager
def refusals(as_json: bool, document: Mapping[str, Any]) -> Iterator[None]:
    """Let a refusal pass, and print it as the document that ``--json`` promises.

    Args:
        as_json: whether it promises one.
        document: the command's document when it found nothing out; findings and the error are added.
    """
    try:
        yield
    except Tiles2ZarrError as error:
        if as_json:
            findings = error.findings if isinstance(error, PreflightError) else ()
            print_json(
                {**document, "findings": [finding.as_dict() for finding in findings], "error": str(error)}
            )
        raise


@contextmanager
def interruptions() -> Iterator[None]:
    """Say what Ctrl-C or SIGTERM left of a conversion."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        said = Console(stderr=True, soft_wrap=True)
        said.print("interrupted: images that were finished are complete; run again with --mode Extend")
        raise
