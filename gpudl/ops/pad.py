"""Padding: with one value, or with what the tensor itself has near its edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.pad import padded, unpadded
from gpudl.ops.operands import Number, fitted

__all__ = ["pad"]

Widths = tuple[tuple[int, int], ...]
"""(left, right) for each dimension of the input."""


class Pad(Primitive):
    """x with `widths` elements more around it, none of them negative."""

    __slots__ = ("mode", "widths")
    widens = False
    widths: Widths
    mode: str

    def forward(ctx, x: Array, widths: Widths, mode: str, value: Any) -> Array:
        ctx.widths, ctx.mode = widths, mode
        return _pad(x, widths, mode, value)

    def backward(ctx, dy: Array) -> Array:
        if isinstance(dy, Tensor):
            return Unpad.apply(dy, ctx.widths, ctx.mode)
        return _unpad(dy, ctx.widths, ctx.mode)


class Unpad(ReadsHalf):
    """The adjoint of Pad: the middle of x, and what lies around it added to the elements that it was copied from."""

    __slots__ = ("mode", "widths")
    widths: Widths
    mode: str

    def forward(ctx, x: Array, widths: Widths, mode: str) -> Array:
        ctx.widths, ctx.mode = widths, mode
        return _unpad(x, widths, mode)

    def backward(ctx, dy: Array) -> Array:
        if isinstance(dy, Tensor):
            return Pad.apply(dy, ctx.widths, ctx.mode, 0)
        return _pad(dy, ctx.widths, ctx.mode, 0)


def _pad(x: Array, widths: Widths, mode: str, value: Any) -> Array:
    if type(x) is not np.ndarray:
        return padded(x, widths, mode, value)
    xp = xp_of(x)
    shape = tuple(length + left + right for length, (left, right) in zip(x.shape, widths))
    if mode == "constant":
        y = xp.zeros(shape, x.dtype) if not value else xp.full(shape, value, x.dtype)
        y[_middle(x.shape, widths)] = x
        return y
    y = xp.empty(shape, x.dtype)
    y[_middle(x.shape, widths)] = x
    for dim, (left, right) in enumerate(widths):
        # Dimensions after this one have no edges yet: only their middles are copied.
        rest = _middle(x.shape[dim + 1 :], widths[dim + 1 :])
        for edge, source in _edges(mode, x.shape[dim], left, right):
            y[_at(dim, edge, rest)] = y[_at(dim, source, rest)]
    return y


def _unpad(dy: Array, widths: Widths, mode: str) -> Array:
    if type(dy) is not np.ndarray:
        return unpadded(dy, widths, mode)
    shape = tuple(length - left - right for length, (left, right) in zip(dy.shape, widths))
    if mode != "constant":
        dy = dy.copy()
        for dim in reversed(range(dy.ndim)):
            rest = _middle(shape[dim + 1 :], widths[dim + 1 :])
            for edge, source in _edges(mode, shape[dim], *widths[dim]):
                part = dy[_at(dim, edge, rest)]
                if mode == "replicate":
                    part = part.sum(axis=dim, keepdims=True)
                dy[_at(dim, source, rest)] += part
    return dy[_middle(shape, widths)].copy()


def _at(dim: int, place: slice, rest: tuple[slice, ...]) -> tuple[slice, ...]:
    """The index of `place` along `dim`, and `rest` along the dimensions after it."""
    return (*(slice(None),) * dim, place, *rest)


def _middle(shape: tuple[int, ...], widths: Widths) -> tuple[slice, ...]:
    """Where the tensor itself stands in the padded one."""
    return tuple(slice(left, left + length) for length, (left, _) in zip(shape, widths))


def _edges(mode: str, length: int, left: int, right: int) -> list[tuple[slice, slice]]:
    """Along one dimension, both edges of the padded tensor, and where in it what they hold comes from."""
    end = left + length
    found = {
        "reflect": (
            slice(2 * left, left, -1),
            slice(end - 2, end - 2 - right if end - 2 >= right else None, -1),
        ),
        "replicate": (slice(left, left + 1), slice(end - 1, end)),
        "circular": (slice(length, length + left), slice(left, left + right)),
    }[mode]
    pairs = zip((slice(0, left), slice(end, end + right)), found, (left, right))
    return [(edge, source) for edge, source, width in pairs if width]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: Number | None = None) -> Tensor:
    """The input with more elements at its edges; fewer where a number is negative.

    Args:
        input: any shape; for modes other than "constant", two or three dimensions for a pad of 2 numbers, three or
            four for 4, four or five for 6.
        pad: (left, right) of the last dimension, then of the one before, and so on.
        mode: "constant" | "reflect" (the elements beside the edge, the edge's own not repeated) | "replicate" (the
            edge's own) | "circular" (those of the other end).
        value: what "constant" fills in, by default 0.
    Returns: the input's shape plus the numbers of `pad`.
    Raises: NotImplementedError for another mode, or one that does not pad so many dimensions; ValueError for a value
        without "constant"; ShapeError if there are too many or an odd number of numbers, an edge is longer than what
        is copied, or a length would be negative; RuntimeError for a number that the dtype cannot hold.
    Gradient: dy in the middle, and what arrives at the edges added where it came from.
    Kernel: kernels/cuda/pad.cu, four times 16 bytes of a row a thread.
    """
    widths = [int(each) for each in pad]
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    if len(widths) % 2:
        raise ShapeError(f"pad: expected pairs of (left, right), got {len(widths)} numbers")
    count = len(widths) // 2
    if count > input.ndim:
        raise ShapeError(
            f"pad: {len(widths)} numbers pad {count} dimensions, the input has {input.ndim}: {input.shape}"
        )
    pairs = [(0, 0)] * (input.ndim - count) + [(widths[2 * i], widths[2 * i + 1]) for i in reversed(range(count))]
    if mode == "constant":
        fill = fitted("pad", value or 0, input.dtype)
    else:
        _check_edges(input, pairs, mode, value, count)
        fill = 0
    if any(length + left + right < 0 for length, (left, right) in zip(input.shape, pairs)):
        raise ShapeError(f"pad: {tuple(widths)} takes more elements from the shape {input.shape} than it has")
    result = input
    if mode == "circular" and min(widths) < 0:  # what is cut off is not there to be repeated
        result = _cut(result, pairs)
        pairs = [(max(left, 0), max(right, 0)) for left, right in pairs]
    added = tuple((max(left, 0), max(right, 0)) for left, right in pairs)
    if any(map(any, added)):
        result = Pad.apply(result, added, mode, fill)
    result = _cut(result, pairs)
    return input.clone() if result is input else result


def _cut(input: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """Without as many elements at the edges as the negative numbers say, a copy; itself if there are none."""
    if all(left >= 0 and right >= 0 for left, right in pairs):
        return input
    ends = zip(input.shape, pairs)
    return input[tuple(slice(max(-left, 0), length - max(-right, 0)) for length, (left, right) in ends)].clone()


def _check_edges(input: Tensor, pairs: list[tuple[int, int]], mode: str, value: Any, count: int) -> None:
    if value is not None and value != 0:
        raise ValueError(f"pad: mode {mode!r} takes no value, got {value}")
    if not 1 <= count <= 3 or input.ndim not in (count + 1, count + 2):
        raise NotImplementedError(
            f"pad: mode {mode!r} pads the last 1, 2 or 3 dimensions of an input with one or two more, "
            f"got {2 * count} numbers for the shape {input.shape}"
        )
    if 0 in input.shape[1:] or (0 in input.shape and input.ndim == count + 1):
        raise ShapeError(f"pad: mode {mode!r} has nothing to copy in the shape {input.shape}")
    for length, widths in zip(input.shape[-count:], pairs[-count:]):
        longest = {"reflect": length - 1, "circular": length}.get(mode)
        if longest is not None and max(widths) > longest:
            raise ShapeError(
                f"pad: mode {mode!r} can add at most {longest} elements to a dimension of length {length}, "
                f"got {widths} for the shape {input.shape}"
            )
