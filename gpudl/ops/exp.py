"""The exponential and the natural logarithm: two of the functions that IEEE 754-2019, section 9.2, recommends."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.unary import floating

__all__ = ["exp", "log"]


@kernel
def exp_forward(x: Array) -> Array:
    """y = e ** x. x: any shape."""
    return xp_of(x).exp(x)


@kernel
def exp_backward(dy: Array, y: Array) -> Array:
    """dx = dy * y."""
    return dy * y


@kernel
def log_forward(x: Array) -> Array:
    """y = the natural logarithm of x. x: any shape."""
    return xp_of(x).log(x)


@kernel
def log_backward(dy: Array, x: Array) -> Array:
    """dx = dy / x."""
    return dy / x


cuda_maps("math/exp.cuh", exp_forward, exp_backward, log_forward, log_backward)


class Exp(Map):
    __slots__ = ()
    kernels = exp_forward, exp_backward
    of_result = True


class Log(Map):
    __slots__ = ()
    kernels = log_forward, log_backward


def exp(input: Tensor) -> Tensor:
    """e ** input, elementwise.

    Args:
        input: any shape; integers and bools give the default floating dtype.
    Returns: the input's shape; inf beyond the dtype's range.
    Gradient: dy * result.
    Kernel: kernels/math/exp.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: IEEE 754-2019, section 9.2.
    """
    return Exp.apply(floating("exp", input))  # type: ignore[no-any-return]


def log(input: Tensor) -> Tensor:
    """The natural logarithm, elementwise.

    Args:
        input: any shape; integers and bools give the default floating dtype.
    Returns: the input's shape; -inf at 0, nan below.
    Gradient: dy / input.
    Kernel: kernels/math/exp.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: IEEE 754-2019, section 9.2.
    """
    return Log.apply(floating("log", input))  # type: ignore[no-any-return]
