"""The memory limit is kept by whole processes, as the system counts their memory, and costs no pixel."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from dev.benchmarks.measuring import Command, measured, program
from dev.benchmarks.programs.simulated import SIDE, STEPS, fields_along, pixels
from tests import reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="how much an allocator keeps is known of Linux only"
)
WINDOW = 64  # px


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """A folder that does not outlive the test: pytest keeps the others for its next three runs."""
    yield tmp_path / "out"
    shutil.rmtree(tmp_path / "out", ignore_errors=True)


@pytest.mark.parametrize(
    ("gigabytes", "fields", "runtime"),
    [
        pytest.param(0.8, "touching", {"memory_limit_gib": 0.25}, id="the smallest limit"),
        pytest.param(0.4, "touching", {"memory_limit_gib": 0.35, "threads": 4}, id="four threads"),
        pytest.param(0.4, "overlapping", {"memory_limit_gib": 0.3}, id="tiles that several chunks need"),
        pytest.param(0.4, "touching", {"memory_limit_gib": 0.25, "verify": True}, id="verified"),
    ],
)
def test_an_image_larger_than_the_memory_limit_is_converted_within_it(
    gigabytes: float, fields: str, runtime: dict[str, Any], out: Path
) -> None:
    options = json.dumps({"runtime": runtime})

    run = measured(Command((sys.executable, program("simulated"), str(out), str(gigabytes), fields, options)))

    assert run.peak_mb <= runtime["memory_limit_gib"] * 1024
    assert run.said["bytes_in"] > runtime["memory_limit_gib"] * 2**30
    along, step = fields_along(gigabytes), STEPS[fields]
    levels = [zarr.open_array(out / "image.zarr" / str(level), mode="r") for level in (0, 1)]
    extent = step * (along - 1) + SIDE
    assert levels[0].shape[-2:] == (extent, extent)
    for top, left in corners_to_look_at(along, step, extent):
        expected = window_of(top, left, along, step)
        np.testing.assert_array_equal(window_on_disk(levels[0], top, left, WINDOW), expected)
        halved = window_on_disk(levels[1], top // 2, left // 2, WINDOW // 2)
        np.testing.assert_array_equal(halved, reference.halved(expected))


def corners_to_look_at(along: int, step: int, extent: int) -> list[tuple[int, int]]:
    """The image's corners, places where four fields of view or four chunks meet, and some anywhere."""
    rng = np.random.default_rng(0)
    meeting = [edge - WINDOW // 2 for edge in (step, SIDE, 2 * SIDE, step * (along - 1))]
    edges = [0, *meeting, extent - WINDOW]
    anywhere = [(int(top), int(left)) for top, left in rng.integers(0, (extent - WINDOW) // 2, (10, 2)) * 2]
    return [(top, left) for top in edges for left in edges] + anywhere


def window_of(top: int, left: int, along: int, step: int) -> NDArray[Any]:
    """The pixels of a window, pixel by pixel from the last field of view that lies there."""
    window = np.empty((WINDOW, WINDOW), np.uint16)
    rows, columns = (np.minimum((start + np.arange(WINDOW)) // step, along - 1) for start in (top, left))
    for row in np.unique(rows):
        for column in np.unique(columns):
            inside_y = top + np.flatnonzero(rows == row) - row * step
            inside_x = left + np.flatnonzero(columns == column) - column * step
            part = pixels(int(row * along + column), np.ix_(inside_y, inside_x))
            window[np.ix_(rows == row, columns == column)] = part
    return window


def window_on_disk(level: zarr.Array[Any], top: int, left: int, side: int) -> NDArray[Any]:
    """The pixels of a square of a stored level, axes y, x."""
    return np.squeeze(np.asarray(level[..., top : top + side, left : left + side]))
