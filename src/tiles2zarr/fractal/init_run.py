"""What every init task does with its form: options, plan, refusals, plates and wells, units of work."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from tiles2zarr.converter import Acquisition, begin, plan
from tiles2zarr.core.dataframe import first_reason
from tiles2zarr.errors import OptionsError
from tiles2zarr.fractal.acquisition_forms import (
    AcquisitionForm,
    ImageFilesForm,
    ImageTableForm,
    PlateAcquisitionForm,
    PlateSpacingForm,
    SourceForm,
)
from tiles2zarr.fractal.forms import STANDARD, AdvancedForm, TableAdvancedForm
from tiles2zarr.fractal.options_document import read_options_document
from tiles2zarr.fractal.parallelization import Unit, local_folder, refuse_unlistable, units_of
from tiles2zarr.models import (
    AcquisitionOptions,
    ConverterOptions,
    Grouping,
    ImageInPlate,
    MissingTiles,
    OverwriteMode,
    TilingMode,
    WellIncludeFilter,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tiles2zarr.converter import Plan
    from tiles2zarr.models import CollectionInterface

logger = logging.getLogger(__name__)
_MOST_LISTED = 20


class InitOutput(TypedDict):
    """What an init task returns.

    Attributes:
        parallelization_list: a unit of work for each image.
    """

    parallelization_list: list[Unit]


def start_run(
    format: str,
    zarr_dir: str,
    acquisitions: Sequence[SourceForm],
    mode: OverwriteMode,
    options: ConverterOptions,
    advanced: AdvancedForm = STANDARD,
    makes: type[CollectionInterface] | None = None,
) -> InitOutput:
    """Plan a run, refuse what is wrong with it, write what must be there first, and list its images.

    Args:
        format: name of the source's format.
        zarr_dir: the destination folder.
        acquisitions: what to convert.
        mode: what to do about images that are there already.
        options: how to convert.
        advanced: of tables, whether they may name files outside of their folder.
        makes: images in plates, or single ones, where a task is for one of them; None: what the source says.

    Raises:
        PreflightError: something is wrong with a source or the destination; nothing was written.
        Tiles2ZarrError: a source cannot be read at all, or an option is wrong; nothing was written.
    """
    folder = local_folder(zarr_dir)
    allow_outside = isinstance(advanced, TableAdvancedForm) and advanced.allow_outside
    chosen = [
        Acquisition(
            Path(os.path.abspath(form.path)),
            format,
            form.plate_name or None if isinstance(form, AcquisitionForm) else None,
            form.acquisition_id if isinstance(form, AcquisitionForm) else 0,
            _replaced(form, options),
            allow_outside,
        )
        for form in acquisitions
    ]
    planned = plan(chosen, folder, options, mode)
    if makes is not None:
        _refuse_other_collections(planned, makes)
    _tell(planned)
    planned.refuse_errors()
    jobs = [image.job for image in planned.images]
    refuse_unlistable([job.zarr_url for job in jobs])
    begin(planned)
    units = units_of(folder, jobs)
    logger.info("%d images to convert", len(units))
    return {"parallelization_list": units}


def chosen_options(
    tiling_mode: TilingMode,
    grouping: Grouping,
    missing_tiles: MissingTiles,
    ngff_version: str,
    advanced: AdvancedForm,
    options_file: str | None,
) -> ConverterOptions:
    """The options of a form: those of the file, and over them whatever the form changes.

    Raises:
        OptionsError: the file cannot be read, or an option is unknown or wrong.
    """
    document: dict[str, Any] = {}
    if options_file:
        document = read_options_document(Path(os.path.abspath(options_file)))
    own = ConverterOptions()
    try:
        for keys, value, default in (
            (("tiling_mode",), tiling_mode, own.tiling_mode),
            (("grouping",), grouping, own.grouping),
            (("missing_tiles",), missing_tiles, own.missing_tiles),
            (("omezarr_options", "ngff_version"), ngff_version, own.omezarr_options.ngff_version),
            *((keys, getattr(advanced, name), getattr(STANDARD, name)) for name, keys in _ADVANCED.items()),
        ):
            if value != default:
                _group(document, *keys[:-1])[keys[-1]] = value
        _set_chunks(document, advanced)
        return ConverterOptions.model_validate(document)
    except ValueError as error:
        where = f"{options_file}: " if options_file else ""
        msg = f"{where}option {first_reason(error)}: see the options document of tiles2zarr convert --options"
        raise OptionsError(msg) from error


_ADVANCED: dict[str, tuple[str, ...]] = {
    "tiling_tolerance": ("tiling_tolerance",),
    "max_displacement": ("max_displacement",),
    "overlap_mode": ("overlap_mode",),
    "remove_xy_jitter": ("alignment_correction", "remove_xy_jitter"),
    "remove_xy_offset": ("alignment_correction", "remove_xy_offset"),
    "remove_z_offset": ("alignment_correction", "remove_z_offset"),
    "data_type": ("acquisition", "data_type"),
    "num_levels": ("omezarr_options", "num_levels"),
    "compression": ("omezarr_options", "compression"),
    "memory_limit_gib": ("runtime", "memory_limit_gib"),
    "verify": ("runtime", "verify"),
}


def _group(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A group of options within a document, made where there is none.

    Raises:
        ValueError: there is something else.
    """
    for key in keys:
        document = document.setdefault(key, {})
        if not isinstance(document, dict):
            msg = f"{key}: expected a group of options, found {document!r}"
            raise ValueError(msg)
    return document


def _set_chunks(document: dict[str, Any], advanced: AdvancedForm) -> None:
    """Chunks and shards: one number of the form chooses the kind, too."""
    if advanced.chunk_xy is not None or advanced.chunk_z is not None:
        found = _group(document, "omezarr_options", "chunks")
        chunks = {"mode": "Same as FOV", **found}
        if advanced.chunk_xy is not None:
            kept = {"z_chunk": found["z_chunk"]} if "z_chunk" in found else {}
            chunks = {"mode": "Fixed Size", "xy_chunk": advanced.chunk_xy, **kept}
        if advanced.chunk_z is not None:
            chunks["z_chunk"] = advanced.chunk_z
        document["omezarr_options"]["chunks"] = chunks
    if advanced.shard_xy is not None or advanced.shard_z is not None:
        _group(document, "omezarr_options")["shards"] = {
            "mode": "Multiple of Chunks",
            "xy_factor": advanced.shard_xy or 1,
            "z_factor": advanced.shard_z or 1,
        }


def _replaced(form: SourceForm, options: ConverterOptions) -> AcquisitionOptions:
    """What is replaced of the source's own account: the run's choice, and over it the acquisition's."""
    chosen = options.acquisition
    changes: dict[str, Any] = {}
    if isinstance(form, ImageFilesForm | PlateSpacingForm | ImageTableForm):
        sizes = form.model_dump(include={"pixelsize", "z_spacing", "t_spacing"}, exclude_none=True)
        known = chosen.pixel_info.model_dump(exclude_none=True) if chosen.pixel_info is not None else {}
        if sizes:
            changes["pixel_info"] = {**known, **sizes}
    if isinstance(form, PlateAcquisitionForm | PlateSpacingForm):
        if form.condition_table_path:
            changes["condition_table_path"] = form.condition_table_path
        if form.wells:
            changes["filters"] = (*chosen.filters, WellIncludeFilter(wells=form.wells))
    return AcquisitionOptions.model_validate({**dict(chosen), **changes})


def _refuse_other_collections(planned: Plan, collection_type: type[CollectionInterface]) -> None:
    for image in planned.images:
        found = image.job.image
        if not isinstance(found.collection, collection_type):
            wanted, other = (
                ("a plate", "single images")
                if collection_type is ImageInPlate
                else ("single images", "a plate")
            )
            place = f"{image.job.resource}: expected {wanted}, found {other} ({found.path})"
            msg = f"{place}: use the task for {other}"
            raise OptionsError(msg)


def _tell(planned: Plan) -> None:
    """Log what was noticed; errors are left to whoever refuses the plan."""
    noticed = [finding for finding in planned.findings if finding.severity != "error"]
    for finding in noticed[:_MOST_LISTED]:
        level = logging.WARNING if finding.severity == "warning" else logging.INFO
        logger.log(level, "%s: %s: %s", finding.code, finding.where, finding.message)
    if len(noticed) > _MOST_LISTED:
        logger.info("%d more findings: see tiles2zarr inspect", len(noticed) - _MOST_LISTED)
