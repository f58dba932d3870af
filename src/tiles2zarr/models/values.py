"""What every value that a user sets has in common."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# A name that becomes one folder: what Zarr, NGFF and the common file systems all accept, without separators,
# without a leading dot (hidden) and without control or shell characters.
_PATH_PART = re.compile(r"[\w](?:[\w .,+=@~-]*[\w+=~-])?")
_MOST_BYTES = 200
_NOT_FIRST = " .,_+=@~-"
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10))}
)


def path_part(name: str) -> str:
    """The name itself, once it is known to be safe as one folder of a Zarr hierarchy.

    Raises:
        ValueError: it is empty, too long, hidden, a reserved device name, or holds a separator or another
            character that some file system or Zarr store refuses.

    >>> path_part("Plate 7 (b)")
    Traceback (most recent call last):
    ...
    ValueError: 'Plate 7 (b)' is no valid Zarr name: use letters, digits, spaces and any of . , + = @ ~ - _
    """
    if not _PATH_PART.fullmatch(name) or name.startswith("__"):
        allowed = "use letters, digits, spaces and any of . , + = @ ~ - _"
        msg = f"{name[:80]!r} is no valid Zarr name: {allowed}"
        raise ValueError(msg)
    if len(name.encode()) > _MOST_BYTES:
        found = f"it is {len(name.encode())} bytes long, at most {_MOST_BYTES} fit every file system"
        msg = f"{name[:40]!r}… is no valid Zarr name: {found}"
        raise ValueError(msg)
    if name.split(".")[0].lower() in _RESERVED:
        msg = f"{name!r} is no valid Zarr name: Windows reserves it for a device"
        raise ValueError(msg)
    return name


def _measurable(length: float) -> float:
    """A length or time that somebody measured: what lies further off only overflows."""
    if not _SMALLEST <= length <= _LARGEST:
        msg = f"expected {_SMALLEST:g} to {_LARGEST:g}"
        raise ValueError(msg)
    return length


_SMALLEST, _LARGEST = 1e-9, 1e9

#: A distance of pixels or planes, µm, or of timepoints, s.
Spacing = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_measurable)]


def valid_path_part(name: str, default: str = "unnamed") -> str:
    """A name made valid: itself where `path_part` takes it, else with ``_`` for whatever is refused.

    >>> valid_path_part("../Plate 7 (b)")
    'Plate 7 _b'
    """
    try:
        return path_part(name)
    except ValueError:
        kept = re.sub(r"[^\w .,+=@~-]+", "_", name).lstrip(_NOT_FIRST)
        kept = kept.encode()[: _MOST_BYTES - 1].decode(errors="ignore").rstrip(_NOT_FIRST)
        if kept.split(".")[0].lower() in _RESERVED:
            kept = f"_{kept}"
        return path_part(kept) if kept else default


PathPart = Annotated[str, AfterValidator(path_part)]


class Value(BaseModel):
    """A frozen value whose unknown keys are refused, so that a misspelt option cannot be ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
