"""The job of converting one image: everything a process needs to know, as a value that survives JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import google_crc32c
import numpy as np

from tiles2zarr.core.tiled_image import TiledImage
from tiles2zarr.models import ImageInPlate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.models import CollectionInterface, ConverterOptions, ImageLoaderInterface, OverwriteMode


_SHAPELESS = frozenset({"acquisition", "missing_tiles", "max_displacement", "grouping"})


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


class PlaneRun(NamedTuple):
    """A run of z-planes of one channel and timepoint.

    Attributes:
        c: channel index.
        t: timepoint.
        z_start: first z-plane.
        z_stop: the z-plane behind the last one.
    """

    c: int
    t: int
    z_start: int
    z_stop: int


class Request(NamedTuple):
    """What a source was asked for, as far as its images' names depend on it.

    Attributes:
        plate_name: name of the plate that somebody gave; None where nobody did.
        acquisition_id: number of the run of the instrument.
    """

    plate_name: str | None
    acquisition_id: int


class VendorFile(NamedTuple):
    """A file of the vendor's metadata, to be kept.

    Attributes:
        source: where it is: an absolute path.
        target: what it is called where it is kept: a relative path with ``/``.
    """

    source: str
    target: str


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
        never: planes that the acquisition never took; None where nothing is known of its other images.
        declared_gaps: planes that the source says were never acquired.
        lost: rows of the tiles whose files were gone when the run was planned; they are filled.
        request: what the source was asked for; None when the tiles come from somebody's own code.
        metadata_files: the vendor's own metadata; in a plate they are kept once, by init.
        acquired: when its planes were taken, see `PlaneTimes.of`; only for whoever writes the OME-XML.
        ome_xml: the OME-XML of an image of its own; None where it is not made, or where its plate has it.
    """

    image: TiledImage[Any, Any]
    zarr_url: str
    options: ConverterOptions
    mode: OverwriteMode
    resource: Any | None = None
    format: str = ""
    never: tuple[PlaneRun, ...] | None = None
    declared_gaps: tuple[DeclaredGap, ...] = ()
    lost: tuple[int, ...] = ()
    request: Request | None = None
    metadata_files: tuple[VendorFile, ...] = ()
    acquired: NDArray[np.float64] | None = field(default=None, compare=False)
    ome_xml: str | None = None

    @property
    def target(self) -> Path:
        """The image's folder."""
        return Path(self.zarr_url)

    @property
    def present(self) -> TiledImage[Any, Any]:
        """The image without the tiles whose files were gone when the run was planned."""
        return replace(self.image, tiles=self.image.tiles.take(~self.is_lost())) if self.lost else self.image

    def is_lost(self) -> NDArray[np.bool_]:
        """For each tile whether its file was gone when the run was planned."""
        lost = np.zeros(len(self.image.tiles), bool)
        lost[list(self.lost)] = True
        return lost

    def fingerprint(self, sources: str | None = None) -> str:
        """A digest of the tiles, their source files and the options: equal for jobs with equal results.

        It does not depend on the mode, on how the work is done, on which other tiles were left out, nor on where
        source and destination are.

        Args:
            sources: the digest of the source files, where it is known.
        """
        options = shaping_part(recorded_options(self.options))
        return crc32c_of([_identity(self.image), options, sources or self.source_digest()])

    def source_digest(self) -> str:
        """A digest of size and time of change of every source file; files that are gone count as empty."""
        files = self.image.tiles.loaders.source_files(self.resource)
        return crc32c_of([_state(file) for file in files])

    @property
    def is_in_plate(self) -> bool:
        """Whether the image is one of a plate, which keeps what belongs to all of its images."""
        return isinstance(self.image.collection, ImageInPlate)

    def document(self) -> dict[str, Any]:
        """The job as a JSON document, without options and mode, which travel beside it.

        What init keeps in the plate is not in it.
        """
        return {
            "image": self.image.document(),
            "resource": str(self.resource) if self.resource is not None else None,
            "format": self.format,
            "never": self.never,
            "declared_gaps": [[gap.fov_name, gap.c, gap.z, gap.t, gap.reason] for gap in self.declared_gaps],
            "lost": self.lost,
            "request": self.request,
            "metadata_files": () if self.is_in_plate else self.metadata_files,
            "ome_xml": self.ome_xml,
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
        never, request = document["never"], document["request"]
        return cls(
            image=TiledImage.from_document(document["image"], collection_type, image_loader_type),
            zarr_url=zarr_url,
            options=options,
            mode=mode,
            resource=document["resource"],
            format=document["format"],
            never=tuple(PlaneRun(*run) for run in never) if never is not None else None,
            declared_gaps=tuple(DeclaredGap(*gap) for gap in document["declared_gaps"]),
            lost=tuple(document["lost"]),
            request=Request(*request) if request is not None else None,
            metadata_files=tuple(VendorFile(*file) for file in document["metadata_files"]),
            ome_xml=document["ome_xml"],
        )

    def with_image(self, image: TiledImage[Any, Any]) -> ImageJob:
        """The same job for an image of which more is known."""
        return replace(self, image=image)


def shaping_part(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of recorded options those that shape an image of given tiles.

    What only refuses images is no part of it, nor what is said of the acquisition: the tiles have that in them.
    """
    return {name: value for name, value in options.items() if name not in _SHAPELESS}


def recorded_options(options: ConverterOptions) -> dict[str, Any]:
    """The options of a conversion for its record, as a JSON document without absolute paths."""
    document = options.model_dump(mode="json", exclude={"runtime"})
    path = options.acquisition.condition_table_path
    if path is not None and Path(path).is_absolute():
        document["acquisition"]["condition_table_path"] = Path(path).name
    return document


def crc32c_of(document: Sequence[Any] | Mapping[str, Any]) -> str:
    """The CRC-32C of a JSON document, eight hexadecimal digits."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return f"{google_crc32c.value(text.encode()):08x}"


def _identity(image: TiledImage[Any, Any]) -> dict[str, Any]:
    """What makes an image the same one again.

    What was measured over all wells of a plate is no part of it: an image stays the same when wells are added. Where
    a spacing was measured, planes are told apart by their numbers.
    """
    measured = image.details.measured
    tiles = image.tiles
    for axis, spacing in (("z", image.details.z_spacing), ("t", image.details.t_spacing)):
        if f"{axis}_spacing" in measured:
            tiles = replace(tiles, **{axis: (getattr(tiles, axis) / spacing).round(3)})
    document = replace(image, tiles=tiles).document() | {"windows": None, "data_type": None}
    details = {
        name: value
        for name, value in document["details"].items()
        if name not in ("condition_table_path", "measured") and name not in set(measured) - {"channels"}
    }
    if "channels" in measured:
        details["channels"] = [channel.channel_label for channel in image.channels]
    return document | {"details": details}


def _state(file: Path) -> tuple[int, int]:
    try:
        state = file.stat()
    except OSError:
        return (0, 0)
    return (state.st_size, state.st_mtime_ns)
