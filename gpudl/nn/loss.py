"""What losses share, and those of a difference: settings, and one call into ops.

PyTorch's outdated arguments size_average and reduce are not there; what stands behind them is given by name.
"""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.ops.mse_loss import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from gpudl.ops.reduced import check_reduction

__all__ = ["HuberLoss", "L1Loss", "MSELoss", "SmoothL1Loss"]


class Loss(Module):
    """Base of losses.

    Args:
        reduction: "mean" | "sum" | "none".
    Raises: ValueError for another reduction.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(type(self).__name__, reduction)
        self.reduction = reduction


class WeightedLoss(Loss):
    """Base of losses with weights, which move and are saved with the module.

    Args:
        weight: a factor on each class or element, or None.
        reduction: "mean" | "sum" | "none".
    Attributes:
        weight: a buffer, or None.
    """

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)


class L1Loss(Loss):
    """The absolute difference |input - target|.

    Args:
        reduction: "mean" | "sum" | "none".
    Shape: input and target alike, to (), or their shape for "none".
    Raises: ValueError for another reduction.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return l1_loss(input, target, reduction=self.reduction)


class MSELoss(Loss):
    """The squared difference (input - target)**2.

    Args:
        reduction: "mean" | "sum" | "none".
    Shape: input and target alike, to (), or their shape for "none".
    Raises: ValueError for another reduction.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """|input - target| - beta / 2, but (input - target)**2 / (2 beta) where the difference is below beta.

    Args:
        reduction: "mean" | "sum" | "none".
        beta: from which difference on the loss is a line, at least 0; 0 gives L1Loss.
    Shape: input and target alike, to (), or their shape for "none".
    Raises: ValueError for another reduction.
    Source: Girshick 2015, arXiv:1504.08083.
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """(input - target)**2 / 2 up to a difference of delta, the line delta * (|input - target| - delta / 2) from there.

    Args:
        reduction: "mean" | "sum" | "none".
        delta: from which difference on the loss is a line, above 0.
    Shape: input and target alike, to (), or their shape for "none".
    Raises: ValueError for another reduction; TypeError if delta is no number.
    Source: Huber 1964, "Robust estimation of a location parameter".
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not isinstance(delta, (float, int)):
            raise TypeError(f"HuberLoss: delta must be a number, got {delta!r}")
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return huber_loss(input, target, self.reduction, self.delta)
