"""Convert tiled microscopy data to OME-Zarr plates and images, on a laptop or as Fractal tasks.

Everything here is imported from where it lives when it is first asked for: ``import tiles2zarr`` alone costs
nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiles2zarr.converter import (
        Acquisition,
        ImageResult,
        Plan,
        begin,
        convert_image,
        plan,
    )
    from tiles2zarr.core.dataframe import (
        hcs_images_from_dataframe,
        single_images_from_dataframe,
    )
    from tiles2zarr.core.tile import (
        Tile,
    )
    from tiles2zarr.core.tiled_image import (
        TiledImage,
        tiled_image_from_tiles,
    )
    from tiles2zarr.errors import (
        ConversionError,
        Finding,
        ImplausibleExtentError,
        MissingExtraError,
        OptionsError,
        OutputError,
        OutputExistsError,
        PlacementError,
        PreflightError,
        SourceError,
        Tiles2ZarrError,
        UnknownFormatError,
        VerificationError,
    )
    from tiles2zarr.fractal.image_list import (
        ImageListUpdateDict,
    )
    from tiles2zarr.fractal.manifest_models import (
        converters_tools_models,
    )
    from tiles2zarr.fractal.parallelization import (
        ConvertParallelInitArgs,
        generic_compute_task,
        join_url_paths,
        setup_images_for_conversion,
    )
    from tiles2zarr.inspection.differences import (
        ImageDifference,
    )
    from tiles2zarr.inspection.inspect import (
        Inspection,
        inspect,
    )
    from tiles2zarr.inspection.validate import (
        Validation,
        validate,
    )
    from tiles2zarr.models import (
        AcquisitionDetails,
        AcquisitionOptions,
        AttributeType,
        BackendType,
        ChannelInfo,
        ChunkingStrategy,
        ChunkMultipleSharding,
        CollectionInterface,
        Compression,
        ConverterOptions,
        DataTypeEnum,
        DefaultImageLoader,
        ExcludeFilter,
        FilterModel,
        FixedSizeChunking,
        FovBasedChunking,
        Grouping,
        ImageInPlate,
        ImageLoaderInterface,
        ImplementedFilters,
        IncludeFilter,
        MissingTiles,
        NoSharding,
        OffsetRemoval,
        OmeZarrOptions,
        OverlapMode,
        OverwriteMode,
        PixelHeader,
        PixelSizeModel,
        PlaneIndex,
        RangeFilter,
        RegexExcludeFilter,
        RegexIncludeFilter,
        RuntimeOptions,
        ShardingStrategy,
        SingleImage,
        StageOrientation,
        StagePositionCorrections,
        TileShape,
        TilingMode,
        WellExcludeFilter,
        WellIncludeFilter,
        ZOffsetRemoval,
        default_axes_builder,
    )
    from tiles2zarr.pipelines import (
        tiles_aggregation_pipeline,
    )
    from tiles2zarr.runners.local import (
        convert,
    )
    from tiles2zarr.runners.report import (
        ConversionReport,
    )
    from tiles2zarr.version import (
        __version__,
    )

__all__ = [
    "Acquisition",
    "AcquisitionDetails",
    "AcquisitionOptions",
    "AttributeType",
    "BackendType",
    "ChannelInfo",
    "ChunkMultipleSharding",
    "ChunkingStrategy",
    "CollectionInterface",
    "Compression",
    "ConversionError",
    "ConversionReport",
    "ConvertParallelInitArgs",
    "ConverterOptions",
    "DataTypeEnum",
    "DefaultImageLoader",
    "ExcludeFilter",
    "FilterModel",
    "Finding",
    "FixedSizeChunking",
    "FovBasedChunking",
    "Grouping",
    "ImageDifference",
    "ImageInPlate",
    "ImageListUpdateDict",
    "ImageLoaderInterface",
    "ImageResult",
    "ImplausibleExtentError",
    "ImplementedFilters",
    "IncludeFilter",
    "Inspection",
    "MissingExtraError",
    "MissingTiles",
    "NoSharding",
    "OffsetRemoval",
    "OmeZarrOptions",
    "OptionsError",
    "OutputError",
    "OutputExistsError",
    "OverlapMode",
    "OverwriteMode",
    "PixelHeader",
    "PixelSizeModel",
    "PlacementError",
    "Plan",
    "PlaneIndex",
    "PreflightError",
    "RangeFilter",
    "RegexExcludeFilter",
    "RegexIncludeFilter",
    "RuntimeOptions",
    "ShardingStrategy",
    "SingleImage",
    "SourceError",
    "StageOrientation",
    "StagePositionCorrections",
    "Tile",
    "TileShape",
    "TiledImage",
    "Tiles2ZarrError",
    "TilingMode",
    "UnknownFormatError",
    "Validation",
    "VerificationError",
    "WellExcludeFilter",
    "WellIncludeFilter",
    "ZOffsetRemoval",
    "__version__",
    "begin",
    "convert",
    "convert_image",
    "converters_tools_models",
    "default_axes_builder",
    "generic_compute_task",
    "hcs_images_from_dataframe",
    "inspect",
    "join_url_paths",
    "plan",
    "setup_images_for_conversion",
    "single_images_from_dataframe",
    "tiled_image_from_tiles",
    "tiles_aggregation_pipeline",
    "validate",
]

# Where each name lives.
_HOMES = {
    "Acquisition": "tiles2zarr.converter",
    "AcquisitionDetails": "tiles2zarr.models",
    "AcquisitionOptions": "tiles2zarr.models",
    "AttributeType": "tiles2zarr.models",
    "BackendType": "tiles2zarr.models",
    "ChannelInfo": "tiles2zarr.models",
    "ChunkMultipleSharding": "tiles2zarr.models",
    "ChunkingStrategy": "tiles2zarr.models",
    "CollectionInterface": "tiles2zarr.models",
    "Compression": "tiles2zarr.models",
    "ConversionError": "tiles2zarr.errors",
    "ConversionReport": "tiles2zarr.runners.report",
    "ConvertParallelInitArgs": "tiles2zarr.fractal.parallelization",
    "ConverterOptions": "tiles2zarr.models",
    "DataTypeEnum": "tiles2zarr.models",
    "DefaultImageLoader": "tiles2zarr.models",
    "ExcludeFilter": "tiles2zarr.models",
    "FilterModel": "tiles2zarr.models",
    "Finding": "tiles2zarr.errors",
    "FixedSizeChunking": "tiles2zarr.models",
    "FovBasedChunking": "tiles2zarr.models",
    "Grouping": "tiles2zarr.models",
    "ImageDifference": "tiles2zarr.inspection.differences",
    "ImageInPlate": "tiles2zarr.models",
    "ImageListUpdateDict": "tiles2zarr.fractal.image_list",
    "ImageLoaderInterface": "tiles2zarr.models",
    "ImageResult": "tiles2zarr.converter",
    "ImplausibleExtentError": "tiles2zarr.errors",
    "ImplementedFilters": "tiles2zarr.models",
    "IncludeFilter": "tiles2zarr.models",
    "Inspection": "tiles2zarr.inspection.inspect",
    "MissingExtraError": "tiles2zarr.errors",
    "MissingTiles": "tiles2zarr.models",
    "NoSharding": "tiles2zarr.models",
    "OffsetRemoval": "tiles2zarr.models",
    "OmeZarrOptions": "tiles2zarr.models",
    "OptionsError": "tiles2zarr.errors",
    "OutputError": "tiles2zarr.errors",
    "OutputExistsError": "tiles2zarr.errors",
    "OverlapMode": "tiles2zarr.models",
    "OverwriteMode": "tiles2zarr.models",
    "PixelHeader": "tiles2zarr.models",
    "PixelSizeModel": "tiles2zarr.models",
    "PlacementError": "tiles2zarr.errors",
    "Plan": "tiles2zarr.converter",
    "PlaneIndex": "tiles2zarr.models",
    "PreflightError": "tiles2zarr.errors",
    "RangeFilter": "tiles2zarr.models",
    "RegexExcludeFilter": "tiles2zarr.models",
    "RegexIncludeFilter": "tiles2zarr.models",
    "RuntimeOptions": "tiles2zarr.models",
    "ShardingStrategy": "tiles2zarr.models",
    "SingleImage": "tiles2zarr.models",
    "SourceError": "tiles2zarr.errors",
    "StageOrientation": "tiles2zarr.models",
    "StagePositionCorrections": "tiles2zarr.models",
    "Tile": "tiles2zarr.core.tile",
    "TileShape": "tiles2zarr.models",
    "TiledImage": "tiles2zarr.core.tiled_image",
    "Tiles2ZarrError": "tiles2zarr.errors",
    "TilingMode": "tiles2zarr.models",
    "UnknownFormatError": "tiles2zarr.errors",
    "Validation": "tiles2zarr.inspection.validate",
    "VerificationError": "tiles2zarr.errors",
    "WellExcludeFilter": "tiles2zarr.models",
    "WellIncludeFilter": "tiles2zarr.models",
    "ZOffsetRemoval": "tiles2zarr.models",
    "__version__": "tiles2zarr.version",
    "begin": "tiles2zarr.converter",
    "convert": "tiles2zarr.runners.local",
    "convert_image": "tiles2zarr.converter",
    "converters_tools_models": "tiles2zarr.fractal.manifest_models",
    "default_axes_builder": "tiles2zarr.models",
    "generic_compute_task": "tiles2zarr.fractal.parallelization",
    "hcs_images_from_dataframe": "tiles2zarr.core.dataframe",
    "inspect": "tiles2zarr.inspection.inspect",
    "join_url_paths": "tiles2zarr.fractal.parallelization",
    "plan": "tiles2zarr.converter",
    "setup_images_for_conversion": "tiles2zarr.fractal.parallelization",
    "single_images_from_dataframe": "tiles2zarr.core.dataframe",
    "tiled_image_from_tiles": "tiles2zarr.core.tiled_image",
    "tiles_aggregation_pipeline": "tiles2zarr.pipelines",
    "validate": "tiles2zarr.inspection.validate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
