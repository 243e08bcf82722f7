"""Vectors divided by their p-norm: y = x / d, d = max(norm, eps).

    dx = (dy - sum(dy y) slope) / d,      slope the derivative of the norm, 0 where the norm is below eps

For p = 2 the slope is x / norm: the part of dy along x drops out. Salimans & Kingma 2016, arXiv:1602.07868, equation 4.
"""

from __future__ import annotations

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.blocks import blocks
from gpudl.ops.norm_checks import check_floating
from gpudl.ops.operands import Dim, dims_of, narrowed, widened
from gpudl.ops.pnorm import PNorm, norm_of, norm_slope

__all__ = ["normalize"]


@kernel
def normalize_forward(x: Array, p: float, dims: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    """y = x / max(norm, eps), and the norm with the dims at length 1. x: any shape."""
    norm = norm_of(x, p, dims, True)
    return x / xp_of(x).maximum(norm, x.dtype.type(eps)), norm


@normalize_forward.cpu("float32", "float64")
def normalize_forward_cpu(x: Array, p: float, dims: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    if p != 2 or dims != (x.ndim - 1,) or not x.size:
        return normalize_forward.reference(x, p, dims, eps)  # type: ignore[no-any-return]
    rows = x.reshape(-1, x.shape[-1])
    y, norm = np.empty(rows.shape, x.dtype), np.empty((len(rows), 1), x.dtype)
    for part in blocks(*rows.shape):
        norm[part, 0] = np.sqrt(np.einsum("ij,ij->i", rows[part], rows[part]))
        np.divide(rows[part], np.maximum(norm[part], x.dtype.type(eps)), out=y[part])
    return y.reshape(x.shape), norm.reshape((*x.shape[:-1], 1))


@kernel
def normalize_backward(dy: Array, x: Array, p: float, dims: tuple[int, ...], eps: float, norm: Array | None) -> Array:
    """dx. norm as forward gave it, or None to compute it again."""
    xp, wide, dwide = xp_of(x), widened(x), widened(dy)
    norm = _norm(wide, p, dims) if norm is None else widened(norm)
    divisor = xp.where(norm < eps, xp.zeros_like(norm) + eps, norm)
    along = (dwide * wide).sum(axis=dims, keepdims=True) / divisor
    push = xp.where(norm < eps, xp.zeros_like(along), along)
    return narrowed((dwide - push * norm_slope(wide, norm, p, dims)) / divisor, x.dtype)


@normalize_backward.cpu("float32", "float64")
def normalize_backward_cpu(dy: Array, x: Array, p: float, dims: tuple[int, ...], eps: float, norm: Array) -> Array:
    if norm is None or p != 2 or dims != (x.ndim - 1,) or not x.size:
        return normalize_backward.reference(dy, x, p, dims, eps, norm)
    shape = (-1, x.shape[-1])
    rows, drows, norms, dx = x.reshape(shape), dy.reshape(shape), norm.reshape(-1), np.empty(x.shape, x.dtype)
    out = dx.reshape(shape)
    for part in blocks(*rows.shape):
        inverse = 1 / np.maximum(norms[part], x.dtype.type(eps))
        inside = (norms[part] >= eps) & (norms[part] > 0)
        slope = np.where(inside, -np.einsum("ij,ij->i", rows[part], drows[part]) * inverse**3, 0).astype(x.dtype)
        np.multiply(rows[part], slope[:, None], out=out[part])
        out[part] += drows[part] * inverse[:, None]
    return dx


def _norm(x: Array, p: float, dims: tuple[int, ...]) -> Array:
    """The norm of an array or, differentiable, of a Tensor."""
    return PNorm.apply(x, p, dims) if isinstance(x, Tensor) else norm_of(x, p, dims, True)


class Normalize(Primitive):
    __slots__ = ("dims", "eps", "p")
    p: float
    dims: tuple[int, ...]
    eps: float

    def forward(ctx, x: Array, p: float, dims: tuple[int, ...], eps: float) -> Array:
        ctx.p, ctx.dims, ctx.eps = p, dims, eps
        y, norm = normalize_forward(x, p, dims, eps)
        ctx.save(x, norm)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, norm = ctx.saved
        return normalize_backward(dy, x, ctx.p, ctx.dims, ctx.eps, norm)


def normalize(input: Tensor, p: float = 2.0, dim: Dim = 1, eps: float = 1e-12) -> Tensor:
    """input / max(norm, eps), with the p-norm along a dimension.

    Args:
        input: floating.
        p: the power of the norm, inf and -inf for the extremes of the absolute values.
        dim: along which the norm is taken.
        eps: what is divided by at least.
    Returns: the input's shape and dtype.
    Raises: IndexError for a dim out of range; RuntimeError for integers and bools.
    Gradient: (dy - sum(dy * y) * slope) / max(norm, eps), with the slope of the norm.
    Source: Salimans & Kingma 2016, arXiv:1602.07868.
    """
    check_floating("normalize", input)
    dims = dims_of("normalize", dim, input.ndim)
    return Normalize.apply(input, float(p), dims, float(eps))  # type: ignore[no-any-return]
