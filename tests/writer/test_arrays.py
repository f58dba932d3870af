"""Opening arrays with the pipeline of zarrs, from any number of threads."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

from tiles2zarr.models import AXES, OmeZarrOptions, TileShape
from tiles2zarr.writer.arrays import create_levels, open_level, write_block
from tiles2zarr.writer.grid import UnitIndex, build_grid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GRID = build_grid(TileShape(1, 1, 1, 8, 8), (8, 8), 1, OmeZarrOptions(num_levels=1))


def pipelines(folder: Path) -> set[str]:
    """The classes that encode and decode a new array and the same array opened again."""
    (array,) = create_levels(folder, GRID, AXES, "uint8", OmeZarrOptions())
    return {type(each.async_array.codec_pipeline).__name__ for each in (array, open_level(folder, 0))}


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty_threads")
def test_images_opened_at_the_same_time_do_not_take_the_pipeline_from_each_other(tmp_path: Path) -> None:
    before = zarr.config.get("codec_pipeline.path")
    with ThreadPoolExecutor(8) as pool:
        found = set().union(*pool.map(pipelines, [tmp_path / str(number) for number in range(80)]))
    assert found == {"ZarrsCodecPipeline"}
    assert zarr.config.get("codec_pipeline.path") == before


def test_an_error_of_the_system_keeps_its_number(tmp_path: Path) -> None:
    (array,) = create_levels(tmp_path, GRID, AXES, "uint8", OmeZarrOptions())
    # A file where the folder of the chunk would be.
    (tmp_path / "0" / "0").touch()
    unit = UnitIndex(0, 0, 0, 0, 0)
    with pytest.raises(NotADirectoryError):
        write_block(array, AXES, unit, GRID.extent(0, unit), np.ones((1, 8, 8), np.uint8))
