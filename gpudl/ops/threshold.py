"""Activations with a gap: threshold, hardshrink and softshrink.

threshold(x)  = x where x > t, else v                           Konda, Memisevic, Krueger 2014, arXiv:1402.3337
hardshrink(x) = x where |x| > l, else 0                         Donoho & Johnstone 1994, "Ideal spatial adaptation
softshrink(x) = x - l where x > l, x + l where x < -l, else 0   by wavelet shrinkage", for both
"""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.activate import activated, applied
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.operands import Number, fitted
from gpudl.ops.parts import in_parts, kept, merged

__all__ = ["hardshrink", "softshrink", "threshold"]


@kernel
def threshold_forward(x: Array, bound: Number, value: Number) -> Array:
    """y = value where x <= bound, else x; nan stays nan. x: any shape."""
    return merged(x, ~(x <= bound), x.dtype.type(value))


in_parts(threshold_forward)


@kernel
def threshold_backward(dy: Array, x: Array, bound: Number) -> Array:
    """dx = 0 where x <= bound, else dy."""
    return kept(dy, ~(x <= bound))


in_parts(threshold_backward)


@kernel
def hardshrink_forward(x: Array, bound: float) -> Array:
    """y = 0 where -bound <= x <= bound, else x. x: any shape."""
    return kept(x, ~((x >= -bound) & (x <= bound)))


in_parts(hardshrink_forward)


@kernel
def hardshrink_backward(dy: Array, x: Array, bound: float) -> Array:
    """dx = 0 where -bound <= x <= bound, else dy."""
    return kept(dy, ~((x >= -bound) & (x <= bound)))


in_parts(hardshrink_backward)


@kernel
def softshrink_forward(x: Array, bound: float) -> Array:
    """y = x - min(max(x, -bound), bound). x: any shape."""
    return x - xp_of(x).clip(x, -bound, bound)


in_parts(softshrink_forward)


@kernel
def softshrink_backward(dy: Array, x: Array, bound: float) -> Array:
    """dx = 0 where -bound <= x <= bound, else dy."""
    return kept(dy, ~((x >= -bound) & (x <= bound)))


in_parts(softshrink_backward)
cuda_maps(
    "math/threshold.cuh",
    threshold_forward,
    threshold_backward,
    hardshrink_forward,
    hardshrink_backward,
    softshrink_forward,
    softshrink_backward,
)


class Threshold(Map):
    __slots__ = ()
    kernels = threshold_forward, threshold_backward

    def backward(ctx, dy: Array) -> Array:
        dx: Array = threshold_backward(dy, *ctx.saved, ctx.numbers[0])
        return dx


class Hardshrink(Map):
    __slots__ = ()
    kernels = hardshrink_forward, hardshrink_backward


class Softshrink(Map):
    __slots__ = ()
    kernels = softshrink_forward, softshrink_backward


def threshold(input: Tensor, threshold: Number, value: Number, inplace: bool = False) -> Tensor:
    """The input where it is above the threshold, else `value`, elementwise.

    Args:
        input: any shape, any dtype but bool.
        threshold: the highest input that is replaced.
        value: what stands there instead.
        inplace: write the result over the input, and return that.
    Returns: the input's shape and dtype; nan stays nan.
    Raises: RuntimeError for bools, for numbers that the dtype cannot hold, and for a leaf that requires grad in place.
    Gradient: dy where input > threshold, else 0.
    Kernel: kernels/math/threshold.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Konda, Memisevic, Krueger 2014, arXiv:1402.3337.
    """
    kind = input.array.dtype
    if kind.kind == "b":
        raise RuntimeError("threshold: bools have no order; cast the input to a number first")
    bound, other = fitted("threshold", threshold, kind), fitted("threshold: value", value, kind)
    return applied(Threshold, "threshold", input, bound, other, inplace=inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """The input outside [-lambd, lambd], 0 inside, elementwise.

    Args:
        input: any shape, floating point.
        lambd: half the width of the gap.
    Returns: the input's shape and dtype; nan stays nan.
    Raises: RuntimeError for integers.
    Gradient: dy outside the gap, else 0.
    Kernel: kernels/math/threshold.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Donoho & Johnstone 1994.
    """
    return activated(Hardshrink, "hardshrink", input, float(lambd))


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """The input moved towards 0 by lambd, and no further, elementwise.

    Args:
        input: any shape, floating point.
        lambd: >= 0.
    Returns: the input's shape and dtype; nan stays nan.
    Raises: RuntimeError for integers, and for a negative lambd.
    Gradient: dy outside [-lambd, lambd], else 0.
    Kernel: kernels/math/threshold.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Donoho & Johnstone 1994.
    """
    if not lambd >= 0:
        raise RuntimeError(f"softshrink: lambd must be at least 0, got {lambd}")
    return activated(Softshrink, "softshrink", input, float(lambd))
