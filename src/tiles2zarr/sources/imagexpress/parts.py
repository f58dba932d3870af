"""From the files of a plate to the planes of its images: slices, and each kind of projection."""

from __future__ import annotations

from collections import Counter
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import ChannelInfo
from tiles2zarr.sources.imagexpress.not_there import not_there
from tiles2zarr.sources.naming import wells_of
from tiles2zarr.sources.planes import NotTaken, Planes, file_loaders
from tiles2zarr.sources.projections import projections_only
from tiles2zarr.sources.spacing import median_step
from tiles2zarr.units import to_micrometre

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tiles2zarr.sources.imagexpress.plate import Plate

# Of the step that MetaXpress says, which it rounds, and the one that was measured: as far apart as this they are one.
_ROUNDED = 0.1
_CALIBRATED = 1e-3
_REASON = "not taken: the export holds a copy of another plane here"


def parts_of(plate: Plate) -> tuple[list[Planes], list[Finding]]:
    """The planes of each kind of image, and what was noticed.

    Raises:
        SourceError: stage positions are missing, or pixel sizes contradict each other.
    """
    kinds = sorted({place.projection for place in plate.originals.places})
    positions = _positions(plate)
    waves = sorted({image.wave for image in plate.images} | (plate.htd.collected if plate.htd else set()))
    channels = tuple(_channel(plate, wave) for wave in waves)
    pixel = _pixel(plate)
    parts = [
        _part(plate, kind, positions, waves, channels, pixel, is_alone=len(kinds) == 1) for kind in kinds
    ]
    return parts, [
        *_undescribed(plate),
        *_copied(plate),
        *_replaced(plate),
        *not_there(plate),
        *projections_only(plate.folder, kinds),
    ]


def _part(
    plate: Plate,
    kind: str,
    positions: NDArray[np.float64],
    waves: Sequence[int],
    channels: tuple[ChannelInfo, ...],
    pixel: tuple[float, float] | None,
    *,
    is_alone: bool,
) -> Planes:
    pairs = zip(plate.originals.indices, plate.originals.places, strict=True)
    chosen, places = zip(*((i, place) for i, place in pairs if place.projection == kind), strict=True)
    images = [plate.images[index] for index in chosen]
    infos = [plate.infos[index] for index in chosen]
    wells = sorted({image.well for image in images}, key=lambda well: (len(well), well))
    sites = sorted({image.site for image in images})
    columns = {
        "collection": _indices([image.well for image in images], wells),
        "field": _indices([image.site for image in images], sites),
        "c": _indices([image.wave for image in images], waves),
        "z": np.array([place.z for place in places], np.int64),
        "t": np.array([place.t for place in places], np.int64),
    }
    focus = np.array([info.focus for info in infos])
    sizes = _sizes(plate, chosen)
    measured = median_step(focus, columns["z"], [columns[name] for name in ("collection", "field", "c", "t")])
    return Planes(
        collections=wells_of(wells, plate.name, plate.acquisition_id, "" if is_alone else kind),
        field_names=tuple(f"FOV_{site}" for site in sites),
        channels=channels,
        x=positions[list(chosen), 0],
        y=positions[list(chosen), 1],
        height=sizes[:, 0],
        width=sizes[:, 1],
        loaders=file_loaders([image.path for image in images]),
        pixelsize=pixel[0] if pixel else None,
        pixelsize_y=pixel[1] if pixel and pixel[0] != pixel[1] else None,
        z_spacing=_z_spacing(plate, measured),
        focus=focus,
        acquired=np.array([info.acquired for info in infos]),
        not_taken=tuple(_not_taken(plate, kind, wells, sites, waves)),
        declared=frozenset(
            index for index, wave in enumerate(waves) if plate.htd and wave in plate.htd.collected
        ),
        z_first=None if kind or plate.is_part else 1,
        collection=columns["collection"],
        field=columns["field"],
        c=columns["c"],
        z=columns["z"],
        t=columns["t"],
    )


def _indices(values: Sequence[object], among: Sequence[object]) -> NDArray[np.int64]:
    place = {value: index for index, value in enumerate(among)}
    return np.array([place[value] for value in values], np.int64)


def _not_taken(
    plate: Plate, kind: str, wells: Sequence[str], sites: Sequence[int], waves: Sequence[int]
) -> list[NotTaken]:
    """The places that copies fill."""
    well, site, wave = ({value: index for index, value in enumerate(row)} for row in (wells, sites, waves))
    found = {
        (well[image.well], site[image.site], wave[image.wave], copy.place.z, copy.place.t)
        for copy in plate.originals.copies
        for image in [plate.images[copy.index]]
        if copy.place.projection == kind and image.well in well and image.site in site
    }
    return [NotTaken(*place, _REASON) for place in sorted(found)]


def _z_spacing(plate: Plate, measured: float | None) -> float | None:
    """The step that MetaXpress says, unless it was rounded so far that the measured one is better."""
    steps = [plate.infos[index].step_size for index in plate.originals.indices]
    said = [step for step in steps if step > 0]
    if not said:
        return measured
    step = float(np.percentile(said, 50, method="lower"))
    return measured if measured is not None and abs(step - measured) > _ROUNDED * step else step


def _positions(plate: Plate) -> NDArray[np.float64]:
    """Stage position of each image, x and y, µm; one that lacks it has that of its field of view.

    Raises:
        SourceError: a field of view has none, and its well has others.
    """
    positions = np.array([(info.x, info.y) for info in plate.infos])
    unknown = np.flatnonzero(np.isnan(positions).any(axis=1)).tolist()
    if not unknown:
        return positions
    fields: dict[tuple[str, int], tuple[float, float]] = {}
    sites: dict[str, set[int]] = {}
    for image, (x, y) in zip(plate.images, positions.tolist(), strict=True):
        sites.setdefault(image.well, set()).add(image.site)
        if not (isnan(x) or isnan(y)):
            fields.setdefault((image.well, image.site), (x, y))
    for index in unknown:
        image = plate.images[index]
        found = fields.get((image.well, image.site))
        if found is None and len(sites[image.well]) > 1:
            if index in plate.damaged:
                raise plate.damaged[index]
            expected = "the stage position in its metadata, because its well has several sites"
            remedy = (
                "export the plate as TIFF, or copy the file again as MetaXpress wrote it, or describe the plate in a "
                "tiles.csv: without positions nobody knows where the sites lie"
            )
            msg = f"{plate.folder / image.path}: expected {expected}, found none: {remedy}"
            raise SourceError(msg)
        positions[index] = found or (0.0, 0.0)
    return positions


def _sizes(plate: Plate, chosen: Sequence[int]) -> NDArray[np.int64]:
    """Height and width of each image, px; one that cannot be read is taken to be as most are.

    Raises:
        SourceError: none can be read.
    """
    sizes = [(plate.infos[index].height, plate.infos[index].width) for index in chosen]
    if any(index in plate.damaged for index in chosen):
        known = Counter(size for index, size in zip(chosen, sizes, strict=True) if index not in plate.damaged)
        if not known:
            raise plate.damaged[chosen[0]]
        usual = known.most_common(1)[0][0]
        sizes = [usual if index in plate.damaged else size for index, size in zip(chosen, sizes, strict=True)]
    return np.array(sizes, np.int64)


def _pixel(plate: Plate) -> tuple[float, float] | None:
    """Width and height of a pixel, µm; None: no image says it.

    Raises:
        SourceError: images contradict each other.
    """
    first: tuple[float, float] | None = None
    seen: set[tuple[float, float, str]] = set()
    for index in plate.originals.indices:
        calibration = plate.infos[index].calibration
        if calibration is None or calibration in seen:
            continue
        seen.add(calibration)
        width, height, unit = calibration
        try:
            found = (to_micrometre(width, unit), to_micrometre(height, unit))
        except SourceError:  # not calibrated: the unit is "pixel", or empty
            continue
        if first is None:
            first = found
        elif any(abs(a - b) > _CALIBRATED * a for a, b in zip(first, found, strict=True)):
            where = plate.folder / plate.images[index].path
            remedy = "move the images of each objective or binning into a folder of their own"
            msg = f"{where}: expected pixels of {first[0]:g} µm as in other images, found {found[0]:g} µm: {remedy}"
            raise SourceError(msg)
    return first


def _channel(plate: Plate, wave: int) -> ChannelInfo:
    optics = [
        plate.infos[index].optics for index in plate.originals.indices if plate.images[index].wave == wave
    ]
    known = Counter(found for found in optics if found is not None).most_common(1)
    declared = plate.htd.waves.get(wave) if plate.htd else None
    if not known:
        return ChannelInfo(channel_label=(declared or f"w{wave}")[:200], wavelength_id=f"w{wave}")
    usual = known[0][0]
    # The older tags name the plane, which need not be what people call the channel.
    is_older = any(info.is_stk and info.optics == usual for info in plate.infos)
    names = (declared, usual.name) if is_older else (usual.name, declared)
    return ChannelInfo(
        channel_label=next(filter(None, names), f"w{wave}")[:200],
        wavelength_id=f"w{wave}",
        emission_nm=usual.emission_nm,
        exposure_s=usual.exposure_s,
        objective=usual.objective,
        magnification=usual.magnification,
        numerical_aperture=usual.numerical_aperture,
    )


def _undescribed(plate: Plate) -> list[Finding]:
    without = [
        image.path
        for index, (image, info) in enumerate(zip(plate.images, plate.infos, strict=True))
        if not (info.is_described or index in plate.damaged)
        and not (info.is_stk and not image.z_step and image.timepoint in (None, 1))
    ]
    if not without:
        return []
    message = (
        f"expected metadata of MetaXpress in the description of each image, found none in {len(without)}, such as "
        f"{without[0]}: their names and folders are believed, and copies cannot be told: check z-planes and timepoints"
    )
    return [Finding("warning", "assumed-value", str(plate.folder), message)]


def _copied(plate: Plate) -> list[Finding]:
    copies = plate.originals.copies
    if not copies:
        return []
    per_wave = Counter(plate.images[copy.index].wave for copy in copies)
    waves = ", ".join(f"{count} of w{wave}" for wave, count in sorted(per_wave.items()))
    message = (
        f"{len(copies)} of {len(plate.images)} images are copies of other planes ({waves}), which the export put where "
        f"nothing was taken, such as {plate.images[copies[0].index].path}: they are left out"
    )
    return [Finding("info", "copied-plane", str(plate.folder), message)]


def _replaced(plate: Plate) -> list[Finding]:
    findings = []
    for index in plate.originals.replaced:
        where = str(plate.folder / plate.images[index].path)
        message = (
            "expected an image, found a file that cannot be read, in whose place one that the export copied it to is "
            "converted: copy the file again"
        )
        findings.append(Finding("warning", "unreadable-file", where, message))
    return findings
