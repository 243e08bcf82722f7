"""Norms of vectors and matrices, and what is measured by them: condition numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import dtype_of, promote_types
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.elementwise import abs as abs_
from gpudl.ops.elementwise import where
from gpudl.ops.extreme import amax, amin
from gpudl.ops.factorize import svdvals
from gpudl.ops.matrices import need_floating, need_matrices
from gpudl.ops.operands import Dim, Number, aliased, dims_of
from gpudl.ops.reduce import Reduction
from gpudl.ops.reduce import sum as sum_
from gpudl.ops.shape import permute, unsqueeze
from gpudl.ops.solve import inv_ex

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]


@kernel
def vector_norm_forward(x: Array, order: float, dims: tuple[int, ...], keepdim: bool) -> Array:
    """sum(|x| ** order) ** (1 / order) along dims; among 0, 1 and the infinities what that tends to."""
    xp = xp_of(x)
    if order == 2:
        return xp.sqrt((x * x).sum(axis=dims, keepdims=keepdim))
    if order == 0:
        return (x != 0).sum(axis=dims, keepdims=keepdim).astype(x.dtype)
    size = xp.abs(x)
    if order == 1:
        return size.sum(axis=dims, keepdims=keepdim)
    if math.isinf(order):
        return (size.max if order > 0 else size.min)(axis=dims, keepdims=keepdim)
    size **= order
    return size.sum(axis=dims, keepdims=keepdim) ** (1 / order)


class VectorNorm(Reduction):
    """sum(|x| ** order) ** (1 / order) along dims, with the limits at 0 and the infinities."""

    __slots__ = ("order",)
    order: float

    @classmethod
    def keeps_half(cls, args: tuple[Any, ...]) -> bool:
        return False  # backward takes several steps

    def forward(ctx, x: Array, order: float, dims: tuple[int, ...], keepdim: bool) -> Array:
        ctx.shape, ctx.dims, ctx.order = x.shape, dims, order
        y = vector_norm_forward(x, order, dims, keepdim)
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        xp, order = xp_of(x), ctx.order
        dy, y = ctx.spread(dy), ctx.spread(y)
        if order == 0:
            return xp.zeros_like(x)
        if order == 1:
            return dy * xp.sign(x)
        if order == 2:
            return x * xp.where(y == 0, 0.0, dy / y)
        if math.isinf(order):
            hit = ((xp.abs(x) == y) | (x != x)).astype(x.dtype)
            return xp.sign(x) * hit * (dy / hit.sum(axis=ctx.dims, keepdims=True))
        if order < 2:  # the slope has no bounds at 0; its middle, 0, is taken
            share = xp.sign(x) * xp.where(x == 0, 0.0, xp.abs(x) ** (order - 1))
        else:
            share = x * xp.abs(x) ** (order - 2)
        return share * xp.where(y == 0, 0.0, dy / y ** (order - 1))


def vector_norm(
    x: Tensor,
    ord: Number = 2,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """sum(|x| ** ord) ** (1 / ord) over all elements, or along dimensions.

    Args:
        x: floating point.
        ord: any number: 0 counts what is not 0, inf and -inf give the largest and the least absolute value.
        dim: the dimension or dimensions, default all.
        keepdim: keep them at length 1.
        dtype: cast to this floating dtype first, which must not be narrower.
    Raises: RuntimeError for other dtypes; IndexError if a dim is out of range; ShapeError where ord is negative or
        inf and there is no element.
    Gradient: dy * sign(x) * (|x| / y) ** (ord - 1); 0 at 0, and shared by equals where ord is infinite.
    """
    x, order = _cast("linalg.vector_norm", x, dtype), float(ord)
    dims = dims_of("linalg.vector_norm", aliased("linalg.vector_norm", dim, axis), x.ndim)
    if (order < 0 or math.isinf(order)) and (0 in (x.shape[each] for each in dims)):
        raise ShapeError(
            f"linalg.vector_norm: shape {x.shape} has no elements along {dims}, and no norm of order {ord}"
        )
    return VectorNorm.apply(x, order, dims, keepdim or keepdims)  # type: ignore[no-any-return]


def _cast(name: str, x: Tensor, dtype: Any) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(x).__name__}")
    need_floating(name, x)
    if dtype is None:
        return x
    wanted = dtype_of(dtype)
    if wanted.kind not in "fV" or promote_types(x.dtype, wanted) != wanted:
        raise RuntimeError(f"{name}: dtype must be a floating dtype that holds all of {x.dtype}, got {wanted}")
    return x.to(wanted)


def matrix_norm(
    A: Tensor,
    ord: Number | str = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Sequence[int] | None = None,
    keepdims: bool = False,
) -> Tensor:
    """A norm of matrices.

    Args:
        A: (..., rows, columns), floating point.
        ord: "fro": the root of the sum of squares; "nuc": the sum of the singular values; 2, -2: the largest and the
            least singular value; 1, -1: the largest and the least sum of absolute values of a column; inf, -inf: of a
            row.
        dim: the dimensions of rows and columns.
        keepdim: keep them at length 1.
        dtype: cast to this floating dtype first, which must not be narrower.
    Raises: ShapeError unless there are two dims; RuntimeError for another ord, other dtypes, and half floats where
        singular values are needed; IndexError if a dim is out of range.
    Gradient: that of the singular values, or of the sums.
    """
    name = "linalg.matrix_norm"
    A, keep = _cast(name, A, dtype), keepdim or keepdims
    given = tuple(dim if axis is None else axis) if isinstance(dim if axis is None else axis, Sequence) else ()
    if A.ndim < 2 or len(given) != 2:
        raise ShapeError(f"{name}: expected matrices and two dims, got shape {A.shape} and dim {dim}")
    rows, columns = dims = dims_of(name, given, A.ndim)
    if isinstance(ord, str):
        if ord == "fro":
            return VectorNorm.apply(A, 2.0, dims, keep)  # type: ignore[no-any-return]
        if ord != "nuc":
            raise RuntimeError(f"{name}: expected ord 'fro', 'nuc' or a number, got {ord!r}")
        return _restored(sum_(_singular(A, dims), -1), dims, keep)
    if abs(ord) not in (1, 2, math.inf):
        raise RuntimeError(f"{name}: expected ord 1, 2, inf, their negatives, 'fro' or 'nuc', got {ord!r}")
    if abs(ord) == 2:
        return _restored(_extreme(_singular(A, dims), -1, ord > 0), dims, keep)
    summed, compared = (rows, columns) if abs(ord) == 1 else (columns, rows)
    return _without(_extreme(sum_(abs_(A), summed, True), compared, ord > 0, True), dims, keep)


def _extreme(sizes: Tensor, dim: int, largest: bool, keepdim: bool = False) -> Tensor:
    """The largest or the least of what is not negative; the largest of none is 0."""
    if largest and not sizes.shape[dim]:
        return sum_(sizes.detach(), dim, keepdim)
    return (amax if largest else amin)(sizes, dim, keepdim)


def _singular(A: Tensor, dims: tuple[int, ...]) -> Tensor:
    rest = tuple(i for i in range(A.ndim) if i not in dims)
    return svdvals(permute(A, (*rest, *dims)))


def _restored(y: Tensor, dims: tuple[int, ...], keep: bool) -> Tensor:
    """The dimensions that are gone from y put back with length 1, if `keep`."""
    for dim in sorted(dims) if keep else ():
        y = unsqueeze(y, dim)
    return y


def _without(y: Tensor, dims: tuple[int, ...], keep: bool) -> Tensor:
    """y without the dimensions of length 1, unless `keep`."""
    return y if keep else y.squeeze(dims)


def norm(
    A: Tensor,
    ord: Number | str | None = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Any = None,
    keepdims: bool = False,
) -> Tensor:
    """A norm of vectors or matrices: vector_norm along one dim, matrix_norm along two.

    Args:
        A: floating point.
        ord: as in those two; None: the root of the sum of squares, over any dims.
        dim: an int, two of them, or None: all; then A is 1-d or 2-d if ord is given.
        keepdim, dtype: as in those two, and so are the errors.
    """
    name, keep = "linalg.norm", keepdim or keepdims
    along = aliased(name, dim, axis)
    if along is not None and not isinstance(along, int) and len(along) not in (1, 2):
        raise ShapeError(f"{name}: expected one dim or two, got {along}; vector_norm takes more")
    if ord is None:
        return vector_norm(A, 2, along, keep, dtype=dtype)
    if along is None:
        if A.ndim not in (1, 2):
            raise ShapeError(f"{name}: with ord and no dim the input must be 1-d or 2-d, got shape {A.shape}; give dim")
        along = tuple(range(A.ndim))
    dims = (along,) if isinstance(along, int) else tuple(along)
    if len(dims) == 2 or isinstance(ord, str):
        return matrix_norm(A, ord, dims, keep, dtype=dtype)
    return vector_norm(A, ord, dims, keep, dtype=dtype)


def cond(A: Tensor, p: Number | str | None = None) -> Tensor:
    """The condition number of matrices, norm(A, p) * norm(inv(A), p): inf for singular ones.

    Args:
        A: (..., rows, columns), float32 or float64; square unless p is None, 2 or -2.
        p: an ord of matrix_norm; None for 2.
    Returns: (...,).
    Raises: ShapeError unless they are square where that is needed; RuntimeError for other dtypes, or another p.
    """
    need_matrices("linalg.cond", A)
    if p is None or (not isinstance(p, str) and abs(p) == 2):
        values = svdvals(A)
        if not values.shape[-1]:
            return A.new_zeros(A.shape[:-2])
        largest, least = values[..., 0], values[..., -1]
        return least / largest if p == -2 else largest / least
    if A.array.size or isinstance(p, str):
        need_matrices("linalg.cond", A, square=True)
    if not A.array.size:
        return A.new_zeros(A.shape[:-2])
    inverse, info = inv_ex(A)
    regular = info == 0
    inverse = where(regular.reshape((*regular.shape, 1, 1)), inverse, 0.0)
    return where(regular, matrix_norm(A, p) * matrix_norm(inverse, p), math.inf)
