"""Exponentials and logarithms. Integers and bools give the default floating dtype."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.ops.operands import Binary, Number, as_tensors, tensors
from gpudl.ops.unary import OfInput, OfResult, floating

__all__ = [
    "exp2",
    "expm1",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logit",
    "xlogy",
]  # fmt: skip


class Exp2(OfResult):
    __slots__ = ()
    function = "exp2"

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        return dy * y * math.log(2)


class Expm1(OfResult):
    __slots__ = ()
    function = "expm1"

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        return dy * (y + 1)


class Log2(OfInput):
    __slots__ = ()
    function = "log2"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy / (x * math.log(2))


class Log10(OfInput):
    __slots__ = ()
    function = "log10"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy / (x * math.log(10))


class Log1p(OfInput):
    __slots__ = ()
    function = "log1p"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy / (x + 1)


class Logit(Primitive):
    """log(z / (1 - z)) with z limited to [eps, 1 - eps], or as it is without eps."""

    __slots__ = ("eps",)
    eps: float | None

    def forward(ctx, x: Array, eps: float | None) -> Array:
        ctx.eps = eps
        ctx.save(x)
        xp = xp_of(x)
        z = x if eps is None else xp.minimum(xp.maximum(x, eps), 1 - eps)
        return xp.log(z / (1 - z))

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        low, beyond = (0.0, math.nan) if ctx.eps is None else (ctx.eps, 0.0)
        xp = xp_of(x)
        outside = (x < low) | (x > 1 - low)
        # Between the limits the product is not negative; abs takes the sign off -0.
        return xp.where(outside, xp.zeros_like(dy) + beyond, dy / abs(x * (1 - x)))


class Logaddexp(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        return xp_of(x).logaddexp(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        xp = xp_of(x)
        return ctx.fit(dz / (xp.exp(y - x) + 1), dz / (xp.exp(x - y) + 1))


class Logaddexp2(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        return xp_of(x).logaddexp2(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        xp = xp_of(x)
        return ctx.fit(dz / (xp.exp2(y - x) + 1), dz / (xp.exp2(x - y) + 1))


class Xlogy(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        xp = xp_of(x)
        return xp.where((x == 0) & (y == y), xp.zeros_like(x), x * xp.log(y))

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        for_x, for_y = ctx.edges
        xp = xp_of(x)
        dx = xp.where((x == 0) & (y <= 0), xp.zeros_like(dz), dz * xp.log(y)) if for_x else None
        return ctx.fit(dx, dz * x / y if for_y else None)


def exp2(input: Tensor) -> Tensor:
    """2 ** input. Gradient: dy * result * log(2)."""
    return Exp2.apply(floating("exp2", input))  # type: ignore[no-any-return]


def expm1(input: Tensor) -> Tensor:
    """e ** input - 1, exact for small inputs. Gradient: dy * (result + 1)."""
    return Expm1.apply(floating("expm1", input))  # type: ignore[no-any-return]


def log2(input: Tensor) -> Tensor:
    """The logarithm to base 2: -inf at 0, nan below. Gradient: dy / (input * log(2))."""
    return Log2.apply(floating("log2", input))  # type: ignore[no-any-return]


def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10: -inf at 0, nan below. Gradient: dy / (input * log(10))."""
    return Log10.apply(floating("log10", input))  # type: ignore[no-any-return]


def log1p(input: Tensor) -> Tensor:
    """log(1 + input), exact for small inputs. Gradient: dy / (1 + input)."""
    return Log1p.apply(floating("log1p", input))  # type: ignore[no-any-return]


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(input / (1 - input)), the inverse of sigmoid.

    Args:
        input: in [0, 1]; outside of it the result is nan without eps.
        eps: limit the input to [eps, 1 - eps] first.
    Returns: the input's shape.
    Gradient: dy / (input * (1 - input)) inside; outside 0 with eps, nan without.
    """
    return Logit.apply(floating("logit", input), eps)  # type: ignore[no-any-return]


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)), without overflow.

    Args:
        input, other: Tensors whose shapes broadcast, floating.
    Returns: the broadcast shape; the promoted dtype.
    Raises: TypeError for numbers; ShapeError if the shapes do not broadcast; RuntimeError for integers and bools.
    Gradient: dz * exp(input - result), dz * exp(other - result).
    """
    return Logaddexp.apply_pair(*_floats("logaddexp", input, other))


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2**input + 2**other), without overflow; arguments and errors as logaddexp."""
    return Logaddexp2.apply_pair(*_floats("logaddexp2", input, other))


def _floats(name: str, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    x, y = tensors(name, x, y)
    if x.array.dtype.kind not in "fV":
        raise RuntimeError(f"{name}: expected floating point, got {x.dtype}; cast the input to a float first")
    return x, y


def xlogy(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input * log(other), and 0 where input is 0, unless other is nan.

    Args:
        input, other: Tensors whose shapes broadcast, or one of them a number.
    Returns: the broadcast shape; the promoted dtype, integers in the default floating one.
    Raises: ShapeError if the shapes do not broadcast; DeviceError if the devices differ.
    Gradient: dz * log(other), dz * input / other.
    """
    return Xlogy.apply_pair(*as_tensors("xlogy", input, other, floating=True))
