"""When planes were taken: from one time for each tile of a source to a few for each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.core.tiles import Tiles


class PlaneTimes:
    """The first moment of every channel and timepoint of every field of view of a source."""

    def __init__(self, tiles: Tiles, acquired: NDArray[np.float64] | None) -> None:
        """Gather the moments.

        Args:
            tiles: all tiles of the source.
            acquired: when each was taken, s, NaN where unknown; None: of none it is known.
        """
        times = np.full(len(tiles), np.nan) if acquired is None else acquired
        self._known = np.flatnonzero(np.isfinite(times))
        if len(self._known):
            self._t = np.unique(tiles.t)
            self._channels = int(tiles.c.max()) + 1
            self._fields = len(tiles.fov_names)
            self._places, self._first = _first_of_each(self._place_of(tiles)[self._known], times[self._known])

    def of(self, image: TiledImage[Any, Any]) -> NDArray[np.float64] | None:
        """When the planes of an image were taken, whose tiles were chosen from those of the source.

        Returns:
            a row for each channel and timepoint of which it is known: channel index, time as the tiles have it (s),
            moment of the first of its planes (s); None where there is none.
        """
        if not len(self._known):
            return None
        tiles = image.tiles
        place = self._place_of(tiles)
        row = np.minimum(np.searchsorted(self._places, place), len(self._places) - 1)
        is_known = self._places[row] == place
        if not is_known.any():
            return None
        row, colours = row[is_known], tiles.length_c[is_known]
        t = place[is_known] % len(self._t)
        c = tiles.c[is_known]
        if (colours > 1).any():  # the channels of a colour image are taken at once
            of = np.repeat(np.arange(len(c)), colours)
            c = c[of] + np.arange(len(of)) - np.repeat(np.cumsum(colours) - colours, colours)
            t, row = t[of], row[of]
        both, first = _first_of_each(c * len(self._t) + t, self._first[row])
        return np.stack([(both // len(self._t)).astype(float), self._t[both % len(self._t)], first], axis=1)

    def _place_of(self, tiles: Tiles) -> NDArray[np.int64]:
        """One number for image, field of view, channel and time of each tile."""
        field = tiles.collection * self._fields + tiles.fov
        return (field * self._channels + tiles.c) * len(self._t) + np.searchsorted(self._t, tiles.t)


def _first_of_each(
    places: NDArray[np.int64], times: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The distinct places, sorted, and the earliest time of each."""
    order = np.argsort(places, kind="stable")
    distinct, starts = np.unique(places[order], return_index=True)
    return distinct, np.minimum.reduceat(times[order], starts)
