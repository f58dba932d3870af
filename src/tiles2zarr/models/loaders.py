"""How the pixels of a tile are fetched.

A loader is a small value that survives JSON; the pixels come when they are needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tiles2zarr.errors import SourceError
from tiles2zarr.models.documents import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from tiles2zarr.models.image_files import ImageHeader


class TileShape(NamedTuple):
    """The extent of a tile in pixels, planes, channels and timepoints."""

    t: int
    c: int
    z: int
    y: int
    x: int


class PlaneIndex(NamedTuple):
    """A plane within its tile, counted from the tile's own start."""

    t: int
    c: int
    z: int


@dataclass(frozen=True, slots=True)
class PixelHeader:
    """What a loader can say of its pixels without decoding any.

    Attributes:
        planes: how many planes there are from the tile's first one on.
        height: rows, px.
        width: columns, px.
        samples: 1 for grey, 3 for RGB, 4 for RGBA.
        dtype: numpy's name of the pixel type.
        is_shared: further planes may belong to other tiles; else the planes are all the tile's.
    """

    planes: int
    height: int
    width: int
    samples: int
    dtype: str
    is_shared: bool = False


class ImageLoaderInterface(BaseModel, ABC):
    """Fetches the pixels of one tile.

    Subclass it for a source of your own: fields that survive JSON, and `load_data`. Where a tile holds many
    planes, override `load_plane` too, so that one plane costs one read. Override `read_header` so that
    mistakes are found before a conversion starts.
    """

    model_config = ConfigDict(frozen=True)

    @abstractmethod
    def load_data(self, resource: Any | None = None) -> NDArray[Any]:
        """All pixels of the tile: axes t, c, z, y, x in this order, those of length 1 may be left out.

        Args:
            resource: whatever the converter was started with, usually the base folder of relative paths.
        """

    def load_plane(self, plane: PlaneIndex, shape: TileShape, resource: Any | None = None) -> NDArray[Any]:
        """The pixels of one plane, axes y and x.

        Args:
            plane: which one, counted from the tile's start.
            shape: the tile's extent, against which the data are checked.
            resource: as for `load_data`.

        Raises:
            SourceError: the data have another shape than the tile.
        """
        data: NDArray[Any] = as_tczyx(self.load_data(resource), shape, self.describe_source(resource))[plane]
        return data

    def load_plane_into(
        self, target: NDArray[Any], plane: PlaneIndex, shape: TileShape, resource: Any | None = None
    ) -> NDArray[Any]:
        """As `load_plane`; a loader that can puts the pixels straight into `target` (axes y, x).

        Returns:
            the pixels: `target` itself or a view of it once they are there, or an array of their own. `target` may
            have been written to in either case.
        """
        return self.load_plane(plane, shape, resource)

    def read_header(self, resource: Any | None = None) -> PixelHeader | None:
        """Shape and type without decoding pixels; None where only reading can tell."""
        return None

    def sample_plane(self, plane: PlaneIndex, shape: TileShape, resource: Any | None = None) -> NDArray[Any]:
        """Some pixels of a plane, for display ranges; the same ones each time."""
        return self.load_plane(plane, shape, resource)[::8, ::8].ravel()

    def source_file(self, resource: Any | None = None) -> Path | None:
        """The file the pixels are in; None where there is none."""
        return None

    @classmethod
    def source_files(cls, fields: Mapping[str, Iterable[Any]], resource: Any | None = None) -> list[Path]:
        """The files of many loaders, each once, in order.

        Args:
            fields: per field of the loader one value for each.
            resource: as for `load_data`.
        """
        loaders = (
            cls.model_validate(dict(zip(fields, row, strict=True)))
            for row in zip(*fields.values(), strict=True)
        )
        files = (loader.source_file(resource) for loader in loaders)
        return list(dict.fromkeys(file for file in files if file is not None))

    def describe_source(self, resource: Any | None = None) -> str:
        """Where the pixels come from, for messages."""
        file = self.source_file(resource)
        return one_line(str(file) if file is not None else repr(self))

    def find_data_type(self, resource: Any | None = None) -> str:
        """Numpy's name of the pixel type, from the header where there is one, else from the pixels."""
        header = self.read_header(resource)
        return header.dtype if header is not None else str(self.load_data(resource).dtype)


ImageLoaderInterfaceType = TypeVar("ImageLoaderInterfaceType", bound=ImageLoaderInterface)


class FileLoader(ImageLoaderInterface):
    """Fetches the pixels of one tile from a file.

    Attributes:
        file_path: absolute, or relative to the resource.
    """

    file_path: Annotated[str, StringConstraints(min_length=1)]

    def source_file(self, resource: Any | None = None) -> Path:
        """The file, found from the resource."""
        return Path(self.file_path) if resource is None else Path(resource) / self.file_path

    @classmethod
    def source_files(cls, fields: Mapping[str, Iterable[Any]], resource: Any | None = None) -> list[Path]:
        """The files of many loaders, without making one of them."""
        folder = Path() if resource is None else Path(resource)
        return [folder / path for path in dict.fromkeys(fields["file_path"])]


class DefaultImageLoader(FileLoader):
    """Planes of an image file: TIFF, BigTIFF, PNG, JPEG, BMP or NPY.

    The pages of a file hold the tile's planes, z running fastest, then c, then t. A colour page is one plane
    with three channels.

    Attributes:
        file_path: absolute, or relative to the resource.
        first_page: the page that holds the tile's first plane, where a file holds several tiles; None: the file
            holds this tile and nothing else.
    """

    first_page: Annotated[int, Field(ge=0)] | None = None

    def path(self, resource: Any | None = None) -> Path:
        """The file, found from the resource; another name of `source_file`."""
        return self.source_file(resource)

    def load_data(self, resource: Any | None = None) -> NDArray[Any]:
        """All pages of the file (axes page, y, x; page left out where there is one), colours as channels."""
        import numpy as np

        from tiles2zarr.models.image_files import read_plane

        file = self.source_file(resource)
        first, planes = self.first_page or 0, self._header(resource).planes
        pages = [read_plane(file, page) for page in range(first, first + planes)]
        data = np.stack([_channels_first(page) for page in pages])
        return data[0] if len(pages) == 1 else data

    def load_plane(self, plane: PlaneIndex, shape: TileShape, resource: Any | None = None) -> NDArray[Any]:
        """One page, or one colour of one page."""
        return self._plane(None, plane, shape, resource)

    def load_plane_into(
        self, target: NDArray[Any], plane: PlaneIndex, shape: TileShape, resource: Any | None = None
    ) -> NDArray[Any]:
        """One page, read or decoded straight into the target where that can be."""
        # A subclass that corrects its planes means these, too.
        if type(self).load_plane is not DefaultImageLoader.load_plane:
            return self.load_plane(plane, shape, resource)
        return self._plane(target, plane, shape, resource)

    def _plane(
        self, target: NDArray[Any] | None, plane: PlaneIndex, shape: TileShape, resource: Any | None
    ) -> NDArray[Any]:
        from tiles2zarr.models.image_files import read_plane

        page, color = self._page(plane, shape, resource)
        pixels = read_plane(self.source_file(resource), page, target if color is None else None)
        return _one_color(pixels, color, shape, self.describe_source(resource))

    def sample_plane(self, plane: PlaneIndex, shape: TileShape, resource: Any | None = None) -> NDArray[Any]:
        """A few strips of the page, as they lie in the file."""
        from tiles2zarr.models.image_files import sample_plane

        page, color = self._page(plane, shape, resource)
        if color is not None:
            return super().sample_plane(plane, shape, resource)
        return sample_plane(self.source_file(resource), page)

    def read_header(self, resource: Any | None = None) -> PixelHeader:
        """Pages, shape and type from the file's header."""
        header = self._header(resource)
        return PixelHeader(
            planes=header.planes,
            height=header.height,
            width=header.width,
            samples=header.samples,
            dtype=header.dtype,
            is_shared=self.first_page is not None,
        )

    @property
    def _first(self) -> int:
        return self.first_page or 0

    def _header(self, resource: Any | None) -> ImageHeader:
        """Of the pages from the tile's first on; other tiles of the file may have other shapes and types."""
        from tiles2zarr.models.image_files import read_header, read_header_from

        file = self.source_file(resource)
        return read_header(file) if self.first_page is None else read_header_from(file, self.first_page)

    def _page(self, plane: PlaneIndex, shape: TileShape, resource: Any | None) -> tuple[int, int | None]:
        """The page of a plane and, on a colour page, which of its colours."""
        if shape.c == 3 and self._header(resource).samples >= 3:
            return self._first + plane.t * shape.z + plane.z, plane.c
        return self._first + (plane.t * shape.c + plane.c) * shape.z + plane.z, None


def as_tczyx(data: NDArray[Any], shape: TileShape, source: str) -> NDArray[Any]:
    """The data of a tile with all five axes.

    Accepted are all five axes, the ones that are longer than 1, z, y, x, or, for a tile of three channels, a
    colour image (y, x, 3 or 4).

    Raises:
        SourceError: any other shape.
    """
    if data.ndim == 3 and shape.c == 3 and data.shape[:2] == shape[3:] and data.shape[2] in (3, 4):
        data = data[..., :3].transpose(2, 0, 1)
    long = tuple(length for length in shape[:3] if length > 1)
    if data.shape[-2:] != shape[3:] or tuple(length for length in data.shape[:-2] if length > 1) != long:
        expected = f"{tuple(shape)} (t, c, z, y, x)"
        msg = f"{source}: expected {expected}, found {data.shape}: correct the tile's lengths"
        raise SourceError(msg)
    return data.reshape(shape)


def _channels_first(page: NDArray[Any]) -> NDArray[Any]:
    return page if page.ndim == 2 else page[..., :3].transpose(2, 0, 1)


def _one_color(page: NDArray[Any], color: int | None, shape: TileShape, source: str) -> NDArray[Any]:
    import numpy as np

    if page.shape[:2] != shape[3:]:
        found = f"{page.shape[0]} x {page.shape[1]}"
        msg = f"{source}: expected {shape.y} x {shape.x} px (height x width), found {found}"
        raise SourceError(msg)
    if color is not None:
        return np.ascontiguousarray(page[..., color])
    if page.ndim != 2:
        remedy = "set length_c = 3 for its tile, or convert it to grey"
        msg = f"{source}: expected a grey image, found {page.shape[2]} colours per pixel: {remedy}"
        raise SourceError(msg)
    return page
