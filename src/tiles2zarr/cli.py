"""The command line: arguments become values, values go to the same functions that Python users call."""

from __future__ import annotations

import json
import signal
import sys
import tomllib
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tiles2zarr.errors import OptionsError, PreflightError, Tiles2ZarrError
from tiles2zarr.models import ConverterOptions, OverwriteMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tiles2zarr.errors import Finding
    from tiles2zarr.runners.report import ConversionReport

DONE, SOME_FAILED, REFUSED = 0, 1, 2

app = typer.Typer(
    name="tiles2zarr",
    help="Turn what a microscope leaves behind into OME-Zarr.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
SourceArgument = Annotated[
    Path, typer.Argument(help="Folder or file that the instrument left behind.", show_default=False)
]
DestArgument = Annotated[
    Path,
    typer.Argument(
        help="Folder that gets the plate or the images; made when it is not there.", show_default=False
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")
]


@app.command()
def convert(
    source: SourceArgument,
    dest: DestArgument,
    format: Annotated[
        str, typer.Option(help="Name of the source's format (see `tiles2zarr formats`), or auto.")
    ] = "auto",
    plate_name: Annotated[
        str | None,
        typer.Option(
            help="Name of the plate. [dim]Default: what the source says, else the folder's name.[/dim]",
            show_default=False,
        ),
    ] = None,
    acquisition_id: Annotated[
        int, typer.Option(min=0, help="Number of this run of the instrument (multiplexing cycle).")
    ] = 0,
    mode: Annotated[
        OverwriteMode,
        typer.Option(
            help="Images of this run that exist: refuse, replace just them, or keep them and do the rest."
        ),
    ] = OverwriteMode.NO_OVERWRITE,
    options: Annotated[
        Path | None,
        typer.Option(help="Options document, JSON or TOML.", exists=True, dir_okay=False, show_default=False),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One option, such as omezarr_options.num_levels=4; may be repeated.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes; each has its share of the cores as threads.")
    ] = 1,
    memory_limit: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Peak memory of one process, such as 2GiB.", show_default=False),
    ] = None,
    allow_outside: Annotated[bool, typer.Option(help="Tiles of a table may lie outside its folder.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Convert an acquisition into an OME-Zarr plate or images.

    Exit code 0: done; 1: some images failed, the others are complete; 2: refused, nothing written.
    """
    from tiles2zarr.runners.local import convert as convert_source
    from tiles2zarr.runners.terminal import progress_for

    chosen = read_options(options, set_ or (), memory_limit)
    console = Console(stderr=as_json)
    with _refusals(as_json), progress_for(console) as progress:
        report = convert_source(
            source,
            dest,
            format=format,
            plate_name=plate_name,
            acquisition_id=acquisition_id,
            mode=mode,
            options=chosen,
            workers=workers,
            allow_outside=allow_outside,
            progress=progress,
        )
    if as_json:
        print_json(report.document())
    print_report(report, console)
    raise typer.Exit(SOME_FAILED if report.failed else DONE)


@app.command()
def demo(
    dest: DestArgument,
    mode: Annotated[
        OverwriteMode, typer.Option(help="What to do when the demo's plate is there already.")
    ] = OverwriteMode.OVERWRITE,
) -> None:
    """Make a small plate of image tiles, convert it, and say what to open."""
    from tiles2zarr.demo_plate import write_demo_plate
    from tiles2zarr.runners.local import convert as convert_source
    from tiles2zarr.runners.terminal import progress_for

    console = Console()
    source = dest / "tiles"
    write_demo_plate(source)
    console.print(
        f"Made a plate of tiles: [bold]{source}[/bold] "
        f"({sum(1 for _ in source.glob('*.tif'))} images and tiles.csv)"
    )
    zarr_dir = dest / "zarr"
    with progress_for(console) as progress:
        report = convert_source(source, zarr_dir, plate_name="demo", mode=mode, progress=progress)
    print_report(report, console)
    plate = zarr_dir / "demo.zarr"
    console.print(f"\nThe plate:      [bold]{plate}[/bold]")
    console.print("In Python:      ngio.open_ome_zarr_plate(path), or zarr.open(path)")
    console.print("To look at it:  napari with the napari-ome-zarr plugin, or any OME-Zarr viewer")
    console.print(
        f"The same again: tiles2zarr convert {source} {zarr_dir} --plate-name demo --mode Overwrite",
        soft_wrap=True,
    )
    raise typer.Exit(SOME_FAILED if report.failed else DONE)


@app.command()
def formats(as_json: JsonOption = False) -> None:
    """List the formats that can be read, and the extra that each one needs."""
    from tiles2zarr.sources import SOURCES

    rows = [{"name": source.name, "title": source.title, "extra": source.extra} for source in SOURCES]
    if as_json:
        print_json({"formats": rows})
        return
    table = Table("format", "what it is", "needs", box=None, pad_edge=False, header_style="bold")
    for source in SOURCES:
        table.add_row(
            source.name, source.title, f"tiles2zarr[{source.extra}]" if source.extra else "nothing more"
        )
    Console().print(table)


@contextmanager
def _refusals(as_json: bool) -> Iterator[None]:
    """Let a refusal pass, and print its findings as the document that ``--json`` promises."""
    try:
        yield
    except Tiles2ZarrError as error:
        if as_json:
            findings = error.findings if isinstance(error, PreflightError) else ()
            print_json(
                {"images": [], "findings": [finding.as_dict() for finding in findings], "error": str(error)}
            )
        raise


def read_options(
    document: Path | None, settings: Sequence[str], memory_limit: str | None
) -> ConverterOptions:
    """The options of a document, changed by ``key=value`` settings; a value is JSON, else text.

    Raises:
        OptionsError: the document cannot be read, or an option is unknown or wrong.
    """
    options = _document(document) if document is not None else {}
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator or not key:
            msg = f"--set {setting!r}: expected KEY=VALUE, such as omezarr_options.num_levels=4"
            raise OptionsError(msg)
        _set(options, key.strip().split("."), _value(text), setting)
    if memory_limit is not None:
        _set(options, ["runtime", "memory_limit_gib"], _gib(memory_limit), "--memory-limit")
    try:
        return ConverterOptions.model_validate(options)
    except ValidationError as error:
        raise OptionsError(_first_problem(error)) from error


def print_report(report: ConversionReport, console: Console) -> None:
    """Say in a few lines what became of a run."""
    print_findings(report.findings, console)
    for image in report.failed:
        console.print(
            f"[red]failed[/red]: {escape(f'{image.zarr_url}: {image.error}')}",
            highlight=False,
            soft_wrap=True,
        )
    counts = {
        status: sum(image.status == status for image in report.images)
        for status in ("converted", "skipped", "failed")
    }
    said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    images = _counted(len(report.images), "image")
    tiles = _counted(sum(image.tiles for image in report.images), "tile")
    read, written = (
        sum(sizes) / 1e6
        for sizes in zip(*((image.bytes_in, image.bytes_out) for image in report.images), strict=True)
    )
    console.print(
        f"{said} of {images}: {tiles}, {read:.1f} MB of pixels to {written:.1f} MB of files "
        f"in {report.seconds:.1f} s, peak memory {report.peak_memory_mb:.0f} MB",
        highlight=False,
        soft_wrap=True,
    )
    if report.failed:
        console.print(
            "The other images are complete; run again with --mode Extend to do the rest.", soft_wrap=True
        )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """One line for each finding."""
    colors = {"error": "red", "warning": "yellow", "info": "cyan"}
    for finding in findings:
        text = escape(f"{finding.where}: {finding.message}")
        console.print(
            f"[{colors[finding.severity]}]{finding.severity}[/]: {text}", highlight=False, soft_wrap=True
        )


def print_json(document: dict[str, Any]) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app(standalone_mode=True)
    except PreflightError as error:
        console = Console(stderr=True)
        print_findings(error.findings, console)
        errors = sum(finding.severity == "error" for finding in error.findings)
        console.print(f"refused: {_counted(errors, 'error')}; nothing was written", highlight=False)
        sys.exit(REFUSED)
    except Tiles2ZarrError as error:
        Console(stderr=True).print(f"[red]error[/red]: {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        Console(stderr=True).print(
            "interrupted: images that were finished are complete; run again with --mode Extend",
            soft_wrap=True,
        )
        sys.exit(130)
    sys.exit(DONE)


def _terminated(signum: int, frame: object) -> NoReturn:
    """End cleanly, with the exit code that a shell expects."""
    sys.exit(128 + signum)


def _document(file: Path) -> dict[str, Any]:
    try:
        content = file.read_bytes()
        document = tomllib.loads(content.decode()) if file.suffix == ".toml" else json.loads(content)
    except (ValueError, OSError) as error:
        kind = "TOML" if file.suffix == ".toml" else "JSON"
        msg = f"{file}: expected an options document in {kind}, found something else: {error}"
        raise OptionsError(msg) from error
    if not isinstance(document, dict):
        msg = f"{file}: expected an object of options, found {type(document).__name__}"
        raise OptionsError(msg)
    return document


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _set(options: dict[str, Any], keys: Sequence[str], value: Any, setting: str) -> None:
    *groups, last = keys
    for key in groups:
        options = options.setdefault(key, {})
        if not isinstance(options, dict):
            msg = f"--set {setting}: expected a group of options at {key}, found a value"
            raise OptionsError(msg)
    options[last] = value


def _gib(text: str) -> float:
    """A size with its unit, in GiB."""
    units = {
        "kib": 2**-20,
        "mib": 2**-10,
        "gib": 1.0,
        "tib": 1024.0,
        "kb": 1e3 / 2**30,
        "mb": 1e6 / 2**30,
        "gb": 1e9 / 2**30,
        "tb": 1e12 / 2**30,
    }
    number = text.strip().rstrip("abgikmtABGIKMT ")
    unit = text.strip()[len(number) :].strip().lower()
    try:
        return float(number) * units[unit or "gib"]
    except (ValueError, KeyError) as error:
        msg = f"--memory-limit {text!r}: expected a size such as 2GiB or 800MB"
        raise OptionsError(msg) from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = list(_paths(ConverterOptions().model_dump(mode="json")))
        wanted = str(first["loc"][-1])
        near = [path for path in known if path.rpartition(".")[2] == wanted] or get_close_matches(
            place, known, 3, 0.4
        )
        return (
            f"option {place}: unknown: did you mean {' or '.join(near)}?"
            if near
            else f"option {place}: unknown: expected one of {', '.join(known)}"
        )
    return f"option {place}: {first['msg'].removeprefix('Value error, ')}, found {first['input']!r}"


def _paths(options: dict[str, Any], before: str = "") -> Iterator[str]:
    """The dotted name of every option."""
    for name, value in options.items():
        if isinstance(value, dict) and "mode" not in value:
            yield from _paths(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"


if __name__ == "__main__":
    main()
