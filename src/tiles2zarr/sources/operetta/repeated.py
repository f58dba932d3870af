"""Images that share their place with another one: listed twice, or taken again in a later sequence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tiles2zarr.errors import Finding
from tiles2zarr.models.documents import one_line

if TYPE_CHECKING:
    from tiles2zarr.sources.operetta.index import Index

_PLACE = ("PlateID", "Row", "Col", "FieldID", "ChannelID", "PlaneID", "TimepointID", "FlimID")
_FILE = ("SequenceID", "URL", "BufferNo")


def each_once(index: Index) -> tuple[Index, list[Finding]]:
    """The index without images that it lists twice, place and file, as where two exports were put together."""
    columns = (index.columns[name] for name in _PLACE + _FILE)
    last = {place: row for row, place in enumerate(zip(*columns, strict=True))}
    if len(last) == len(index):
        return index, []
    kept = sorted(last.values())
    left_out = sorted(set(range(len(index))) - set(kept))
    example = one_line(index.columns["URL"][left_out[0]] or "", 200)
    message = f"{len(left_out)} images are listed twice, such as {example}: each is converted once"
    return index.take(kept), [Finding("info", "duplicate-place", str(index.file), message)]


def in_sequence(index: Index) -> tuple[Index, list[Finding]]:
    """The index with timepoints that go on from one sequence to the next, where each counts from the first.

    A sequence is what is taken before or after something was pipetted. Where no image shares its place with one of
    another sequence, the timepoints are right as they are.

    Raises:
        SourceError: an image has no number of a sequence, while others have.
    """
    said = index.columns["SequenceID"]
    if len({text or "" for text in said}) < 2:
        return index, []
    places = list(zip(*(index.columns[name] for name in _PLACE), strict=True))
    distinct = set(zip(places, said, strict=True))
    if len({place for place, _ in distinct}) == len(distinct):
        return index, []
    moments = np.stack([index.whole("SequenceID", 0), index.whole("TimepointID", 0)])
    _, numbers = np.unique(moments, axis=1, return_inverse=True)
    timepoints: list[str | None] = [str(number) for number in numbers.ravel().tolist()]
    message = (
        f"expected one sequence, found {len(np.unique(moments[0]))} that take the same timepoints again: "
        "those of each are put behind those of the one before, check their order"
    )
    finding = Finding("warning", "assumed-value", str(index.file), message)
    return replace(index, columns={**index.columns, "TimepointID": timepoints}), [finding]
