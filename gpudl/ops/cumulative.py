"""Running extremes: the largest or smallest element so far, and where it is."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import backend_of
from gpudl.backend.dtypes import int64
from gpudl.backend.kernel import kernel
from gpudl.backend.running import RUNNING
from gpudl.ops.along import put_along
from gpudl.ops.extreme import ValuesAndIndices
from gpudl.ops.operands import aliased, one_dim
from gpudl.ops.recurrence import Recur

__all__ = ["cummax", "cummin"]


_EVERY = ("float32", "float64", "float16", "bfloat16", "bool", "uint8", "int8", "int16", "int32", "int64")
_RECUR = Recur("OfExtremes")


@kernel
def cumextreme_forward(x: Array, dim: int, largest: bool) -> tuple[Array, Array]:
    """Where the extremes of the first 1, 2, ... elements along dim are, of equal ones the last, and what they are."""
    xp = xp_of(x)
    running = backend_of(x).running
    values = running("maximum" if largest else "minimum", x, dim)
    hit = (x >= values if largest else x <= values) | (x != x)  # a nan is the extreme of all before and after it
    positions = xp.arange(x.shape[dim]).reshape((x.shape[dim], *(1,) * (x.ndim - 1 - dim)))
    return running("maximum", hit * positions, dim), values


@cumextreme_forward.cuda(*_EVERY)
def cumextreme_forward_cuda(x: Array, dim: int, largest: bool) -> tuple[Array, Array]:
    return RUNNING[largest].along(x, dim, False, int64, x.dtype)  # type: ignore[no-any-return]


@kernel
def cumextreme_backward(dy: Array, indices: Array, dim: int) -> Array:
    """dx: zeros with dy, of its shape, added at the indices, which do not fall along dim."""
    return put_along(dy, indices, dim, dy.shape[dim])


@cumextreme_backward.cuda("float32", "float64", "float16", "bfloat16")
def cumextreme_backward_cuda(dy: Array, indices: Array, dim: int) -> Array:
    return _RECUR(dy, None, None, indices, dim, True)


class Cumextreme(ReadsHalf):
    """The extremes of the first 1, 2, ... elements along dim, and their indices; the last counts among equals."""

    __slots__ = ("dim",)
    fills = False
    dim: int

    def forward(ctx, x: Array, dim: int, largest: bool) -> tuple[Array, Array]:
        ctx.dim = dim
        indices, values = cumextreme_forward(x, dim, largest)
        ctx.save(indices)
        return values, indices

    def backward(ctx, dy: Array, _: Array) -> Array:
        (indices,) = ctx.saved
        if isinstance(dy, Tensor):
            return put_along(dy, indices.array, ctx.dim, dy.shape[ctx.dim])
        return cumextreme_backward(dy, indices, ctx.dim)


def _running(name: str, input: Tensor, dim: int | None, largest: bool) -> ValuesAndIndices:
    if dim is None:
        raise TypeError(f"{name}: give the dimension to go along, dim")
    x = input if input.ndim else input.reshape(1)
    values, indices = Cumextreme.apply(x, one_dim(name, dim, input.ndim), largest)
    return (
        ValuesAndIndices(values, indices) if input.ndim else ValuesAndIndices(values.reshape(()), indices.reshape(()))
    )


def cummax(input: Tensor, dim: int | None = None, *, axis: int | None = None) -> ValuesAndIndices:
    """The largest of the first 1, 2, ... elements along `dim`, and the index of each: (values, indices).

    The last counts among equals; a nan stays the largest.

    Raises: IndexError if the dim is out of range.
    Gradient: to the elements that the indices name.
    Kernel: kernels/cuda/cumsum.cu and kernels/math/extreme.cuh; the gradient's is kernels/cuda/recurrence.cu.
    """
    return _running("cummax", input, aliased("cummax", dim, axis), True)


def cummin(input: Tensor, dim: int | None = None, *, axis: int | None = None) -> ValuesAndIndices:
    """The smallest of the first 1, 2, ... elements along `dim`, and the index of each. As cummax."""
    return _running("cummin", input, aliased("cummin", dim, axis), False)
