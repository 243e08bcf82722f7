"""Batch normalization: each channel shifted and scaled to mean 0 and variance 1 over the batch, then by w and b.

    y = (x - mean) rstd w + b,      rstd = 1 / sqrt(var + eps),      var = mean((x - mean)**2)

with c = x - mean and means over all of a channel:

    dx = w rstd (dy - mean(dy) - c rstd**2 mean(dy c)),      dw = sum(dy c rstd),      db = sum(dy)

and dx = w rstd dy where mean and var are given. Ioffe & Szegedy 2015, arXiv:1502.03167. The variance is taken from
x - mean, never as mean(x**2) - mean**2, which loses all digits where the mean is large.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.autograd.inplace import rebind
from gpudl.autograd.primitive import check_devices
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.norm_checks import check_affine, check_floating, check_running, check_values_per_channel
from gpudl.ops.norm_columns import columns_backward, columns_forward
from gpudl.ops.norm_cuda import fits
from gpudl.ops.norm_sets import channels_of_batch, fit, sets_backward, sets_forward
from gpudl.ops.operands import narrowed, widened
from gpudl.ops.planes import Planes
from gpudl.ops.running_statistics import normalize_batch_

__all__ = ["batch_norm"]


@kernel
def batch_norm_forward(
    x: Array, w: Array | None, b: Array | None, mean: Array | None, var: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """y, mean and var, (channels,). x: (samples, channels, places); mean and var None: those of the batch."""
    wide = widened(x)
    if mean is None or var is None:
        mean, var = _moments(wide)
    y = (wide - mean[None, :, None]) * (1 / xp_of(x).sqrt(var + eps))[None, :, None]
    y = y if w is None else y * w[None, :, None]
    return narrowed(y if b is None else y + b[None, :, None], x.dtype), mean, var


@batch_norm_forward.cpu("float32", "float64")
def batch_norm_forward_cpu(
    x: Array, w: Array | None, b: Array | None, mean: Array | None, var: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    if not x.size:
        return batch_norm_forward.reference(x, w, b, mean, var, eps)  # type: ignore[no-any-return]
    dtype, count, planes = x.dtype, x.size // x.shape[1], Planes(x.shape, per_sample=False)
    matrix = np.ascontiguousarray(x).reshape(planes.matrix)
    if mean is None or var is None:
        mean = planes.sums(matrix)[0] / count
        y, rest, squares = planes.moments(matrix, planes.spread(mean[None], dtype))
        # What rounding left of the mean counts where the mean is large.
        rest = rest[0] / count
        var = squares[0] / count - rest * rest
    else:
        y, rest = matrix - planes.spread(mean[None], dtype), np.zeros(1)
    scale = 1 / np.sqrt(var.astype(float) + eps) * (1 if w is None else w)
    shift = (0 if b is None else b) - rest * scale
    planes.scale_(y, planes.spread(scale[None], dtype), planes.spread(shift[None], dtype))
    return y.reshape(x.shape), (mean + rest).astype(dtype), var.astype(dtype)


@batch_norm_forward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def batch_norm_forward_cuda(
    x: Array, w: Array | None, b: Array | None, mean: Array | None, var: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    sets, given = channels_of_batch(x.shape), None if mean is None or var is None else (mean, var)
    if not (fits(x, w, b) and fits(x, mean, var) and fit(sets)):
        return batch_norm_forward.reference(x, w, b, mean, var, eps)  # type: ignore[no-any-return]
    if x.shape[2] == 1:
        y, mean, var = columns_forward(x.reshape(x.shape[:2]), w, b, eps, given, None)
        return y.reshape(x.shape), mean, var
    return sets_forward(x, w, b, sets, eps, given=given)


@kernel
def batch_norm_backward(
    dy: Array, x: Array, w: Array | None, mean: Array | None, var: Array | None, eps: float, of_batch: bool
) -> tuple[Array, Array | None, Array]:
    """dx, dw (None without w), db. mean, var: what y was made with, or None; of_batch: they depend on x."""
    wide, dwide = widened(x), widened(dy)
    if mean is None or var is None:
        mean, var = _moments(wide)
    rstd = 1 / xp_of(x).sqrt(var + eps)
    scale = rstd if w is None else rstd * w
    xhat = (wide - mean[None, :, None]) * rstd[None, :, None]
    db, dw = dwide.sum(axis=(0, 2)), (dwide * xhat).sum(axis=(0, 2))
    push = dwide
    if of_batch:
        count = x.shape[0] * x.shape[2]
        push = dwide - (db / count)[None, :, None] - xhat * (dw / count)[None, :, None]
    dx = push * scale[None, :, None]
    return narrowed(dx, x.dtype), None if w is None else narrowed(dw, w.dtype), narrowed(db, dy.dtype)


@batch_norm_backward.cpu("float32", "float64")
def batch_norm_backward_cpu(
    dy: Array, x: Array, w: Array | None, mean: Array, var: Array, eps: float, of_batch: bool
) -> tuple[Array, Array | None, Array]:
    if mean is None or not x.size:
        return batch_norm_backward.reference(dy, x, w, mean, var, eps, of_batch)  # type: ignore[no-any-return]
    dtype, count, planes = x.dtype, x.size // x.shape[1], Planes(x.shape, per_sample=False)
    matrix, dy = (np.ascontiguousarray(each).reshape(planes.matrix) for each in (x, dy))
    rstd = 1 / np.sqrt(var.astype(float) + eps)
    scale = planes.spread((rstd if w is None else rstd * w)[None], dtype)
    dx, sums, products = planes.moments(matrix, planes.spread(mean[None], dtype), dy)
    if of_batch:
        slope = -rstd * (1 if w is None else w) / count
        planes.scale_(
            dx, planes.spread(products * (rstd * rstd * slope), dtype), planes.spread(sums * slope, dtype), dy, scale
        )
    else:
        np.multiply(dy, scale, out=dx)
    return dx.reshape(x.shape), None if w is None else (products[0] * rstd).astype(dtype), sums[0].astype(dtype)


@batch_norm_backward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def batch_norm_backward_cuda(
    dy: Array, x: Array, w: Array | None, mean: Array | None, var: Array | None, eps: float, of_batch: bool
) -> tuple[Array, Array | None, Array]:
    sets = channels_of_batch(x.shape)
    if mean is None or var is None or not (fits(x, w) and fits(x, mean, var) and fit(sets)):
        return batch_norm_backward.reference(dy, x, w, mean, var, eps, of_batch)  # type: ignore[no-any-return]
    if x.shape[2] == 1:
        matrix = x.shape[:2]
        dx, dw, db = columns_backward(dy.reshape(matrix), x.reshape(matrix), w, mean, var, eps, of_batch)
        return dx.reshape(x.shape), dw, db
    return sets_backward(dy, x, w, sets, mean, var, eps, of_set=of_batch, for_w=w is not None, for_b=True)


def _moments(x: Array) -> tuple[Array, Array]:
    """The mean and the biased variance of each channel."""
    count = x.shape[0] * x.shape[2]
    mean = x.sum(axis=(0, 2)) / count
    centered = x - mean[None, :, None]
    return mean, (centered * centered).sum(axis=(0, 2)) / count


class BatchNorm(ReadsHalf):
    __slots__ = ("eps", "of_batch", "planes")
    planes: tuple[int, int, int]
    eps: float
    of_batch: bool

    def forward(
        ctx,
        x: Array,
        w: Array | None,
        b: Array | None,
        mean: Array | None,
        var: Array | None,
        planes: tuple[int, int, int],
        eps: float,
        running: tuple[Array, Array, Array | None, float | None] | None,
    ) -> Array:
        ctx.planes, ctx.eps, ctx.of_batch = planes, eps, mean is None
        rows = x.reshape(planes)
        if running is None:
            y, *of_batch = batch_norm_forward(rows, w, b, mean, var, eps)
        else:
            y, *of_batch = normalize_batch_(rows, w, b, *running, eps)
        ctx.save(x, w, *(of_batch if mean is None else (mean, var)))
        return y.reshape(x.shape)

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        x, w, mean, var = ctx.saved
        dx, dw, db = batch_norm_backward(
            dy.reshape(ctx.planes), x.reshape(ctx.planes), w, mean, var, ctx.eps, ctx.of_batch
        )
        return dx.reshape(x.shape), dw, db if ctx.edges[2] else None


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | Tensor | None = 0.1,
    eps: float = 1e-5,
    *,
    num_batches_tracked: Tensor | None = None,
) -> Tensor:
    """(input - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each channel.

    Args:
        input: (samples, channels, ...) floating.
        running_mean, running_var: (channels,) or None. In training they are changed in place, to
            (1 - momentum) * running + momentum * of this batch, where the variance is the unbiased one. Otherwise
            they are what is normalized by.
        weight, bias: (channels,), or None. All four of the input's dtype, or float32 beside half floats.
        training: normalize by the mean and the biased variance of this batch.
        momentum: share of this batch in the running statistics; a number, or one that is on the device already, ();
            None: 1 / num_batches_tracked, so that they are the mean over all batches.
        eps: what keeps the root from 0.
        num_batches_tracked: () int64 or None; in training counted up, beside the running statistics.
    Returns: the input's shape and dtype.
    Raises: ShapeError for shapes that do not fit, and in training for one value per channel; IndexError without
        channels; RuntimeError for dtypes that are not floating or differ, and without statistics outside training;
        ValueError for a bad eps, or one running statistic without the other.
    Gradient: of (input - mean) / sqrt(variance + eps), in training through mean and variance also; none for the
        running statistics, which may not require grad.
    Kernel: kernels/cuda/set_norm.cu, a channel over one block or several, the running statistics in the same launch;
        kernels/cuda/batch_norm.cu for an input of (samples, channels).
    Source: Ioffe & Szegedy 2015, arXiv:1502.03167.
    """
    if input.ndim == 1 and not input.shape[0]:
        return input.clone()
    if input.ndim < 2:
        raise IndexError(f"batch_norm: expected an input of (samples, channels, ...), got {input.shape}")
    check_values_per_channel("batch_norm", input, input.shape, training)
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm: eps must be {'positive' if training else '>= 0'}, got {eps}")
    check_floating("batch_norm", input)
    channels = input.shape[1]
    check_affine("batch_norm", input, (channels,), weight=weight, bias=bias)
    check_running("batch_norm", input, running_mean, running_var, needed=not training)
    planes = (input.shape[0], channels, math.prod(input.shape[2:]))
    if not training:
        return BatchNorm.apply(input, weight, bias, running_mean, running_var, planes, eps, None)  # type: ignore[no-any-return]
    check_devices("batch_norm", (input, running_mean, running_var, num_batches_tracked))
    if running_mean is None or running_var is None or not planes[0] * planes[2]:
        if num_batches_tracked is not None:
            num_batches_tracked.add_(1)
        return BatchNorm.apply(input, weight, bias, None, None, planes, eps, None)  # type: ignore[no-any-return]
    if momentum is None and num_batches_tracked is None:
        raise ValueError("batch_norm: momentum None needs num_batches_tracked")
    changed = running_mean, running_var, num_batches_tracked
    share = momentum.array if isinstance(momentum, Tensor) else momentum
    running = *(None if each is None else each.array for each in changed), share
    result: Tensor = BatchNorm.apply(input, weight, bias, None, None, planes, eps, running)
    for each in changed:
        if each is not None:
            rebind(each, None)
    return result
