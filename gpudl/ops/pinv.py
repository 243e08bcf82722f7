"""Pseudoinverses, ranks, and least squares, all by singular values.

Gradient of the pseudoinverse: G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least
squares problems whose variables separate", 1973.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import ShapeError
from gpudl.ops.factorize import eigvalsh, svdvals
from gpudl.ops.matmul import matmul
from gpudl.ops.matrices import lapack, need_matrices, turned
from gpudl.ops.operands import Number
from gpudl.ops.shape import broadcast_to

__all__ = ["lstsq", "matrix_rank", "pinv"]


class Pinv(Primitive):
    """The pseudoinverse; singular values of at most `limit` count as 0. Only the lower triangle if symmetric."""

    __slots__ = ()

    def forward(ctx, x: Array, limit: Array, symmetric: bool, name: str) -> Array:
        y = _pinv(x, limit, symmetric, name)
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        z = turned(dy)
        if x.shape[-2] <= x.shape[-1]:
            right = z @ y
            square = right @ turned(y)
            return square - turned(y @ right) - (x @ y) @ square + (turned(y) @ y) @ (z - right @ x)
        left = y @ z
        square = turned(y) @ left
        return square - turned(left @ y) + (z - x @ left) @ y @ turned(y) - (square @ y) @ x


def _pinv(x: Array, limit: Array, symmetric: bool, name: str) -> Array:
    xp = xp_of(x)
    why = "has elements that are not finite, or the iteration does not converge"
    if symmetric:
        s, vectors = lapack(name, why, lambda each: tuple(xp.linalg.eigh(each)), x)
        u, vh = vectors, turned(vectors)
    else:
        u, s, vh = lapack(name, why, lambda each: tuple(xp.linalg.svd(each, full_matrices=False)), x)
    inverse = xp.where(xp.abs(s) > limit, 1 / s, 0.0)
    return turned(vh) @ (inverse[..., :, None] * turned(u))


def _limit(name: str, A: Tensor, values: Tensor, atol: Any, rtol: Any) -> Array:
    """max(atol, rtol * the largest of the absolute singular values), with a last dimension of length 1.

    atol and rtol are numbers, Tensors (...,), or None: 0, and the dtype's precision times the longer side if there is
    no atol above 0 either.
    """
    for bound in (atol, rtol):
        if isinstance(bound, Tensor) and bound.dtype.kind == "c":
            raise RuntimeError(f"{name}: atol and rtol must be real")
    x = A.array
    xp = xp_of(x)

    def bare(bound: Any) -> Any:
        return bound.array[..., None] if isinstance(bound, Tensor) else bound

    default = float(np.finfo(x.dtype).eps) * max(x.shape[-2:])
    atol, rtol = bare(atol), bare(rtol)
    if rtol is None:
        rtol = default if atol is None else xp.where(xp.asarray(atol) > 0, 0.0, default)
    if not values.shape[-1]:
        return xp.zeros((*x.shape[:-2], 1), x.dtype)
    largest = xp.abs(values.array).max(axis=-1, keepdims=True)
    return xp.maximum(0 if atol is None else atol, rtol * largest).astype(x.dtype)


def _values(A: Tensor, hermitian: bool) -> Tensor:
    return eigvalsh(A.detach()) if hermitian else svdvals(A.detach())


def pinv(A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False, rcond: Any = None) -> Tensor:
    """The pseudoinverse of matrices, of Moore and Penrose.

    Args:
        A: (..., rows, columns), float32 or float64.
        atol, rtol: singular values of at most max(atol, rtol * the largest one) count as 0: numbers, or Tensors that
            broadcast to (...,). By default 0, and, if atol is not above 0, the dtype's precision times the longer side.
        hermitian: A is symmetric, which is quicker; only its lower triangle is read.
        rcond: NumPy's name for rtol.
    Returns: (..., columns, rows).
    Raises: LinAlgError for nan and infinities; ShapeError, also unless square if hermitian; RuntimeError for other
        dtypes.
    Gradient: that of Golub & Pereyra 1973; it holds where the rank does not change.
    """
    need_matrices("linalg.pinv", A, square=hermitian)
    if 0 in A.shape[-2:]:
        return A.swapaxes(-1, -2) * 1  # type: ignore[no-any-return]
    relative = rtol if rcond is None else rcond
    limit = _limit("linalg.pinv", A, _values(A, hermitian), atol, relative)
    return Pinv.apply(A, limit, hermitian, "linalg.pinv")  # type: ignore[no-any-return]


def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """How many singular values of matrices are above max(atol, rtol * the largest one).

    Args:
        A: (..., rows, columns), float32 or float64.
        tol: an older name for atol, with rtol 0.
        hermitian: A is symmetric; its eigenvalues are used, which is quicker.
        atol, rtol: as in pinv.
    Returns: (...,) int64.
    Raises: as pinv.
    """
    name = "linalg.matrix_rank"
    need_matrices(name, A, square=hermitian)
    if tol is not None:
        atol, rtol = tol, 0.0
    values = _values(A, hermitian)
    above = xp_of(A.array).abs(values.array) > _limit(name, A, values, atol, rtol)
    return wrap(xp_of(A.array).asarray(above.sum(axis=-1), int64), None)


class LeastSquares(NamedTuple):
    """What lstsq returns."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def lstsq(A: Tensor, B: Tensor, rcond: Number | None = None, *, driver: str | None = None) -> LeastSquares:
    """The X for which the norm of A X - B is least; among several, the one of least norm itself.

    Args:
        A: (..., rows, columns), float32 or float64.
        B: (..., rows, sides), or (..., rows): one vector for each matrix. Leading dimensions broadcast.
        rcond: singular values of at most rcond times the largest count as 0; default the dtype's precision times the
            longer side. Not for driver "gels".
        driver: a routine of LAPACK, to say what is returned beside the solution: "gels" takes A to be of full rank.
            All are computed by singular values here.
    Returns: (solution, residuals, rank, singular_values): residuals (..., sides), the sums of squares of A X - B,
        where there are more rows than columns, every matrix has full rank, and the driver is not "gelsy"; rank
        (...,) int64, not for "gels"; singular_values (..., min(rows, columns)), for "gelsd" and "gelss". What is not
        computed has shape (0,).
    Raises: LinAlgError for nan and infinities; ShapeError if the shapes do not fit; RuntimeError for other dtypes and
        drivers.
    Gradient: that of pinv(A) @ B.
    """
    name = "linalg.lstsq"
    need_matrices(name, A)
    driver = "gelsy" if driver is None else driver
    if driver not in _DRIVERS:
        raise RuntimeError(f"{name}: expected driver {', '.join(map(repr, _DRIVERS))}, got {driver!r}")
    if not isinstance(B, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(B).__name__}")
    if B.dtype != A.dtype:
        raise RuntimeError(f"{name}: the dtypes differ, {A.dtype} and {B.dtype}; cast one with to()")
    vectors = B.ndim + 1 == A.ndim and B.shape == A.shape[:-1]
    b = B.reshape((*B.shape, 1)) if vectors else B
    if b.ndim < 2 or b.shape[-2] != A.shape[-2]:
        raise ShapeError(f"{name}: shapes {A.shape} and {B.shape} do not fit: B needs {A.shape[-2]} rows")
    try:
        lead = np.broadcast_shapes(A.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(f"{name}: the batches of {A.shape} and {B.shape} do not broadcast") from None
    a, b = broadcast_to(A, (*lead, *A.shape[-2:])), broadcast_to(b, (*lead, *b.shape[-2:]))
    rows, columns = A.shape[-2:]
    rtol = 0.0 if driver == "gels" else rcond
    solution = matmul(pinv(a, rtol=rtol), b)
    values = svdvals(a.detach())
    limit = _limit(name, a, values, None, rtol)
    xp = xp_of(a.array)
    rank = xp.asarray((values.array > limit).sum(axis=-1), int64)
    residuals = A.new_zeros((0,))
    if rows > columns and driver != "gelsy" and (driver == "gels" or bool((rank == columns).all())):
        difference = matmul(a, solution) - b
        residuals = (difference * difference).sum(-2)
    if vectors:
        solution = solution.reshape(solution.shape[:-1])
    nothing = A.new_zeros((0,))
    return LeastSquares(
        solution,
        residuals,
        wrap(rank, None) if driver != "gels" else nothing.to(int64),
        values if driver in ("gelsd", "gelss") else nothing,
    )
