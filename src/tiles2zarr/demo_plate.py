"""A small plate of image tiles for the demo: blurred spots that cross from one field of view to the next."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_SIDE, _PIXEL_SIZE, _PLANES = 256, 0.65, 2
_WELLS = (("A", 1, "DMSO"), ("A", 2, "drug X"), ("B", 1, "DMSO"), ("B", 2, "drug X"))
_DETAILS = f"""\
pixelsize = {_PIXEL_SIZE}
z_spacing = 2.0
channels = [
    {{channel_label = "DAPI", wavelength_id = "405", color = "0000FF"}},
    {{channel_label = "GFP", wavelength_id = "488", color = "00FF00"}},
]
"""


def write_demo_plate(folder: Path) -> None:
    """Write 4 wells of 2 x 2 fields of view, 2 channels and 2 z-planes, with tiles table and details."""
    import tifffile

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (row, column, drug) in enumerate(_WELLS):
        for c in range(2):
            for z in range(_PLANES):
                mosaic = _spots(np.random.default_rng([number, c, z]), 2 * _SIDE)
                for field in range(4):
                    top, left = field // 2 * _SIDE, field % 2 * _SIDE
                    name = f"{row}{column:02d}_f{field + 1}_c{c}_z{z}.tif"
                    tifffile.imwrite(folder / name, mosaic[top : top + _SIDE, left : left + _SIDE])
                    rows.append(
                        {
                            "file_path": name,
                            "row": row,
                            "column": column,
                            "fov_name": f"FOV_{field + 1}",
                            "start_x": left * _PIXEL_SIZE,
                            "start_y": top * _PIXEL_SIZE,
                            "start_z": z * 2.0,
                            "start_c": c,
                            "length_x": _SIDE,
                            "length_y": _SIDE,
                            "drug": drug,
                        }
                    )
    with (folder / "tiles.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "acquisition_details.toml").write_text(_DETAILS, encoding="utf-8")


def _spots(random: np.random.Generator, side: int) -> NDArray[np.uint16]:
    """Round spots of different size and brightness on a noisy ground."""
    y, x = np.mgrid[:side, :side]
    image = np.full((side, side), 100.0)
    for _ in range(40):
        top, left, radius, height = random.uniform((0, 0, 4, 300), (side, side, 14, 4000))
        image += height * np.exp(-((y - top) ** 2 + (x - left) ** 2) / (2 * radius**2))
    return random.poisson(image).clip(0, 65535).astype(np.uint16)
