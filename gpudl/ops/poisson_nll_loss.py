"""The negative log-likelihood of counts that are Poisson distributed.

loss = x - t log(x), the rate x > 0; t! by Stirling's formula. McCullagh & Nelder 1989, "Generalized Linear Models".
"""

from __future__ import annotations

import math

from gpudl.autograd.primitive import as_array
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.elementwise import where
from gpudl.ops.elementwise_loss import LossText, Pointwise, combined, of_elements, together
from gpudl.ops.exp import exp, log
from gpudl.ops.reduced import check_reduction, reduced

__all__ = ["poisson_nll_loss"]

Wants = tuple[bool, ...]
_TEXT = LossText("math/poisson_nll_loss.cuh", "PoissonLoss")


@kernel
def poisson_nll_loss_forward(
    x: Array, t: Array, w: Array | None, reduction: str, eps: float | None, full: bool
) -> Array:
    """exp(x) - t x without eps, else x - t log(x + eps), log(t!) added if `full`, reduced. x, t: one shape."""
    xp = xp_of(x)
    losses = xp.exp(x) - t * x if eps is None else x - t * xp.log(x + eps)
    if full:
        stirling = t * xp.log(t) - t + 0.5 * xp.log(2 * math.pi * t)
        losses = losses + xp.where(t <= 1, xp.zeros_like(t), stirling)
    return combined(as_array(losses), w, reduction)


@poisson_nll_loss_forward.cuda("float32", "float64", "float16", "bfloat16")
def poisson_nll_loss_forward_cuda(
    x: Array, t: Array, w: Array | None, reduction: str, eps: float | None, full: bool
) -> Array:
    return _TEXT.forward(x, t, None, w, reduction, -1.0 if eps is None else float(eps), float(full))


@kernel
def poisson_nll_loss_backward(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str, eps: float | None, full: bool
) -> tuple[Array | None, ...]:
    """dx = (exp(x) - t) dy, or (1 - t / (x + eps)) dy, and dt, where it is wanted."""
    xp, dy = xp_of(x), of_elements(dy, x, w, reduction)
    dx = dy * (xp.exp(x) - t if eps is None else 1 - t / (x + eps))
    if not wants[1]:
        return dx, None
    dt = -x if eps is None else -xp.log(x + eps)
    if full:
        dt = dt + xp.where(t <= 1, xp.zeros_like(t), xp.log(t) + 0.5 / t)
    return dx, dy * dt


@poisson_nll_loss_backward.cuda("float32", "float64", "float16", "bfloat16")
def poisson_nll_loss_backward_cuda(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str, eps: float | None, full: bool
) -> tuple[Array | None, ...]:
    return _TEXT.backward(dy, x, t, None, w, wants, reduction, -1.0 if eps is None else float(eps), float(full))


class PoissonNllLoss(Pointwise):
    __slots__ = ()
    kernels = poisson_nll_loss_forward, poisson_nll_loss_backward


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
    Kernel: kernels/cuda/elementwise_loss.cu with kernels/math/poisson_nll_loss.cuh, 16 bytes a thread, the mean in the
        same launch.
    Source: McCullagh & Nelder 1989, "Generalized Linear Models".
    """
    check_reduction("poisson_nll_loss", reduction)
    if input.dtype != target.dtype or input.dtype.kind not in "fV":
        losses = exp(input) - target * input if log_input else input - target * log(input + eps)
        if full:
            stirling = target * log(target) - target + 0.5 * log(2 * math.pi * target)
            losses = losses + where(target <= 1, 0.0, stirling).to(losses.dtype)
        return reduced(losses, reduction)
    x, t = together(input, target)
    return PoissonNllLoss.apply(x, t, None, reduction, None if log_input else eps, full)  # type: ignore[no-any-return]
