"""Registration: from stage positions to pixel offsets, and the report of every move."""

from __future__ import annotations

from tiles2zarr.placement.place import displacements, oriented_positions, place_image

__all__ = ["displacements", "oriented_positions", "place_image"]
