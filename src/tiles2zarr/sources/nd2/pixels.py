"""The pixels of an ND2 file: frames of interleaved components, as they are or compressed without loss."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tiles2zarr.errors import SourceError
from tiles2zarr.models import FileLoader, PixelHeader, PlaneIndex, TileShape
from tiles2zarr.sources.nd2.chunks import TIME, chunk_at, frame_name
from tiles2zarr.sources.unreadable import unreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

Positive = Annotated[int, Field(ge=1)]


class Nd2ImageLoader(FileLoader):
    """One channel of a frame of an ND2 file; a colour channel has red, green and blue.

    Attributes:
        file_path: absolute, or relative to the resource.
        frame: number of the frame.
        position: of the frame's chunk in the file, in bytes.
        height: rows, px.
        width: columns, px.
        row_bytes: bytes of a row of all components, which may be padded.
        components: how many values a pixel of the frame has.
        component: the channel's first one.
        samples: 1 for grey, 3 for colours, which lie in the file as blue, green, red.
        dtype: numpy's name of the pixel type; little-endian in the file.
        is_compressed: with zlib.
    """

    frame: Annotated[int, Field(ge=0)]
    position: Annotated[int, Field(ge=0)]
    height: Positive
    width: Positive
    row_bytes: Positive
    components: Positive
    component: Annotated[int, Field(ge=0)]
    samples: Literal[1, 3]
    dtype: Literal["uint8", "uint16", "float32"]
    is_compressed: bool = False

    def load_data(self, resource: Any | None = None) -> NDArray[Any]:
        """The channel, axes y and x; of a colour channel c, y and x."""
        import numpy as np

        frame = self._frame(resource)
        if self.samples == 1:
            return np.ascontiguousarray(frame[..., self.component])
        return np.stack([frame[..., self.component + 2 - color] for color in range(3)])

    def load_plane(self, plane: PlaneIndex, shape: TileShape, resource: Any | None = None) -> NDArray[Any]:
        """The channel, or one colour of it."""
        import numpy as np

        if shape != (1, self.samples, 1, self.height, self.width):
            expected = f"{tuple(shape)} (t, c, z, y, x)"
            found = f"{self.samples} planes of {self.height} x {self.width}"
            msg = f"{self.describe_source(resource)}: expected {expected}, found {found}: correct the tile's lengths"
            raise SourceError(msg)
        component = self.component + (2 - plane.c if self.samples == 3 else 0)
        return np.ascontiguousarray(self._frame(resource)[..., component])

    def read_header(self, resource: Any | None = None) -> PixelHeader:
        """Shape and type, as the metadata of the file say them."""
        return PixelHeader(
            planes=1,
            height=self.height,
            width=self.width,
            samples=self.samples,
            dtype=self.dtype,
            is_shared=True,
        )

    def describe_source(self, resource: Any | None = None) -> str:
        """The file and the frame in it."""
        return f"{super().describe_source(resource)} (frame {self.frame})"

    def _frame(self, resource: Any | None) -> NDArray[Any]:
        """All components of the frame, axes y, x and component."""
        import numpy as np

        file = self.source_file(resource)
        needed = self.height * self.row_bytes
        try:
            with open(file, "rb") as handle:
                size = os.fstat(handle.fileno()).st_size
                start, length = chunk_at(file, handle, self.position, size, frame_name(self.frame))
                handle.seek(start + TIME)
                data = handle.read(max(length - TIME, 0) if self.is_compressed else needed)
        except OSError as error:
            raise unreadable(file, error) from error
        if self.is_compressed:
            data = self._decompressed(data, needed, resource)
        little = np.dtype(self.dtype).newbyteorder("<")
        if len(data) < needed or self.row_bytes < self.width * self.components * little.itemsize:
            expected, found = f"{needed} bytes of pixels", f"{len(data)}"
            where = self.describe_source(resource)
            msg = f"{where}: expected {expected}, found {found}: the file is damaged, copy it again"
            raise SourceError(msg)
        steps = (self.row_bytes, self.components * little.itemsize, little.itemsize)
        shape = (self.height, self.width, self.components)
        return np.ndarray(shape, little, data, strides=steps).astype(self.dtype, copy=False)

    def _decompressed(self, data: bytes, needed: int, resource: Any | None) -> bytes:
        try:
            return zlib.decompressobj().decompress(data, needed)
        except zlib.error as error:
            reason = " ".join(str(error).split())
            where = self.describe_source(resource)
            msg = f"{where}: expected compressed pixels, found damaged data ({reason}): copy it again"
            raise SourceError(msg) from error
