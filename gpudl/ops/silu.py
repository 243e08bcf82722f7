"""Self-gated activations: y = x times a share that rises from 0 to 1.

silu(x) = x * sigmoid(x)             Elfwing, Uchibe, Doya 2017, arXiv:1702.03118
mish(x) = x * tanh(log(1 + exp(x)))  Misra 2019, arXiv:1908.08681
"""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.activate import activated, logistic
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.parts import in_parts

__all__ = ["mish", "silu"]


@kernel
def silu_forward(x: Array) -> Array:
    """y = x / (1 + exp(-x)). x: any shape."""
    y = xp_of(x).exp(-x)
    y += 1
    return x / y


in_parts(silu_forward)


@kernel
def silu_backward(dy: Array, x: Array) -> Array:
    """dx = dy * s * (1 + x * (1 - s)), s = sigmoid(x)."""
    share = logistic(x)
    return dy * (share * ((1 - share) * x + 1))


in_parts(silu_backward)


@kernel
def mish_forward(x: Array) -> Array:
    """y = x * n / (n + 2), n = e * (e + 2), e = exp(x): the tanh of a logarithm is a quotient. x: any shape."""
    return _mish_share(x) * x


in_parts(mish_forward)


@kernel
def mish_backward(dy: Array, x: Array) -> Array:
    """dx = dy * (w + x * sigmoid(x) * (1 - w**2)), w = y / x."""
    share = _mish_share(x)
    return dy * (share + (1 - share * share) * logistic(x) * x)


in_parts(mish_backward)
cuda_maps("math/silu.cuh", silu_forward, silu_backward, mish_forward, mish_backward)


def _mish_share(x: Array) -> Array:
    """tanh(log(1 + exp(x))), which from 20 on is 1 to all digits; further up exp(x)**2 would overflow."""
    xp = xp_of(x)
    e = xp.exp(xp.clip(x, None, 20))
    n = e * (e + 2)
    return n / (n + 2)


class Silu(Map):
    __slots__ = ()
    kernels = silu_forward, silu_backward


class Mish(Map):
    __slots__ = ()
    kernels = mish_forward, mish_backward


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """The sigmoid linear unit, also named swish, elementwise: input * sigmoid(input).

    Args:
        input: any shape, floating point.
        inplace: write the result over the input, and return that.
    Returns: the input's shape and dtype.
    Raises: RuntimeError for integers, and for a leaf that requires grad in place.
    Gradient: dy * s * (1 + input * (1 - s)), s = sigmoid(input).
    Kernel: kernels/math/silu.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Elfwing, Uchibe, Doya 2017, arXiv:1702.03118.
    """
    return activated(Silu, "silu", input, inplace=inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * tanh(softplus(input)), elementwise.

    Args:
        input: any shape, floating point.
        inplace: write the result over the input, and return that.
    Returns: the input's shape and dtype.
    Raises: RuntimeError for integers, and for a leaf that requires grad in place.
    Gradient: dy * (w + input * sigmoid(input) * (1 - w**2)), w = tanh(softplus(input)).
    Kernel: kernels/math/silu.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Misra 2019, arXiv:1908.08681.
    """
    return activated(Mish, "mish", input, inplace=inplace)
