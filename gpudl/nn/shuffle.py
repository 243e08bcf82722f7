"""Layers that move elements between channels and space, and between groups of channels."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.nn.arguments import count
from gpudl.nn.module import Module
from gpudl.ops.pixel_shuffle import channel_shuffle, pixel_shuffle, pixel_unshuffle

__all__ = ["ChannelShuffle", "PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """Channels moved into space: each pixel's factor**2 channels become a factor x factor square.

    y[..., c, h factor + i, w factor + j] = x[..., (c factor + i) factor + j, h, w]

    Args:
        upscale_factor: >= 1.
    Shape: (*, channels * factor**2, height, width) to (*, channels, height * factor, width * factor).
    Raises: TypeError for a factor that is no int; ShapeError for one below 1.
    Source: Shi et al. 2016, arXiv:1609.05158.
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = count("PixelShuffle", "upscale_factor", upscale_factor, 1)

    def forward(self, input: Tensor) -> Tensor:
        return pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Space moved into channels: each factor x factor square becomes one pixel; undoes PixelShuffle.

    Args:
        downscale_factor: >= 1.
    Shape: (*, channels, height * factor, width * factor) to (*, channels * factor**2, height, width).
    Raises: TypeError for a factor that is no int; ShapeError for one below 1.
    Source: Shi et al. 2016, arXiv:1609.05158.
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = count("PixelUnshuffle", "downscale_factor", downscale_factor, 1)

    def forward(self, input: Tensor) -> Tensor:
        return pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """The channels of all groups in turn: the first of each, then the second of each, and so on.

    y[n, i groups + g] = x[n, g channels / groups + i]

    Args:
        groups: >= 1, divides the channels.
    Shape: (batch, channels, *) to the same.
    Raises: TypeError for groups that are no int; ShapeError for fewer than 1.
    Source: Zhang et al. 2018, arXiv:1707.01083.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = count("ChannelShuffle", "groups", groups, 1)

    def forward(self, input: Tensor) -> Tensor:
        return channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
