"""Losses: settings, and one call into ops."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.ops.cross_entropy import cross_entropy
from gpudl.ops.losses import mse_loss

__all__ = ["CrossEntropyLoss", "MSELoss"]


class CrossEntropyLoss(Module):
    """Negative log-likelihood of the target class under softmax(input); see gpudl.nn.functional.cross_entropy.

    Args:
        weight: (classes,) factor on each class, or None.
        ignore_index: rows with this target add nothing.
        reduction: "mean" | "sum" | "none".
        label_smoothing: in [0, 1].
    Shape: input (n, classes) and target (n,), to (); or with further dimensions after classes.
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index, self.reduction, self.label_smoothing = ignore_index, reduction, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class MSELoss(Module):
    """Mean squared error; see gpudl.nn.functional.mse_loss.

    Args:
        reduction: "mean" | "sum" | "none".
    Shape: input and target alike, to ().
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return mse_loss(input, target, reduction=self.reduction)
