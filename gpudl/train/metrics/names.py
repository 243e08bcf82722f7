"""Metrics by name, as a Trainer takes them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gpudl.train.metrics.base import Metric
from gpudl.train.metrics.classification import Accuracy, F1Score, JaccardIndex, Precision, Recall, TopKAccuracy
from gpudl.train.metrics.mean import FunctionMetric
from gpudl.train.metrics.ranking import AUROC, AveragePrecision
from gpudl.train.metrics.regression import MeanAbsoluteError, MeanSquaredError, R2Score
from gpudl.train.metrics.text import BLEUScore, Perplexity

__all__ = ["get", "names"]

_BY_NAME: dict[str, Callable[..., Metric]] = {
    "accuracy": Accuracy,
    "acc": Accuracy,
    "balanced_accuracy": functools.partial(Accuracy, average="macro"),
    "top_3_accuracy": functools.partial(TopKAccuracy, 3),
    "top_5_accuracy": functools.partial(TopKAccuracy, 5),
    "precision": Precision,
    "recall": Recall,
    "f1": F1Score,
    "roc_auc": AUROC,
    "auroc": AUROC,
    "average_precision": AveragePrecision,
    "iou": JaccardIndex,
    "mean_iou": JaccardIndex,
    "jaccard": JaccardIndex,
    "mae": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
    "rmse": functools.partial(MeanSquaredError, squared=False),
    "r2": R2Score,
    "perplexity": Perplexity,
    "bleu": BLEUScore,
}


def get(metric: Any) -> Metric:
    """A metric: by its name, as it is, or the mean of a function of (output, target).

    Args:
        metric: "accuracy", "f1", ..., with the defaults of its class; a Metric; or a callable, see FunctionMetric.
    Raises: ValueError for a name that is not there, with those that are; TypeError for what is no metric, such as a
        class in place of an object.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        if metric not in _BY_NAME:
            raise ValueError(f"metric: expected one of {', '.join(_BY_NAME)}, a Metric, or a function; got {metric!r}")
        return _BY_NAME[metric](name=metric)
    if isinstance(metric, type) or not callable(metric):
        shown = f"the class {metric.__name__}; make it: {metric.__name__}()" if isinstance(metric, type) else (
            f"{type(metric).__name__}")  # fmt: skip
        raise TypeError(f"metric: expected a name, a Metric, or a function of (output, target); got {shown}")
    return FunctionMetric(metric)


def names() -> list[str]:
    """The names that `get` knows."""
    return list(_BY_NAME)
