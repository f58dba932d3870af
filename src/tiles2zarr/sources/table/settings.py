"""``acquisition_details.toml``: what all tiles share, in this program's words or other converters'."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tiles2zarr.core.dataframe import first_reason, shown
from tiles2zarr.errors import SourceError
from tiles2zarr.models import AcquisitionDetails
from tiles2zarr.models.documents import one_line, read_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_NAME = "acquisition_details.toml"

_AXES = ("x", "y", "z", "t")
_OTHER_NAMES = {"xy_pixel_size": "pixelsize"}
# What somebody states; `measured` says what nobody did.
_FIELDS = tuple(name for name in AcquisitionDetails.model_fields if name != "measured")
_UNITS = {"micrometer": "world", "pixel": "pixel"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the file says; without a file, what is assumed.

    Attributes:
        details: what all tiles share.
        given: names of the fields that the file states.
        starts_in_pixels: axes (x, y, z, t) whose starts are pixels, planes or timepoints, not µm or s.
        lengths_in_world: axes whose lengths are µm or s, not pixels, planes or timepoints.
    """

    details: AcquisitionDetails
    given: frozenset[str] = frozenset()
    starts_in_pixels: frozenset[str] = frozenset()
    lengths_in_world: frozenset[str] = frozenset()


def known_keys() -> tuple[str, ...]:
    """Every key that may stand in the file, those of other converters last."""
    spaces = [
        f"{kind}_{axis}_{word}" for word in ("space", "coo") for kind in ("start", "length") for axis in _AXES
    ]
    return (
        *_FIELDS,
        *("position_unit", *_OTHER_NAMES, "channel_names", "wavelengths"),
        *spaces,
    )


def read_settings(file: Path) -> Settings:
    """The settings of a file; the defaults when there is none.

    Raises:
        SourceError: it is no TOML, has an unknown key or a value that cannot be; the key is named.
    """
    document = _document(file)
    known = known_keys()
    if unknown := sorted(set(document) - set(known)):
        expected = ", ".join(key for key in known if not key.endswith("_coo"))
        msg = f"{file}: unknown key {one_line(', '.join(unknown), 200)}: expected some of {expected}"
        raise SourceError(msg)
    fields = {name: document[name] for name in _FIELDS if name in document}
    for other, name in _OTHER_NAMES.items():
        if other in document:
            if name in fields:
                msg = f"{file}: {other} and {name} mean the same: remove one"
                raise SourceError(msg)
            fields[name] = document[other]
    _add_channels(file, document, fields)
    try:
        details = AcquisitionDetails.model_validate(fields)
    except ValueError as error:
        msg = f"{file}: {first_reason(error)}"
        raise SourceError(msg) from error
    default = _choice(file, document, "position_unit", _UNITS, "world")
    return Settings(
        details=details,
        given=frozenset(fields),
        starts_in_pixels=frozenset(
            axis for axis in _AXES if _space(file, document, f"start_{axis}", default) == "pixel"
        ),
        lengths_in_world=frozenset(
            axis for axis in _AXES if _space(file, document, f"length_{axis}", "pixel") == "world"
        ),
    )


def _document(file: Path) -> dict[str, Any]:
    if not os.path.lexists(file):
        return {}
    try:
        document: dict[str, Any] = read_document(file)
    except OSError as error:
        msg = f"{file}: cannot be read: {error.strerror or error}"
        raise SourceError(msg) from error
    except ValueError as error:
        msg = f"{file}: {error}"
        raise SourceError(msg) from error
    return document


def _add_channels(file: Path, document: Mapping[str, Any], fields: dict[str, Any]) -> None:
    """``channel_names`` and ``wavelengths``, two lists side by side, as channels."""
    names, wavelengths = document.get("channel_names"), document.get("wavelengths")
    if names is None:
        if wavelengths is not None:
            msg = f"{file}: wavelengths without channel_names: add channel_names, or use channels"
            raise SourceError(msg)
    elif "channels" in fields:
        msg = f"{file}: channels and channel_names mean the same: remove one"
        raise SourceError(msg)
    elif not isinstance(names, list) or not isinstance(wavelengths, list | None):
        msg = f"{file}: channel_names and wavelengths: expected lists"
        raise SourceError(msg)
    elif wavelengths is not None and len(wavelengths) != len(names):
        expected = f"one for each of {len(names)} channel_names"
        msg = f"{file}: wavelengths: expected {expected}, found {len(wavelengths)}"
        raise SourceError(msg)
    else:
        identities = [str(value) or None for value in wavelengths] if wavelengths else [None] * len(names)
        fields["channels"] = [
            {"channel_label": name, "wavelength_id": identity}
            for name, identity in zip(names, identities, strict=True)
        ]
    if not fields.get("channels", True):
        del fields["channels"]  # an empty list says nothing


def _space(file: Path, document: Mapping[str, Any], key: str, default: str) -> str:
    """``world`` or ``pixel``; the older key ends in ``_coo``."""
    spaces = {"world": "world", "pixel": "pixel"}
    newer = _choice(file, document, f"{key}_space", spaces, None)
    older = _choice(file, document, f"{key}_coo", spaces, None)
    if newer and older and newer != older:
        msg = f"{file}: {key}_space is {newer}, {key}_coo is {older}: they mean the same, remove one"
        raise SourceError(msg)
    return newer or older or default


def _choice(
    file: Path, document: Mapping[str, Any], key: str, choices: Mapping[str, str], default: Any
) -> Any:
    value = document.get(key)
    if value is None:
        return default
    if not isinstance(value, str) or value not in choices:
        expected = " or ".join(f'"{choice}"' for choice in choices)
        msg = f"{file}: {key}: expected {expected}, found {shown(value)}"
        raise SourceError(msg)
    return choices[value]
