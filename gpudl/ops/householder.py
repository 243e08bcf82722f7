"""Products of Householder reflections, and the factors of QR in this form.

The product: T. Joffrain, T. M. Low, E. Quintana-Orti, R. van de Geijn, F. Van Zee, "Accumulating Householder
transformations, revisited", 2006: matrix products and a triangular system, with gradients of any order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.errors import ShapeError
from gpudl.backend.on_host import linalg_of
from gpudl.ops.diagonal import tril, triu
from gpudl.ops.matrices import need_matrices, turned
from gpudl.ops.ranges import eye
from gpudl.ops.triangular import solve_triangular

__all__ = ["householder_product"]


class Geqrf(Primitive):
    __slots__ = ()
    differentiable = False
    fills = False

    def forward(ctx, x: Array) -> tuple[Array, Array]:
        reflectors, tau = linalg_of(x).qr(x, "raw")
        return turned(reflectors), tau


class Reflectors(NamedTuple):
    """What geqrf returns."""

    a: Tensor
    tau: Tensor


def geqrf(input: Tensor) -> Reflectors:
    """The QR factorization as LAPACK leaves it: R on and above the diagonal, and below it Q's reflectors.

    Args:
        input: (..., rows, columns), float32 or float64.
    Returns: a: the input's shape; tau: (..., min(rows, columns)); householder_product(a, tau) is Q.
    Raises: ShapeError for other shapes; RuntimeError for other dtypes.
    Gradient: none.
    """
    need_matrices("geqrf", input)
    return Reflectors(*Geqrf.apply(input))


def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first columns of H[0] H[1] ... H[k - 1], where H[i] = I - tau[i] v[i] v[i]^T.

    v[i] is column i of A with 1 on the diagonal and 0 above it; what stands there in A is not read. Computed as
    I - V T V^T with T = (diag(1 / tau) + striu(V^T V))^-1, written without dividing by tau.

    Args:
        A: (..., rows, columns), rows >= columns, float32 or float64.
        tau: (..., k), k <= columns, of the same leading dimensions and dtype.
    Returns: A's shape.
    Raises: ShapeError if the shapes do not fit; RuntimeError for other dtypes.
    Gradient: of both.
    """
    need_matrices("linalg.householder_product", A)
    rows, columns = A.shape[-2:]
    count = tau.shape[-1] if tau.ndim else 0
    if rows < columns or tau.shape != (*A.shape[:-2], count) or count > columns:
        raise ShapeError(
            "linalg.householder_product: expected A (..., rows, columns) and tau (..., k) with k <= columns <= rows, "
            f"got {A.shape} and {tau.shape}"
        )
    if tau.dtype != A.dtype:
        raise RuntimeError(f"linalg.householder_product: A is {A.dtype} and tau is {tau.dtype}; cast one of them")
    where: dict[str, Any] = {"dtype": A.dtype, "device": A.device}
    v = tril(A[..., :count], -1) + eye(rows, count, **where)
    scale = tau[..., None]
    inner = triu(v.mT @ v, 1) * scale + eye(count, **where)
    t = solve_triangular(inner, eye(count, **where) * scale, upper=True, unitriangular=True)
    return eye(rows, columns, **where) - v @ (t @ v[..., :columns, :].mT)
