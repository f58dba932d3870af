"""A simulated CellVoyager CV7000 or CV8000."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulators.yokogawa import Measurement

if TYPE_CHECKING:
    from pathlib import Path


def contract_plate(folder: Path) -> Path:
    """Two wells, two fields of view, two channels, two z-planes."""
    return Measurement().write(folder / "plate")
