"""The commands that only look: inspect, validate and formats."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tiles2zarr.cli.arguments import (
    AcquisitionIdOption,
    AllowOutsideOption,
    FormatOption,
    JsonOption,
    MemoryLimitOption,
    ModeOption,
    OptionsOption,
    PlateNameOption,
    SetOption,
    SourceArgument,
)
from tiles2zarr.cli.findings import print_findings
from tiles2zarr.cli.options import read_options
from tiles2zarr.cli.output import counted, print_json, refusals, wide_console
from tiles2zarr.models import OverwriteMode

if TYPE_CHECKING:
    from tiles2zarr.inspection.inspect import Inspection
    from tiles2zarr.inspection.validate import Validation

CLEAN, HAS_ERRORS = 0, 1
_MOST_IMAGES = _MOST_DIFFERENCES = 20
# Pixel sizes that differ by less are one number.
_ALIKE = 1e-3

PlannedDestOption = Annotated[
    Path | None,
    typer.Option(
        "--dest",
        help="Where it would go: what is there already, and the room on its disk, are looked at, too.",
        show_default=False,
    ),
]
StoreArgument = Annotated[
    Path, typer.Argument(metavar="ZARR", help="An image, a plate, or a folder of them.", show_default=False)
]
AgainstOption = Annotated[
    Path | None,
    typer.Option(
        metavar="SOURCE",
        help="What it was converted from: every pixel is compared with it, under the options it was converted with.",
        show_default=False,
    ),
]
OnlyAcquisitionOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="The run of the instrument that SOURCE is of; other images are not compared.",
        show_default=False,
    ),
]


def inspect(
    source: SourceArgument,
    format: FormatOption = "auto",
    plate_name: PlateNameOption = None,
    acquisition_id: AcquisitionIdOption = 0,
    options: OptionsOption = None,
    set_: SetOption = None,
    memory_limit: MemoryLimitOption = None,
    dest: PlannedDestOption = None,
    mode: ModeOption = OverwriteMode.NO_OVERWRITE,
    allow_outside: AllowOutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what would be converted, everything that is wrong with it, and what it would cost.

    Exit code 0: nothing is wrong; 1: there are errors among the findings; 2: it cannot be read at all.
    """
    from tiles2zarr.inspection.inspect import inspect as inspect_source

    with refusals(as_json, {"format": None, "images": [], "findings": [], "cost": None}):
        inspection = inspect_source(
            source,
            format=format,
            plate_name=plate_name,
            acquisition_id=acquisition_id,
            options=read_options(options, set_ or (), memory_limit),
            dest=dest,
            mode=mode,
            allow_outside=allow_outside,
        )
    if as_json:
        print_json(inspection.document())
    else:
        _print_inspection(inspection, wide_console())
    raise typer.Exit(HAS_ERRORS if inspection.has_errors else CLEAN)


def validate(
    store: StoreArgument,
    against: AgainstOption = None,
    acquisition_id: OnlyAcquisitionOption = None,
    memory_limit: MemoryLimitOption = None,
    allow_outside: AllowOutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check OME-Zarr by the official models, and its pixels against their source or their own digest.

    Exit code 0: it conforms and nothing differs; 1: it does not, or something does; 2: it cannot be looked at.
    """
    from tiles2zarr.inspection.validate import validate as validate_store

    nothing: dict[str, Any] = {"conforms": False, "identical": None, "differences": [], "findings": []}
    with refusals(as_json, nothing), Console(stderr=True).status("looking at the store") as status:
        validation = validate_store(
            store,
            against=against,
            acquisition_id=acquisition_id,
            memory_limit_gib=read_options(None, (), memory_limit).runtime.memory_limit_gib,
            allow_outside=allow_outside,
            looking_at=lambda image: status.update(escape(f"looking at {image}")),
        )
    if as_json:
        print_json(validation.document())
    else:
        _print_validation(validation, wide_console())
    raise typer.Exit(CLEAN if validation.is_sound else HAS_ERRORS)


def formats(as_json: JsonOption = False) -> None:
    """List the formats that can be read, and the extra that each one needs."""
    from tiles2zarr.sources import every_source, is_installed

    if as_json:
        rows = [
            {
                "name": source.name,
                "title": source.title,
                "extra": source.extra,
                "installed": is_installed(source),
            }
            for source in every_source()
        ]
        print_json({"formats": rows})
        return
    table = Table("format", "what it is", "needs", box=None, pad_edge=False, header_style="bold")
    for source in every_source():
        needs = f"tiles2zarr[{source.extra}]" if source.extra else "nothing more"
        missing = "" if is_installed(source) else " (not installed)"
        table.add_row(source.name, source.title, escape(f"{needs}{missing}"))
    wide_console().print(table)


def _print_inspection(inspection: Inspection, console: Console) -> None:
    document = inspection.document()
    images = document["images"]
    rows = [_cells(image) for image in images[:_MOST_IMAGES]]
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    table = Table(*names, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(row[name] for name in names))
    console.print(f"format: {inspection.format}; {counted(len(images), 'image')}", highlight=False)
    console.print(table)
    if len(images) > _MOST_IMAGES:
        console.print(f"… and {counted(len(images) - _MOST_IMAGES, 'more image')}; --json lists them all")
    print_findings(inspection.findings, console)
    for existing, meaning in (
        ("complete", "complete already"),
        ("replaced", "there already, to be replaced"),
    ):
        count = sum(image["existing"] == existing for image in images)
        if count:
            console.print(f"{count} of {counted(len(images), 'image')} {meaning}", highlight=False)
    if inspection.has_errors and not all(image["cost"]["files_out"] for image in images):
        return  # nobody knows what would be written
    cost = document["cost"]
    room = f"; {cost['bytes_free'] / 1e9:.1f} GB free" if cost["bytes_free"] is not None else ""
    console.print(
        f"reads {cost['bytes_in'] / 1e6:.1f} MB of pixels, writes up to {cost['bytes_out'] / 1e6:.1f} MB "
        f"(uncompressed) in up to {cost['files_out']} files, peak memory {cost['peak_memory_mb']:.0f} MB{room}",
        highlight=False,
        soft_wrap=True,
    )


def _print_validation(validation: Validation, console: Console) -> None:
    print_findings(validation.findings, console)
    for found in validation.differences[:_MOST_DIFFERENCES]:
        place = " ".join(
            part
            for part in (
                found.image,
                f"level {found.level}" if found.level is not None else "",
                f"chunk {found.chunk}" if found.chunk is not None else "",
            )
            if part
        )
        tile = f", of {found.tile}" if found.tile is not None else ""
        _say(console, f"[red]{found.kind}[/]: {escape(place + tile)}")
    if len(validation.differences) > _MOST_DIFFERENCES:
        more = counted(len(validation.differences) - _MOST_DIFFERENCES, "more difference")
        _say(console, f"… and {more}; --json lists them all")
    _say(console, f"{'conforms' if validation.conforms else 'does not conform'}; {_comparison(validation)}")


def _comparison(validation: Validation) -> str:
    checked, images = validation.checked, counted(validation.images, "image")
    of_images = images if checked == validation.images else f"{checked} of {images}"
    if validation.differences:
        return f"{counted(len(validation.differences), 'difference')} in {of_images}"
    if not checked:
        return f"no pixels were compared ({images})"
    if validation.identical is False:
        return f"nothing differs in {of_images}; the others could not be compared"
    if validation.identical is None:
        return (
            f"nothing differs from what was written ({of_images}); --against SOURCE compares with the source"
        )
    return f"every pixel of every level equals its source ({of_images})"


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)


def _cells(image: dict[str, Any]) -> dict[str, str]:
    """What is said of an image by column; columns that are empty for all images are left out."""
    size, shape = image["pixel_size"], image["shape"]
    lengths = dict(zip(image["axes"], shape, strict=True)) if shape is not None else {}
    is_square = math.isclose(size["x"], size["y"], rel_tol=_ALIKE)
    return {
        "image": image["path"],
        "axes": image["axes"],
        "shape": " x ".join(map(str, shape)) if shape is not None else "?",
        "type": image["dtype"] or "?",
        "pixel µm": f"{size['x']:g}" if is_square else f"{size['x']:g} x {size['y']:g}",
        "z µm": f"{size['z']:g}" if lengths.get("z", 1) > 1 else "",
        "t s": f"{size['t']:g}" if lengths.get("t", 1) > 1 else "",
        "channels": ", ".join(channel["label"] for channel in image["channels"]),
        "fields": str(len(image["fovs"])),
        "tiles": str(image["tiles"]),
        "gaps": str(image["gaps"]),
        "MB": f"{image['cost']['bytes_out'] / 1e6:.1f}" if image["cost"]["files_out"] else "?",
    }
