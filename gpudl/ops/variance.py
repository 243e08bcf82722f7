"""Variance and standard deviation: the mean square of what is left without the mean, over count - correction."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import DType, float32, float64
from gpudl.backend.folds import Fold
from gpudl.backend.kernel import kernel
from gpudl.ops.norm import over
from gpudl.ops.operands import Dim, Number, aliased, broadcast, dims_of, narrowed, total
from gpudl.ops.reduce import Reduction

__all__ = ["std", "std_mean", "var", "var_mean"]


_FOLD = Fold("Variance<{T}, {A}>", "math/variance.cuh", slope="VarianceSlope<{T}, {A}>")


@kernel
def variance_forward(
    x: Array, dims: tuple[int, ...], keepdim: bool, count: int, freedom: float, root: bool, with_kept: bool
) -> tuple[Array, Array, Array | None]:
    """The variance or its root, the mean, and, if asked for, what backward may use instead of computing them again."""
    xp = xp_of(x)
    mean = xp.asarray(total(x, dims, True) / count)
    squares = xp.asarray(x - mean)
    squares *= squares
    y = xp.asarray(total(squares, dims, keepdim) / max(freedom, 0))
    return xp.sqrt(y) if root else y, mean if keepdim else mean.squeeze(axis=dims), None


@variance_forward.cuda("float32", "float64", "float16", "bfloat16")
def variance_forward_cuda(
    x: Array, dims: tuple[int, ...], keepdim: bool, count: int, freedom: float, root: bool, with_kept: bool
) -> tuple[Array, Array, Array | None]:
    wide = float64 if x.dtype == float64 else float32
    y, kept = _FOLD(x, dims, keepdim, x.dtype, wide, planes=2, p=freedom, q=root)
    return y, kept[0], kept if with_kept else None


@kernel
def variance_backward(
    dy: Array,
    x: Array,
    y: Array,
    dmean: Array | None,
    kept: Array | None,
    dims: tuple[int, ...],
    count: int,
    freedom: float,
    root: bool,
    whole: bool,
) -> Array:
    """dx = dy 2 (x - mean) / freedom, of a root dy (x - mean) / (freedom y), plus dmean / count. dims: at length 1."""
    xp = xp_of(x)
    if root:
        dy = over(dy, y) / 2
    mean = x.sum(axis=dims, keepdims=True) / count
    if whole and freedom <= 0:
        off, factor = xp.where(x == mean, math.nan, xp.ones_like(x) * math.inf), 1.0
    else:
        off, factor = x - mean, 2 / freedom if freedom else math.inf
    dx = off * (dy * factor)
    return dx if dmean is None else dx + broadcast(dmean / count, x.shape)


@variance_backward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def variance_backward_cuda(
    dy: Array,
    x: Array,
    y: Array,
    dmean: Array | None,
    kept: Array | None,
    dims: tuple[int, ...],
    count: int,
    freedom: float,
    root: bool,
    whole: bool,
) -> Array:
    if kept is None:
        kept = variance_forward_cuda(x, dims, True, count, freedom, root, True)[2]
        assert kept is not None
    factor = 2 / freedom if freedom else math.inf
    flags = (1 if root else 0) + (2 if whole and freedom <= 0 else 0)
    share = None if dmean is None else dmean / dmean.dtype.type(count)
    return _FOLD.slope(dy, x, dims, kept, share, p=factor, q=flags)


class Variance(Reduction):
    """The variance, or its root; alone, or with the mean.

    Attributes:
        freedom: count - correction, what the squares are divided by.
        root: the result is the standard deviation.
        whole: no dim was named. It decides, as in PyTorch, what the gradient is where there is no freedom.
    """

    __slots__ = ("freedom", "kept", "root", "whole")
    freedom: float
    kept: Array | None
    root: bool
    whole: bool

    def forward(
        ctx,
        x: Array,
        dims: tuple[int, ...],
        keepdim: bool,
        correction: float,
        root: bool,
        whole: bool,
        with_mean: bool,
    ) -> Any:
        ctx.shape, ctx.dims, ctx.root, ctx.whole = x.shape, dims, root, whole
        ctx.freedom = ctx.count() - correction
        wanted = mode.enabled and ctx.edges[0] is not None
        y, mean, ctx.kept = variance_forward(x, dims, keepdim, ctx.count(), ctx.freedom, root, wanted)
        ctx.save(x, y)
        return (y, narrowed(mean, x.dtype)) if with_mean else y

    def backward(ctx, dy: Array, dmean: Array | None = None) -> Array:
        x, y = ctx.saved
        dmean = None if dmean is None else ctx.spread(dmean)
        settings = ctx.dims, ctx.count(), ctx.freedom, ctx.root, ctx.whole
        return variance_backward(ctx.spread(dy), x, ctx.spread(y), dmean, ctx.kept, *settings)


def _freedom_lost(name: str, unbiased: bool | None, correction: Number | None) -> float:
    """The correction that two arguments for it mean."""
    if unbiased is not None and correction is not None:
        raise TypeError(f"{name}: give unbiased or correction, not both")
    return (1 if unbiased is not False else 0) if correction is None else float(correction)


def _spread_of(
    name: str,
    input: Tensor,
    dim: Dim | bool,
    unbiased: bool | None,
    keepdim: bool,
    correction: Number | None,
    root: bool,
    with_mean: bool,
) -> Any:
    if isinstance(dim, bool):  # var(x, True): the first argument is `unbiased` in the form without dim
        dim, unbiased = None, dim
    dtype: DType = input.dtype
    if dtype.kind not in "fV":
        raise RuntimeError(f"{name}: the input is {dtype}; cast it to a floating dtype first")
    lost = _freedom_lost(name, unbiased, correction)
    return Variance.apply(input, dims_of(name, dim, input.ndim), keepdim, lost, root, dim is None, with_mean)


def var(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The variance: sum((input - mean)**2) / (count - correction); nan for no elements.

    Args:
        dim: the dimension or dimensions to reduce, default all. A bool stands for `unbiased`.
        unbiased: True (the default) for correction 1, False for 0.
        keepdim: keep the dimensions at length 1.
        correction: what the count is lessened by; 1 unless given.
    Raises: RuntimeError unless the input is floating point; IndexError if a dim is out of range.
    Gradient: dy * 2 (input - mean) / (count - correction).
    Kernel: kernels/cuda/reduce.cu and kernels/math/variance.cuh.
    """
    along = aliased("var", dim, axis)
    return _spread_of("var", input, along, unbiased, keepdim or keepdims, correction, False, False)  # type: ignore[no-any-return]


def std(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The standard deviation, the root of the variance. Arguments and errors as in var.

    Gradient: dy * (input - mean) / (count - correction) / result, 0 where the result is 0.
    """
    along = aliased("std", dim, axis)
    return _spread_of("std", input, along, unbiased, keepdim or keepdims, correction, True, False)  # type: ignore[no-any-return]


def var_mean(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> tuple[Tensor, Tensor]:
    """The variance and the mean. Arguments, errors and gradient as in var and mean."""
    along = aliased("var_mean", dim, axis)
    return _spread_of("var_mean", input, along, unbiased, keepdim or keepdims, correction, False, True)  # type: ignore[no-any-return]


def std_mean(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean. Arguments, errors and gradient as in std and mean."""
    along = aliased("std_mean", dim, axis)
    return _spread_of("std_mean", input, along, unbiased, keepdim or keepdims, correction, True, True)  # type: ignore[no-any-return]
