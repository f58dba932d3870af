"""The tile: what a source can load in one read, with its place."""

from __future__ import annotations

from typing import Annotated, Generic

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny

from tiles2zarr.models import AcquisitionDetails, CollectionInterfaceType, ImageLoaderInterfaceType, TileShape

Finite = Annotated[float, Field(allow_inf_nan=False)]
Scalar = str | int | float | bool | None


def _as_lists(attributes: object) -> object:
    """A single value stands for a list of one."""
    if isinstance(attributes, dict):
        return {name: value if isinstance(value, list) else [value] for name, value in attributes.items()}
    return attributes


class Tile(BaseModel, Generic[CollectionInterfaceType, ImageLoaderInterfaceType]):
    """The smallest thing the source can load in one read, and where it belongs; it may hold several planes.

    Attributes:
        fov_name: the field of view; all its tiles share X and Y.
        start_x: stage position of the left edge, µm.
        start_y: stage position of the upper edge, µm, growing downwards.
        start_z: position of the first z-plane, µm.
        start_c: index of the first channel.
        start_t: time of the first timepoint, s.
        length_x: width, px.
        length_y: height, px.
        length_z: number of z-planes.
        length_c: number of channels.
        length_t: number of timepoints.
        attributes: further facts of the tile, a list of values each; they become the image's attributes.
        collection: the image the tile belongs to.
        image_loader: fetches the pixels.
        acquisition_details: what all tiles of the acquisition share.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fov_name: Annotated[str, Field(min_length=1)]
    start_x: Finite
    start_y: Finite
    start_z: Finite = 0.0
    start_c: Annotated[int, Field(ge=0)] = 0
    start_t: Finite = 0.0
    length_x: Annotated[int, Field(gt=0)]
    length_y: Annotated[int, Field(gt=0)]
    length_z: Annotated[int, Field(gt=0)] = 1
    length_c: Annotated[int, Field(gt=0)] = 1
    length_t: Annotated[int, Field(gt=0)] = 1
    attributes: Annotated[dict[str, list[Scalar]], BeforeValidator(_as_lists)] = Field(default_factory=dict)
    collection: SerializeAsAny[CollectionInterfaceType]
    image_loader: SerializeAsAny[ImageLoaderInterfaceType]
    acquisition_details: AcquisitionDetails

    @property
    def shape(self) -> TileShape:
        """The tile's extent, axes t, c, z, y, x."""
        return TileShape(self.length_t, self.length_c, self.length_z, self.length_y, self.length_x)
