"""Losses of classes and labels that are no likelihoods of one class: logistic ones, and margins between classes.

Margins: Weston & Watkins 1999, "Support vector machines for multi-class pattern recognition".
"""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops.elementwise import where
from gpudl.ops.elementwise_loss import together
from gpudl.ops.loss_checks import check_labels
from gpudl.ops.margins import SoftMarginLoss
from gpudl.ops.operands import counting
from gpudl.ops.reduced import check_factor, check_floating, check_reduction, reduced
from gpudl.ops.relu import relu
from gpudl.ops.softplus import logsigmoid

__all__ = ["multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "soft_margin_loss"]


def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target * input)), without overflow.

    Args:
        input: floating.
        target: 1 or -1, a shape that broadcasts to the input's.
        reduction: "mean" | "sum" | "none".
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError if the shapes do not fit; RuntimeError for integers; ValueError for another reduction.
    Gradient: -target * sigmoid(-target * input).
    Kernel: kernels/cuda/elementwise_loss.cu with kernels/math/margins.cuh.
    """
    check_reduction("soft_margin_loss", reduction)
    check_floating("soft_margin_loss", input=input)
    check_factor("soft_margin_loss", input, target=target)
    if target.dtype == input.dtype:
        x, t = together(input, target)
        return SoftMarginLoss.apply(x, t, None, reduction)  # type: ignore[no-any-return]
    return reduced(-logsigmoid(target * input), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """The mean over classes of the binary cross-entropy of logits: any number of labels per row.

    Args:
        input: (..., classes) floating, logits.
        target: 0 or 1, a shape that broadcasts with the input's.
        weight: a factor on each class, (classes,), or None.
        reduction: "mean" | "sum" | "none".
    Returns: () for mean and sum, the shape without classes for none.
    Raises: ShapeError if the shapes do not broadcast; IndexError for input without dimensions; RuntimeError for
        integers; ValueError for another reduction.
    Gradient: (sigmoid(input) - target) / classes.
    """
    if not input.ndim:
        raise IndexError("multilabel_soft_margin_loss: the input has no dimension of classes; reshape it to (classes,)")
    check_floating("multilabel_soft_margin_loss", input=input)
    check_reduction("multilabel_soft_margin_loss", reduction)
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    return reduced(losses.sum(input.ndim - 1) / input.shape[-1], reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """By how much other classes come within a margin of the target class, averaged over the classes.

    loss = sum over i != y of max(0, margin - input[y] + input[i])**p * weight[y] / classes

    Args:
        input: (rows, classes) or (classes,), floating scores.
        target: (rows,) or (), class indices.
        p: 1 or 2.
        margin: by how much the target class should be above.
        weight: (classes,) factor on the rows of each class, or None; without a gradient.
        reduction: "mean" (over rows) | "sum" | "none".
    Returns: () for mean and sum, the target's shape for none.
    Raises: ShapeError if the shapes do not fit; IndexError for a target out of range (on the CPU); ValueError for
        another p or reduction; RuntimeError for integers as input.
    Gradient: p * max(0, margin - input[y] + input[i])**(p - 1) * weight[y] / classes to input[i], their negative sum
        to input[y].
    Source: Weston & Watkins 1999.
    """
    name = "multi_margin_loss"
    check_reduction(name, reduction)
    if p not in (1, 2):
        raise ValueError(f"{name}: p must be 1 or 2, got {p}")
    x, classes = _rows(name, input)
    expected = input.shape[:-1]
    if target.shape != expected and not (not expected and target.shape == (1,)):
        raise ShapeError(f"{name}: input {input.shape} needs a target of shape {expected}, got {target.shape}")
    if weight is not None:
        if weight.shape != (classes,):
            raise ShapeError(f"{name}: weight must be ({classes},), got {weight.shape}")
        if weight.requires_grad:
            raise RuntimeError(f"{name}: the weights have no gradient; give weight.detach()")
    _check_integers(name, target)
    check_labels(target.array, 0, classes, None, name)
    hot = target.reshape((-1, 1)) == counting(target, classes)
    own = where(hot, x, 0).sum(1, keepdim=True)
    lacking = where(hot, 0, relu(margin - own + x))
    if p == 2:
        lacking = lacking * lacking
    if weight is not None:
        lacking = lacking * where(hot, weight, 0).sum(1, keepdim=True)
    losses = lacking.sum(1) / classes
    return reduced(losses.reshape(target.shape) if not input.ndim > 1 and not target.ndim else losses, reduction)


def multilabel_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """By how much classes that are no labels of a row come within 1 of its labels, averaged over the classes.

    loss = sum over labels y, others i of max(0, 1 - input[y] + input[i]) / classes

    Args:
        input: (rows, classes) or (classes,), floating scores.
        target: the input's shape, class indices: the labels of a row are those before its first -1.
        reduction: "mean" (over rows) | "sum" | "none".
    Returns: () for mean and sum, the shape without classes for none.
    Raises: ShapeError if the shapes do not fit; IndexError for a target out of range (on the CPU); ValueError for
        another reduction; RuntimeError for integers as input.
    Gradient: for each pair that is too close, 1 / classes to input[i] and its negative to input[y].
    Memory: rows * classes**2.
    """
    name = "multilabel_margin_loss"
    check_reduction(name, reduction)
    x, classes = _rows(name, input)
    if target.shape != input.shape:
        raise ShapeError(f"{name}: target {target.shape} must have the input's shape {input.shape}")
    _check_integers(name, target)
    check_labels(target.array, -1, classes, None, name)
    labels = target.array.reshape(x.shape)
    xp = xp_of(labels)
    # A label counts if no -1 stands before it.
    counts = xp.cumsum(labels < 0, axis=1) == 0
    hot = counts[:, :, None] & (labels[:, :, None] == xp.arange(classes))
    label, other = wrap(hot.sum(axis=1)[:, :, None].astype(x.dtype), None), wrap(~hot.any(axis=1)[:, None, :], None)
    close = relu(1 - x.unsqueeze(2) + x.unsqueeze(1))
    losses = where(other, close * label, 0).sum((1, 2)) / classes
    return reduced(losses if input.ndim > 1 else losses.reshape(()), reduction)


def _rows(name: str, input: Tensor) -> tuple[Tensor, int]:
    """The input as (rows, classes), and how many classes there are."""
    check_floating(name, input=input)
    if input.ndim > 2 or 0 in input.shape[-1:]:
        raise ShapeError(f"{name}: the input must be (rows, classes) or (classes,), got {input.shape}")
    classes = input.shape[-1] if input.ndim else 1
    return (input if input.ndim == 2 else input.reshape((1, classes))), classes


def _check_integers(name: str, target: Tensor) -> None:
    if target.array.dtype.kind not in "iu":
        raise RuntimeError(f"{name}: targets must be integer class indices, got {target.dtype}")
