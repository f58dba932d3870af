"""What is said of a path that does not name one measurement, by all formats in the same words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError
from tiles2zarr.models.documents import one_line
from tiles2zarr.models.image_files import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHOWN, _LONGEST = 10, 900
_IMAGES = SUFFIXES | {".flex"}


def several_measurements(path: Path, found: Sequence[Path]) -> SourceError:
    """The error for a folder of several measurements.

    Args:
        path: the folder.
        found: the folder or index of each of them, in or below it.
    """
    shown = ", ".join(os.path.relpath(one, path) for one in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    msg = (
        f"{path}: expected one measurement, found {len(found)} ({shown}{more}): give the path of one of them"
    )
    return SourceError(one_line(msg, _LONGEST))


def no_measurement(path: Path, index: str) -> SourceError:
    """The error for a path where there is nothing, or a file that is no index.

    Args:
        path: what the user gave.
        index: what the file is called that would do, such as ``.HTD``.
    """
    if not path.exists():
        found = "nothing there: check the path"
    elif path.suffix.lower() in _IMAGES:
        found = "an image of a measurement: give the folder"
    else:
        found = "another file: give the folder"
    msg = f"{path}: expected the folder of a measurement or its {index}, found {found}"
    return SourceError(msg)
