"""Matrix products and the rest of linear algebra as methods."""

from __future__ import annotations

from gpudl.ops import einsum, linalg_names, matmul, products
from gpudl.ops.methods.in_place import in_place


class LinalgMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    __rmatmul__ = matmul.rmatmul
    mm = matmul.mm
    bmm = matmul.bmm
    mv = matmul.mv
    dot = matmul.dot
    vdot = matmul.vdot
    inner = einsum.inner
    outer = ger = products.outer
    kron = products.kron
    cross = products.cross
    addmm = products.addmm
    addmv = products.addmv
    addr = products.addr
    addbmm = products.addbmm
    baddbmm = products.baddbmm
    addmm_ = in_place("addmm_", products.addmm)
    addmv_ = in_place("addmv_", products.addmv)
    addr_ = in_place("addr_", products.addr)
    addbmm_ = in_place("addbmm_", products.addbmm)
    baddbmm_ = in_place("baddbmm_", products.baddbmm)

    det = linalg_names.det
    logdet = linalg_names.logdet
    slogdet = linalg_names.slogdet
    inverse = linalg_names.inverse
    pinverse = linalg_names.pinverse
    cholesky = linalg_names.cholesky
    cholesky_solve = linalg_names.cholesky_solve
    cholesky_inverse = linalg_names.cholesky_inverse
    qr = linalg_names.qr
    svd = linalg_names.svd
    matrix_exp = linalg_names.matrix_exp
    matrix_power = linalg_names.matrix_power

    __matmul__ = matmul = matmul.matmul
