"""GELU: y = x * Phi(x), with Phi the cumulative distribution of the normal distribution. Hendrycks & Gimpel 2016,
arXiv:1606.08415.

    none:  Phi(x) = (1 + erf(x / sqrt(2))) / 2
    tanh:  Phi(x) ~ (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2

The derivative y' costs little while Phi is at hand, so that on the CPU forward keeps it where a gradient will be
wanted.
"""

from __future__ import annotations

import math

import numpy as np

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense, spread
from gpudl.backend.kernel import kernel
from gpudl.ops.erf import erf, erf_forward
from gpudl.ops.erf_float32 import erf_exponent
from gpudl.ops.operands import floating_only
from gpudl.ops.parts import flat, in_parts, parts

__all__ = ["gelu"]

_PEAK = 1 / math.sqrt(2 * math.pi)  # the density at 0
_RATE, _CUBIC = math.sqrt(2 / math.pi), 0.044715
_TEXT = CudaText(
    "math/numbers.cuh",
    "math/packs.cuh",
    "math/gelu.cuh",
    "cuda/gelu.cu",
    kernels=("gelu_forward", "gelu_backward"),
)


@kernel
def gelu_forward(x: Array, by_tanh: bool, with_slope: bool) -> tuple[Array, Array | None]:
    """y = x * Phi(x), and dy/dx where it is asked for, else None. x: any shape."""
    return x * _share(x, by_tanh), _slope(x, by_tanh) if with_slope else None


@gelu_forward.cpu("float32", "float64")
def gelu_forward_cpu(x: Array, by_tanh: bool, with_slope: bool) -> tuple[Array, Array | None]:
    y, slope = np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype) if with_slope else None
    given, results = flat(x), y.reshape(-1)
    slopes = None if slope is None else slope.reshape(-1)
    for part in parts(results):
        of_slope = None if slopes is None else slopes[part]
        if by_tanh:
            _by_tanh(given[part], results[part], of_slope)
        else:
            _by_erf(given[part], results[part], of_slope)
    return y, slope


@gelu_forward.cuda("float32", "float64", "float16", "bfloat16")
def gelu_forward_cuda(x: Array, by_tanh: bool, with_slope: bool) -> tuple[Array, None]:
    # A GPU computes the slope again in less time than it takes to write and keep it.
    x = dense(x)
    y = xp_of(x).empty(x.shape, x.dtype)
    _TEXT.launch("gelu_forward", *spread(x), x, y, x.size, by_tanh)
    return y, None


@kernel
def gelu_backward(dy: Array, x: Array, slope: Array | None, by_tanh: bool) -> Array:
    """dx = dy * dy/dx, the slope that forward gave, or None to compute it again."""
    return dy * (_slope(x, by_tanh) if slope is None else slope)


in_parts(gelu_backward)


@gelu_backward.cuda("float32", "float64", "float16", "bfloat16")
def gelu_backward_cuda(dy: Array, x: Array, slope: Array | None, by_tanh: bool) -> Array:
    dx = xp_of(dy).empty(dy.shape, dy.dtype)
    slope = None if slope is None else dense(slope)
    _TEXT.launch("gelu_backward", *spread(dx), dense(dy), dense(x), slope, dx, dx.size, by_tanh)
    return dx


def _share(x: Array, by_tanh: bool) -> Array:
    """Phi(x)."""
    if by_tanh:
        return xp_of(x).tanh(x * (_RATE + _RATE * _CUBIC * x * x)) * 0.5 + 0.5
    scaled = x * math.sqrt(0.5)
    return (erf(scaled) if isinstance(scaled, Tensor) else erf_forward(scaled)) * 0.5 + 0.5


def _slope(x: Array, by_tanh: bool) -> Array:
    """dy/dx = Phi(x) + x * Phi'(x)."""
    share = _share(x, by_tanh)
    if by_tanh:
        return share + share * (1 - share) * x * (2 * _RATE + 6 * _RATE * _CUBIC * x * x)
    return share + xp_of(x).exp(x * x * -0.5) * x * _PEAK


def _by_erf(x: Array, y: Array, slope: Array | None) -> None:
    """y = x * Phi(x) and its derivative, written into y and slope."""
    square = x * x
    share = np.tanh(erf_exponent(x, square)) if x.dtype.char == "f" else erf_forward.reference(x * math.sqrt(0.5))
    share *= 0.5
    share += 0.5
    np.multiply(x, share, out=y)
    if slope is not None:
        square *= -0.5
        np.exp(square, out=slope)
        slope *= x
        slope *= _PEAK
        slope += share


def _by_tanh(x: Array, y: Array, slope: Array | None) -> None:
    square = x * x
    share = square * (_RATE * _CUBIC)
    share += _RATE
    share *= x
    np.tanh(share, out=share)
    share *= 0.5
    share += 0.5
    np.multiply(x, share, out=y)
    if slope is not None:
        # share * (1 - share) * x, from what is there: (x - y) * share
        np.subtract(x, y, out=slope)
        slope *= share
        square *= 6 * _RATE * _CUBIC
        square += 2 * _RATE
        slope *= square
        slope += share


def _is_by_tanh(name: str, approximate: str) -> bool:
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"{name}: approximate must be 'none' or 'tanh', got {approximate!r}")
    return approximate == "tanh"


class Gelu(ReadsHalf):
    __slots__ = ("by_tanh",)
    by_tanh: bool

    def forward(ctx, x: Array, by_tanh: bool) -> Array:
        ctx.by_tanh = by_tanh
        y, slope = gelu_forward(x, by_tanh, mode.enabled and ctx.edges[0] is not None)
        ctx.save(x, slope)
        return y

    def backward(ctx, dy: Array) -> Array:
        return gelu_backward(dy, *ctx.saved, ctx.by_tanh)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """The Gaussian error linear unit, elementwise: input times the probability of a smaller normal number.

    Args:
        input: any shape, floating point.
        approximate: "none" | "tanh", the latter by a formula of tanh that is within 5e-4.
    Returns: the input's shape and dtype.
    Raises: RuntimeError for integers and for another approximation.
    Gradient: dy * (Phi(input) + input * Phi'(input)).
    Kernel: kernels/cuda/gelu.cu and kernels/math/gelu.cuh, 16 bytes a thread.
    Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.
    """
    by_tanh = _is_by_tanh("gelu", approximate)
    return Gelu.apply(floating_only("gelu", input), by_tanh)  # type: ignore[no-any-return]
