"""Circular and hyperbolic functions and their inverses, of radians. Integers and bools give the default dtype."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.ops.arithmetic import mul
from gpudl.ops.operands import Binary, tensors
from gpudl.ops.unary import OfInput, OfResult, floating

__all__ = [
    "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin", "asinh", "atan",
    "atan2", "atanh", "cos", "cosh", "deg2rad", "hypot", "rad2deg", "sin", "sinc", "sinh", "tan",
]  # fmt: skip


class Sin(OfInput):
    __slots__ = ()
    function = "sin"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy * xp_of(x).cos(x)


class Cos(OfInput):
    __slots__ = ()
    function = "cos"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return -(dy * xp_of(x).sin(x))


class Tan(OfResult):
    __slots__ = ()
    function = "tan"

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        return dy * (y * y + 1)


class Asin(OfInput):
    __slots__ = ()
    function = "arcsin"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy / xp_of(x).sqrt(1 - x * x)


class Acos(OfInput):
    __slots__ = ()
    function = "arccos"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return -(dy / xp_of(x).sqrt(1 - x * x))


class Atan(OfInput):
    __slots__ = ()
    function = "arctan"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy / (x * x + 1)


class Sinh(OfInput):
    __slots__ = ()
    function = "sinh"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy * xp_of(x).cosh(x)


class Cosh(OfInput):
    __slots__ = ()
    function = "cosh"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy * xp_of(x).sinh(x)


class Asinh(OfInput):
    __slots__ = ()
    function = "arcsinh"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy / xp_of(x).sqrt(x * x + 1)


class Acosh(OfInput):
    __slots__ = ()
    function = "arccosh"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy / xp_of(x).sqrt(x * x - 1)


class Atanh(OfInput):
    __slots__ = ()
    function = "arctanh"

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy / (1 - x * x)


class Sinc(OfInput):
    """sin(pi x) / (pi x). Beside 0, where both are 0, both are near 1e-10, and their quotient is 1."""

    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        angle = x * math.pi + (x == 0).astype(x.dtype) * 1e-10
        y = xp_of(x).sin(angle) / angle
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        at_zero = (x == 0).astype(x.dtype)
        slope = (xp_of(x).cos(x * math.pi) - y) / (x + at_zero)
        if isinstance(dy, Tensor):
            # At 0 the quotient has the right value, 0, but as 0 / 1 not the right derivatives: Taylor's terms do.
            slope = slope + at_zero * (x * x * x * (math.pi**4 / 30) - x * (math.pi**2 / 3))
        return dy * slope


class Atan2(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        return xp_of(x).arctan2(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        for_x, for_y = ctx.edges
        square = x * x + y * y
        inverse = 1 / (square + (square == 0).astype(square.dtype))  # at the origin the gradient is 0, not nan
        return ctx.fit(dz * y * inverse if for_x else None, -(dz * x * inverse) if for_y else None)


class Hypot(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        z = xp_of(x).hypot(x, y)
        ctx.save(x, y, z)
        ctx.note_shapes(x, y)
        return z

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y, z = ctx.saved
        for_x, for_y = ctx.edges
        return ctx.fit(dz * (x / z) if for_x else None, dz * (y / z) if for_y else None)


def sin(input: Tensor) -> Tensor:
    """The sine of an angle in radians. Gradient: dy * cos(input)."""
    return Sin.apply(floating("sin", input))  # type: ignore[no-any-return]


def cos(input: Tensor) -> Tensor:
    """The cosine of an angle in radians. Gradient: -dy * sin(input)."""
    return Cos.apply(floating("cos", input))  # type: ignore[no-any-return]


def tan(input: Tensor) -> Tensor:
    """The tangent of an angle in radians. Gradient: dy * (1 + result**2)."""
    return Tan.apply(floating("tan", input))  # type: ignore[no-any-return]


def asin(input: Tensor) -> Tensor:
    """The angle in [-pi/2, pi/2] with this sine; nan beyond [-1, 1]. Gradient: dy / sqrt(1 - input**2)."""
    return Asin.apply(floating("asin", input))  # type: ignore[no-any-return]


def acos(input: Tensor) -> Tensor:
    """The angle in [0, pi] with this cosine; nan beyond [-1, 1]. Gradient: -dy / sqrt(1 - input**2)."""
    return Acos.apply(floating("acos", input))  # type: ignore[no-any-return]


def atan(input: Tensor) -> Tensor:
    """The angle in (-pi/2, pi/2) with this tangent. Gradient: dy / (1 + input**2)."""
    return Atan.apply(floating("atan", input))  # type: ignore[no-any-return]


def sinh(input: Tensor) -> Tensor:
    """The hyperbolic sine. Gradient: dy * cosh(input)."""
    return Sinh.apply(floating("sinh", input))  # type: ignore[no-any-return]


def cosh(input: Tensor) -> Tensor:
    """The hyperbolic cosine. Gradient: dy * sinh(input)."""
    return Cosh.apply(floating("cosh", input))  # type: ignore[no-any-return]


def asinh(input: Tensor) -> Tensor:
    """The inverse hyperbolic sine. Gradient: dy / sqrt(input**2 + 1)."""
    return Asinh.apply(floating("asinh", input))  # type: ignore[no-any-return]


def acosh(input: Tensor) -> Tensor:
    """The inverse hyperbolic cosine; nan below 1. Gradient: dy / sqrt(input**2 - 1)."""
    return Acosh.apply(floating("acosh", input))  # type: ignore[no-any-return]


def atanh(input: Tensor) -> Tensor:
    """The inverse hyperbolic tangent; nan beyond [-1, 1]. Gradient: dy / (1 - input**2)."""
    return Atanh.apply(floating("atanh", input))  # type: ignore[no-any-return]


def sinc(input: Tensor) -> Tensor:
    """sin(pi * input) / (pi * input), and 1 at 0. Gradient: dy * (cos(pi * input) - result) / input, and 0 at 0."""
    return Sinc.apply(floating("sinc", input))  # type: ignore[no-any-return]


def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians. Gradient: dy * pi / 180."""
    return mul(floating("deg2rad", input), math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees. Gradient: dy * 180 / pi."""
    return mul(floating("rad2deg", input), 180 / math.pi)


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle in [-pi, pi] from the positive x axis to the point (x = other, y = input).

    Args:
        input, other: Tensors whose shapes broadcast.
    Returns: the broadcast shape; the promoted dtype, integers in the default floating one.
    Raises: TypeError for numbers; ShapeError if the shapes do not broadcast; DeviceError if the devices differ.
    Gradient: dz * other / (input**2 + other**2), -dz * input / (input**2 + other**2).
    """
    return Atan2.apply_pair(*tensors("atan2", input, other, floating=True))


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input**2 + other**2), without overflow on the way; inf if one is infinite, whatever the other.

    Args: as in atan2; floating point.
    Raises: as atan2; RuntimeError for integers and bools.
    Gradient: dz * input / result, dz * other / result.
    """
    x, y = tensors("hypot", input, other)
    if x.array.dtype.kind not in "fV":
        raise RuntimeError(f"hypot: expected floating point, got {x.dtype}; cast the input to a float first")
    return Hypot.apply_pair(x, y)


arccos, arcsin, arctan, arctan2 = acos, asin, atan, atan2
arccosh, arcsinh, arctanh = acosh, asinh, atanh
