"""Brightness, contrast, saturation, hue, gray and blur, of each image of a batch by numbers of its own.

Floating images have values in [0, 1] and stay in there, as in torchvision; integers go up to the largest of their
dtype, and are rounded to the nearest (torchvision cuts them off).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.data.transforms.base import PerSample, beside, in_float, on_images, pair, per_sample, scalars
from gpudl.data.transforms.geometry import pad
from gpudl.ops.shape import cat

_LUMA = 0.2989, 0.587, 0.114  # Rec. ITU-R BT.601, as torchvision rounds it


@on_images
def rgb_to_grayscale(input: Tensor, num_output_channels: int = 1) -> Tensor:
    """0.2989 red + 0.587 green + 0.114 blue.

    Args:
        input: (3, rows, columns) or (count, 3, rows, columns); one channel, which is gray already, is only repeated.
        num_output_channels: 1, or 3 alike.
    Raises: ValueError for another number of output channels; ShapeError for images of other than 1 or 3 channels.
    """
    if num_output_channels not in (1, 3):
        raise ValueError(f"rgb_to_grayscale: num_output_channels must be 1 or 3, got {num_output_channels}")
    check_channels("rgb_to_grayscale", input)
    gray = input if input.shape[1] == 1 else in_float(input, _gray)
    return gray if num_output_channels == 1 else cat([gray] * 3, 1)


def check_channels(name: str, images: Tensor) -> None:
    """Raise a ShapeError unless images have one channel or three."""
    if images.shape[1] not in (1, 3):
        raise ShapeError(f"{name}: images must have 1 channel (gray) or 3 (RGB), got {tuple(images.shape)}")


def _gray(images: Array) -> Array:
    if images.shape[1] == 1:
        return images
    red, green, blue = (images[:, i : i + 1] * weight for i, weight in enumerate(_LUMA))
    return red + green + blue


def brightened(x: Array, factor: Array) -> Array:
    """adjust_brightness of floating images, by (count, 1, 1, 1) factors."""
    return (x * factor).clip(0.0, 1.0)


def contrasted(x: Array, factor: Array) -> Array:
    """adjust_contrast of floating images, by (count, 1, 1, 1) factors."""
    gray = _gray(x)
    # One row for each image, which is summed in the same order however many there are and whatever their strides.
    return _blend(x, gray.reshape((len(gray), -1)).mean(axis=1).reshape((-1, 1, 1, 1)), factor)


def saturated(x: Array, factor: Array) -> Array:
    """adjust_saturation of floating images, by (count, 1, 1, 1) factors."""
    return x if x.shape[1] == 1 else _blend(x, _gray(x), factor)


def _blend(x: Array, other: Array, factor: Array) -> Array:
    return (x * factor + other * (1 - factor)).clip(0.0, 1.0)


def turned(x: Array, turns: Array) -> Array:
    """adjust_hue of floating images, by (count, 1, 1, 1) turns."""
    if x.shape[1] == 1:
        return x
    xp = xp_of(x)
    red, green, blue = x[:, :1], x[:, 1:2], x[:, 2:]
    most = xp.maximum(xp.maximum(red, green), blue)
    span = most - xp.minimum(xp.minimum(red, green), blue)
    # Where a pixel is gray, its hue is 0 and is not divided for.
    unit = xp.where(span == 0, xp.ones_like(span), span)
    sector = xp.where(
        most == red,
        (green - blue) / unit,
        xp.where(most == green, (blue - red) / unit + 2, (red - green) / unit + 4),
    )
    turn = sector / 6 + turns
    channels = []
    for opposite in (0.5, -1 / 6, 1 / 6):  # cyan, magenta and yellow: where red, green and blue are least
        away = turn - opposite
        away = abs(away - away.round())
        channels.append(most - span * (2 - 6 * away).clip(0.0, 1.0))
    return xp.concatenate(channels, 1)


def _adjusted(name: str, input: Tensor, values: PerSample, adjust: Callable[[Array, Array], Array]) -> Tensor:
    check_channels(name, input)
    factor = per_sample(name, "the factor", values, input.shape[0])
    if not (factor >= 0).all():
        raise ValueError(f"{name}: the factor must not be negative, got {values}")
    return in_float(input, lambda x: adjust(x, scalars(factor, x)), unit=True)


@on_images
def adjust_brightness(input: Tensor, brightness_factor: PerSample) -> Tensor:
    """Images times a factor, kept in range.

    Args:
        input: (1 or 3, rows, columns) or (count, 1 or 3, rows, columns).
        brightness_factor: a number, or one for each image, 0 (black) or more; 1 changes nothing.
    Raises: ValueError for a negative factor; ShapeError for another number of factors or channels.
    """
    return _adjusted("adjust_brightness", input, brightness_factor, brightened)


@on_images
def adjust_contrast(input: Tensor, contrast_factor: PerSample) -> Tensor:
    """Images drawn away from the mean of their gray, or towards it.

    Args, raises: as of adjust_brightness; factor 0 gives plain gray.
    """
    return _adjusted("adjust_contrast", input, contrast_factor, contrasted)


@on_images
def adjust_saturation(input: Tensor, saturation_factor: PerSample) -> Tensor:
    """Pixels drawn away from their own gray, or towards it.

    Args, raises: as of adjust_brightness; factor 0 gives a gray image. Gray images stay as they are.
    """
    return _adjusted("adjust_saturation", input, saturation_factor, saturated)


@on_images
def adjust_hue(input: Tensor, hue_factor: PerSample) -> Tensor:
    """Colors turned around the color circle; saturation and value stay.

    Args:
        input: (1 or 3, rows, columns) or (count, 1 or 3, rows, columns); gray images stay as they are.
        hue_factor: turns, or one number for each image, in [-0.5, 0.5].
    Raises: ValueError for a factor out of range; ShapeError for another number of factors or channels.
    Source: Smith 1978, "Color gamut transform pairs".
    """
    check_channels("adjust_hue", input)
    turns = per_sample("adjust_hue", "hue_factor", hue_factor, input.shape[0])
    if not (abs(turns) <= 0.5).all():
        raise ValueError(f"adjust_hue: hue_factor must be in [-0.5, 0.5], got {hue_factor}")
    return in_float(input, lambda x: turned(x, scalars(turns, x)), unit=True)


@on_images
def gaussian_blur(input: Tensor, kernel_size: Any, sigma: PerSample | None = None) -> Tensor:
    """Images smoothed by a Gaussian, mirrored at the edges.

    Args:
        input: (channels, rows, columns) or (count, channels, rows, columns); integers are rounded.
        kernel_size: an odd number, or (width, height).
        sigma: standard deviation in pixels, above 0, or one for each image; None for 0.3 ((width - 1) / 2 - 1) + 0.8,
            and likewise along the height.
    Raises: ValueError for an even kernel, or a sigma that is not above 0; ShapeError for images that are not larger
        than half the kernel.
    """
    sizes = pair("gaussian_blur", "kernel_size", kernel_size)
    rows, columns = input.shape[2:]
    if sizes[0] % 2 == 0 or sizes[1] % 2 == 0:
        raise ValueError(f"gaussian_blur: kernel_size must be odd, got {kernel_size}")
    if sizes[0] // 2 >= max(columns, 1) or sizes[1] // 2 >= max(rows, 1):
        raise ShapeError(f"gaussian_blur: a kernel of {kernel_size} needs images larger than {rows} x {columns}")
    deviations = [
        per_sample("gaussian_blur", "sigma", 0.15 * size + 0.35 if sigma is None else sigma, input.shape[0])
        for size in sizes
    ]
    if not all((each > 0).all() and np.isfinite(each).all() for each in deviations):
        raise ValueError(f"gaussian_blur: sigma must be above 0 and finite, got {sigma}")

    def blurred(x: Array) -> Array:
        x = pad(x, (sizes[0] // 2, sizes[1] // 2), padding_mode="reflect")
        for dim, size, length, deviation in zip((3, 2), sizes, (columns, rows), deviations, strict=True):
            offset = np.arange(size) - size // 2
            weights = np.exp(-0.5 * (offset / deviation[:, None]) ** 2)
            weights /= weights.sum(axis=1, keepdims=True)
            taps = beside(weights.T.reshape(size, -1, 1, 1, 1), x, x.dtype)
            total: Any = None
            for tap in range(size):
                part = x[(slice(None),) * dim + (slice(tap, tap + length),)] * taps[tap]
                total = part if total is None else total + part
            x = total
        return x

    return in_float(input, blurred)
