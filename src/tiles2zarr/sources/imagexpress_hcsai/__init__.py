"""Acquisitions of an ImageXpress HCS.ai: a `.jdce` and tables of images, as MetaXpress Acquire writes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import DefaultImageLoader
from tiles2zarr.sources.imagexpress_hcsai.folders import (
    PLANES,
    descriptors_below,
    is_descriptor,
    is_protocol,
    run_of,
)
from tiles2zarr.sources.imagexpress_hcsai.parts import channels_of, part_of
from tiles2zarr.sources.imagexpress_hcsai.units import planes_by_kind, read_units
from tiles2zarr.sources.naming import plate_name
from tiles2zarr.sources.projections import projections_only
from tiles2zarr.sources.scanning import scan_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tiles2zarr.models import ImageLoaderInterface
    from tiles2zarr.sources.base import Scan, ScanRequest
    from tiles2zarr.sources.imagexpress_hcsai.folders import Run
    from tiles2zarr.sources.imagexpress_hcsai.units import Unit


class ImageXpressHcsAiSource:
    """The folder of an acquisition of MetaXpress Acquire, one of its ``experiment`` folders, or its `.jdce`.

    Projections in ``experiment`` and planes in ``experiment_z_stack`` beside it are two images of each well.
    """

    name: ClassVar[str] = "imagexpress_hcsai"
    title: ClassVar[str] = "Molecular Devices ImageXpress HCS.ai (MetaXpress Acquire)"
    extra: ClassVar[str | None] = None
    libraries: ClassVar[tuple[str, ...]] = ()
    loader: ClassVar[type[ImageLoaderInterface]] = DefaultImageLoader

    def detect(self, path: Path) -> str | None:
        """Whether there is a `.jdce`, by name alone."""
        if not path.is_dir():
            is_ours = is_descriptor(path.name) or is_protocol(path.name)
            return f"it is a {path.suffix.lower()} file" if is_ours else None
        found = descriptors_below(path)
        return f"it has a .jdce ({os.path.relpath(found[0], path)})" if found else None

    def scan(self, request: ScanRequest) -> Scan:
        """All planes of the acquisition, from its tables.

        Raises:
            SourceError: a `.jdce` or a table is missing or damaged, or they contradict each other.
            OptionsError: the plate's name is no valid name.
        """
        run = run_of(request.path)
        units = read_units(run)
        if not any(unit.records for unit in units):
            msg = f"{units[0].tables[0]}: expected a row per image, found none: copy the file again"
            raise SourceError(msg)
        # Every acquisition has a folder ``experiment``: it names no plate.
        is_anonymous = run.folder.name.lower() == PLANES
        plate = plate_name(request, run.folder.parent if is_anonymous else run.folder)
        planes, left_out = planes_by_kind(run, units)
        channels = channels_of(units)
        declared = frozenset(index for unit in units for index in unit.descriptor.wavelengths)
        parts = [
            part_of(
                run.folder,
                found,
                channels,
                declared,
                plate=plate,
                acquisition_id=request.acquisition_id,
                projection=kind,
                is_alone=len(planes) == 1,
            )
            for kind, found in sorted(planes.items())
        ]
        return scan_of(
            request,
            run.folder,
            parts,
            metadata_files=[
                *run.protocols,
                *run.descriptors,
                *(table for unit in units for table in unit.tables),
            ],
            findings=[
                *projections_only(run.folder, planes.keys()),
                *_findings(run, units, left_out),
            ],
        )


def _findings(run: Run, units: Sequence[Unit], left_out: int) -> list[Finding]:
    findings = []
    where = str(run.folder)
    if left_out:
        message = (
            f"{left_out} single planes are copies of planes of the stacks beside them: they are left out"
        )
        findings.append(Finding("info", "copied-plane", where, message))
    if run.montages is not None:
        message = f"stitched images in {run.montages.name} are not read: to convert them, give that folder"
        findings.append(Finding("info", "unused-file", where, message))
    if not all(unit.descriptor.is_complete for unit in units):
        message = "expected a complete acquisition, found one that was stopped: check that all that was imaged is there"
        findings.append(Finding("warning", "not-imaged", where, message))
    return findings
