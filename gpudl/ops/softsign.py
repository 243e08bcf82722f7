"""Softsign and tanhshrink, two odd functions.

softsign(x)   = x / (1 + |x|)   Turian, Bergstra, Bengio 2009, "Quadratic features for chunking"
tanhshrink(x) = x - tanh(x)     the remainder of LeCun et al. 1998, "Efficient backprop", whose unit is tanh
"""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import get_default_dtype
from gpudl.backend.kernel import kernel
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.parts import in_parts

__all__ = ["softsign", "tanhshrink"]


@kernel
def softsign_forward(x: Array) -> Array:
    """y = x / (1 + |x|). x: any shape."""
    y = abs(x)
    y += 1
    return x / y


in_parts(softsign_forward)


@kernel
def softsign_backward(dy: Array, x: Array) -> Array:
    """dx = dy / (1 + |x|)**2."""
    size = abs(x) + 1
    return dy / size / size


in_parts(softsign_backward)


@kernel
def tanhshrink_forward(x: Array) -> Array:
    """y = x - tanh(x). x: any shape."""
    return x - xp_of(x).tanh(x)


in_parts(tanhshrink_forward)


@kernel
def tanhshrink_backward(dy: Array, x: Array) -> Array:
    """dx = dy * tanh(x)**2."""
    y = xp_of(x).tanh(x)
    return dy * (y * y)


in_parts(tanhshrink_backward)
cuda_maps("math/softsign.cuh", softsign_forward, softsign_backward, tanhshrink_forward, tanhshrink_backward)


class Softsign(Map):
    __slots__ = ()
    kernels = softsign_forward, softsign_backward


class Tanhshrink(Map):
    __slots__ = ()
    kernels = tanhshrink_forward, tanhshrink_backward


def _floating(name: str, input: Tensor) -> Tensor:
    if input.array.dtype.kind == "b":
        raise RuntimeError(f"{name}: the input is bool; cast it to a number first")
    return input if input.array.dtype.kind in "fV" else input.to(get_default_dtype())


def softsign(input: Tensor) -> Tensor:
    """input / (1 + abs(input)), elementwise.

    Args:
        input: any shape; integers give the default floating dtype.
    Returns: the input's shape, between -1 and 1; nan for inf.
    Raises: RuntimeError for bools.
    Gradient: dy / (1 + abs(input))**2.
    Kernel: kernels/math/softsign.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Turian, Bergstra, Bengio 2009.
    """
    return Softsign.apply(_floating("softsign", input))  # type: ignore[no-any-return]


def tanhshrink(input: Tensor) -> Tensor:
    """input - tanh(input), elementwise.

    Args:
        input: any shape; integers give the default floating dtype.
    Returns: the input's shape.
    Raises: RuntimeError for bools.
    Gradient: dy * tanh(input)**2.
    Kernel: kernels/math/softsign.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: LeCun et al. 1998, for tanh.
    """
    return Tanhshrink.apply(_floating("tanhshrink", input))  # type: ignore[no-any-return]
