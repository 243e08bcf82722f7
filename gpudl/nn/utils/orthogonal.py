"""Orthogonal weights: matrices made of free parameters by the exponential, by Cayley's transform, or by reflections."""

from __future__ import annotations

from typing import TypeVar

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn import init
from gpudl.nn.module import Module
from gpudl.nn.utils.parametrize import register_parametrization
from gpudl.ops.create import empty, zeros_like
from gpudl.ops.diagonal import tril
from gpudl.ops.dtype_info import finfo
from gpudl.ops.factorize import qr
from gpudl.ops.householder import geqrf, householder_product
from gpudl.ops.matrix_functions import matrix_exp
from gpudl.ops.ranges import eye
from gpudl.ops.shape import cat
from gpudl.ops.solve import solve

__all__ = ["orthogonal"]

M = TypeVar("M", bound=Module)
_MAPS = "matrix_exp", "cayley", "householder"


class _Orthogonal(Module):
    """The map from free parameters X to an orthogonal matrix, B Q(X) with a fixed orthogonal B, its buffer `base`.

    Without base it is Q(X).
    """

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        self.use_trivialization = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        if wide:
            X = X.mT
        q = _reflected(X) if self.orthogonal_map == "householder" else self._rotated(X)
        if self.use_trivialization:
            q = self.base @ q
        return q.mT if wide else q

    def _rotated(self, x: Tensor) -> Tensor:
        """The first columns of exp(A), or (I - A/2)^-1 (I + A/2), where A = L - L^T and L is x's lower triangle."""
        rows, columns = x.shape[-2:]
        lower = tril(x)
        if rows != columns:
            lower = cat([lower, lower.new_zeros(*x.shape[:-2], rows, rows - columns)], -1)
        skew = lower - lower.mT
        if self.orthogonal_map == "matrix_exp":
            q = matrix_exp(skew)
        else:
            one, half = eye(rows, dtype=x.dtype, device=x.device), skew * 0.5
            q = solve(one - half, one + half)
        return q[..., :columns]

    def right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ShapeError(f"orthogonal: expected a matrix or matrices of shape {self.shape}, got {Q.shape}")
        if not self.use_trivialization and self.orthogonal_map != "householder":
            raise NotImplementedError(
                f"orthogonal: a weight cannot be assigned with orthogonal_map={self.orthogonal_map!r} and "
                "use_trivialization=False"
            )
        wide = Q.shape[-2] < Q.shape[-1]
        with no_grad():
            tall = (Q.mT if wide else Q).cpu()  # the factors are the same whatever the device
            if not self.use_trivialization:
                x = _reflectors(tall).to(Q.device)
                return x.mT if wide else x
            self.base = _completed(tall).to(Q.device)
            # -1, not 1: of the diagonal, reflections keep the sign, and those by unit vectors turn it round.
            x = zeros_like(Q)
            x.diagonal(dim1=-2, dim2=-1).fill_(-1)
            return x


def _reflected(x: Tensor) -> Tensor:
    """The product of the reflections at x's columns below the diagonal, times the signs on the diagonal."""
    below = tril(x, -1)
    tau = 2 / (1 + (below * below).sum(-2))
    return householder_product(below, tau) * x.diagonal(dim1=-2, dim2=-1).int()[..., None, :]


def _reflectors(q: Tensor) -> Tensor:
    """The x of which _reflected makes q, or the Q of its QR factorization."""
    x, tau = geqrf(q)
    # A reflection that LAPACK leaves out has tau 0, and in _reflected 2: it turns the sign of one column.
    signs = _signs(x) * (1 - 2 * (tau == 0).int())
    x.diagonal(dim1=-2, dim2=-1).copy_(signs)
    return x


def _completed(q: Tensor) -> Tensor:
    """A square orthogonal matrix that starts with q's columns, or with those of the Q of its QR factorization."""
    rows, columns = q.shape[-2:]
    if rows == columns:
        product = q.mT @ q
        one = eye(rows, dtype=q.dtype, device=q.device)
        if product.allclose(one.expand(product.shape), atol=10 * rows * finfo(q.dtype).eps):
            return q.clone()
    else:
        others = init.normal_(empty(*q.shape[:-1], rows - columns, dtype=q.dtype, device=q.device))
        q = cat([q, others], -1)
    factors = qr(q)
    return factors.Q * _signs(factors.R)[..., None, :]


def _signs(r: Tensor) -> Tensor:
    """1 or -1, for each element of a diagonal: what makes the factor R of QR unique, and thus Q."""
    return 1 - 2 * (r.diagonal(dim1=-2, dim2=-1) < 0).int()


def orthogonal(
    module: M, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> M:
    """Keep a weight orthogonal: Q^T Q = I, or Q Q^T = I if it has fewer rows than columns.

    The weight is made of a free matrix X of the same shape, whose lower triangle counts (of wide matrices, X^T's):

        matrix_exp   exp(A), A = L - L^T, where L is the lower triangle
        cayley       (I + A/2) (I - A/2)^-1
        householder  the product of the reflections at the columns of X below the diagonal

    of which the first columns are taken, and multiplied from the left by the fixed orthogonal matrix `base`, such that
    the weight starts as it is, or, if it is not orthogonal, as the Q of its QR factorization.

    Args:
        module: has the weight.
        name: of the weight: (..., rows, columns), float32 or float64.
        orthogonal_map: one of the names above; default: matrix_exp for square matrices, else householder.
        use_trivialization: with `base`, a buffer of the parametrization. Without it, the weight starts as it is with
            householder only; otherwise at what the map makes of it, and cannot be assigned.
    Returns: the module.
    Raises: ValueError if there is no such tensor, or no such map; ShapeError for fewer than 2 dimensions.
    Source: Lezcano-Casado 2019, arXiv:1909.09501.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"orthogonal: {type(module).__name__} has no parameter or buffer named {name!r}")
    if weight.ndim < 2:
        raise ShapeError(f"orthogonal: expected a matrix or a batch of them, got shape {weight.shape}")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(f"orthogonal: orthogonal_map must be one of {', '.join(_MAPS)}, got {orthogonal_map!r}")
    made = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)
