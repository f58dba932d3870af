"""The options of a conversion: one document for the command line, Python, options files and Fractal."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from tiles2zarr.models.acquisition import (
    AcquisitionDetails,
    ChannelInfo,
    DataTypeEnum,
    StageOrientation,
    ordered_axes,
)
from tiles2zarr.models.filters import ImplementedFilters
from tiles2zarr.models.values import Spacing, Value


class TilingMode(StrEnum):
    """How stage positions become pixel offsets."""

    AUTO = "Auto"
    SNAP_TO_GRID = "Snap to Grid"
    SNAP_TO_CORNERS = "Snap to Corners"
    INPLACE = "Inplace"


class Grouping(StrEnum):
    """What becomes one image: all fields of view of a well, or each one by itself."""

    MOSAIC = "Mosaic"
    PER_FOV = "Per-FOV"


class OverlapMode(StrEnum):
    """What is kept where tiles overlap: the last or first tile, the rounded mean, or the largest value."""

    LAST = "Last"
    FIRST = "First"
    MEAN = "Mean"
    MAXIMUM = "Maximum"


class MissingTiles(StrEnum):
    """What to do about planes that ought to be there: refuse, or fill and record them."""

    FAIL = "Fail"
    FILL = "Fill"


class OverwriteMode(StrEnum):
    """What to do about images of this run that exist already."""

    NO_OVERWRITE = "No Overwrite"
    OVERWRITE = "Overwrite"
    EXTEND = "Extend"


class BackendType(StrEnum):
    """How tables are stored."""

    CSV = "csv"
    ANNDATA = "anndata"


class Compression(StrEnum):
    """How chunks are compressed."""

    BLOSC_LZ4 = "blosc-lz4"
    ZSTD = "zstd"
    NONE = "none"


class OffsetRemoval(StrEnum):
    """Whether an axis starts at zero: keep the stage's origin as a translation, or drop it."""

    KEEP = "Keep"
    GLOBAL = "Global"


class ZOffsetRemoval(StrEnum):
    """Whether z starts at zero: keep the stage's origin, drop it for the image, or per field of view.

    The last is for autofocus, which starts each field of view at a height of its own.
    """

    KEEP = "Keep"
    GLOBAL = "Global"
    PER_FOV = "Per-FOV"


def _text(value: object) -> object:
    """A version as text, also where JSON or TOML read it as a number."""
    return str(value) if isinstance(value, float) else value


def _yes_no(value: object) -> object:
    """True and False mean "Global" and "Keep", as in older converters."""
    return {True: "Global", False: "Keep"}[value] if isinstance(value, bool) else value


class StagePositionCorrections(Value):
    """What is removed from stage positions before they become pixels.

    Attributes:
        remove_xy_offset: ``Global`` starts the image at 0, 0; ``Keep`` records the stage's origin as the
            image's translation.
        remove_z_offset: as for X and Y; ``Per-FOV`` starts every field of view at plane 0 (autofocus).
        remove_t_offset: as for X and Y.
        remove_xy_jitter: all tiles of a field of view take the position of its first one.
    """

    model_config = ConfigDict(title="Stage position corrections")

    remove_xy_offset: Annotated[OffsetRemoval, BeforeValidator(_yes_no)] = OffsetRemoval.GLOBAL
    remove_z_offset: Annotated[ZOffsetRemoval, BeforeValidator(_yes_no)] = ZOffsetRemoval.GLOBAL
    remove_t_offset: Annotated[OffsetRemoval, BeforeValidator(_yes_no)] = OffsetRemoval.GLOBAL
    remove_xy_jitter: bool = True


class FovBasedChunking(Value):
    """Chunks as large as a field of view, times a factor.

    Attributes:
        xy_scaling: factor on the field of view's height and width.
        z_chunk: z-planes in a chunk; None: as many (at most 10) as keep a chunk within 32 MiB uncompressed.
    """

    model_config = ConfigDict(title="Same as FOV")

    mode: Literal["Same as FOV"] = "Same as FOV"
    xy_scaling: Literal[0.25, 0.5, 1, 2, 4] = 1  # type: ignore[valid-type] # a form shows it as a list of choices
    z_chunk: Annotated[int, Field(ge=1)] | None = None


class FixedSizeChunking(Value):
    """Chunks of a fixed size.

    Attributes:
        xy_chunk: height and width, px.
        z_chunk: z-planes in a chunk; None: as many (at most 10) as keep a chunk within 32 MiB uncompressed.
    """

    model_config = ConfigDict(title="Fixed Size")

    mode: Literal["Fixed Size"] = "Fixed Size"
    xy_chunk: Annotated[int, Field(ge=1, le=65536)] = 2048
    z_chunk: Annotated[int, Field(ge=1)] | None = None


ChunkingStrategy = Annotated[FovBasedChunking | FixedSizeChunking, Field(discriminator="mode")]


class NoSharding(Value):
    """Every chunk is a file."""

    model_config = ConfigDict(title="None")

    mode: Literal["None"] = "None"


class ChunkMultipleSharding(Value):
    """Several chunks in one file (NGFF 0.5 only).

    Attributes:
        xy_factor: chunks of a shard along each of y and x.
        z_factor: chunks of a shard along z.
    """

    model_config = ConfigDict(title="Multiple of Chunks")

    mode: Literal["Multiple of Chunks"] = "Multiple of Chunks"
    xy_factor: Annotated[int, Field(ge=1, le=64)] = 4
    z_factor: Annotated[int, Field(ge=1, le=64)] = 1


ShardingStrategy = Annotated[NoSharding | ChunkMultipleSharding, Field(discriminator="mode")]


class OmeZarrOptions(Value):
    """How the OME-Zarr is written.

    Attributes:
        ngff_version: 0.4 (Zarr v2, what most tools read) or 0.5 (Zarr v3, needed for shards).
        num_levels: resolution levels, each half as wide and high as the one before; fewer where one would
            have no pixel left.
        downsampling: rounded mean of 2 x 2 pixels; z, c and t are kept.
        chunks: size of a chunk.
        shards: chunks in one file.
        compression: codec of the chunks.
        compression_level: 0 to 9 for Blosc-lz4, 1 to 22 for zstd; None: 5 and 3.
        table_backend: how tables are stored.
    """

    model_config = ConfigDict(title="OME-Zarr options")

    ngff_version: Annotated[Literal["0.4", "0.5"], BeforeValidator(_text)] = "0.4"
    num_levels: Annotated[int, Field(ge=1, le=20)] = 5
    downsampling: Literal["mean"] = "mean"
    chunks: ChunkingStrategy = FovBasedChunking()
    shards: ShardingStrategy = NoSharding()
    compression: Compression = Compression.BLOSC_LZ4
    compression_level: Annotated[int, Field(ge=0, le=22)] | None = None
    table_backend: BackendType = BackendType.CSV

    @model_validator(mode="after")
    def _consistent(self) -> OmeZarrOptions:
        if self.ngff_version == "0.4" and isinstance(self.shards, ChunkMultipleSharding):
            msg = "shards need ngff_version 0.5: Zarr v2 has none"
            raise ValueError(msg)
        if self.compression is Compression.BLOSC_LZ4 and (self.compression_level or 0) > 9:
            msg = f"compression_level {self.compression_level}: blosc-lz4 takes 0 to 9"
            raise ValueError(msg)
        if self.compression is Compression.ZSTD and self.compression_level == 0:
            msg = "compression_level 0: zstd takes 1 to 22"
            raise ValueError(msg)
        return self


class RuntimeOptions(Value):
    """How the work is done; nothing here changes the result.

    Attributes:
        memory_limit_gib: peak memory of one process, GiB; it decides how many threads and cached tiles there
            can be.
        threads: threads of one process; None: as many as the process may use cores.
        verify: before an image is published, read it back and compare every pixel of every level with its source.
    """

    model_config = ConfigDict(title="Runtime")

    memory_limit_gib: Annotated[float, Field(gt=0.1, le=4096)] = 2.0
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    verify: bool = False


class PixelSizeModel(Value):
    """Pixel sizes that replace what the source says; what is left empty is kept.

    Attributes:
        pixelsize: edge of a pixel in X and Y, µm.
        z_spacing: distance of two z-planes, µm.
        t_spacing: time between two timepoints, s.
    """

    model_config = ConfigDict(title="Pixel size")

    pixelsize: Spacing | None = None
    z_spacing: Spacing | None = None
    t_spacing: Spacing | None = None


def _axes_in_order(axes: str) -> str:
    if axes:  # a form sends an empty text for a field that nobody filled in
        ordered_axes(axes)
    return axes


class AcquisitionOptions(Value):
    """What a user replaces of what the source says about an acquisition.

    Attributes:
        channels: names, wavelengths and colours, in channel order.
        pixel_info: pixel size and spacings.
        condition_table_path: CSV file that says what was done to which well.
        axes: such as ``czyx``.
        data_type: pixel type of the output.
        stage_orientation: how the stage's axes lie against the image's.
        filters: which tiles are converted; all of them must let a tile pass.
    """

    model_config = ConfigDict(title="Acquisition options")

    channels: tuple[ChannelInfo, ...] | None = None
    pixel_info: PixelSizeModel | None = None
    condition_table_path: str | None = None
    axes: Annotated[str, AfterValidator(_axes_in_order)] | None = None
    data_type: DataTypeEnum = DataTypeEnum.AUTODETECT
    stage_orientation: StageOrientation = StageOrientation()
    filters: tuple[ImplementedFilters, ...] = ()

    def update_acquisition_details(self, acquisition_details: AcquisitionDetails) -> AcquisitionDetails:
        """A copy of the details with everything that was set here.

        >>> options = AcquisitionOptions(pixel_info=PixelSizeModel(pixelsize=0.325))
        >>> options.update_acquisition_details(AcquisitionDetails(z_spacing=5)).z_spacing
        5.0
        """
        changes: dict[str, Any] = {}
        if self.channels:  # a form sends an empty list for a list that nobody filled in
            changes["channels"] = self.channels
        if self.pixel_info is not None:
            changes |= self.pixel_info.model_dump(exclude_none=True)
            if self.pixel_info.pixelsize is not None:
                changes["pixelsize_y"] = None
        if self.condition_table_path:
            changes["condition_table_path"] = self.condition_table_path
        if self.axes:
            changes["axes"] = self.axes
        if self.data_type is not DataTypeEnum.AUTODETECT:
            changes["data_type"] = self.data_type
        if self.stage_orientation != StageOrientation():
            changes["stage_orientation"] = self.stage_orientation
        return AcquisitionDetails.model_validate({**dict(acquisition_details), **changes})


class ConverterOptions(Value):
    """The options of a conversion.

    Attributes:
        tiling_mode: how stage positions become pixel offsets.
        tiling_tolerance: how far, px, a position may lie from a grid node or a neighbour's edge and still be
            snapped to it.
        max_displacement: largest distance, µm, that a field of view may be moved from its stage position;
            None: any, but reported.
        grouping: one image per well, or per field of view.
        overlap_mode: which pixel is kept where tiles overlap.
        missing_tiles: refuse gaps, or fill and record them.
        alignment_correction: what is removed from stage positions.
        omezarr_options: how the OME-Zarr is written.
        runtime: how the work is done; no part of the result.
        acquisition: what replaces the source's own account of the acquisition.
    """

    model_config = ConfigDict(title="Converter options")

    tiling_mode: TilingMode = TilingMode.AUTO
    tiling_tolerance: Annotated[float, Field(ge=0, le=10000, allow_inf_nan=False)] = 1.0
    max_displacement: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    grouping: Grouping = Grouping.MOSAIC
    overlap_mode: OverlapMode = OverlapMode.LAST
    missing_tiles: MissingTiles = MissingTiles.FAIL
    alignment_correction: StagePositionCorrections = StagePositionCorrections()
    omezarr_options: OmeZarrOptions = OmeZarrOptions()
    runtime: RuntimeOptions = RuntimeOptions()
    acquisition: AcquisitionOptions = AcquisitionOptions()
