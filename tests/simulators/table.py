"""The plate of the contract tests as a table of tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.table_plates import small_plate

if TYPE_CHECKING:
    from pathlib import Path


def contract_plate(folder: Path) -> Path:
    """Two wells of two fields of view, two channels and two z-planes."""
    return small_plate(folder / "plate").write()
