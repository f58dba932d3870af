"""What is said of a file that the system does not let anybody read."""

from __future__ import annotations

from tiles2zarr.errors import SourceError


def unreadable(file: object, error: OSError) -> SourceError:
    """The error of a file that cannot be read.

    Args:
        file: what messages call it.
        error: what the system says.
    """
    reason = error.strerror or str(error)
    return SourceError(f"{file}: cannot be read: {reason}: copy it again, or ask for the right to read it")
