"""Layer normalization: each row shifted and scaled to mean 0 and variance 1, then column by column by w and b.

    y = (x - mean) rstd w + b,      rstd = 1 / sqrt(var + eps),      var = mean((x - mean)**2)

with c = x - mean, g = dy w and means over the row:

    dx = rstd (g - mean(g) - c rstd**2 mean(g c)),      dw = sum(dy c rstd),      db = sum(dy)

Ba, Kiros & Hinton 2016, arXiv:1607.06450. The variance is taken from x - mean, never as mean(x**2) - mean**2, which
loses all digits where the mean is large. The CPU bodies go through the rows in blocks that stay in the cache, and
leave sums of rows and columns to the BLAS, several times faster than NumPy's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.blocks import blocks
from gpudl.ops.norm_checks import check_affine, normalized_dims
from gpudl.ops.norm_cuda import fits
from gpudl.ops.norm_rows import rows_backward, rows_forward
from gpudl.ops.operands import narrowed, total, widened

__all__ = ["layer_norm"]


@kernel
def layer_norm_forward(x: Array, w: Array | None, b: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """y, and the mean and rstd of each row, (rows,). x: (rows, columns); w, b: (columns,) or None."""
    wide = widened(x)
    mean, rstd = _moments(wide, eps)
    y = (wide - mean[:, None]) * rstd[:, None]
    y = y if w is None else y * w
    return narrowed(y if b is None else y + b, x.dtype), mean, rstd


@layer_norm_forward.cpu("float32", "float64")
def layer_norm_forward_cpu(x: Array, w: Array | None, b: Array | None, eps: float) -> tuple[Array, Array, Array]:
    if not x.size:
        return layer_norm_forward.reference(x, w, b, eps)  # type: ignore[no-any-return]
    rows, columns = x.shape
    y, mean, rstd = np.empty(x.shape, x.dtype), np.empty(rows, x.dtype), np.empty(rows, x.dtype)
    share, last_bit = np.full(columns, 1 / columns, x.dtype), 4 * np.finfo(x.dtype).eps
    for part in blocks(rows, columns):
        out, middle = y[part], x[part] @ share
        np.subtract(x[part], middle[:, None], out=out)
        rest = out @ share  # what rounding left of the mean, which counts where the mean is large
        scale = 1 / np.sqrt(np.einsum("ij,ij->i", out, out) / x.dtype.type(columns) - rest * rest + x.dtype.type(eps))
        if (abs(rest) * scale).max() > last_bit:
            out -= rest[:, None]
            middle += rest
        out *= scale[:, None]
        if w is not None:
            out *= w
        if b is not None:
            out += b
        mean[part], rstd[part] = middle, scale
    return y, mean, rstd


@layer_norm_forward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def layer_norm_forward_cuda(x: Array, w: Array | None, b: Array | None, eps: float) -> tuple[Array, Array, Array]:
    if not fits(x, w, b):
        return layer_norm_forward.reference(x, w, b, eps)  # type: ignore[no-any-return]
    return rows_forward(x, w, b, eps, centers=True)


@kernel
def layer_norm_backward(
    dy: Array, x: Array, w: Array | None, eps: float, mean: Array | None, rstd: Array | None, for_b: bool
) -> tuple[Array, Array | None, Array | None]:
    """dx, dw (None without w) and db (None unless asked for). mean, rstd as forward gave them, or None."""
    wide, dwide = widened(x), widened(dy)
    if mean is None or rstd is None:
        mean, rstd = _moments(wide, eps)
    columns = x.shape[1]
    xhat = (wide - mean[:, None]) * rstd[:, None]
    g = dwide if w is None else dwide * w
    means, slopes = g.sum(axis=1) / columns, (g * xhat).sum(axis=1) / columns
    dx = (g - means[:, None] - xhat * slopes[:, None]) * rstd[:, None]
    dw = None if w is None else narrowed((dwide * xhat).sum(axis=0), w.dtype)
    return narrowed(dx, x.dtype), dw, total(dy, 0) if for_b else None


@layer_norm_backward.cpu("float32", "float64")
def layer_norm_backward_cpu(
    dy: Array, x: Array, w: Array | None, eps: float, mean: Array, rstd: Array, for_b: bool
) -> tuple[Array, Array | None, Array | None]:
    if mean is None or not x.size:
        return layer_norm_backward.reference(dy, x, w, eps, mean, rstd, for_b)  # type: ignore[no-any-return]
    rows, columns = x.shape
    dx = np.empty(x.shape, x.dtype)
    dw, db = np.zeros(columns, x.dtype), np.zeros(columns, x.dtype)
    share = np.full(columns, 1 / columns, x.dtype) if w is None else w / x.dtype.type(columns)
    ones, scratch = np.ones(rows, x.dtype), None
    for part in blocks(rows, columns):
        out, scale = dx[part], rstd[part]
        if scratch is None or scratch.shape != out.shape:
            scratch = np.empty(out.shape, x.dtype)
        np.subtract(x[part], mean[part, None], out=out)
        np.multiply(out, dy[part], out=scratch)
        slope = scratch @ share
        if w is not None:
            dw += scale @ scratch
        if for_b:
            db += ones[part] @ dy[part]
        out *= (-slope * scale**3)[:, None]
        out -= (dy[part] @ share * scale)[:, None]
        np.multiply(dy[part], scale[:, None], out=scratch)
        if w is not None:
            scratch *= w
        out += scratch
    return dx, None if w is None else dw, db if for_b else None


@layer_norm_backward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def layer_norm_backward_cuda(
    dy: Array, x: Array, w: Array | None, eps: float, mean: Array | None, rstd: Array | None, for_b: bool
) -> tuple[Array, Array | None, Array | None]:
    if mean is None or rstd is None or not fits(x, w):
        return layer_norm_backward.reference(dy, x, w, eps, mean, rstd, for_b)  # type: ignore[no-any-return]
    return rows_backward(dy, x, w, mean, rstd, for_b)


def _moments(x: Array, eps: float) -> tuple[Array, Array]:
    """The mean and 1 / sqrt(variance + eps) of each row."""
    columns = x.shape[1]
    mean = x.sum(axis=1) / columns
    centered = x - mean[:, None]
    return mean, 1 / xp_of(x).sqrt((centered * centered).sum(axis=1) / columns + eps)


class LayerNorm(ReadsHalf):
    __slots__ = ("eps", "matrix", "shapes")
    matrix: tuple[int, int]
    eps: float
    shapes: tuple[Any, Any]

    def forward(ctx, x: Array, w: Array | None, b: Array | None, matrix: tuple[int, int], eps: float) -> Array:
        ctx.matrix, ctx.eps = matrix, eps
        ctx.shapes = w if w is None else w.shape, b if b is None else b.shape
        y, mean, rstd = layer_norm_forward(x.reshape(matrix), _flat(w), _flat(b), eps)
        ctx.save(x, w, mean, rstd)
        return y.reshape(x.shape)

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        x, w, mean, rstd = ctx.saved
        rows, for_b = x.reshape(ctx.matrix), ctx.edges[2] is not None
        dx, dw, db = layer_norm_backward(dy.reshape(ctx.matrix), rows, _flat(w), ctx.eps, mean, rstd, for_b)
        w_shape, b_shape = ctx.shapes
        return dx.reshape(x.shape), dw if dw is None else dw.reshape(w_shape), db if db is None else db.reshape(b_shape)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / sqrt(variance + eps) * weight + bias, with mean and variance over the last dimensions.

    Args:
        input: (..., *normalized_shape), floating.
        normalized_shape: the last dimensions, over which it is normalized.
        weight, bias: of the normalized shape, or None. Of the input's dtype, or float32 beside half floats.
        eps: what keeps the root from 0.
    Returns: the input's shape and dtype. The variance is the biased one, mean((input - mean)**2).
    Raises: ShapeError if the shapes do not fit; RuntimeError for dtypes that are not floating, or differ; TypeError
        for a normalized_shape that is no sequence.
    Gradient: with g = dy * weight: (g - mean(g) - xhat * mean(g * xhat)) / sqrt(variance + eps); dy * xhat and dy,
        summed over the rows.
    Kernel: kernels/cuda/row_norm.cu, a row in the registers of a team of threads; very long ones in
        kernels/cuda/set_norm.cu, over several blocks.
    Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450.
    """
    shape = normalized_dims("layer_norm", input, normalized_shape)
    check_affine("layer_norm", input, shape, weight=weight, bias=bias)
    matrix = (math.prod(input.shape[: input.ndim - len(shape)]), math.prod(shape))
    return LayerNorm.apply(input, weight, bias, matrix, eps)  # type: ignore[no-any-return]


def _flat(w: Array | None) -> Array | None:
    return w if w is None or w.ndim == 1 else w.reshape((-1,))
