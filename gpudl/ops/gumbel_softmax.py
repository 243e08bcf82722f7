"""Gumbel-softmax: random samples of a categorical distribution that gradients can pass."""

from __future__ import annotations

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float64
from gpudl.ops.operands import floating_only, one_dim
from gpudl.ops.random_fill import drawn
from gpudl.ops.softmax import softmax
from gpudl.random import sampling_stream

__all__ = ["gumbel_softmax"]


class OneHot(Primitive):
    """1 at the first of the largest elements along a dimension, else 0; its gradient is taken to be the identity's."""

    __slots__ = ()

    def forward(ctx, y: Array, dim: int) -> Array:
        xp = xp_of(y)
        places = xp.arange(y.shape[dim]).reshape((-1, *(1,) * (y.ndim - 1 - dim)))
        return (places == xp.argmax(y, axis=dim, keepdims=True)).astype(y.dtype)

    def backward(ctx, dy: Array) -> Array:
        return dy


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of the Gumbel-softmax distribution: softmax((logits + noise) / tau) along `dim`.

    The index of a sample's largest element is distributed as softmax(logits). The noise is -log(-log(u)), with u
    uniform between 0 and 1, from gpudl.random.sampling_stream.

    Args:
        logits: any shape, floating point, unnormalized log-probabilities (nats).
        tau: the temperature, > 0: near 0 a sample is nearly one-hot.
        hard: return a one-hot sample, whose gradient is that of the soft one.
        eps: ignored, as in PyTorch.
        dim: the dimension that sums to 1.
    Returns: the logits' shape and dtype.
    Raises: RuntimeError for integers; IndexError if dim is out of range.
    Gradient: that of softmax((logits + noise) / tau), hard or not.
    Source: Jang, Gu, Poole 2016, arXiv:1611.01144; Maddison, Mnih, Teh 2016, arXiv:1611.00712.
    """
    place = one_dim("gumbel_softmax", dim, floating_only("gumbel_softmax", logits).ndim)
    # The least number keeps the logarithm finite; below 2**-53, it takes the place of 0 alone.
    noise = drawn(logits.device, logits.shape, float64, sampling_stream(), "uniform", 2.0**-54, 1.0)
    for _ in range(2):
        xp_of(noise).log(noise, out=noise)
        noise *= -1
    soft = softmax((logits + wrap(noise, None).to(logits.dtype)) / tau, place)
    if not hard or not soft.array.size:
        return soft
    if not soft.ndim:
        return OneHot.apply(soft.reshape(1), 0).reshape(())  # type: ignore[no-any-return]
    return OneHot.apply(soft, place)  # type: ignore[no-any-return]
