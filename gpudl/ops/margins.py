"""The kernels of losses of margins between single numbers: forward with their mean, and backward, in one launch each.

Hinge: Hadsell, Chopra & LeCun 2006, "Dimensionality reduction by learning an invariant mapping".
"""

from __future__ import annotations

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.elementwise_loss import LossText, Pointwise, combined, of_elements
from gpudl.ops.softplus import logsigmoid_backward, logsigmoid_forward

Wants = tuple[bool, ...]
Gradients = tuple[Array | None, ...]

_HINGE, _RANKING, _SOFT = (
    LossText("math/margins.cuh", functor) for functor in ("HingeEmbeddingLoss", "MarginRankingLoss", "SoftMarginLoss")
)


@kernel
def hinge_embedding_loss_forward(x: Array, t: Array, w: Array | None, reduction: str, margin: float) -> Array:
    """max(0, margin - x) where t is not 1, plus x where t is not -1, reduced."""
    xp, zero = xp_of(x), x.dtype.type(0)
    lacking = xp.where(t != 1, xp.maximum(margin - x, 0), zero)
    return combined(lacking + xp.where(t != -1, x, zero), w, reduction)


@hinge_embedding_loss_forward.cuda("float32", "float64", "float16", "bfloat16")
def hinge_embedding_loss_forward_cuda(x: Array, t: Array, w: Array | None, reduction: str, margin: float) -> Array:
    return _HINGE.forward(x, t, None, w, reduction, margin)


@kernel
def hinge_embedding_loss_backward(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str, margin: float
) -> Gradients:
    """dx = dy where t is not -1, less dy where t is not 1 and the margin is not kept."""
    up = of_elements(dy, x, w, reduction)
    return (up * ((t != -1).astype(x.dtype) - ((t != 1) & (margin - x >= 0)).astype(x.dtype)),)


@hinge_embedding_loss_backward.cuda("float32", "float64", "float16", "bfloat16")
def hinge_embedding_loss_backward_cuda(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str, margin: float
) -> Gradients:
    return _HINGE.backward(dy, x, t, None, w, wants, reduction, margin)


@kernel
def margin_ranking_loss_forward(x: Array, t: Array, v: Array, w: Array | None, reduction: str, margin: float) -> Array:
    """max(0, -v (x - t) + margin), reduced."""
    return combined(xp_of(x).maximum(-v * (x - t) + margin, 0), w, reduction)


@margin_ranking_loss_forward.cuda("float32", "float64", "float16", "bfloat16")
def margin_ranking_loss_forward_cuda(
    x: Array, t: Array, v: Array, w: Array | None, reduction: str, margin: float
) -> Array:
    return _RANKING.forward(x, t, v, w, reduction, margin)


@kernel
def margin_ranking_loss_backward(
    dy: Array, x: Array, t: Array, v: Array, w: Array | None, wants: Wants, reduction: str, margin: float
) -> Gradients:
    """dx = -v dy where the loss is not below 0, and dt = -dx, those that are wanted."""
    lacks = (-v * (x - t) + margin >= 0).astype(x.dtype)
    dx = of_elements(dy, x, w, reduction) * (-v * lacks)
    return dx, -dx if wants[1] else None


@margin_ranking_loss_backward.cuda("float32", "float64", "float16", "bfloat16")
def margin_ranking_loss_backward_cuda(
    dy: Array, x: Array, t: Array, v: Array, w: Array | None, wants: Wants, reduction: str, margin: float
) -> Gradients:
    return _RANKING.backward(dy, x, t, v, w, wants, reduction, margin)


@kernel
def soft_margin_loss_forward(x: Array, t: Array, w: Array | None, reduction: str) -> Array:
    """log(1 + exp(-t x)), reduced."""
    return combined(-logsigmoid_forward(t * x), w, reduction)


@soft_margin_loss_forward.cuda("float32", "float64", "float16", "bfloat16")
def soft_margin_loss_forward_cuda(x: Array, t: Array, w: Array | None, reduction: str) -> Array:
    return _SOFT.forward(x, t, None, w, reduction)


@kernel
def soft_margin_loss_backward(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str
) -> Gradients:
    """dx = -t sigmoid(-t x) dy and dt = -x sigmoid(-t x) dy, those that are wanted."""
    z = t * x
    dz = logsigmoid_backward(xp_of(z).zeros_like(z) - of_elements(dy, x, w, reduction), z)
    return dz * t if wants[0] else None, dz * x if wants[1] else None


@soft_margin_loss_backward.cuda("float32", "float64", "float16", "bfloat16")
def soft_margin_loss_backward_cuda(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str
) -> Gradients:
    return _SOFT.backward(dy, x, t, None, w, wants, reduction)


class HingeEmbeddingLoss(Pointwise):
    """apply(x, t, None, reduction, margin)."""

    __slots__ = ()
    kernels = hinge_embedding_loss_forward, hinge_embedding_loss_backward
    derived = 1


class MarginRankingLoss(Pointwise):
    """apply(x, t, v, None, reduction, margin)."""

    __slots__ = ()
    kernels = margin_ranking_loss_forward, margin_ranking_loss_backward
    arrays = 4


class SoftMarginLoss(Pointwise):
    """apply(x, t, None, reduction)."""

    __slots__ = ()
    kernels = soft_margin_loss_forward, soft_margin_loss_backward
