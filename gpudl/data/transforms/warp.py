"""Rotation and affine maps, of each image of a batch by numbers of its own. Jaderberg et al. 2015, arXiv:1506.02025."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array
from gpudl.backend.errors import ShapeError
from gpudl.data.transforms.base import Fill, PerSample, beside, fill_of, in_float, on_images, per_sample
from gpudl.data.transforms.geometry import shown_mode
from gpudl.ops.create import ones
from gpudl.ops.grid_sample import affine_grid, grid_sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

_PIXELS = 1 << 14  # read at a time


@on_images
def affine(
    input: Tensor,
    angle: PerSample,
    translate: Sequence[PerSample] = (0, 0),
    scale: PerSample = 1.0,
    shear: Sequence[PerSample] = (0.0, 0.0),
    interpolation: str = "nearest",
    fill: Fill = 0,
    center: Sequence[float] | None = None,
) -> Tensor:
    """Images turned, sheared, scaled and moved, in a frame of the same size.

    Every argument but the last three is a number, or one for each image.

    Args:
        input: (channels, rows, columns) or (count, channels, rows, columns); integers are rounded.
        angle: degrees, clockwise.
        translate: (right, down), pixels.
        scale: above 0.
        shear: (x, y), degrees.
        interpolation: "nearest" | "bilinear" | "bicubic".
        fill: outside of the image: a number, or one for each channel.
        center: (x, y) in pixels from the upper left corner, by default the middle.
    Raises: ValueError for a scale that is not above 0, numbers that are not finite, another interpolation; ShapeError
        for an empty image, or another number of numbers than images.
    """
    count = input.shape[0]
    names = "angle", "translate", "translate", "scale", "shear", "shear"
    if len(translate) != 2 or len(shear) != 2:
        raise ValueError(f"affine: translate and shear must be two numbers each, got {translate} and {shear}")
    values = angle, *translate, scale, *shear
    numbers = [per_sample("affine", what, value, count) for what, value in zip(names, values, strict=True)]
    if not all(np.isfinite(each).all() for each in numbers) or (numbers[3] <= 0).any():
        raise ValueError("affine: angle, translate, scale and shear must be finite, and scale above 0")
    return _warped("affine", input, _inverse(numbers, _center(input, center)), interpolation, fill)


@on_images
def rotate(
    input: Tensor,
    angle: PerSample,
    interpolation: str = "nearest",
    *,
    center: Sequence[float] | None = None,
    fill: Fill = 0,
) -> Tensor:
    """Images turned counterclockwise, in a frame of the same size.

    Args:
        input: (channels, rows, columns) or (count, channels, rows, columns); integers are rounded.
        angle: degrees, or one number for each image.
        interpolation, center, fill, raises: as of affine.
    """
    turn = -per_sample("rotate", "angle", angle, input.shape[0])
    if not np.isfinite(turn).all():
        raise ValueError("rotate: angle must be finite")
    zero, one = np.zeros_like(turn), np.ones_like(turn)
    matrix = _inverse([turn, zero, zero, one, zero, zero], _center(input, center))
    return _warped("rotate", input, matrix, interpolation, fill)


def _center(input: Tensor, center: Sequence[float] | None) -> tuple[float, float]:
    """(x, y) from the middle of the image."""
    if center is None:
        return 0.0, 0.0
    rows, columns = input.shape[2:]
    return center[0] - 0.5 * columns, center[1] - 0.5 * rows


def _inverse(numbers: Sequence[Doubles], center: tuple[float, float]) -> Doubles:
    """(count, 2, 3): from places of the result to places of the image, in pixels from its middle.

    The inverse of: move the center to the origin, scale, shear, turn, move back, then translate; torchvision's formula.

    Args:
        numbers: angle, right, down, scale, shear along x and along y; (count,) each.
    """
    angle, right, down, scale, shear_x, shear_y = numbers
    x, y = center
    turn, across, along = np.deg2rad(angle), np.deg2rad(shear_x), np.deg2rad(shear_y)
    a = np.cos(turn - along) / np.cos(along)
    b = -a * np.tan(across) - np.sin(turn)
    c = np.sin(turn - along) / np.cos(along)
    d = -c * np.tan(across) + np.cos(turn)
    matrix = np.empty((len(angle), 2, 3))
    matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 0], matrix[:, 1, 1] = d / scale, -b / scale, -c / scale, a / scale
    back = np.stack((-x - right, -y - down), axis=1)[:, :, None]
    matrix[:, :, 2:] = matrix[:, :, :2] @ back + np.array([[x], [y]])
    return matrix


def _warped(name: str, input: Tensor, matrix: Doubles, interpolation: str, fill: Fill) -> Tensor:
    shown_mode(name, interpolation)
    count, _, rows, columns = input.shape
    if not rows or not columns:
        raise ShapeError(f"{name}: an image of {rows} x {columns} has no pixels")
    if not count:
        return input
    # Half widths are the unit of grids.
    unit = np.array([columns / 2, rows / 2])
    scaled = matrix * np.append(unit, 1.0) / unit[:, None]

    def sampled(x: Array) -> Array:
        filled = fill_of(name, fill, x)
        if isinstance(x, np.ndarray) and interpolation != "bicubic":
            return _read(x, matrix, interpolation, filled)
        images = x if isinstance(x, Tensor) else wrap(x, None)
        grid = affine_grid(beside(scaled, images, images.dtype), (count, 1, rows, columns), align_corners=False)
        result = grid_sample(images, grid, interpolation, align_corners=False)
        if np.any(fill):
            whole: Any = ones((count, 1, rows, columns), dtype=images.dtype, device=images.device)
            covered = grid_sample(whole, grid, interpolation, align_corners=False)
            result = result + (1 - covered) * filled
        return result if images is x else result.array

    return in_float(input, sampled)


def _read(images: NDArray[Any], matrix: Doubles, interpolation: str, fill: NDArray[Any]) -> NDArray[Any]:
    """What grid_sample gives, and `fill` outside, on the host.

    Each image gets an edge that is filled, so that no place has to be looked at; a part of its rows is read at a time,
    which the cache holds.

    Args:
        matrix: (count, 2, 3), pixels from the middle.
    """
    channels, rows, columns = images.shape[1:]
    result, width = np.empty(images.shape, images.dtype), columns + 5
    edged = np.empty((channels, rows + 5, width), images.dtype)
    planes = edged.reshape(channels, -1)
    middle = np.array([columns - 1, rows - 1]) / 2
    across, down = np.arange(columns) - middle[0], np.arange(rows) - middle[1]
    step = max(_PIXELS // columns, 1)
    for image, out, ((xx, xy, x0), (yx, yy, y0)) in zip(images, result, matrix.tolist(), strict=True):
        edged[...] = fill
        edged[:, 2 : rows + 2, 2 : columns + 2] = image
        lines = out.reshape(channels, -1)
        for start in range(0, rows, step):
            part = down[start : start + step, None]
            x, y = (
                np.clip(np.add(a * across + place, b * part, dtype=images.dtype, casting="same_kind"), 0, length + 3)
                for a, b, place, length in (
                    (xx, xy, x0 + middle[0] + 2, columns),
                    (yx, yy, y0 + middle[1] + 2, rows),
                )
            )
            span = slice(start * columns, start * columns + x.size)
            if interpolation == "nearest":
                index = (np.rint(y).astype(np.int64) * width + np.rint(x).astype(np.int64)).reshape(-1)
                for plane, line in zip(planes, lines):
                    plane.take(index, out=line[span], mode="clip")
                continue
            left, top = x.astype(np.int64), y.astype(np.int64)
            near_x, near_y = ((at - low).astype(images.dtype).reshape(-1) for at, low in ((x, left), (y, top)))
            index = (top * width + left).reshape(-1)
            places = index, index + 1, index + width, index + (width + 1)
            far_x, far_y = 1 - near_x, 1 - near_y
            weights = far_y * far_x, far_y * near_x, near_y * far_x, near_y * near_x
            for plane, line in zip(planes, lines):
                total = plane.take(places[0]) * weights[0]
                for place, weight in zip(places[1:], weights[1:]):
                    total += plane.take(place) * weight
                line[span] = total
    return result
