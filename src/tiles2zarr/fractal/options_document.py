"""The options document: the same JSON or TOML file for the command line, Python and a task's form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import OptionsError
from tiles2zarr.models.documents import document_kind, read_document

if TYPE_CHECKING:
    from pathlib import Path


def read_options_document(file: Path) -> dict[str, Any]:
    """The keys and values of an options document, not yet checked against the options there are.

    Args:
        file: TOML if it is called ``.toml``, else JSON.

    Raises:
        OptionsError: it cannot be read, or is no object.
    """
    try:
        document = read_document(file)
    except OSError as error:
        msg = (
            f"{file}: expected an options document, cannot read it: {error.strerror or error}: check the path"
        )
        raise OptionsError(msg) from error
    except ValueError as error:
        msg = f"{file}: expected an options document in {document_kind(file)}: {error}"
        raise OptionsError(msg) from error
    if not isinstance(document, dict):
        msg = f"{file}: expected an object of options, found {type(document).__name__}"
        raise OptionsError(msg)
    return document
