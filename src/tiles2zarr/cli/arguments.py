"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tiles2zarr.models import OverwriteMode

SourceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE", help="Folder or file that the instrument left behind.", show_default=False
    ),
]
DestArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DEST",
        help="Folder that gets the plate or the images; made when it is not there.",
        show_default=False,
    ),
]
FormatOption = Annotated[
    str, typer.Option(metavar="NAME", help="Name of the source's format (see `tiles2zarr formats`), or auto.")
]
PlateNameOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Name of the plate. [dim]Default: the folder's name.[/dim]",
        show_default=False,
    ),
]
AcquisitionIdOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Number of this run of the instrument (multiplexing cycle).")
]
ModeOption = Annotated[
    OverwriteMode,
    typer.Option(
        case_sensitive=False,
        metavar="MODE",
        help='Images of this run that exist: "No Overwrite" refuses, Extend keeps what is complete and does the rest, '
        "Overwrite replaces just them.",
    ),
]
OptionsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Options document, JSON or TOML.", show_default=False),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One option, such as omezarr_options.num_levels=4; may be repeated.",
        show_default=False,
    ),
]
MemoryLimitOption = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Peak memory of one process, such as 2GiB.", show_default=False),
]
VerifyOption = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Read every image back and compare every pixel with its source before it is published.",
    ),
]
AllowOutsideOption = Annotated[
    bool, typer.Option("--allow-outside", help="Tiles of a table may lie outside its folder.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")
]
