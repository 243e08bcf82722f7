"""Magnitude, sign, limits and choice: abs, sign, clamp, where, masked_fill."""

from __future__ import annotations

import math
from typing import Any, overload

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.autograd.widen import OneRounding
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense, spread
from gpudl.backend.dtypes import DType
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.choices import where_backward
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.operands import Binary, Number, fitted, operand, result_type, sum_to_shape
from gpudl.ops.unary import tensor_only

__all__ = [
    "abs", "absolute", "clamp", "clamp_max", "clamp_min", "clip", "masked_fill", "sign", "where",
]  # fmt: skip


_CLAMP = "map_forward<{T}, {A}, Clamp, {A}, {A}>", "map_backward<{T}, {A}, Clamp, {A}, {A}>"
_TEXT = CudaText("math/numbers.cuh", "math/packs.cuh", "math/elementwise.cuh", "cuda/map.cu", kernels=_CLAMP)


@kernel
def abs_backward(dy: Array, x: Array) -> Array:
    """dx = dy * sign(x)."""
    return dy * _sign(x)


cuda_maps("math/elementwise.cuh", abs_backward)


@kernel
def clamp_forward(x: Array, low: float | None, high: float | None) -> Array:
    """y = min(max(x, low), high), without the one or the other where that is None; nan stays nan."""
    y = x if low is None else xp_of(x).maximum(x, low)
    return y if high is None else xp_of(x).minimum(y, high)


@clamp_forward.cuda("float32", "float64", "float16", "bfloat16")
def clamp_forward_cuda(x: Array, low: float | None, high: float | None) -> Array:
    x = dense(x)
    y = xp_of(x).empty(x.shape, x.dtype)
    _TEXT.launch(_CLAMP[0], *spread(x), x, y, x.size, *_bounds(low, high))
    return y


@kernel
def clamp_backward(dy: Array, x: Array, low: float | None, high: float | None) -> Array:
    """dx = dy where low <= x <= high, else 0."""
    inside = x <= high if low is None else x >= low if high is None else (x >= low) & (x <= high)
    return xp_of(x).where(inside, dy, dy.dtype.type(0))


@clamp_backward.cuda("float32", "float64", "float16", "bfloat16")
def clamp_backward_cuda(dy: Array, x: Array, low: float | None, high: float | None) -> Array:
    dx = xp_of(dy).empty(dy.shape, dy.dtype)
    _TEXT.launch(_CLAMP[1], *spread(dx), dense(dy), dense(x), dx, dx.size, *_bounds(low, high))
    return dx


def _bounds(low: float | None, high: float | None) -> tuple[float, float]:
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)


class Abs(OneRounding):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        ctx.save(x)
        return xp_of(x).abs(x)

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return abs_backward(dy, x)


class Sign(OneRounding):
    """The sign; its derivative is 0 wherever there is one."""

    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        return _sign(x)

    def backward(ctx, dy: Array) -> Array:
        return xp_of(dy).zeros_like(dy)


def _sign(x: Array) -> Array:
    """-1, 0 or 1, and 0 for nan as in PyTorch; NumPy's sign gives nan there, and takes no bools."""
    if isinstance(x, Tensor):
        return Sign.apply(x)
    return x.copy() if x.dtype.kind == "b" else (x > 0).astype(x.dtype) - (x < 0)


class Where(OneRounding, Binary):
    __slots__ = ()

    def forward(ctx, condition: Array, x: Array, y: Array) -> Array:
        z = xp_of(condition).where(condition, x, y)
        ctx.save(condition)
        ctx.shapes = None if x.shape == y.shape == z.shape else (x.shape, y.shape)
        return z

    def backward(ctx, dz: Array) -> tuple[Any, ...]:
        (condition,) = ctx.saved
        wants = ctx.edges[1] is not None, ctx.edges[2] is not None
        return (None, *ctx.fit(*where_backward(dz, condition, wants)))


class Limit(Map):
    """x limited to [low, high]: numbers, or None."""

    __slots__ = ()
    kernels = clamp_forward, clamp_backward


class Clamp(Primitive):
    """x limited to [low, high]: arrays that broadcast with it, numbers, or None."""

    __slots__ = ("shapes",)
    shapes: tuple[tuple[int, ...], ...]

    def forward(ctx, x: Array, low: Any, high: Any) -> Array:
        ctx.save(x, low, high)
        ctx.shapes = (x.shape, getattr(low, "shape", ()), getattr(high, "shape", ()))
        xp = xp_of(x)
        y = x if low is None else xp.maximum(x, low)
        return y if high is None else xp.minimum(y, high)

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        x, low, high = ctx.saved
        for_x, for_low, for_high = ctx.edges
        taken: list[Any] = [None, None, None]
        if for_x:
            taken[0] = x <= high if low is None else x >= low if high is None else (x >= low) & (x <= high)
        if for_low:
            taken[1] = x < low if high is None else (x < low) & (low <= high)
        if for_high:
            taken[2] = x > high if low is None else (x > high) | (low > high)
        xp, zero = xp_of(x), dy.dtype.type(0)
        return tuple(
            None if hit is None else sum_to_shape(xp.where(hit, dy, zero), shape)
            for hit, shape in zip(taken, ctx.shapes)
        )


def abs(input: Tensor) -> Tensor:
    """The absolute value; any dtype but bool. Gradient: dy * sign(input), 0 at 0."""
    if input.dtype == bool:
        raise RuntimeError("abs: a bool tensor has no absolute value; cast it to a number first")
    return Abs.apply(input)  # type: ignore[no-any-return]


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1 by the sign; 0 for nan. Gradient: 0."""
    return Sign.apply(input)  # type: ignore[no-any-return]


@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor: ...
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """`input` where the condition holds, else `other`; all three broadcast. Given alone, where the condition holds.

    Args:
        condition: bool.
        input, other: Tensors or numbers, promoted to one dtype.
    Returns: the broadcast shape; for a condition alone a tuple with, for each dimension, the indices of its nonzeros.
    Raises: RuntimeError for a condition that is not bool, and for a number that the dtype cannot hold; TypeError for
        what is no Tensor; ShapeError if the shapes do not broadcast.
    Gradient: dz where the condition holds, to input; elsewhere to other.
    """
    if not isinstance(condition, Tensor):
        raise TypeError(f"where: the condition must be a bool Tensor, got {type(condition).__name__}")
    if input is None and other is None:
        found = xp_of(condition.array).nonzero(condition.array if condition.ndim else condition.array.reshape(1))
        return tuple(wrap(each, None) for each in found)
    if condition.dtype != bool:
        raise RuntimeError(f"where: the condition must be bool, got {condition.dtype}")
    x, y = operand("where", input), operand("where", other)
    dtype = result_type(x, y)
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        y = condition.new_full((), y, dtype=dtype)
    return Where.apply(condition, _filler("where", x, dtype), _filler("where", y, dtype))


def _filler(name: str, value: Tensor | Number, dtype: DType) -> Any:
    """A tensor as `dtype`; a number as one of that dtype, which a kernel takes with its arguments."""
    if isinstance(value, Tensor):
        return value if value.array.dtype == dtype else value.to(dtype)
    return dtype.type(fitted(name, value, dtype))


def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """`input` with `value` where the mask holds.

    Args:
        mask: bool, a shape that broadcasts with the input's.
        value: a number that the input's dtype can hold, or a 0-d tensor.
    Raises: RuntimeError for a mask that is not bool, and for a number that the dtype cannot hold; ShapeError if the
        shapes do not broadcast or the value has dimensions.
    Gradient: dy where the mask does not hold, to input; the sum of the others to value.
    """
    if mask.dtype != bool:
        raise RuntimeError(f"masked_fill: the mask must be bool, got {mask.dtype}")
    if isinstance(value, Tensor) and value.ndim:
        raise ShapeError(f"masked_fill: the value must be a number or a 0-d tensor, got shape {value.shape}")
    return Where.apply(mask, _filler("masked_fill", value, input.dtype), input)  # type: ignore[no-any-return]


_PLAIN = (int, float, type(None))


def clamp(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
    """`input` limited to [min, max]; where min > max the result is max. nan stays nan.

    Args:
        min, max: bounds, Tensors that broadcast or numbers; at least one of them. All are promoted to one dtype.
    Raises: RuntimeError if neither bound is given, for bools, and for a number that an integer dtype cannot hold.
    Gradient: to input, dy inside the bounds and on them; elsewhere to the bound that was taken.
    """
    if min is None and max is None:
        raise RuntimeError("clamp: give min, max or both")
    if input.array.dtype.kind in "fV" and type(min) in _PLAIN and type(max) in _PLAIN:
        return Limit.apply(input, None, min, max)  # type: ignore[no-any-return]
    dtype = result_type(*(operand("clamp", each) for each in (input, min, max) if each is not None))
    if dtype.kind == "b":
        raise RuntimeError("clamp: bools have no order; cast the input to a number first")
    bounds = [
        each.to(dtype) if isinstance(each, Tensor) else None if each is None else fitted("clamp", each, dtype)
        for each in (min, max)
    ]
    return Clamp.apply(input.to(dtype), *bounds)  # type: ignore[no-any-return]


def clamp_min(input: Tensor, min: Tensor | Number) -> Tensor:
    """`input`, but at least `min`: clamp with one bound; bools too."""
    x = tensor_only("clamp_min", input)
    return x | min if _bools(x, min) else clamp(x, min=min)


def clamp_max(input: Tensor, max: Tensor | Number) -> Tensor:
    """`input`, but at most `max`: clamp with one bound; bools too."""
    x = tensor_only("clamp_max", input)
    return x & max if _bools(x, max) else clamp(x, max=max)


def _bools(x: Tensor, bound: Any) -> bool:
    return x.dtype.kind == "b" and isinstance(bound, (Tensor, bool)) and result_type(x, bound).kind == "b"


absolute, clip = abs, clamp
