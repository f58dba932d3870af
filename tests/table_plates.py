"""Folders with a tiles table, of any layout, whose pixels are known."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PIXEL_SIZE = 0.5


@dataclass
class TablePlate:
    """A folder in the making: rows of its table, and the pixels of each file.

    Rows may be changed or dropped, and files overwritten, before or after `write`.
    """

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    pixels: dict[str, NDArray[Any]] = field(default_factory=dict)
    details: str = f"pixelsize = {PIXEL_SIZE}\nz_spacing = 2.0\nt_spacing = 60.0\n"

    def add(self, name: str, pixels: NDArray[Any], **row: Any) -> None:
        """Add a tile; its lengths follow from the pixels where the row does not give them."""
        self.pixels[name] = pixels
        height, width = pixels.shape[-2:]
        self.rows.append({"file_path": name, "length_x": width, "length_y": height, **row})

    def write(self) -> Path:
        """Write the files, the table and the details; the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, pixels in self.pixels.items():
            tifffile.imwrite(self.folder / name, pixels, photometric="minisblack")
        self.write_table()
        (self.folder / "acquisition_details.toml").write_text(self.details)
        return self.folder

    def write_table(self) -> None:
        """Write the table only."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        with (self.folder / "tiles.csv").open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(names))
            writer.writeheader()
            writer.writerows(self.rows)


def pixels_of(*key: int, side: tuple[int, int] = (12, 16), dtype: str = "uint16") -> NDArray[Any]:
    """Pixels that differ in every tile and every place."""
    return np.random.default_rng(key).integers(1, 200, side).astype(dtype)


def small_plate(
    folder: Path,
    wells: tuple[tuple[str, int], ...] = (("A", 1), ("B", 2)),
    fields: int = 2,
    channels: int = 2,
    planes: int = 2,
    times: int = 1,
    side: tuple[int, int] = (12, 16),
) -> TablePlate:
    """A plate whose fields of view touch in a row; nothing is written yet."""
    plate = TablePlate(folder)
    for number, (row, column) in enumerate(wells):
        for f in range(fields):
            for t in range(times):
                for c in range(channels):
                    for z in range(planes):
                        plate.add(
                            f"{row}{column:02d}_f{f}_t{t}_c{c}_z{z}.tif",
                            pixels_of(number, f, t, c, z, side=side),
                            row=row,
                            column=column,
                            fov_name=f"FOV_{f}",
                            start_x=f * side[1] * PIXEL_SIZE,
                            start_y=0.0,
                            start_z=2.0 * z,
                            start_c=c,
                            start_t=60.0 * t,
                        )
    return plate
