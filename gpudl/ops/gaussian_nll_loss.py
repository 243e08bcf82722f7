"""The negative log-likelihood of normal variables with a variance of their own.

    loss = (log(v) + (x - t)**2 / v) / 2

Nix & Weigend 1994, "Estimating the mean and variance of the target probability distribution".
"""

from __future__ import annotations

import math

from gpudl.autograd.primitive import as_array
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.create import ones_like
from gpudl.ops.elementwise_loss import AtLeast, LossText, Pointwise, combined, of_elements, together
from gpudl.ops.exp import log
from gpudl.ops.loss_checks import check_variances
from gpudl.ops.reduced import check_floating, check_reduction, reduced

__all__ = ["gaussian_nll_loss"]

Wants = tuple[bool, ...]
_TEXT = LossText("math/gaussian_nll_loss.cuh", "GaussianLoss")
_CONSTANT = 0.5 * math.log(2 * math.pi)


@kernel
def gaussian_nll_loss_forward(
    x: Array, t: Array, v: Array, w: Array | None, reduction: str, eps: float, full: bool
) -> Array:
    """(log(s) + (x - t)**2 / s) / 2 with s = max(v, eps), a constant added if `full`, reduced. x, t, v: one shape."""
    xp = xp_of(x)
    spread, d = xp.maximum(v, eps), x - t
    losses = 0.5 * (xp.log(spread) + d * d / spread)
    return combined(as_array(losses + _CONSTANT if full else losses), w, reduction)


@gaussian_nll_loss_forward.cuda("float32", "float64", "float16", "bfloat16")
def gaussian_nll_loss_forward_cuda(
    x: Array, t: Array, v: Array, w: Array | None, reduction: str, eps: float, full: bool
) -> Array:
    return _TEXT.forward(x, t, v, w, reduction, eps, _CONSTANT if full else 0.0)


@kernel
def gaussian_nll_loss_backward(
    dy: Array, x: Array, t: Array, v: Array, w: Array | None, wants: Wants, reduction: str, eps: float, full: bool
) -> tuple[Array | None, ...]:
    """dx = (x - t) / s dy, dt = -dx, dv = (1 - (x - t)**2 / s) / (2 s) dy, those that are wanted."""
    dy, d = of_elements(dy, x, w, reduction), x - t
    spread = AtLeast.apply(v, eps) if isinstance(v, Tensor) else xp_of(v).maximum(v, eps)
    dx = d / spread * dy
    return dx, -dx if wants[1] else None, dy * 0.5 * (1 - d * d / spread) / spread if wants[2] else None


@gaussian_nll_loss_backward.cuda("float32", "float64", "float16", "bfloat16")
def gaussian_nll_loss_backward_cuda(
    dy: Array, x: Array, t: Array, v: Array, w: Array | None, wants: Wants, reduction: str, eps: float, full: bool
) -> tuple[Array | None, ...]:
    return _TEXT.backward(dy, x, t, v, w, wants, reduction, eps, 0.0)


class GaussianNllLoss(Pointwise):
    __slots__ = ()
    kernels = gaussian_nll_loss_forward, gaussian_nll_loss_backward
    arrays, derived = 4, 3


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
    Kernel: kernels/cuda/elementwise_loss.cu with kernels/math/gaussian_nll_loss.cuh, 16 bytes a thread, the mean in the
        same launch.
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
    if not input.dtype == target.dtype == var.dtype:
        spread: Tensor = AtLeast.apply(var, eps)
        difference = input - target
        losses = 0.5 * (log(spread) + difference * difference / spread)
        return reduced(losses + _CONSTANT if full else losses, reduction)
    x, t, v = together(input, target, var)
    return GaussianNllLoss.apply(x, t, v, None, reduction, float(eps), full)  # type: ignore[no-any-return]
