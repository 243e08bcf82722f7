"""Dropout of whole channels, and dropout that keeps mean and variance of what selu gives.

Tompson et al. 2015, arXiv:1411.4280; Klambauer, Unterthiner, Mayr & Hochreiter 2017, arXiv:1706.02515.
"""

from __future__ import annotations

import math

import numpy as np

from gpudl.autograd.inplace import assign
from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import float32
from gpudl.backend.errors import ShapeError
from gpudl.ops.dropout import Dropout
from gpudl.ops.random_bits import Drop
from gpudl.random import sampling_stream

__all__ = ["alpha_dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]

_SELU_LIMIT = 1.7580993408473766  # minus what selu tends to: its scale * alpha


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each channel of each sample 0 with probability p, and else divided by 1 - p.

    Args:
        input: (samples, channels, length) or (channels, length), floating.
        p, training, inplace: as in dropout.
    Raises: ShapeError for another number of dimensions; else as dropout.
    """
    _check("dropout1d", p)
    if input.ndim not in (2, 3):
        raise ShapeError(f"dropout1d: expected (samples, channels, length) or (channels, length), got {input.shape}")
    return _whole_channels("dropout1d", input, p, training, inplace, batched=input.ndim == 3)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each channel of each sample 0 with probability p, and else divided by 1 - p.

    Args:
        input: (samples, channels, ...), floating; three dimensions too are taken for samples, channels, length.
        p, training, inplace: as in dropout.
    Raises: ShapeError for fewer than two dimensions; else as dropout.
    """
    _check("dropout2d", p)
    return _whole_channels("dropout2d", input, p, training, inplace, batched=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each channel of each sample 0 with probability p, and else divided by 1 - p.

    Args:
        input: (samples, channels, depth, height, width), or (channels, ...) without samples; floating.
        p, training, inplace: as in dropout.
    Raises: ShapeError for no dimensions; else as dropout.
    """
    _check("dropout3d", p)
    return _whole_channels("dropout3d", input, p, training, inplace, batched=input.ndim == 5)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """a (input keep - limit (1 - keep)) + b, which has mean 0 and variance 1 where the input has.

    Dropped elements are what selu gives for minus infinity, -limit = -1.7581; a = 1 / sqrt((1 - p) (1 + p limit**2)),
    b = a p limit.

    Args:
        input: floating, any shape.
        p, training, inplace: as in dropout, but training is False unless given.
    Returns: the input's shape and dtype.
    Raises: as dropout.
    Gradient: a dy where the element was kept, else 0.
    Source: Klambauer, Unterthiner, Mayr & Hochreiter 2017, arXiv:1706.02515.
    """
    _check("alpha_dropout", p)
    return _alpha("alpha_dropout", input, p, training, inplace, input.shape)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """alpha_dropout of whole channels of (samples, channels, ...).

    Args:
        input, p, training, inplace: as in alpha_dropout; at least two dimensions.
    Raises: ShapeError for fewer dimensions; else as dropout.
    """
    _check("feature_alpha_dropout", p)
    if not training or not p or not input.array.size:
        return input
    return _alpha("feature_alpha_dropout", input, p, training, inplace, _channels("feature_alpha_dropout", input, p))


def _check(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must be in [0, 1], got {p}")


def _channels(name: str, input: Tensor, p: float, batched: bool = True) -> tuple[int, ...]:
    """One for each channel of each sample, in a shape that broadcasts to the input's; () where all are dropped."""
    if p == 1:
        return ()
    if input.ndim < 1 + batched:
        raise ShapeError(
            f"{name}: expected {'(samples, channels, ...)' if batched else '(channels, ...)'}, got {input.shape}"
        )
    lead = 1 + batched
    return (*input.shape[:lead], *(1,) * (input.ndim - lead))


def _drop(name: str, input: Tensor, p: float, scale: float, shape: tuple[int, ...]) -> Drop:
    if input.dtype.kind not in "fV":
        raise RuntimeError(f"{name}: the input is {input.dtype}; cast it to a floating dtype first")
    stream = sampling_stream()
    return Drop(stream.key, stream.index, p, scale, input.array.size // math.prod(shape))


def _whole_channels(name: str, input: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    if not training or not p or not input.array.size:
        return input
    drop = _drop(name, input, p, 1 / (1 - p) if p < 1 else 0.0, _channels(name, input, p, batched))
    result: Tensor = Dropout.apply(input, None, None, drop)
    return assign(input, result, name) if inplace else result


def _alpha(name: str, input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...]) -> Tensor:
    if not training or not p or not input.array.size:
        return input
    scale = 1 / math.sqrt((1 - p) * (1 + p * _SELU_LIMIT**2)) if p < 1 else 0.0
    drop = _drop(name, input, p, scale, shape)
    if p < 1:
        # Of the dropped, limit * scale * (p - 1) remains; of the kept, limit * scale * p beside themselves.
        shifts = np.array([0, 1], float32 if input.dtype.itemsize == 2 else input.dtype) + (p - 1)
        low, high = (shifts * (_SELU_LIMIT * scale)).tolist()
        drop = drop._replace(low=low, high=high)
    result: Tensor = Dropout.apply(input, None, None, drop)
    return assign(input, result, name) if inplace else result
