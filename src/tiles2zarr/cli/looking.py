"""The commands that only look: inspect and formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from tiles2zarr.cli.arguments import (
    AcquisitionIdOption,
    AllowOutsideOption,
    FormatOption,
    JsonOption,
    MemoryLimitOption,
    OptionsOption,
    PlateNameOption,
    SetOption,
    SourceArgument,
)
from tiles2zarr.cli.options import read_options
from tiles2zarr.cli.output import counted, print_findings, print_json, refusals, wide_console

if TYPE_CHECKING:
    from rich.console import Console

    from tiles2zarr.inspection.inspect import Inspection

CLEAN, HAS_ERRORS = 0, 1
_MOST_IMAGES = 20


def inspect(
    source: SourceArgument,
    format: FormatOption = "auto",
    plate_name: PlateNameOption = None,
    acquisition_id: AcquisitionIdOption = 0,
    options: OptionsOption = None,
    set_: SetOption = None,
    memory_limit: MemoryLimitOption = None,
    allow_outside: AllowOutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what would be converted, everything that is wrong with it, and what it would cost.

    Exit code 0: nothing is wrong; 1: there are errors among the findings; 2: it cannot be read at all.
    """
    from tiles2zarr.inspection.inspect import inspect as inspect_source

    with refusals(as_json):
        inspection = inspect_source(
            source,
            format=format,
            plate_name=plate_name,
            acquisition_id=acquisition_id,
            options=read_options(options, set_ or (), memory_limit),
            allow_outside=allow_outside,
        )
    if as_json:
        print_json(inspection.document())
    else:
        _print_inspection(inspection, wide_console())
    raise typer.Exit(HAS_ERRORS if inspection.has_errors else CLEAN)


def formats(as_json: JsonOption = False) -> None:
    """List the formats that can be read, and the extra that each one needs."""
    from tiles2zarr.sources import SOURCES

    if as_json:
        rows = [{"name": source.name, "title": source.title, "extra": source.extra} for source in SOURCES]
        print_json({"formats": rows})
        return
    table = Table("format", "what it is", "needs", box=None, pad_edge=False, header_style="bold")
    for source in SOURCES:
        table.add_row(
            source.name, source.title, f"tiles2zarr[{source.extra}]" if source.extra else "nothing more"
        )
    wide_console().print(table)


def _print_inspection(inspection: Inspection, console: Console) -> None:
    document = inspection.document()
    images = document["images"]
    names = ("image", "axes", "shape", "type", "pixel µm", "channels", "fields", "tiles", "gaps")
    table = Table(*names, box=None, pad_edge=False, header_style="bold")
    for image in images[:_MOST_IMAGES]:
        table.add_row(*_cells(image))
    console.print(f"format: {inspection.format}; {counted(len(images), 'image')}", highlight=False)
    console.print(table)
    if len(images) > _MOST_IMAGES:
        console.print(f"… and {counted(len(images) - _MOST_IMAGES, 'more image')}; --json lists them all")
    print_findings(inspection.findings, console)
    cost = document["cost"]
    console.print(
        f"reads {cost['bytes_in'] / 1e6:.1f} MB of pixels, writes up to {cost['bytes_out'] / 1e6:.1f} MB "
        f"(uncompressed) in up to {cost['files_out']} files, peak memory {cost['peak_memory_mb']:.0f} MB",
        highlight=False,
        soft_wrap=True,
    )


def _cells(image: dict[str, Any]) -> tuple[str, ...]:
    size = image["pixel_size"]
    return (
        image["path"],
        image["axes"],
        " x ".join(map(str, image["shape"])) if image["shape"] is not None else "?",
        image["dtype"] or "?",
        f"{size['x']:g}" if size["x"] == size["y"] else f"{size['x']:g} x {size['y']:g}",
        ", ".join(channel["label"] for channel in image["channels"]),
        str(len(image["fovs"])),
        str(image["tiles"]),
        str(image["gaps"]),
    )
