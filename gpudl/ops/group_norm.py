"""Group normalization: each group of channels of each sample to mean 0 and variance 1, then channel by channel w and b.

    y = (x - mean) rstd w + b,      rstd = 1 / sqrt(var + eps),      var = mean((x - mean)**2)

with c = x - mean, g = dy w and means over the group:

    dx = rstd (g - mean(g) - c rstd**2 mean(g c)),      dw = sum(dy c rstd),      db = sum(dy)

Wu & He 2018, arXiv:1803.08494. With one group for each channel it is instance normalization, Ulyanov, Vedaldi &
Lempitsky 2016, arXiv:1607.08022.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.norm_checks import check_affine, check_floating, check_values_per_channel
from gpudl.ops.norm_cuda import fits
from gpudl.ops.norm_sets import fit, groups_of_channels, sets_backward, sets_forward
from gpudl.ops.operands import narrowed, widened
from gpudl.ops.planes import Planes

__all__ = ["group_norm"]


@kernel
def group_norm_forward(
    x: Array, w: Array | None, b: Array | None, groups: int, eps: float
) -> tuple[Array, Array, Array]:
    """y, and mean and var, (samples, groups). x: (samples, channels, places); w, b: (channels,) or None."""
    grouped = widened(_grouped(x, groups))
    mean, var = _moments(grouped)
    y = (grouped - mean[:, :, None]) * (1 / xp_of(x).sqrt(var + eps))[:, :, None]
    y = y.reshape(x.shape)
    y = y if w is None else y * w[None, :, None]
    return narrowed(y if b is None else y + b[None, :, None], x.dtype), mean, var


@group_norm_forward.cpu("float32", "float64")
def group_norm_forward_cpu(
    x: Array, w: Array | None, b: Array | None, groups: int, eps: float
) -> tuple[Array, Array, Array]:
    if not x.size:
        return group_norm_forward.reference(x, w, b, groups, eps)  # type: ignore[no-any-return]
    (_, channels, places), dtype, planes = x.shape, x.dtype, Planes(x.shape, per_sample=True)
    each, count = channels // groups, channels // groups * places
    matrix = np.ascontiguousarray(x).reshape(planes.matrix)
    mean = _over_groups(planes.sums(matrix), groups) / count
    y, rest, squares = planes.moments(matrix, planes.spread(np.repeat(mean, each, axis=1), dtype))
    # What rounding left of the mean counts where the mean is large.
    rest = _over_groups(rest, groups) / count
    var = _over_groups(squares, groups) / count - rest * rest
    scale = np.repeat(1 / np.sqrt(var + eps), each, axis=1) * (1 if w is None else w)
    shift = (0 if b is None else b) - np.repeat(rest, each, axis=1) * scale
    planes.scale_(y, planes.spread(scale, dtype), planes.spread(shift, dtype))
    return y.reshape(x.shape), (mean + rest).astype(dtype), var.astype(dtype)


@group_norm_forward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def group_norm_forward_cuda(
    x: Array, w: Array | None, b: Array | None, groups: int, eps: float
) -> tuple[Array, Array, Array]:
    sets = groups_of_channels(x.shape, groups)
    if not fits(x, w, b) or not fit(sets):
        return group_norm_forward.reference(x, w, b, groups, eps)  # type: ignore[no-any-return]
    y, *found = sets_forward(x, w, b, sets, eps)
    mean, var = (each.reshape((len(x), groups)) for each in found)
    return y, mean, var


@kernel
def group_norm_backward(
    dy: Array, x: Array, w: Array | None, groups: int, eps: float, mean: Array | None, var: Array | None
) -> tuple[Array, Array | None, Array]:
    """dx, dw (None without w), db. mean, var as forward gave them, or None to compute them again."""
    grouped, dwide = widened(_grouped(x, groups)), widened(dy)
    if mean is None or var is None:
        mean, var = _moments(grouped)
    count, rstd = grouped.shape[2], (1 / xp_of(x).sqrt(var + eps))[:, :, None]
    xhat = (grouped - mean[:, :, None]) * rstd
    g = _grouped(dwide if w is None else dwide * w[None, :, None], groups)
    means, slopes = g.sum(axis=2) / count, (g * xhat).sum(axis=2) / count
    dx = ((g - means[:, :, None] - xhat * slopes[:, :, None]) * rstd).reshape(x.shape)
    dw = None if w is None else narrowed((dwide * xhat.reshape(x.shape)).sum(axis=(0, 2)), w.dtype)
    return narrowed(dx, x.dtype), dw, narrowed(dwide.sum(axis=(0, 2)), dy.dtype)


@group_norm_backward.cpu("float32", "float64")
def group_norm_backward_cpu(
    dy: Array, x: Array, w: Array | None, groups: int, eps: float, mean: Array, var: Array
) -> tuple[Array, Array | None, Array]:
    if mean is None or not x.size:
        return group_norm_backward.reference(dy, x, w, groups, eps, mean, var)  # type: ignore[no-any-return]
    (_, channels, places), dtype, planes = x.shape, x.dtype, Planes(x.shape, per_sample=True)
    each, count = channels // groups, channels // groups * places
    matrix, dy = (np.ascontiguousarray(array).reshape(planes.matrix) for array in (x, dy))
    dx, sums, products = planes.moments(matrix, planes.spread(np.repeat(mean, each, axis=1), dtype), dy)
    factor = 1 if w is None else w
    rstd = 1 / np.sqrt(var.astype(float) + eps)
    slope = _over_groups(products * factor, groups) * rstd**3 / -count
    shift = _over_groups(sums * factor, groups) * rstd / -count
    scale = np.repeat(rstd, each, axis=1)
    slope, shift = (planes.spread(np.repeat(values, each, axis=1), dtype) for values in (slope, shift))
    planes.scale_(dx, slope, shift, dy, planes.spread(scale * factor, dtype))
    dw = None if w is None else (products * scale).sum(axis=0).astype(dtype)
    return dx.reshape(x.shape), dw, sums.sum(axis=0).astype(dtype)


@group_norm_backward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def group_norm_backward_cuda(
    dy: Array, x: Array, w: Array | None, groups: int, eps: float, mean: Array | None, var: Array | None
) -> tuple[Array, Array | None, Array]:
    sets = groups_of_channels(x.shape, groups)
    if mean is None or var is None or not fits(x, w) or not fit(sets):
        return group_norm_backward.reference(dy, x, w, groups, eps, mean, var)  # type: ignore[no-any-return]
    return sets_backward(dy, x, w, sets, mean, var, eps, for_w=w is not None, for_b=True)


def _grouped(x: Array, groups: int) -> Array:
    """(samples, channels, places) as (samples, groups, all the rest)."""
    samples, channels, places = x.shape
    return x.reshape((samples, groups, channels // groups * places))


def _over_groups(values: Array, groups: int) -> Array:
    """(samples, channels) summed to (samples, groups)."""
    return values.reshape(len(values), groups, -1).sum(axis=2)


def _moments(x: Array) -> tuple[Array, Array]:
    """The mean and the biased variance of each group."""
    mean = x.sum(axis=2) / x.shape[2]
    centered = x - mean[:, :, None]
    return mean, (centered * centered).sum(axis=2) / x.shape[2]


class GroupNorm(ReadsHalf):
    __slots__ = ("eps", "groups", "planes")
    planes: tuple[int, int, int]
    groups: int
    eps: float

    def forward(
        ctx,
        x: Array,
        w: Array | None,
        b: Array | None,
        planes: tuple[int, int, int],
        groups: int,
        eps: float,
        found: list[Array],
    ) -> Array:
        ctx.planes, ctx.groups, ctx.eps = planes, groups, eps
        y, mean, var = group_norm_forward(x.reshape(planes), w, b, groups, eps)
        ctx.save(x, w, mean, var)
        found += [mean, var]
        return y.reshape(x.shape)

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        x, w, mean, var = ctx.saved
        dx, dw, db = group_norm_backward(
            dy.reshape(ctx.planes), x.reshape(ctx.planes), w, ctx.groups, ctx.eps, mean, var
        )
        return dx.reshape(x.shape), dw, db if ctx.edges[2] else None


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(input - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each group of channels.

    Args:
        input: (samples, channels, ...) floating.
        num_groups: into how many groups of equal size the channels of a sample are put; divides their number.
        weight, bias: (channels,), or None. Of the input's dtype, or float32 beside half floats.
        eps: what keeps the root from 0.
    Returns: the input's shape and dtype. The variance is the biased one, mean((input - mean)**2).
    Raises: ShapeError for shapes that do not fit, or one value per group in all; RuntimeError for dtypes that are not
        floating, or differ; ValueError (a ShapeError) for num_groups below 1.
    Gradient: with g = dy * weight: (g - mean(g) - xhat * mean(g * xhat)) / sqrt(variance + eps); dy * xhat and dy,
        summed over all but the channels.
    Kernel: kernels/cuda/set_norm.cu, a group over a team of threads, a block, or several.
    Source: Wu & He 2018, arXiv:1803.08494.
    """
    if input.ndim < 2:
        raise ShapeError(f"group_norm: expected an input of (samples, channels, ...), got {input.shape}")
    samples, channels = input.shape[:2]
    if num_groups < 1 or channels % num_groups:
        raise ShapeError(
            f"group_norm: num_groups must divide the {channels} channels of {input.shape}, got {num_groups}"
        )
    in_group = (samples * channels // num_groups, num_groups, *input.shape[2:])
    check_values_per_channel("group_norm", input, in_group, True)
    check_floating("group_norm", input)
    check_affine("group_norm", input, (channels,), weight=weight, bias=bias)
    planes = (samples, channels, math.prod(input.shape[2:]))
    return GroupNorm.apply(input, weight, bias, planes, num_groups, eps, [])  # type: ignore[no-any-return]
