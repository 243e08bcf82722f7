"""p-norm distances between all pairs of rows.

Euclidean distances of float32 rows come from one matrix product, |x|^2 + |y|^2 - 2 x y, in float64: what cancels there
is below what float32 tells apart. All others are computed from differences, some rows at a time.
"""

from __future__ import annotations

import math

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.errors import ShapeError
from gpudl.ops.along import TakeAlong
from gpudl.ops.gemm import product
from gpudl.ops.norm import norm_gradient, over, power_norm
from gpudl.ops.operands import Number, promoted

__all__ = ["cdist", "pdist"]

_CHUNK = 1 << 16  # differences at a time, so that they stay in the cache
_FEW = 25  # rows up to which PyTorch takes differences for Euclidean distances too
_MODES = {
    None: 0, "use_mm_for_euclid_dist_if_necessary": 0, "use_mm_for_euclid_dist": 1, "donot_use_mm_for_euclid_dist": 2,
}  # fmt: skip


class Cdist(Primitive):
    """y[..., i, j] = the p-norm of x1[..., i, :] - x2[..., j, :]; leading dimensions equal."""

    __slots__ = ("p",)
    p: float

    def forward(ctx, x1: Array, x2: Array, p: float, by_product: bool) -> Array:
        ctx.p = p
        xp = xp_of(x1)
        if by_product:
            y = _euclidean(x1, x2)
        else:
            y = xp.zeros((*x1.shape[:-1], x2.shape[-2]), x1.dtype)
            if x1.shape[-1]:
                for rows in _chunks(x1, x2):
                    gaps = x1[..., rows, None, :] - x2[..., None, :, :]
                    y[..., rows, :] = power_norm(gaps, p, (gaps.ndim - 1,), False)
        ctx.save(x1, x2, y)
        return y

    def backward(ctx, dy: Array) -> tuple[Array, Array]:
        x1, x2, y = ctx.saved
        if ctx.p == 2:
            return _euclidean_backward(dy, x1, x2, y)
        if isinstance(dy, Tensor):
            gaps = x1.unsqueeze(-2) - x2.unsqueeze(-3)
            push = norm_gradient(dy.unsqueeze(-1), gaps, y.unsqueeze(-1), ctx.p, None)
            return push.sum(-2), -push.sum(-3)
        xp = xp_of(x1)
        dx1, dx2 = xp.zeros_like(x1), xp.zeros_like(x2)
        for rows in _chunks(x1, x2):
            gaps = x1[..., rows, None, :] - x2[..., None, :, :]
            push = norm_gradient(dy[..., rows, :, None], gaps, y[..., rows, :, None], ctx.p, None)
            dx1[..., rows, :] = push.sum(axis=-2)
            dx2 -= push.sum(axis=-3)
        return dx1, dx2


def _chunks(x1: Array, x2: Array) -> list[slice]:
    """Slices of the rows of x1 with about _CHUNK differences to x2 each."""
    rows = x1.shape[-2]
    one = math.prod(x2.shape)  # the differences of a row of x1, in all batches
    step = max(1, _CHUNK // max(one, 1))
    return [slice(start, start + step) for start in range(0, rows, step)]


def _euclidean(x1: Array, x2: Array) -> Array:
    xp = xp_of(x1)
    a, b = x1.astype(float64, copy=False), x2.astype(float64, copy=False)
    sizes = (a * a).sum(axis=-1)[..., :, None] + (b * b).sum(axis=-1)[..., None, :]
    squares = sizes - 2 * product(a, b.swapaxes(-1, -2))
    # What is left of the squares after cancellation is rounding where it is below this share of them.
    squares = xp.where(squares <= sizes * (8 * xp.finfo(float64).eps), xp.zeros_like(squares), squares)
    return xp.sqrt(squares).astype(x1.dtype)


def _euclidean_backward(dy: Array, x1: Array, x2: Array, y: Array) -> tuple[Array, Array]:
    """dx1[i] = sum over j of (x1[i] - x2[j]) dy[i, j] / y[i, j], 0 where y is: two matrix products, in float64."""
    dtype = x1.dtype
    share = over(dy, y).astype(float64)
    a, b = x1.astype(float64), x2.astype(float64)
    dx1 = a * share.sum(axis=-1, keepdims=True) - product(share, b)
    back = share.swapaxes(-1, -2)
    dx2 = b * back.sum(axis=-1, keepdims=True) - product(back, a)
    return dx1.astype(dtype), dx2.astype(dtype)


def cdist(x1: Tensor, x2: Tensor, p: Number = 2.0, compute_mode: str | None = None) -> Tensor:
    """The p-norm distance of every row of x1 to every row of x2.

    Args:
        x1, x2: (..., rows1, columns) and (..., rows2, columns) floating; leading dimensions broadcast.
        p: at least 0; inf for the largest difference, 0 for the number of columns that differ.
        compute_mode: "use_mm_for_euclid_dist_if_necessary" (the default: for p = 2 by matrix products if rows1 or rows2
            exceeds 25), "use_mm_for_euclid_dist" or "donot_use_mm_for_euclid_dist".
    Returns: (..., rows1, rows2).
    Raises: RuntimeError unless both are floating point and fit together, and for p < 0; ValueError for another mode.
    Gradient: dy times the direction from one row to the other; 0 where two rows are equal.
    """
    if compute_mode not in _MODES:
        raise ValueError(f"cdist: compute_mode must be one of {', '.join(filter(None, _MODES))}, got {compute_mode!r}")
    if p < 0:
        raise RuntimeError(f"cdist: p must be at least 0, got {p}")
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"cdist: expected rows of one length, (..., rows, columns), got {x1.shape} and {x2.shape}")
    if x1.dtype.kind not in "fV" or x2.dtype.kind not in "fV":
        raise RuntimeError(f"cdist: expected floating point, got {x1.dtype} and {x2.dtype}; cast them first")
    x1, x2 = promoted("cdist", x1, x2)
    try:
        lead = np.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    except ValueError:
        raise ShapeError(f"cdist: the leading dimensions of {x1.shape} and {x2.shape} do not broadcast") from None
    many = max(x1.shape[-2], x2.shape[-2]) > _FEW and x1.dtype == float32
    mode = _MODES[compute_mode]
    by_product = p == 2 and (mode == 1 or (mode == 0 and many))
    return Cdist.apply(x1.expand((*lead, *x1.shape[-2:])), x2.expand((*lead, *x2.shape[-2:])), float(p), by_product)  # type: ignore[no-any-return]


def pdist(input: Tensor, p: Number = 2.0) -> Tensor:
    """The p-norm distances between the rows of a matrix, each pair once: 0 to 1, 0 to 2, ... 1 to 2, ...

    Args:
        input: (rows, columns) floating.
        p: as in cdist.
    Returns: (rows * (rows - 1) / 2,).
    Raises: RuntimeError unless the input is a floating matrix, and for p < 0.
    Gradient: as cdist.
    """
    if input.ndim != 2:
        raise ShapeError(f"pdist: expected a matrix, got shape {input.shape}")
    if input.dtype.kind not in "fV":
        raise RuntimeError(f"pdist: the input is {input.dtype}; cast it to a floating dtype first")
    if p < 0:
        raise RuntimeError(f"pdist: p must be at least 0, got {p}")
    rows = input.shape[0]
    every = cdist(input, input, p).reshape(-1)
    place = xp_of(input.array).arange(rows)
    above = (place[:, None] < place).reshape(-1).nonzero()[0]
    return TakeAlong.apply(every, above, 0)  # type: ignore[no-any-return]
