"""What would be converted, everything that is wrong with it, and what it would cost. Writes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.models import ImageInPlate, OverwriteMode
from tiles2zarr.models.documents import mode_of, options_of
from tiles2zarr.planning import Acquisition, Plan, PlannedImage, plan
from tiles2zarr.writer.room import free_bytes, written_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tiles2zarr.errors import Finding
    from tiles2zarr.models import ConverterOptions

# Groups, attributes and tables of an image; a plate adds a few for each well.
_FILES_BESIDE_CHUNKS = 20


@dataclass(frozen=True, slots=True)
class Inspection:
    """What `inspect` found out.

    Attributes:
        format: name of the source's format.
        plan: what would be converted.
    """

    format: str
    plan: Plan

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was noticed."""
        return self.plan.findings

    @property
    def has_errors(self) -> bool:
        """Whether a conversion would be refused."""
        return any(finding.severity == "error" for finding in self.findings)

    def document(self) -> dict[str, Any]:
        """The inspection as ``--json`` prints it."""
        return {
            "format": self.format,
            "images": [_image(planned) for planned in sorted(self.plan.images, key=_in_plate_order)],
            "findings": [finding.as_dict() for finding in self.findings],
            "cost": cost(self.plan),
        }


def inspect(
    source: str | Path,
    *,
    format: str = "auto",
    plate_name: str | None = None,
    acquisition_id: int = 0,
    options: ConverterOptions | Mapping[str, Any] | None = None,
    dest: str | Path | None = None,
    mode: OverwriteMode | str = OverwriteMode.NO_OVERWRITE,
    allow_outside: bool = False,
) -> Inspection:
    """Find out what would be converted.

    Args:
        source: the folder or file that the instrument left behind.
        format: name of the source's format; ``auto`` finds it out.
        plate_name: name of the plate; None: the folder's name made valid.
        acquisition_id: 0-based number of the run of the instrument.
        options: how it would be converted.
        dest: where it would go: what is there already, and the room on its disk, are looked at, too.
        mode: what would be done about images that are there already.
        allow_outside: tiles may lie outside the source's folder.

    Raises:
        Tiles2ZarrError: the source cannot be read at all.
    """
    path = Path(os.path.abspath(source))
    acquisition = Acquisition(path, format, plate_name, acquisition_id, allow_outside=allow_outside)
    zarr_dir = Path(os.path.abspath(dest)) if dest is not None else None
    planned = plan([acquisition], zarr_dir, options_of(options), mode_of(mode))
    return Inspection(planned.images[0].job.format, planned)


def cost(plan: Plan) -> dict[str, float | None]:
    """What a conversion takes.

    Bytes of uncompressed pixels (those written: of all levels), files, memory of one process in MB, and the bytes
    that are free at the destination: None without one. Images that are complete cost nothing.
    """
    images = [_image_cost(planned) for planned in plan.images if not planned.is_complete]
    return {
        "bytes_in": sum(image["bytes_in"] for image in images),
        "bytes_out": sum(image["bytes_out"] for image in images),
        "files_out": sum(image["files_out"] for image in images),
        "peak_memory_mb": max((image["peak_memory_mb"] for image in images), default=0.0),
        "bytes_free": free_bytes(plan.zarr_dir) if plan.zarr_dir is not None else None,
    }


def _in_plate_order(planned: PlannedImage) -> tuple[str, int, str, int, str]:
    """By plate, row, column and name; images of their own by their path, before the plates."""
    image = planned.job.image
    place = image.collection
    if not isinstance(place, ImageInPlate):
        return "", 0, "", 0, image.path
    return place.plate_path, len(place.row), place.row, int(place.column), image.path


def _image_cost(planned: PlannedImage) -> dict[str, float]:
    layout = planned.layout
    return {
        "bytes_in": planned.bytes_in,
        "bytes_out": written_bytes(layout),
        "files_out": _files_out(planned),
        "peak_memory_mb": round(layout.memory.peak / 1e6, 1) if layout is not None else 0.0,
    }


def _image(planned: PlannedImage) -> dict[str, Any]:
    image, placed = planned.job.image, planned.placed
    collection = image.collection
    in_plate = collection if isinstance(collection, ImageInPlate) else None
    size = image.pixel_size
    order = ["tczyx".index(axis) for axis in image.axes]
    return {
        "path": image.path,
        "plate": in_plate.plate_name if in_plate is not None else None,
        "well": in_plate.well if in_plate is not None else None,
        "acquisition": in_plate.acquisition if in_plate is not None else None,
        "axes": "".join(image.axes),
        "shape": [placed.shape[axis] for axis in order] if placed is not None else None,
        "dtype": image.data_type,
        "pixel_size": {axis: size[axis] for axis in ("x", "y", "z", "t")},
        "channels": [
            {
                "label": channel.channel_label,
                "wavelength_id": channel.wavelength_id,
                "color": channel.color,
                "z_offset": channel.z_offset,
            }
            for channel in image.channels
        ],
        "fovs": _fields(planned),
        "tiles": len(planned.job.present.tiles),
        "gaps": sum(gap.z_stop - gap.z_start for gap in planned.gaps),
        "cost": _image_cost(planned),
        "existing": planned.existing,
    }


def _fields(planned: PlannedImage) -> list[dict[str, Any]]:
    """Fields of view in field order, at the positions that the source gives them."""
    tiles = planned.job.image.tiles
    codes, rows = np.unique(tiles.fov, return_index=True)
    return [
        {
            "name": tiles.fov_names[code],
            "x": float(tiles.x[row]),
            "y": float(tiles.y[row]),
            "width": int(tiles.length_x[row]),
            "height": int(tiles.length_y[row]),
        }
        for code, row in zip(codes, rows, strict=True)
    ]


def _files_out(planned: PlannedImage) -> int:
    layout = planned.layout
    if layout is None:
        return 0
    chunks = sum(layout.grid.file_count(level) for level in range(layout.grid.levels))
    return chunks + layout.grid.levels + _FILES_BESIDE_CHUNKS
