"""Chains of matrices, vectors along a dimension, and tensors taken for matrices: what else torch.linalg has."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import ShapeError
from gpudl.ops.arithmetic import mul
from gpudl.ops.einsum import Contract
from gpudl.ops.matmul import matmul
from gpudl.ops.matrices import diagonal_view
from gpudl.ops.operands import counting, one_dim
from gpudl.ops.products import cross_along
from gpudl.ops.reduce import sum as sum_
from gpudl.ops.shape import permute, reshape
from gpudl.ops.solve import inv, solve

__all__ = ["cross", "diagonal", "multi_dot", "tensorinv", "tensorsolve", "vander", "vecdot"]


class Vander(Primitive):
    """x ** 0, x ** 1, ... x ** (count - 1) as a last dimension."""

    __slots__ = ()

    def forward(ctx, x: Array, count: int) -> Array:
        xp = xp_of(x)
        y = xp.empty((*x.shape, count), x.dtype)
        y[..., :1] = 1
        for power in range(1, count):
            y[..., power] = y[..., power - 1] * x
        ctx.save(y)
        return y

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        factors = (counting(y, y.shape[-1] - 1) + 1).astype(y.dtype)
        return (dy[..., 1:] * y[..., :-1] * factors).sum(axis=-1)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices, in the order that needs the fewest multiplications.

    Args:
        tensors: at least two, 2-d; the first and the last may be 1-d, a row and a column.
    Raises: ShapeError if they do not fit together; RuntimeError if the dtypes differ.
    Gradient: that of the products.
    """
    given = list(tensors)
    if len(given) < 2:
        raise ShapeError(f"linalg.multi_dot: expected at least two tensors, got {len(given)}")
    for place, x in enumerate(given):
        ends = (1, 2) if place in (0, len(given) - 1) else (2,)
        if x.ndim not in ends:
            raise ShapeError(f"linalg.multi_dot: tensor {place} must be {' or '.join(map(str, ends))}-d, got {x.shape}")
        if x.dtype != given[0].dtype:
            raise RuntimeError(f"linalg.multi_dot: the dtypes differ, {given[0].dtype} and {x.dtype}; cast with to()")
    row, column = given[0].ndim == 1, given[-1].ndim == 1
    if row:
        given[0] = reshape(given[0], (1, -1)) if given[0].shape[0] else reshape(given[0], (1, 0))
    if column:
        given[-1] = reshape(given[-1], (given[-1].shape[0], 1))
    for place, (x, y) in enumerate(itertools.pairwise(given)):
        if x.shape[1] != y.shape[0]:
            raise ShapeError(f"linalg.multi_dot: tensors {place} and {place + 1} do not fit, {x.shape} and {y.shape}")
    result = _product(given, _splits((given[0].shape[0], *(x.shape[1] for x in given))), 0, len(given) - 1)
    return reshape(result, result.shape[row : 2 - column])


@functools.lru_cache(1024)
def _splits(lengths: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """Where to split each run of a chain of matrices: Cormen et al., "Introduction to Algorithms", 15.2, 2009."""
    costs: dict[tuple[int, int], int] = {}
    splits = {}
    count = len(lengths) - 1
    for run in range(count):
        for first in range(count - run):
            last = first + run
            ways = [
                (costs[first, k] + costs[k + 1, last] + lengths[first] * lengths[k + 1] * lengths[last + 1], k)
                for k in range(first, last)
            ]
            costs[first, last], splits[first, last] = min(ways, default=(0, first))
    return splits


def _product(chain: list[Tensor], splits: dict[tuple[int, int], int], first: int, last: int) -> Tensor:
    if first == last:
        return chain[first]
    split = splits[first, last]
    return matmul(_product(chain, splits, first, split), _product(chain, splits, split + 1, last))


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of the map that tensordot(A, x, x.ndim) is, with the first `ind` dimensions of A for its result.

    Args:
        A: float32 or float64; the products of the first `ind` and of the other lengths are equal.
        ind: above 0.
    Returns: the other dimensions, then the first `ind`.
    Raises: LinAlgError if there is none; ShapeError if the products differ; RuntimeError for other dtypes.
    Gradient: as inv.
    """
    if ind <= 0:
        raise ShapeError(f"linalg.tensorinv: expected ind above 0, got {ind}")
    if ind > A.ndim:
        raise ShapeError(f"linalg.tensorinv: shape {A.shape} has no {ind} dimensions")
    left, right = A.shape[:ind], A.shape[ind:]
    rows, columns = math.prod(left), math.prod(right)
    if rows != columns:
        raise ShapeError(f"linalg.tensorinv: the lengths {left} and {right} of shape {A.shape} have unequal products")
    return reshape(inv(reshape(A, (rows, columns))), (*right, *left))


def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """The X of tensordot(A, X, X.ndim) = B.

    Args:
        A, B: float32 or float64; A's first dimensions are those of B, and the product of their lengths is that of the
            others.
        dims: dimensions of A to move to its end first.
    Returns: the other dimensions of A.
    Raises: LinAlgError if there is none; ShapeError if the shapes do not fit; RuntimeError for other dtypes.
    Gradient: as solve.
    """
    if dims is not None:
        moved = [one_dim("linalg.tensorsolve", dim, A.ndim) for dim in dims]
        A = permute(A, (*(i for i in range(A.ndim) if i not in moved), *moved))
    shape = A.shape[B.ndim :]
    if math.prod(shape) != B.array.size or A.array.size != B.array.size**2:
        raise ShapeError(f"linalg.tensorsolve: shapes {A.shape} and {B.shape} do not fit: A must be a square matrix")
    x = solve(reshape(A, (B.array.size, B.array.size)), reshape(B, (B.array.size,)))
    return reshape(x, shape)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The sum of products along one dimension of tensors that broadcast.

    Args:
        x, y: one dtype.
        dim: counted after broadcasting.
    Raises: ShapeError if they do not broadcast; IndexError if the dim is out of range; RuntimeError if the dtypes
        differ, or are bool.
    """
    name = "linalg.vecdot"
    if x.dtype != y.dtype or x.dtype.kind not in "fV":
        raise RuntimeError(f"{name}: the dtypes are {x.dtype} and {y.dtype}; cast both to one floating dtype")
    if x.shape != y.shape:
        return sum_(mul(x, y), dim)
    place = one_dim(name, dim, x.ndim)
    labels = tuple(range(x.ndim))
    return Contract.apply(x, y, labels, labels, tuple(i for i in labels if i != place))  # type: ignore[no-any-return]


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of vectors of 3 numbers along `dim`; see gpudl.cross, which has another default.

    Raises: ShapeError if the shapes do not fit; IndexError if the dim is out of range.
    """
    return cross_along("linalg.cross", input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices as the last dimension, a view.

    Args:
        offset: how far above the main diagonal, below it if negative.
        dim1, dim2: rows and columns.
    Raises: IndexError if a dim is out of range; ShapeError if both are one.
    Gradient: dy on the diagonal, 0 elsewhere.
    """
    return diagonal_view(A, offset, dim1, dim2)


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers x ** 0 to x ** (N - 1) as a last dimension.

    Args:
        x: (..., count), a number dtype; integers give int64. A 0-d tensor is one of 1 element.
        N: above 1, default count.
    Returns: (..., count, N).
    Raises: ShapeError for an N that is not above 1; RuntimeError for bools.
    Gradient: the sum of k x**(k - 1) dy[k].
    """
    if x.dtype.kind == "b":
        raise RuntimeError("linalg.vander: bools have no powers; cast them to a number first")
    x = x if x.ndim else reshape(x, (1,))
    count = x.shape[-1] if N is None else N
    if count < 2:
        raise ShapeError(f"linalg.vander: expected N above 1, got {count}")
    return Vander.apply(x if x.dtype.kind in "fV" else x.to(int64), count)  # type: ignore[no-any-return]
