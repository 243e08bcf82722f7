"""Softmax and its kin: the dimension that sums to 1, and one call into ops."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn.activation import Activation
from gpudl.nn.module import Module
from gpudl.ops.activations import softmin
from gpudl.ops.softmax import log_softmax, softmax

__all__ = ["LogSoftmax", "Softmax", "Softmax2d", "Softmin"]


class _AlongDim(Activation):
    shown = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim


class Softmax(_AlongDim):
    """exp(x) / sum(exp(x)) along a dimension.

    Args:
        dim: the dimension that sums to 1; None, as in PyTorch, for 0 with 1 and 3 dimensions and 1 with others: say it.
    Shape: any to the same.
    Source: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs".
    """

    def forward(self, input: Tensor) -> Tensor:
        return softmax(input, self.dim)


class Softmin(_AlongDim):
    """exp(-x) / sum(exp(-x)) along a dimension.

    Args:
        dim: the dimension that sums to 1; None as for Softmax.
    Shape: any to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return softmin(input, self.dim)


class LogSoftmax(_AlongDim):
    """log(exp(x) / sum(exp(x))) along a dimension, without taking the logarithm of a tiny number.

    Args:
        dim: the dimension whose exponentials sum to 1; None as for Softmax.
    Shape: any to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return log_softmax(input, self.dim)


class Softmax2d(Module):
    """Softmax over the channels, at each place of an image.

    Shape: (batch, channels, height, width) or (channels, height, width) to the same.
    Raises: ShapeError for an input of other than 3 or 4 dimensions.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ShapeError(f"Softmax2d: expected ([batch], channels, height, width), got {input.shape}")
        return softmax(input, -3)
