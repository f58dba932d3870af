"""OME-XML in columns: what instruments and Bio-Formats have written since 2012 (schemas 2013-06 to 2016-06)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tiles2zarr.errors import Finding
    from tiles2zarr.sources.ome_xml.values import Length


@dataclass(frozen=True, slots=True)
class OmeChannel:
    """A channel; of colour images one for all of its colours.

    Attributes:
        name: empty where there is none.
        color: ``RRGGBB``.
        excitation_nm: nm.
        emission_nm: nm.
        samples: values per pixel: 3 for red, green, blue.
    """

    name: str
    color: str | None
    excitation_nm: float | None
    emission_nm: float | None
    samples: int


@dataclass(frozen=True, slots=True)
class OmeObjective:
    """An objective: its name, magnification and numerical aperture, as far as they are stated."""

    name: str | None
    magnification: float | None
    numerical_aperture: float | None


@dataclass(frozen=True, slots=True)
class OmeImage:
    """An image: one field of view, of five dimensions.

    Attributes:
        id: unique within the document.
        name: empty where there is none.
        acquired: when it was begun, s since 1970, NaN where unknown.
        order: of the pages: the letters Z, C, T, fastest first.
        sizes: planes along Z, C and T; C counts the values of colours one by one.
        height: px.
        width: px.
        pixelsize: width of a pixel, µm.
        pixelsize_y: height of a pixel, µm.
        z_spacing: µm.
        time_increment: s.
        channels: in order.
        stage: X and Y of its stage label.
        objective: what it was taken with.
        holds_pixels: its pixels stand in the document itself, as text.
    """

    id: str
    name: str
    acquired: float
    order: str
    sizes: tuple[int, int, int]
    height: int
    width: int
    pixelsize: float | None
    pixelsize_y: float | None
    z_spacing: float | None
    time_increment: float | None
    channels: tuple[OmeChannel, ...]
    stage: tuple[Length, Length]
    objective: OmeObjective | None
    holds_pixels: bool


@dataclass(frozen=True, slots=True)
class OmeSample:
    """A field of a well: identity, image, and position relative to something that OME leaves open."""

    id: str
    image_id: str | None
    x: Length
    y: Length


@dataclass(frozen=True, slots=True)
class OmeWell:
    """A well: 0-based row and column, and its fields in order."""

    row: int
    column: int
    samples: tuple[OmeSample, ...]


@dataclass(frozen=True, slots=True)
class OmePlate:
    """A plate.

    Attributes:
        name: empty where there is none.
        wells: those that are listed.
        acquisitions: per run of the instrument the identities of its samples.
    """

    name: str
    wells: tuple[OmeWell, ...]
    acquisitions: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class OmeFile:
    """A file that holds pages: name and identity, each empty where it is not stated."""

    name: str
    uuid: str


@dataclass(frozen=True, slots=True, eq=False)
class OmeXml:
    """A document.

    Attributes:
        where: what messages call it.
        uuid: its identity, or that of the TIFF it stands in; empty where it has none.
        creator: the software that wrote it.
        metadata_file: where a TIFF that says nothing itself (BinaryOnly) says that its metadata are.
        metadata_uuid: the identity of that file.
        images: in order.
        plates: in order.
        files: that the pages are in.
        pages: TiffData elements, one row each: image, first page (-1: not stated), Z, C, T of its plane, number of
            pages (-1: not stated), index into `files` (-1: the TIFF that the document stands in).
        planes: Plane elements, one row each: image, Z, C, T.
        plane_values: of each plane: X, Y, Z of the stage, s since the start, exposure s; NaN where not stated.
        plane_kinds: what the units of X, Y, Z say (see `values`).
        findings: units that nobody knows.
    """

    where: str
    uuid: str
    creator: str
    metadata_file: str
    metadata_uuid: str
    images: tuple[OmeImage, ...]
    plates: tuple[OmePlate, ...]
    files: tuple[OmeFile, ...]
    pages: NDArray[np.int64]
    planes: NDArray[np.int64]
    plane_values: NDArray[np.float64]
    plane_kinds: NDArray[np.int8]
    findings: tuple[Finding, ...]
