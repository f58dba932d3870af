"""What holds for all tiles of one acquisition: pixel sizes, channels, axes, pixel type, stage orientation."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from tiles2zarr.models.values import Spacing, Value

Axis = Literal["t", "c", "z", "y", "x"]
#: One value or several of one kind per tile: what a column of a tiles table becomes.
AttributeType = list[str | None] | list[int | None] | list[float | None] | list[bool | None]

#: Fields of `AcquisitionDetails` that an instrument's records may be averaged for.
Measured = Literal["z_spacing", "t_spacing", "channels"]

AXES: tuple[Axis, ...] = ("t", "c", "z", "y", "x")


class DataTypeEnum(StrEnum):
    """Pixel type of the output; ``autodetect`` takes the one type that all tiles share."""

    AUTODETECT = "autodetect"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ChannelInfo(Value):
    """Name, wavelength and display colour of one channel.

    Attributes:
        channel_label: the name shown to people; unique within an acquisition.
        wavelength_id: a stable name that tasks can select the channel by, such as ``A01_C01`` or ``488``.
        color: display colour as six hexadecimal digits ``RRGGBB``; a leading ``#`` is accepted.
        window: display range (start, end) in pixel values; None samples it from the data.
        excitation_nm: wavelength of the light that excites, nm.
        emission_nm: wavelength of the light that is recorded, nm.
        exposure_s: exposure time, s.
        z_offset: how far the channel's planes lie above those of the other channels, µm.
        objective: name of the objective.
        magnification: of the objective.
        numerical_aperture: of the objective.
    """

    model_config = ConfigDict(title="Channel")

    channel_label: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    wavelength_id: str | None = None
    color: Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{6}$")] | None = None
    window: tuple[Finite, Finite] | None = None
    excitation_nm: Positive | None = None
    emission_nm: Positive | None = None
    exposure_s: Positive | None = None
    z_offset: Finite | None = None
    objective: str | None = None
    magnification: Positive | None = None
    numerical_aperture: Positive | None = None

    @model_validator(mode="after")
    def _ordered_window(self) -> ChannelInfo:
        if self.window is not None and self.window[0] >= self.window[1]:
            msg = f"window {list(self.window)}: expected the start below the end"
            raise ValueError(msg)
        return self

    def __init__(self, **data: Any) -> None:
        """Accept ``#RRGGBB`` for ``RRGGBB``."""
        color = data.get("color")
        if isinstance(color, str):
            data["color"] = color.removeprefix("#").upper()
        super().__init__(**data)


class StageOrientation(Value):
    """How the stage's axes lie against the image's: applied to positions, never to pixels.

    The axes are swapped first, then flipped.

    Attributes:
        flip_x: the stage counts X from right to left.
        flip_y: the stage counts Y upwards.
        swap_xy: the stage's X is the image's Y.
    """

    model_config = ConfigDict(title="Stage orientation")

    flip_x: bool = Field(default=False, title="Flip X", description="The stage counts X from right to left.")
    flip_y: bool = Field(default=False, title="Flip Y", description="The stage counts Y upwards.")
    swap_xy: bool = Field(default=False, title="Swap X and Y", description="The stage's X is the image's Y.")


def default_axes_builder(is_time_series: bool) -> list[Axis]:
    """The axes of an image: ``tczyx`` for a time series, ``czyx`` for any other.

    >>> default_axes_builder(is_time_series=False)
    ['c', 'z', 'y', 'x']
    """
    return list(AXES if is_time_series else AXES[1:])


def ordered_axes(axes: object) -> object:
    """Axes given as a word or a list, as a tuple.

    Raises:
        ValueError: they are in another order, or lack y or x.
    """
    if isinstance(axes, str | list | tuple):
        if tuple(axes) != tuple(axis for axis in AXES if axis in axes) or not {"y", "x"} <= set(axes):
            msg = f"axes {''.join(map(str, axes))!r}: expected some of t, c, z in this order, then y and x"
            raise ValueError(msg)
        return tuple(axes)
    return axes


class AcquisitionDetails(Value):
    """What all tiles of one acquisition share.

    Attributes:
        pixelsize: edge of a pixel in X and Y, µm (``xy_pixel_size`` is accepted for it).
        pixelsize_y: height of a pixel, µm, where pixels are not square; None: as `pixelsize`.
        z_spacing: distance of two z-planes, µm.
        t_spacing: time between two timepoints, s.
        channels: one per channel index, in order; None: named ``channel_0``, ``channel_1`` …
        axes: some of t, c, z in this order, then y and x; None: czyx, and tczyx where there are several
            timepoints.
        data_type: pixel type of the output; ``autodetect`` takes the one type that all tiles share, mixed
            types are an error.
        condition_table_path: a CSV file whose rows say what was done to which well; relative to the source's
            folder.
        stage_orientation: applied to the positions once, when tiles become an image.
        registered: positions are those of a mosaic that somebody registered already, in whole pixels: tiling ``Auto``
            leaves tiles where they are.
        measured: names of the fields that follow from what the instrument measured over all wells, so that they
            may change a little when wells are added; nobody stated them.
    """

    pixelsize: Spacing = 1.0
    pixelsize_y: Spacing | None = None
    z_spacing: Spacing = 1.0
    t_spacing: Spacing = 1.0
    channels: tuple[ChannelInfo, ...] | None = None
    axes: Annotated[tuple[Axis, ...], BeforeValidator(ordered_axes)] | None = None
    data_type: DataTypeEnum = DataTypeEnum.AUTODETECT
    condition_table_path: str | None = None
    stage_orientation: StageOrientation = StageOrientation()
    registered: bool = False
    measured: tuple[Measured, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, data: object) -> object:
        if isinstance(data, Mapping) and "xy_pixel_size" in data:
            if "pixelsize" in data:
                msg = "xy_pixel_size and pixelsize mean the same: give one of them"
                raise ValueError(msg)
            return {"pixelsize" if name == "xy_pixel_size" else name: value for name, value in data.items()}
        return data

    @property
    def xy_pixel_size(self) -> float:
        """Another name of `pixelsize`, µm."""
        return self.pixelsize

    @property
    def pixel_height(self) -> float:
        """Height of a pixel, µm: `pixelsize_y` where it was given."""
        return self.pixelsize if self.pixelsize_y is None else self.pixelsize_y
