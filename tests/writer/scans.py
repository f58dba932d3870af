"""A source whose scan is written by the test: every plane in a file of its own, vendor's files beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import tifffile

import tiles2zarr.planning
from tiles2zarr.models import ChannelInfo, DefaultImageLoader
from tiles2zarr.runners.local import convert
from tiles2zarr.sources.naming import wells_of
from tiles2zarr.sources.planes import Planes, file_loaders
from tiles2zarr.sources.scanning import scan_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from tiles2zarr.models import CollectionInterface
    from tiles2zarr.sources.base import Scan, ScanRequest

OBJECTIVE = {"objective": "Plan Apo 20×", "magnification": 20.0, "numerical_aperture": 0.75}
DAPI = ChannelInfo(
    channel_label="DAPI", color="0000FF", excitation_nm=405, emission_nm=450.5, exposure_s=0.1, **OBJECTIVE
)
GFP = ChannelInfo(channel_label="GFP & <co>", color="00FF00", exposure_s=0.25, z_offset=1.5, **OBJECTIVE)
#: 2021-01-26 13:30:00 UTC
BEGIN = 1611667800.0


@dataclass
class Part:
    """Images that share channels and spacings: all fields, channels, z-planes and timepoints of each.

    Attributes:
        wells: names; or images of their own.
        projection: see `ImageInPlate`.
        shape: numbers of fields of view, channels, z-planes, timepoints.
        channels: as many as the shape says.
        known: when planes were taken is known.
        dtype: pixel type.
    """

    wells: Sequence[str] | Sequence[CollectionInterface] = ("A01", "B03")
    projection: str = ""
    shape: tuple[int, int, int, int] = (2, 2, 2, 1)
    channels: tuple[ChannelInfo, ...] = (DAPI, GFP)
    known: bool = True
    dtype: str = "uint16"

    def planes(self, folder: Path, acquisition: int) -> Planes:
        """Its planes, whose files are written."""
        names = [one for one in self.wells if isinstance(one, str)]
        collections: Any = wells_of(names, "P", acquisition, self.projection) if names else self.wells
        w, f, c, z, t = (axis.ravel() for axis in np.indices((len(self.wells), *self.shape)))
        files = []
        for number, place in enumerate(zip(w, f, c, z, t, strict=True)):
            files.append(f"{self.projection}{'_'.join(map(str, place))}.tif")
            if not (folder / files[-1]).exists():
                tifffile.imwrite(folder / files[-1], np.full((8, 10), number % 100, self.dtype))
        side = np.ones(len(w), np.int64)
        # One plane after the other, a quarter of a second apart; timepoints a minute.
        taken = BEGIN + 86400 * acquisition + 3600 * w + 60.0 * t + 0.25 * ((f * 2 + c) * 5 + z)
        return Planes(
            collections=collections,
            collection=w,
            field_names=tuple(f"F{n}" for n in range(self.shape[0])),
            field=f,
            channels=self.channels,
            c=c,
            z=z,
            t=t,
            x=f * 5.0 - 100.0,
            y=np.full(len(w), 12.5),
            height=8 * side,
            width=10 * side,
            loaders=file_loaders(files),
            pixelsize=0.5,
            z_spacing=2.0,
            t_spacing=60.0,
            acquired=taken if self.known else None,
        )


@dataclass
class FakeSource:
    """A format that is whatever a test wants."""

    parts: Sequence[Part] = (Part(),)
    files: dict[str, bytes] = field(default_factory=dict)
    more_files: Sequence[Path] = ()
    name: ClassVar[str] = "fake"
    loader: ClassVar[Any] = DefaultImageLoader

    def scan(self, request: ScanRequest) -> Scan:
        """The parts, in a folder that is made once."""
        request.path.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            file = request.path / name
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        parts = [part.planes(request.path, request.acquisition_id) for part in self.parts]
        found = [*(request.path / name for name in self.files), *self.more_files]
        return scan_of(request, request.path, parts, metadata_files=found)

    def convert(
        self,
        monkeypatch: pytest.MonkeyPatch,
        source: Path,
        zarr_dir: Path,
        acquisition_id: int = 0,
        mode: str = "No Overwrite",
        **options: Any,
    ) -> Any:
        """Convert it; the report."""
        monkeypatch.setattr(tiles2zarr.planning, "source_by_name", lambda _: self)
        return convert(
            source,
            zarr_dir,
            format=self.name,
            plate_name="P",
            acquisition_id=acquisition_id,
            mode=mode,
            options={"omezarr_options": {"num_levels": 1}, **options},
        )
