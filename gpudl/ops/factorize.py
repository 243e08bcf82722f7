"""Factorizations QR, SVD and of symmetric matrices into eigenvectors. The numerics are LAPACK's.

Gradients: M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation",
2008; J. Townsend, "Differentiating the singular value decomposition", 2016; H. Liao et al., "Differentiable
programming tensor networks", 2019, arXiv:1903.09650, for QR.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, node_of
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.on_host import linalg_of
from gpudl.ops.gemm import product
from gpudl.ops.matrices import identity, lapack, need_matrices, on_diagonal, triangle, turned
from gpudl.ops.triangular import triangular

__all__ = ["eigh", "eigvalsh", "qr", "svd", "svdvals"]

UNSETTLED = "has elements that are not finite, or the iteration does not converge"
"""Why LAPACK finds no singular values or eigenvalues."""


class Qr(Primitive):
    __slots__ = ("mode",)
    fills = False
    mode: str

    def forward(ctx, x: Array, mode: str) -> tuple[Array, Array]:
        ctx.mode = mode
        xp = xp_of(x)
        if mode == "r":
            q, r = xp.zeros((0,), x.dtype), linalg_of(x).qr(x, mode)
        else:
            q, r = linalg_of(x).qr(x, mode)
        ctx.save(q, r)
        return q, r

    def backward(ctx, dq: Any, dr: Any) -> Array:
        q, r = ctx.saved
        if ctx.mode == "r":
            raise RuntimeError("linalg.qr: the gradient needs Q, which mode='r' does not compute; use mode='reduced'")
        rows, columns = q.shape[-2], r.shape[-1]
        if ctx.mode == "complete" and rows > columns:
            raise RuntimeError("linalg.qr: no gradient for mode='complete' with more rows than columns; use 'reduced'")
        if rows >= columns:
            return _qr_backward(dq, dr, q, r)
        xp = xp_of(q)
        if dr is None:
            return xp.concatenate([_qr_backward(dq, None, q, r[..., :rows]), xp.zeros_like(r[..., rows:])], -1)
        # x = (x1, x2) with x1 square, x1 = Q R1 and R2 = Q^T x2: the factors of x1, and a product.
        dtail = dr[..., rows:]
        of_tail = product(product(q, r[..., rows:]), turned(dtail))
        dq = of_tail if dq is None else dq + of_tail
        return xp.concatenate([_qr_backward(dq, dr[..., :rows], q, r[..., :rows]), product(q, dtail)], -1)


def _qr_backward(dq: Any, dr: Any, q: Array, r: Array) -> Array:
    """dx = (dQ + Q S) R^-T, where S is symmetric, its lower triangle that of R dR^T - dQ^T Q."""
    inner = 0 if dr is None else product(r, turned(dr))
    inner = triangle(inner if dq is None else inner - product(turned(dq), q), upper=False)
    dx = product(q, inner + turned(triangle(inner, upper=False, strict=True)))
    return turned(triangular(r, turned(dx if dq is None else dq + dx), True, False))


class Svd(Primitive):
    __slots__ = ()
    fills = False

    def forward(ctx, x: Array, full_matrices: bool, name: str) -> tuple[Array, Array, Array]:
        u, s, vh = lapack(name, UNSETTLED, lambda each: tuple(linalg_of(x).svd(each, full_matrices)), x)
        ctx.save(u, s, vh)
        return u, s, vh

    def backward(ctx, du: Any, ds: Any, dvh: Any) -> Array:
        u, s, vh = ctx.saved
        count = s.shape[-1]  # what full_matrices adds to these spans a space, and is arbitrary in it
        rows, columns = u.shape[-2], vh.shape[-1]
        u, vh = u[..., :count], vh[..., :count, :]
        if du is None and dvh is None:
            return product(u * ds[..., None, :], vh)
        inner = 0 if ds is None else on_diagonal(ds)
        squares = s * s
        gap = squares[..., None, :] - squares[..., :, None] + identity(s, count)  # the ones meet zeros
        if du is not None:
            du = du[..., :count]
            left = product(turned(u), du)
            inner = inner + (left - turned(left)) / gap * s[..., None, :]
        if dvh is not None:
            dvh = dvh[..., :count, :]
            right = product(vh, turned(dvh))
            inner = inner + s[..., :, None] * (right - turned(right)) / gap
        dx = product(product(u, inner), vh)
        if du is not None and rows > count:
            outside = du / s[..., None, :]
            dx = dx + product(outside - product(u, product(turned(u), outside)), vh)
        if dvh is not None and columns > count:
            outside = dvh / s[..., :, None]
            dx = dx + product(u, outside - product(product(outside, turned(vh)), vh))
        return dx


class Eigh(Primitive):
    """Eigenvalues, ascending, and eigenvectors of symmetric matrices, of which one triangle is read."""

    __slots__ = ()
    fills = False

    def forward(ctx, x: Array, triangle: str, name: str) -> tuple[Array, Array]:
        values, vectors = lapack(name, UNSETTLED, lambda each: tuple(linalg_of(x).eigh(each, triangle)), x)
        ctx.save(values, vectors)
        return values, vectors

    def backward(ctx, dvalues: Any, dvectors: Any) -> Array:
        values, vectors = ctx.saved
        if dvectors is None:
            return product(vectors * dvalues[..., None, :], turned(vectors))
        inner = product(turned(vectors), dvectors)
        gap = values[..., None, :] - values[..., :, None] + identity(values, values.shape[-1])
        inner = (inner - turned(inner)) * 0.5 / gap
        return product(product(vectors, inner if dvalues is None else inner + on_diagonal(dvalues)), turned(vectors))


class ValuesOnly(Primitive):
    """Singular values, or eigenvalues, without the vectors: quicker, and without a gradient."""

    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, triangle: str | None, name: str) -> Array:
        linalg = linalg_of(x)
        if triangle is None:
            return lapack(name, UNSETTLED, lambda each: linalg.svd(each, compute_uv=False), x)
        return lapack(name, UNSETTLED, lambda each: linalg.eigvalsh(each, triangle), x)


def _wants_gradient(x: Tensor) -> bool:
    return mode.enabled and node_of(x) is not None


class QAndR(NamedTuple):
    """What qr returns."""

    Q: Tensor
    R: Tensor


def qr(A: Tensor, mode: str = "reduced") -> QAndR:
    """A = Q R: Q with orthonormal columns, R upper triangular. Signs are as LAPACK gives them.

    Args:
        A: (..., rows, columns), float32 or float64.
        mode: "reduced": Q (..., rows, k) and R (..., k, columns) with k = min(rows, columns); "complete": k = rows;
            "r": R as for reduced, and an empty Q.
    Raises: ShapeError, RuntimeError for other dtypes and modes. In backward RuntimeError for mode "r", and for
        "complete" with more rows than columns.
    Gradient: (dQ + Q S) R^-T, S symmetric with the lower triangle of R dR^T - dQ^T Q. Liao et al. 2019, section II.C.
    """
    need_matrices("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"linalg.qr: expected mode 'reduced', 'complete' or 'r', got {mode!r}")
    return QAndR(*Qr.apply(A, mode))


class USVh(NamedTuple):
    """What svd returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> USVh:
    """A = U diag(S) Vh: U and Vh orthogonal, the singular values S descending and not negative.

    Args:
        A: (..., rows, columns), float32 or float64.
        full_matrices: U (..., rows, rows) and Vh (..., columns, columns); else U (..., rows, k) and Vh
            (..., k, columns), k = min(rows, columns).
        driver: None; there is a choice on CUDA only.
    Raises: LinAlgError for nan (infinities give nan); ShapeError; RuntimeError for other dtypes, and a driver.
    Gradient: Townsend 2016. Only of what does not depend on the signs of U and Vh; infinite where singular values are
        equal, and to U and Vh of rectangular matrices also where one is 0. The columns that full_matrices adds have
        none.
    """
    need_matrices("linalg.svd", A)
    _need_no_driver("linalg.svd", driver)
    return USVh(*Svd.apply(A, full_matrices, "linalg.svd"))


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of matrices, descending, (..., min(rows, columns)).

    Raises: as svd.
    Gradient: U diag(dS) Vh. Giles 2008, 2.2.6.
    """
    need_matrices("linalg.svdvals", A)
    _need_no_driver("linalg.svdvals", driver)
    if _wants_gradient(A):
        return Svd.apply(A, False, "linalg.svdvals")[1]  # type: ignore[no-any-return]
    return ValuesOnly.apply(A, None, "linalg.svdvals")  # type: ignore[no-any-return]


def _need_no_driver(name: str, driver: str | None) -> None:
    if driver is not None:
        raise RuntimeError(f"{name}: driver {driver!r} is a choice for CUDA alone; leave it out")


class ValuesAndVectors(NamedTuple):
    """What eigh returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def eigh(A: Tensor, UPLO: str = "L") -> ValuesAndVectors:
    """A = V diag(L) V^T for symmetric matrices: the eigenvalues L ascending, the eigenvectors the columns of V.

    Args:
        A: (..., rows, rows), float32 or float64.
        UPLO: "L" or "U": which triangle is read.
    Raises: ShapeError unless they are square; RuntimeError for other dtypes and another UPLO.
    Gradient: V (diag(dL) + (V^T dV) / (L[j] - L[i])) V^T, symmetric; infinite in dV where eigenvalues are equal.
        Giles 2008, 3.1.
    """
    need_matrices("linalg.eigh", A, square=True)
    return ValuesAndVectors(*Eigh.apply(A, _triangle("linalg.eigh", UPLO), "linalg.eigh"))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, ascending, (..., rows).

    Args, Raises: as eigh.
    Gradient: V diag(dL) V^T.
    """
    need_matrices("linalg.eigvalsh", A, square=True)
    triangle = _triangle("linalg.eigvalsh", UPLO)
    if _wants_gradient(A):
        return Eigh.apply(A, triangle, "linalg.eigvalsh")[0]  # type: ignore[no-any-return]
    return ValuesOnly.apply(A, triangle, "linalg.eigvalsh")  # type: ignore[no-any-return]


def _triangle(name: str, UPLO: str) -> str:
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"{name}: expected UPLO 'L' or 'U', got {UPLO!r}")
    return UPLO.upper()
