"""Keras' helpers for programs."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.random import manual_seed

__all__ = ["set_random_seed", "to_categorical"]


def set_random_seed(seed: int) -> None:
    """Make all that is drawn from now on depend on the seed, >= 0."""
    manual_seed(seed)


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray[Any, Any]:
    """Class numbers as rows of zeros with a one.

    Args:
        x: integers >= 0, any shape; a last dimension of length 1 is dropped.
        num_classes: length of a row; default: the largest number and 1.
    Returns: (*x.shape, num_classes) float32.
    Raises: ValueError for a number out of range.
    """
    labels = np.asarray(x, np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    count = int(labels.max(initial=-1)) + 1 if num_classes is None else num_classes
    if labels.size and not 0 <= labels.min() <= labels.max() < count:
        raise ValueError(f"to_categorical: expected classes in [0, {count}), got {labels.min()} to {labels.max()}")
    return np.eye(count, dtype=np.float32)[labels]
