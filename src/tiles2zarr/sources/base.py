"""The small interface that every microscope format implements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tiles2zarr.core.tile import Scalar
    from tiles2zarr.core.tiles import Tiles
    from tiles2zarr.errors import Finding
    from tiles2zarr.models import AcquisitionOptions, ImageLoaderInterface


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """What a user says about one acquisition, and its source cannot.

    Attributes:
        path: the folder or file.
        plate_name: name of the plate; None: the folder's name made valid.
        acquisition_id: 0-based number of the run of the instrument.
        options: what replaces the source's own account.
        allow_outside: tiles may lie outside the source's folder.
    """

    path: Path
    plate_name: str | None = None
    acquisition_id: int = 0
    options: AcquisitionOptions = field(default_factory=lambda: _no_options())
    allow_outside: bool = False


@dataclass(frozen=True, slots=True)
class KnownGap:
    """A plane that the acquisition never took; it is filled and recorded, never fatal.

    Attributes:
        image: the image's path, as its collection says it.
        fov_name: the field of view.
        c: channel index.
        z: position, µm.
        t: time, s.
        reason: why, in a few words.
    """

    image: str
    fov_name: str
    c: int
    z: float
    t: float
    reason: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What a source holds, found without reading a pixel.

    Attributes:
        tiles: every tile, at its stage position.
        resource: base folder of the loaders' relative paths.
        findings: what was noticed on the way.
        known_gaps: planes that were never taken.
        metadata_files: the vendor's own metadata, kept under the plate.
        conditions: per well name (``A01``) what was done to it, in columns; besides the attributes of the
            tiles.
        acquired: when each tile was taken, s since 1970, NaN where unknown; None: of none it is known.
    """

    tiles: Tiles
    resource: Path
    findings: tuple[Finding, ...] = ()
    known_gaps: tuple[KnownGap, ...] = ()
    metadata_files: tuple[Path, ...] = ()
    conditions: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)
    acquired: NDArray[np.float64] | None = None


class Source(Protocol):
    """One microscope format: it knows its own folders, and turns one into tiles.

    Attributes:
        name: what ``--format`` calls it.
        title: what people call it.
        extra: the extra it needs, None for none.
        libraries: import names of what the extra brings.
        loader: the type of its tiles' loaders, so that a compute task can read them back from JSON.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    extra: ClassVar[str | None]
    libraries: ClassVar[tuple[str, ...]]
    loader: ClassVar[type[ImageLoaderInterface]]

    def detect(self, path: Path) -> str | None:
        """Why this folder or file is of this format, in a few words; None when it is not.

        Costs a listing, not a scan.
        """

    def scan(self, request: ScanRequest) -> Scan:
        """All tiles of the source. Reads metadata only, no pixels.

        Raises:
            SourceError: the metadata are missing, damaged or contradict themselves.
        """


def _no_options() -> AcquisitionOptions:
    from tiles2zarr.models import AcquisitionOptions

    return AcquisitionOptions()
