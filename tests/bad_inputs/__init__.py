"""Bad inputs, each a named case: how a good plate is spoilt, and what must be said about it."""

from __future__ import annotations

from tests.bad_inputs import cuts, details, files, pictures, rows, settings, tables, tiffs
from tests.bad_inputs.cuts import WHOLE, write_whole
from tests.bad_inputs.scene import BadInput, Scene

__all__ = ["CASES", "WHOLE", "BadInput", "Scene", "write_whole"]

CASES: list[BadInput] = [
    *tables.CASES,
    *rows.CASES,
    *details.CASES,
    *settings.CASES,
    *files.CASES,
    *tiffs.CASES,
    *pictures.CASES,
    *cuts.CASES,
]
