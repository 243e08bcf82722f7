"""Elementwise functions of one operand, and where and clamp. Integers and bools give the default floating dtype."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import get_default_dtype
from gpudl.ops.arithmetic import maximum, minimum
from gpudl.ops.operands import Binary, Number, promoted, sum_to_shape


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
        # By way of tanh nothing overflows, whichever sign x has.
        y = xp_of(x).tanh(x * 0.5) * 0.5 + 0.5
        ctx.save(y)
        return y

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        return dy * (1 - y) * y


class Abs(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        ctx.save(x)
        return abs(x)

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy * xp_of(x).sign(x)


class Sign(Primitive):
    """The sign; its derivative is 0 wherever there is one."""

    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        return xp_of(x).sign(x)

    def backward(ctx, dy: Array) -> Array:
        return xp_of(dy).zeros_like(dy)


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


class MaskedFill(Primitive):
    __slots__ = ("shape",)
    shape: tuple[int, ...]

    def forward(ctx, x: Array, mask: Array, value: Number) -> Array:
        ctx.save(mask)
        ctx.shape = x.shape
        xp = xp_of(x)
        return xp.where(mask, xp.asarray(value, x.dtype), x)

    def backward(ctx, dy: Array) -> Array:
        (mask,) = ctx.saved
        xp = xp_of(mask)
        return sum_to_shape(xp.where(mask, xp.zeros_like(dy), dy), ctx.shape)


def _floating(input: Tensor) -> Tensor:
    return input if input.array.dtype.kind == "f" else input.to(get_default_dtype())


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


def abs_(input: Tensor) -> Tensor:
    """The absolute value. Gradient: dy * sign(input), 0 at 0."""
    return Abs.apply(input)  # type: ignore[no-any-return]


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1 by the sign. Gradient: 0."""
    return Sign.apply(input)  # type: ignore[no-any-return]


def where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """`input` where the condition holds, else `other`; all three broadcast.

    Args:
        condition: bool.
        input, other: Tensors or numbers, promoted to one dtype.
    Raises: TypeError unless the condition is a bool Tensor; ShapeError if the shapes do not broadcast.
    Gradient: dz where the condition holds, to input; elsewhere to other.
    """
    if not isinstance(condition, Tensor) or condition.dtype != bool:
        kind = condition.dtype if isinstance(condition, Tensor) else type(condition).__name__
        raise TypeError(f"where: the condition must be a bool Tensor, got {kind}")
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        from gpudl.backend.dtypes import number_dtype, promote_types

        input = condition.new_full((), input, dtype=promote_types(number_dtype(input), number_dtype(other)))
    x, y = promoted("where", input, other)
    x = x if isinstance(x, Tensor) else y.new_full((), x)
    y = y if isinstance(y, Tensor) else x.new_full((), y)
    return Where.apply(condition, x, y)  # type: ignore[no-any-return]


def masked_fill(input: Tensor, mask: Tensor, value: Number) -> Tensor:
    """`input` with `value` where the mask holds.

    Args:
        mask: bool, a shape that broadcasts with the input's.
        value: a number that the input's dtype can hold.
    Raises: TypeError unless the mask is bool; ShapeError if the shapes do not broadcast.
    Gradient: dy where the mask does not hold.
    """
    if mask.dtype != bool:
        raise TypeError(f"masked_fill: the mask must be bool, got {mask.dtype}")
    return MaskedFill.apply(input, mask, value)  # type: ignore[no-any-return]


def clamp(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
    """`input` limited to [min, max]; where min > max the result is max. nan stays nan.

    Args:
        min, max: bounds, Tensors that broadcast or numbers; at least one of them.
    Raises: ValueError if neither bound is given.
    Gradient: dy inside the bounds, 0 outside.
    """
    if min is None and max is None:
        raise ValueError("clamp needs min, max or both")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        result = input if min is None else maximum(input, min)
        return result if max is None else minimum(result, max)
    if input.dtype.kind != "f" and (isinstance(min, float) or isinstance(max, float)):
        input = input.to(get_default_dtype())
    return Clamp.apply(input, min, max)  # type: ignore[no-any-return]


class Clamp(Primitive):
    __slots__ = ("high", "low")
    low: Number | None
    high: Number | None

    def forward(ctx, x: Array, low: Number | None, high: Number | None) -> Array:
        ctx.save(x)
        ctx.low, ctx.high = low, high
        xp = xp_of(x)
        y = x if low is None else xp.maximum(x, xp.asarray(low, x.dtype))
        return y if high is None else xp.minimum(y, xp.asarray(high, x.dtype))

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        xp = xp_of(x)
        if ctx.low is None:
            inside = x <= ctx.high
        elif ctx.high is None:
            inside = x >= ctx.low
        else:
            inside = (x >= ctx.low) & (x <= ctx.high)
        return xp.where(inside, dy, xp.zeros_like(dy))
