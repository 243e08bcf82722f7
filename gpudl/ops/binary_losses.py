"""Cross-entropy of yes-or-no targets, from probabilities and from logits."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.ops.loss_checks import check_probabilities
from gpudl.ops.reduced import Pointwise, alike, check_factor, check_floating, check_reduction, reduced
from gpudl.ops.softplus import logsigmoid

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits"]


class BinaryCrossEntropy(Pointwise):
    __slots__ = ()

    def losses(ctx, x: Array, t: Array) -> Array:
        xp = xp_of(x)
        # A wrong certainty counts as a logarithm of -100, not as infinity.
        return (t - 1) * xp.maximum(xp.log1p(-x), -100) - t * xp.maximum(xp.log(x), -100)

    def slopes(ctx, dy: Array, x: Array, t: Array) -> tuple[Any, Any]:
        xp = xp_of(x)
        dx = dy * (x - t) / xp.maximum((1 - x) * x, 1e-12)
        return dx, dy * (xp.log(1 - x) - xp.log(x)) if ctx.edges[1] else None


class BinaryCrossEntropyWithLogits(Pointwise):
    """(1 - t) * x - log(sigmoid(x))."""

    __slots__ = ()

    def losses(ctx, x: Array, t: Array) -> Array:
        return (1 - t) * x - _log_sigmoid(x)

    def slopes(ctx, dy: Array, x: Array, t: Array) -> tuple[Any, Any]:
        dx = dy * (xp_of(x).tanh(x * 0.5) * 0.5 + 0.5 - t)
        return dx, -x * dy if ctx.edges[1] else None


def _log_sigmoid(x: Array) -> Array:
    xp = xp_of(x)
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """The negative log-likelihood of yes-or-no targets under probabilities of yes.

    loss = -target * log(input) - (1 - target) * log(1 - input), logarithms at least -100

    Args:
        input: floating, probabilities in [0, 1].
        target: the input's shape, floating, usually 0 or 1.
        weight: a factor that broadcasts to the input's shape, or None.
        reduction: "mean" | "sum" | "none".
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError if the shapes do not fit; RuntimeError for integers and (on the CPU) for input outside [0, 1];
        ValueError for another reduction.
    Gradient: (input - target) / (input * (1 - input)), the divisor at least 1e-12; log(1 - input) - log(input) to
        target.
    """
    name = "binary_cross_entropy"
    check_reduction(name, reduction)
    x, t = alike(name, input, target)
    check_floating(name, input=input, target=target)
    check_probabilities(x.array, name)
    if weight is None:
        return BinaryCrossEntropy.apply(x, t, reduction)  # type: ignore[no-any-return]
    check_factor(name, input, weight=weight)
    return reduced(BinaryCrossEntropy.apply(x, t, "none") * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(input), computed without taking the logarithm of a tiny number.

    Args:
        input: floating, any numbers.
        target: the input's shape, floating, usually 0 or 1.
        weight: a factor that broadcasts to the input's shape, or None.
        reduction: "mean" | "sum" | "none".
        pos_weight: a factor on the loss of positives that broadcasts to the input's shape, or None.
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError if the shapes do not fit; RuntimeError for integers; ValueError for another reduction.
    Gradient: sigmoid(input) - target; -input to target.
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    x, t = alike(name, input, target)
    check_floating(name, input=input, target=target)
    if weight is None and pos_weight is None:
        return BinaryCrossEntropyWithLogits.apply(x, t, reduction)  # type: ignore[no-any-return]
    if pos_weight is None:
        losses: Tensor = BinaryCrossEntropyWithLogits.apply(x, t, "none")
    else:
        check_factor(name, input, pos_weight=pos_weight)
        losses = (1 - t) * x - ((pos_weight - 1) * t + 1) * logsigmoid(x)
    if weight is not None:
        check_factor(name, input, weight=weight)
        losses = losses * weight
    return reduced(losses, reduction)
