"""Keras' metrics: functions of (y_true, y_pred) that give one value for each sample; fit and evaluate average them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.keras.losses import class_numbers, like

__all__ = [
    "binary_accuracy", "categorical_accuracy", "get", "mean_absolute_error", "mean_squared_error",
    "sparse_categorical_accuracy",
]  # fmt: skip

Metric = Callable[[Tensor, Tensor], Tensor]


def binary_accuracy(y_true: Tensor, y_pred: Tensor, threshold: float = 0.5) -> Tensor:
    """1 where a probability is on its label's side of the threshold; (batch, *) to the same."""
    return like(y_true, y_pred) == (y_pred > threshold).to(dtype=y_pred.dtype)


def categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """1 where the largest prediction is the largest label; (batch, *, classes) to (batch, *)."""
    return like(y_true, y_pred).argmax(-1) == y_pred.argmax(-1)


def sparse_categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """1 where the largest prediction is the class of the label; (batch, *, classes) to (batch, *)."""
    return class_numbers(y_true, y_pred) == y_pred.argmax(-1)


def mean_squared_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """(y_pred - y_true)^2; (batch, *) to the same."""
    return (y_pred - like(y_true, y_pred)) ** 2


def mean_absolute_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """|y_pred - y_true|; (batch, *) to the same."""
    return (y_pred - like(y_true, y_pred)).abs()


def accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The accuracy that fits the shapes: binary, of class numbers, or of rows."""
    if y_pred.ndim < 2 or y_pred.shape[-1] == 1:
        return binary_accuracy(y_true, y_pred)
    if tuple(y_true.shape) == tuple(y_pred.shape):
        return categorical_accuracy(y_true, y_pred)
    return sparse_categorical_accuracy(y_true, y_pred)


_BY_NAME: dict[str, Metric] = {
    "accuracy": accuracy,
    "acc": accuracy,
    "binary_accuracy": binary_accuracy,
    "categorical_accuracy": categorical_accuracy,
    "sparse_categorical_accuracy": sparse_categorical_accuracy,
    "mse": mean_squared_error,
    "mean_squared_error": mean_squared_error,
    "mae": mean_absolute_error,
    "mean_absolute_error": mean_absolute_error,
}


def get(identifier: Any) -> tuple[str, Metric]:
    """A metric's name in the history, and the metric: by its name, or a function of (y_true, y_pred).

    Raises: ValueError for a name that is not there.
    """
    if callable(identifier):
        return getattr(identifier, "__name__", type(identifier).__name__), identifier
    if identifier in _BY_NAME:
        return identifier, _BY_NAME[identifier]
    raise ValueError(f"metric: expected one of {', '.join(_BY_NAME)}, or a function, got {identifier!r}")
