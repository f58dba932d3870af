"""Zarr groups and their attributes, as plain JSON documents of either Zarr version, written in one step."""

from __future__ import annotations

import json
import os
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from tiles2zarr.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

NgffVersion = Literal["0.4", "0.5"]

_PART = re.compile(r"\..+\.[0-9a-f]{16}\.part", re.DOTALL)
# A temporary file may be cleared away under its writer's hands, by somebody who takes it for a killed one's.
_MOST_TRIES = 100


def write_group(folder: Path, attributes: Mapping[str, Any], ngff_version: NgffVersion) -> None:
    """Make a folder a Zarr group with these attributes; whatever else is in it stays.

    A reader sees the old attributes or the new ones, never a part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if ngff_version == "0.4":
        # The group's own file goes last: what has it has its attributes too.
        write_json(folder / ".zattrs", attributes)
        write_json(folder / ".zgroup", {"zarr_format": 2})
    else:
        write_json(folder / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": attributes})


def group_version(folder: Path) -> NgffVersion | None:
    """The NGFF version that goes with the group's Zarr version; None where there is no group."""
    if (folder / ".zgroup").is_file():
        return "0.4"
    return "0.5" if (folder / "zarr.json").is_file() else None


def read_attributes(folder: Path) -> dict[str, Any] | None:
    """The attributes of a group; None where there is no group.

    Raises:
        OutputError: its metadata cannot be read, are no JSON document, or no object.
    """
    document = read_document(folder)
    if document is None or group_version(folder) == "0.4":
        return document
    return _object(document.get("attributes", {}), f"{folder / 'zarr.json'}: attributes")


def read_document(folder: Path) -> dict[str, Any] | None:
    """The metadata of a group: the attributes of Zarr v2, the whole document of v3; None where there is no group.

    Raises:
        OutputError: they cannot be read, are no JSON document, or no object.
    """
    file = folder
    try:
        version = group_version(folder)
        if version is None:
            return None
        file = folder / (".zattrs" if version == "0.4" else "zarr.json")
        document = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        msg = f"{file}: expected metadata, cannot read them ({error.strerror}): repair or remove it"
        raise OutputError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{file}: expected a JSON document, found something else ({error}): repair or remove it"
        raise OutputError(msg) from error
    return _object(document, str(file))


def ngff_attributes(attributes: Mapping[str, Any], ngff_version: NgffVersion) -> dict[str, Any]:
    """NGFF metadata where their version keeps them: at the top for 0.4, below ``ome`` for 0.5."""
    return dict(attributes) if ngff_version == "0.4" else {"ome": {"version": "0.5", **attributes}}


def read_ngff(folder: Path) -> dict[str, Any]:
    """The NGFF metadata of a group of either version; empty where there are none.

    Raises:
        OutputError: they are no JSON document, or no object.
    """
    attributes = read_attributes(folder) or {}
    return _object(attributes.get("ome", attributes), f"{folder}: attribute ome")


def _object(document: Any, place: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        found = type(document).__name__
        msg = f"{place}: expected a JSON object, found a {found}: repair or remove it"
        raise OutputError(msg)
    return document


def write_json(file: Path, document: Any) -> None:
    """Write a JSON document in one step, whatever is interrupted or reads at the same time."""
    write_bytes(file, (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_bytes(file: Path, content: bytes) -> None:
    """Write a file in one step: a hidden temporary name first, then renamed over the old one.

    Where somebody clears the temporary file away meanwhile (`remove_parts`), it is written again.
    """
    write_in_one_step(file, file.name, lambda handle: handle.write(content))


def write_in_one_step(file: Path, name: str, write: Callable[[BinaryIO], object]) -> None:
    """Write a file in one step, as `write_bytes` does.

    Args:
        file: what is written.
        name: what the temporary name is made from.
        write: writes the content, once more where the temporary file was cleared away.
    """
    for left in reversed(range(_MOST_TRIES)):
        temporary = file.with_name(f".{name}.{secrets.token_hex(8)}.part")
        try:
            with temporary.open("xb") as handle:
                write(handle)
            try:
                os.replace(temporary, file)
            except FileNotFoundError:
                if not left or temporary.exists():
                    raise
            else:
                return
        except BaseException:
            with suppress(OSError):  # what went wrong first is what counts
                temporary.unlink()
            raise


def remove_parts(folder: Path) -> None:
    """Remove the temporary files that killed writers left in a folder; one at work writes its own again."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _PART.fullmatch(entry.name):
                with suppress(OSError):
                    os.unlink(entry.path)
