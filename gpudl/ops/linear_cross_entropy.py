"""Cross-entropy of what a linear layer gives: the last layer of a classifier and its loss in one call."""

from __future__ import annotations

import math

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.ops.cross_entropy import cross_entropy
from gpudl.ops.linear import linear

__all__ = ["linear_cross_entropy"]


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """cross_entropy(linear(input, linear_weight, linear_bias), target).

    Args:
        input: (rows, features) or (features,) floating.
        linear_weight: (classes, features), or (classes, *places, features) for a loss at each of several places, which
            needs rows.
        target: (rows, *places) or () class indices; or (rows, classes, *places) or (classes,) probabilities.
        linear_bias: (classes, *places), or None.
        weight: (classes,) factor on each class, or None.
        reduction: "mean" (over the weights of the targets, or over the rows of probabilities) | "sum" | "none".
        ignore_index: rows with this target add nothing; None for -100, and beside probabilities.
        label_smoothing: in [0, 1], the share of the target spread evenly over all classes.
    Returns: () for mean and sum, (rows, *places) or () for none.
    Raises: ShapeError if the shapes do not fit; RuntimeError for ignore_index beside probabilities; and what
        cross_entropy raises.
    Gradient: that of cross_entropy, through linear.
    """
    name = "linear_cross_entropy"
    if input.ndim not in (1, 2) or linear_weight.ndim < 2 or input.shape[-1] != linear_weight.shape[-1]:
        raise ShapeError(
            f"{name}: expected an input ([rows], features) and a weight (classes, *places, features), got "
            f"{input.shape} and {linear_weight.shape}"
        )
    *outputs, features = linear_weight.shape
    if len(outputs) > 1 and input.ndim == 1:
        raise ShapeError(f"{name}: a weight with places, {linear_weight.shape}, needs an input with rows")
    if linear_bias is not None and linear_bias.shape != tuple(outputs):
        raise ShapeError(f"{name}: expected a bias {tuple(outputs)}, got {linear_bias.shape}")
    shape = (*input.shape[:-1], *outputs)
    if ignore_index is not None and target.shape == shape:
        raise RuntimeError(f"{name}: ignore_index is for class indices, and the target holds probabilities")
    width = math.prod(outputs)
    bias = None if linear_bias is None else linear_bias.reshape((width,))
    return cross_entropy(
        linear(input, linear_weight.reshape((width, features)), bias).reshape(shape),
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
