"""Layers that multiply by a matrix, the one that multiplies two inputs, and the one that does nothing."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.nn import init
from gpudl.nn.arguments import count
from gpudl.nn.lazy import LazyLayer
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.ops.create import zeros
from gpudl.ops.linear import linear
from gpudl.ops.similarity import bilinear

__all__ = ["Bilinear", "Identity", "LazyLinear", "Linear"]


class Identity(Module):
    """The input as it is; takes and ignores any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """y = x weight^T + bias.

    Args:
        in_features: length of the input's last dimension.
        out_features: length of the output's.
        bias: with a bias.
        device, dtype: of the parameters.
    Shape: (*, in_features) to (*, out_features).
    Attributes:
        weight: (out_features, in_features), and bias: (out_features,), both drawn from U(-k, k),
            k = 1 / sqrt(in_features).
    Raises: TypeError unless both features are ints; ShapeError if one is negative.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = count("Linear", "in_features", in_features)
        self.out_features = count("Linear", "out_features", out_features)
        self.weight = Parameter(zeros(out_features, in_features, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(zeros(out_features, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """y[k] = x1^T weight[k] x2 + bias[k].

    Args:
        in1_features, in2_features: lengths of the inputs' last dimensions; the first at least 1.
        out_features: length of the output's.
        bias: with a bias.
        device, dtype: of the parameters.
    Shape: (*, in1_features) and (*, in2_features) to (*, out_features).
    Attributes:
        weight: (out_features, in1_features, in2_features), and bias: (out_features,), both drawn from U(-k, k),
            k = 1 / sqrt(in1_features).
    Raises: TypeError unless the features are ints; ShapeError (a ValueError) if one is too small.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features = count("Bilinear", "in1_features", in1_features, 1)
        self.in2_features = count("Bilinear", "in2_features", in2_features)
        self.out_features = count("Bilinear", "out_features", out_features)
        self.weight = Parameter(zeros(out_features, in1_features, in2_features, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(zeros(out_features, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class LazyLinear(LazyLayer, Linear):
    """Linear whose in_features is that of its first input; from then on it is a Linear.

    Args: those of Linear without in_features.
    """

    cls_to_become, infers, dim = Linear, "in_features", -1
