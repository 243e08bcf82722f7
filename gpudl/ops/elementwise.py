"""Elementwise functions of one operand, and where and clamp. Integers and bools give the default floating dtype."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import DType, get_default_dtype
from gpudl.backend.errors import ShapeError
from gpudl.ops.operands import Binary, Number, fitted, operand, result_type, sum_to_shape

__all__ = ["abs", "clamp", "clip", "exp", "log", "masked_fill", "sigmoid", "sign", "sqrt", "tanh", "where"]


class Exp(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        y = xp_of(x).exp(x)
        ctx.save(y)
        return y

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        return dy * y


class Log(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        ctx.save(x)
        return xp_of(x).log(x)

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy / x


class Sqrt(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        y = xp_of(x).sqrt(x)
        ctx.save(y)
        return y

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        return dy / (y * 2)


class Tanh(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        y = xp_of(x).tanh(x)
        ctx.save(y)
        return y

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        return dy * (1 - y * y)


class Sigmoid(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        # exp may overflow, to the right limit; (tanh(x / 2) + 1) / 2 would lose all digits of small results.
        y = 1 / (xp_of(x).exp(-x) + 1)
        ctx.save(y)
        return y

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        return dy * (1 - y) * y


class Abs(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        ctx.save(x)
        return xp_of(x).abs(x)

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy * _sign(x)


class Sign(Primitive):
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


class Where(Binary):
    __slots__ = ()

    def forward(ctx, condition: Array, x: Array, y: Array) -> Array:
        z = xp_of(condition).where(condition, x, y)
        ctx.save(condition)
        ctx.shapes = None if x.shape == y.shape == z.shape else (x.shape, y.shape)
        return z

    def backward(ctx, dz: Array) -> tuple[Any, ...]:
        (condition,) = ctx.saved
        xp = xp_of(condition)
        zero = xp.zeros_like(dz)
        dx = xp.where(condition, dz, zero) if ctx.edges[1] else None
        dy = xp.where(condition, zero, dz) if ctx.edges[2] else None
        return (None, *ctx.fit(dx, dy))


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
        xp = xp_of(x)
        zero = xp.zeros_like(dy)
        return tuple(
            None if hit is None else sum_to_shape(xp.where(hit, dy, zero), shape)
            for hit, shape in zip(taken, ctx.shapes)
        )


def _floating(input: Tensor) -> Tensor:
    return input if input.array.dtype.kind in "fV" else input.to(get_default_dtype())


def exp(input: Tensor) -> Tensor:
    """e ** input. Gradient: dy * result."""
    return Exp.apply(_floating(input))  # type: ignore[no-any-return]


def log(input: Tensor) -> Tensor:
    """The natural logarithm: -inf at 0, nan below. Gradient: dy / input."""
    return Log.apply(_floating(input))  # type: ignore[no-any-return]


def sqrt(input: Tensor) -> Tensor:
    """The square root: nan below 0. Gradient: dy / (2 * result)."""
    return Sqrt.apply(_floating(input))  # type: ignore[no-any-return]


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent. Gradient: dy * (1 - result**2)."""
    return Tanh.apply(_floating(input))  # type: ignore[no-any-return]


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input)), without overflow. Gradient: dy * result * (1 - result)."""
    return Sigmoid.apply(_floating(input))  # type: ignore[no-any-return]


def abs(input: Tensor) -> Tensor:
    """The absolute value; any dtype but bool. Gradient: dy * sign(input), 0 at 0."""
    if input.dtype == bool:
        raise RuntimeError("abs: a bool tensor has no absolute value; cast it to a number first")
    return Abs.apply(input)  # type: ignore[no-any-return]


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1 by the sign; 0 for nan. Gradient: 0."""
    return Sign.apply(input)  # type: ignore[no-any-return]


def where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """`input` where the condition holds, else `other`; all three broadcast.

    Args:
        condition: bool.
        input, other: Tensors or numbers, promoted to one dtype.
    Raises: RuntimeError for a condition that is not bool, and for a number that the dtype cannot hold; TypeError for
        what is no Tensor; ShapeError if the shapes do not broadcast.
    Gradient: dz where the condition holds, to input; elsewhere to other.
    """
    if not isinstance(condition, Tensor):
        raise TypeError(f"where: the condition must be a bool Tensor, got {type(condition).__name__}")
    if condition.dtype != bool:
        raise RuntimeError(f"where: the condition must be bool, got {condition.dtype}")
    x, y = operand("where", input), operand("where", other)
    dtype = result_type(x, y)
    return Where.apply(condition, _filler(condition, x, dtype), _filler(condition, y, dtype))  # type: ignore[no-any-return]


def _filler(like: Tensor, value: Tensor | Number, dtype: DType) -> Tensor:
    """A tensor as `dtype`; a number as a 0-d tensor where `like` is."""
    if isinstance(value, Tensor):
        return value if value.array.dtype == dtype else value.to(dtype)
    return like.new_full((), value, dtype=dtype)


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
    return Where.apply(mask, _filler(input, value, input.dtype), input)  # type: ignore[no-any-return]


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
        return Clamp.apply(input, min, max)  # type: ignore[no-any-return]
    dtype = result_type(*(operand("clamp", each) for each in (input, min, max) if each is not None))
    if dtype.kind == "b":
        raise RuntimeError("clamp: bools have no order; cast the input to a number first")
    bounds = [
        each.to(dtype) if isinstance(each, Tensor) else None if each is None else fitted("clamp", each, dtype)
        for each in (min, max)
    ]
    return Clamp.apply(input.to(dtype), *bounds)  # type: ignore[no-any-return]


clip = clamp
