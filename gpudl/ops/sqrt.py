"""The square root and its reciprocal: IEEE 754-2019, sections 5.4.1 and 9.2. The derivatives are computed from the
results."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.unary import floating

__all__ = ["rsqrt", "sqrt"]


@kernel
def sqrt_forward(x: Array) -> Array:
    """y = the square root of x. x: any shape."""
    return xp_of(x).sqrt(x)


@kernel
def sqrt_backward(dy: Array, y: Array) -> Array:
    """dx = dy / (2 * y)."""
    return dy / (y * 2)


@kernel
def rsqrt_forward(x: Array) -> Array:
    """y = 1 / sqrt(x). x: any shape."""
    return 1 / xp_of(x).sqrt(x)


@kernel
def rsqrt_backward(dy: Array, y: Array) -> Array:
    """dx = -dy / 2 * y**3."""
    return dy * (y * y * y) * -0.5


cuda_maps("math/sqrt.cuh", sqrt_forward, sqrt_backward, rsqrt_forward, rsqrt_backward)


class Sqrt(Map):
    __slots__ = ()
    kernels = sqrt_forward, sqrt_backward
    of_result = True


class Rsqrt(Map):
    __slots__ = ()
    kernels = rsqrt_forward, rsqrt_backward
    of_result = True


def sqrt(input: Tensor) -> Tensor:
    """The square root, elementwise.

    Args:
        input: any shape; integers and bools give the default floating dtype.
    Returns: the input's shape; nan below 0.
    Gradient: dy / (2 * result).
    Kernel: kernels/math/sqrt.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: IEEE 754-2019, section 5.4.1.
    """
    return Sqrt.apply(floating("sqrt", input))  # type: ignore[no-any-return]


def rsqrt(input: Tensor) -> Tensor:
    """1 / sqrt(input), elementwise.

    Args:
        input: any shape; integers and bools give the default floating dtype.
    Returns: the input's shape; inf at 0, nan below.
    Gradient: -dy / 2 * result**3.
    Kernel: kernels/math/sqrt.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: IEEE 754-2019, section 9.2.
    """
    return Rsqrt.apply(floating("rsqrt", input))  # type: ignore[no-any-return]
