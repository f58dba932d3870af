"""Where tiles lie on the stage: on the document's pixel grid, moved to where the stage was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stage_positions(
    corners: NDArray[np.float64],
    stage: NDArray[np.float64],
    scenes: NDArray[np.int64],
    planned: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Stage positions of tiles along one axis, µm, in steps of whole pixels within a scene.

    The file says twice where a tile lies: in pixels, which is how its software puts tiles together (after
    stitching, too), and as a stage position, which may be missing or be that of a neighbour. So the pixels give
    the places within a scene, and the median of the differences moves the whole scene to the stage. An axis on
    which the stage counts the other way round is turned, so that positions grow with the pixels.

    Args:
        corners: left or upper edges in the document's pixels, times the pixel size, µm.
        stage: what the sub-blocks say, µm; NaN where they say nothing.
        scenes: the scene of each tile.
        planned: per tile the stage position of its scene's centre, µm; NaN where it is not said.
    """
    sign = _sign(corners, stage, scenes)
    offsets = np.full(len(corners), np.nan)
    for scene in np.unique(scenes):
        rows = scenes == scene
        offsets[rows] = _median(sign * stage[rows] - corners[rows])
    unknown = np.isnan(offsets)
    # Scenes share the document's pixel grid: what moves one to the stage moves the others.
    offsets[unknown] = _median(offsets)
    for scene in np.unique(scenes[np.isnan(offsets)]):
        rows = scenes == scene
        middle = (corners[rows].min() + corners[rows].max()) / 2
        offsets[rows] = _median(planned[rows]) - middle
    return corners + np.where(np.isnan(offsets), 0.0, offsets)


def _sign(corners: NDArray[np.float64], stage: NDArray[np.float64], scenes: NDArray[np.int64]) -> float:
    """1 where the stage counts as the pixels do, -1 where the other way round fits better."""
    spread = {1.0: 0.0, -1.0: 0.0}
    for scene in np.unique(scenes):
        rows = (scenes == scene) & np.isfinite(stage)
        for sign in spread if rows.any() else ():
            differences = sign * stage[rows] - corners[rows]
            spread[sign] += float(np.abs(differences - np.median(differences)).sum())
    return -1.0 if spread[-1.0] < spread[1.0] else 1.0


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
