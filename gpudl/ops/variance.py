"""Variance and standard deviation: the mean square of what is left without the mean, over count - correction."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import DType
from gpudl.ops.norm import over
from gpudl.ops.operands import Dim, Number, aliased, broadcast, dims_of, total
from gpudl.ops.reduce import Reduction

__all__ = ["std", "std_mean", "var", "var_mean"]


class Variance(Reduction):
    """The variance, or its root; alone, or with the mean.

    Attributes:
        freedom: count - correction, what the squares are divided by.
        root: the result is the standard deviation.
        whole: no dim was named. It decides, as in PyTorch, what the gradient is where there is no freedom.
    """

    __slots__ = ("freedom", "root", "whole")
    freedom: float
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
        xp = xp_of(x)
        ctx.freedom = ctx.count() - correction
        mean = xp.asarray(total(x, dims, True) / ctx.count())
        squares = xp.asarray(x - mean)
        squares *= squares
        y = xp.asarray(total(squares, dims, keepdim) / max(ctx.freedom, 0))
        if root:
            y = xp.sqrt(y)
        ctx.save(x, y)
        return (y, mean if keepdim else mean.squeeze(axis=dims)) if with_mean else y

    def backward(ctx, dy: Array, dmean: Array | None = None) -> Array:
        x, y = ctx.saved
        xp = xp_of(x)
        if ctx.root:
            dy = over(dy, y) / 2
        mean = x.sum(axis=ctx.dims, keepdims=True) / ctx.count()
        if ctx.whole and ctx.freedom <= 0:
            off, factor = xp.where(x == mean, math.nan, xp.ones_like(x) * math.inf), 1.0
        else:
            off, factor = x - mean, 2 / ctx.freedom if ctx.freedom else math.inf
        dx = off * ctx.spread(dy * factor)
        return dx if dmean is None else dx + broadcast(ctx.spread(dmean / ctx.count()), ctx.shape)


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
