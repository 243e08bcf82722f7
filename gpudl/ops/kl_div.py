"""The divergence of two distributions.

Kullback & Leibler 1951, "On information and sufficiency", Ann. Math. Statist. 22.
"""

from __future__ import annotations

from gpudl.autograd.primitive import as_array
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.elementwise_loss import LossText, Pointwise, combined, of_elements, together
from gpudl.ops.operands import promoted
from gpudl.ops.reduced import check_floating, check_reduction

__all__ = ["kl_div"]

Wants = tuple[bool, ...]
_TEXT = LossText("math/kl_div.cuh", "DivergenceLoss")


@kernel
def kl_div_forward(x: Array, t: Array, w: Array | None, reduction: str, log_target: bool) -> Array:
    """t (log(t) - x), 0 where t is 0; or exp(t) (t - x); reduced. x, t: one shape."""
    xp = xp_of(x)
    if log_target:
        return combined(as_array(xp.exp(t) * (t - x)), w, reduction)
    return combined(as_array(xp.where(t == 0, xp.zeros_like(t), t * xp.log(t)) - t * x), w, reduction)


@kl_div_forward.cuda("float32", "float64", "float16", "bfloat16")
def kl_div_forward_cuda(x: Array, t: Array, w: Array | None, reduction: str, log_target: bool) -> Array:
    return _TEXT.forward(x, t, None, w, reduction, float(log_target))


@kernel
def kl_div_backward(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str, log_target: bool
) -> tuple[Array | None, ...]:
    """dx = -t dy, and dt, where it is wanted, nan where t is 0."""
    xp, dy = xp_of(x), of_elements(dy, x, w, reduction)
    mass = xp.exp(t) if log_target else t
    dx = -mass * dy
    if not wants[1]:
        return dx, None
    return dx, dy * (mass * (t - x + 1) if log_target else xp.log(t) + t / t - x)


@kl_div_backward.cuda("float32", "float64", "float16", "bfloat16")
def kl_div_backward_cuda(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str, log_target: bool
) -> tuple[Array | None, ...]:
    return _TEXT.backward(dy, x, t, None, w, wants, reduction, float(log_target))


class KlDiv(Pointwise):
    __slots__ = ()
    kernels = kl_div_forward, kl_div_backward


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
    Kernel: kernels/cuda/elementwise_loss.cu with kernels/math/kl_div.cuh, 16 bytes a thread, the mean in the same
        launch.
    Source: Kullback & Leibler 1951.
    """
    if reduction != "batchmean":
        check_reduction("kl_div", reduction)
    check_floating("kl_div", input=input, target=target)
    x, t = together(*promoted("kl_div", input, target))
    if reduction == "batchmean":
        added: Tensor = KlDiv.apply(x, t, None, "sum", log_target)
        return added / input.shape[0] if input.ndim else added
    return KlDiv.apply(x, t, None, reduction, log_target)  # type: ignore[no-any-return]
