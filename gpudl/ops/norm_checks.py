"""What the normalizations ask of their arguments, and their running statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.inplace import rebind
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, quiet
from gpudl.backend.dtypes import float32, is_floating
from gpudl.backend.errors import ShapeError
from gpudl.ops.running_statistics import mix_


def normalized_dims(name: str, input: Tensor, normalized_shape: Sequence[int]) -> tuple[int, ...]:
    """The normalized shape as a tuple, which the input's shape must end in.

    Raises: TypeError unless it is a sequence of ints; ShapeError if it is empty or the input ends otherwise.
    """
    if not isinstance(normalized_shape, Sequence):
        raise TypeError(f"{name}: normalized_shape must be a tuple of ints, got {normalized_shape!r}; write (n,)")
    shape = tuple(normalized_shape)
    if not shape:
        raise ShapeError(f"{name}: normalized_shape must have at least one dimension, got ()")
    if input.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"{name}: normalized_shape {shape} needs an input of shape (..., {_told(shape)}, got {input.shape}"
        )
    check_floating(name, input)
    return shape


def check_floating(name: str, input: Tensor) -> None:
    """Raise RuntimeError unless the input is floating point."""
    if not is_floating(input.dtype):
        raise RuntimeError(f"{name}: the input is {input.dtype}; cast it to a floating dtype first")


def check_affine(name: str, input: Tensor, shape: tuple[int, ...], **given: Any) -> None:
    """Raise unless each Tensor given by name has this shape, and all one dtype: the input's, or float32 beside halves.

    Raises: ShapeError, RuntimeError.
    """
    there = {key: each for key, each in given.items() if each is not None}
    for key, each in there.items():
        if each.shape != shape:
            raise ShapeError(
                f"{name}: {key} must be of shape {shape} for an input of shape {input.shape}, got {each.shape}"
            )
    dtypes = {each.dtype for each in there.values()}
    may_be = {input.dtype, float32} if input.dtype.itemsize == 2 else {input.dtype}
    if len(dtypes) > 1 or not dtypes <= may_be:
        raise RuntimeError(
            f"{name}: {', '.join(f'{key} is {each.dtype}' for key, each in there.items())} and the input "
            f"{input.dtype}; give all of them as {' or '.join(map(str, may_be))}"
        )


def check_running(name: str, input: Tensor, mean: Any, var: Any, needed: bool) -> None:
    """Raise unless both running statistics are there or neither, of (channels,) and a dtype that fits, without grad.

    Raises: RuntimeError if they are needed and missing, require grad, or have another dtype; ValueError for one
        without the other; ShapeError.
    """
    if needed and (mean is None or var is None):
        raise RuntimeError(f"{name}: without the statistics of the batch it needs running_mean and running_var")
    if (mean is None) != (var is None):
        raise ValueError(f"{name}: give both running_mean and running_var, or neither")
    check_affine(name, input, input.shape[1:2], running_mean=mean, running_var=var)
    if mean is not None and (mean.requires_grad or var.requires_grad):
        raise RuntimeError(f"{name}: the running statistics have no gradient; give them detached")


def check_values_per_channel(name: str, input: Tensor, shape: tuple[int, ...], needed: bool) -> None:
    """Raise ShapeError if a normalized set of (sets, channels, ...) has one value, whose variance is always 0."""
    if needed and shape[0] == 1 and math.prod(shape[2:]) == 1:
        raise ShapeError(
            f"{name}: an input of shape {input.shape} has one value to normalize at a time, and its variance is 0; "
            "give more samples or places"
        )


def mix_in(running: Tensor, new: Array, momentum: float | Tensor) -> None:
    """running = (1 - momentum) * running + momentum * new, in place."""
    share = momentum.array if isinstance(momentum, Tensor) else momentum
    with quiet():
        mix_(running.array, new, share)
    rebind(running, None)


def _told(shape: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, shape))})"
