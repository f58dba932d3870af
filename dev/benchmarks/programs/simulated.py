"""One image of any size from simulated planes: ``simulated.py OUT GIGABYTES touching|overlapping OPTIONS``.

OPTIONS: a JSON document. Prints the bytes of the tiles' pixels and of the files.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.converter import convert_image
from tiles2zarr.core import Tile, tiled_image_from_tiles
from tiles2zarr.core.job import ImageJob
from tiles2zarr.models import (
    AcquisitionDetails,
    ConverterOptions,
    ImageLoaderInterface,
    OverwriteMode,
    PixelHeader,
    SingleImage,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 2048  # px, of a field of view
#: From one field of view to the next, px. Overlapping ones lie across the edges of chunks.
STEPS = {"touching": SIDE, "overlapping": 1700}


@cache
def texture() -> NDArray[np.uint16]:
    """Noise that compresses as a camera's does: by half, since the lower byte of a pixel is all noise."""
    return np.random.default_rng(0).integers(0, 64, (SIDE, SIDE), np.uint16)


def pixels(number: int, part: Any = ...) -> NDArray[np.uint16]:
    """The pixels of a field of view, or of a part of it (an index of numpy)."""
    found: NDArray[np.uint16] = texture()[part] + np.uint16(64 * (number % 1000))
    return found


def fields_along(gigabytes: float) -> int:
    """How many fields of view in a row, and how many rows, make at least the size."""
    return ceil(sqrt(gigabytes * 1e9 / (SIDE * SIDE * 2)))


class Simulated(ImageLoaderInterface):
    """A plane that is made when it is asked for.

    Attributes:
        number: of its field of view.
    """

    number: int

    def load_data(self, resource: Any | None = None) -> NDArray[Any]:
        """The plane."""
        return pixels(self.number)

    def read_header(self, resource: Any | None = None) -> PixelHeader:
        """Shape and type."""
        return PixelHeader(planes=1, height=SIDE, width=SIDE, samples=1, dtype="uint16")


def main() -> None:
    """Fields of view in a square, row by row."""
    out, gigabytes, step = Path(sys.argv[1]), float(sys.argv[2]), STEPS[sys.argv[3]]
    options = ConverterOptions.model_validate({"tiling_mode": "Inplace", **json.loads(sys.argv[4])})
    out.mkdir(parents=True)
    along = fields_along(gigabytes)
    tiles = [
        Tile(
            fov_name=f"FOV_{number}",
            start_x=float(number % along * step),
            start_y=float(number // along * step),
            length_x=SIDE,
            length_y=SIDE,
            collection=SingleImage(image_path="image"),
            image_loader=Simulated(number=number),
            acquisition_details=AcquisitionDetails(),
        )
        for number in range(along**2)
    ]
    (image,) = tiled_image_from_tiles(tiles=tiles)
    result = convert_image(ImageJob(image, str(out / "image.zarr"), options, OverwriteMode.NO_OVERWRITE))
    print(json.dumps({"bytes_in": result.bytes_in, "bytes_out": result.bytes_out}))


if __name__ == "__main__":
    main()
