"""One unit of work per image: what init hands to Fractal, and what a compute task does with one of them."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from pydantic import ConfigDict, Field, WithJsonSchema

from tiles2zarr.converter import convert_image, image_attributes
from tiles2zarr.core.job import ImageJob, recorded_options, shaping_part
from tiles2zarr.core.tile import Scalar
from tiles2zarr.errors import OptionsError, OutputExistsError
from tiles2zarr.existing_images import why_it_exists
from tiles2zarr.fractal.collection_setup import set_up_collection
from tiles2zarr.fractal.dumps import (
    foreign_dump,
    missing_dump,
    new_run,
    read_dump,
    remove_dump,
    remove_equal_dumps,
    write_dump,
)
from tiles2zarr.fractal.image_list import ImageListUpdateDict, is_published, state_of, update_of
from tiles2zarr.models import ConverterOptions, ImageInPlate, OverwriteMode, SingleImage
from tiles2zarr.models.values import Value
from tiles2zarr.planning import compared
from tiles2zarr.provenance import placed_or_none, with_ome_xml
from tiles2zarr.sources import source_by_name
from tiles2zarr.writer.plate import completion_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tiles2zarr.core.tiled_image import TiledImage
    from tiles2zarr.models import CollectionInterface, ImageLoaderInterface

    Kinds = tuple[type[CollectionInterface], type[ImageLoaderInterface]]

logger = logging.getLogger(__name__)

#: More units than this are a failed job, whatever they would do.
MOST_UNITS = 20_000
_COLLECTIONS = {kind.__name__: kind for kind in (ImageInPlate, SingleImage)}
# Nobody fills these in: in the manifest they are objects, without the hundred fields that they may have.
_OBJECT = WithJsonSchema({"type": "object"})


class Unit(TypedDict):
    """One unit of work.

    Attributes:
        zarr_url: where the image will be.
        init_args: `ConvertParallelInitArgs` as a JSON document.
    """

    zarr_url: str
    init_args: dict[str, Any]


class ConvertParallelInitArgs(Value):
    """What init tells the compute task of one image."""

    model_config = ConfigDict(title="Work order")

    tiled_image_json_dump_url: str = Field(
        title="Work order", description="File that holds the image's tiles; written by init."
    )
    converter_options: Annotated[ConverterOptions, _OBJECT] = Field(
        title="Options", description="How the image is converted."
    )
    overwrite_mode: OverwriteMode = Field(
        default=OverwriteMode.NO_OVERWRITE,
        title="Existing images",
        description="What to do about an image that is there already.",
    )
    attributes: Annotated[dict[str, Scalar], _OBJECT] = Field(
        default_factory=dict,
        title="Attributes",
        description="What the image list will say of the image; empty: taken from its tiles.",
    )
    replaces: str | None = Field(
        default=None,
        title="Replaces",
        description="State of the image that is to be replaced; empty: there was none.",
    )


def setup_images_for_conversion(
    tiled_images: Sequence[TiledImage[Any, Any]],
    *,
    zarr_dir: str | Path,
    collection_type: str,
    converter_options: ConverterOptions,
    overwrite_mode: OverwriteMode = OverwriteMode.NO_OVERWRITE,
) -> list[Unit]:
    """Set up the collection of these images and list a unit of work for each. Opens no source file.

    Args:
        tiled_images: what to convert.
        zarr_dir: the destination folder.
        collection_type: name of the type of the images' collections, such as ``ImageInPlate``.
        converter_options: how to convert.
        overwrite_mode: what to do about images that are there already.

    Raises:
        OptionsError: there are no images, two in one place, too many, or they are of another kind of
            collection.
        OutputExistsError: an image is there already, and the mode forbids to replace it.
        OutputError: the destination cannot take the result.
    """
    folder, mode = local_folder(zarr_dir), OverwriteMode(overwrite_mode)
    jobs = _jobs(tiled_images, folder, converter_options, mode)
    set_up_collection(folder, tiled_images, collection_type, converter_options, mode)
    return units_of(folder, jobs)


def build_parallelization_list(
    tiled_images: Sequence[TiledImage[Any, Any]],
    *,
    zarr_dir: str | Path,
    converter_options: ConverterOptions,
    overwrite_mode: OverwriteMode = OverwriteMode.NO_OVERWRITE,
) -> list[Unit]:
    """A unit of work for each image of a collection that is set up; see `setup_images_for_conversion`."""
    folder = local_folder(zarr_dir)
    return units_of(folder, _jobs(tiled_images, folder, converter_options, OverwriteMode(overwrite_mode)))


def units_of(zarr_dir: Path, jobs: Sequence[ImageJob]) -> list[Unit]:
    """Write the documents of these jobs, and list a unit of work for each.

    Raises:
        OutputError: the documents cannot be written.
    """
    with new_run(zarr_dir) as run:
        return [{"zarr_url": job.zarr_url, "init_args": _init_args(job, run)} for job in jobs]


def refuse_unlistable(zarr_urls: Sequence[str]) -> None:
    """Make sure that Fractal can take these images as units of work.

    Raises:
        OptionsError: there are none, too many, or two in one place.
    """
    if not zarr_urls:
        msg = "no images: expected at least one, found none: a job without images would pass for done"
        raise OptionsError(msg)
    if len(zarr_urls) > MOST_UNITS:
        found = f"expected at most {MOST_UNITS} images in one job, found {len(zarr_urls)}"
        msg = f"{found}: convert one acquisition at a time, or group fields of view into mosaics"
        raise OptionsError(msg)
    seen: set[str] = set()
    for zarr_url in zarr_urls:
        if zarr_url in seen:
            remedy = "give them different names or acquisition ids"
            msg = f"{zarr_url}: expected one image in this place, found two: {remedy}"
            raise OptionsError(msg)
        seen.add(zarr_url)


def generic_compute_task(
    *,
    zarr_url: str,
    init_args: ConvertParallelInitArgs | Mapping[str, Any],
    collection_type: type[CollectionInterface],
    image_loader_type: type[ImageLoaderInterface],
    resource: Any | None = None,
) -> ImageListUpdateDict:
    """Convert the image of one unit of work.

    Args:
        zarr_url: where the image will be.
        init_args: what init said of it.
        collection_type: type of the image's collection.
        image_loader_type: type of its tiles' loaders.
        resource: what the loaders are given; None: what init was given.

    Returns:
        the update of the image list.

    Raises:
        ConversionError: the work order is nowhere, and the image is not there either.
        Tiles2ZarrError: the image cannot be converted; see `tiles2zarr.converter.convert_image`.
    """
    return _compute(zarr_url, init_args, lambda _: (collection_type, image_loader_type), resource)


def convert_listed_image(
    zarr_url: str, init_args: ConvertParallelInitArgs | Mapping[str, Any]
) -> ImageListUpdateDict:
    """Convert the image of one unit of work of a format of this package; see `generic_compute_task`."""
    return _compute(zarr_url, init_args, _kinds_of, None)


def local_folder(url: str | Path) -> Path:
    """A destination as an absolute path.

    Raises:
        OptionsError: it is in an object store.
    """
    url = os.fspath(url)
    if not url or "\0" in url:
        msg = f"zarr_dir {url!r}: expected a folder, found none: give its path"
        raise OptionsError(msg)
    if "://" in url:
        msg = f"{url}: expected a folder, found an address: choose a folder of a file system"
        raise OptionsError(msg)
    return Path(os.path.abspath(url))


def join_url_paths(base_url: str, *paths: str) -> str:
    """A folder or URL and the paths below it, with one ``/`` between each.

    >>> join_url_paths("/data/zarr/", "plate.zarr", "A/01/0")
    '/data/zarr/plate.zarr/A/01/0'
    """
    parts = [part for path in paths if (part := path.strip("/"))]
    return "/".join([base_url.rstrip("/"), *parts]) if parts else base_url


def _jobs(
    images: Sequence[TiledImage[Any, Any]], zarr_dir: Path, options: ConverterOptions, mode: OverwriteMode
) -> list[ImageJob]:
    """A job for each image, none of which has anything against the destination."""
    jobs = [ImageJob(image, join_url_paths(str(zarr_dir), image.path), options, mode) for image in images]
    refuse_unlistable([job.zarr_url for job in jobs])
    for job in jobs:
        _refuse_existing(job)
    return with_ome_xml(
        [(job, None if job.is_in_plate else placed_or_none(job.image, options)) for job in compared(jobs)]
    )


def _refuse_existing(job: ImageJob) -> None:
    """Refuse what is known to be in the way without the source's files; the rest is the compute task's."""
    if job.mode is OverwriteMode.OVERWRITE or not os.path.lexists(job.target):
        return
    record = completion_record(job.target)
    is_other = record is None or shaping_part(record["options"]) != shaping_part(
        recorded_options(job.options)
    )
    if job.mode is OverwriteMode.NO_OVERWRITE or is_other:
        msg = f"{job.zarr_url}: {why_it_exists(job)}"
        raise OutputExistsError(msg)


def _init_args(job: ImageJob, run: Path) -> dict[str, Any]:
    """Write the document of a job into the folder of its run; what points to it."""
    replaces = state_of(job.target) if job.mode is OverwriteMode.OVERWRITE else None
    arguments = ConvertParallelInitArgs(
        tiled_image_json_dump_url=str(write_dump(run, job, replaces)),
        converter_options=job.options,
        overwrite_mode=job.mode,
        attributes=image_attributes(job),
        replaces=replaces,
    )
    return arguments.model_dump(mode="json")


def _compute(
    zarr_url: str,
    init_args: ConvertParallelInitArgs | Mapping[str, Any],
    kinds_of: Callable[[Mapping[str, Any]], Kinds],
    resource: Any | None,
) -> ImageListUpdateDict:
    order = ConvertParallelInitArgs.model_validate(init_args)
    target, dump = local_folder(zarr_url), Path(order.tiled_image_json_dump_url)
    document = read_dump(dump)
    if document is None:
        # A job that was queued again after it had done its work.
        if not is_published(target, order.replaces):
            raise missing_dump(dump)
        logger.info("%s is complete", zarr_url)
        return update_of(zarr_url, target, order.attributes)
    job = _job_of(dump, document, target, order, kinds_of)
    result = convert_image(job if resource is None else replace(job, resource=resource))
    size = f"{result.bytes_in / 1e6:.1f} MB of pixels to {result.bytes_out / 1e6:.1f} MB of files"
    logger.info("%s: %s, %d tiles, %s, %.1f s", zarr_url, result.status, result.tiles, size, result.seconds)
    remove_dump(dump)
    remove_equal_dumps(dump, document, lambda replaces: is_published(target, replaces))
    return update_of(zarr_url, target, order.attributes or image_attributes(job))


def _job_of(
    dump: Path,
    document: Mapping[str, Any],
    target: Path,
    order: ConvertParallelInitArgs,
    kinds_of: Callable[[Mapping[str, Any]], Kinds],
) -> ImageJob:
    """The job of a document that may be anybody's.

    Raises:
        ConversionError: it is no work order.
    """
    try:
        collection_type, image_loader_type = kinds_of(document)
        return ImageJob.from_document(
            document,
            zarr_url=str(target),
            options=order.converter_options,
            mode=order.overwrite_mode,
            collection_type=collection_type,
            image_loader_type=image_loader_type,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise foreign_dump(dump, f"something else ({reason})") from error


def _kinds_of(document: Mapping[str, Any]) -> Kinds:
    return _COLLECTIONS[document["collection_type"]], source_by_name(document["format"]).loader
