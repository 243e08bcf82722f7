"""Normalization of the last dimensions, of groups of channels, and of a channel by its neighbors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn import init
from gpudl.nn.affine import Affine
from gpudl.nn.arguments import count
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.ops.create import empty
from gpudl.ops.group_norm import group_norm
from gpudl.ops.layer_norm import layer_norm
from gpudl.ops.local_response_norm import local_response_norm
from gpudl.ops.rms_norm import rms_norm

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


def _lengths(layer: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """The lengths of the dimensions that are normalized.

    Raises: TypeError if they are no ints; ShapeError if there are none, or one is negative.
    """
    given = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    if not given:
        raise ShapeError(f"{layer}: normalized_shape must have at least one dimension, got ()")
    return tuple(count(layer, "normalized_shape", length) for length in given)


class LayerNorm(Affine):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and biased variance over the last dimensions.

    Args:
        normalized_shape: the lengths of these dimensions; an int for the last one alone.
        eps: >= 0, what keeps the root from 0.
        elementwise_affine: with a weight, and
        bias: then with a bias too.
        device, dtype: of the parameters.
    Shape: (*, *normalized_shape), to the same.
    Attributes:
        weight: of the normalized shape, 1 at first, and bias: likewise, 0 at first; or None.
    Raises: TypeError or ShapeError for lengths that do not count; ShapeError for an input that ends otherwise.
    Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _lengths("LayerNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._make_affine(self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """x / sqrt(mean(x**2) + eps) * weight, with the mean over the last dimensions.

    Args:
        normalized_shape: the lengths of these dimensions; an int for the last one alone.
        eps: >= 0, what keeps the root from 0; None: the distance from 1 to the next number of the input's dtype, or
            of float32 for half floats.
        elementwise_affine: with a weight.
        device, dtype: of the weight.
    Shape: (*, *normalized_shape), to the same.
    Attributes:
        weight: of the normalized shape, 1 at first; or None.
    Raises: TypeError or ShapeError for lengths that do not count; ShapeError for an input that ends otherwise.
    Source: Zhang & Sennrich 2019, arXiv:1910.07467.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _lengths("RMSNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The weight is 1 again."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Affine):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each group of channels.

    Args:
        num_groups: into how many groups of equal size the channels of a sample are put, >= 1; divides num_channels.
        num_channels: >= 0.
        eps: >= 0, what keeps the root from 0.
        affine: with a weight, and
        bias: then with a bias too.
        device, dtype: of the parameters.
    Shape: (n, num_channels, *), to the same.
    Attributes:
        weight: (num_channels,), 1 at first, and bias: (num_channels,), 0 at first; or None.
    Raises: TypeError or ShapeError (a ValueError) for groups and channels that do not count, or do not go together;
        ShapeError for an input of another shape.
    Source: Wu & He 2018, arXiv:1803.08494.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = count("GroupNorm", "num_groups", num_groups, 1)
        self.num_channels = count("GroupNorm", "num_channels", num_channels)
        if self.num_channels % self.num_groups:
            raise ShapeError(f"GroupNorm: num_channels {num_channels} must be divisible by num_groups {num_groups}")
        self.eps, self.affine = eps, affine
        self._make_affine((self.num_channels,), affine, affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        if self.affine and input.shape[1:2] != (self.num_channels,):
            raise ShapeError(f"expected (n, {self.num_channels}, *), got {input.shape}")
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """x / (k + alpha * mean of x**2 over `size` neighboring channels)**beta; missing channels count as 0.

    Args:
        size: channels of a window, >= 1.
        alpha, beta, k: as above.
    Shape: (n, channels, *) of at least three dimensions, to the same.
    Raises: TypeError or ShapeError for a size that does not count; ShapeError for an input of fewer dimensions.
    Source: Krizhevsky, Sutskever & Hinton 2012, section 3.3.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = count("LocalResponseNorm", "size", size, 1)
        self.alpha, self.beta, self.k = alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
