"""GLU: y = a * sigmoid(b), with a and b the halves of x along one dimension. Dauphin, Fan, Auli, Grangier 2016,
arXiv:1612.08083.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.activate import logistic
from gpudl.ops.gates import GateText, halved, halves
from gpudl.ops.parts import PART_BYTES

__all__ = ["glu"]

_TEXT = GateText("math/glu.cuh", gates=("Logistic",), first=False)


@kernel
def glu_forward(x: Array, dim: int) -> Array:
    """y = a * sigmoid(b) for the halves a, b of x along dim. x: any shape, even along dim."""
    a, b = halves(x, dim)
    return a * logistic(b)


@glu_forward.cpu("float32", "float64")
def glu_forward_cpu(x: Array, dim: int) -> Array:
    y = np.empty(halves(x, dim)[0].shape, x.dtype)
    pairs, out = _pairs(x, dim), y.reshape(_pair_shape(x, dim)[::2])
    for part in _parts_of_pairs(pairs):
        a, b = pairs[part[0], 0, part[1]], pairs[part[0], 1, part[1]]
        np.divide(a, _one_and_exp(b), out=out[part])
    return y


@glu_forward.cuda("float32", "float64", "float16", "bfloat16")
def glu_forward_cuda(x: Array, dim: int) -> Array:
    return _TEXT.forward(x, None, dim)


@kernel
def glu_backward(dy: Array, x: Array, dim: int) -> Array:
    """da = dy * s, db = da * (1 - s) * a, s = sigmoid(b); side by side along dim."""
    a, b = halves(x, dim)
    share = logistic(b)
    da = dy * share
    return xp_of(x).concatenate([da, da * (1 - share) * a], dim)


@glu_backward.cpu("float32", "float64")
def glu_backward_cpu(dy: Array, x: Array, dim: int) -> Array:
    dx = np.empty(x.shape, x.dtype)
    shape = _pair_shape(x, dim)
    pairs, out, arriving = _pairs(x, dim), dx.reshape(shape), np.ascontiguousarray(dy).reshape(shape[::2])
    for part in _parts_of_pairs(pairs):
        a, b = pairs[part[0], 0, part[1]], pairs[part[0], 1, part[1]]
        share = _one_and_exp(b)
        np.divide(1, share, out=share)
        da = np.multiply(arriving[part], share, out=out[part[0], 0, part[1]])
        np.subtract(1, share, out=share)
        share *= a
        np.multiply(da, share, out=out[part[0], 1, part[1]])
    return dx


@glu_backward.cuda("float32", "float64", "float16", "bfloat16")
def glu_backward_cuda(dy: Array, x: Array, dim: int) -> Array:
    return _TEXT.backward(dy, x, None, dim)[0]


def _pair_shape(x: Array, dim: int) -> tuple[int, int, int]:
    """x's elements as (everything before dim, the halves, everything within a half)."""
    rows = int(np.prod(x.shape[:dim]))
    return rows, 2, x.size // (2 * rows) if rows else 0


def _pairs(x: Array, dim: int) -> Array:
    return np.ascontiguousarray(x).reshape(_pair_shape(x, dim))


def _parts_of_pairs(pairs: Array) -> Iterator[tuple[slice, slice]]:
    """Rows and columns that together cover the halves, PART_BYTES or less of each half at a time."""
    rows, _, columns = pairs.shape
    step = PART_BYTES // pairs.dtype.itemsize
    wide = min(columns, step)
    high = step // wide if wide else 1
    for row in range(0, rows, high):
        for column in range(0, columns, step):
            yield slice(row, row + high), slice(column, column + wide)


def _one_and_exp(b: Array) -> Array:
    """1 + exp(-b), which may overflow to a sigmoid of 0."""
    y = np.negative(b)
    np.exp(y, out=y)
    y += 1
    return y


class Glu(ReadsHalf):
    __slots__ = ("dim",)
    dim: int

    def forward(ctx, x: Array, dim: int) -> Array:
        ctx.dim = dim
        ctx.save(x)
        return glu_forward(x, dim)

    def backward(ctx, dy: Array) -> Array:
        return glu_backward(dy, *ctx.saved, ctx.dim)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The gated linear unit: the first half of the input along `dim` times the sigmoid of the second.

    Args:
        input: floating point, at least 1-d, of even length along dim.
        dim: the dimension to halve.
    Returns: the input's dtype, and its shape with half the length along dim.
    Raises: RuntimeError for integers; ShapeError (RuntimeError) for a 0-d input and for an odd length; IndexError if
        dim is out of range.
    Gradient: dy * s for the first half a, dy * a * s * (1 - s) for the second, s = sigmoid(second).
    Kernel: kernels/cuda/glu.cu with kernels/math/glu.cuh, 16 bytes of each half a thread.
    Source: Dauphin, Fan, Auli, Grangier 2016, arXiv:1612.08083.
    """
    return Glu.apply(input, halved("glu", input, dim))  # type: ignore[no-any-return]
