"""What was found of a plate, before it is put into columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tiles2zarr.errors import SourceError
    from tiles2zarr.sources.imagexpress.folders import ImageFile
    from tiles2zarr.sources.imagexpress.htd import Htd
    from tiles2zarr.sources.imagexpress.metaseries import PlaneInfo
    from tiles2zarr.sources.imagexpress.originals import Originals


@dataclass(frozen=True, slots=True)
class Plate:
    """All that was found of a plate.

    Attributes:
        folder: of the plate.
        name: of the plate.
        acquisition_id: 0-based number of the acquisition.
        images: its files.
        infos: what each of them says of itself.
        damaged: the error of each that cannot be read, by index.
        originals: which of them show planes that were taken.
        htd: what was to be imaged; None: not known.
        is_part: whether the folder is that of one timepoint or z-plane, and not of the plate.
    """

    folder: Path
    name: str
    acquisition_id: int
    images: Sequence[ImageFile]
    infos: Sequence[PlaneInfo]
    damaged: Mapping[int, SourceError]
    originals: Originals
    htd: Htd | None
    is_part: bool = False
