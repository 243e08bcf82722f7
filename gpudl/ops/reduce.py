"""Sums over all elements or some dimensions, what is counted there, and the logarithm of summed exponentials.

`axis` and `keepdims`, NumPy's names, are accepted for `dim` and `keepdim`.
"""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import DType, dtype_of, get_default_dtype, int64, uint8
from gpudl.backend.errors import ShapeError
from gpudl.ops.comparison import isnan
from gpudl.ops.elementwise import masked_fill
from gpudl.ops.operands import Dim, aliased, broadcast, counting, dims_of, narrowed, total, widened

__all__ = ["all", "any", "count_nonzero", "logsumexp", "mean", "nanmean", "nansum", "sum", "trace"]


class Reduction(Primitive):
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
        return total(x, dims, keepdim)

    def backward(ctx, dy: Array) -> Array:
        return broadcast(ctx.spread(dy), ctx.shape)


class Mean(Reduction):
    __slots__ = ()

    def forward(ctx, x: Array, dims: tuple[int, ...], keepdim: bool) -> Array:
        ctx.shape, ctx.dims = x.shape, dims
        wide = widened(x)  # a half float also counts to 65504 only
        return narrowed(total(wide, dims, keepdim) / wide.dtype.type(ctx.count()), x.dtype)

    def backward(ctx, dy: Array) -> Array:
        share = narrowed(widened(dy) / ctx.count(), dy.dtype)
        return broadcast(ctx.spread(share), ctx.shape)


class Logsumexp(Reduction):
    """log(sum(exp(x))), by way of the largest element, so that exp does not overflow."""

    __slots__ = ()

    def forward(ctx, x: Array, dims: tuple[int, ...], keepdim: bool) -> Array:
        ctx.shape, ctx.dims = x.shape, dims
        xp = xp_of(x)
        if ctx.count():
            high = xp.asarray(x.max(axis=dims, keepdims=True))
            high = xp.where(xp.isfinite(high), high, xp.zeros_like(high))
            shifted = xp.asarray(x - high)
            y = xp.log(total(xp.exp(shifted, out=shifted), dims, True)) + high
        else:
            y = total(x, dims, True) - xp.inf
        y = xp.asarray(y if keepdim else y.squeeze(axis=dims))
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        return ctx.spread(dy) * xp_of(x).exp(x - ctx.spread(y))


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


class Counting(Primitive):
    """function(x, axis, keepdims) for a name of the namespace: reductions with no gradient."""

    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, function: str, dims: Any, keepdim: bool) -> Array:
        return getattr(xp_of(x), function)(x, axis=dims, keepdims=keepdim)


class CountNonzero(Primitive):
    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, dims: tuple[int, ...]) -> Array:
        return (x != 0).sum(axis=dims)


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
    """
    x = cast_first(input, dtype, int64)
    return Sum.apply(x, dims_of("sum", aliased("sum", dim, axis), x.array.ndim), keepdim or keepdims)  # type: ignore[no-any-return]


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


def logsumexp(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, axis: Dim = None, keepdims: bool = False
) -> Tensor:
    """log(sum(exp(input))) without overflow; -inf for no elements. Integers give the default floating dtype.

    Args:
        dim: the dimension or dimensions to sum over; () for all.
        keepdim: keep them at length 1.
    Raises: IndexError if a dim is out of range; TypeError if it is missing.
    Gradient: dy * softmax(input) over those dimensions.
    """
    along = aliased("logsumexp", dim, axis)
    if along is None:
        raise TypeError("logsumexp: give the dimension or dimensions to sum over, dim; () is all of them")
    x = input if input.array.dtype.kind in "fV" else input.to(get_default_dtype())
    return Logsumexp.apply(x, dims_of("logsumexp", along, x.ndim), keepdim or keepdims)  # type: ignore[no-any-return]


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
    result: Tensor = Counting.apply(input, name, dims_of(name, dim, input.ndim), keepdim)
    return result.to(uint8) if input.dtype == uint8 else result


def all(input: Tensor, dim: Dim = None, keepdim: bool = False, *, axis: Dim = None, keepdims: bool = False) -> Tensor:
    """True if every element is nonzero, and for none; bool, but uint8 for uint8 as in PyTorch.

    Args, Raises: as in sum.
    """
    return _logical("all", input, aliased("all", dim, axis), keepdim or keepdims)


def any(input: Tensor, dim: Dim = None, keepdim: bool = False, *, axis: Dim = None, keepdims: bool = False) -> Tensor:
    """True if some element is nonzero; False for none. As all."""
    return _logical("any", input, aliased("any", dim, axis), keepdim or keepdims)
