"""Inverses, determinants and linear systems. The numerics are LAPACK's; the gradients follow Giles 2008.

M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation", 2008.
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
from gpudl.ops.elementwise import where
from gpudl.ops.gemm import product
from gpudl.ops.matrices import lapack, matrices_of, need_matrices, turned
from gpudl.ops.operands import sum_to_shape

__all__ = ["det", "inv", "inv_ex", "slogdet", "solve", "solve_ex"]

_SINGULAR = "is singular"


class Inv(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array, name: str, lenient: bool) -> Array:
        y = _inverse(x) if lenient else lapack(name, _SINGULAR, linalg_of(x).inv, x)
        ctx.save(y)
        return y

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        z = turned(y)
        return -product(product(z, dy), z)


class Solve(Primitive):
    """The x of a x = b, for batches of matrices a and b that broadcast."""

    __slots__ = ("shapes",)
    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    def forward(ctx, a: Array, b: Array, name: str, lenient: bool) -> Array:
        linalg = linalg_of(a)
        x = _solution(a, b) if lenient else lapack(name, _SINGULAR, linalg.solve, a, b, probe=linalg.inv)
        ctx.save(a, x if ctx.edges[0] else None)
        ctx.shapes = a.shape, b.shape
        return x

    def backward(ctx, dx: Array) -> tuple[Any, Any]:
        a, x = ctx.saved
        db = linalg_of(a).solve(turned(a), dx)
        da = -sum_to_shape(product(db, turned(x)), ctx.shapes[0]) if ctx.edges[0] else None
        return da, sum_to_shape(db, ctx.shapes[1]) if ctx.edges[1] else None


class Det(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        ctx.save(x)
        return linalg_of(x).det(x)

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy.reshape((*dy.shape, 1, 1)) * _cofactors(x)


class Slogdet(Primitive):
    """The sign of the determinant and the logarithm of its absolute value."""

    __slots__ = ()

    def forward(ctx, x: Array) -> tuple[Array, Array]:
        ctx.save(x)
        sign, logarithm = linalg_of(x).slogdet(x)
        return sign, logarithm

    def backward(ctx, _: Array, dy: Array) -> Array:
        (x,) = ctx.saved
        # Where a matrix is singular, the logarithm is -inf and its slope has no bounds.
        y = Inv.apply(x, "slogdet", True) if isinstance(x, Tensor) else _inverse(x)
        return dy.reshape((*dy.shape, 1, 1)) * turned(y)


def _inverse(x: Array) -> Array:
    """The inverses, with inf for singular matrices."""
    xp = xp_of(x)
    try:
        return linalg_of(x).inv(x)
    except np.linalg.LinAlgError:
        y = xp.empty_like(x)
        for place, matrix in matrices_of(x):
            try:
                y[place] = linalg_of(x).inv(matrix)
            except np.linalg.LinAlgError:
                y[place] = math.inf
        return y


def _solution(a: Array, b: Array) -> Array:
    """The solutions, with inf where a matrix is singular."""
    xp = xp_of(a)
    try:
        return linalg_of(a).solve(a, b)
    except np.linalg.LinAlgError:
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = xp.broadcast_to(a, (*lead, *a.shape[-2:])), xp.broadcast_to(b, (*lead, *b.shape[-2:]))
        x = xp.empty(b.shape, b.dtype)
        for place, matrix in matrices_of(a):
            try:
                x[place] = linalg_of(a).solve(matrix, b[place])
            except np.linalg.LinAlgError:
                x[place] = math.inf
        return x


def _cofactors(x: Array) -> Array:
    """The derivative of the determinant, det(x) inv(x)^T, also of singular matrices.

    With x = U S V^T it is det(U V) U diag(the products of all singular values but one) V^T, which divides by nothing;
    it is used where the inverse would be inaccurate or not exist. Source: Giles 2008, and Stewart 1998, "On the
    adjugate matrix".
    """
    xp = xp_of(x)
    if not x.shape[-1]:
        return x
    inverse = _accurate_inverse(x.array if isinstance(x, Tensor) else x)
    if inverse is not None:
        y = linalg_of(x).det(x)
        return y.reshape((*y.shape, 1, 1)) * turned(linalg_of(x).inv(x) if isinstance(x, Tensor) else inverse)
    u, s, vh = linalg_of(x).svd(x, full_matrices=False)
    if isinstance(x, Tensor):
        bare = x.array
        side = linalg_of(bare).det(u.array) * linalg_of(bare).det(vh.array)
        orientation: Array = wrap(xp_of(bare).asarray(xp_of(bare).sign(side), x.dtype), None)
    else:
        orientation = xp.sign(linalg_of(x).det(u) * linalg_of(x).det(vh))
    products = []
    for skipped in range(s.shape[-1]):
        others = orientation
        for place in range(s.shape[-1]):
            if place != skipped:
                others = others * s[..., place]
        products.append(others)
    return product(u * xp.stack(products, -1)[..., None, :], vh)


def _accurate_inverse(x: Array) -> Array | None:
    """The inverses; None if a matrix of the batch is singular, or so nearly that half of the digits would be wrong."""
    xp = xp_of(x)
    try:
        y = linalg_of(x).inv(x)
    except np.linalg.LinAlgError:
        return None
    condition = xp.abs(x).sum(axis=-2).max(axis=-1) * xp.abs(y).sum(axis=-2).max(axis=-1)
    return None if bool((condition > 1 / math.sqrt(np.finfo(x.dtype).eps)).any()) else y


def inv(A: Tensor) -> Tensor:
    """The inverses of square matrices.

    Args:
        A: (..., rows, rows), float32 or float64.
    Raises: LinAlgError if a matrix is singular; ShapeError unless they are square; RuntimeError for other dtypes.
    Gradient: -inv(A)^T dy inv(A)^T. Giles 2008, 2.2.3.
    """
    need_matrices("linalg.inv", A, square=True)
    return Inv.apply(A, "linalg.inv", False)  # type: ignore[no-any-return]


class InvEx(NamedTuple):
    """What inv_ex returns."""

    inverse: Tensor
    info: Tensor


def inv_ex(A: Tensor, *, check_errors: bool = False) -> InvEx:
    """As inv, but a singular matrix is no error: its inverse is inf, and its info says which pivot is 0.

    Returns: (inverse, info): info (...,) int32, 0 for regular matrices, else the number from 1 of the first row of
        the triangular factor whose diagonal element is 0.
    Raises: as inv; LinAlgError only with check_errors.
    """
    need_matrices("linalg.inv_ex", A, square=True)
    inverse = Inv.apply(A, "linalg.inv_ex", not check_errors)
    return InvEx(inverse, _info(A))


def _info(A: Tensor) -> Tensor:
    x = A.array
    xp = xp_of(x)
    info = xp.zeros(x.shape[:-2], "int32")
    singular = linalg_of(x).slogdet(x)[0] == 0  # as for inv and solve, if a pivot is 0
    for place, matrix in matrices_of(x) if bool(singular.any()) else ():
        if singular[place]:
            info[place] = _zero_pivot(matrix)
    return wrap(info, None)


def _zero_pivot(x: Array) -> int:
    """The first step from 1 of Gaussian elimination with partial pivoting of a singular matrix whose pivot is 0."""
    xp, u = xp_of(x), x.copy()
    for step in range(len(u) - 1):
        pivot = step + int(xp.argmax(xp.abs(u[step:, step])))
        if u[pivot, step] == 0:
            return step + 1
        u[[step, pivot]] = u[[pivot, step]]
        u[step + 1 :, step:] -= u[step + 1 :, step, None] / u[step, step] * u[step, step:]
    return len(u)


def det(A: Tensor) -> Tensor:
    """The determinants of square matrices, (...,).

    Args:
        A: (..., rows, rows), float32 or float64.
    Raises: ShapeError unless they are square; RuntimeError for other dtypes.
    Gradient: dy * det(A) * inv(A)^T, which is the matrix of cofactors and exists for singular matrices too.
        Giles 2008, 2.2.4.
    """
    need_matrices("linalg.det", A, square=True)
    return Det.apply(A)  # type: ignore[no-any-return]


class SignAndLogarithm(NamedTuple):
    """What slogdet returns."""

    sign: Tensor
    logabsdet: Tensor


def slogdet(A: Tensor) -> SignAndLogarithm:
    """The signs of determinants and the logarithms of their absolute values, which do not overflow.

    Returns: (sign, logabsdet), each (...,); 0 and -inf for singular matrices.
    Raises: as det.
    Gradient: to logabsdet, dy * inv(A)^T; none to sign. Giles 2008, 2.2.4.
    """
    need_matrices("linalg.slogdet", A, square=True)
    return SignAndLogarithm(*Slogdet.apply(A))


def logdet(input: Tensor) -> Tensor:
    """The logarithms of determinants, (...,): -inf for singular matrices, nan where the determinant is negative.

    Raises and Gradient: as slogdet.
    """
    sign, logarithm = slogdet(input)
    return where(sign == -1, math.nan, logarithm)


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The X of A X = B, or of X A = B if not `left`.

    Args:
        A: (..., rows, rows), float32 or float64.
        B: (..., rows, columns), or (..., columns, rows) if not `left`; leading dimensions broadcast. A vector
            (rows,), or one for each matrix (..., rows), as well.
    Returns: the shape of B, broadcast.
    Raises: LinAlgError if a matrix is singular; ShapeError if the shapes do not fit; RuntimeError for other dtypes.
    Gradient: dB = A^-T dX, dA = -dB X^T. Giles 2008, 2.3.1.
    """
    return _solve("linalg.solve", A, B, left, False)


class SolveEx(NamedTuple):
    """What solve_ex returns."""

    result: Tensor
    info: Tensor


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> SolveEx:
    """As solve, but a singular matrix is no error: its X is inf, and its info, as in inv_ex, is not 0.

    Raises: as solve; LinAlgError only with check_errors.
    """
    result = _solve("linalg.solve_ex", A, B, left, not check_errors)
    return SolveEx(result, _info(A))


def _solve(name: str, A: Tensor, B: Tensor, left: bool, lenient: bool) -> Tensor:
    need_matrices(name, A, square=True)
    if not isinstance(B, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(B).__name__}")
    if B.dtype != A.dtype:
        raise RuntimeError(f"{name}: the dtypes differ, {A.dtype} and {B.dtype}; cast one with to()")
    vectors = B.ndim == 1 or B.shape == A.shape[:-1]
    if vectors and not left:
        raise ShapeError(f"{name}: B of shape {B.shape} holds vectors, but left=False needs matrices (..., n, rows)")
    b = B.reshape((*B.shape, 1)) if vectors else B
    if not b.ndim or b.shape[-2 if left else -1] != A.shape[-1]:
        raise ShapeError(f"{name}: shapes {A.shape} and {B.shape} do not fit: B needs {A.shape[-1]} rows")
    try:
        np.broadcast_shapes(A.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(f"{name}: the batches of {A.shape} and {B.shape} do not broadcast") from None
    ndim = max(A.ndim, b.ndim)
    a, b = (x if x.ndim == ndim else x.reshape((*(1,) * (ndim - x.ndim), *x.shape)) for x in (A, b))
    if not left:
        return turned(Solve.apply(turned(a), turned(b), name, lenient))  # type: ignore[no-any-return]
    x: Tensor = Solve.apply(a, b, name, lenient)
    return x.reshape(x.shape[:-1]) if vectors else x
