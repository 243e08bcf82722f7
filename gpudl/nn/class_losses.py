"""Losses of classes and labels: settings, and one call into ops."""

from __future__ import annotations

import warnings

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn.loss import Loss, WeightedLoss
from gpudl.ops.binary_cross_entropy import binary_cross_entropy, binary_cross_entropy_with_logits
from gpudl.ops.class_losses import (
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from gpudl.ops.cross_entropy import cross_entropy
from gpudl.ops.nll_loss import nll_loss

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss",
    "MultiMarginLoss", "NLLLoss", "NLLLoss2d", "SoftMarginLoss",
]  # fmt: skip


class CrossEntropyLoss(WeightedLoss):
    """Negative log-likelihood of the target class under softmax(input): logsumexp(input) - input[target].

    Args:
        weight: (classes,) factor on each class, or None.
        ignore_index: rows with this target add nothing.
        reduction: "mean" (over the weights of the targets, or over the rows of probabilities) | "sum" | "none".
        label_smoothing: in [0, 1], the share of the target spread evenly over all classes.
    Shape: input (batch, classes, *) and target (batch, *), or input (classes,) and target (); or a target of
        probabilities, shaped as the input. To (), or the target's shape, without classes, for "none".
    Attributes:
        weight: a buffer, or None.
    Raises: ValueError for another reduction; RuntimeError for label_smoothing out of range.
    Source: Bridle 1990; smoothing: Szegedy et al. 2016, arXiv:1512.00567.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(WeightedLoss):
    """The negative of the log-probability that the input gives the target class: -weight[target] * input[target].

    Args:
        weight: (classes,) factor on each class, or None.
        ignore_index: rows with this target add nothing.
        reduction: "mean" (over the weights of the targets) | "sum" | "none".
    Shape: input (batch, classes, *), log-probabilities, and target (batch, *); or input (classes,) and target (). To
        (), or the target's shape for "none".
    Attributes:
        weight: a buffer, or None.
    Raises: ValueError for another reduction.
    """

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction=reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class NLLLoss2d(NLLLoss):
    """The former name of NLLLoss, which takes images as well.

    Warns: FutureWarning.
    """

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        warnings.warn("NLLLoss2d is now NLLLoss", FutureWarning, stacklevel=2)
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)


class BCELoss(WeightedLoss):
    """The binary cross-entropy -target * log(input) - (1 - target) * log(1 - input), logarithms at least -100.

    Args:
        weight: a factor that broadcasts to the input's shape, or None.
        reduction: "mean" | "sum" | "none".
    Shape: input, probabilities, and target alike, to (), or their shape for "none".
    Attributes:
        weight: a buffer, or None.
    Raises: ValueError for another reduction.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """The binary cross-entropy of sigmoid(input), computed without taking the logarithm of a tiny number.

    Args:
        weight: a factor that broadcasts to the input's shape, or None.
        reduction: "mean" | "sum" | "none".
        pos_weight: a factor on the loss of positives that broadcasts to the input's shape, or None.
    Shape: input and target alike, to (), or their shape for "none".
    Attributes:
        weight, pos_weight: buffers, or None.
    Raises: ValueError for another reduction.
    """

    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class SoftMarginLoss(Loss):
    """log(1 + exp(-target * input)), without overflow.

    Args:
        reduction: "mean" | "sum" | "none".
    Shape: input and target, 1 or -1, alike, to (), or their shape for "none".
    Raises: ValueError for another reduction.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(WeightedLoss):
    """The mean over classes of the binary cross-entropy of logits: any number of labels per row.

    Args:
        weight: (classes,) factor on each class, or None.
        reduction: "mean" | "sum" | "none".
    Shape: input (*, classes) and target, 0 or 1, alike, to (), or (*) for "none".
    Attributes:
        weight: a buffer, or None.
    Raises: ValueError for another reduction.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class MultiLabelMarginLoss(Loss):
    """By how much classes that are no labels come within 1 of those that are, summed and divided by the classes.

    Args:
        reduction: "mean" | "sum" | "none".
    Shape: input (batch, classes) and target alike, in each row the indices of its labels, with -1 behind the last; or
        (classes,) each. To (), or (batch,) for "none".
    Raises: ValueError for another reduction.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiMarginLoss(WeightedLoss):
    """By how much other classes come within a margin of the target class, averaged over the classes.

    loss = sum over i != y of max(0, margin - input[y] + input[i])**p * weight[y] / classes

    Args:
        p: 1 or 2.
        margin: by how much the target class should be above.
        weight: (classes,) factor on the rows of each class, or None.
        reduction: "mean" (over rows) | "sum" | "none".
    Shape: input (batch, classes) and target (batch,), or (classes,) and (). To (), or the target's shape for "none".
    Attributes:
        weight: a buffer, or None.
    Raises: ValueError for another p or reduction; ShapeError unless the weight has 1 dimension.
    Source: Weston & Watkins 1999, "Support vector machines for multi-class pattern recognition".
    """

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, *, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction=reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p}")
        if weight is not None and weight.ndim != 1:
            raise ShapeError(f"MultiMarginLoss: expected a weight (classes,), got {weight.shape}")
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)
