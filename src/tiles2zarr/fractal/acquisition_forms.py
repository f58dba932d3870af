"""What a task's web form asks of each acquisition: only what the data cannot say themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from tiles2zarr.models.values import Value

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AcquisitionNumber = Annotated[int, Field(ge=0, le=9999)]
_RUNS = "The runs of the instrument to convert; those of one plate name become one plate's acquisitions."


class SourceForm(Value):
    """What an instrument left behind."""

    model_config = ConfigDict(title="Acquisition")

    path: str = Field(
        title="Folder or file",
        description=(
            "Folder or file that the instrument left behind, as the server sees it. "
            "Example: /data/experiment_7/plate_1"
        ),
        examples=["/data/experiment_7/plate_1"],
        min_length=1,
    )


class AcquisitionForm(SourceForm):
    """One run of the instrument."""

    plate_name: str | None = Field(
        default=None,
        title="Plate name",
        description="Name of the plate, without .zarr. Empty: the folder's name. Example: plate_1",
        examples=["plate_1"],
    )
    acquisition_id: AcquisitionNumber | None = Field(
        default=None,
        title="Acquisition number",
        description=(
            "Number of this run of the instrument (multiplexing cycle), 0 to 9999. "
            "Empty: 0, 1, 2 … for the acquisitions of each plate, in the order of this list."
        ),
    )


PixelSize = Annotated[
    PositiveFloat | None,
    Field(
        title="Pixel size (µm)",
        description=(
            "Edge of a pixel in X and Y, in micrometres, above 0. Empty: what the source says. Example: 0.325"
        ),
    ),
]
ZSpacing = Annotated[
    PositiveFloat | None,
    Field(
        title="Z spacing (µm)",
        description=(
            "Distance of two z-planes, in micrometres, above 0. Empty: what the source says. Example: 2.0"
        ),
    ),
]
TSpacing = Annotated[
    PositiveFloat | None,
    Field(
        title="Time between timepoints (s)",
        description="In seconds, above 0. Empty: what the source says. Example: 60",
    ),
]


class ImageFilesForm(SourceForm):
    """Files that hold images of their own."""

    model_config = ConfigDict(title="Images")

    pixelsize: PixelSize = None
    z_spacing: ZSpacing = None
    t_spacing: TSpacing = None


Wells = Annotated[
    tuple[str, ...],
    Field(title="Only these wells", description="Wells to convert, such as A01 or B12. No entry: all wells."),
]
ConditionTable = Annotated[
    str | None,
    Field(
        title="Condition table",
        description=(
            "CSV file that says what was done to which well, absolute or relative to the folder. "
            "Empty: none, unless the source names one. Example: conditions.csv"
        ),
        examples=["conditions.csv"],
    ),
]


class PlateAcquisitionForm(AcquisitionForm):
    """One run of the instrument over a plate."""

    wells: Wells = ()
    condition_table_path: ConditionTable = None


class PlateSpacingForm(AcquisitionForm):
    """One run over a plate, of an instrument that may not say how large a pixel is."""

    pixelsize: PixelSize = None
    z_spacing: ZSpacing = None
    t_spacing: TSpacing = None
    wells: Wells = ()
    condition_table_path: ConditionTable = None


class PlateTableForm(PlateSpacingForm):
    """One run of the instrument over a plate, described by a table."""

    path: str = Field(
        title="Folder or table",
        description=(
            "Folder that holds tiles.csv or tiles.parquet, or the path of such a table, "
            "as the server sees it. Example: /data/experiment_7/plate_1"
        ),
        examples=["/data/experiment_7/plate_1"],
        min_length=1,
    )


class ImageTableForm(AcquisitionForm):
    """One run of the instrument over single images, described by a table."""

    path: str = Field(
        title="Folder or table",
        description=(
            "Folder that holds tiles.csv or tiles.parquet, or the path of such a table, "
            "as the server sees it. Example: /data/experiment_7/slide_1"
        ),
        examples=["/data/experiment_7/slide_1"],
        min_length=1,
    )
    plate_name: str | None = Field(
        default=None,
        title="Image name",
        description=(
            "Name of the image of a table without the column image_path, without .zarr. "
            "Empty: the folder's name. Example: slide_1"
        ),
        examples=["slide_1"],
    )
    acquisition_id: AcquisitionNumber | None = Field(
        default=None,
        title="Acquisition number",
        description=(
            "Where the table has the column acquisition: which of its acquisitions to convert, 0 to 9999. "
            "Empty: 0."
        ),
    )
    pixelsize: PixelSize = None
    z_spacing: ZSpacing = None
    t_spacing: TSpacing = None


PlateAcquisitions = Annotated[
    list[PlateAcquisitionForm], Field(min_length=1, title="Acquisitions", description=_RUNS)
]
PlateOrImageAcquisitions = Annotated[
    list[PlateSpacingForm], Field(min_length=1, title="Acquisitions", description=_RUNS)
]
ImageFiles = Annotated[
    list[ImageFilesForm],
    Field(min_length=1, title="Images", description="The files and folders to convert."),
]
PlateTables = Annotated[list[PlateTableForm], Field(min_length=1, title="Acquisitions", description=_RUNS)]
ImageTables = Annotated[
    list[ImageTableForm],
    Field(min_length=1, title="Acquisitions", description="The runs of the instrument to convert."),
]
