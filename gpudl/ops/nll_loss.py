"""The negative log-likelihood of classes, from logarithms of probabilities.

    loss[i] = -weight[t[i]] x[i, t[i]]

Fisher 1922, "On the mathematical foundations of theoretical statistics".
"""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.primitive import as_array
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense, spread
from gpudl.backend.dtypes import float32, float64, int64
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.class_rows import Kept
from gpudl.ops.elementwise_loss import meeting_grid, meeting_place, upstream
from gpudl.ops.loss_checks import check_labels
from gpudl.ops.operands import broadcast, narrowed, widened
from gpudl.ops.reduced import check_floating, check_reduction
from gpudl.ops.scattered import Scatter, scattered

__all__ = ["nll_loss"]

_TEXT = CudaText(
    "math/numbers.cuh",
    "math/packs.cuh",
    "math/reduce.cuh",
    "cuda/nll_loss.cu",
    kernels=("nll_loss_forward", "nll_loss_backward"),
)


@kernel
def nll_loss_forward(
    x: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str
) -> tuple[Array, Array | None]:
    """-weight[t] x[t], reduced, and the divisor of a mean. x: (rows, classes, places), target: (rows, places)."""
    xp = xp_of(x)
    weight = None if weight is None else widened(weight)
    index, kept, factor = _factors(widened(x[:0]), target, weight, ignore_index, len(x))
    losses = xp.where(kept, x[index] * -factor, xp.zeros_like(factor))  # what is ignored may be infinite
    if reduction == "none":
        return narrowed(losses, x.dtype), None
    if reduction == "sum":
        return narrowed(as_array(losses.sum()), x.dtype), None
    divisor = as_array(factor.sum())
    return narrowed(as_array(losses.sum() / divisor), x.dtype), divisor


@nll_loss_forward.cuda("float32", "float64", "float16", "bfloat16")
def nll_loss_forward_cuda(
    x: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str
) -> tuple[Array, Array | None]:
    xp, sums, divides = xp_of(x), reduction != "none", reduction == "mean"
    wide = float64 if x.dtype == float64 else float32
    loss = xp.empty(() if sums else target.shape, x.dtype)
    divisor = xp.empty((), wide) if divides else None
    grid, block = meeting_grid(target) if sums else spread(target)
    given = dense(x), dense(target.astype(int64, copy=False)), None if weight is None else dense(weight)
    settings = target.size, x.shape[1], max(x.shape[2], 1), ignore_index, sums, divides
    _TEXT.launch("nll_loss_forward", grid, block, *given, loss, divisor, *meeting_place(x, grid, 2), *settings)
    return loss, divisor


@kernel
def nll_loss_backward(
    dy: Array,
    target: Array,
    weight: Array | None,
    kept: Kept,
    shape: tuple[int, ...],
    ignore_index: int,
    reduction: str,
) -> Array:
    """dx of a shape, zeros but for -weight[t] dy at the target; the divisor of a mean as forward gave it, or None."""
    index, counts, factor = _factors(dy, target, weight, ignore_index, len(target))
    lengths = _lengths(shape)
    if isinstance(dy, Tensor):
        counts, factor = wrap(counts, None), wrap(factor, None)
    if reduction == "mean":
        dy = dy / factor.sum()
    dy = broadcast(dy, target.shape) * -factor
    dy = xp_of(dy).where(counts, dy, xp_of(dy).zeros_like(dy))  # the mean of none is nan
    dx = Scatter.apply(dy, index, lengths) if isinstance(dy, Tensor) else scattered(dy, index, lengths)
    return dx if shape == lengths else dx.reshape(shape)


@nll_loss_backward.cuda("float32", "float64", "float16", "bfloat16")
def nll_loss_backward_cuda(
    dy: Array,
    target: Array,
    weight: Array | None,
    kept: Kept,
    shape: tuple[int, ...],
    ignore_index: int,
    reduction: str,
) -> Array:
    if reduction == "mean" and kept.divisor is None:
        return nll_loss_backward.reference(dy, target, weight, kept, shape, ignore_index, reduction)
    _, classes, places = _lengths(shape)
    dx = xp_of(dy).empty(shape, dy.dtype)
    dy, each = upstream(dy)
    given = dense(target.astype(int64, copy=False)), None if weight is None else dense(weight), kept.divisor
    settings = dx.size, classes, places, ignore_index, each
    _TEXT.launch("nll_loss_backward", *spread(dx), dy, *given, dx, *settings)
    return dx


def _factors(
    like: Array, target: Array, weight: Array | None, ignore_index: int, rows: int
) -> tuple[Any, Array, Array]:
    """Where in x the targets are; whether each counts; by how much."""
    xp = xp_of(target)
    kept = target != ignore_index
    labels = xp.where(kept, target, 0)
    factor = kept.astype(like.dtype) if weight is None else xp.where(kept, weight[labels], xp.zeros_like(weight[:1]))
    return (xp.arange(rows)[:, None], labels, xp.arange(target.shape[1])), kept, factor


class NllLoss(ReadsHalf):
    __slots__ = ("ignore_index", "reduction", "shape")
    ignore_index: int
    reduction: str
    shape: tuple[int, ...]

    def forward(ctx, x: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str) -> Array:
        ctx.shape, ctx.ignore_index, ctx.reduction = x.shape, ignore_index, reduction
        rows, classes, places = _lengths(x.shape)
        shaped = x.reshape((rows, classes, places)), target.reshape((rows, places))
        loss, divisor = nll_loss_forward(*shaped, weight, ignore_index, reduction)
        ctx.save(target, weight, divisor)
        return loss.reshape(target.shape if x.ndim > 1 else ()) if reduction == "none" else loss

    def backward(ctx, dy: Array) -> Array:
        target, weight, divisor = (each.array if isinstance(each, Tensor) else each for each in ctx.saved)
        rows, _, places = _lengths(ctx.shape)
        dy = dy.reshape((rows, places)) if ctx.reduction == "none" else dy
        given = target.reshape((rows, places)), weight, Kept(divisor), ctx.shape
        return nll_loss_backward(dy, *given, ctx.ignore_index, ctx.reduction)


def _lengths(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Rows, classes and places of an input of this shape."""
    return (shape[0], shape[1], math.prod(shape[2:])) if len(shape) > 1 else (1, shape[0], 1)


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
    Kernel: kernels/cuda/nll_loss.cu, one launch each way; on a GPU nobody looks at the targets beforehand, and one that
        is out of range makes the loss nan.
    Source: Fisher 1922.
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
    return NllLoss.apply(input, target, weight, ignore_index, reduction)  # type: ignore[no-any-return]
