"""What the package exports: nothing goes, comes or moves unnoticed."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tiles2zarr
import tiles2zarr.fractal

if TYPE_CHECKING:
    from types import ModuleType

MEMBERS = """
    Acquisition AcquisitionDetails AcquisitionOptions AttributeType BackendType ChannelInfo
    ChunkMultipleSharding ChunkingStrategy CollectionInterface Compression ConversionError
    ConversionReport ConvertParallelInitArgs ConverterOptions DataTypeEnum DefaultImageLoader
    ExcludeFilter FilterModel Finding FixedSizeChunking FovBasedChunking Grouping ImageInPlate
    ImageDifference ImageListUpdateDict ImageLoaderInterface ImageResult ImplausibleExtentError ImplementedFilters
    IncludeFilter Inspection MissingExtraError MissingTiles NoSharding OffsetRemoval OmeZarrOptions
    OptionsError OutputError OutputExistsError OverlapMode OverwriteMode PixelHeader PixelSizeModel
    PlacementError Plan PlaneIndex PreflightError RangeFilter RegexExcludeFilter RegexIncludeFilter
    RuntimeOptions ShardingStrategy SingleImage SourceError StageOrientation
    StagePositionCorrections Tile TileShape TiledImage Tiles2ZarrError TilingMode UnknownFormatError
    Validation VerificationError
    WellExcludeFilter WellIncludeFilter ZOffsetRemoval __version__ begin convert convert_image
    converters_tools_models default_axes_builder generic_compute_task hcs_images_from_dataframe
    inspect join_url_paths plan setup_images_for_conversion single_images_from_dataframe
    tiled_image_from_tiles tiles_aggregation_pipeline validate
""".split()
FRACTAL_MEMBERS = """
    AcquisitionOptions ConvertParallelInitArgs ImageListUpdate ImageListUpdateDict PixelSizeModel
    build_parallelization_list converters_tools_models generic_compute_task join_url_paths
    setup_images_for_conversion
""".split()
MODULES = [(tiles2zarr, MEMBERS), (tiles2zarr.fractal, FRACTAL_MEMBERS)]


def typed_imports(module: ModuleType) -> dict[str, str]:
    """Name and module of everything that type checkers see imported."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


@pytest.mark.parametrize(("module", "members"), MODULES)
def test_the_exported_members_are_these(module: ModuleType, members: list[str]) -> None:
    assert sorted(module.__all__) == sorted(members)
    assert set(members) <= set(dir(module))


@pytest.mark.parametrize(("module", "members"), MODULES)
def test_every_member_is_the_thing_of_that_name_where_type_checkers_find_it(
    module: ModuleType, members: list[str]
) -> None:
    homes = typed_imports(module)
    assert sorted(homes) == sorted(members)
    for name, home in homes.items():
        assert getattr(module, name) is getattr(import_module(home), name)


@pytest.mark.parametrize(("module", "members"), MODULES)
def test_a_name_that_is_not_there_is_an_attribute_error(module: ModuleType, members: list[str]) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'writer_mode'"):
        module.writer_mode  # noqa: B018


def test_a_star_import_gives_all_members() -> None:
    names: dict[str, object] = {}
    exec("from tiles2zarr import *", names)
    assert set(MEMBERS) <= set(names)
