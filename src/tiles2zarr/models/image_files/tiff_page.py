"""What is in one page of a TIFF, and whether its data can be there."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from math import prod
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

    from tiles2zarr.models.image_files.opened import OpenImage

_REDUCED_OR_MASK = 0b101
# Bytes of one value of each type that a tag may have.
_TYPE_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_PRIVATE_TAGS = 32768  # from here on vendors write what they like, and some write places that are none
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_JPEG = frozenset({6, 7, 33007, 34892})
_TILE_WIDTH = 322
_UIC2 = 33629  # MetaMorph's tag with one entry per plane

# Tags that decide what the pixels are: 254-259, 262, 266 fill order, 273-279 strips, 284 planar, 317
# predictor, 322-325 tiles, 338 extra samples, 339 sample format, 347 JPEG tables, 530 subsampling,
# 32997-32998 depth.
_DECISIVE_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284}
    | {317, 322, 323, 324, 325, 338, 339, 347, 530, 32997, 32998}
)

# The smallest values that make sense, of what tifffile reads from tags without looking at it.
_LEAST = {
    **dict.fromkeys(("compression", "photometric", "tilewidth", "tilelength"), 0),
    **dict.fromkeys(("imagelength", "imagewidth", "imagedepth", "tiledepth", "samplesperpixel"), 1),
    **dict.fromkeys(("predictor", "planarconfig", "fillorder"), 1),
}

# Codecs of black and white, and the kinds of pixels (numpy's letters) that each predictor is defined for.
_FAX = frozenset({2, 3, 4})
_PREDICTED_KINDS = {1: "biuf", 2: "iuf", 3: "f", 34892: "iu", 34893: "iu", 34894: "f", 34895: "f"}

# How many times its input each codec can expand at most; the others have no useful limit.
_EXPANSION = {5: 2600, 8: 1100, 32946: 1100, 32773: 65, 34926: 45_000, 50000: 45_000}


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixels of one page.

    Attributes:
        height: rows, px.
        width: columns, px.
        samples: values per pixel.
        planar: whether the samples are stored one plane behind the other.
        dtype: in native byte order.
    """

    height: int
    width: int
    samples: int
    planar: bool
    dtype: np.dtype[Any]

    @property
    def count(self) -> int:
        """Values of one plane."""
        return self.height * self.width * self.samples

    @property
    def nbytes(self) -> int:
        """Bytes of one plane in memory."""
        return self.count * self.dtype.itemsize

    def fit(self, target: NDArray[Any]) -> bool:
        """Whether an array (axes y, x) can take them as they are."""
        right = target.shape == (self.height, self.width) and target.dtype == self.dtype
        return right and self.samples == 1 and target.flags.c_contiguous

    def described(self) -> str:
        """What has to be the same for all planes of a file."""
        return f"{self.height} x {self.width} px, {self.samples} samples, {self.dtype.name}"

    def stored(self, tif: TiffFile) -> np.dtype[Any]:
        """The type in the byte order of the file."""
        return self.dtype.newbyteorder(tif.byteorder)

    def with_samples_last(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values of a plane with axes y, x and, for colours, sample."""
        if self.samples == 1:
            return values.reshape(self.height, self.width)
        if self.planar:
            planes = values.reshape(self.samples, self.height, self.width)
            return np.ascontiguousarray(np.moveaxis(planes, 0, -1))
        return values.reshape(self.height, self.width, self.samples)


@dataclass(frozen=True, slots=True)
class TiffDirectory:
    """A page as the file lists it.

    Attributes:
        page: the page as tifffile reads it.
        codes: all tags that the file lists, also those that tifffile skipped as unreadable.
        after: place (bytes) of the next page in the file, 0 behind the last.
        end: where (bytes) the values of its standard tags end, as far as they lie elsewhere in the file.
    """

    page: TiffPage
    codes: frozenset[int]
    after: int
    end: int

    @classmethod
    def of(cls, file: OpenImage, tif: TiffFile, page: TiffPage) -> TiffDirectory:
        """Read the list once more."""
        layout = tif.tiff
        (count,) = struct.unpack(layout.tagnoformat, file.bytes_at(page.offset, layout.tagnosize))
        listed = count * layout.tagsize
        data = file.bytes_at(page.offset + layout.tagnosize, listed + layout.offsetsize)
        number = layout.offsetformat[-1]
        tags = list(struct.iter_unpack(f"{layout.byteorder}HH{number}{number}", data[:listed]))
        (after,) = struct.unpack(layout.offsetformat, data[listed:])
        sizes = ((code, _TYPE_SIZES.get(kind, 0) * count, place) for code, kind, count, place in tags)
        ends = (
            place + size for code, size, place in sizes if code < _PRIVATE_TAGS and size > layout.offsetsize
        )
        return cls(page, frozenset(tag[0] for tag in tags), after, max(ends, default=0))


def is_aside(page: TiffPage) -> bool:
    """Whether the page is flagged as a reduced copy or a mask of another one."""
    return bool(page.subfiletype & _REDUCED_OR_MASK)


def check_page(file: OpenImage, directory: TiffDirectory) -> Pixels:
    """What is in a page, once all that can be told without decoding is known to be sound.

    Raises:
        SourceError: a tag is unreadable, the pixels are of a kind that is not supported, or data are missing.
    """
    page = directory.page
    lost = (_DECISIVE_TAGS & directory.codes).difference(page.tags.keys())
    if lost:
        msg = f"tag {min(lost)} of page {page.index} cannot be read"
        raise file.error(f"{msg}: truncated or damaged, copy it again")
    if directory.end > file.size:
        raise file.truncated(directory.end)
    pixels = _pixels(file, page)
    _check_colors(file, page)
    _check_segments(file, page, pixels)
    return pixels


def stacked_planes(file: OpenImage, tif: TiffFile, pixels: Pixels) -> int:
    """How many planes the only page of a file stands for.

    ImageJ (beyond 4 GB), MetaMorph (STK) and tifffile (if told to) write one page header, and the planes
    behind each other.

    Raises:
        SourceError: the file is too short for as many planes as its description says.
    """
    page = tif.pages.first
    with file.reading("its description"):
        planes = _described_planes(tif, page, pixels)
    if planes == 1 or not page.is_final:
        return 1
    end = page.dataoffsets[0] + planes * pixels.nbytes
    if end > file.size:
        msg = f"its description says {planes} planes ({end} bytes), found {file.size} bytes"
        raise file.error(f"{msg}: truncated, or the description is of another file; copy it again")
    return planes


def _described_planes(tif: TiffFile, page: TiffPage, pixels: Pixels) -> int:
    lengths: list[Any] = [1]
    if _UIC2 in page.tags:
        lengths = [page.tags[_UIC2].count]
    elif page.is_imagej:
        said = tif.imagej_metadata or {}
        lengths = [said.get(key, 1) for key in ("frames", "slices", "channels")]
        if lengths[-1] == pixels.samples:
            lengths[-1] = 1  # some writers call the samples of a colour image channels
        if lengths == [1, 1, 1]:
            lengths = [said.get("images", 1)]
    elif page.shaped_description and '"truncated": true' in page.shaped_description:
        lengths = [prod(json.loads(page.shaped_description)["shape"]) // pixels.count]
    planes = prod(length if type(length) is int else 1 for length in lengths)
    return max(1, planes)


def _pixels(file: OpenImage, page: TiffPage) -> Pixels:
    tiled = _TILE_WIDTH in page.tags
    segments = {"tilewidth": 1, "tilelength": 1} if tiled else {"rowsperstrip": 1}
    for name, least in (_LEAST | segments).items():
        value = getattr(page, name)
        if not isinstance(value, int) or value < least:
            raise file.error(f"expected {name} of at least {least}, found {value!r:.80}: the file is damaged")
    for name in ("planarconfig", "fillorder"):
        if (value := getattr(page, name)) not in (1, 2):
            raise file.error(f"expected {name} 1 or 2, found {value!r:.80}: the file is damaged")
    if page.imagedepth != 1 or page.tiledepth != 1:
        raise file.error("expected planes, found a volume in one page: save one page per plane")
    if page.is_lsm:
        raise file.error("expected a TIFF, found a Zeiss LSM file: export it as OME-TIFF")
    if page.dtype is None or not isinstance(page.bitspersample, int):
        found = f"{page.bitspersample!r:.40} bits, sample format {int(page.sampleformat)}"
        raise file.error(f"expected pixels of 1 to 64 bit integers or floats, found {found}: convert it")
    planar = page.planarconfig == 2 and page.samplesperpixel > 1
    pixels = Pixels(page.imagelength, page.imagewidth, page.samplesperpixel, planar, page.dtype)
    file.header(1, pixels.height, pixels.width, pixels.samples, pixels.dtype)
    return pixels


def _check_colors(file: OpenImage, page: TiffPage) -> None:
    kind, samples = page.photometric, page.samplesperpixel
    if kind == _PALETTE and samples == 1:
        with file.reading("its palette"):
            colormap = page.colormap
        if not _is_tint(colormap):
            raise file.error("expected grey or RGB pixels, found palette colours: save it as grey or RGB")
    elif not (
        (kind in (_MIN_IS_WHITE, _MIN_IS_BLACK) and samples == 1)
        or (kind == _RGB and samples > 1)
        or (kind == _YCBCR and samples == 3 and page.compression in _JPEG)
    ):
        found = f"{samples} samples of kind {getattr(kind, 'name', kind)}"
        raise file.error(f"expected grey, RGB or RGBA pixels, found {found}: save it as one of these")


def _is_tint(colormap: object) -> bool:
    """Whether a palette (colours by indices) shows its index as brightness of one hue."""
    if not isinstance(colormap, np.ndarray) or colormap.ndim != 2 or len(colormap) != 3:
        return False
    colors = colormap.astype(np.float64)
    ramp = np.linspace(0, 1, colors.shape[1])
    off = np.abs(colors - colors[:, -1:] * ramp)
    rounding = 257  # one step of 8 bits, which many writers scale to the 16 bits of a palette
    return bool(colors.any() and (off <= rounding).all())


def _check_segments(file: OpenImage, page: TiffPage, pixels: Pixels) -> None:
    """Strips or tiles: all listed, within the file, and enough for the pixels that are claimed."""
    segments = prod(page.chunked)
    offsets, counts = page.dataoffsets[:segments], page.databytecounts[:segments]
    if not offsets or min(len(offsets), len(counts)) < segments:
        found = f"{len(offsets)} offsets, {len(counts)} byte counts"
        raise file.error(f"expected {segments} strips or tiles, found {found}: damaged or never finished")
    if {*map(type, offsets), *map(type, counts)} != {int}:
        raise file.error(f"page {page.index} does not say where its data are: the file is damaged")
    if min(offsets) < 8 or min(counts) < 1:
        raise file.error(f"page {page.index} has strips or tiles without data: the file was never finished")
    end = max(map(add, offsets, counts))
    if end > file.size:
        raise file.truncated(end)
    if page.compression == 1 and page.predictor != 1:
        # libtiff ignores it, others apply it: whichever is chosen may be wrong.
        raise file.error("expected no predictor on uncompressed pixels, found one: save it again compressed")
    if page.compression == 1:
        rows, width = (segments * page.tilelength, page.tilewidth) if page.is_tiled else _lines(pixels)
        line = width * (1 if pixels.planar else pixels.samples) * int(page.bitspersample)
        file.check_claim(rows * ((line + 7) // 8), sum(counts))
    else:
        _check_codec(file, page, pixels)
        padded = segments * prod(page.chunks) * pixels.dtype.itemsize if page.is_tiled else pixels.nbytes
        file.check_claim(padded, sum(counts) * _EXPANSION.get(page.compression, padded))
    if page.is_stk and tuple(map(add, offsets, counts))[:-1] != offsets[1:]:
        # tifffile takes it on faith that the strips of MetaMorph files follow each other.
        page.is_contiguous = page.is_final = False


def _lines(pixels: Pixels) -> tuple[int, int]:
    """Number and width (px) of the lines of pixels that strips hold."""
    return pixels.height * (pixels.samples if pixels.planar else 1), pixels.width


def _check_codec(file: OpenImage, page: TiffPage, pixels: Pixels) -> None:
    """Whether compression and predictor are known, and made for such pixels."""
    from tifffile import TIFF

    name = getattr(page.compression, "name", page.compression)
    if page.compression not in TIFF.DECOMPRESSORS:
        raise file.error(f"its compression {name!s:.40} cannot be read: save it with another")
    if page.compression in _FAX and page.bitspersample != 1:
        raise file.error(
            f"expected pixels of 1 bit, since they are stored as fax ({name}): the file is damaged"
        )
    kinds = _PREDICTED_KINDS.get(page.predictor, "")
    if pixels.dtype.kind not in kinds:
        found = f"predictor {page.predictor:d} for pixels of {pixels.dtype.name}"
        raise file.error(f"expected a predictor that fits its pixels, found {found}: the file is damaged")
