"""What the kernels of cross-entropy with class indices share: who is a row's class, what it weighs, and how losses of
rows become the loss."""

from __future__ import annotations

from typing import NamedTuple

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.bounds import look
from gpudl.backend.debug import debugging
from gpudl.backend.kernel import kernel
from gpudl.ops.operands import broadcast, counting, narrowed, widened


class Rule(NamedTuple):
    """The settings of a cross-entropy, see there."""

    ignore_index: int
    smoothing: float
    reduction: str


class Kept(NamedTuple):
    """What forward gives for backward, where it does: for "mean" the divisor; of rows high = max(x), powers =
    exp(x - high), mass = sum(powers). On devices half floats have them in float32."""

    divisor: Array | None = None
    high: Array | None = None
    mass: Array | None = None
    powers: Array | None = None


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
        raise _out_of_range(classes, int(bad[0]))


@check_classes.cuda("int64", "int32", "int16", "int8", "uint8")
def check_classes_cuda(target: Array, classes: int, ignore_index: int) -> None:
    if debugging():
        look(target, 0, classes, lambda bad: _out_of_range(classes, bad), ignore_index)


def _out_of_range(classes: int, bad: int) -> IndexError:
    return IndexError(f"cross_entropy: target {bad} is out of range for {classes} classes, counted from 0")


def hot_and_kept(x: Array, target: Array, ignore_index: int) -> tuple[Array, Array]:
    """(rows, classes) bool, true at the target; (rows,) bool, false for rows to ignore."""
    return target[:, None] == counting(x, x.shape[1]), target != ignore_index


def weight_of_target(x: Array, hot: Array, weight: Array | None) -> Array:
    """The class weight of each row's target, (rows,)."""
    xp = xp_of(x)
    if weight is None:
        return xp.ones_like(x[:, 0])
    return xp.where(hot, weight[None, :], xp.zeros_like(x)).sum(axis=1)


def shifted_rows(x: Array) -> tuple[Array, Array]:
    """The largest of each row, (rows,), and the row less that."""
    high = xp_of(x).amax(x, axis=1)
    return high, x - high[:, None]


def factors_of_classes(x: Array, weight: Array | None) -> Array:
    """The weight of each class, (classes,)."""
    return xp_of(x).ones(x.shape[1], x.dtype) if weight is None else weight


def reduced(losses: Array, x: Array, target: Array, weight: Array | None, rule: Rule) -> tuple[Array, Array | None]:
    """The loss that is asked for, and for "mean" the divisor."""
    if rule.reduction == "none":
        return losses, None
    divisor = divisor_of_mean(x, target, weight, rule.ignore_index) if rule.reduction == "mean" else None
    loss = widened(losses).sum()
    return narrowed(loss if divisor is None else loss / divisor, x.dtype), divisor


def of_rows(dloss: Array, x: Array, target: Array, weight: Array | None, rule: Rule, divisor: Array | None) -> Array:
    """The gradient of each row's loss, (rows,)."""
    if rule.reduction == "mean":
        dloss = dloss / (divisor_of_mean(x, target, weight, rule.ignore_index) if divisor is None else divisor)
    return dloss if rule.reduction == "none" else broadcast(dloss, target.shape)


def divisor_of_mean(x: Array, target: Array, weight: Array | None, ignore_index: int) -> Array:
    """What the mean divides by: the weights of the targets that are not ignored, a 0-d array."""
    if weight is None:
        return (target != ignore_index).sum().astype(widened(x[:0]).dtype)
    hot, kept = hot_and_kept(x, target, ignore_index)
    return (widened(weight_of_target(x, hot, weight)) * kept).sum()


def classes_last(input: Tensor) -> Tensor:
    """The input with its classes as the last dimension."""
    return input if input.ndim == 1 else input.permute((0, *range(2, input.ndim), 1))
