"""The command line: arguments become values, values go to the same functions that Python users call."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from tiles2zarr.cli.converting import convert, demo
from tiles2zarr.cli.findings import print_findings
from tiles2zarr.cli.looking import formats, inspect, validate
from tiles2zarr.errors import PreflightError, Tiles2ZarrError

DONE, REFUSED = 0, 2


def _print_version(wanted: bool) -> None:
    if wanted:
        from tiles2zarr.version import __version__

        typer.echo(f"tiles2zarr {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="tiles2zarr",
    help="Turn what a microscope leaves behind into OME-Zarr.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and leave.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Turn what a microscope leaves behind into OME-Zarr."""


for command in (convert, inspect, validate, demo, formats):
    app.command()(command)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    # The commands import numpy: its threads for linear algebra spin, one for each core, and there is none here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal or file that cannot say µ shows a question mark
            stream.reconfigure(errors="replace")
    said = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        app(standalone_mode=True)
    except PreflightError as error:
        print_findings(error.findings, said)
        said.print("refused; nothing was written")
        sys.exit(REFUSED)
    except Tiles2ZarrError as error:
        said.print(f"[red]error[/red]: {escape(str(error))}")
        sys.exit(REFUSED)
    sys.exit(DONE)


def _terminated(signum: int, frame: object) -> NoReturn:
    """End cleanly, with the exit code that a shell expects."""
    sys.exit(128 + signum)
