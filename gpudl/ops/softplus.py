"""Softplus and the logarithm of the sigmoid: softplus(x) = log(1 + exp(x)), logsigmoid(x) = -softplus(-x).

Dugas et al. 2000, "Incorporating second-order functional knowledge for better option pricing".
"""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.activate import activated, logistic
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.parts import in_parts

__all__ = ["logsigmoid", "softplus"]


@kernel
def softplus_forward(x: Array, beta: float, threshold: float) -> Array:
    """y = log(1 + exp(beta * x)) / beta, or x where beta * x > threshold. x: any shape."""
    xp = xp_of(x)
    scaled = x * beta
    y = xp.log1p(xp.exp(-abs(scaled)))
    y += xp.maximum(scaled, 0)
    y /= beta
    return xp.where(scaled > threshold, x, y)


in_parts(softplus_forward)


@kernel
def softplus_backward(dy: Array, x: Array, beta: float, threshold: float) -> Array:
    """dx = dy * sigmoid(beta * x), or dy where beta * x > threshold."""
    scaled = x * beta
    return xp_of(x).where(scaled > threshold, dy, dy * logistic(scaled))


in_parts(softplus_backward)


@kernel
def logsigmoid_forward(x: Array) -> Array:
    """y = min(x, 0) - log(1 + exp(-|x|)). x: any shape."""
    xp = xp_of(x)
    y = xp.log1p(xp.exp(-abs(x)))
    return xp.minimum(x, 0) - y


in_parts(logsigmoid_forward)


@kernel
def logsigmoid_backward(dy: Array, x: Array) -> Array:
    """dx = dy * sigmoid(-x)."""
    return dy * logistic(-x)


in_parts(logsigmoid_backward)
cuda_maps("math/softplus.cuh", softplus_forward, softplus_backward, logsigmoid_forward, logsigmoid_backward)


class Softplus(Map):
    __slots__ = ()
    kernels = softplus_forward, softplus_backward


class Logsigmoid(Map):
    __slots__ = ()
    kernels = logsigmoid_forward, logsigmoid_backward


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * input)) / beta, elementwise: a smooth relu.

    Args:
        input: any shape, floating point.
        beta: the steepness.
        threshold: where beta * input is above it, the result is the input.
    Returns: the input's shape and dtype.
    Raises: RuntimeError for integers.
    Gradient: dy * sigmoid(beta * input); dy above the threshold.
    Kernel: kernels/math/softplus.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Dugas et al. 2000.
    """
    return activated(Softplus, "softplus", input, float(beta), float(threshold))


def logsigmoid(input: Tensor) -> Tensor:
    """The logarithm of sigmoid(input), elementwise, without taking the logarithm of a tiny number.

    Args:
        input: any shape, floating point.
    Returns: the input's shape and dtype, at most 0.
    Raises: RuntimeError for integers.
    Gradient: dy * sigmoid(-input).
    Kernel: kernels/math/softplus.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Dugas et al. 2000.
    """
    return activated(Logsigmoid, "logsigmoid", input)
