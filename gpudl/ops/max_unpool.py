"""max_unpool1d, 2d and 3d: elements put back to the places that max pooling took them from. Zeiler et al. 2014."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.bounds import look
from gpudl.backend.debug import debugging
from gpudl.backend.device import is_on_host
from gpudl.backend.errors import ShapeError
from gpudl.ops.pick import Unpool
from gpudl.ops.windows import Lengths, batched, lengths

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros with the elements of input at the places that `indices` names: a partial inverse of max_pool1d.

    Args:
        input: (batch, channels, length), or without the batch, floating point.
        indices: the input's shape, int64, as max pooling returns them. If a place is named twice, the last one counts.
        kernel_size, stride, padding: as they were given to max_pool1d; they say how long the result is.
        output_size: the result's spatial shape, or its whole shape, where pooling made one length of several.
    Returns: (batch, channels, (length - 1) stride - 2 padding + kernel_size), or output_size.
    Raises: ShapeError if the shapes do not fit, and for an output_size that pooling would not make the input's length
        of; RuntimeError for an index out of range (on the CPU) and for wrong dtypes.
    Gradient: dy at the indices.
    Source: Zeiler and Fergus 2014, arXiv:1311.2901.
    """
    return _unpooled("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """As max_unpool1d, over 2 dimensions, which the indices count as one."""
    return _unpooled("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Lengths,
    stride: int | Lengths | None = None,
    padding: int | Lengths = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """As max_unpool1d, over 3 dimensions, which the indices count as one."""
    return _unpooled("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


def _unpooled(
    name: str, ndim: int, input: Tensor, indices: Tensor, kernel: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    taps = lengths(name, "kernel_size", kernel, ndim, 1)
    steps = taps if stride is None else lengths(name, "stride", stride, ndim, 1)
    before = lengths(name, "padding", padding, ndim, 0)
    x, has_batch = batched(name, input, ndim)
    if indices.dtype != "int64":
        raise RuntimeError(f"{name}: the indices must be int64, got {indices.dtype}")
    if indices.shape != input.shape:
        raise ShapeError(f"{name}: the indices must have the input's shape {input.shape}, got {indices.shape}")
    if 0 in x.shape[1:]:
        raise ShapeError(f"{name}: the input {input.shape} has no elements; only the batch may be empty")
    size = tuple((n - 1) * step - 2 * pad + tap for n, step, pad, tap in zip(x.shape[2:], steps, before, taps))
    if output_size is not None:
        wanted = tuple(output_size)[2:] if len(output_size) == ndim + 2 else tuple(output_size)
        if len(wanted) != ndim:
            raise ShapeError(f"{name}: output_size must have {ndim} or {ndim + 2} lengths, got {output_size}")
        for want, have, step in zip(wanted, size, steps):
            if not have - step < want < have + step:
                raise ShapeError(f"{name}: output_size {wanted} must be less than stride {steps} away from {size}")
        size = wanted
    if x.dtype.kind not in "fV":
        raise RuntimeError(f"{name}: the input is {x.dtype}; cast it to a floating dtype first")
    at = indices if has_batch else indices.reshape(x.shape)
    if min(size) < 0:
        raise ShapeError(f"{name}: padding {before} leaves nothing of an output of {size}; make it smaller")
    area = math.prod(size)

    def out_of_range(bad: int) -> RuntimeError:
        return RuntimeError(f"{name}: index {bad} is out of range for an output of {size}")

    if not is_on_host(at.array):
        if debugging():
            look(at.array, 0, area, out_of_range)
    elif at.array.size and not 0 <= at.array.min() <= at.array.max() < area:
        raise out_of_range(int(at.array[(at.array < 0) | (at.array >= area)][0]))
    y: Tensor = Unpool.apply(x, at, size)
    return y if has_batch else y.reshape(y.shape[1:])
