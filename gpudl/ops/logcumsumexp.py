"""Running log(sum(exp(x))): y[k] = log(exp(x[0]) + ... + exp(x[k])), added up in the logarithm itself.

    dx[k] = sum over i >= k of dy[i] exp(x[k] - y[i])

a linear recurrence whose factors exp(y[k] - y[k+1]) are at most 1. Blelloch 1990, "Prefix sums and their applications",
for running sums in another arithmetic and for recurrences.
"""

from __future__ import annotations

import math

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.backend.running import Run
from gpudl.ops.along import along_dim
from gpudl.ops.operands import aliased, one_dim
from gpudl.ops.recurrence import Recur, recurrence, shifted

__all__ = ["logcumsumexp"]

_RUN = Run("Logsumexp<{T}, {A}>", "math/logsumexp.cuh")
_RECUR = Recur("OfExponentials")


@kernel
def logcumsumexp_forward(x: Array, dim: int, reverse: bool) -> Array:
    """y[k] = log(sum(exp(x[:k + 1]))) along dim, or of x[k:] if reverse. x: floating, any shape but 0-d."""
    y = x.copy()
    line = y.swapaxes(0, dim)
    add = xp_of(x).logaddexp
    step = 1
    while step < len(line):  # each knows the sum of twice as many after each step
        if reverse:
            line[:-step] = add(line[:-step], line[step:])
        else:
            line[step:] = add(line[step:], line[:-step])
        step *= 2
    return y


@logcumsumexp_forward.cuda("float32", "float64", "float16", "bfloat16")
def logcumsumexp_forward_cuda(x: Array, dim: int, reverse: bool) -> Array:
    return _RUN.along(x, dim, reverse, x.dtype)


@logcumsumexp_forward.cpu("float32", "float64")
def logcumsumexp_forward_cpu(x: Array, dim: int, reverse: bool) -> Array:
    if reverse:
        return np.flip(np.logaddexp.accumulate(np.flip(x, dim), dim), dim)
    return np.logaddexp.accumulate(x, dim)


@kernel
def logcumsumexp_backward(dy: Array, x: Array, y: Array, dim: int, reverse: bool) -> Array:
    """dx[k] = exp(x[k] - y[k]) back[k], back[k] = dy[k] + exp(y[k] - y[k+1]) back[k+1]; k-1 for k+1 if reverse."""
    xp = xp_of(x)
    if x.shape[dim] == 1:
        return dy * 1  # even for an infinite x
    step = -1 if reverse else 1
    before = shifted(y, dim, step, -math.inf)
    # Behind an infinite element all sums are the same infinity, whose difference to itself is 0 here.
    grown = xp.where((before == y) & xp.isinf(y), xp.zeros_like(y), before - y)
    back = recurrence(shifted(xp.exp(grown), dim, -step, 0.0), dy, dim, not reverse)
    return xp.exp(x - y) * back


@logcumsumexp_backward.cuda("float32", "float64", "float16", "bfloat16")
def logcumsumexp_backward_cuda(dy: Array, x: Array, y: Array, dim: int, reverse: bool) -> Array:
    return _RECUR(dy, x, y, None, dim, not reverse)


class Logcumsumexp(Primitive):
    """The running log(sum(exp(x))) along dim, from the other end if `reverse`."""

    __slots__ = ("dim", "reverse")
    dim: int
    reverse: bool

    def forward(ctx, x: Array, dim: int, reverse: bool) -> Array:
        ctx.dim, ctx.reverse = dim, reverse
        y = logcumsumexp_forward(x, dim, reverse)
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        return logcumsumexp_backward(dy, x, y, ctx.dim, ctx.reverse)


def logcumsumexp(input: Tensor, dim: int | None = None, *, axis: int | None = None) -> Tensor:
    """log(sum(exp)) of the first 1, 2, ... elements along `dim`, without overflow.

    Args:
        input: floating point, any shape.
        dim, axis: the dimension to sum along, under either name.
    Returns: the input's shape.
    Raises: RuntimeError unless the input is floating point; IndexError if the dim is out of range.
    Gradient: for each element the sum of dy[i] exp(input - result[i]) from there on.
    Kernel: kernels/cuda/cumsum.cu and kernels/math/logsumexp.cuh; the gradient's is kernels/cuda/recurrence.cu.
    Source: Blelloch 1990.
    """
    along = aliased("logcumsumexp", dim, axis)
    if along is not None:
        one_dim("logcumsumexp", along, input.ndim)
    if input.dtype.kind not in "fV":
        raise RuntimeError(f"logcumsumexp: the input is {input.dtype}; cast it to a floating dtype first")
    return along_dim("logcumsumexp", Logcumsumexp, input, along)
