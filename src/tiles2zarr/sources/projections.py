"""What images call planes that were made one, and what is said where nothing else was kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tiles2zarr.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_NAMES = {
    "max": "maximum",
    "min": "minimum",
    "mean": "mean",
    "ave": "mean",
    "avg": "mean",
    "sum": "sum",
    "add": "sum",
    "foc": "focus",
    "bestfoc": "focus",
}
_NONE = "none"
_LONGEST = 20


def projection_name(method: str, nameless: str = "maximum") -> str:
    """How images call a projection that a vendor calls, for instance, ``Best Focus``; empty for ``None``.

    Args:
        method: what the vendor says.
        nameless: what one without a letter is called.

    >>> projection_name("Maximum"), projection_name("Best Focus"), projection_name("Standard deviation 2")
    ('maximum', 'focus', 'standarddeviation')
    """
    letters = re.sub("[^a-z]", "", method.lower())[:_LONGEST]
    if letters == _NONE:
        return ""
    known = (name for start, name in _NAMES.items() if letters.startswith(start))
    return next(known, letters or nameless)


def projections_only(where: Path, kinds: Collection[str]) -> list[Finding]:
    """That an acquisition holds one kind of projection and nothing else, if it does.

    Args:
        where: the folder or file that says it.
        kinds: of images that it holds, the empty one of planes that were taken.
    """
    if len(kinds) != 1 or "" in kinds:
        return []
    message = f"the acquisition holds {next(iter(kinds))} projections only: they become the images themselves"
    return [Finding("info", "projection-only", str(where), message)]
