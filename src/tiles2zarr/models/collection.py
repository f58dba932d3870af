"""Where an image belongs: alone, in a well of a plate, or in a collection of somebody's own."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from tiles2zarr.models.values import PathPart, path_part

_ROW = re.compile(r"[A-Z]{1,2}")
_WELL = re.compile(r"([A-Za-z]{1,2})0*([1-9][0-9]{0,2})")


def row_name(index: int) -> str:
    """The letters of a row, 0 being A, 25 Z, 26 AA and 31 AF (the last row of a 1536-well plate).

    >>> row_name(0), row_name(25), row_name(26), row_name(31)
    ('A', 'Z', 'AA', 'AF')
    """
    if not 0 <= index < 702:
        msg = f"row number {index + 1}: expected 1 (A) to 702 (ZZ)"
        raise ValueError(msg)
    first, last = divmod(index, 26)
    return (chr(64 + first) if first else "") + chr(65 + last)


def row_index(name: str) -> int:
    """The index of a row's letters, A being 0.

    >>> row_index("AF")
    31
    """
    index = 0
    for letter in name:
        index = index * 26 + ord(letter) - 64
    return index - 1


def well_name(text: str) -> str:
    """A well as it is written everywhere, from how people write it.

    Raises:
        ValueError: it is no well: letters A to ZZ, then a column from 1 to 999.

    >>> well_name("a1"), well_name("AF012")
    ('A01', 'AF12')
    """
    match = _WELL.fullmatch(text.strip())
    if match is None:
        msg = f"well {text[:80]!r}: expected letters from A to ZZ and a column from 1 to 999, such as A01"
        raise ValueError(msg)
    return f"{match[1].upper()}{int(match[2]):02d}"


def _row(name: str) -> str:
    if not _ROW.fullmatch(name):
        msg = f"row {name!r}: expected letters from A to ZZ"
        raise ValueError(msg)
    return name


def _image_path(path: str) -> str:
    *folders, _ = path.split("/")
    for part in path.split("/"):
        path_part(part)
    if any(folder.endswith(".zarr") for folder in folders):
        msg = f"image path {path!r}: expected folders that are no images themselves, found one that ends in .zarr"
        raise ValueError(msg)
    return path.removesuffix(".zarr")


class CollectionInterface(BaseModel, ABC):
    """Where an image goes. A converter of your own may add a kind: subclass it and say the path.

    >>> class Slide(CollectionInterface):
    ...     slide: str
    ...     def path(self) -> str:
    ...         return f"slides/{self.slide}.zarr"
    >>> Slide(slide="7").path()
    'slides/7.zarr'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @abstractmethod
    def path(self) -> str:
        """The image's path below the destination folder, with ``/`` between its parts."""

    def attributes(self) -> dict[str, str | int]:
        """What Fractal's image list says of the image; none by default."""
        return {}


class SingleImage(CollectionInterface):
    """An image of its own: ``{image_path}.zarr``.

    Attributes:
        image_path: name, or folders and name with ``/`` between, without ``.zarr``.
    """

    image_path: Annotated[str, AfterValidator(_image_path)]

    def path(self) -> str:
        """``{image_path}.zarr``."""
        return f"{self.image_path}.zarr"


class ImageInPlate(CollectionInterface):
    """An image of a well: ``{plate_name}.zarr/{row}/{column:02d}/{acquisition}{projection}``.

    Attributes:
        plate_name: name of the plate, without ``.zarr``.
        row: letters, A to ZZ.
        column: 1-based.
        acquisition: 0-based number of the run of the instrument (a multiplexing cycle).
        projection: what the instrument made of the z-planes, in small letters, where an acquisition holds that
            beside the planes themselves: ``maximum``, ``mean`` …; empty for the planes.

    >>> ImageInPlate(plate_name="p", row="A", column=1, projection="maximum").path()
    'p.zarr/A/01/0maximum'
    """

    plate_name: PathPart
    row: Annotated[str, AfterValidator(_row)]
    column: Annotated[int, Field(ge=1, le=999)]
    acquisition: Annotated[int, Field(ge=0, le=9999)] = 0
    projection: Annotated[str, StringConstraints(pattern=r"^[a-z]{0,20}$")] = ""

    @property
    def plate_path(self) -> str:
        """The plate's path below the destination folder."""
        return f"{self.plate_name.removesuffix('.zarr')}.zarr"

    @property
    def well(self) -> str:
        """The well as people write it, such as ``A01``."""
        return f"{self.row}{self.column:02d}"

    @property
    def well_path(self) -> str:
        """The well's path below the plate."""
        return f"{self.row}/{self.column:02d}"

    def path(self) -> str:
        """``{plate_name}.zarr/{row}/{column:02d}/{acquisition}{projection}``."""
        return f"{self.plate_path}/{self.well_path}/{self.acquisition}{self.projection}"

    def attributes(self) -> dict[str, str | int]:
        """``plate``, ``well`` and ``acquisition``; of a projection also ``projection``."""
        found: dict[str, str | int] = {
            "plate": self.plate_path,
            "well": self.well,
            "acquisition": self.acquisition,
        }
        return {**found, "projection": self.projection} if self.projection else found


CollectionInterfaceType = TypeVar("CollectionInterfaceType", bound=CollectionInterface)
