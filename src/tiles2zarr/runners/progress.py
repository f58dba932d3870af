"""What a run tells about itself while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tiles2zarr.converter import ImageResult, Plan


class Progress(Protocol):
    """Hears of a run. Calls come from any thread."""

    def planning(self) -> None:
        """The sources are being looked at."""

    def started(self, plan: Plan) -> None:
        """The conversion begins."""

    def advanced(self, pixels: int) -> None:
        """So many more pixels of level 0 are written."""

    def finished(self, result: ImageResult) -> None:
        """An image is done, one way or the other."""


class Silent:
    """Tells nobody."""

    def planning(self) -> None:
        """Say nothing."""

    def started(self, plan: Plan) -> None:
        """Say nothing."""

    def advanced(self, pixels: int) -> None:
        """Say nothing."""

    def finished(self, result: ImageResult) -> None:
        """Say nothing."""
