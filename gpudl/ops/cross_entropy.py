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
from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.operands import broadcast, counting, narrowed, widened
from gpudl.ops.parts import PART_BYTES, rows_in_part
from gpudl.ops.softmax import log_softmax

__all__ = ["cross_entropy"]


@kernel
def cross_entropy_forward(
    x: Array, target: Array, weight: Array | None, ignore_index: int, smoothing: float, with_powers: bool
) -> tuple[Array, Array, Array, Array | None]:
    """Losses, high = max(x), mass = sum(powers), (rows,) each, and powers = exp(x - high). x: (rows, classes)."""
    xp = xp_of(x)
    high, shifted = _shifted(widened(x))
    powers = xp.exp(shifted)
    mass = powers.sum(axis=1)
    lse = xp.log(mass)
    hot, kept = _hot(x, target, ignore_index)
    own = xp.where(hot, shifted, xp.zeros_like(shifted)).sum(axis=1)
    loss = (lse - own) * _weight_of_target(x, hot, weight)
    if smoothing:
        spread = lse[:, None] - shifted if weight is None else (lse[:, None] - shifted) * weight
        loss = loss * (1 - smoothing) + spread.sum(axis=1) * (smoothing / x.shape[1])
    losses = narrowed(xp.where(kept, loss, xp.zeros_like(loss)), x.dtype)
    return losses, high, mass, powers if with_powers else None


@cross_entropy_forward.cpu("float32", "float64")
def cross_entropy_forward_cpu(
    x: Array, target: Array, weight: Array | None, ignore_index: int, smoothing: float, with_powers: bool
) -> tuple[Array, Array, Array, Array | None]:
    kept = target != ignore_index
    every = kept.all()
    if not every:
        target = np.where(kept, target, 0)
    factors = _factors(x, weight) if smoothing else None
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
    return loss if every else np.where(kept, loss, x.dtype.type(0)), high, mass, powers if with_powers else None


@kernel
def cross_entropy_backward(
    dloss: Array,
    x: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    smoothing: float,
    high: Array | None,
    mass: Array | None,
    powers: Array | None,
    spend: bool,
) -> Array:
    """dx for dloss (rows,), from what forward gave, or None to compute it again; in the memory of powers if `spend`."""
    xp = xp_of(x)
    wide = widened(x)
    if mass is None or powers is None:
        powers = xp.exp(_shifted(wide)[1])
        mass = powers.sum(axis=1)
    hot, kept = _hot(x, target, ignore_index)
    own = _weight_of_target(x, hot, weight) * (1 - smoothing)
    dloss = xp.where(kept, dloss, xp.zeros_like(dloss))[:, None]
    push, pull = own, hot * own[:, None]
    if smoothing:
        every = xp.ones_like(x[:1]) if weight is None else weight[None, :]
        share = smoothing / x.shape[1]
        push, pull = own + every.sum() * share, pull + every * share
    return narrowed((powers * (push / mass)[:, None] - pull) * dloss, x.dtype)


@cross_entropy_backward.cpu("float32", "float64")
def cross_entropy_backward_cpu(
    dloss: Array,
    x: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    smoothing: float,
    high: Array,
    mass: Array,
    powers: Array | None,
    spend: bool,
) -> Array:
    if high is None:
        return cross_entropy_backward.reference(dloss, x, target, weight, ignore_index, smoothing, *[None] * 3, spend)
    kept = target != ignore_index
    if not kept.all():
        dloss, target = np.where(kept, dloss, x.dtype.type(0)), np.where(kept, target, 0)
    push = pull = dloss if weight is None else dloss * weight[target]
    if smoothing:
        every = _factors(x, weight) * (smoothing / x.shape[1])
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


@kernel
def check_classes(target: Array, classes: int, ignore_index: int) -> None:
    """Nothing here: to look at the labels would make a device wait for them."""


@check_classes.cpu("int64", "int32", "int16", "int8", "uint8")
def check_classes_cpu(target: Array, classes: int, ignore_index: int) -> None:
    if target.size and target.view(f"u{target.itemsize}").max() < classes:
        return  # seen as unsigned, negative numbers are too large as well
    bad = target[(target < 0) | (target >= classes)]
    bad = bad[bad != ignore_index]
    if bad.size:
        raise IndexError(f"cross_entropy: target {int(bad[0])} is out of range for {classes} classes, counted from 0")


def _hot(x: Array, target: Array, ignore_index: int) -> tuple[Array, Array]:
    """(rows, classes) bool, true at the target; (rows,) bool, false for rows to ignore."""
    return target[:, None] == counting(x, x.shape[1]), target != ignore_index


def _weight_of_target(x: Array, hot: Array, weight: Array | None) -> Array:
    """The class weight of each row's target, (rows,)."""
    xp = xp_of(x)
    if weight is None:
        return xp.ones_like(x[:, 0])
    return xp.where(hot, weight[None, :], xp.zeros_like(x)).sum(axis=1)


def _shifted(x: Array) -> tuple[Array, Array]:
    """The largest of each row, (rows,), and the row less that."""
    high = xp_of(x).amax(x, axis=1)
    return high, x - high[:, None]


def _factors(x: Array, weight: Array | None) -> Array:
    """The weight of each class, (classes,)."""
    return xp_of(x).ones(x.shape[1], x.dtype) if weight is None else weight


def _divisor(x: Array, target: Array, weight: Array | None, ignore_index: int) -> Array:
    """What the mean divides by: the weights of the targets that are not ignored, a 0-d array."""
    if weight is None:
        return (target != ignore_index).sum().astype(widened(x[:0]).dtype)
    hot, kept = _hot(x, target, ignore_index)
    return (widened(_weight_of_target(x, hot, weight)) * kept).sum()


class CrossEntropy(Primitive):
    __slots__ = ("ignore_index", "reduction", "smoothing")
    ignore_index: int
    smoothing: float
    reduction: str

    def forward(
        ctx, x: Array, target: Array, weight: Array | None, ignore_index: int, smoothing: float, reduction: str
    ) -> Array:
        ctx.ignore_index, ctx.smoothing, ctx.reduction = ignore_index, smoothing, reduction
        recording = mode.enabled and ctx.edges[0] is not None
        losses, high, mass, powers = cross_entropy_forward(x, target, weight, ignore_index, smoothing, recording)
        divisor = _divisor(x, target, weight, ignore_index) if reduction == "mean" else None
        ctx.save(x, target, weight, high, mass, divisor, powers)
        if reduction == "none":
            return losses
        loss = widened(losses).sum()
        return narrowed(loss if divisor is None else loss / divisor, x.dtype)

    def backward(ctx, dy: Array) -> Array:
        x, target, weight, high, mass, divisor, powers = ctx.saved
        if powers is not None:  # their memory becomes dx; another backward through this graph computes them again
            ctx.saved = (x, target, weight, high, mass, divisor, None)
        if ctx.reduction == "mean":
            dy = dy / (_divisor(x, target, weight, ctx.ignore_index) if divisor is None else divisor)
        if ctx.reduction != "none":
            dy = broadcast(dy, target.shape)
        return cross_entropy_backward(dy, x, target, weight, ctx.ignore_index, ctx.smoothing, high, mass, powers, True)


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
        return _with_probabilities(input, target, weight, reduction, float(label_smoothing))
    if target.dtype.kind not in "iu":
        raise RuntimeError(f"cross_entropy: targets must be integer class indices or probabilities, got {target.dtype}")
    expected = (input.shape[0], *input.shape[2:]) if input.ndim > 1 else ()
    if target.shape != expected:
        raise ShapeError(f"cross_entropy: input {input.shape} needs a target of shape {expected}, got {target.shape}")
    if weight is not None and weight.requires_grad:
        raise RuntimeError("cross_entropy: the weights have no gradient beside class indices; give weight.detach()")
    check_classes(target.array, classes, ignore_index)
    rows = input if input.ndim == 2 else _classes_last(input).reshape((-1, classes))
    flat = target if target.ndim == 1 else target.reshape((-1,))
    loss: Tensor = CrossEntropy.apply(rows, flat, weight, ignore_index, float(label_smoothing), reduction)
    return loss.reshape(target.shape) if reduction == "none" and target.ndim != 1 else loss


def _classes_last(input: Tensor) -> Tensor:
    return input if input.ndim == 1 else input.permute((0, *range(2, input.ndim), 1))


def _with_probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    if target.shape != input.shape:
        raise ShapeError(f"cross_entropy: probabilities need the input's shape {input.shape}, got {target.shape}")
    logs, wanted = log_softmax(_classes_last(input), -1), _classes_last(target)
    if smoothing:
        wanted = wanted * (1 - smoothing) + smoothing / max(logs.shape[-1], 1)
    losses: Tensor = -(logs * wanted if weight is None else logs * wanted * weight).sum(-1)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / (losses.array.size if logs.shape[-1] else 0)
