"""Powers, exponentials and products of matrices, and systems of tensors taken for matrices.

The exponential: A. Al-Mohy, N. Higham, "A new scaling and squaring algorithm for the matrix exponential", 2009, in
the form of Higham, "The scaling and squaring method for the matrix exponential revisited", 2005. Its derivative:
Al-Mohy & Higham, "Computing the Frechet derivative of the matrix exponential", 2009.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import ShapeError
from gpudl.ops.arithmetic import mul
from gpudl.ops.einsum import Contract
from gpudl.ops.elementwise import where
from gpudl.ops.matmul import matmul
from gpudl.ops.matrices import diagonal_view, identity, need_matrices, turned
from gpudl.ops.operands import counting, one_dim
from gpudl.ops.products import cross_along
from gpudl.ops.reduce import sum as sum_
from gpudl.ops.shape import permute, reshape
from gpudl.ops.solve import inv, solve

__all__ = [
    "cross", "diagonal", "matrix_exp", "matrix_power", "multi_dot", "tensorinv", "tensorsolve", "vander", "vecdot",
]  # fmt: skip

# Degree of the Pade approximant -> the 1-norm up to which it is as exact as float64 (Higham 2005, table 2.3).
_REACH = {3: 1.495585217958292e-2, 5: 2.539398330063230e-1, 7: 9.504178996162932e-1, 9: 2.097847961257068}
_REACH_13 = 5.371920351148152


class MatrixExp(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        ctx.save(x)
        return _exponential(x)

    def backward(ctx, dy: Array) -> Array:
        # exp([[X^T, dY], [0, X^T]]) has the Frechet derivative at X^T in direction dY in its upper right corner, and
        # the adjoint of the derivative at X is the derivative at X^T.
        (x,) = ctx.saved
        xp, count, x = xp_of(x), x.shape[-1], turned(x)
        above = xp.concatenate([x, dy], -1)
        below = xp.concatenate([xp.zeros_like(x), x], -1)
        block = xp.concatenate([above, below], -2)
        y = MatrixExp.apply(block) if isinstance(block, Tensor) else _exponential(block)
        return y[..., :count, count:]


def _exponential(x: Array) -> Array:
    """The exponential of arrays: an approximant of exp(x / 2**s), squared s times."""
    xp = xp_of(x)
    if not x.size:
        return x.copy()
    norms = xp.abs(x).sum(axis=-2).max(axis=-1)
    largest = float(norms.max())
    if not math.isfinite(largest):
        return _exponential_of_each(x)
    degree = next((degree for degree, reach in _REACH.items() if largest <= reach), 13)
    if degree < 13:
        return _approximant(x, degree)
    # frexp, not log2: exact for the bounds, and what is below them is not scaled.
    squarings = xp.maximum(xp.frexp(norms / _REACH_13)[1], 0)
    y = _approximant(x * xp.ldexp(xp.ones_like(norms), -squarings)[..., None, None], 13)
    for step in range(int(squarings.max())):
        y = xp.where((squarings > step)[..., None, None], y @ y, y)
    return y


def _exponential_of_each(x: Array) -> Array:
    """As _exponential, where some matrices of the batch are not finite: these give nan."""
    xp = xp_of(x)
    bad = ~xp.isfinite(x).all(axis=(-1, -2))
    y = xp.full(x.shape, math.nan, x.dtype)
    if not bool(bad.all()):
        y[~bad] = _exponential(x[~bad])
    return y


def _approximant(x: Array, degree: int) -> Array:
    """The diagonal Pade approximant of exp: q(-x)^-1 q(x), the even powers of q and the odd ones apart."""
    q = [_coefficient(degree, power) for power in range(degree + 1)]
    one = identity(x, x.shape[-1])
    x2 = x @ x
    if degree < 13:
        powers = [one, x2]
        while len(powers) <= degree // 2:
            powers.append(powers[-1] @ x2)
        odd = x @ _combined(q[1::2], powers)
        even = _combined(q[0::2], powers)
    else:
        x4 = x2 @ x2
        x6 = x4 @ x2
        odd = x @ (x6 @ _combined((q[9], q[11], q[13]), (x2, x4, x6)) + _combined(q[1:9:2], (one, x2, x4, x6)))
        even = x6 @ _combined((q[8], q[10], q[12]), (x2, x4, x6)) + _combined(q[0:8:2], (one, x2, x4, x6))
    solution: Array = xp_of(x).linalg.solve(even - odd, even + odd)
    return solution


def _combined(factors: Sequence[float], matrices: Sequence[Array]) -> Array:
    return sum(factor * matrix for factor, matrix in zip(factors, matrices, strict=True))


def _coefficient(degree: int, power: int) -> float:
    """Of x ** power in the approximant's q, which is 1 for the power 0."""
    return math.comb(degree, power) / (math.comb(2 * degree, power) * math.factorial(power))


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


def matrix_exp(A: Tensor) -> Tensor:
    """The exponentials of square matrices, the sums of A**k / k!.

    Args:
        A: (..., rows, rows), floating point. A matrix with nan or infinities gives nan.
    Raises: ShapeError unless they are square; RuntimeError for other dtypes.
    Gradient: the Frechet derivative at A^T in direction dy. Al-Mohy & Higham 2009.
    """
    need_matrices("linalg.matrix_exp", A, square=True, half=True)
    return MatrixExp.apply(A)  # type: ignore[no-any-return]


def matrix_power(A: Tensor, n: int) -> Tensor:
    """Square matrices multiplied n times with themselves; the identity for 0, powers of the inverse below.

    Args:
        A: (..., rows, rows), a number dtype; floating point if n is negative.
        n: an int.
    Raises: LinAlgError for a singular matrix if n is negative; ShapeError unless they are square.
    Gradient: that of the products.
    """
    n = operator.index(n)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"linalg.matrix_power: expected square matrices, got shape {A.shape}")
    if n < 0:
        A, n = inv(A), -n
    if n == 0:
        # As in PyTorch a gradient of 0 comes from here, whatever A has in it.
        return where(A.new_zeros(A.shape, dtype=bool), A, identity(A, A.shape[-1]))
    result: Tensor | None = None
    while True:
        if n % 2:
            result = A if result is None else matmul(result, A)
        n //= 2
        if not n:
            break
        A = matmul(A, A)
    return result.clone() if result is A and result is not None else result  # type: ignore[return-value]


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
    result = _product(given, _splits([given[0].shape[0], *(x.shape[1] for x in given)]), 0, len(given) - 1)
    return reshape(result, result.shape[row : 2 - column])


def _splits(lengths: list[int]) -> dict[tuple[int, int], int]:
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
