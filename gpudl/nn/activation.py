"""Smooth activations, and their piecewise linear forms: settings, and one call into ops."""

from __future__ import annotations

from typing import ClassVar

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.ops.gelu import gelu
from gpudl.ops.glu import glu
from gpudl.ops.hardtanh import hardsigmoid, hardswish
from gpudl.ops.sigmoid import sigmoid, tanh
from gpudl.ops.silu import mish, silu
from gpudl.ops.softplus import logsigmoid, softplus
from gpudl.ops.softsign import softsign, tanhshrink

__all__ = [
    "GELU", "GLU", "Hardsigmoid", "Hardswish", "LogSigmoid", "Mish", "SiLU", "Sigmoid", "Softplus", "Softsign", "Tanh",
    "Tanhshrink",
]  # fmt: skip


class Activation(Module):
    """Base of activations with settings: repr shows those in `shown`, and `inplace` if it is there and True."""

    shown: ClassVar[tuple[str, ...]] = ()

    def extra_repr(self) -> str:
        settings = [f"{name}={getattr(self, name)!r}" for name in self.shown]
        return ", ".join(settings + ["inplace=True"] * getattr(self, "inplace", False))


class InPlace(Activation):
    """Base of activations whose one setting is whether they write over their input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class Sigmoid(Module):
    """1 / (1 + exp(-x)), elementwise.

    Shape: any to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return sigmoid(input)


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x))), elementwise, without taking the logarithm of a tiny number.

    Shape: any to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return logsigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent, elementwise.

    Shape: any to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return tanh(input)


class Tanhshrink(Module):
    """x - tanh(x), elementwise.

    Shape: any to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return tanhshrink(input)


class Softsign(Module):
    """x / (1 + |x|), elementwise.

    Shape: any to the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return softsign(input)


class Softplus(Activation):
    """log(1 + exp(beta * x)) / beta, elementwise: a rectifier without a corner.

    Args:
        beta: how sharp the bend is; the limit at infinity is the rectifier. Not 0.
        threshold: the input itself is given where beta * x is above this.
    Shape: any to the same.
    """

    shown = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        return softplus(input, self.beta, self.threshold)


class GELU(Activation):
    """x * Phi(x), elementwise, with Phi the cumulative distribution of the normal distribution.

    Args:
        approximate: "none", or "tanh" for (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2 as Phi.
    Shape: any to the same.
    Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.
    """

    shown = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return gelu(input, self.approximate)


class SiLU(InPlace):
    """x * sigmoid(x), elementwise; also called swish.

    Args:
        inplace: write the result over the input.
    Shape: any to the same.
    Source: Elfwing, Uchibe, Doya 2017, arXiv:1702.03118.
    """

    def forward(self, input: Tensor) -> Tensor:
        return silu(input, self.inplace)


class Mish(InPlace):
    """x * tanh(log(1 + exp(x))), elementwise.

    Args:
        inplace: write the result over the input.
    Shape: any to the same.
    Source: Misra 2019, arXiv:1908.08681.
    """

    def forward(self, input: Tensor) -> Tensor:
        return mish(input, self.inplace)


class Hardsigmoid(InPlace):
    """min(max(x + 3, 0), 6) / 6, elementwise.

    Args:
        inplace: write the result over the input.
    Shape: any to the same.
    Source: Courbariaux, Bengio, David 2015, arXiv:1511.00363.
    """

    def forward(self, input: Tensor) -> Tensor:
        return hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""  # PyTorch's does not show inplace


class Hardswish(InPlace):
    """x * min(max(x + 3, 0), 6) / 6, elementwise.

    Args:
        inplace: write the result over the input.
    Shape: any to the same.
    Source: Howard et al. 2019, arXiv:1905.02244.
    """

    def forward(self, input: Tensor) -> Tensor:
        return hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        return ""  # PyTorch's does not show inplace


class GLU(Activation):
    """a * sigmoid(b), with a and b the halves of the input along a dimension.

    Args:
        dim: the dimension that is halved; its length is even.
    Shape: (*, 2 n, *) to (*, n, *).
    Source: Dauphin, Fan, Auli, Grangier 2016, arXiv:1612.08083.
    """

    shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return glu(input, self.dim)
