"""The commands that write: convert and demo."""

from __future__ import annotations

import sys
from shutil import which
from typing import Annotated

import typer
from rich.console import Console

from tiles2zarr.cli.arguments import (
    AcquisitionIdOption,
    AllowOutsideOption,
    DestArgument,
    FormatOption,
    JsonOption,
    MemoryLimitOption,
    ModeOption,
    OptionsOption,
    PlateNameOption,
    SetOption,
    SourceArgument,
    VerifyOption,
)
from tiles2zarr.cli.options import read_options
from tiles2zarr.cli.output import interruptions, print_json, print_report, refusals
from tiles2zarr.models import OverwriteMode

DONE, SOME_FAILED = 0, 1

WorkersOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Processes; each has its share of the cores as threads.")
]


def convert(
    source: SourceArgument,
    dest: DestArgument,
    format: FormatOption = "auto",
    plate_name: PlateNameOption = None,
    acquisition_id: AcquisitionIdOption = 0,
    mode: ModeOption = OverwriteMode.NO_OVERWRITE,
    options: OptionsOption = None,
    set_: SetOption = None,
    workers: WorkersOption = 1,
    memory_limit: MemoryLimitOption = None,
    verify: VerifyOption = False,
    allow_outside: AllowOutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Convert an acquisition into an OME-Zarr plate or images.

    Exit code 0: done; 1: some images failed, the others are complete; 2: refused, nothing written.
    """
    from tiles2zarr.runners.local import convert as convert_source
    from tiles2zarr.runners.report import ConversionReport
    from tiles2zarr.runners.terminal import progress_for

    console = Console(stderr=as_json)
    nothing = ConversionReport.of_nothing().document()
    with refusals(as_json, nothing), interruptions(), progress_for(console) as progress:
        report = convert_source(
            source,
            dest,
            format=format,
            plate_name=plate_name,
            acquisition_id=acquisition_id,
            mode=mode,
            options=read_options(options, set_ or (), memory_limit, verify=verify),
            workers=workers,
            allow_outside=allow_outside,
            progress=progress,
        )
    if as_json:
        print_json(report.document())
    print_report(report, console)
    raise typer.Exit(SOME_FAILED if report.failed else DONE)


def demo(dest: DestArgument, mode: ModeOption = OverwriteMode.OVERWRITE) -> None:
    """Make a small plate of image tiles, convert it, and say what to open."""
    from tiles2zarr.demo_plate import write_demo_plate
    from tiles2zarr.runners.local import convert as convert_source
    from tiles2zarr.runners.terminal import progress_for

    console = Console(soft_wrap=True, highlight=False)
    source, zarr_dir = dest / "tiles", dest / "zarr"
    write_demo_plate(source)
    tiles = sum(1 for _ in source.glob("*.tif"))
    console.print(f"Made a plate of tiles: [bold]{source}[/bold] ({tiles} images and tiles.csv)")
    with interruptions(), progress_for(console) as progress:
        report = convert_source(source, zarr_dir, plate_name="demo", mode=mode, progress=progress)
    print_report(report, console)
    console.print(f"\nThe plate:      [bold]{zarr_dir / 'demo.zarr'}[/bold]")
    console.print("In Python:      ngio.open_ome_zarr_plate(path), or zarr.open(path)")
    console.print("To look at it:  napari with the napari-ome-zarr plugin, or any OME-Zarr viewer")
    command = "tiles2zarr" if which("tiles2zarr") else f"{sys.executable} -m tiles2zarr"
    console.print(f"The same again: {command} convert {source} {zarr_dir} --plate-name demo --mode Overwrite")
    raise typer.Exit(SOME_FAILED if report.failed else DONE)
