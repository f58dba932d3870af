"""The plain reference: a mosaic held in memory and its pyramid, in the simplest numpy: slow, and plain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class PlacedPlane(NamedTuple):
    """A plane of a tile where it belongs in the image."""

    t: int
    c: int
    z: int
    y: int
    x: int
    pixels: NDArray[Any]


def mosaic(
    shape: tuple[int, ...], dtype: str, planes: Iterable[PlacedPlane], overlap: str = "Last"
) -> NDArray[Any]:
    """All planes in one array, axes t, c, z, y, x; 0 where there is none."""
    covering = [[] for _ in range(int(np.prod(shape)))] if overlap == "Mean" else None
    image = np.zeros(shape, dtype)
    taken = np.zeros(shape, bool)
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    for plane in planes:
        height, width = plane.pixels.shape
        here = (
            plane.t,
            plane.c,
            plane.z,
            slice(plane.y, plane.y + height),
            slice(plane.x, plane.x + width),
        )
        pixels = plane.pixels.astype(dtype)
        if overlap == "First":
            pixels = np.where(taken[here], image[here], pixels)
        elif overlap == "Maximum":
            pixels = np.where(taken[here], np.maximum(image[here], pixels), pixels)
        elif covering is not None:
            for number, value in zip(numbers[here].ravel(), pixels.ravel().tolist(), strict=True):
                covering[number].append(value)
        image[here] = pixels
        taken[here] = True
    if covering is not None:
        image = np.array([mean_of(values, dtype) for values in covering], dtype).reshape(shape)
    return image


def mean_of(values: list[Any], dtype: str) -> Any:
    """The mean of Python numbers; of integers rounded to the nearest, halves upwards."""
    if not values:
        return 0
    if np.dtype(dtype).kind == "f":
        return sum(values) / len(values)
    return (2 * sum(values) + len(values)) // (2 * len(values))


def pyramid(level0: NDArray[Any], levels: int) -> list[NDArray[Any]]:
    """The image and its smaller levels: 2 x 2 pixels become their mean, odd ends are cut, none is empty."""
    images = [level0]
    while len(images) < levels and min(images[-1].shape[-2:]) > 1:
        images.append(halved(images[-1]))
    return images


def halved(image: NDArray[Any]) -> NDArray[Any]:
    """Half as high and wide (axes …, y, x)."""
    height, width = image.shape[-2] // 2 * 2, image.shape[-1] // 2 * 2
    # Python's own integers cannot overflow; floats are added as doubles.
    exact = image[..., :height, :width].astype(object if image.dtype.kind in "iu" else np.float64)
    corners = [exact[..., dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)]
    total = corners[0] + corners[1] + corners[2] + corners[3]
    mean = (total + 2) // 4 if image.dtype.kind in "iu" else total / 4
    return mean.astype(image.dtype)
