"""Linear algebra that PyTorch has at its top level: the names of before torch.linalg, some with other arguments."""

from __future__ import annotations

from typing import Any, NamedTuple

from gpudl.autograd.tensor import Tensor
from gpudl.ops import factorize, pinv, solve, triangular
from gpudl.ops.factorize import QAndR
from gpudl.ops.matrices import turned
from gpudl.ops.matrix_functions import matrix_exp, matrix_power
from gpudl.ops.solve import det, logdet, slogdet
from gpudl.ops.triangular import cholesky_inverse, cholesky_solve

__all__ = [
    "cholesky", "cholesky_inverse", "cholesky_solve", "det", "inverse", "logdet", "matrix_exp", "matrix_power",
    "pinverse", "qr", "slogdet", "svd",
]  # fmt: skip


def inverse(input: Tensor) -> Tensor:
    """As linalg.inv."""
    return solve.inv(input)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """As linalg.pinv, with rtol by another name and another default."""
    return pinv.pinv(input, rtol=rcond)


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """As linalg.cholesky."""
    return triangular.cholesky(input, upper=upper)


def qr(input: Tensor, some: bool = True) -> QAndR:
    """As linalg.qr: reduced, or complete if not `some`."""
    return factorize.qr(input, "reduced" if some else "complete")


class USV(NamedTuple):
    """What svd returns."""

    U: Tensor
    S: Tensor
    V: Tensor


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> USV:
    """As linalg.svd, but with V, not its transpose: input = U diag(S) V^T.

    Args:
        input: (..., rows, columns), float32 or float64.
        some: U and V have min(rows, columns) columns, else they are square.
        compute_uv: False: only S is computed, and U and V are square and 0.
    """
    if not compute_uv:
        s, (rows, columns) = factorize.svdvals(input), input.shape[-2:]
        lead: Any = input.shape[:-2]
        return USV(input.new_zeros((*lead, rows, rows)), s, input.new_zeros((*lead, columns, columns)))
    u, s, vh = factorize.svd(input, not some)
    return USV(u, s, turned(vh))
