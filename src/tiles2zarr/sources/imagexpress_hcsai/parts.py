"""From the planes of an acquisition to columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import SourceError
from tiles2zarr.models import ChannelInfo
from tiles2zarr.models.image_files import read_header
from tiles2zarr.sources.naming import wells_of
from tiles2zarr.sources.planes import Planes, file_loaders
from tiles2zarr.sources.spacing import median_step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.sources.imagexpress_hcsai.units import Plane, Unit

_NOMINAL = 0.1  # how far the measured z step may lie from the one that was asked for, which then holds
_CALIBRATED = 1e-3


def part_of(
    folder: Path,
    planes: Sequence[Plane],
    channels: tuple[ChannelInfo, ...],
    declared: frozenset[int],
    *,
    plate: str,
    acquisition_id: int,
    projection: str,
    is_alone: bool,
) -> Planes:
    """The columns of one kind of images.

    Args:
        folder: of the run.
        planes: at least one.
        channels: by the index of the wavelength.
        declared: indices of those that the `.jdce` says it took.
        plate: name of the plate.
        acquisition_id: 0-based number of the acquisition.
        projection: empty for planes that were taken.
        is_alone: there is nothing else.

    Raises:
        SourceError: pixel sizes contradict each other, or sizes or positions are not said.
    """
    records = [plane.record for plane in planes]
    wells = sorted({record.well for record in records}, key=lambda well: (len(well), well))
    fields = sorted({record.field for record in records})
    well, field = ({value: index for index, value in enumerate(row)} for row in (wells, fields))
    columns = {
        "collection": np.array([well[record.well] for record in records], np.int64),
        "field": np.array([field[record.field] for record in records], np.int64),
        "c": np.array([record.wavelength for record in records], np.int64),
        "z": np.array([record.z for record in records], np.int64),
        "t": np.array([record.timepoint for record in records], np.int64),
    }
    focus = np.array([record.focus for record in records])
    pixel = _pixel(planes)
    sizes = _sizes(folder, planes)
    x, y = _positions(folder, planes)
    measured = median_step(focus, columns["z"], [columns[name] for name in ("collection", "field", "c", "t")])
    return Planes(
        collections=wells_of(wells, plate, acquisition_id, "" if is_alone else projection),
        field_names=tuple(f"FOV_{number + 1}" for number in fields),
        channels=channels,
        x=x,
        y=y,
        height=sizes[:, 0],
        width=sizes[:, 1],
        loaders=file_loaders([f"{plane.unit.prefix}{plane.record.path}" for plane in planes]),
        pixelsize=pixel[0] if pixel else None,
        pixelsize_y=pixel[1] if pixel and pixel[0] != pixel[1] else None,
        z_spacing=_z_spacing(planes, measured),
        focus=focus,
        acquired=np.array([record.acquired for record in records]),
        declared=declared,
        z_first=None if projection else 0,
        collection=columns["collection"],
        field=columns["field"],
        c=columns["c"],
        z=columns["z"],
        t=columns["t"],
    )


def channels_of(units: Sequence[Unit]) -> tuple[ChannelInfo, ...]:
    """All channels of an acquisition, by the index of their wavelength."""
    said = {index: found for unit in units for index, found in unit.descriptor.wavelengths.items()}
    records = [record for unit in units for record in unit.records]
    exposures: dict[int, list[float]] = {}
    lights: dict[int, str] = {}
    for record in records:
        if record.exposure_s > 0:
            exposures.setdefault(record.wavelength, []).append(record.exposure_s)
        if record.light:
            lights.setdefault(record.wavelength, record.light)
    first = units[0].descriptor
    channels = []
    for index in range(max([*said, *(record.wavelength for record in records)]) + 1):
        found = said.get(index)
        seconds = exposures.get(index)
        label = (found.name if found else None) or lights.get(index) or f"w{index}"
        channels.append(
            ChannelInfo(
                channel_label=label[:200],
                wavelength_id=f"w{index}",
                color=found.color if found else None,
                excitation_nm=found.excitation_nm if found else None,
                emission_nm=found.emission_nm if found else None,
                exposure_s=float(np.percentile(seconds, 50, method="lower")) if seconds else None,
                objective=first.objective,
                magnification=first.magnification,
                numerical_aperture=first.numerical_aperture,
            )
        )
    return tuple(channels)


def _pixel(planes: Sequence[Plane]) -> tuple[float, float] | None:
    sizes = {plane.unit.prefix: plane.unit.descriptor.pixel for plane in planes}
    known = {prefix: size for prefix, size in sizes.items() if size is not None}
    if not known:
        return None
    (first, size), *others = known.items()
    for prefix, other in others:
        if any(abs(a - b) > _CALIBRATED * a for a, b in zip(size, other, strict=True)):
            found = f"{other[0]:g} µm in {prefix} and {size[0]:g} µm in {first}"
            msg = f"{prefix}: expected pixels as large as in {first}, found {found}: convert the folders one by one"
            raise SourceError(msg)
    return size


def _z_spacing(planes: Sequence[Plane], measured: float | None) -> float | None:
    """The step that was asked for, unless the focus drive went another way."""
    used = {
        (plane.unit.prefix, plane.record.wavelength): plane.unit.descriptor
        for plane in planes
        if plane.record.z
    }
    for (_, index), descriptor in used.items():
        found = descriptor.wavelengths.get(index)
        step = (found.z_step if found else None) or descriptor.z_step
        if step is not None:
            is_other = measured is not None and abs(step - measured) > _NOMINAL * step
            return measured if is_other else step
    return measured


def _sizes(folder: Path, planes: Sequence[Plane]) -> NDArray[np.int64]:
    """Height and width of each plane, px; where a table says none, those of the first file of its field of view.

    A file that is not there is taken to be as large as the camera's images, which stitched ones are not.

    Raises:
        SourceError: nobody says it, and the file cannot be read.
    """
    usual: dict[tuple[str, str, int], tuple[int, int]] = {}
    sizes = []
    for plane in planes:
        record = plane.record
        size = (record.height, record.width)
        if 0 in size:
            place = (plane.unit.prefix, record.well, record.field)
            if place not in usual:
                usual[place] = _size_of(folder / f"{plane.unit.prefix}{record.path}", plane.unit)
            size = usual[place]
        sizes.append(size)
    return np.array(sizes, np.int64)


def _size_of(file: Path, unit: Unit) -> tuple[int, int]:
    if unit.descriptor.size is not None and not file.is_file():
        return unit.descriptor.size
    header = read_header(file)
    return header.height, header.width


def _positions(folder: Path, planes: Sequence[Plane]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position of each plane, x and y, µm: of the stage, in wells of which no plane says that within the well.

    The two are never mixed: they lie as far apart as the well is from the corner of the plate. A plane without a
    position lies where others of its field do.

    Raises:
        SourceError: one is not said, and its well has several fields of view.
    """
    records = [plane.record for plane in planes]
    stage = np.array([(record.x, record.y) for record in records])
    within = np.array([(record.offset_x, record.offset_y) for record in records])
    wells = np.unique([record.well for record in records], return_inverse=True)[1]
    is_staged = np.bincount(wells, np.isfinite(stage).all(axis=1))[wells] > 0
    found = np.where(is_staged[:, None], stage, within)
    unknown = np.flatnonzero(~np.isfinite(found).all(axis=1)).tolist()
    if unknown:
        known = np.flatnonzero(np.isfinite(found).all(axis=1)).tolist()
        of_field = {(records[row].well, records[row].field): found[row] for row in reversed(known)}
        fields: dict[str, set[int]] = {}
        for record in records:
            fields.setdefault(record.well, set()).add(record.field)
        for row in unknown:
            record = records[row]
            place = of_field.get((record.well, record.field))
            if place is None and len(fields[record.well]) > 1:
                where = folder / f"{planes[row].unit.prefix}{record.path}"
                expected = "PositionXUm and PositionYUm, because its well has several fields of view"
                msg = f"{where}: expected {expected}, found none in its table: copy the table again"
                raise SourceError(msg)
            found[row] = 0.0 if place is None else place
    return found[:, 0], found[:, 1]
