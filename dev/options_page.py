"""Print docs/options.md from the models: python dev/options_page.py > docs/options.md (a test compares them)."""

from __future__ import annotations

import inspect
import json
import re
from enum import Enum
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from tiles2zarr.models import ConverterOptions
from tiles2zarr.models.filters import TileFilter

HEAD = """\
# Options

One document for the command line (`--options FILE.json` or `.toml`, `--set a.b=c`), Python
(`ConverterOptions`), and Fractal's forms. Unknown names are refused. A choice with further options is set by
its `mode`, as in
`--set 'omezarr_options.shards.mode=Multiple of Chunks'`, or
`--set omezarr_options.chunks.mode="Fixed Size" --set omezarr_options.chunks.xy_chunk=1024`;
lists are JSON, as in `--set 'acquisition.channels=[{"channel_label": "DAPI"}]'`. `runtime` does not change the result.
This page is made from the code by `dev/options_page.py`.
"""


def main() -> None:
    """Print the page."""
    print(HEAD)
    for line in section(ConverterOptions, "", set()):
        print(line)
    print("## Filters (`acquisition.filters`)\n")
    print("A list; a tile must pass all of them. On the command line it is JSON, such as\n")
    print("""```
--set 'acquisition.filters=[{"name": "Well Include Filter", "wells": ["A01", "B02"]}]'
--set 'acquisition.filters=[{"name": "Regex Exclude Filter", "field": "file_path", "pattern": ".*_old.*"}]'
```
""")
    print(
        "A `field` is plate, well, row, column, acquisition, image_path, fov_name, channel (its label), c, z (µm),"
    )
    print("t (s), file_path, or the name of an attribute. Each filter has a `name`:\n")
    print("| name | keys | what it does |\n|---|---|---|")
    for model in get_args(TileFilter):
        keys = ", ".join(f"`{key}`" for key in model.model_fields if key != "name")
        print(f"| `{model.model_fields['name'].default}` | {keys} | {summary(model)} |")


def section(model: type[BaseModel], path: str, seen: set[type[BaseModel]]) -> list[str]:
    """The table of a model, and those of the models within it."""
    meanings = attributes(model)
    lines = [
        f"## {f'`{path}`' if path else 'Top level'}\n",
        summary(model) + "\n",
        "| option | values | default | meaning |",
        "|---|---|---|---|",
    ]
    inner: list[str] = []
    for name, field in model.model_fields.items():
        nested = [
            part for part in parts(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)
        ]
        if name == "filters":
            nested = []
        full = f"{path}.{name}" if path else name
        for part in nested:
            mode = part.model_fields.get("mode")
            title = f"{full} (mode {mode.default})" if mode is not None else full
            if part not in seen and part.model_fields:
                seen.add(part)
                inner += section(part, title, seen)
        values = "see below" if nested or name == "filters" else allowed(field)
        lines.append(f"| `{name}` | {values} | {default(field)} | {meanings.get(name, '')} |")
    return [*lines, "", *inner]


def parts(annotation: Any) -> list[Any]:
    """The types that an annotation is made of."""
    if get_origin(annotation) is None:
        return [annotation]
    return [part for argument in get_args(annotation) for part in parts(argument)]


def allowed(field: Any) -> str:
    """What a field takes, in words."""
    found = []
    for part in parts(field.annotation):
        if isinstance(part, type) and issubclass(part, Enum):
            found += [f"`{member.value}`" for member in part]
        elif isinstance(part, str | int | float):
            found.append(f"`{part}`")
        elif isinstance(part, type) and part is not type(None):
            found.append(
                {"str": "text", "int": "whole number", "float": "number", "bool": "true, false"}.get(
                    part.__name__, part.__name__
                )
            )
    bounds = re.findall(r"(Ge|Gt|Le|Lt)\(\w+=([\d.]+)\)", repr(field))
    words = {"Ge": "at least", "Gt": "more than", "Le": "at most", "Lt": "less than"}
    return ", ".join(dict.fromkeys(found)) + "".join(f", {words[kind]} {value}" for kind, value in bounds)


def default(field: Any) -> str:
    """The default as JSON, nothing where it is a group of options."""
    value = field.default
    if value is PydanticUndefined or value is None or isinstance(value, BaseModel | tuple):
        return {True: "none"}.get(value is None, "")
    return f"`{json.dumps(value.value if isinstance(value, Enum) else value)}`"


def summary(model: type[BaseModel]) -> str:
    """The first line of a docstring."""
    return inspect.cleandoc(model.__doc__ or "").split("\n")[0]


def attributes(model: type[BaseModel]) -> dict[str, str]:
    """The Attributes section of a docstring."""
    text = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", text, re.MULTILINE)
    return {
        name: re.sub(r"\s+", " ", meaning).replace("``", "`").replace("|", "/") for name, meaning in entries
    }


if __name__ == "__main__":
    main()
