"""NGFF metadata of an image: axes, levels, channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tiles2zarr.core.placed_image import PlacedImage
    from tiles2zarr.models import Axis, ChannelInfo
    from tiles2zarr.writer.grid import Grid

_AXES: dict[Axis, dict[str, str]] = {
    "t": {"name": "t", "type": "time", "unit": "second"},
    "c": {"name": "c", "type": "channel"},
    "z": {"name": "z", "type": "space", "unit": "micrometer"},
    "y": {"name": "y", "type": "space", "unit": "micrometer"},
    "x": {"name": "x", "type": "space", "unit": "micrometer"},
}
# Colours of channels that have none: told apart with any colour vision (after Okabe and Ito), blue first for
# nuclei.
_COLORS = ("0072B2", "009E73", "D55E00", "F0E442", "CC79A7", "56B4E9", "E69F00")


_HOW_TAKEN = {
    "excitation_nm",
    "emission_nm",
    "exposure_s",
    "z_offset",
    "objective",
    "magnification",
    "numerical_aperture",
}


def multiscales(placed: PlacedImage, grid: Grid) -> list[dict[str, Any]]:
    """The ``multiscales`` entry, without its version: scales are exactly 2^k times the pixel size."""
    axes = placed.image.axes
    size = placed.image.pixel_size
    moved = {axis: value for axis, value in placed.translation.items() if axis in axes and value != 0}
    datasets = []
    for level in range(grid.levels):
        factor = {"y": 2**level, "x": 2**level}
        scale = [float(size.get(axis, 1.0) * factor.get(axis, 1)) for axis in axes]
        transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if moved:
            transformations.append(
                {"type": "translation", "translation": [float(moved.get(axis, 0.0)) for axis in axes]}
            )
        datasets.append({"path": str(level), "coordinateTransformations": transformations})
    return [
        {
            "name": placed.image.name,
            "axes": [_AXES[axis] for axis in axes],
            "datasets": datasets,
            "type": "mean",
        }
    ]


def omero(
    channels: Sequence[ChannelInfo], windows: Sequence[tuple[float, float]], dtype: str
) -> dict[str, Any]:
    """The ``omero`` entry: label, wavelength, colour and display range of each channel, and how it was taken."""
    low, high = type_range(dtype)
    return {
        "channels": [
            {
                "label": channel.channel_label,
                "wavelength_id": channel.wavelength_id or channel.channel_label,
                "color": channel.color or _COLORS[index % len(_COLORS)],
                "active": True,
                "window": {"min": low, "max": high, "start": window[0], "end": window[1]},
                **channel.model_dump(include=_HOW_TAKEN, exclude_none=True),
            }
            for index, (channel, window) in enumerate(zip(channels, windows, strict=True))
        ],
        "rdefs": {"model": "color" if len(channels) > 1 else "greyscale"},
    }


def type_range(dtype: str) -> tuple[float, float]:
    """Smallest and largest value of an integer type; 0 and 1 for floats.

    >>> type_range("uint8")
    (0.0, 255.0)
    """
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        return 0.0, 1.0
    limits = np.iinfo(kind)
    return float(limits.min), float(limits.max)
