"""Root mean square normalization: each row divided by the root of its mean square, then column by column times w.

    y = x rstd w,      rstd = 1 / sqrt(mean(x**2) + eps);      with g = dy w:
    dx = rstd (g - x rstd**2 mean(g x)),      dw = sum(dy x rstd)

Zhang & Sennrich 2019, arXiv:1910.07467. The CPU bodies go through blocks of rows as those of layer_norm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float32
from gpudl.backend.kernel import kernel
from gpudl.ops.blocks import blocks
from gpudl.ops.norm_checks import check_affine, normalized_dims
from gpudl.ops.norm_cuda import fits
from gpudl.ops.norm_rows import rows_backward, rows_forward
from gpudl.ops.operands import narrowed, widened

__all__ = ["rms_norm"]


@kernel
def rms_norm_forward(x: Array, w: Array | None, eps: float) -> tuple[Array, Array]:
    """y, and rstd of each row, (rows,). x: (rows, columns); w: (columns,) or None."""
    wide = widened(x)
    rstd = _inverse_root(wide, eps)
    y = wide * rstd[:, None]
    return narrowed(y if w is None else y * w, x.dtype), rstd


@rms_norm_forward.cpu("float32", "float64")
def rms_norm_forward_cpu(x: Array, w: Array | None, eps: float) -> tuple[Array, Array]:
    if not x.size:
        return rms_norm_forward.reference(x, w, eps)  # type: ignore[no-any-return]
    rows, columns = x.shape
    y, rstd = np.empty(x.shape, x.dtype), np.empty(rows, x.dtype)
    for part in blocks(rows, columns):
        squares = np.einsum("ij,ij->i", x[part], x[part])
        rstd[part] = 1 / np.sqrt(squares / x.dtype.type(columns) + x.dtype.type(eps))
        np.multiply(x[part], rstd[part, None], out=y[part])
        if w is not None:
            y[part] *= w
    return y, rstd


@rms_norm_forward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def rms_norm_forward_cuda(x: Array, w: Array | None, eps: float) -> tuple[Array, Array]:
    if not fits(x, w):
        return rms_norm_forward.reference(x, w, eps)  # type: ignore[no-any-return]
    y, _, rstd = rows_forward(x, w, None, eps, centers=False)
    return y, rstd


@kernel
def rms_norm_backward(
    dy: Array, x: Array, w: Array | None, eps: float, rstd: Array | None
) -> tuple[Array, Array | None]:
    """dx, and dw (None without w). rstd as forward gave it, or None to compute it again."""
    wide, dwide = widened(x), widened(dy)
    rstd = _inverse_root(wide, eps) if rstd is None else rstd
    xhat = wide * rstd[:, None]
    g = dwide if w is None else dwide * w
    dx = (g - xhat * ((g * xhat).sum(axis=1) / x.shape[1])[:, None]) * rstd[:, None]
    return narrowed(dx, x.dtype), None if w is None else narrowed((dwide * xhat).sum(axis=0), w.dtype)


@rms_norm_backward.cpu("float32", "float64")
def rms_norm_backward_cpu(dy: Array, x: Array, w: Array | None, eps: float, rstd: Array) -> tuple[Array, Array | None]:
    if rstd is None or not x.size:
        return rms_norm_backward.reference(dy, x, w, eps, rstd)  # type: ignore[no-any-return]
    rows, columns = x.shape
    dx, dw = np.empty(x.shape, x.dtype), np.zeros(columns, x.dtype)
    share = np.full(columns, 1 / columns, x.dtype) if w is None else w / x.dtype.type(columns)
    for part in blocks(rows, columns):
        out, scale = dx[part], rstd[part]
        product = x[part] * dy[part]
        slope = product @ share
        if w is not None:
            dw += scale @ product
        np.multiply(x[part], (-slope * scale**3)[:, None], out=out)
        np.multiply(dy[part], scale[:, None], out=product)
        if w is not None:
            product *= w
        out += product
    return dx, None if w is None else dw


@rms_norm_backward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def rms_norm_backward_cuda(
    dy: Array, x: Array, w: Array | None, eps: float, rstd: Array | None
) -> tuple[Array, Array | None]:
    if rstd is None or not fits(x, w):
        return rms_norm_backward.reference(dy, x, w, eps, rstd)  # type: ignore[no-any-return]
    return rows_backward(dy, x, w, None, rstd, False)[:2]


def _inverse_root(x: Array, eps: float) -> Array:
    """1 / sqrt(mean square + eps) of each row."""
    return 1 / xp_of(x).sqrt((x * x).sum(axis=1) / x.shape[1] + eps)


class RmsNorm(ReadsHalf):
    __slots__ = ("eps", "matrix")
    matrix: tuple[int, int]
    eps: float

    def forward(ctx, x: Array, w: Array | None, matrix: tuple[int, int], eps: float) -> Array:
        ctx.matrix, ctx.eps = matrix, eps
        y, rstd = rms_norm_forward(x.reshape(matrix), None if w is None else w.reshape((-1,)), eps)
        ctx.save(x, w, rstd)
        return y.reshape(x.shape)

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        x, w, rstd = ctx.saved
        rows, flat = x.reshape(ctx.matrix), None if w is None else w.reshape((-1,))
        dx, dw = rms_norm_backward(dy.reshape(ctx.matrix), rows, flat, ctx.eps, rstd)
        return dx.reshape(x.shape), None if w is None else dw.reshape(w.shape)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """input / sqrt(mean(input**2) + eps) * weight, with the mean over the last dimensions.

    Args:
        input: (..., *normalized_shape), floating.
        normalized_shape: the last dimensions, over which it is normalized.
        weight: of the normalized shape, or None; used in the input's dtype, or as float32 beside half floats.
        eps: what keeps the root from 0; None: the distance from 1 to the next number, in float32 for half floats.
    Returns: the input's shape and dtype.
    Raises: ShapeError if the shapes do not fit; RuntimeError for integers and bools; TypeError for a
        normalized_shape that is no sequence.
    Gradient: with g = dy * weight: (g - xhat * mean(g * xhat)) / sqrt(mean(input**2) + eps); dy * xhat summed over
        the rows.
    Kernel: kernels/cuda/row_norm.cu, as layer_norm's, without means.
    Source: Zhang & Sennrich 2019, arXiv:1910.07467.
    """
    shape = normalized_dims("rms_norm", input, normalized_shape)
    if weight is not None and weight.dtype != input.dtype and (weight.dtype, input.dtype.itemsize) != (float32, 2):
        weight = weight.to(input.dtype)
    check_affine("rms_norm", input, shape, weight=weight)
    if eps is None:
        eps = float(np.finfo(float32 if input.dtype.itemsize == 2 else input.dtype).eps)
    matrix = (math.prod(input.shape[: input.ndim - len(shape)]), math.prod(shape))
    return RmsNorm.apply(input, weight, matrix, eps)  # type: ignore[no-any-return]
