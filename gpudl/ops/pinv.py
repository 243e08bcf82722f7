"""Pseudoinverses, ranks, and least squares, all by singular values.

Gradient of the pseudoinverse: G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least
squares problems whose variables separate", 1973.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import ShapeError
from gpudl.backend.on_host import linalg_of
from gpudl.ops.dims import broadcast_to
from gpudl.ops.factorize import UNSETTLED
from gpudl.ops.gemm import product
from gpudl.ops.matmul import matmul
from gpudl.ops.matrices import lapack, need_matrices, turned
from gpudl.ops.operands import Number
from gpudl.ops.shape import reshape

__all__ = ["lstsq", "matrix_rank", "pinv"]


class Pinv(Primitive):
    """The pseudoinverse, the rank, and the singular values or eigenvalues; the gradient is that of the first.

    Only the lower triangle is read if symmetric.
    """

    __slots__ = ()
    fills = False

    def forward(ctx, x: Array, atol: Any, rtol: Any, symmetric: bool, name: str) -> tuple[Array, Array, Array]:
        xp = xp_of(x)
        if symmetric:
            s, u = lapack(name, UNSETTLED, lambda each: tuple(linalg_of(x).eigh(each)), x)
            vh = turned(u)
        else:
            u, s, vh = lapack(name, UNSETTLED, lambda each: tuple(linalg_of(x).svd(each, full_matrices=False)), x)
        counted = _counts(s, x, atol, rtol)
        # nan, which infinities give, must not be taken for a value that does not count.
        inverse = xp.where(counted | (s != s), 1 / s, 0.0)
        y = product(turned(vh), inverse[..., :, None] * turned(u))
        ctx.save(x, y)
        return y, counted.sum(axis=-1), s

    def backward(ctx, dy: Array, *_: Any) -> Array:
        x, y = ctx.saved
        z = turned(dy)
        if x.shape[-2] <= x.shape[-1]:
            right = product(z, y)
            square = product(right, turned(y))
            return (
                square
                - turned(product(y, right))
                - product(product(x, y), square)
                + product(product(turned(y), y), z - product(right, x))
            )
        left = product(y, z)
        square = product(turned(y), left)
        return (
            square
            - turned(product(left, y))
            + product(product(z - product(x, left), y), turned(y))
            - product(product(square, y), x)
        )


class Rank(Primitive):
    """How many singular values count, or eigenvalues if symmetric."""

    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, atol: Any, rtol: Any, symmetric: bool) -> Array:
        linalg = linalg_of(x)
        compute = linalg.eigvalsh if symmetric else lambda each: linalg.svd(each, compute_uv=False)
        s = lapack("linalg.matrix_rank", UNSETTLED, compute, x)
        return _counts(s, x, atol, rtol).sum(axis=-1)


def _counts(s: Array, x: Array, atol: Any, rtol: Any) -> Array:
    """Which singular values of x are above max(atol, rtol * the largest), or eigenvalues by their absolute value.

    atol and rtol are numbers, arrays (...,), or None: 0, and the dtype's precision times the longer side if there is
    no atol above 0 either.
    """
    xp, size = xp_of(s), abs(s)
    if not s.shape[-1]:
        return size > 0
    default = float(np.finfo(x.dtype).eps) * max(x.shape[-2:])
    if rtol is None:
        rtol = default if atol is None else xp.where(xp.asarray(atol) > 0, 0.0, default)
    relative = xp.asarray(rtol)[..., None] * size.max(axis=-1, keepdims=True)
    return size > (relative if atol is None else xp.maximum(xp.asarray(atol)[..., None], relative))


def _bare(bound: Any) -> Any:
    return bound.array if isinstance(bound, Tensor) else bound


def pinv(A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False, rcond: Any = None) -> Tensor:
    """The pseudoinverse of matrices, of Moore and Penrose.

    Args:
        A: (..., rows, columns), float32 or float64.
        atol, rtol: singular values of at most max(atol, rtol * the largest one) count as 0: numbers, or Tensors that
            broadcast to (...,). By default 0, and, if atol is not above 0, the dtype's precision times the longer side.
        hermitian: A is symmetric, which is quicker; only its lower triangle is read.
        rcond: NumPy's name for rtol.
    Returns: (..., columns, rows).
    Raises: LinAlgError for nan (infinities give nan); ShapeError, also unless square if hermitian; RuntimeError for
        other dtypes.
    Gradient: that of Golub & Pereyra 1973; it holds where the rank does not change.
    """
    need_matrices("linalg.pinv", A)
    if not A.array.size:
        return turned(A).clone()  # type: ignore[no-any-return]
    need_matrices("linalg.pinv", A, square=hermitian)
    relative = rtol if rcond is None else rcond
    return Pinv.apply(A, _bare(atol), _bare(relative), hermitian, "linalg.pinv")[0]  # type: ignore[no-any-return]


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
    return Rank.apply(A, _bare(atol), _bare(rtol), hermitian)  # type: ignore[no-any-return]


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
    Raises: LinAlgError for nan (infinities give nan); ShapeError if the shapes do not fit; RuntimeError for other
        dtypes and drivers.
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
    if a.array.size:
        inverse, rank, values = Pinv.apply(a, None, rtol, False, name)
    else:
        inverse, rank, values = turned(a), a.new_zeros(lead, dtype=int64), a.new_zeros((*lead, min(rows, columns)))
    solution = matmul(inverse, b)
    residuals = reshape(solution, (solution.array.size,))[:0]
    if rows > columns and driver != "gelsy" and (driver == "gels" or bool((rank.array == columns).all())):
        difference = matmul(a, solution) - b
        residuals = (difference * difference).sum(-2)
    if vectors:
        solution = solution.reshape(solution.shape[:-1])
    nothing = A.new_zeros((0,))
    return LeastSquares(
        solution,
        residuals,
        rank if driver != "gels" else nothing.to(int64),
        values.detach() if driver in ("gelsd", "gelss") else nothing,
    )
