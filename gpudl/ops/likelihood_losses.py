"""Negative log-likelihoods of classes, counts and normal variables, and the divergence of two distributions.

Divergence: Kullback & Leibler 1951, "On information and sufficiency", Ann. Math. Statist. 22. Normal variables with a
variance of their own: Nix & Weigend 1994, "Estimating the mean and variance of the target probability distribution".
"""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops.create import ones_like
from gpudl.ops.elementwise import exp, log, where
from gpudl.ops.loss_checks import check_labels, check_variances
from gpudl.ops.operands import broadcast
from gpudl.ops.reduced import check_floating, check_reduction, reduced

__all__ = ["gaussian_nll_loss", "kl_div", "nll_loss", "poisson_nll_loss"]


class NLL(Primitive):
    """-weight[t] * x[t] for x: (rows, classes, places), target: (rows, places), weight: (classes,) or None."""

    __slots__ = ("ignore_index", "reduction", "shape")
    ignore_index: int
    reduction: str
    shape: tuple[int, ...]

    def forward(ctx, x: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str) -> Array:
        ctx.shape, ctx.ignore_index, ctx.reduction = x.shape, ignore_index, reduction
        ctx.save(target, weight)
        xp = xp_of(x)
        index, kept, factor = ctx.factors(x, target, weight)
        losses = xp.where(kept, x[index] * -factor, xp.zeros_like(factor))  # what is ignored may be infinite
        if reduction == "none":
            return losses
        return losses.sum() / factor.sum() if reduction == "mean" else losses.sum()

    def backward(ctx, dy: Array) -> Array:
        target, weight = (each.array if isinstance(each, Tensor) else each for each in ctx.saved)
        index, kept, factor = ctx.factors(dy, target, weight)
        if isinstance(dy, Tensor):
            kept, factor = wrap(kept, None), wrap(factor, None)
        if ctx.reduction == "mean":
            dy = dy / factor.sum()
        dy = broadcast(dy, target.shape) * -factor
        dy = xp_of(dy).where(kept, dy, xp_of(dy).zeros_like(dy))  # the mean of none is nan
        return Scatter.apply(dy, index, ctx.shape) if isinstance(dy, Tensor) else _scattered(dy, index, ctx.shape)

    def factors(ctx, like: Array, target: Array, weight: Array | None) -> tuple[Any, Array, Array]:
        """Where in x the targets are; whether each counts; by how much."""
        xp = xp_of(target)
        kept = target != ctx.ignore_index
        labels = xp.where(kept, target, 0)
        rows, _, places = ctx.shape
        factor = (
            kept.astype(like.dtype) if weight is None else xp.where(kept, weight[labels], xp.zeros_like(weight[:1]))
        )
        return (xp.arange(rows)[:, None], labels, xp.arange(places)), kept, factor


class Scatter(Primitive):
    """Zeros of a shape with x at an index that names no element twice."""

    __slots__ = ("index",)
    index: Any

    def forward(ctx, x: Array, index: Any, shape: tuple[int, ...]) -> Array:
        ctx.index = index
        return _scattered(x, index, shape)

    def backward(ctx, dy: Array) -> Array:
        return dy[tuple(wrap(each, None) for each in ctx.index)] if isinstance(dy, Tensor) else dy[ctx.index]


def _scattered(x: Array, index: Any, shape: tuple[int, ...]) -> Array:
    y = xp_of(x).zeros(shape, x.dtype)
    y[index] = x
    return y


class AtLeast(Primitive):
    """x, or a bound where that is larger; the gradient passes everywhere."""

    __slots__ = ()

    def forward(ctx, x: Array, low: float) -> Array:
        return xp_of(x).maximum(x, low)

    def backward(ctx, dy: Array) -> Array:
        return dy


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The negative of the log-probability that the input gives the target class.

    loss[i] = -weight[target[i]] * input[i, target[i]]

    Args:
        input: (rows, classes), (classes,), or (rows, classes, ...) floating, log-probabilities (log_softmax).
        target: (rows,), () or (rows, ...) integer class indices, 0 <= target < classes.
        weight: (classes,) factor on each class, in the input's dtype, or None.
        ignore_index: rows with this target add nothing.
        reduction: "mean" (over the weights of the targets) | "sum" | "none".
    Returns: () for mean and sum, the target's shape for none; dtype of input.
    Raises: ShapeError if the shapes do not fit; IndexError for a target out of range (on the CPU); ValueError for
        another reduction; RuntimeError for other bad arguments.
    Gradient: -weight[target] at the target, scaled; none for target and weight.
    """
    check_reduction("nll_loss", reduction)
    if not input.ndim:
        raise ShapeError("nll_loss: the input has no dimension of classes; reshape it to (classes,)")
    if target.array.dtype.kind not in "iu":
        raise RuntimeError(f"nll_loss: targets must be integer class indices, got {target.dtype}")
    single = input.ndim == 1
    classes = input.shape[0 if single else 1]
    expected = () if single else (input.shape[0], *input.shape[2:])
    if target.shape != expected and not (single and target.shape == (1,)):
        raise ShapeError(f"nll_loss: input {input.shape} needs a target of shape {expected}, got {target.shape}")
    check_floating("nll_loss", input=input)
    if weight is not None:
        if weight.shape != (classes,) or weight.dtype != input.dtype:
            raise ShapeError(f"nll_loss: weight must be {input.dtype} ({classes},), got {weight.dtype} {weight.shape}")
        if weight.requires_grad:
            raise RuntimeError("nll_loss: the weights have no gradient; give weight.detach()")
    check_labels(target.array, 0, classes, ignore_index, "nll_loss")
    rows = 1 if single else input.shape[0]
    places = math.prod(input.shape[2:])
    x, t = input.reshape((rows, classes, places)), target.reshape((rows, places))
    loss: Tensor = NLL.apply(x, t, weight, ignore_index, reduction)
    return loss.reshape(expected) if reduction == "none" else loss


def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """The divergence of a distribution `target` from one whose logarithm is `input`: target * (log(target) - input).

    Args:
        input: floating, log-probabilities.
        target: probabilities of a shape that broadcasts with the input's, or their logarithms.
        reduction: "mean" (over all elements) | "batchmean" (the sum, divided by the length of the first dimension;
            this is the divergence of the definition) | "sum" | "none".
        log_target: whether target holds logarithms.
    Returns: () for mean, batchmean and sum, the shape of both for none. 0 where the target is 0.
    Raises: ShapeError if the shapes do not broadcast; RuntimeError for integers; ValueError for another reduction.
    Gradient: -target to input; log(target) + 1 - input to target, nan where it is 0.
    Source: Kullback & Leibler 1951.
    """
    if reduction != "batchmean":
        check_reduction("kl_div", reduction)
    check_floating("kl_div", input=input, target=target)
    if log_target:
        losses = exp(target) * (target - input)
    else:
        losses = where(target == 0, 0.0, target * log(target)) - target * input
    if reduction == "batchmean":
        return losses.sum() / input.shape[0] if input.ndim else losses.sum()
    return reduced(losses, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of counts that are Poisson distributed with a given rate.

    loss = rate - target * log(rate), with Stirling's log(target!) added where `full` and target > 1

    Args:
        input: the rate, or its logarithm; any dtype.
        target: counts, a shape that broadcasts with the input's.
        log_input: whether input is the logarithm of the rate.
        full: add target * log(target) - target + log(2 pi target) / 2 for targets above 1.
        eps: added to a rate before its logarithm is taken.
        reduction: "mean" | "sum" | "none".
    Returns: () for mean and sum, the shape of both for none.
    Raises: ShapeError if the shapes do not broadcast; ValueError for another reduction.
    Gradient: rate - target for log_input, else 1 - target / (rate + eps).
    """
    check_reduction("poisson_nll_loss", reduction)
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        stirling = target * log(target) - target + 0.5 * log(2 * math.pi * target)
        losses = losses + where(target <= 1, 0.0, stirling).to(losses.dtype)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of targets that are normally distributed.

    loss = (log(var) + (input - target)**2 / var) / 2, with log(2 pi) / 2 added where `full`

    Args:
        input: the means.
        target: a shape that broadcasts with the input's.
        var: the variances, not negative: the input's shape, that without its last dimension or with one dimension of
            length 1 instead, or a float.
        full: add the constant.
        eps: the smallest variance that is reckoned with; the gradient passes below it.
        reduction: "mean" | "sum" | "none".
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError if the shapes do not fit; ValueError for negative variances (on the CPU) and another
        reduction; RuntimeError for integers as var.
    Gradient: (input - target) / var to input.
    Source: Nix & Weigend 1994.
    """
    check_reduction("gaussian_nll_loss", reduction)
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError(f"gaussian_nll_loss: var is negative, {var}; give a variance")
        var = ones_like(input) * float(var)
    check_variances(var.array)
    if var.shape != input.shape and var.shape == input.shape[:-1]:
        var = var.unsqueeze(-1)
    else:
        differing = [length for length, other in zip(var.shape, input.shape) if length != other]
        if var.ndim != input.ndim or differing not in ([], [1]):
            raise ShapeError(
                f"gaussian_nll_loss: var {var.shape} must have the input's shape {input.shape}, that without its last "
                "dimension, or that with one dimension of length 1"
            )
    check_floating("gaussian_nll_loss", var=var)
    spread: Tensor = AtLeast.apply(var, eps)
    difference = input - target
    losses = 0.5 * (log(spread) + difference * difference / spread)
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)
