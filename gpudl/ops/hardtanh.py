"""Piecewise linear activations: hardtanh and the hard forms of sigmoid and swish.

hardtanh(x)    = x, no less than `low`, no more than `high`            Collobert 2004, "Large scale machine learning"
hardsigmoid(x) = hardtanh(x + 3, 0, 6) / 6                             Courbariaux et al. 2015, arXiv:1511.00363
hardswish(x)   = x * hardsigmoid(x)                                    Howard et al. 2019, arXiv:1905.02244
"""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.activate import activated, applied
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.parts import in_parts, kept, merged

__all__ = ["hardsigmoid", "hardswish", "hardtanh"]


@kernel
def hardtanh_forward(x: Array, low: float, high: float) -> Array:
    """y = min(max(x, low), high); nan stays nan. x: any shape."""
    return xp_of(x).clip(x, low, high)


in_parts(hardtanh_forward)


@kernel
def hardtanh_backward(dy: Array, x: Array, low: float, high: float) -> Array:
    """dx = dy where low < x < high, and where x is nan; else 0."""
    return kept(dy, ~((x <= low) | (x >= high)))


in_parts(hardtanh_backward)


@kernel
def hardsigmoid_forward(x: Array) -> Array:
    """y = min(max(x + 3, 0), 6) / 6. x: any shape."""
    y = xp_of(x).clip(x + 3, 0, 6)
    y /= 6
    return y


in_parts(hardsigmoid_forward)


@kernel
def hardsigmoid_backward(dy: Array, x: Array) -> Array:
    """dx = dy / 6 where -3 < x < 3, else 0."""
    return kept(dy / 6, (x > -3) & (x < 3))


in_parts(hardsigmoid_backward)


@kernel
def hardswish_forward(x: Array) -> Array:
    """y = x * min(max(x + 3, 0), 6) / 6. x: any shape."""
    y = xp_of(x).clip(x + 3, 0, 6)
    y *= x
    y /= 6
    return y


in_parts(hardswish_forward)


@kernel
def hardswish_backward(dy: Array, x: Array) -> Array:
    """dx = dy * (x / 3 + 1/2) where -3 < x < 3; 0 below, dy above."""
    return kept(merged(dy * (x / 3 + 0.5), x < 3, dy), ~(x <= -3))


in_parts(hardswish_backward)
cuda_maps(
    "math/hardtanh.cuh",
    hardtanh_forward,
    hardtanh_backward,
    hardsigmoid_forward,
    hardsigmoid_backward,
    hardswish_forward,
    hardswish_backward,
)


class Hardtanh(Map):
    __slots__ = ()
    kernels = hardtanh_forward, hardtanh_backward


class Hardsigmoid(Map):
    __slots__ = ()
    kernels = hardsigmoid_forward, hardsigmoid_backward


class Hardswish(Map):
    __slots__ = ()
    kernels = hardswish_forward, hardswish_backward


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """The input limited to [min_val, max_val], elementwise.

    Args:
        input: any shape, any dtype but bool.
        min_val, max_val: the bounds, min_val <= max_val, that the dtype can hold.
        inplace: write the result over the input, and return that.
    Returns: the input's shape and dtype; nan stays nan.
    Raises: ValueError for bounds in the wrong order; RuntimeError for bools, bounds below 0 for unsigned integers,
        and for a leaf that requires grad in place.
    Gradient: dy strictly inside the bounds, else 0.
    Kernel: kernels/math/hardtanh.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Collobert 2004.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val must not be above max_val, got {min_val} and {max_val}")
    kind = input.array.dtype
    if kind.kind == "b":
        raise RuntimeError("hardtanh: bools have no order; cast the input to a number first")
    low, high = (float(number) if kind.kind in "fV" else int(number) for number in (min_val, max_val))
    if kind.kind == "u" and low < 0:
        raise RuntimeError(f"hardtanh: {kind} has no negative numbers; min_val is {min_val}")
    return applied(Hardtanh, "hardtanh", input, low, high, inplace=inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """A piecewise linear sigmoid, elementwise: 0 up to -3, 1 from 3 on.

    Args:
        input: any shape, floating point.
        inplace: write the result over the input, and return that.
    Returns: the input's shape and dtype.
    Raises: RuntimeError for integers, and for a leaf that requires grad in place.
    Gradient: dy / 6 strictly between -3 and 3, else 0.
    Kernel: kernels/math/hardtanh.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Courbariaux, Bengio, David 2015, arXiv:1511.00363.
    """
    return activated(Hardsigmoid, "hardsigmoid", input, inplace=inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * hardsigmoid(input), elementwise.

    Args:
        input: any shape, floating point.
        inplace: write the result over the input, and return that.
    Returns: the input's shape and dtype.
    Raises: RuntimeError for integers, and for a leaf that requires grad in place.
    Gradient: dy * (input / 3 + 1/2) strictly between -3 and 3; 0 below, dy above.
    Kernel: kernels/math/hardtanh.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Howard et al. 2019, arXiv:1905.02244.
    """
    return activated(Hardswish, "hardswish", input, inplace=inplace)
