"""ReLU: y = max(x, 0). Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines"."""

from __future__ import annotations

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.kernel import kernel
from gpudl.ops.activate import applied
from gpudl.ops.maps import Map, cuda_maps

__all__ = ["relu"]


@kernel
def relu_forward(x: Array) -> Array:
    """y[i] = max(x[i], 0); nan stays nan. x: any shape."""
    return xp_of(x).maximum(x, x.dtype.type(0))


# The integer of a dtype's size, and its 0: an array, since NumPy takes twice as long to convert a number.
_LIKE = {dtype: (np.dtype(f"i{dtype.itemsize}"), np.zeros((), dtype)) for dtype in (float32, float64)}


@relu_forward.cpu("float32", "float64")
def relu_forward_cpu(x: Array) -> Array:
    return np.maximum(x, _LIKE[x.dtype][1])


@kernel
def relu_backward(dy: Array, y: Array) -> Array:
    """dx[i] = 0 if y[i] <= 0 else dy[i], so that dy passes where y is nan. dy, y: one shape."""
    return xp_of(dy).where(y <= 0, dy.dtype.type(0), dy)  # a product with the mask would turn inf into nan


@relu_backward.cpu("float32", "float64")
def relu_backward_cpu(dy: Array, y: Array) -> Array:
    # The bits of dy times 0 or 1: inf and nan stay clear of 0 * inf, and there is no branch to guess, as in np.where.
    bits, zero = _LIKE[dy.dtype]
    return np.multiply(dy.view(bits), ~(y <= zero)).view(dy.dtype)


cuda_maps("math/relu.cuh", relu_forward, relu_backward)


class Relu(Map):
    __slots__ = ()
    kernels = relu_forward, relu_backward
    of_result = True


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """The rectified linear unit, max(input, 0), elementwise.

    Args:
        input: any shape, any dtype but bool.
        inplace: write the result over the input, and return that.
    Returns: the input's shape and dtype; nan stays nan.
    Raises: RuntimeError for a bool tensor, and for a leaf that requires grad in place.
    Gradient: dy where the result is positive, else 0 (at 0 too); dy where it is nan.
    Kernel: kernels/math/relu.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Nair & Hinton 2010.
    """
    if input.array.dtype.kind == "b":
        raise RuntimeError("relu: bool tensors have no rectified form; cast the input to a number first")
    return applied(Relu, "relu", input, inplace=inplace)
