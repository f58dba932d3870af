"""Plates and wells: the skeleton that init writes, and how a finished image adds itself to its well."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import OutputError
from tiles2zarr.models import ImageInPlate, row_index
from tiles2zarr.writer.groups import (
    NgffVersion,
    group_version,
    read_attributes,
    read_ngff,
    remove_parts,
    write_group,
)
from tiles2zarr.writer.lock import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

#: Key of the completion record in an image's attributes.
RECORD = "tiles2zarr"
_RECORDED = {
    "acquisition": int,
    "fingerprint": str,
    "level0": str,
    "encoder": str,
    "format": str,
    "options": dict,
    "bytes": int,
}


def write_plates(zarr_dir: Path, images: Iterable[ImageInPlate], ngff_version: NgffVersion) -> None:
    """Write plates and wells for these images, none of them listed yet; what is there already stays.

    Args:
        zarr_dir: the destination folder.
        images: what the plates will hold.
        ngff_version: version of the metadata; a plate has one.

    Raises:
        OutputError: a plate of another NGFF version is there, or something that is no plate; nothing was written.
    """
    plates: dict[str, list[ImageInPlate]] = {}
    for image in images:
        plates.setdefault(image.plate_path, []).append(image)
    remove_parts(zarr_dir)
    for path in plates:  # before the first of them is touched
        check_plate(zarr_dir / path, ngff_version)
    for path, members in plates.items():
        _write_plate(zarr_dir / path, members, ngff_version)


def check_plate(plate: Path, ngff_version: NgffVersion) -> None:
    """Make sure that images of this version can be added.

    Raises:
        OutputError: there is a plate of another NGFF version, a damaged one, or something that is no plate.
    """
    if not os.path.lexists(plate):
        return
    # What is in the folder first, its group then: a run that is writing the plate at this moment makes the group
    # before anything that is not hidden, so whatever was seen, the group is there.
    is_begun = plate.is_dir() and all(entry.name.startswith(".") for entry in plate.iterdir())
    found = group_version(plate)
    if found is None and is_begun:
        return  # another run is about to write it, or was killed before it did
    if found is None or (read_attributes(plate) and "plate" not in read_ngff(plate)):
        msg = (
            f"{plate}: expected a plate or nothing, found something else: "
            "choose another plate name or destination"
        )
        raise OutputError(msg)
    if found != ngff_version:
        msg = (
            f"{plate}: expected a plate of NGFF {ngff_version}, found one of NGFF {found}: "
            f"set omezarr_options.ngff_version to {found} or choose another plate name"
        )
        raise OutputError(msg)
    _known_plate(plate)


def completion_record(image: Path) -> dict[str, Any] | None:
    """The record of a finished image; None for a folder that is none, or that somebody else wrote or damaged."""
    try:
        attributes = read_attributes(image) or {}
    except OutputError:
        return None
    record, ngff = attributes.get(RECORD), attributes.get("ome", attributes)
    if not isinstance(record, dict) or not isinstance(ngff, dict) or not ngff.get("multiscales"):
        return None
    is_ours = all(isinstance(record.get(name), kind) for name, kind in _RECORDED.items())
    return record if is_ours else None


def _write_plate(plate: Path, images: Sequence[ImageInPlate], ngff_version: NgffVersion) -> None:
    plate.mkdir(parents=True, exist_ok=True)
    with exclusive(plate / ".plate.lock"):
        check_plate(plate, ngff_version)
        known = _known_plate(plate)
        wells = {image.well_path: image for image in images}
        for well in wells:
            _listed(plate / well)  # a damaged one would fail each of its images in the end
        if not known:  # a plate without wells until they are there: whatever is killed, the next run takes up
            _write_metadata(plate, "plate", _plate_metadata(plate, known, (), ngff_version), ngff_version)
        _clear_parts(plate, wells.values())
        for row in {image.row for image in wells.values()}:
            if group_version(plate / row) is None:
                write_group(plate / row, {}, ngff_version)
        for well in wells:
            if group_version(plate / well) is None:
                _write_well(plate / well, [], ngff_version)
        metadata = _plate_metadata(plate, known, images, ngff_version)
        if metadata != known:
            _write_metadata(plate, "plate", metadata, ngff_version)


def _clear_parts(plate: Path, wells: Iterable[ImageInPlate]) -> None:
    """Remove what killed runs left half-written wherever runs write documents, images apart."""
    tables = plate / "tables"
    own = {folder for well in wells for folder in (plate / well.row, plate / well.well_path)}
    for folder in (plate, tables, tables / "condition_table", *own):
        remove_parts(folder)


def _known_plate(plate: Path) -> dict[str, Any]:
    """The metadata that a plate has; empty where it has none yet.

    Raises:
        OutputError: they are not what a plate has.
    """
    known = read_ngff(plate).get("plate", {})
    if not isinstance(known, dict):
        raise _misshapen(plate, "an object under plate")
    for name, key, kind in (("rows", "name", str), ("columns", "name", str), ("acquisitions", "id", int)):
        _entries(plate, known, name, key, kind)
    for well in _entries(plate, known, "wells", "path", str):
        if well["path"].count("/") != 1:
            raise _misshapen(plate, "a row and a column, such as A/01, in the path of each of its wells")
    return known


def _entries(
    group: Path, known: Mapping[str, Any], name: str, key: str, kind: type[str | int]
) -> list[dict[str, Any]]:
    """A list of objects in the metadata of a group, each with a key of a kind; empty where there is none."""
    found = known.get(name, [])
    if not isinstance(found, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get(key), kind) for entry in found
    ):
        raise _misshapen(group, f"a list of objects with {key} under {name}")
    return found


def _misshapen(group: Path, expected: str) -> OutputError:
    return OutputError(
        f"{group}: expected {expected} in its metadata, found something else: repair or remove it"
    )


def _write_metadata(group: Path, key: str, metadata: Mapping[str, Any], ngff_version: NgffVersion) -> None:
    """Write the NGFF metadata of a plate or well; whatever else the attributes of the group hold stays."""
    attributes = read_attributes(group) or {}
    if ngff_version == "0.4":
        attributes[key] = metadata
    else:
        attributes["ome"] = {**attributes.get("ome", {}), "version": "0.5", key: metadata}
    write_group(group, attributes, ngff_version)


def _plate_metadata(
    plate: Path, known: Mapping[str, Any], images: Sequence[ImageInPlate], ngff_version: NgffVersion
) -> dict[str, Any]:
    """What the plate held, and these images; sorted, so that the order of runs does not show."""
    wells = {well["path"] for well in known.get("wells", ())} | {image.well_path for image in images}
    rows = {row["name"] for row in known.get("rows", ())} | {well.partition("/")[0] for well in wells}
    columns = {column["name"] for column in known.get("columns", ())} | {
        well.partition("/")[2] for well in wells
    }
    row_names = sorted(rows, key=lambda name: (row_index(name) if name.isalpha() else 1000, name))
    column_names = sorted(columns, key=lambda name: (int(name) if name.isdecimal() else 10000, name))
    places = sorted(
        (row_names.index(row), column_names.index(column))
        for row, column in (well.split("/") for well in wells)
    )
    acquisitions = {entry["id"]: entry for entry in known.get("acquisitions", ())}
    for image in images:
        acquisitions.setdefault(image.acquisition, {"id": image.acquisition, "name": image.plate_name})
    return {
        **known,
        "version": ngff_version,
        "name": known.get("name", plate.name.removesuffix(".zarr")),
        "rows": [{"name": name} for name in row_names],
        "columns": [{"name": name} for name in column_names],
        "wells": [
            {"path": f"{row_names[row]}/{column_names[column]}", "rowIndex": row, "columnIndex": column}
            for row, column in places
        ],
        "acquisitions": [acquisitions[number] for number in sorted(acquisitions)],
    }


def list_in_well(image: Path) -> None:
    """Add a finished image to the list of its well, together with any other that is finished.

    Under a lock: of two that write the list at the same time one could be killed before it saw the other's image,
    which nobody would list then. What is listed already is believed, so that thousands of images of one well do not
    read each other's records again and again.

    Raises:
        OutputError: the image is not there, or the well's metadata are damaged.
    """
    well = image.parent
    version = group_version(image)
    if version is None:
        msg = f"{image}: expected a finished image, found no group"
        raise OutputError(msg)
    own = _entry(image)
    with exclusive(well / ".well.lock"):
        listed = _listed(well)
        finished = _finished(well, listed, own)
        if finished != listed:
            _write_well(well, finished, version)


def _listed(well: Path) -> list[dict[str, Any]]:
    """The images that a well lists."""
    known = read_ngff(well).get("well", {})
    if not isinstance(known, dict):
        raise _misshapen(well, "an object under well")
    return _entries(well, known, "images", "path", str)


def _entry(image: Path) -> dict[str, Any] | None:
    """What a well lists of a finished image of ours; None for any other folder."""
    record = completion_record(image)
    return {"path": image.name, "acquisition": record["acquisition"]} if record is not None else None


def _finished(
    well: Path, listed: Sequence[Mapping[str, Any]], own: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """The entries of a well's images: those listed as they are, others by their completion records."""
    with os.scandir(well) as found:
        folders = {entry.name for entry in found if not entry.name.startswith(".") and entry.is_dir()}
    entries = {
        entry["path"]: dict(entry)
        for entry in listed
        if entry["path"] in folders or (well / entry["path"]).is_dir()
    }
    unlisted = [
        _entry(well / name) for name in folders - entries.keys() if own is None or name != own["path"]
    ]
    for entry in (*unlisted, own):
        if entry is not None:
            entries[entry["path"]] = dict(entry)
    return sorted(entries.values(), key=_place_in_list)


def _place_in_list(entry: Mapping[str, Any]) -> tuple[int, int, str]:
    number, path = entry.get("acquisition"), entry["path"]
    return number if isinstance(number, int) else 0, len(path), path


def _write_well(well: Path, images: Sequence[Mapping[str, Any]], ngff_version: NgffVersion) -> None:
    known = read_ngff(well).get("well", {})
    metadata = {**known, "version": ngff_version, "images": list(images)}
    _write_metadata(well, "well", metadata, ngff_version)
