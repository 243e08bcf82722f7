"""Sums over all elements or some dimensions, and what is counted there.

`axis` and `keepdims`, NumPy's names, are accepted for `dim` and `keepdim`. On a device all reductions are made by the
kernels of kernels/cuda/reduce.cu, see gpudl.backend.folds.
"""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import backend_of
from gpudl.backend.dtypes import DType, bool_, dtype_of, int64, uint8
from gpudl.backend.errors import ShapeError
from gpudl.backend.folds import TOTAL, Fold
from gpudl.backend.kernel import kernel
from gpudl.ops.comparison import isnan
from gpudl.ops.elementwise import masked_fill
from gpudl.ops.operands import Dim, aliased, broadcast, counting, dims_of, narrowed, total, widened

__all__ = ["all", "any", "count_nonzero", "mean", "nanmean", "nansum", "sum", "trace"]


_COUNTED = Fold("Nonzero<{T}, {A}, long long>")
_LOGICAL = Fold("Nonzero<{T}, {A}, bool>")
_EVERY = "float32", "float64", "float16", "bfloat16", "bool", "uint8", "int8", "int16", "int32", "int64"


@kernel
def mean_forward(x: Array, dims: tuple[int, ...], keepdim: bool, count: int) -> Array:
    """sum(x) / count."""
    wide = widened(x)  # a half float also counts to 65504 only
    return narrowed(total(wide, dims, keepdim) / wide.dtype.type(count), x.dtype)


@mean_forward.cuda("float32", "float64", "float16", "bfloat16")
def mean_forward_cuda(x: Array, dims: tuple[int, ...], keepdim: bool, count: int) -> Array:
    return TOTAL(x, dims, keepdim, x.dtype, q=count)


@kernel
def count_forward(x: Array, dims: tuple[int, ...]) -> Array:
    """How many elements are not 0, int64."""
    return (x != 0).sum(axis=dims)


@count_forward.cuda(*_EVERY)
def count_forward_cuda(x: Array, dims: tuple[int, ...]) -> Array:
    return _COUNTED(x, dims, False, int64)


@kernel
def logical_forward(x: Array, dims: tuple[int, ...], keepdim: bool, every: bool) -> Array:
    """Whether any element is not 0, or every one."""
    return (xp_of(x).all if every else xp_of(x).any)(x, axis=dims, keepdims=keepdim)


@logical_forward.cuda(*_EVERY)
def logical_forward_cuda(x: Array, dims: tuple[int, ...], keepdim: bool, every: bool) -> Array:
    return _LOGICAL(x, dims, keepdim, bool_, p=2 if every else 1)


class Reduction(ReadsHalf):
    """Base of reductions.

    Attributes:
        shape: the input's.
        dims: the dimensions that were reduced.
    """

    __slots__ = ("dims", "shape")
    shape: tuple[int, ...]
    dims: tuple[int, ...]

    def spread(ctx, y: Array) -> Array:
        """A result, or its gradient, shaped to broadcast with the input: reduced dimensions have length 1."""
        if not y.ndim or y.ndim == len(ctx.shape):
            return y
        return y.reshape(tuple(1 if i in ctx.dims else length for i, length in enumerate(ctx.shape)))

    def count(ctx) -> int:
        """How many elements went into one result."""
        count = 1
        for dim in ctx.dims:
            count *= ctx.shape[dim]
        return count


class Sum(Reduction):
    __slots__ = ()

    def forward(ctx, x: Array, dims: tuple[int, ...], keepdim: bool) -> Array:
        ctx.shape, ctx.dims = x.shape, dims
        return backend_of(x).sum(x, dims, keepdim)

    def backward(ctx, dy: Array) -> Array:
        return broadcast(ctx.spread(dy), ctx.shape)


class Mean(Reduction):
    __slots__ = ()

    def forward(ctx, x: Array, dims: tuple[int, ...], keepdim: bool) -> Array:
        ctx.shape, ctx.dims = x.shape, dims
        return mean_forward(x, dims, keepdim, ctx.count())

    def backward(ctx, dy: Array) -> Array:
        share = narrowed(widened(dy) / ctx.count(), dy.dtype)
        return broadcast(ctx.spread(share), ctx.shape)


class Trace(Primitive):
    """The sum of the diagonal of a matrix."""

    __slots__ = ("shape",)
    shape: tuple[int, ...]

    def forward(ctx, x: Array) -> Array:
        ctx.shape = x.shape
        return x.trace(dtype=x.dtype)

    def backward(ctx, dy: Array) -> Array:
        rows, columns = ctx.shape
        diagonal = counting(dy, rows).reshape((rows, 1)) == counting(dy, columns)
        return dy * diagonal.astype(dy.dtype)


class CountNonzero(ReadsHalf):
    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, dims: tuple[int, ...]) -> Array:
        return count_forward(x, dims)


class Logical(ReadsHalf):
    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, dims: tuple[int, ...], keepdim: bool, every: bool) -> Array:
        return logical_forward(x, dims, keepdim, every)


def cast_first(input: Tensor, dtype: Any, for_integers: DType | None) -> Tensor:
    """The input as `dtype` if that is given, else, if it is no floating dtype, as `for_integers` if that is."""
    if dtype is not None:
        return input.to(dtype_of(dtype))
    if for_integers is not None and input.array.dtype.kind not in "fV" and input.dtype != for_integers:
        return input.to(for_integers)
    return input


def sum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The sum of the elements; 0 for none. float16 accumulates in float32; bools and integers give int64.

    Args:
        dim: the dimension or dimensions to sum over, default all.
        keepdim: keep them at length 1.
        dtype: cast to this dtype first.
    Raises: IndexError if a dim is out of range.
    Gradient: dy for every element.
    Kernel: kernels/cuda/reduce.cu, a warp or blocks for a row, 16 bytes of columns a thread.
    """
    x = cast_first(input, dtype, None)
    y: Tensor = Sum.apply(x, dims_of("sum", aliased("sum", dim, axis), x.array.ndim), keepdim or keepdims)
    return y if dtype is None or y.array.dtype == x.array.dtype else y.to(x.array.dtype)


def mean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The mean of the elements; nan for none.

    Args: as in sum.
    Raises: RuntimeError unless the input (or `dtype`) is floating point.
    Gradient: dy / count for every element.
    """
    x = cast_first(input, dtype, None)
    if x.array.dtype.kind not in "fV":
        raise RuntimeError(f"mean: the input is {x.dtype}; give dtype=gpudl.float32 or another floating dtype")
    return Mean.apply(x, dims_of("mean", aliased("mean", dim, axis), x.array.ndim), keepdim or keepdims)  # type: ignore[no-any-return]


def nansum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The sum of the elements that are not nan; 0 for none.

    Args, Raises: as in sum.
    Gradient: dy for every element that is not nan, 0 for those.
    """
    x = cast_first(input, dtype, int64)
    return sum(_without_nan(x), aliased("nansum", dim, axis), keepdim or keepdims)


def nanmean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The mean of the elements that are not nan; nan for none.

    Args: as in sum.
    Raises: RuntimeError unless the input is floating point.
    Gradient: dy / count for every element that is not nan, 0 for those.
    """
    if input.array.dtype.kind not in "fV":
        raise RuntimeError(f"nanmean: the input is {input.dtype}; cast it to a floating dtype first")
    along, keep = aliased("nanmean", dim, axis), keepdim or keepdims
    x = cast_first(input, dtype, None)
    count = sum(~isnan(input), along, keep)
    return sum(_without_nan(x), along, keep) / count


def _without_nan(x: Tensor) -> Tensor:
    return masked_fill(x, isnan(x), 0) if x.array.dtype.kind in "fV" else x


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix; integers give int64.

    Raises: RuntimeError unless the input has two dimensions, and for bools.
    Gradient: dy on the diagonal.
    """
    if input.ndim != 2:
        raise ShapeError(f"trace: expected a matrix, got shape {input.shape}")
    if input.dtype.kind == "b":
        raise RuntimeError("trace: bools have no sum of a diagonal; cast the input to a number first")
    return Trace.apply(cast_first(input, None, int64))  # type: ignore[no-any-return]


def count_nonzero(input: Tensor, dim: Dim = None, *, axis: Dim = None) -> Tensor:
    """How many elements are not 0, int64; nan is not 0.

    Args:
        dim: the dimension or dimensions to count over, default all.
    Raises: IndexError if a dim is out of range.
    """
    dims = dims_of("count_nonzero", aliased("count_nonzero", dim, axis), input.ndim)
    return CountNonzero.apply(input, dims)  # type: ignore[no-any-return]


def _logical(name: str, input: Tensor, dim: Dim, keepdim: bool) -> Tensor:
    result: Tensor = Logical.apply(input, dims_of(name, dim, input.ndim), keepdim, name == "all")
    return result.to(uint8) if input.dtype == uint8 else result


def all(input: Tensor, dim: Dim = None, keepdim: bool = False, *, axis: Dim = None, keepdims: bool = False) -> Tensor:
    """True if every element is nonzero, and for none; bool, but uint8 for uint8 as in PyTorch.

    Args, Raises: as in sum.
    """
    return _logical("all", input, aliased("all", dim, axis), keepdim or keepdims)


def any(input: Tensor, dim: Dim = None, keepdim: bool = False, *, axis: Dim = None, keepdims: bool = False) -> Tensor:
    """True if some element is nonzero; False for none. As all."""
    return _logical("any", input, aliased("any", dim, axis), keepdim or keepdims)
