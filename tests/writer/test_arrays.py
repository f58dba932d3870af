"""Opening arrays with the pipeline of zarrs, from any number of threads."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import zarr

from tiles2zarr.writer.arrays import open_level

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pipeline(folder: Path) -> str:
    """The class that decodes a new array."""
    zarr.create_array(folder / "0", shape=(8, 8), chunks=(8, 8), dtype="uint8", zarr_format=2)
    return type(open_level(folder, 0).async_array.codec_pipeline).__name__


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
        found = set(pool.map(pipeline, [tmp_path / str(number) for number in range(80)]))
    assert found == {"ZarrsCodecPipeline"}
    assert zarr.config.get("codec_pipeline.path") == before
