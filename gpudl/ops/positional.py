"""Normalizations, dropouts and embedding as PyTorch has them at its top level: other orders of arguments, no defaults.

Each is the function of gpudl.nn.functional with the same name, where the arguments are described.
"""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.ops import batch_norm as batch_room
from gpudl.ops import dropout as dropout_room
from gpudl.ops import dropout_features
from gpudl.ops import embedding as embedding_room
from gpudl.ops import instance_norm as instance_file

__all__ = [
    "alpha_dropout", "alpha_dropout_", "batch_norm", "dropout", "dropout_", "embedding", "feature_alpha_dropout",
    "feature_alpha_dropout_", "feature_dropout", "feature_dropout_", "instance_norm",
]  # fmt: skip


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """As nn.functional.batch_norm; cudnn_enabled changes nothing."""
    return batch_room.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """As nn.functional.instance_norm; cudnn_enabled changes nothing."""
    return instance_file.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    """As nn.functional.embedding, with the table first; a negative padding_idx is none."""
    skipped = None if padding_idx < 0 else padding_idx
    return embedding_room.embedding(indices, weight, skipped, None, 2.0, scale_grad_by_freq, sparse)


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """As nn.functional.dropout."""
    return dropout_room.dropout(input, _checked(p), train)


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """As nn.functional.alpha_dropout."""
    return dropout_features.alpha_dropout(input, _checked(p), train)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Whole channels of (samples, channels, ...) dropped, as by nn.functional.dropout2d."""
    return dropout_features.dropout2d(input, _checked(p), train)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """As nn.functional.feature_alpha_dropout."""
    return dropout_features.feature_alpha_dropout(input, _checked(p), train)


def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """dropout in place; returns the input."""
    return dropout_room.dropout(input, _checked(p), train, True)


def alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """alpha_dropout in place; returns the input."""
    return dropout_features.alpha_dropout(input, _checked(p), train, True)


def feature_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """feature_dropout in place; returns the input."""
    return dropout_features.dropout2d(input, _checked(p), train, True)


def feature_alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """feature_alpha_dropout in place; returns the input."""
    return dropout_features.feature_alpha_dropout(input, _checked(p), train, True)


def _checked(p: float) -> float:
    """p, if it is a probability; another error class than in nn.functional, as in PyTorch."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout: p must be in [0, 1], got {p}")
    return p
