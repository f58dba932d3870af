"""What differs between a store and what it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiles2zarr.writer.groups import read_ngff

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tiles2zarr.writer.comparison import Difference


@dataclass(frozen=True, slots=True)
class ImageDifference:
    """What differs in an image.

    Attributes:
        image: its folder.
        level: of the pyramid; None: the image as a whole.
        chunk: the chunk's (or shard's) file below the level; None: the level as a whole.
        tile: the tile that the first wrong pixel comes from; None where none is known.
        kind: see `tiles2zarr.writer.comparison.Difference`; ``missing-image``: the source has it, the store
            does not; ``different-metadata``: it lists its levels otherwise than they lie.
    """

    image: str
    level: int | None
    chunk: str | None
    tile: str | None
    kind: str


def listed_otherwise(image: Path) -> list[ImageDifference]:
    """Whether an image of ours lists other levels than it has, or in another order: readers would take them so."""
    levels = sum(entry.name.isdecimal() for entry in image.iterdir())
    multiscales = read_ngff(image).get("multiscales") or [{}]
    listed = [dataset.get("path") for dataset in multiscales[0].get("datasets", ())]
    if listed == [str(level) for level in range(levels)]:
        return []
    return [ImageDifference(str(image), None, None, None, "different-metadata")]


def of_image(image: Path, differences: Iterable[Difference]) -> list[ImageDifference]:
    """The differences of one image."""
    return [
        ImageDifference(str(image), found.level, found.chunk, found.tile, found.kind) for found in differences
    ]
