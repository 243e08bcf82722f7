"""Rounding, and division with a whole quotient."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.debug import debugging
from gpudl.backend.device import is_on_host
from gpudl.ops.operands import Binary, Number, as_tensors
from gpudl.ops.unary import Step, tensor_only

__all__ = ["ceil", "fix", "floor", "floor_divide", "fmod", "frac", "remainder", "round", "trunc"]


class Ceil(Step):
    __slots__ = ()
    function = "ceil"


class Floor(Step):
    __slots__ = ()
    function = "floor"


class Trunc(Step):
    __slots__ = ()
    function = "trunc"


class Round(Primitive):
    """To the nearest multiple of 10**-decimals, halves to the even one."""

    __slots__ = ()

    def forward(ctx, x: Array, decimals: int) -> Array:
        xp = xp_of(x)
        if not decimals:
            return xp.rint(x)
        scale = x.dtype.type(10.0 ** abs(decimals))
        return xp.rint(x * scale) / scale if decimals > 0 else xp.rint(x / scale) * scale

    def backward(ctx, dy: Array) -> Array:
        return xp_of(dy).zeros_like(dy)


class Frac(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        return x - xp_of(x).trunc(x)

    def backward(ctx, dy: Array) -> Array:
        return dy


class WholeQuotient(Binary):
    """x / y rounded down, or toward 0: the derivative is 0."""

    __slots__ = ()

    def forward(ctx, x: Array, y: Array, down: bool) -> Array:
        xp = xp_of(x)
        ctx.note_shapes(x, y)
        ctx.save(x, y)
        if down:
            return xp.floor_divide(x, y) if x.dtype.kind != "f" else _floor_quotient(x, y)
        if x.dtype.kind == "f":
            return xp.trunc(x / y)
        quotient = xp.floor_divide(x, y)
        return quotient if x.dtype.kind == "u" else quotient + ((quotient < 0) & (quotient * y != x))

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        xp = xp_of(x)
        return xp.zeros_like(x), xp.zeros_like(y)


def _floor_quotient(x: Array, y: Array) -> Array:
    """By way of the remainder, as Python has it: the floor of x / y alone is off where x / y is rounded up."""
    xp = xp_of(x)
    rest = xp.fmod(x, y)
    quotient = (x - rest) / y
    quotient = quotient - ((rest != 0) & ((y < 0) != (rest < 0)))
    low = xp.floor(quotient)
    low = low + (quotient - low > 0.5)
    return xp.where(y == 0, x / y, xp.where(quotient == 0, xp.copysign(xp.zeros_like(low), x / y), low))


class Remainder(Binary):
    """x - floor(x / y) y, with the sign of y."""

    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.note_shapes(x, y)
        ctx.save(x, y)
        return xp_of(x).remainder(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        return ctx.fit(dz, -dz * xp_of(x).floor(x / y) if ctx.edges[1] else None)


class Fmod(Binary):
    """x - trunc(x / y) y, with the sign of x."""

    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.note_shapes(x, y)
        ctx.save(x, y)
        return xp_of(x).fmod(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        return ctx.fit(dz, -dz * xp_of(x).trunc(x / y) if ctx.edges[1] else None)


def _rounded(cls: type[Primitive], name: str, input: Tensor, *args: Any) -> Tensor:
    x = tensor_only(name, input)
    if x.dtype.kind == "b":
        raise RuntimeError(f"{name}: bools cannot be rounded; cast the input to a number first")
    return cls.apply(x, *args) if x.dtype.kind in "fV" else x.clone()


def ceil(input: Tensor) -> Tensor:
    """The next whole number up; integers as they are. Gradient: 0."""
    return _rounded(Ceil, "ceil", input)


def floor(input: Tensor) -> Tensor:
    """The next whole number down; integers as they are. Gradient: 0."""
    return _rounded(Floor, "floor", input)


def trunc(input: Tensor) -> Tensor:
    """The whole part, rounded toward 0; integers as they are. Gradient: 0."""
    return _rounded(Trunc, "trunc", input)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest multiple of 10**-decimals, halves to the even one; integers as they are.

    Args:
        input: any shape.
        decimals: digits after the point, before it where negative; 0 for integers.
    Raises: RuntimeError for bools, and for decimals beside integers.
    Gradient: 0.
    """
    if decimals and input.dtype.kind not in "fV":
        raise RuntimeError(f"round: decimals={decimals} needs floating point, got {input.dtype}")
    return _rounded(Round, "round", input, decimals)


def frac(input: Tensor) -> Tensor:
    """The part after the point, input - trunc(input). Gradient: dy.

    Raises: RuntimeError for integers and bools.
    """
    if tensor_only("frac", input).dtype.kind not in "fV":
        raise RuntimeError(f"frac: expected floating point, got {input.dtype}")
    return Frac.apply(input)  # type: ignore[no-any-return]


def whole_quotient(name: str, x: Any, y: Any, down: bool) -> Tensor:
    """x / y rounded down or toward 0, in the promoted dtype.

    Raises: RuntimeError for integers divided by 0, and for bools.
    """
    x, y = as_tensors(name, x, y)
    check_divisor(name, y)
    return WholeQuotient.apply(x, y, down)  # type: ignore[no-any-return]


def check_divisor(name: str, y: Tensor) -> None:
    """Raise RuntimeError for integers that are 0; on a device, which has to be waited for, in debug mode alone."""
    if y.dtype.kind == "b":
        raise RuntimeError(f"{name}: bools cannot be divided; cast the operands to numbers first")
    if y.dtype.kind in "iu" and (is_on_host(y.array) or debugging()) and not y.array.all():
        raise RuntimeError(f"{name}: an integer is divided by 0; cast to a float to get inf and nan")


def floor_divide(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """floor(input / other), in the promoted dtype; div with rounding_mode="floor".

    Args:
        input, other: Tensors whose shapes broadcast, or one of them a number.
    Returns: the broadcast shape; the promoted dtype.
    Raises: RuntimeError for integers divided by 0 (on the CPU), and for bools; ShapeError if the shapes do not
        broadcast; DeviceError if the devices differ.
    Gradient: 0.
    """
    return whole_quotient("floor_divide", input, other, True)


def remainder(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """What floor_divide leaves, with the sign of other: Python's %.

    Args:
        input, other: as in floor_divide.
    Returns: the broadcast shape; the promoted dtype.
    Raises: as floor_divide.
    Gradient: dz, -dz * floor(input / other).
    """
    x, y = as_tensors("remainder", input, other)
    check_divisor("remainder", y)
    return Remainder.apply_pair(x, y)


def fmod(input: Tensor, other: Tensor | Number) -> Tensor:
    """What a division rounded toward 0 leaves, with the sign of input: C's fmod.

    Args:
        input, other: as in floor_divide.
    Returns: the broadcast shape; the promoted dtype.
    Raises: as floor_divide.
    Gradient: dz, -dz * trunc(input / other).
    """
    x, y = as_tensors("fmod", tensor_only("fmod", input), other)
    check_divisor("fmod", y)
    return Fmod.apply_pair(x, y)


fix = trunc
