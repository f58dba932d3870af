"""The models that a converter's own task may put into its form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiles2zarr import models

if TYPE_CHECKING:
    from tiles2zarr.models.values import Value

_MODELS: tuple[type[Value], ...] = (
    models.AcquisitionOptions,
    models.ChannelInfo,
    models.PixelSizeModel,
    models.StageOrientation,
    models.RegexIncludeFilter,
    models.RegexExcludeFilter,
    models.IncludeFilter,
    models.ExcludeFilter,
    models.WellIncludeFilter,
    models.WellExcludeFilter,
    models.RangeFilter,
    models.ConverterOptions,
    models.StagePositionCorrections,
    models.OmeZarrOptions,
    models.FovBasedChunking,
    models.FixedSizeChunking,
    models.NoSharding,
    models.ChunkMultipleSharding,
    models.RuntimeOptions,
)


def converters_tools_models(base: str = "tiles2zarr") -> list[tuple[str, str, str]]:
    """The models of this package that a task's arguments may hold.

    Args:
        base: the package's import name.

    Returns:
        for each model the package, the path of its module below the package, and its name.

    >>> converters_tools_models()[0]
    ('tiles2zarr', 'models/options.py', 'AcquisitionOptions')
    """
    root = "tiles2zarr."
    return [
        (base, f"{model.__module__.removeprefix(root).replace('.', '/')}.py", model.__name__)
        for model in _MODELS
    ]
