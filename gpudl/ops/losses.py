"""Losses of the difference of an input and a target: absolute, squared, and between the two.

Huber 1964, "Robust estimation of a location parameter", Ann. Math. Statist. 35; smooth L1: Girshick 2015,
arXiv:1504.08083.
"""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import as_array
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops.reduced import Pointwise, alike, check_floating, check_reduction, reduced

__all__ = ["huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"]


class Difference(Pointwise):
    """A loss of d = x - t; a subclass gives its value and its slope."""

    __slots__ = ()

    def losses(ctx, x: Array, t: Array) -> Array:
        return ctx.value(as_array(x - t))

    def slopes(ctx, dy: Array, x: Array, t: Array) -> tuple[Any, Any]:
        dx = ctx.slope(dy, x - t)
        return dx, -dx if ctx.edges[1] else None

    def value(ctx, d: Array) -> Array:
        """The losses; d is theirs to overwrite."""
        raise NotImplementedError(f"{ctx.name()} has no value")

    def slope(ctx, dy: Array, d: Array) -> Array:
        """dy times the derivative at d."""
        raise NotImplementedError(f"{ctx.name()} has no slope")


class L1(Difference):
    __slots__ = ()

    def value(ctx, d: Array) -> Array:
        return xp_of(d).abs(d, out=d)

    def slope(ctx, dy: Array, d: Array) -> Array:
        return dy * ((d > 0).astype(d.dtype) - (d < 0).astype(d.dtype))


class Squared(Difference):
    __slots__ = ()

    def value(ctx, d: Array) -> Array:
        d *= d
        return d

    def slope(ctx, dy: Array, d: Array) -> Array:
        return d * (dy * 2)


class Huber(Difference):
    """scale * c * (|d| - c / 2) with c = min(|d|, bend): d**2 / 2 up to the bend, a line from there."""

    __slots__ = ()

    def value(ctx, d: Array) -> Array:
        bend, scale = ctx.settings
        xp = xp_of(d)
        size = xp.abs(d, out=d)
        short = xp.minimum(size, bend)
        size -= short * 0.5
        size *= short
        if scale != 1:
            size *= scale
        return size

    def slope(ctx, dy: Array, d: Array) -> Array:
        bend, scale = ctx.settings
        return xp_of(d).clip(d, -bend, bend) * (dy * scale)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """The mean of the absolute differences |input - target|.

    Args:
        input, target: one shape, any dtypes but bool; one of them floating point for the mean.
        reduction: "mean" | "sum" | "none".
        weight: the input's shape, a factor on each difference; the mean divides by its sum. Or None.
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError unless the shapes are equal; RuntimeError for bools and the mean of integers; ValueError for
        another reduction.
    Gradient: sign(input - target), divided by the count for mean; its negative for target.
    """
    x, t = _checked("l1_loss", input, target, reduction, weight)
    if input.dtype == bool or target.dtype == bool:
        raise RuntimeError("l1_loss: bools have no difference; cast them to a number first")
    if x.dtype.kind not in "fV":
        return _weighted((x - t).abs(), weight, reduction)
    if weight is None:
        return L1.apply(x, t, reduction)  # type: ignore[no-any-return]
    return _weighted(L1.apply(x, t, "none"), weight, reduction)


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """The mean of the squared differences.

    Args:
        input, target: one shape, one of them floating point.
        reduction: "mean" | "sum" | "none".
        weight: the input's shape, a factor on each square; the mean divides by its sum. Or None.
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError unless the shapes are equal; RuntimeError for integers without weights; ValueError for
        another reduction.
    Gradient: 2 (input - target), divided by the count for mean; its negative for target.
    """
    x, t = _checked("mse_loss", input, target, reduction, weight)
    if weight is None:
        check_floating("mse_loss", input=x)
        return Squared.apply(x, t, reduction)  # type: ignore[no-any-return]
    if x.dtype.kind not in "fV":
        return _weighted((x - t) ** 2, weight, reduction)
    return _weighted(Squared.apply(x, t, "none"), weight, reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """The absolute difference less beta / 2, but (input - target)**2 / (2 beta) where that is below beta.

    Args:
        input, target: one shape, one of them floating point.
        reduction: "mean" | "sum" | "none".
        beta: from which difference on the loss is a line, at least 0; 0 gives l1_loss.
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError unless the shapes are equal; RuntimeError for integers and for beta < 0; ValueError for another
        reduction.
    Gradient: (input - target) / beta, limited to [-1, 1], divided by the count for mean; its negative for target.
    Source: Girshick 2015, arXiv:1504.08083.
    """
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    x, t = _checked("smooth_l1_loss", input, target, reduction)
    check_floating("smooth_l1_loss", input=x)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    return Huber.apply(x, t, reduction, float(beta), 1 / beta)  # type: ignore[no-any-return]


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Half the squared difference up to delta, the line delta * (|input - target| - delta / 2) from there.

    Args:
        input: floating point.
        target: the input's shape, computed with in its dtype.
        reduction: "mean" | "sum" | "none".
        delta: from which difference on the loss is a line, above 0.
        weight: the input's shape, a factor on each loss; the mean divides by the count all the same. Or None.
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError unless the shapes are equal; RuntimeError for integers and for delta <= 0; ValueError for
        another reduction.
    Gradient: input - target, limited to [-delta, delta], divided by the count for mean; its negative for target.
    Source: Huber 1964.
    """
    _checked("huber_loss", input, target, reduction, weight)
    check_floating("huber_loss", input=input)
    t = target.to(input.dtype)
    if not delta > 0:
        raise RuntimeError(f"huber_loss: delta must be above 0, got {delta}")
    if weight is None:
        return Huber.apply(input, t, reduction, float(delta), 1)  # type: ignore[no-any-return]
    return reduced(Huber.apply(input, t, "none", float(delta), 1) * weight, reduction)


def _checked(
    name: str, input: Tensor, target: Tensor, reduction: str, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Input and target in one dtype, when the shapes and the reduction are right."""
    check_reduction(name, reduction)
    x, t = alike(name, input, target)
    if weight is not None and weight.shape != x.shape:
        raise ShapeError(f"{name}: weight {weight.shape} must have the input's shape {x.shape}")
    return x, t


def _weighted(losses: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The losses times their weights, reduced; the mean is the weighted one."""
    if weight is None:
        return reduced(losses, reduction)
    losses = losses * weight
    return losses.sum() / weight.sum() if reduction == "mean" else reduced(losses, reduction)
