"""The commands that only look: formats."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tiles2zarr.cli.arguments import JsonOption
from tiles2zarr.cli.output import print_json


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
    Console().print(table)
