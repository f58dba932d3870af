"""What the `.HTD` of a plate names, and no image shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiles2zarr.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tiles2zarr.sources.imagexpress.htd import Htd
    from tiles2zarr.sources.imagexpress.plate import Plate

_MOST_LISTED = 10


def not_there(plate: Plate) -> list[Finding]:
    """Wells, fields of view, timepoints, z-planes and projections that are missing; channels are said by the scan."""
    if plate.htd is None:
        return []
    lost = _wells_and_sites(plate, plate.htd)
    if not plate.is_part:  # of one timepoint or z-plane, which somebody chose
        lost |= _timepoints_and_planes(plate, plate.htd)
    return [*_listed(plate, lost), *([] if plate.is_part else _projections(plate, plate.htd))]


def _wells_and_sites(plate: Plate, htd: Htd) -> dict[str, list[str]]:
    fields: dict[str, set[int]] = {}
    for image in plate.images:
        fields.setdefault(image.well, set()).add(image.site)
    sites = [
        f"{well} site {site}"
        for well, found in sorted(fields.items())
        for site in htd.sites or ()
        if site not in found
    ]
    return {"wells": [well for well in htd.wells or () if well not in fields], "fields of view": sites}


def _timepoints_and_planes(plate: Plate, htd: Htd) -> dict[str, list[str]]:
    """Those that neither an image nor a copy stands for; planes below all others are said by the scan."""
    places = [*plate.originals.places, *(copy.place for copy in plate.originals.copies)]
    t = {place.t for place in places}
    z = {place.z for place in places if not place.projection and place.z}
    planes = range(min(z), htd.z_planes + 1) if z else ()
    return {
        "timepoints": [f"TimePoint_{number}" for number in range(1, htd.timepoints + 1) if number not in t],
        "z-planes": [f"ZStep_{number}" for number in planes if number not in z],
    }


def _listed(plate: Plate, lost: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    for what, missing in lost.items():
        if missing:
            shown = ", ".join(missing[:_MOST_LISTED]) + (" …" if len(missing) > _MOST_LISTED else "")
            message = (
                f"expected images of all {what} that the .HTD names, found none of {len(missing)} ({shown}): "
                "copy them, unless the acquisition was stopped"
            )
            yield Finding("warning", "not-imaged", str(plate.folder), message)


def _projections(plate: Plate, htd: Htd) -> Iterator[Finding]:
    if htd.is_projected and not any(place.projection for place in plate.originals.places):
        message = (
            "expected projections, as the .HTD says, found none: copy the folder ZStep_0 of each timepoint, "
            "unless none were made"
        )
        yield Finding("warning", "not-imaged", str(plate.folder), message)
