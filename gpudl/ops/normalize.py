"""Vectors divided by their p-norm: y = x / d, d = max(norm, eps).

    dx = (dy - sum(dy y) slope) / d,      slope the derivative of the norm, 0 where the norm is below eps

For p = 2 the slope is x / norm: the part of dy along x drops out. Salimans & Kingma 2016, arXiv:1602.07868, equation 4.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense
from gpudl.backend.kernel import kernel
from gpudl.ops.blocks import blocks
from gpudl.ops.norm_checks import check_floating
from gpudl.ops.norm_cuda import wide_dtype
from gpudl.ops.norm_rows import is_kept, lengths_backward, lengths_forward
from gpudl.ops.operands import Dim, dims_of, narrowed, widened
from gpudl.ops.pnorm import PNorm, norm_of, norm_slope

__all__ = ["normalize"]

_TEXT = CudaText("math/numbers.cuh", "cuda/normalize.cu", kernels=("normalize_forward", "normalize_backward"))
_BLOCK = (32, 8)
_MOST_LINES = 65535  # of blocks, which share out the rest


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


@normalize_forward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def normalize_forward_cuda(x: Array, p: float, dims: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    vectors = _vectors(x, p, dims)
    if vectors is None:
        return normalize_forward.reference(x, p, dims, eps)  # type: ignore[no-any-return]
    outer, length, inner = vectors
    kept = tuple(1 if i in dims else many for i, many in enumerate(x.shape))
    x = dense(x)
    if inner == 1:
        y, norm = lengths_forward(x.reshape((outer, length)), eps)
    else:
        y, norm = xp_of(x).empty(x.shape, x.dtype), xp_of(x).empty((outer, inner), wide_dtype(x))
        _TEXT.launch("normalize_forward", _grid(outer, inner), _BLOCK, x, y, norm, *vectors, float(eps))
    return y.reshape(x.shape), norm.reshape(kept)


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


@normalize_backward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def normalize_backward_cuda(
    dy: Array, x: Array, p: float, dims: tuple[int, ...], eps: float, norm: Array | None
) -> Array:
    vectors = _vectors(x, p, dims)
    if vectors is None or norm is None or norm.dtype != wide_dtype(x):
        return normalize_backward.reference(dy, x, p, dims, eps, norm)
    outer, length, inner = vectors
    dy, x, norm = dense(dy), dense(x), dense(norm)
    if inner == 1:
        matrix = outer, length
        return lengths_backward(dy.reshape(matrix), x.reshape(matrix), norm, eps).reshape(x.shape)
    dx = xp_of(x).empty(x.shape, x.dtype)
    _TEXT.launch("normalize_backward", _grid(outer, inner), _BLOCK, dy, x, norm, dx, *vectors, float(eps))
    return dx


def _vectors(x: Array, p: float, dims: tuple[int, ...]) -> tuple[int, int, int] | None:
    """How many vectors lie before each other, their length, and how many lie between; None if no kernel takes them."""
    low, high = (min(dims), max(dims) + 1) if dims else (0, 0)
    if p != 2 or not x.size or not dims or high - low != len(dims):
        return None
    outer, length, inner = (math.prod(part) for part in (x.shape[:low], x.shape[low:high], x.shape[high:]))
    return (outer, length, inner) if inner > 1 or is_kept(x, length) else None


def _grid(outer: int, inner: int) -> tuple[int, int]:
    return -(-inner // 32), min(outer, _MOST_LINES)


def _norm(x: Array, p: float, dims: tuple[int, ...]) -> Array:
    """The norm of an array or, differentiable, of a Tensor."""
    return PNorm.apply(x, p, dims) if isinstance(x, Tensor) else norm_of(x, p, dims, True)


class Normalize(ReadsHalf):
    __slots__ = ("dims", "eps", "p")
    p: float
    dims: tuple[int, ...]
    eps: float

    @classmethod
    def keeps_half(cls, args: tuple[Any, ...]) -> bool:
        x, p, dims, _ = args
        return _vectors(x.array, p, dims) is not None

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
    Kernel: kernels/cuda/normalize.cu for p = 2 along one dim or several in a row; where they are the last,
        kernels/cuda/row_norm.cu, a vector in the registers of a team of threads.
    Source: Salimans & Kingma 2016, arXiv:1602.07868.
    """
    check_floating("normalize", input)
    dims = dims_of("normalize", dim, input.ndim)
    return Normalize.apply(input, float(p), dims, float(eps))  # type: ignore[no-any-return]
