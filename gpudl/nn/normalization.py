"""Layers that shift and scale their input to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.ops.create import ones, zeros
from gpudl.ops.layer_norm import layer_norm

__all__ = ["LayerNorm"]


class LayerNorm(Module):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance over the last dimensions.

    Args:
        normalized_shape: the last dimensions, or the last one as an int.
        eps: what keeps the root from 0.
        elementwise_affine: with a weight, and a bias if `bias`.
        bias: with a bias.
        device, dtype: of the parameters.
    Shape: (*, *normalized_shape) to the same.
    Attributes:
        weight: of normalized_shape, ones, and bias: likewise, zeros; or None.
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
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        weight = Parameter(ones(*shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        with_bias = elementwise_affine and bias
        self.register_parameter("bias", Parameter(zeros(*shape, device=device, dtype=dtype)) if with_bias else None)

    def forward(self, input: Tensor) -> Tensor:
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"
