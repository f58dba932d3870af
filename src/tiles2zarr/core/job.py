"""The job of converting one image: everything a process needs to know, as a value that survives JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c

from tiles2zarr.core.tiled_image import TiledImage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tiles2zarr.models import CollectionInterface, ConverterOptions, ImageLoaderInterface, OverwriteMode


@dataclass(frozen=True, slots=True)
class DeclaredGap:
    """A plane that the source says was never acquired.

    Attributes:
        fov_name: the field of view.
        c: channel index.
        z: position, µm.
        t: time, s.
        reason: why, in a few words.
    """

    fov_name: str
    c: int
    z: float
    t: float
    reason: str


@dataclass(frozen=True, slots=True)
class ImageJob:
    """One image to convert.

    Attributes:
        image: its tiles.
        zarr_url: where it will be: an absolute path.
        options: how it is converted.
        mode: what to do about an image that is there already.
        resource: what the tiles' loaders are given.
        format: name of the source's format; empty when the tiles come from somebody's own code.
        unused_channels: channels that no image of the acquisition has.
        declared_gaps: planes that the source says were never acquired.
    """

    image: TiledImage[Any, Any]
    zarr_url: str
    options: ConverterOptions
    mode: OverwriteMode
    resource: Any | None = None
    format: str = ""
    unused_channels: tuple[int, ...] = ()
    declared_gaps: tuple[DeclaredGap, ...] = ()

    @property
    def target(self) -> Path:
        """The image's folder."""
        return Path(self.zarr_url)

    def fingerprint(self) -> str:
        """A digest of the tiles, their source files and the options: equal for jobs with equal results.

        It does not depend on the mode, on how the work is done, nor on where source and destination are.
        """
        image = self.image.document() | {"windows": None, "data_type": None}
        parts = [image, recorded_options(self.options), self.source_digest()]
        return crc32c_of(parts)

    def source_digest(self) -> str:
        """A digest of size and time of change of every source file; files that are gone count as empty."""
        loaders = self.image.tiles.loaders
        files = dict.fromkeys(loaders[row].source_file(self.resource) for row in range(len(loaders)))
        return crc32c_of([_state(file) for file in files if file is not None])

    def document(self) -> dict[str, Any]:
        """The job as a JSON document, without options and mode, which travel beside it."""
        return {
            "image": self.image.document(),
            "resource": str(self.resource) if self.resource is not None else None,
            "format": self.format,
            "unused_channels": self.unused_channels,
            "declared_gaps": [[gap.fov_name, gap.c, gap.z, gap.t, gap.reason] for gap in self.declared_gaps],
        }

    @classmethod
    def from_document(
        cls,
        document: Mapping[str, Any],
        *,
        zarr_url: str,
        options: ConverterOptions,
        mode: OverwriteMode,
        collection_type: type[CollectionInterface],
        image_loader_type: type[ImageLoaderInterface],
    ) -> ImageJob:
        """The job of a JSON document."""
        return cls(
            image=TiledImage.from_document(document["image"], collection_type, image_loader_type),
            zarr_url=zarr_url,
            options=options,
            mode=mode,
            resource=document["resource"],
            format=document["format"],
            unused_channels=tuple(document["unused_channels"]),
            declared_gaps=tuple(DeclaredGap(*gap) for gap in document["declared_gaps"]),
        )

    def with_image(self, image: TiledImage[Any, Any]) -> ImageJob:
        """The same job for an image of which more is known."""
        return replace(self, image=image)


def recorded_options(options: ConverterOptions) -> dict[str, Any]:
    """The options that shape the result, as a JSON document."""
    return options.model_dump(mode="json", exclude={"runtime"})


def crc32c_of(document: Sequence[Any] | Mapping[str, Any]) -> str:
    """The CRC-32C of a JSON document, eight hexadecimal digits."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return f"{google_crc32c.value(text.encode()):08x}"


def _state(file: Path) -> tuple[int, int]:
    try:
        state = file.stat()
    except OSError:
        return (0, 0)
    return (state.st_size, state.st_mtime_ns)
