"""The pixels of a LIF file: uncompressed, and anywhere in steps of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tiles2zarr.errors import SourceError
from tiles2zarr.models import FileLoader, PixelHeader, PlaneIndex, TileShape
from tiles2zarr.sources.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

Positive = Annotated[int, Field(ge=1)]
# Rows are read one by one where what lies between them is more than this many times as long.
_WIDEST = 4


class LifImageLoader(FileLoader):
    """One plane of one channel of a LIF file.

    Attributes:
        file_path: absolute, or relative to the resource.
        position: of the plane's first pixel in the file, in bytes.
        height: rows, px.
        width: columns, px.
        row_step: from one row to the next, in bytes.
        pixel_step: from one pixel to the next, in bytes; more than a pixel's size where colours are interleaved.
        dtype: numpy's name of the pixel type; little-endian in the file.
    """

    position: Annotated[int, Field(ge=0)]
    height: Positive
    width: Positive
    row_step: Positive
    pixel_step: Positive
    dtype: Literal["uint8", "uint16", "uint32", "float32", "float64"]

    def load_data(self, resource: Any | None = None) -> NDArray[Any]:
        """The whole plane, axes y and x."""
        import numpy as np

        file = self.source_file(resource)
        little = np.dtype(self.dtype).newbyteorder("<")
        length = (self.width - 1) * self.pixel_step + little.itemsize
        try:
            with open(file, "rb") as handle:
                if self.row_step <= _WIDEST * length:
                    handle.seek(self.position)
                    data = handle.read((self.height - 1) * self.row_step + length)
                    step = self.row_step
                else:
                    data, step = b"".join(self._rows(handle, length)), length
        except OSError as error:
            raise unreadable(file, error) from error
        if len(data) < (self.height - 1) * step + length:
            expected = f"{self.height} rows of {self.width} pixels"
            where = self.describe_source(resource)
            msg = f"{where}: expected {expected}, found fewer: the file is incomplete, copy it again"
            raise SourceError(msg)
        shape, steps = (self.height, self.width), (step, self.pixel_step)
        return np.ndarray(shape, little, data, strides=steps).astype(self.dtype, copy=False)

    def load_plane(self, plane: PlaneIndex, shape: TileShape, resource: Any | None = None) -> NDArray[Any]:
        """The plane."""
        if shape != (1, 1, 1, self.height, self.width):
            expected, found = f"{tuple(shape)} (t, c, z, y, x)", f"one plane of {self.height} x {self.width}"
            msg = f"{self.describe_source(resource)}: expected {expected}, found {found}: correct the tile's lengths"
            raise SourceError(msg)
        return self.load_data(resource)

    def read_header(self, resource: Any | None = None) -> PixelHeader:
        """Shape and type, as the metadata of the file say them."""
        return PixelHeader(
            planes=1, height=self.height, width=self.width, samples=1, dtype=self.dtype, is_shared=True
        )

    def describe_source(self, resource: Any | None = None) -> str:
        """The file and the place in it."""
        return f"{super().describe_source(resource)} (plane at byte {self.position})"

    def _rows(self, handle: Any, length: int) -> Iterable[bytes]:
        for row in range(self.height):
            handle.seek(self.position + row * self.row_step)
            yield handle.read(length)
