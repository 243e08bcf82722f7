"""Pooling beside max_pool2d and avg_pool2d: over 1 and 3 dimensions, with indices, and by the p-norm."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.ops.arithmetic import pow
from gpudl.ops.avg_pool2d import AvgPool2d
from gpudl.ops.elementwise import abs, sign
from gpudl.ops.max_pool2d import MaxPool2d
from gpudl.ops.relu import relu
from gpudl.ops.windows import Lengths, lengths

__all__ = [
    "avg_pool1d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool1d_with_indices",
    "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices",
]  # fmt: skip


def max_pool1d(
    input: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    dilation: int | Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """As max_pool2d, for inputs (batch, channels, length), or without the batch; floating point only."""
    return MaxPool2d.of("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    dilation: int | Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """As max_pool2d, for inputs (batch, channels, depth, height, width), or without the batch."""
    return MaxPool2d.of("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    dilation: int | Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """max_pool1d and the places of the largest elements, whatever `return_indices` says."""
    name = "max_pool1d_with_indices"
    return MaxPool2d.of(name, 1, input, kernel_size, stride, padding, dilation, ceil_mode, True)  # type: ignore[no-any-return]


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    dilation: int | Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """max_pool2d and the places of the largest elements, whatever `return_indices` says."""
    name = "max_pool2d_with_indices"
    return MaxPool2d.of(name, 2, input, kernel_size, stride, padding, dilation, ceil_mode, True)  # type: ignore[no-any-return]


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    dilation: int | Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """max_pool3d and the places of the largest elements, whatever `return_indices` says."""
    name = "max_pool3d_with_indices"
    return MaxPool2d.of(name, 3, input, kernel_size, stride, padding, dilation, ceil_mode, True)  # type: ignore[no-any-return]


def avg_pool1d(
    input: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """As avg_pool2d, for inputs (batch, channels, length), or without the batch."""
    return AvgPool2d.of("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool3d(
    input: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """As avg_pool2d, for inputs (batch, channels, depth, height, width), or without the batch."""
    return AvgPool2d.of(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(sum over the window of input ** norm_type) ** (1 / norm_type); 0 where that sum is not positive.

    Args:
        input: (batch, channels, length), or without the batch, floating point.
        norm_type: p; inf for the largest and -inf for the smallest absolute value.
        kernel_size: the windows' length.
        stride: from one window to the next; default kernel_size.
        ceil_mode: also take the windows that reach over the end, counted as if they were whole.
    Raises: as max_pool1d; ZeroDivisionError for norm_type 0.
    Gradient: of the powers that it is made of; nan where the sum is 0 and norm_type > 1.
    Source: Gulcehre et al. 2014, "Learned-norm pooling for deep feedforward and recurrent neural networks".
    """
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """As lp_pool1d, for inputs (batch, channels, height, width), or without the batch."""
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """As lp_pool1d, for inputs (batch, channels, depth, height, width), or without the batch."""
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    name: str, ndim: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    if norm_type in (math.inf, -math.inf):
        side = 1 if norm_type > 0 else -1
        x = abs(input) * side
        return MaxPool2d.of(name, ndim, x, kernel_size, stride, 0, 1, ceil_mode, False) * side  # type: ignore[no-any-return]
    means = AvgPool2d.of(name, ndim, pow(input, norm_type), kernel_size, stride, 0, ceil_mode, True, None)
    sums = sign(means) * relu(abs(means)) * math.prod(lengths(name, "kernel_size", kernel_size, ndim, 1))
    return pow(sums, 1.0 / norm_type)
