"""What was done to the wells, as Harmony's assay layout says it."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import row_name
from tiles2zarr.sources.xml import read_xml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from tiles2zarr.core.tile import Scalar

# Names that say where a well is, and not what was done to it.
_PLACE = frozenset({"well", "row", "column", "acquisition", "path_in_well", "plate"})


def read_layouts(files: Iterable[Path]) -> tuple[dict[str, dict[str, Scalar]], list[Path], list[Finding]]:
    """Per well (``A01``) the value of each layer, the files that were read, and what was wrong with others.

    Layers and wells without a value are left out. A layout is worth a warning when it cannot be read, not more: it
    is no part of the images.
    """
    conditions: dict[str, dict[str, Scalar]] = {}
    read: list[Path] = []
    findings: list[Finding] = []
    for file in files:
        try:
            root = read_xml(file)
            if root.tag != "AssayLayout":
                continue
            for layer in root.iter("Layer"):
                name, values = _layer(layer, file)
                for well, value in values.items():
                    conditions.setdefault(well, {}).setdefault(name, value)
        except SourceError as error:
            findings.append(
                Finding("warning", "unreadable-file", str(file), f"the layout is left out: {error}")
            )
        else:
            read.append(file)
    return conditions, read, findings


def _layer(layer: Element, file: Path) -> tuple[str, dict[str, Scalar]]:
    name = _text(layer, "Name") or "layer"
    is_text = _text(layer, "ValueType").lower() in ("", "string", "text")
    values: dict[str, Scalar] = {}
    for well in layer.iter("Well"):
        value = _text(well, "Value")
        if value:
            values[_well(well, file)] = value if is_text else _number(value)
    return f"layer_{name}" if name.lower() in _PLACE else name, values


def _well(well: Element, file: Path) -> str:
    row, column = _text(well, "Row"), _text(well, "Col")
    if not (row.isdecimal() and column.isdecimal() and 1 <= int(row) <= 702 and 1 <= int(column) <= 999):
        msg = f"{file}: expected Row and Col of a well from 1 on, found {row!r} and {column!r}: save the layout again"
        raise SourceError(msg)
    return f"{row_name(int(row) - 1)}{int(column):02d}"


def _number(text: str) -> Scalar:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if isfinite(value) else text


def _text(element: Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()
