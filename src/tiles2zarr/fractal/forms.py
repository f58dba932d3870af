"""What a task's web form asks for: a short, flat choice of the options; a file may hold the rest.

A field's title, description, unit and range are what the user sees. Nothing here is nullable that is not a
number or a text, since a form cannot unset a choice.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from tiles2zarr.models import (
    Compression,
    DataTypeEnum,
    Grouping,
    MissingTiles,
    OffsetRemoval,
    OverlapMode,
    OverwriteMode,
    TilingMode,
    ZOffsetRemoval,
)
from tiles2zarr.models.values import Value


class AdvancedForm(Value):
    """Choices that are seldom needed."""

    model_config = ConfigDict(title="Advanced")

    tiling_tolerance: Annotated[float, Field(ge=0, le=10000, allow_inf_nan=False)] = Field(
        default=1.0,
        title="Tiling tolerance (px)",
        description=(
            "How far, in pixels, a field of view may lie from a grid node or a neighbour's edge "
            "and still be snapped to it, 0 to 10000."
        ),
    )
    max_displacement: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None,
        title="Largest displacement (µm)",
        description=(
            "Refuse to move a field of view further than this from its stage position, in micrometres, "
            "0 or more. Empty: no limit, every move is reported."
        ),
    )
    overlap_mode: OverlapMode = Field(
        default=OverlapMode.LAST,
        title="Where tiles overlap",
        description="Which pixel is kept: of the last or first tile, the rounded mean, or the largest.",
    )
    remove_xy_jitter: bool = Field(
        default=True,
        title="Remove XY jitter",
        description="All tiles of a field of view take the stage position of its first one.",
    )
    remove_xy_offset: OffsetRemoval = Field(
        default=OffsetRemoval.GLOBAL,
        title="XY offset",
        description="Global: the image starts at 0, 0. Keep: the stage's origin becomes a translation.",
    )
    remove_z_offset: ZOffsetRemoval = Field(
        default=ZOffsetRemoval.GLOBAL,
        title="Z offset",
        description="As for XY; Per-FOV: every field of view starts at plane 0 (autofocus).",
    )
    data_type: DataTypeEnum = Field(
        default=DataTypeEnum.AUTODETECT,
        title="Pixel type",
        description="Type of the output's pixels. autodetect: the one type that all tiles share.",
    )
    num_levels: Annotated[int, Field(ge=1, le=20)] = Field(
        default=5,
        title="Resolution levels",
        description="Levels of the pyramid, each half as wide and high as the one before, 1 to 20.",
    )
    chunk_xy: Annotated[int, Field(ge=1, le=65536)] | None = Field(
        default=None,
        title="Chunk edge (px)",
        description=(
            "Height and width of a chunk, in pixels, 1 to 65536. "
            "Empty: as large as a field of view. Example: 2048"
        ),
    )
    chunk_z: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        title="Z-planes in a chunk",
        description="1 or more. Empty: as many (at most 10) as keep a chunk within 32 MiB uncompressed.",
    )
    shard_xy: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None,
        title="Chunks in a shard, along X and Y",
        description=(
            "Several chunks share a file, 1 to 64 along each axis; needs OME-Zarr version 0.5. "
            "Empty: 1, or no shards where Z is empty, too."
        ),
    )
    shard_z: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None,
        title="Chunks in a shard, along Z",
        description=(
            "1 to 64; needs OME-Zarr version 0.5. Empty: 1, or no shards where X and Y is empty, too."
        ),
    )
    compression: Compression = Field(
        default=Compression.BLOSC_LZ4,
        title="Compression",
        description="How chunks are compressed: blosc-lz4 is fast, zstd is small.",
    )
    memory_limit_gib: Annotated[float, Field(gt=0.1, le=4096)] = Field(
        default=2.0,
        title="Memory limit (GiB)",
        description=(
            "Peak memory for the image in work, in GiB, above 0.1, at most 4096. "
            "Stay 1 GiB or more below the memory that the server gives to this task."
        ),
    )
    verify: bool = Field(
        default=False,
        title="Verify",
        description="Read every image back and compare every pixel with its source before it is published.",
    )


class TableAdvancedForm(AdvancedForm):
    """Choices that are seldom needed, for tables of tiles."""

    model_config = ConfigDict(title="Advanced")

    allow_outside: bool = Field(
        default=False,
        title="Files outside the folder",
        description="The table may name image files that lie outside its folder.",
    )


#: What the advanced block holds when nobody opens it.
STANDARD = AdvancedForm()
STANDARD_TABLE = TableAdvancedForm()

ZarrDir = Annotated[
    str, Field(title="Output folder", description="Absolute path of the folder that gets plates or images.")
]
ExistingImages = Annotated[
    OverwriteMode,
    Field(
        title="Existing images",
        description=(
            "If an image of this run is there already. No Overwrite: stop before anything is written. "
            "Extend: keep what is complete and do the rest. Overwrite: replace exactly this run's images."
        ),
    ),
]
Tiling = Annotated[
    TilingMode,
    Field(
        title="Tiling",
        description=(
            "How stage positions become pixels. Auto: a grid if one fits, else corners. "
            "Inplace: exactly where the stage was."
        ),
    ),
]
Groups = Annotated[
    Grouping,
    Field(title="Grouping", description="Mosaic: one image per well. Per-FOV: one image per field of view."),
]
Missing = Annotated[
    MissingTiles,
    Field(
        title="Missing tiles",
        description="Fail: stop, and list every gap. Fill: leave gaps black, and record them in a table.",
    ),
]
NgffVersion = Annotated[
    Literal["0.4", "0.5"],
    Field(
        title="OME-Zarr version",
        description="0.4 (Zarr v2) is what most tasks read; 0.5 (Zarr v3) is needed for shards.",
    ),
]
Advanced = Annotated[AdvancedForm, Field(title="Advanced", description="Choices that are seldom needed.")]
TableAdvanced = Annotated[
    TableAdvancedForm, Field(title="Advanced", description="Choices that are seldom needed.")
]
OptionsFile = Annotated[
    str | None,
    Field(
        title="Options file",
        description=(
            "JSON or TOML file, as for tiles2zarr convert --options, for everything this form does not ask. "
            "What the form leaves at its default is taken from the file; what it changes wins over the file. "
            "Example: /data/experiment_7/options.toml"
        ),
        examples=["/data/experiment_7/options.toml"],
    ),
]
