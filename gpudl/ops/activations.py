"""Activations that are others with set arguments: selu, celu, relu6, rrelu, softmin."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.inplace import assign
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.dtypes import float32, float64
from gpudl.ops.activate import activated
from gpudl.ops.elu import Elu
from gpudl.ops.hardtanh import hardtanh
from gpudl.ops.operands import floating_only
from gpudl.ops.prelu import Prelu, leaky_relu
from gpudl.ops.random_fill import drawn
from gpudl.ops.softmax import softmax
from gpudl.random import sampling_stream

__all__ = ["celu", "relu6", "rrelu", "selu", "softmin"]

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The exponential linear unit with the scale and depth that keep mean 0 and variance 1.

    Args:
        input: any shape, floating point.
        inplace: write the result over the input, and return that.
    Raises: RuntimeError for integers, and for a leaf that requires grad in place.
    Gradient: dy * scale where input > 0, else dy * scale * alpha * exp(input).
    Source: Klambauer, Unterthiner, Mayr, Hochreiter 2017, arXiv:1706.02515.
    """
    return activated(Elu, "selu", input, _SELU_ALPHA * _SELU_SCALE, _SELU_SCALE, 1.0, inplace=inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input, or alpha * (exp(input / alpha) - 1) where that is negative: an elu whose derivative has no jump.

    Args:
        input: any shape, floating point.
        alpha: minus the limit at -inf; not 0.
        inplace: write the result over the input, and return that.
    Raises: RuntimeError for integers, an alpha of 0, and for a leaf that requires grad in place.
    Gradient: dy where input > 0, else dy * exp(input / alpha).
    Source: Barron 2017, arXiv:1704.07483.
    """
    if alpha == 0:
        raise RuntimeError("celu: alpha must not be 0, it divides the input")
    return activated(Elu, "celu", input, float(alpha), 1.0, 1.0 / float(alpha), inplace=inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """The input limited to [0, 6], elementwise; any dtype but bool.

    Raises: RuntimeError for bools, and for a leaf that requires grad in place.
    Gradient: dy strictly between 0 and 6, else 0.
    Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10".
    """
    return hardtanh(input, 0.0, 6.0, inplace)


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """The rectifier with random slopes below 0: uniform in [lower, upper) in training, else their mean.

    Args:
        input: any shape, floating point.
        lower, upper: finite, lower <= upper.
        training: draw a slope for every element, from gpudl.random.sampling_stream.
        inplace: write the result over the input, and return that.
    Raises: RuntimeError for integers, bad bounds, and for a leaf that requires grad in place.
    Gradient: dy where input > 0, else dy times the slope that was drawn.
    Source: Xu, Wang, Chen, Li 2015, arXiv:1505.00853.
    """
    if not -float("inf") < lower <= upper < float("inf"):
        raise RuntimeError(f"rrelu: the bounds must be finite with lower <= upper, got {lower} and {upper}")
    if not training or lower == upper:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    kind: Any = float64 if input.dtype == float64 else float32
    made = drawn(input.device, input.shape, kind, sampling_stream(), "uniform", lower, upper)
    slopes = wrap(made, None).to(input.dtype)
    floating_only("rrelu", input)
    if not inplace:
        return Prelu.apply(input, slopes, input.shape)  # type: ignore[no-any-return]
    source = input.clone() if mode.enabled and input.requires_grad else input  # what backward reads stays
    return assign(input, Prelu.apply(source, slopes, input.shape), "rrelu_")


def softmin(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """softmax(-input) along `dim`; arguments and errors as in softmax."""
    return softmax(-input, dim, dtype=dtype)
