"""Containers without a source of their own, through one general reader: the package openreadout.

It joins the tiles of a mosaic itself, so where tiles overlap only one of them is seen; that is why CZI and LIF,
which keep their tiles, have sources of their own.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from tiles2zarr.core.loader_column import LoaderColumn
from tiles2zarr.errors import Finding, MissingExtraError, SourceError
from tiles2zarr.models import (
    ChannelInfo,
    FileLoader,
    ImageLoaderInterface,
    PixelHeader,
    PlaneIndex,
    SingleImage,
    TileShape,
)
from tiles2zarr.sources.bioimage_files import ImagePaths, claim, image_files
from tiles2zarr.sources.planes import Planes
from tiles2zarr.sources.scanning import scan_of
from tiles2zarr.sources.timestamps import posix
from tiles2zarr.sources.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.sources.base import Scan, ScanRequest

#: Formats that have no source of their own: Olympus, Imaris, older Zeiss, Leica's other ones, Hamamatsu, Gatan.
SUFFIXES = (".vsi", ".oir", ".oib", ".oif", ".ims", ".zvi", ".lof", ".xlef", ".dcimg", ".dm3", ".dm4")
_DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
_NAMES = {"float": "float32", "double": "float64"}
_COLORS = (("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF"))
_MOST_OPEN = 8
_LARGEST_PLANE = 2**31
_LOCK = threading.Lock()
_OPEN: OrderedDict[tuple[str, int, int, int], Any] = OrderedDict()


class BioimageLoader(FileLoader):
    """One plane of an image, read by openreadout.

    The colours of a colour plane are the channels of its tile.

    Attributes:
        file_path: absolute, or relative to the resource.
        image: number of the image in the file.
        c: channel.
        z: z-plane.
        t: timepoint.
        height: rows, px.
        width: columns, px.
        samples: 1 for grey, 3 or 4 for colours.
        dtype: numpy's name of the pixel type.
    """

    image: Annotated[int, Field(ge=0)]
    c: Annotated[int, Field(ge=0)]
    z: Annotated[int, Field(ge=0)]
    t: Annotated[int, Field(ge=0)]
    height: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]
    samples: Annotated[int, Field(ge=1, le=4)]
    dtype: str

    def load_data(self, resource: Any | None = None) -> NDArray[Any]:
        """The whole plane, axes y and x; of a colour plane c, y and x."""
        pixels = self._pixels(resource)
        return pixels if pixels.ndim == 2 else pixels[..., :3].transpose(2, 0, 1)

    def load_plane(self, plane: PlaneIndex, shape: TileShape, resource: Any | None = None) -> NDArray[Any]:
        """The plane, or one colour of it."""
        colors = min(self.samples, 3)
        if shape != (1, colors, 1, self.height, self.width):
            expected, found = (
                f"{tuple(shape)} (t, c, z, y, x)",
                f"{colors} planes of {self.height} x {self.width}",
            )
            msg = f"{self.describe_source(resource)}: expected {expected}, found {found}: correct the tile's lengths"
            raise SourceError(msg)
        pixels = self._pixels(resource)
        return pixels if colors == 1 else np.ascontiguousarray(pixels[..., plane.c])

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
        """The file and the image in it."""
        return f"{super().describe_source(resource)} (image {self.image})"

    def _pixels(self, resource: Any | None) -> NDArray[Any]:
        file = self.source_file(resource)
        reader = _reader(file)
        try:
            pixels: NDArray[Any] = reader.read_plane(image=self.image, c=self.c, z=self.z, t=self.t)
        except _damage() as error:
            msg = f"{self.describe_source(resource)}: cannot be read: {_one_line(error)}: copy it again"
            raise SourceError(msg) from error
        expected = (self.height, self.width, *((self.samples,) if self.samples > 1 else ()))
        if pixels.shape != expected or pixels.dtype != self.dtype:
            found = f"{pixels.shape} {pixels.dtype}"
            msg = f"{self.describe_source(resource)}: expected {expected} {self.dtype}, found {found}: copy it again"
            raise SourceError(msg)
        return pixels


class BioimageSource:
    """Reads single files, or a folder of them, of formats that have no source of their own."""

    name: ClassVar[str] = "bioimage"
    title: ClassVar[str] = "VSI, OIR, OIB/OIF, IMS, ZVI, LOF/XLEF, DCIMG, DM3/DM4"
    extra: ClassVar[str | None] = "bioimage"
    libraries: ClassVar[tuple[str, ...]] = ("openreadout",)
    loader: ClassVar[type[ImageLoaderInterface]] = BioimageLoader

    def detect(self, path: Path) -> str | None:
        """A file with the suffix of one of these formats, or a folder with some right in it."""
        return claim(path, SUFFIXES, "container")

    def scan(self, request: ScanRequest) -> Scan:
        """An image for each image of each file.

        Raises:
            MissingExtraError: the package openreadout is not installed.
            SourceError: a file is damaged, or of no kind that openreadout knows.
        """
        folder, files = image_files(request.path, SUFFIXES, "container")
        paths = ImagePaths()
        parts: list[Planes] = []
        findings: list[Finding] = []
        for file in files:
            images = _info(file)["images"]
            if not images:
                msg = f"{file}: expected at least one image, found none: remove it, or copy it again"
                raise SourceError(msg)
            for image in images:
                names = (file.stem,) if len(images) == 1 else (file.stem, _name(image))
                parts.append(_planes(file, image, paths.path(*names)))
                findings += _findings(file, image)
        return scan_of(request, folder, parts, findings=findings)


def _info(file: Path) -> dict[str, Any]:
    reader = _reader(file)
    try:
        info: dict[str, Any] = reader.info
    except _damage() as error:
        msg = f"{file}: cannot be read: {_one_line(error)}: copy it again"
        raise SourceError(msg) from error
    # Of a damaged file it shows what it could save, and mentions that in a note.
    damage = [str(note) for note in info.get("notes") or [] if str(note).startswith("structure:")]
    if damage:
        found = " ".join(damage[0].removeprefix("structure:").split())[:150]
        msg = f"{file}: expected a complete file, found {found}: the file is damaged or incomplete, copy it again"
        raise SourceError(msg)
    return info


def _planes(file: Path, image: Mapping[str, Any], path: str) -> Planes:
    height, width, samples = image["size_y"], image["size_x"], image["samples_per_pixel"]
    dtype = _NAMES.get(image["pixel_type"], image["pixel_type"])
    if dtype not in _DTYPES or samples not in (1, 3, 4):
        msg = f"{file}: expected grey or colour pixels, found {samples} samples of {dtype}: export it as OME-TIFF"
        raise SourceError(msg)
    if height * width * samples * np.dtype(dtype).itemsize > _LARGEST_PLANE:
        msg = f"{file}: expected planes of at most 2 GiB, found {height} x {width} px: export it as OME-TIFF in tiles"
        raise SourceError(msg)
    lengths = (image["size_t"], image["size_z"], image["size_c"])
    t, z, c = np.indices(lengths).reshape(3, -1)
    count = len(t)
    colors = min(samples, 3)
    size = image.get("physical_size") or {}
    x_size, y_size = (_positive(size.get(axis)) for axis in "xy")
    columns = {"c": c, "z": z, "t": t}
    constants = {
        "file_path": file.name,
        "image": image["index"],
        "height": height,
        "width": width,
        "samples": samples,
        "dtype": dtype,
    }
    fields = {name: np.full(count, value, object) for name, value in constants.items()}
    fields |= {name: np.fromiter(column.tolist(), object, count) for name, column in columns.items()}
    acquired = _acquired(image)
    return Planes(
        collections=(SingleImage(image_path=path),),
        collection=np.zeros(count, np.int64),
        field_names=("FOV_1",),
        field=np.zeros(count, np.int64),
        channels=_channels(image, colors),
        c=c * colors,
        z=z,
        t=t,
        x=np.zeros(count),
        y=np.zeros(count),
        height=np.full(count, height, np.int64),
        width=np.full(count, width, np.int64),
        loaders=LoaderColumn(BioimageLoader, fields, count),
        pixelsize=x_size,
        pixelsize_y=y_size if y_size != x_size else None,
        z_spacing=_positive(size.get("z")) if image["size_z"] > 1 else None,
        t_spacing=None if len(acquired) > 1 else _positive(image.get("time_increment_s")),
        acquired=acquired[t] if len(acquired) == image["size_t"] else None,
        length_c=np.full(count, colors, np.int64),
    )


def _acquired(image: Mapping[str, Any]) -> NDArray[np.float64]:
    """When each timepoint began, s since 1970; the first one alone where nothing is said of the others."""
    extra = image.get("extra") or {}
    times = extra.get("delta_t_s") or extra.get("time_stamps_s") or []
    began = posix(image.get("acquired_at") or "")
    began = began if isfinite(began) else 0.0
    if len(times) == image["size_t"] and all(isinstance(time, int | float) for time in times):
        return np.asarray([time - times[0] + began for time in times], np.float64)
    return np.array([began]) if began and image["size_t"] == 1 else np.empty(0)


def _channels(image: Mapping[str, Any], colors: int) -> tuple[ChannelInfo, ...]:
    objective = image.get("objective") or {}
    optics = {
        "objective": objective.get("model") or None,
        "magnification": _positive(objective.get("nominal_magnification")),
        "numerical_aperture": _positive(objective.get("lens_na")),
    }
    listed = {channel["index"]: channel for channel in image.get("channels") or []}
    channels = []
    for number in range(image["size_c"]):
        channel = listed.get(number, {})
        exposure = _positive(channel.get("exposure_ms"))
        color = str(channel.get("color") or "").removeprefix("#")[:6]
        label = " ".join(str(channel.get("name") or "").split())[:150] or f"channel {number + 1}"
        known = {
            **optics,
            "excitation_nm": _positive(channel.get("excitation_nm")),
            "emission_nm": _positive(channel.get("emission_nm")),
            "exposure_s": exposure / 1000 if exposure is not None else None,
        }
        said = {key: value for key, value in known.items() if value is not None}
        if colors == 1:
            channels.append(
                ChannelInfo(channel_label=label, color=color if len(color) == 6 else None, **said)
            )
        else:
            channels += [
                ChannelInfo(channel_label=f"{label} {name}", color=shade, **said) for name, shade in _COLORS
            ]
    return tuple(channels)


def _findings(file: Path, image: Mapping[str, Any]) -> list[Finding]:
    mosaic = image.get("mosaic") or {}
    if not mosaic.get("stitched_on_read"):
        return []
    tiles = mosaic.get("tile_count")
    message = (
        f"expected tiles, found a mosaic of {tiles} that the reader joins into one field of view: "
        "export the tiles as OME-TIFF where they must stay apart"
    )
    return [Finding("warning", "assumed-value", f"{file}, {_name(image)}", message)]


def _name(image: Mapping[str, Any]) -> str:
    return str(image.get("name") or f"image {image['index'] + 1}").rpartition("/")[2]


def _reader(file: Path) -> Any:
    """The open file: one for all threads, which openreadout allows, and for as long as it is unchanged."""
    try:
        import openreadout
    except ImportError as error:
        msg = f'{file}: expected the package openreadout, found none: run pip install "tiles2zarr[bioimage]"'
        raise MissingExtraError(msg) from error
    try:
        status = os.stat(file)
    except OSError as error:
        raise unreadable(file, error) from error
    key = (str(file), status.st_mtime_ns, status.st_size, os.getpid())
    with _LOCK:
        if key not in _OPEN:
            try:
                _OPEN[key] = openreadout.File(str(file))
            except _damage() as error:
                reason = _one_line(error)
                msg = f"{file}: cannot be read: {reason}: copy it again, or convert it with the vendor's software"
                raise SourceError(msg) from error
            while len(_OPEN) > _MOST_OPEN:
                # Not closed: another thread may be reading from it, and lets go of it afterwards.
                _OPEN.popitem(last=False)
        _OPEN.move_to_end(key)
        return _OPEN[key]


def _damage() -> tuple[type[Exception], ...]:
    """Whatever a damaged file makes openreadout stumble over."""
    from openreadout import OpenReadoutError

    return (OpenReadoutError, OSError, ValueError, MemoryError)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _positive(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and isfinite(value) and value > 0 else None
