"""Rectifiers, their leaky and exponential kin, and what cuts at bounds: settings, and one call into ops."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from gpudl.autograd.tensor import Tensor
from gpudl.nn import init
from gpudl.nn.activation import Activation, InPlace
from gpudl.nn.arguments import count
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.ops.activations import celu, rrelu, selu
from gpudl.ops.create import zeros
from gpudl.ops.elu import elu
from gpudl.ops.hardtanh import hardtanh
from gpudl.ops.prelu import leaky_relu, prelu
from gpudl.ops.relu import relu
from gpudl.ops.threshold import hardshrink, softshrink, threshold

__all__ = [
    "CELU", "ELU", "SELU", "Hardshrink", "Hardtanh", "LeakyReLU", "PReLU", "RReLU", "ReLU", "ReLU6", "Softshrink",
    "Threshold",
]  # fmt: skip


class BoundsError(ValueError, AssertionError):
    """Bounds in the wrong order. PyTorch's layer raises AssertionError, its function ValueError."""


class ReLU(InPlace):
    """max(x, 0), elementwise.

    Args:
        inplace: write the result over the input.
    Shape: any to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return relu(input, self.inplace)


class LeakyReLU(Activation):
    """x, or negative_slope * x where that is negative, elementwise.

    Args:
        negative_slope: the slope below 0.
        inplace: write the result over the input.
    Shape: any to the same.
    Source: Maas, Hannun, Ng 2013, "Rectifier nonlinearities improve neural network acoustic models".
    """

    shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Tensor) -> Tensor:
        return leaky_relu(input, self.negative_slope, self.inplace)


class PReLU(Activation):
    """x, or weight * x where that is negative, with a slope that is learned.

    Args:
        num_parameters: 1 slope for all elements, or one for each channel.
        init: the slopes' initial value.
        device, dtype: of the slopes.
    Shape: (batch, channels, *) to the same; any to the same with 1 slope.
    Attributes:
        weight: (num_parameters,), filled with `init`.
    Raises: TypeError unless num_parameters is an int; ShapeError if it is negative.
    Source: He, Zhang, Ren, Sun 2015, arXiv:1502.01852.
    """

    shown = ("num_parameters",)

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = count("PReLU", "num_parameters", num_parameters)
        self.init = init
        self.weight = Parameter(zeros(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fill the slopes with their initial value."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return prelu(input, self.weight)


class RReLU(Activation):
    """x, or slope * x where that is negative: in training a random slope for each element, else their mean.

    Args:
        lower, upper: slopes are uniform in [lower, upper); finite, lower <= upper.
        inplace: write the result over the input.
    Shape: any to the same.
    Source: Xu, Wang, Chen, Li 2015, arXiv:1505.00853.
    """

    shown = ("lower", "upper")

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        return rrelu(input, self.lower, self.upper, self.training, self.inplace)


class _WithAlpha(Activation):
    shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace


class ELU(_WithAlpha):
    """x, or alpha * (exp(x) - 1) where that is negative, elementwise.

    Args:
        alpha: minus the limit at -inf.
        inplace: write the result over the input.
    Shape: any to the same.
    Source: Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289.
    """

    def forward(self, input: Tensor) -> Tensor:
        return elu(input, self.alpha, self.inplace)


class CELU(_WithAlpha):
    """x, or alpha * (exp(x / alpha) - 1) where that is negative: an ELU whose derivative has no jump.

    Args:
        alpha: minus the limit at -inf; not 0.
        inplace: write the result over the input.
    Shape: any to the same.
    Source: Barron 2017, arXiv:1704.07483.
    """

    def forward(self, input: Tensor) -> Tensor:
        return celu(input, self.alpha, self.inplace)


class SELU(InPlace):
    """The ELU with the scale and depth that keep mean 0 and variance 1, elementwise.

    Args:
        inplace: write the result over the input.
    Shape: any to the same.
    Source: Klambauer, Unterthiner, Mayr, Hochreiter 2017, arXiv:1706.02515.
    """

    def forward(self, input: Tensor) -> Tensor:
        return selu(input, self.inplace)


class Hardtanh(Activation):
    """x limited to [min_val, max_val], elementwise.

    Args:
        min_val, max_val: the bounds, min_val < max_val.
        inplace: write the result over the input.
        min_value, max_value: the former names of min_val and max_val, which they replace if given.
    Shape: any to the same.
    Raises: ValueError, which is an AssertionError as well, unless min_val < max_val.
    Warns: FutureWarning for a former name.
    Source: Collobert 2004, "Large scale machine learning".
    """

    shown: ClassVar[tuple[str, ...]] = ("min_val", "max_val")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        if min_value is not None or max_value is not None:
            warnings.warn("Hardtanh: min_value and max_value are now min_val and max_val", FutureWarning, stacklevel=2)
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise BoundsError(f"Hardtanh: min_val must be below max_val, got {self.min_val} and {self.max_val}")

    def forward(self, input: Tensor) -> Tensor:
        return hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """x limited to [0, 6], elementwise.

    Args:
        inplace: write the result over the input.
    Shape: any to the same.
    Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10".
    """

    shown = ()

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class Threshold(Activation):
    """x where that is above a threshold, else a value, elementwise.

    Args:
        threshold: what x must be above to be kept.
        value: what stands for the others.
        inplace: write the result over the input.
    Shape: any to the same.
    """

    shown = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Tensor:
        return threshold(input, self.threshold, self.value, self.inplace)


class _Shrink(Module):
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Shrink):
    """x, or 0 within [-lambd, lambd], elementwise.

    Args:
        lambd: up to which size numbers become 0.
    Shape: any to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """x, nearer to 0 by lambd, or 0 within [-lambd, lambd], elementwise.

    Args:
        lambd: by how much numbers shrink, at least 0.
    Shape: any to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return softshrink(input, self.lambd)
