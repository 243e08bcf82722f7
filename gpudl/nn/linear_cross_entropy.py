"""The last layer of a classifier and its loss in one."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn.arguments import count
from gpudl.nn.linear import Linear
from gpudl.nn.loss import WeightedLoss
from gpudl.ops.linear_cross_entropy import linear_cross_entropy

__all__ = ["LinearCrossEntropyLoss"]


class LinearCrossEntropyLoss(WeightedLoss):
    """Cross-entropy of linear(input).

    Args:
        in_features: length of the input's last dimension.
        num_classes: how many classes there are.
        out_features: shape of the places that have a class each; () for one place.
        bias: with a bias.
        device, dtype: of the parameters.
        reduction: "mean" (over the weights of the targets, or over the rows of probabilities) | "sum" | "none".
        weight: (num_classes,) factor on each class, or None.
        ignore_index: rows with this target add nothing; None for -100, and beside probabilities.
        label_smoothing: in [0, 1], the share of the target spread evenly over all classes.
    Shape: input (batch, in_features) and target (batch, *out_features), or (batch, num_classes, *out_features) for
        probabilities; or without batch. To (), or (batch, *out_features) for "none".
    Attributes:
        linear: a Linear of in_features to num_classes times the product of out_features.
        weight: a buffer, or None.
    Raises: ValueError for another reduction; ShapeError for a weight of another shape; RuntimeError for
        label_smoothing out of range; TypeError and ShapeError for bad counts.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.num_classes = count("LinearCrossEntropyLoss", "num_classes", num_classes)
        if weight is not None and weight.shape != (num_classes,):
            raise ShapeError(f"LinearCrossEntropyLoss: expected a weight ({num_classes},), got {weight.shape}")
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"LinearCrossEntropyLoss: label_smoothing must be in [0, 1], got {label_smoothing}")
        self.out_features, self.ignore_index, self.label_smoothing = out_features, ignore_index, label_smoothing
        self.linear = Linear(in_features, num_classes * math.prod(out_features), bias, device, dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        outputs, bias = (self.num_classes, *self.out_features), self.linear.bias
        return linear_cross_entropy(
            input,
            self.linear.weight.reshape((*outputs, self.linear.in_features)),
            target,
            linear_bias=None if bias is None else bias.reshape(outputs),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, reduction={self.reduction}, "
            f"ignore_index={self.ignore_index}, label_smoothing={self.label_smoothing}"
        )
