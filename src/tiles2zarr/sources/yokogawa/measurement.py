"""From the records of a measurement to tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tiles2zarr.errors import Finding
from tiles2zarr.models import ChannelInfo, row_name
from tiles2zarr.models.documents import one_line
from tiles2zarr.sources.naming import plate_name, wells_of
from tiles2zarr.sources.planes import NotTaken, Planes, file_loaders
from tiles2zarr.sources.projections import projections_only
from tiles2zarr.sources.scanning import scan_of
from tiles2zarr.sources.spacing import median_step, place_codes
from tiles2zarr.sources.yokogawa.fields import Fields, fields_of
from tiles2zarr.sources.yokogawa.geometry import geometry_of
from tiles2zarr.sources.yokogawa.image_files import ImageFiles, find_images
from tiles2zarr.sources.yokogawa.locating import Measurement, measurement_at
from tiles2zarr.sources.yokogawa.records import Failure, Records, read_records
from tiles2zarr.sources.yokogawa.settings import Settings, read_settings
from tiles2zarr.sources.yokogawa.timing import Timing, timing_of
from tiles2zarr.sources.yokogawa.well_groups import well_groups
from tiles2zarr.sources.yokogawa.wells import check_well_numbers, with_subwells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tiles2zarr.sources.base import Scan, ScanRequest

# Above any number of an action: a channel's code is its number times this, plus its action where that matters.
_ACTION = 10**4
_ALIKE = 0.01  # steps that differ by less are one


@dataclass(frozen=True, slots=True, eq=False)
class _Contents:
    """All that a measurement says, before it is parted into slices and projections.

    Attributes:
        measurement: its files.
        settings: what stands beside the list.
        records: its images.
        files: where they lie.
        channel: code of each image's channel.
        fields: fields of view.
        timing: timepoints.
        failures: what the instrument says went wrong.
    """

    measurement: Measurement
    settings: Settings
    records: Records
    files: ImageFiles
    channel: NDArray[np.int64]
    fields: Fields
    timing: Timing
    failures: list[Failure]

    def take(self, rows: NDArray[Any]) -> _Contents:
        """Some of the images."""
        files = replace(
            self.files,
            paths=[self.files.paths[row] for row in np.flatnonzero(rows)],
            present=self.files.present[rows],
        )
        return replace(
            self,
            records=self.records.take(rows),
            files=files,
            channel=self.channel[rows],
            fields=replace(self.fields, index=self.fields.index[rows]),
            timing=replace(self.timing, t=self.timing.t[rows]),
        )


def scan_measurement(request: ScanRequest) -> Scan:
    """All tiles of a measurement. No pixel is read.

    Raises:
        SourceError: there is no measurement, its files are damaged, or a record says something impossible.
    """
    measurement = measurement_at(request.path)
    settings = read_settings(measurement)
    records, failures = read_records(measurement.mlf, settings.columns)
    findings = [*settings.findings]
    records, repeated = _each_file_once(records, measurement)
    records, subwells = with_subwells(records, settings.columns, measurement.mlf)
    numbers = check_well_numbers(records, settings.columns, measurement.mlf)
    findings += [*repeated, *subwells, *numbers, *_failure_findings(failures, records, measurement)]
    files = find_images(measurement.folder, records.names, measurement.mlf)
    findings += files.findings
    channel = _channel_codes(records)
    fields = fields_of(records, settings.geometries.values())
    timing = timing_of(records, _tracks(records, channel, fields), failures)
    contents = _Contents(measurement, settings, records, files, channel, fields, timing, failures)
    parts, noticed = _parts(contents, request)
    return scan_of(
        request, measurement.folder, parts, metadata_files=settings.files, findings=[*findings, *noticed]
    )


def _parts(contents: _Contents, request: ScanRequest) -> tuple[list[Planes], list[Finding]]:
    """Slices first, then each kind of projection."""
    folder = contents.measurement.folder
    plate = plate_name(request, folder)
    kinds = sorted(set(contents.records.projection.tolist()))
    channels, findings = _channels(contents)
    parts = []
    for kind in kinds:
        found = contents.take(contents.records.projection == kind)
        for rows in well_groups(found.records, found.channel, found.failures):
            projection = kind if len(kinds) > 1 else ""
            part, noticed = _part(found.take(rows), channels, plate, request.acquisition_id, projection)
            parts.append(part)
            findings += [finding for finding in noticed if finding not in findings]
    return parts, [*findings, *projections_only(contents.measurement.mlf, kinds)]


def _part(
    contents: _Contents,
    channels: Mapping[int, ChannelInfo],
    plate: str,
    acquisition_id: int,
    projection: str,
) -> tuple[Planes, list[Finding]]:
    """The planes of wells that were taken with the same channels.

    Args:
        contents: of these wells.
        channels: of the measurement, by code.
        plate: its name.
        acquisition_id: its number.
        projection: in the name of its images.
    """
    records = contents.records
    codes, collection = np.unique(records.row * 1000 + records.column, return_inverse=True)
    names = [f"{row_name(code // 1000 - 1)}{code % 1000:02d}" for code in codes.tolist()]
    c = np.searchsorted(list(channels), contents.channel)
    geometry, findings = geometry_of(contents.settings, records.ch, contents.files, contents.measurement)
    infos = tuple(_as_taken(contents, code, info) for code, info in channels.items())
    findings += _z_step_findings(contents, infos, c)
    used_fields, field = np.unique(contents.fields.index, return_inverse=True)
    part = Planes(
        collections=wells_of(names, plate, acquisition_id, projection),
        collection=collection,
        field_names=tuple(contents.fields.names[index] for index in used_fields.tolist()),
        field=field,
        channels=infos,
        c=c,
        z=records.z,
        t=contents.timing.t,
        x=records.x,
        y=0.0 - records.y,
        height=np.full(len(records), geometry.height),
        width=np.full(len(records), geometry.width),
        loaders=file_loaders(contents.files.paths),
        pixelsize=geometry.pixelsize,
        pixelsize_y=geometry.pixelsize_y if geometry.pixelsize_y != geometry.pixelsize else None,
        focus=records.height,
        acquired=records.acquired,
        z_first=1 if not records.projection[0] else None,
    )
    wells = {code: index for index, code in enumerate(codes.tolist())}
    places = {index: place for place, index in enumerate(used_fields.tolist())}
    not_taken = _not_taken(contents, wells, places, list(channels))
    never = _never_together(contents, collection, field, c)
    return replace(part, not_taken=(*not_taken, *never)), findings


def _z_step_findings(
    contents: _Contents, channels: Sequence[ChannelInfo], c: NDArray[np.int64]
) -> list[Finding]:
    """A warning where channels were taken in different steps: they share the numbers of planes, not the heights."""
    records = contents.records
    steps = {}
    for index, channel in enumerate(channels):
        own = records.take(c == index)
        where = [own.row, own.column, own.field, own.timepoint, own.timeline]
        step = median_step(own.height, own.z, where)
        if step is not None:
            steps[channel.channel_label] = step
    if not steps or max(steps.values()) - min(steps.values()) <= _ALIKE * max(steps.values()):
        return []
    found = ", ".join(f"{step} µm of {label}" for label, step in steps.items())
    message = (
        f"expected one distance of z-planes, found {found}: check the protocol, planes are matched by number"
    )
    return [Finding("warning", "contradiction", str(contents.measurement.mlf), message)]


def _not_taken(
    contents: _Contents, wells: dict[int, int], fields: dict[int, int], channels: list[int]
) -> list[NotTaken]:
    """What failed within wells that have images; where a field or channel is named, only there."""
    found: dict[tuple[int | None, ...], NotTaken] = {}
    for failure in contents.failures:
        if failure.row is None or failure.column is None:
            continue
        collection = wells.get(failure.row * 1000 + failure.column)
        t = contents.timing.of_failure(failure) if failure.timepoint is not None else None
        is_elsewhere = failure.timepoint is not None and t is None
        field = _field_of(failure, contents.fields, fields)
        c = channels.index(_code(failure.ch)) if _code(failure.ch) in channels else None
        if collection is None or is_elsewhere or (failure.field is not None and field is None):
            continue
        found.setdefault(
            (collection, field, c, failure.z, t), NotTaken(collection, field, c, failure.z, t, failure.text)
        )
    return list(found.values())


def _field_of(failure: Failure, fields: Fields, places: dict[int, int]) -> int | None:
    for index, number in enumerate(fields.numbers):
        timeline = fields.timelines[index] if fields.timelines is not None else failure.timeline
        if (number, timeline) == (failure.field, failure.timeline):
            return places.get(index)
    return None


def _never_together(
    contents: _Contents, collection: NDArray[np.int64], field: NDArray[np.int64], c: NDArray[np.int64]
) -> list[NotTaken]:
    """Where timelines have fields of their own: the channels that the timeline of a field does not take."""
    if contents.fields.timelines is None:
        return []
    timeline = contents.records.timeline
    taken = set(zip(timeline.tolist(), c.tolist(), strict=True))
    channels = sorted(set(c.tolist()))
    return [
        NotTaken(at, view, channel, None, None, "the timeline of the field does not take this channel")
        for at, view, number in np.unique(np.stack([collection, field, timeline]), axis=1).T.tolist()
        for channel in channels
        if (number, channel) not in taken
    ]


def _tracks(records: Records, channel: NDArray[np.int64], fields: Fields) -> NDArray[np.int64]:
    """A code of what is taken again and again: the same kind of image, of the same channel and field."""
    _, kind = np.unique(records.projection.astype(str), return_inverse=True)
    return place_codes([kind.ravel(), channel, fields.index])


def _code(ch: int | None) -> int:
    return -1 if ch is None else ch * _ACTION


def _channel_codes(records: Records) -> NDArray[np.int64]:
    """A channel is its number; one that a timeline takes in several actions is a channel in each of them."""
    _, kind = np.unique(records.projection.astype(str), return_inverse=True)
    group = np.stack([kind.ravel(), records.ch])
    ways = np.unique(np.vstack([group, records.timeline, records.action]), axis=1)
    groups, counts = np.unique(ways[:3], axis=1, return_counts=True)
    several = set(map(tuple, groups[:2, counts > 1].T.tolist()))
    if not several:
        return records.ch * _ACTION
    is_several = np.fromiter(
        (pair in several for pair in zip(*group.tolist(), strict=True)), bool, len(records)
    )
    return records.ch * _ACTION + np.where(is_several, records.action, 0)


def _channels(contents: _Contents) -> tuple[dict[int, ChannelInfo], list[Finding]]:
    """All channels of the measurement by code, in order, named as the protocol names them."""
    codes = np.unique(contents.channel).tolist()
    settings = contents.settings
    known = {code: settings.channels.get(code // _ACTION) for code in codes}
    targets = [
        info.channel_label for info in {code // _ACTION: known[code] for code in codes}.values() if info
    ]
    channels = {}
    for code in codes:
        number, action = divmod(code, _ACTION)
        info = known[code] or ChannelInfo(channel_label=f"Ch {number}")
        label = info.channel_label
        if targets.count(label) > 1 and settings.filters.get(number):
            label = f"{label} {settings.filters[number]}"
        if action:
            label = f"{label} A{action:02d}"
        channels[code] = info.model_copy(update={"channel_label": label[:200]})
    nameless = [f"Ch {code // _ACTION}" for code in codes if known[code] is None]
    findings = []
    if nameless:
        message = (
            f"expected a .mes file that names all channels, found no name of {', '.join(nameless)}: "
            "copy it into the folder, or set acquisition.channels"
        )
        findings.append(Finding("warning", "assumed-value", str(contents.measurement.folder), message))
    return channels, findings


def _as_taken(contents: _Contents, code: int, info: ChannelInfo) -> ChannelInfo:
    """A channel with the action that took it, which is another one for slices than for projections."""
    number, action = divmod(code, _ACTION)
    actions = contents.records.action[contents.channel == code]
    if not len(actions):
        return info
    return info.model_copy(update={"wavelength_id": f"A{action or int(actions.min()):02d}_C{number:02d}"})


def _each_file_once(records: Records, measurement: Measurement) -> tuple[Records, list[Finding]]:
    """The records without those that a later one repeats, file and place: the instrument took the image again."""
    if len(set(records.names.tolist())) == len(records):
        return records, []
    numbers = (records.row, records.column, records.field, records.ch, records.z, records.timepoint)
    others = (records.timeline, records.action, records.names, records.projection)
    last = {
        place: row for row, place in enumerate(zip(*(c.tolist() for c in (*numbers, *others)), strict=True))
    }
    if len(last) == len(records):
        return records, []
    kept = np.array(sorted(last.values()), np.int64)
    dropped = np.setdiff1d(np.arange(len(records)), kept)
    example = one_line(records.names[dropped[0]], 200)
    message = f"{len(dropped)} records are repeated by later ones ({example}): the later ones count"
    return records.take(kept), [Finding("info", "duplicate-place", str(measurement.mlf), message)]


def _failure_findings(
    failures: Sequence[Failure], records: Records, measurement: Measurement
) -> list[Finding]:
    wells = set(zip(records.row.tolist(), records.column.tolist(), strict=True))
    inside = [failure for failure in failures if (failure.row, failure.column) in wells]
    outside = [failure for failure in failures if (failure.row, failure.column) not in wells]
    findings = []
    if inside:
        message = f"the instrument reports errors ({_said(inside)}): what it did not take is a known gap"
        findings.append(Finding("info", "known-gap", str(measurement.mlf), message))
    if outside:
        message = (
            f"the instrument reports errors where it took no image ({_said(outside)}): "
            "nothing of these wells is converted"
        )
        findings.append(Finding("info", "not-imaged", str(measurement.mlf), message))
    return findings


def _said(failures: Sequence[Failure]) -> str:
    said = "; ".join(dict.fromkeys(failure.text for failure in failures[:3]))
    return f"{said}; and {len(failures) - 3} more" if len(failures) > 3 else said
