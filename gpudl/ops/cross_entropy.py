"""Softmax cross-entropy with class indices as targets: logarithm, softmax and their gradients in one step.

For row x with target t, class weights w (1 without) and label smoothing s over C classes:

    loss = (1 - s) w[t] (lse - x[t]) + s/C sum_c w[c] (lse - x[c]),     lse = log sum_c exp(x[c])
    dx[c] = softmax(x)[c] ((1 - s) w[t] + s/C sum w) - (1 - s) w[t] [c = t] - s/C w[c]

Bridle 1990; one-pass form: Milakov & Gimelshein 2018, arXiv:1805.02867; smoothing: Szegedy et al. 2016,
arXiv:1512.00567, section 7.
"""

from __future__ import annotations

import numpy as np

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense
from gpudl.backend.dtypes import float32, float64, int64
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.class_rows import (
    Kept,
    Rule,
    check_classes,
    classes_last,
    factors_of_classes,
    hot_and_kept,
    of_rows,
    reduced,
    shifted_rows,
    weight_of_target,
)
from gpudl.ops.elementwise_loss import group_grid, meeting_place, upstream
from gpudl.ops.operands import narrowed, widened
from gpudl.ops.parts import PART_BYTES, rows_in_part
from gpudl.ops.soft_cross_entropy import loss_with_probabilities

__all__ = ["cross_entropy"]

_TEXT = CudaText(
    "math/numbers.cuh",
    "math/packs.cuh",
    "math/reduce.cuh",
    "math/softmax.cuh",
    "cuda/cross_entropy.cu",
    kernels=("cross_entropy_forward", "cross_entropy_backward"),
)


@kernel
def cross_entropy_forward(
    x: Array, target: Array, weight: Array | None, rule: Rule, with_powers: bool
) -> tuple[Array, Array | None, Array, Array, Array | None]:
    """Loss, for "mean" the divisor, and of rows high = max(x), powers = exp(x - high), mass = sum(powers)."""
    xp = xp_of(x)
    high, shifted = shifted_rows(widened(x))
    powers = xp.exp(shifted)
    mass = powers.sum(axis=1)
    lse = xp.log(mass)
    hot, kept = hot_and_kept(x, target, rule.ignore_index)
    own = xp.where(hot, shifted, xp.zeros_like(shifted)).sum(axis=1)
    loss = (lse - own) * weight_of_target(x, hot, weight)
    if rule.smoothing:
        spread = lse[:, None] - shifted if weight is None else (lse[:, None] - shifted) * weight
        loss = loss * (1 - rule.smoothing) + spread.sum(axis=1) * (rule.smoothing / x.shape[1])
    losses = narrowed(xp.where(kept, loss, xp.zeros_like(loss)), x.dtype)
    loss, divisor = reduced(losses, x, target, weight, rule)
    return loss, divisor, high, mass, powers if with_powers else None


@cross_entropy_forward.cpu("float32", "float64")
def cross_entropy_forward_cpu(
    x: Array, target: Array, weight: Array | None, rule: Rule, with_powers: bool
) -> tuple[Array, Array | None, Array, Array, Array | None]:
    smoothing = rule.smoothing
    kept = target != rule.ignore_index
    every = kept.all()
    given = target
    if not every:
        target = np.where(kept, target, 0)
    factors = factors_of_classes(x, weight) if smoothing else None
    rows = np.arange(len(target))
    if x.nbytes <= PART_BYTES:
        high = x.max(axis=1)
        powers = x - high[:, None]
        own = powers[rows, target]
        tilt = None if factors is None else powers @ factors
        np.exp(powers, out=powers)
        mass = powers.sum(axis=1)
    else:
        high, own, mass, tilt = np.empty((4, len(x)), x.dtype)
        count = rows_in_part(x)
        powers = np.empty(x.shape if with_powers else (count, x.shape[1]), x.dtype)
        for start in range(0, len(x), count):
            part = slice(start, start + count)
            out = powers[part] if with_powers else powers[: len(x) - start]
            np.subtract(x[part], x[part].max(axis=1, out=high[part])[:, None], out=out)
            own[part] = out[rows[: len(out)], target[part]]
            if factors is not None:
                np.einsum("ij,j->i", out, factors, out=tilt[part])
            np.exp(out, out=out)
            np.einsum("ij->i", out, out=mass[part])
    lse = np.log(mass)
    loss = lse - own
    if weight is not None:
        loss *= weight[target]
    if factors is not None:
        loss *= 1 - smoothing
        loss += (lse * factors.sum() - tilt) * (smoothing / x.shape[1])
    losses = loss if every else np.where(kept, loss, x.dtype.type(0))
    loss, divisor = reduced(losses, x, given, weight, rule)
    return loss, divisor, high, mass, powers if with_powers else None


@cross_entropy_forward.cuda("float32", "float64", "float16", "bfloat16")
def cross_entropy_forward_cuda(
    x: Array, target: Array, weight: Array | None, rule: Rule, with_powers: bool
) -> tuple[Array, Array | None, Array, Array, None]:
    if not x.size:
        return cross_entropy_forward.reference(x, target, weight, rule, False)  # type: ignore[no-any-return]
    xp, wide = xp_of(x), float64 if x.dtype == float64 else float32
    sums, divides = rule.reduction != "none", rule.reduction == "mean"
    grid, block = group_grid(x, meets=sums)
    loss = xp.empty(() if sums else len(x), x.dtype)
    divisor = xp.empty((), wide) if divides else None
    high, mass = xp.empty(len(x), wide), xp.empty(len(x), wide)
    meet = meeting_place(x, grid, 2) if sums else (None, None)
    given = dense(x), dense(target.astype(int64, copy=False)), None if weight is None else dense(weight)
    settings = *x.shape, rule.ignore_index, float(rule.smoothing), sums, divides
    _TEXT.launch("cross_entropy_forward", grid, block, *given, loss, divisor, high, mass, *meet, *settings)
    return loss, divisor, high, mass, None  # the gradient is had from x in the time it would take from the powers


@kernel
def cross_entropy_backward(
    dloss: Array, x: Array, target: Array, weight: Array | None, rule: Rule, kept: Kept, spend: bool
) -> Array:
    """dx for dloss, from what forward gave, or None to compute it again; in the memory of powers if `spend`."""
    xp = xp_of(x)
    dloss = of_rows(dloss, x, target, weight, rule, kept.divisor)
    wide = widened(x)
    mass, powers = kept.mass, kept.powers
    if mass is None or powers is None:
        powers = xp.exp(shifted_rows(wide)[1])
        mass = powers.sum(axis=1)
    smoothing = rule.smoothing
    hot, counts = hot_and_kept(x, target, rule.ignore_index)
    own = weight_of_target(x, hot, weight) * (1 - smoothing)
    dloss = xp.where(counts, dloss, xp.zeros_like(dloss))[:, None]
    push, pull = own, hot * own[:, None]
    if smoothing:
        every = xp.ones_like(x[:1]) if weight is None else weight[None, :]
        share = smoothing / x.shape[1]
        push, pull = own + every.sum() * share, pull + every * share
    return narrowed((powers * (push / mass)[:, None] - pull) * dloss, x.dtype)


@cross_entropy_backward.cpu("float32", "float64")
def cross_entropy_backward_cpu(
    dloss: Array, x: Array, target: Array, weight: Array | None, rule: Rule, kept: Kept, spend: bool
) -> Array:
    divisor, high, mass, powers = kept
    if high is None or mass is None:
        return cross_entropy_backward.reference(dloss, x, target, weight, rule, Kept(divisor), spend)
    dloss = of_rows(dloss, x, target, weight, rule, divisor)
    smoothing = rule.smoothing
    counts = target != rule.ignore_index
    if not counts.all():
        dloss, target = np.where(counts, dloss, x.dtype.type(0)), np.where(counts, target, 0)
    push = pull = dloss if weight is None else dloss * weight[target]
    if smoothing:
        every = factors_of_classes(x, weight) * (smoothing / x.shape[1])
        pull = pull * (1 - smoothing)
        push = pull + dloss * every.sum()
    factors = (push / mass)[:, None]
    if powers is not None and not smoothing:
        dx = np.multiply(powers, factors, out=powers if spend else None)
    else:
        dx = powers if spend and powers is not None else np.empty(x.shape, x.dtype)
        count = rows_in_part(x)
        for start in range(0, len(x), count):
            part = slice(start, start + count)
            out = dx[part]
            if powers is None:
                np.exp(np.subtract(x[part], high[part, None], out=out), out=out)
            np.multiply(out if powers is None else powers[part], factors[part], out=out)
            if smoothing:
                out -= dloss[part, None] * every
    dx[np.arange(len(target)), target] -= pull
    return dx


@cross_entropy_backward.cuda("float32", "float64", "float16", "bfloat16")
def cross_entropy_backward_cuda(
    dloss: Array, x: Array, target: Array, weight: Array | None, rule: Rule, kept: Kept, spend: bool
) -> Array:
    divisor, high, mass, _ = kept
    if high is None or mass is None or not x.size or (rule.reduction == "mean" and divisor is None):
        return cross_entropy_backward.reference(dloss, x, target, weight, rule, Kept(divisor), spend)
    dx = xp_of(x).empty(x.shape, x.dtype)
    dloss, each = upstream(dloss)
    given = dense(x), dense(target.astype(int64, copy=False)), None if weight is None else dense(weight)
    settings = *x.shape, each, rule.ignore_index, float(rule.smoothing)
    grid, block = group_grid(x)
    _TEXT.launch("cross_entropy_backward", grid, block, dloss, *given, divisor, high, mass, dx, *settings)
    return dx


class CrossEntropy(ReadsHalf):
    __slots__ = ("rule",)
    rule: Rule

    def forward(ctx, x: Array, target: Array, weight: Array | None, rule: Rule) -> Array:
        ctx.rule = rule
        recording = mode.enabled and ctx.edges[0] is not None
        loss, divisor, high, mass, powers = cross_entropy_forward(x, target, weight, rule, recording)
        ctx.save(x, target, weight, divisor, high, mass, powers)
        return loss

    def backward(ctx, dy: Array) -> Array:
        *rest, powers = ctx.saved
        if powers is not None:  # their memory becomes dx; another backward through this graph computes them again
            ctx.saved = (*rest, None)
        x, target, weight, divisor, high, mass = rest
        return cross_entropy_backward(dy, x, target, weight, ctx.rule, Kept(divisor, high, mass, powers), True)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Negative log-likelihood of the target class under softmax(input).

    loss[i] = logsumexp(input[i]) - input[i, target[i]]

    Args:
        input: (rows, classes), (classes,), or (rows, classes, ...) floating, unnormalized log-probabilities (nats).
        target: (rows,), () or (rows, ...) integer class indices, 0 <= target < classes; or the input's shape and
            dtype, probabilities.
        weight: (classes,) factor on each class, or None.
        ignore_index: rows with this target add nothing.
        reduction: "mean" (over the weights of the targets, or over the rows of probabilities) | "sum" | "none".
        label_smoothing: in [0, 1], the share of the target spread evenly over all classes.
    Returns: () for mean and sum, the target's shape for none; dtype of input.
    Raises: ShapeError if the shapes do not fit; IndexError for a target out of range (on the CPU); ValueError for
        another reduction; RuntimeError for other bad arguments; DeviceError if the devices differ.
    Gradient: softmax(input) - onehot(target), scaled; none for target and weight, except target probabilities.
    Kernel: kernels/cuda/cross_entropy.cu, for probabilities kernels/cuda/soft_cross_entropy.cu, a warp or a block a
        row, the mean in the same launch. On a GPU nobody looks at the targets beforehand; one that is out of range
        makes the loss nan.
    Source: Bridle 1990; Milakov & Gimelshein 2018, arXiv:1805.02867.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing}")
    if input.ndim == 0 or input.dtype.kind not in "fV":
        raise RuntimeError(f"cross_entropy: expected floating input with classes, got {input.dtype} {input.shape}")
    classes = input.shape[1 if input.ndim > 1 else 0]
    if weight is not None and (weight.shape != (classes,) or weight.dtype != input.dtype):
        raise ShapeError(f"cross_entropy: weight must be {input.dtype} ({classes},), got {weight.dtype} {weight.shape}")
    if target.dtype.kind in "fV":
        return loss_with_probabilities(input, target, weight, reduction, float(label_smoothing))
    if target.dtype.kind not in "iu":
        raise RuntimeError(f"cross_entropy: targets must be integer class indices or probabilities, got {target.dtype}")
    expected = (input.shape[0], *input.shape[2:]) if input.ndim > 1 else ()
    if target.shape != expected:
        raise ShapeError(f"cross_entropy: input {input.shape} needs a target of shape {expected}, got {target.shape}")
    if weight is not None and weight.requires_grad:
        raise RuntimeError("cross_entropy: the weights have no gradient beside class indices; give weight.detach()")
    check_classes(target.array, classes, ignore_index)
    rows = input if input.ndim == 2 else classes_last(input).reshape((-1, classes))
    flat = target if target.ndim == 1 else target.reshape((-1,))
    loss: Tensor = CrossEntropy.apply(rows, flat, weight, Rule(ignore_index, float(label_smoothing), reduction))
    return loss.reshape(target.shape) if reduction == "none" and target.ndim != 1 else loss
