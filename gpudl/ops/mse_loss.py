"""Mean squared error: (x - t)**2, reduced."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError

__all__ = ["mse_loss"]


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The mean of the squared differences.

    Args:
        input, target: one shape, floating point.
        reduction: "mean" | "sum" | "none".
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError unless the shapes are equal; RuntimeError for integers; ValueError for another reduction.
    Gradient: 2 (input - target), divided by the count for mean; its negative for target.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"mse_loss: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if input.shape != target.shape:
        raise ShapeError(f"mse_loss: input {input.shape} and target {target.shape} must have one shape")
    if input.dtype.kind not in "fV" and target.dtype.kind not in "fV":
        raise RuntimeError(f"mse_loss: expected floating point, got {input.dtype} and {target.dtype}")
    difference = input - target
    squared = difference * difference
    if reduction == "none":
        return squared
    return squared.mean() if reduction == "mean" else squared.sum()
