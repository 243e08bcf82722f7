"""The kernels of softmax cross-entropy with probabilities as targets, as of mixed images and of distillation.

For row x with target p, class weights w (1 without) and label smoothing s over C classes:

    q[c] = w[c] ((1 - s) p[c] + s / C)      loss = sum_c q[c] (lse - x[c])      dx = softmax(x) sum(q) - q

Zhang et al. 2018, "mixup: Beyond empirical risk minimization", arXiv:1710.09412; Hinton et al. 2015, arXiv:1503.02531.
"""

from __future__ import annotations

from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense
from gpudl.backend.device import is_on_host
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.class_rows import classes_last, shifted_rows
from gpudl.ops.elementwise_loss import combined, group_grid, meeting_place, plain, upstream
from gpudl.ops.operands import narrowed, widened
from gpudl.ops.softmax import log_softmax

_TEXT = CudaText(
    "math/numbers.cuh",
    "math/packs.cuh",
    "math/reduce.cuh",
    "math/softmax.cuh",
    "cuda/soft_cross_entropy.cu",
    kernels=("soft_cross_entropy_forward", "soft_cross_entropy_backward"),
)


@kernel
def soft_cross_entropy_forward(
    x: Array, p: Array, weight: Array | None, smoothing: float, reduction: str
) -> tuple[Array, Array, Array, Array]:
    """The loss of rows x with targets p, and of rows high = max(x), mass = sum(exp(x - high)) and sum(q)."""
    xp = xp_of(x)
    high, shifted = shifted_rows(widened(x))
    mass, wanted = xp.exp(shifted).sum(axis=1), _wanted(p, weight, smoothing)
    losses = -((shifted - xp.log(mass)[:, None]) * wanted).sum(axis=1)
    return narrowed(combined(losses, None, reduction), x.dtype), high, mass, wanted.sum(axis=1)


@soft_cross_entropy_forward.cuda("float32", "float64", "float16", "bfloat16")
def soft_cross_entropy_forward_cuda(
    x: Array, p: Array, weight: Array | None, smoothing: float, reduction: str
) -> tuple[Array, Array, Array, Array]:
    if not x.size:
        return soft_cross_entropy_forward.reference(x, p, weight, smoothing, reduction)  # type: ignore[no-any-return]
    xp, wide, sums = xp_of(x), float64 if x.dtype == float64 else float32, reduction != "none"
    grid, block = group_grid(x, meets=sums)
    loss = xp.empty(() if sums else len(x), x.dtype)
    high, mass, heft = (xp.empty(len(x), wide) for _ in range(3))
    meet = meeting_place(x, grid) if sums else (None, None)
    given = dense(x), dense(p), None if weight is None else dense(weight)
    settings = *x.shape, float(smoothing), sums, _divisor(x, reduction)
    _TEXT.launch("soft_cross_entropy_forward", grid, block, *given, loss, high, mass, heft, *meet, *settings)
    return loss, high, mass, heft


@kernel
def soft_cross_entropy_backward(
    dloss: Array,
    x: Array,
    p: Array,
    weight: Array | None,
    high: Array | None,
    mass: Array | None,
    heft: Array | None,
    smoothing: float,
    reduction: str,
) -> Array:
    """dx for dloss, from what forward gave, or None to compute it again."""
    wide = widened(dloss) / _divisor(x, reduction)
    powers = xp_of(x).exp(shifted_rows(widened(x))[1])
    wanted = _wanted(p, weight, smoothing)
    softmax = powers / powers.sum(axis=1)[:, None]
    dx = softmax * wanted.sum(axis=1)[:, None] - wanted
    return narrowed(dx * (wide[:, None] if reduction == "none" else wide), x.dtype)


@soft_cross_entropy_backward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def soft_cross_entropy_backward_cuda(
    dloss: Array,
    x: Array,
    p: Array,
    weight: Array | None,
    high: Array | None,
    mass: Array | None,
    heft: Array | None,
    smoothing: float,
    reduction: str,
) -> Array:
    if high is None or not x.size:
        args = dloss, x, p, weight, high, mass, heft, smoothing, reduction
        return soft_cross_entropy_backward.reference(*args)
    dx = xp_of(x).empty(x.shape, x.dtype)
    dloss, each = upstream(dloss)
    given = dloss, dense(x), dense(p), None if weight is None else dense(weight), high, mass, heft
    settings = *x.shape, each, float(smoothing), _divisor(x, reduction)
    _TEXT.launch("soft_cross_entropy_backward", *group_grid(x), *given, dx, *settings)
    return dx


def _wanted(p: Array, weight: Array | None, smoothing: float) -> Array:
    """q, (rows, classes)."""
    q = widened(p)
    if smoothing:
        q = q * (1 - smoothing) + smoothing / p.shape[1]
    return q if weight is None else q * widened(weight)


def _divisor(x: Any, reduction: str) -> float:
    return float(max(x.shape[0], 1)) if reduction == "mean" else 1.0


class SoftCrossEntropy(ReadsHalf):
    """apply(x, p, weight, smoothing, reduction): a gradient for x alone."""

    __slots__ = ("settings",)
    settings: tuple[float, str]

    def forward(ctx, x: Array, p: Array, weight: Array | None, smoothing: float, reduction: str) -> Array:
        ctx.settings = smoothing, reduction
        loss, *kept = soft_cross_entropy_forward(x, p, weight, smoothing, reduction)
        ctx.save(x, p, weight, *kept)
        return loss

    def backward(ctx, dy: Array) -> Array:
        return soft_cross_entropy_backward(dy, *ctx.saved, *ctx.settings)


def loss_with_probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    """Cross-entropy where the targets are probabilities.

    Raises: ShapeError unless they have the input's shape.
    """
    if target.shape != input.shape:
        raise ShapeError(f"cross_entropy: probabilities need the input's shape {input.shape}, got {target.shape}")
    constants = target.dtype == input.dtype and not target.requires_grad and plain(weight, input)
    if constants and input.array.size and not is_on_host(input.array):
        if input.ndim == 2:
            return SoftCrossEntropy.apply(input, target, weight, smoothing, reduction)  # type: ignore[no-any-return]
        logits = classes_last(input)
        rows = (each.reshape((-1, logits.shape[-1])) for each in (logits, classes_last(target)))
        loss: Tensor = SoftCrossEntropy.apply(*rows, weight, smoothing, reduction)
        return loss.reshape(logits.shape[:-1]) if reduction == "none" else loss
    logs, wanted = log_softmax(classes_last(input), -1), classes_last(target)
    if smoothing:
        wanted = wanted * (1 - smoothing) + smoothing / max(logs.shape[-1], 1)
    losses: Tensor = -(logs * wanted if weight is None else logs * wanted * weight).sum(-1)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / (losses.array.size if logs.shape[-1] else 0)
