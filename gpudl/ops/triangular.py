"""Triangular systems and the Cholesky factorization.

Gradients: M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation",
2008; I. Murray, "Differentiation of the Cholesky decomposition", 2016, arXiv:1602.07527.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.on_host import linalg_of
from gpudl.ops.gemm import product
from gpudl.ops.matmul import matmul
from gpudl.ops.matrices import identity, lapack, matrices_of, need_matrices, triangle, turned
from gpudl.ops.operands import sum_to_shape

__all__ = ["cholesky", "cholesky_ex", "solve_triangular"]

_BLOCK = 32  # systems of up to so many rows are left to LAPACK's general solver


class SolveTriangular(Primitive):
    """The x of a x = b for triangular a; batches broadcast. What stands outside the triangle is not read."""

    __slots__ = ("form", "shapes")
    form: tuple[bool, bool]
    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    def forward(ctx, a: Array, b: Array, upper: bool, unit: bool) -> Array:
        x = _substitute(a, b, upper, unit)
        ctx.save(a, x if ctx.edges[0] else None)
        ctx.form, ctx.shapes = (upper, unit), (a.shape, b.shape)
        return x

    def backward(ctx, dx: Array) -> tuple[Any, Any]:
        a, x = ctx.saved
        upper, unit = ctx.form
        db = triangular(turned(a), dx, not upper, unit)
        da = None
        if ctx.edges[0]:
            da = -triangle(sum_to_shape(product(db, turned(x)), ctx.shapes[0]), upper, strict=unit)
        return da, sum_to_shape(db, ctx.shapes[1]) if ctx.edges[1] else None


class Cholesky(Primitive):
    """The lower triangular L with L L^T = x, of which only the lower triangle is read."""

    __slots__ = ()

    def forward(ctx, x: Array, name: str, lenient: bool) -> Array:
        y = _factors(x) if lenient else lapack(name, "is not positive definite", linalg_of(x).cholesky, x)
        ctx.save(y)
        return y

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        inner = triangle(product(turned(y), dy), upper=False)
        inner = inner + turned(triangle(inner, upper=False, strict=True))
        half = triangular(turned(y), inner, True, False)  # L^-T inner
        return turned(triangular(turned(y), turned(half), True, False)) * 0.5


def triangular(a: Array, b: Array, upper: bool, unit: bool) -> Array:
    """The x of a x = b, of arrays or of Tensors."""
    if isinstance(a, Tensor):
        return SolveTriangular.apply(a, b, upper, unit)
    return _substitute(a, b, upper, unit)


def _substitute(a: Array, b: Array, upper: bool, unit: bool) -> Array:
    if not upper:  # backwards, a lower triangle is an upper one, for which LAPACK's solver need not exchange rows
        return _substitute(a[..., ::-1, ::-1], b[..., ::-1, :], True, unit)[..., ::-1, :]
    count = a.shape[-1]
    if count > _BLOCK:
        half = count // 2
        below = _substitute(a[..., half:, half:], b[..., half:, :], True, unit)
        above = _substitute(a[..., :half, :half], b[..., :half, :] - product(a[..., :half, half:], below), True, unit)
        return xp_of(a).concatenate([above, below], -2)
    a = triangle(a, True, strict=unit)
    if unit:
        a = a + identity(a, count)
    try:
        return linalg_of(a).solve(a, b)
    except np.linalg.LinAlgError:  # a zero on the diagonal, which gives inf and nan
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        x = xp_of(a).broadcast_to(b, (*lead, *b.shape[-2:])).copy()
        for row in reversed(range(count)):
            x[..., row, :] /= a[..., row, row, None]
            x[..., :row, :] -= a[..., :row, row, None] * x[..., None, row, :]
        return x


def _factors(x: Array) -> Array:
    """The Cholesky factors, with nan for matrices that are not positive definite."""
    xp = xp_of(x)
    try:
        return linalg_of(x).cholesky(x)
    except np.linalg.LinAlgError:
        y = xp.empty_like(x)
        for place, matrix in matrices_of(x):
            try:
                y[place] = linalg_of(x).cholesky(matrix)
            except np.linalg.LinAlgError:
                y[place] = math.nan
        return y


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """The X of A X = B, or of X A = B if not `left`, for triangular A. A zero on the diagonal gives inf and nan.

    Args:
        A: (..., rows, rows), float32 or float64; what stands outside the triangle is not read.
        B: (..., rows, columns), or (..., columns, rows) if not `left`; leading dimensions broadcast.
        upper: which triangle.
        unitriangular: the diagonal is taken for ones and not read.
    Raises: ShapeError if the shapes do not fit; RuntimeError for other dtypes.
    Gradient: dB = A^-T dX, dA = -dB X^T inside the triangle. Giles 2008, 2.3.1.
    """
    name = "linalg.solve_triangular"
    need_matrices(name, A, square=True)
    need_matrices(name, A, B)
    if B.shape[-2 if left else -1] != A.shape[-1]:
        raise ShapeError(f"{name}: shapes {A.shape} and {B.shape} do not fit: B needs {A.shape[-1]} rows")
    try:
        np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    except ValueError:
        raise ShapeError(f"{name}: the batches of {A.shape} and {B.shape} do not broadcast") from None
    if not left:
        return turned(_solved(turned(A), turned(B), not upper, unitriangular))  # type: ignore[no-any-return]
    return _solved(A, B, upper, unitriangular)


def _solved(A: Tensor, B: Tensor, upper: bool, unitriangular: bool = False) -> Tensor:
    ndim = max(A.ndim, B.ndim)  # with as many dimensions, B is never taken for a batch of vectors
    a, b = (x if x.ndim == ndim else x.reshape((*(1,) * (ndim - x.ndim), *x.shape)) for x in (A, B))
    return SolveTriangular.apply(a, b, upper, unitriangular)  # type: ignore[no-any-return]


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The Cholesky factors of symmetric positive definite matrices: L with A = L L^T, or L^T if `upper`.

    Args:
        A: (..., rows, rows), float32 or float64; only one triangle is read, the lower one unless `upper`.
    Raises: LinAlgError if a matrix is not positive definite; ShapeError unless square; RuntimeError for other dtypes.
    Gradient: symmetric; (P + P^T) / 2 with P = L^-T phi(L^T dL) L^-1, where phi takes the lower triangle and half of
        the diagonal. Murray 2016, arXiv:1602.07527, equation 10.
    """
    return _cholesky("linalg.cholesky", A, upper, False)


class CholeskyEx(NamedTuple):
    """What cholesky_ex returns."""

    L: Tensor
    info: Tensor


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> CholeskyEx:
    """As cholesky, but a matrix that is not positive definite is no error: its factor is nan, and its info not 0.

    Returns: (L, info): info (...,) int32, 0, or the order of the first leading minor that is not positive.
    Raises: as cholesky; LinAlgError only with check_errors.
    """
    factor = _cholesky("linalg.cholesky_ex", A, upper, not check_errors)
    x = turned(A.array) if upper else A.array
    info = xp_of(x).zeros(x.shape[:-2], "int32")
    for place, matrix in matrices_of(x) if _fails(x) else ():
        info[place] = next((n for n in range(1, len(matrix) + 1) if _fails(matrix[:n, :n])), 0)
    return CholeskyEx(factor, wrap(info, None))


def _fails(x: Array) -> bool:
    try:
        linalg_of(x).cholesky(x)
    except np.linalg.LinAlgError:
        return True
    return False


def _cholesky(name: str, A: Tensor, upper: bool, lenient: bool) -> Tensor:
    need_matrices(name, A, square=True)
    if upper:
        return turned(Cholesky.apply(turned(A), name, lenient))  # type: ignore[no-any-return]
    return Cholesky.apply(A, name, lenient)  # type: ignore[no-any-return]


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """The X of A X = B from the Cholesky factor of A: L, or its transpose if `upper`.

    Args:
        B: (..., rows, columns), float32 or float64.
        L: (..., rows, rows); leading dimensions broadcast.
    Raises: ShapeError if the shapes do not fit; RuntimeError for other dtypes.
    Gradient: that of two triangular systems.
    """
    need_matrices("cholesky_solve", B)
    need_matrices("cholesky_solve", L, square=True)
    first = solve_triangular(turned(L) if upper else L, B, upper=False)
    return solve_triangular(L if upper else turned(L), first, upper=True)


def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A from its Cholesky factor: L, or its transpose if `upper`.

    Args:
        L: (..., rows, rows), float32 or float64.
    Raises: ShapeError unless they are square; RuntimeError for other dtypes.
    Gradient: that of a triangular system and a product.
    """
    need_matrices("cholesky_inverse", L, square=True)
    lower = turned(L) if upper else L
    half = _solved(lower, identity(L, L.shape[-1]), False)
    return matmul(turned(half), half)
