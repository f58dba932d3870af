"""Plates to measure with: blurred spots with camera noise, so that codecs see what a microscope gives them."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PIXEL_SIZE = 0.325  # µm
_TEXTURES = 4
_SIGMA = 12  # px


@dataclass(frozen=True)
class BenchPlate:
    """Touching fields of view on a square grid, one TIFF for each plane.

    Attributes:
        wells: how many.
        fields: of each well.
        channels: of each field.
        planes: z-planes of each channel.
        side: height and width of a plane, px.
        compression: of the TIFFs, as tifffile calls it; None: none.
        distinct: how many files have pixels of their own, the others are links to them; None: all. Large plates
            take little of the disk so.
    """

    wells: int = 2
    fields: int = 9
    channels: int = 2
    planes: int = 3
    side: int = 2160
    compression: str | None = None
    distinct: int | None = None

    @property
    def name(self) -> str:
        """What its folder is called."""
        numbers = (self.wells, self.fields, self.channels, self.planes, self.side)
        content = "raw" if self.compression is None else self.compression
        links = () if self.distinct is None else (f"linked{self.distinct}",)
        return "_".join(map(str, (*numbers, content, *links)))

    def rows(self) -> list[dict[str, object]]:
        """The rows of its table."""
        across = math.isqrt(self.fields - 1) + 1
        step = self.side * PIXEL_SIZE
        return [
            {
                "file_path": f"w{well:03d}_f{field:03d}_c{c}_z{z:02d}.tif",
                "row": chr(65 + well // 24),
                "column": well % 24 + 1,
                "fov_name": f"FOV_{field}",
                "start_x": field % across * step,
                "start_y": field // across * step,
                "start_z": float(z),
                "start_c": c,
                "length_x": self.side,
                "length_y": self.side,
            }
            for well in range(self.wells)
            for field in range(self.fields)
            for c in range(self.channels)
            for z in range(self.planes)
        ]

    def write(self, parent: Path) -> Path:
        """Write it below a folder, unless it is there; its own folder."""
        folder = parent / self.name
        if (folder / "tiles.csv").exists():
            return folder
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        textures = [_texture(self.side, rng) for _ in range(_TEXTURES)]
        rows = self.rows()
        files = [folder / str(row["file_path"]) for row in rows]
        for number, file in enumerate(files):
            file.unlink(missing_ok=True)  # of a run that was interrupted
            if self.distinct is not None and number >= self.distinct:
                file.hardlink_to(files[number % self.distinct])
                continue
            pixels = rng.poisson(textures[number % _TEXTURES]).astype(np.uint16) + np.uint16(100)
            tifffile.imwrite(file, pixels, compression=self.compression)
        self.write_table(folder, rows)
        return folder

    def write_table(self, folder: Path, rows: list[dict[str, object]]) -> None:
        """Write the table and the details; the table last, so that a folder that has one is complete."""
        labels = ", ".join(f'{{channel_label = "C{c}"}}' for c in range(self.channels))
        (folder / "acquisition_details.toml").write_text(
            f"xy_pixel_size = {PIXEL_SIZE}\nz_spacing = 1.0\nt_spacing = 1.0\nchannels = [{labels}]\n"
            'axes = ["c", "z", "y", "x"]\n'
        )
        with (folder / "tiles.csv").open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def _texture(side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Expected photons of spots."""
    image = np.zeros((side, side), np.float32)
    spots = rng.integers(0, side, (max(20, side * side // 12000), 2))
    image[spots[:, 0], spots[:, 1]] = 1
    reach = np.arange(-3 * _SIGMA, 3 * _SIGMA + 1)
    kernel = np.exp(-(reach**2) / (2 * _SIGMA**2))
    # Through Fourier space: a plain convolution of rows and columns takes minutes at full size.
    size = side + len(kernel) - 1
    blur = np.fft.rfft2(np.outer(kernel, kernel), (size, size))
    blurred = np.fft.irfft2(np.fft.rfft2(image, (size, size)) * blur, (size, size))
    blurred = blurred[: image.shape[0], : image.shape[1]]
    expected: NDArray[np.float32] = np.clip(blurred / blurred.max() * 1500 + 100, 0, None).astype(np.float32)
    return expected
