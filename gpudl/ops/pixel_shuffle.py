"""Moving elements between channels and space, and between groups of channels."""

from __future__ import annotations

import math

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError

__all__ = ["channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels moved into space: each pixel's factor**2 channels become a factor x factor square.

    Args:
        input: (..., channels * factor**2, height, width).
        upscale_factor: positive.
    Returns: (..., channels, height * factor, width * factor).
    Raises: ShapeError if the channels are no multiple of factor**2, or there are fewer than three dimensions.
    Source: Shi et al. 2016, arXiv:1609.05158.
    """
    *batch, channels, height, width = _image("pixel_shuffle", input, upscale_factor)
    factor = upscale_factor
    if channels % (factor * factor):
        raise ShapeError(f"pixel_shuffle: {channels} channels are no multiple of {factor}**2, in {input.shape}")
    lead, inner = math.prod(batch), channels // factor**2
    blocks = input.reshape((lead, inner, factor, factor, height, width)).permute((0, 1, 4, 2, 5, 3))
    return blocks.reshape((*batch, inner, height * factor, width * factor))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Space moved into channels: each factor x factor square becomes one pixel; undoes pixel_shuffle.

    Args:
        input: (..., channels, height * factor, width * factor).
        downscale_factor: positive.
    Returns: (..., channels * factor**2, height, width).
    Raises: ShapeError if height or width is no multiple of the factor, or there are fewer than three dimensions.
    Source: Shi et al. 2016, arXiv:1609.05158.
    """
    *batch, channels, height, width = _image("pixel_unshuffle", input, downscale_factor)
    factor = downscale_factor
    if height % factor or width % factor:
        raise ShapeError(f"pixel_unshuffle: height and width must be multiples of {factor}, got {input.shape}")
    lead = math.prod(batch)
    blocks = input.reshape((lead, channels, height // factor, factor, width // factor, factor))
    return blocks.permute((0, 1, 3, 5, 2, 4)).reshape((*batch, channels * factor**2, height // factor, width // factor))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels of all groups in turn: the first of each, then the second of each, and so on.

    Args:
        input: (batch, channels, ...), at least three dimensions.
        groups: positive, divides the channels.
    Returns: the input's shape.
    Raises: ShapeError if the groups do not divide the channels, or there are fewer than three dimensions.
    Source: Zhang et al. 2018, arXiv:1707.01083.
    """
    if input.ndim < 3:
        raise ShapeError(f"channel_shuffle: expected (batch, channels, ...), got shape {input.shape}")
    batch, channels, *rest = input.shape
    if groups <= 0 or channels % groups:
        raise ShapeError(f"channel_shuffle: {groups} groups do not divide the {channels} channels of {input.shape}")
    parted = input.reshape((batch, groups, channels // groups, *rest))
    return parted.transpose(1, 2).reshape(input.shape)


def _image(name: str, input: Tensor, factor: int) -> tuple[int, ...]:
    if input.ndim < 3:
        raise ShapeError(f"{name}: expected (..., channels, height, width), got shape {input.shape}")
    if factor <= 0:
        raise RuntimeError(f"{name}: the factor must be positive, got {factor}")
    return input.shape
