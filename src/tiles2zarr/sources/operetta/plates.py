"""Which plate of an index each image is of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tiles2zarr.errors import SourceError
from tiles2zarr.models.documents import one_line
from tiles2zarr.models.values import valid_path_part
from tiles2zarr.sources.naming import plate_name
from tiles2zarr.sources.operetta.locating import home_of

if TYPE_CHECKING:
    from pathlib import Path

    from tiles2zarr.sources.base import ScanRequest
    from tiles2zarr.sources.operetta.index import Index, Plate


def chosen_plates(request: ScanRequest, index: Index, folder: Path) -> tuple[Index, list[str]]:
    """The images that are wanted, and the name of the plate of each.

    Nearly every index is of one plate, which is called as the user says, or as its folder. One of several must say
    of which plate each image is, by its id or by plates that share no well; then each becomes a plate by its own
    name, or only the one that the user names.

    Raises:
        SourceError: it cannot be said of which plate an image is, or the user names none of several.
    """
    plates = {plate.identity or plate.name: plate for plate in index.plates}
    if len(plates) < 2:
        return index, [plate_name(request, home_of(folder))] * len(index)
    identities = _identities(index, plates)
    names = {identity: valid_path_part(plate.name or identity) for identity, plate in plates.items()}
    if request.plate_name is None:
        if len(set(names.values())) < len(names):
            msg = f"{index.file}: expected plates of different names, found {_listed(plates)}: export them one by one"
            raise SourceError(msg)
        return index, [names[identity] for identity in identities]
    wanted = [identity for identity, name in names.items() if request.plate_name in (identity, name)]
    if len(wanted) != 1:
        found = one_line(request.plate_name, 80)
        msg = f"{index.file}: expected the name of one of its plates ({_listed(plates)}), found {found!r}: name one"
        raise SourceError(msg)
    rows = [row for row, identity in enumerate(identities) if identity == wanted[0]]
    kept = replace(index.take(rows), plates=[plates[wanted[0]]])
    return kept, [plate_name(request, home_of(folder))] * len(rows)


def _identities(index: Index, plates: dict[str, Plate]) -> list[str]:
    """The plate of each image."""
    said = [(text or "").strip() for text in index.columns["PlateID"]]
    if set(said) <= set(plates):
        return said
    owners = {well: identity for identity, plate in plates.items() for well in plate.wells}
    if len(owners) == sum(len(plate.wells) for plate in plates.values()):
        places = zip(index.whole("Row", 1).tolist(), index.whole("Col", 1).tolist(), strict=True)
        found = [owners.get(place, "") for place in places]
        if all(found):
            return found
    msg = (
        f"{index.file}: expected one plate, found {len(plates)} ({_listed(plates)}) and images that do not say of "
        "which they are: export them one by one"
    )
    raise SourceError(msg)


def _listed(plates: dict[str, Plate]) -> str:
    return one_line(", ".join(plate.name or identity for identity, plate in plates.items()), 200)
