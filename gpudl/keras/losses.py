"""Keras' losses as functions of (y_true, y_pred), each the mean over the batch; what they compute is gpudl.nn's.

Where Keras takes probabilities, so do these, unless from_logits=True; give logits where you can: they lose no digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.nn import Module
from gpudl.nn import functional as F
from gpudl.ops.elementwise import clamp
from gpudl.ops.exp import log

__all__ = [
    "BinaryCrossentropy", "CategoricalCrossentropy", "Huber", "KLDivergence", "MeanAbsoluteError", "MeanSquaredError",
    "SparseCategoricalCrossentropy", "get",
]  # fmt: skip

EPSILON = 1e-7  # Keras keeps probabilities this far from 0 and 1


class Loss:
    """Base: called with (y_true, y_pred), gives a Tensor, ()."""

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no __call__ method")


class MeanSquaredError(Loss):
    """mean((y_pred - y_true)^2)."""

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.mse_loss(y_pred, like(y_true, y_pred))


class MeanAbsoluteError(Loss):
    """mean(|y_pred - y_true|)."""

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.l1_loss(y_pred, like(y_true, y_pred))


class Huber(Loss):
    """Squared / 2 up to an error of delta, linear beyond."""

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.huber_loss(y_pred, like(y_true, y_pred), delta=self.delta)


class BinaryCrossentropy(Loss):
    """-mean(y log(p) + (1 - y) log(1 - p)).

    Args:
        from_logits: y_pred is log(p / (1 - p)).
        label_smoothing: in [0, 1]: the share of 0.5 that is mixed into the labels.
    """

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        self.from_logits, self.label_smoothing = from_logits, label_smoothing

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        target = like(y_true, y_pred)
        if self.label_smoothing:
            target = target * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        if self.from_logits:
            return F.binary_cross_entropy_with_logits(y_pred, target)
        return F.binary_cross_entropy(clamp(y_pred, EPSILON, 1 - EPSILON), target)


class CategoricalCrossentropy(Loss):
    """-sum(y log(p)) over the last dimension, for labels that are rows of probabilities.

    Args:
        from_logits: y_pred is log(p) but for a constant of the row.
        label_smoothing: in [0, 1]: the share of equal probabilities that is mixed into the labels.
    """

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        self.from_logits, self.label_smoothing = from_logits, label_smoothing

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        target = like(y_true, y_pred)
        classes = y_pred.shape[-1]
        if self.label_smoothing:
            target = target * (1 - self.label_smoothing) + self.label_smoothing / classes
        logs = logits_of(y_pred, self.from_logits)
        return F.cross_entropy(logs.reshape(-1, classes), target.reshape(-1, classes))


class SparseCategoricalCrossentropy(Loss):
    """-log(p[y]) over the last dimension, for labels that are class numbers.

    Args:
        from_logits: y_pred is log(p) but for a constant of the row.
        ignore_class: labels that count for nothing.
    """

    def __init__(self, from_logits: bool = False, ignore_class: int | None = None) -> None:
        self.from_logits, self.ignore_class = from_logits, -100 if ignore_class is None else ignore_class

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        logs = logits_of(y_pred, self.from_logits)
        labels = class_numbers(y_true, y_pred)
        return F.cross_entropy(logs.reshape(-1, logs.shape[-1]), labels.reshape(-1), ignore_index=self.ignore_class)


class KLDivergence(Loss):
    """sum(y log(y / p)) over the last dimension, both probabilities."""

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        target = clamp(like(y_true, y_pred), EPSILON, 1.0)
        rows = y_pred.numel() // max(y_pred.shape[-1], 1)
        return F.kl_div(log(clamp(y_pred, EPSILON, 1.0)), target, reduction="sum") / rows


def like(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Labels in the predictions' shape and dtype: (batch,) becomes (batch, 1), and the other way round, as in Keras.

    Raises: ValueError for any other difference.
    """
    target = y_true.to(dtype=y_pred.dtype)
    if target.shape == y_pred.shape:
        return target
    if (*target.shape, 1) == tuple(y_pred.shape) or tuple(target.shape) == (*y_pred.shape, 1):
        return target.reshape(y_pred.shape)
    raise ValueError(f"the labels have shape {tuple(y_true.shape)}, the predictions {tuple(y_pred.shape)}")


def logits_of(y_pred: Tensor, from_logits: bool) -> Tensor:
    """Logarithms of predicted probabilities, which are logits too; logits as they are."""
    return y_pred if from_logits else log(clamp(y_pred / y_pred.sum(-1, keepdim=True), EPSILON, 1 - EPSILON))


def class_numbers(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Labels as int64, of the predictions' shape without the last dimension."""
    labels = y_true.to(dtype="int64")
    if tuple(labels.shape) == (*y_pred.shape[:-1], 1):
        labels = labels.reshape(y_pred.shape[:-1])
    if labels.shape != y_pred.shape[:-1]:
        raise ValueError(f"the labels have shape {tuple(y_true.shape)}, the predictions {tuple(y_pred.shape)}")
    return labels


_BY_NAME: dict[str, Callable[[], Loss]] = {
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "kl_divergence": KLDivergence,
}


def get(identifier: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss by its name; what can be called with (y_true, y_pred), as it is. A module of gpudl.nn is called with
    (y_pred, y_true), as PyTorch's losses are.

    Raises: ValueError for a name that is not there.
    """
    if isinstance(identifier, Module):
        return lambda y_true, y_pred: identifier(y_pred, y_true)
    if callable(identifier):
        return identifier  # type: ignore[no-any-return]
    if isinstance(identifier, str) and identifier.lower() in _BY_NAME:
        return _BY_NAME[identifier.lower()]()
    known = ", ".join(_BY_NAME)
    raise ValueError(f"loss: expected one of {known}, or a function of (y_true, y_pred), got {identifier!r}")
