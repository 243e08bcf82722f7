"""The logistic sigmoid and the hyperbolic tangent, whose derivatives are computed from their results.

sigmoid(x) = 1 / (1 + exp(-x))   Rumelhart, Hinton, Williams 1986, "Learning representations by back-propagating errors"
tanh(x)    = 2 sigmoid(2x) - 1   LeCun, Bottou, Orr, Mueller 1998, "Efficient backprop"
"""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.unary import floating

__all__ = ["sigmoid", "tanh"]


@kernel
def sigmoid_forward(x: Array) -> Array:
    """y = 1 / (1 + exp(-x)). x: any shape."""
    # exp may overflow, to the right limit; (tanh(x / 2) + 1) / 2 would lose all digits of small results.
    return 1 / (xp_of(x).exp(-x) + 1)


@kernel
def sigmoid_backward(dy: Array, y: Array) -> Array:
    """dx = dy * y * (1 - y)."""
    return dy * (1 - y) * y


@kernel
def tanh_forward(x: Array) -> Array:
    """y = tanh(x). x: any shape."""
    return xp_of(x).tanh(x)


@kernel
def tanh_backward(dy: Array, y: Array) -> Array:
    """dx = dy * (1 - y**2)."""
    return dy * (1 - y * y)


cuda_maps("math/sigmoid.cuh", sigmoid_forward, sigmoid_backward, tanh_forward, tanh_backward)


class Sigmoid(Map):
    __slots__ = ()
    kernels = sigmoid_forward, sigmoid_backward
    of_result = True


class Tanh(Map):
    __slots__ = ()
    kernels = tanh_forward, tanh_backward
    of_result = True


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input)), elementwise, without overflow.

    Args:
        input: any shape; integers and bools give the default floating dtype.
    Returns: the input's shape, in [0, 1].
    Gradient: dy * result * (1 - result).
    Kernel: kernels/math/sigmoid.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Rumelhart, Hinton, Williams 1986.
    """
    return Sigmoid.apply(floating("sigmoid", input))  # type: ignore[no-any-return]


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent, elementwise.

    Args:
        input: any shape; integers and bools give the default floating dtype.
    Returns: the input's shape, in [-1, 1].
    Gradient: dy * (1 - result**2).
    Kernel: kernels/math/sigmoid.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: LeCun, Bottou, Orr, Mueller 1998.
    """
    return Tanh.apply(floating("tanh", input))  # type: ignore[no-any-return]
