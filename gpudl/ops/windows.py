"""Windows that slide over spatial dimensions, for convolution, pooling and unfold: their arguments, and where they lie.

Window q of a dimension covers the positions stride q + dilation t - padding for its taps t = 0, 1, ... kernel - 1.
Positions before the first element and after the last are padding.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError

Lengths = tuple[int, ...]


class Windows(NamedTuple):
    """Windows over some spatial dimensions, each attribute with one entry a dimension.

    Attributes:
        size: how many elements there are.
        kernel: taps of a window.
        stride: from one window to the next.
        padding: positions before the first element.
        dilation: from one tap to the next.
        out: how many windows there are. Padding behind the last element is what they reach over it.
    """

    size: Lengths
    kernel: Lengths
    stride: Lengths
    padding: Lengths
    dilation: Lengths
    out: Lengths

    def overlap(self, taps: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """The windows whose given tap lies on an element, and these elements, as slices of the dimensions."""
        found = [
            overlap(size, out, stride, tap * dilation - padding)
            for size, out, stride, tap, dilation, padding in zip(
                self.size, self.out, self.stride, taps, self.dilation, self.padding
            )
        ]
        return tuple(window for window, _ in found), tuple(element for _, element in found)

    @property
    def is_one(self) -> bool:
        """Whether there is one window, of all elements."""
        return self.kernel == self.size and math.prod(self.out) == 1 and not any(self.padding)

    def offsets(self) -> tuple[list[int], ...]:
        """Where the taps of window 0 lie, for each dimension."""
        return tuple(
            [tap * dilation - padding for tap in range(kernel)]
            for kernel, dilation, padding in zip(self.kernel, self.dilation, self.padding)
        )

    def met(self, begin: Sequence[int]) -> tuple[tuple[list[int], ...], tuple[list[int], ...]]:
        """The taps that elements begin + stride i lie on, and of each the window, counted from i."""
        places = [
            [(tap, divmod(first + padding - tap * dilation, stride)) for tap in range(kernel)]
            for first, kernel, stride, padding, dilation in zip(
                begin, self.kernel, self.stride, self.padding, self.dilation
            )
        ]
        return (
            tuple([tap for tap, (_, rest) in each if not rest] for each in places),
            tuple([window for _, (window, rest) in each if not rest] for each in places),
        )


@functools.lru_cache(maxsize=1024)
def overlap(size: int, out: int, stride: int, offset: int) -> tuple[slice, slice]:
    """The q in range(out) for which stride q + offset is in range(size), and these positions."""
    low = max(0, -(offset // stride))
    high = max(low, min(out, (size - 1 - offset) // stride + 1))
    first = stride * low + offset
    return slice(low, high), slice(first, first + stride * (high - low - 1) + 1 if high > low else first, stride)


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """The index of a part of one dimension."""
    return (*((slice(None),) * axis), part)


def lengths(name: str, what: str, value: Any, ndim: int, least: int) -> Lengths:
    """One int for each dimension, given as an int, or a sequence of one or `ndim` ints.

    Raises: TypeError for what is no int; ShapeError for another number of them, or one below `least`.
    """
    given = tuple(value) if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str) else (value,)
    if any(isinstance(each, bool) or not hasattr(each, "__index__") for each in given):
        raise TypeError(f"{name}: {what} must be an int or {ndim} of them, got {value!r}")
    found = tuple(each.__index__() for each in given)
    if len(found) == 1:
        found *= ndim
    if len(found) != ndim:
        raise ShapeError(f"{name}: {what} must be one int or {ndim}, got {value!r}")
    if min(found) < least:
        raise ShapeError(f"{name}: {what} must be at least {least}, got {value!r}")
    return found


def batched(name: str, input: Tensor, ndim: int) -> tuple[Tensor, bool]:
    """The input as (batch, channels, ...) and whether it was so.

    Raises: ShapeError for any other number of dimensions than ndim + 1 and ndim + 2.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(input).__name__}")
    if input.ndim == ndim + 2:
        return input, True
    if input.ndim == ndim + 1:
        return input.reshape((1, *input.shape)), False
    spatial = ("length", "height, width", "depth, height, width")[ndim - 1]
    raise ShapeError(f"{name}: expected (batch, channels, {spatial}) or (channels, {spatial}), got {input.shape}")
