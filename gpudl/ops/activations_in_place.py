"""Activations that write over their input, under the names that end in _."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.ops.activations import celu, rrelu, selu
from gpudl.ops.elu import elu
from gpudl.ops.hardtanh import hardtanh
from gpudl.ops.operands import Number
from gpudl.ops.prelu import leaky_relu
from gpudl.ops.relu import relu
from gpudl.ops.threshold import threshold as _threshold

__all__ = ["celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_"]


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """elu in place; returns the input."""
    return elu(input, alpha, inplace=True)


def selu_(input: Tensor) -> Tensor:
    """selu in place; returns the input."""
    return selu(input, inplace=True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """celu in place; returns the input."""
    return celu(input, alpha, inplace=True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """hardtanh in place; returns the input."""
    return hardtanh(input, min_val, max_val, inplace=True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """leaky_relu in place; returns the input."""
    return leaky_relu(input, negative_slope, inplace=True)


def relu_(input: Tensor) -> Tensor:
    """relu in place; returns the input."""
    return relu(input, inplace=True)


def rrelu_(input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Tensor:
    """rrelu in place; returns the input."""
    return rrelu(input, lower, upper, training, inplace=True)


def threshold_(input: Tensor, threshold: Number, value: Number) -> Tensor:
    """threshold in place; returns the input."""
    return _threshold(input, threshold, value, inplace=True)
