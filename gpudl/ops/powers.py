"""Powers and roots. Integers and bools give the default floating dtype, but for square."""

from __future__ import annotations

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.dtypes import float32, float64
from gpudl.ops.arithmetic import pow
from gpudl.ops.operands import Number, tensors
from gpudl.ops.unary import floating, tensor_only

__all__ = ["float_power", "ldexp", "reciprocal", "square"]


class Reciprocal(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        y = 1 / x
        ctx.save(y)
        return y

    def backward(ctx, dy: Array) -> Array:
        (y,) = ctx.saved
        return -(dy * y) * y


class Square(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        ctx.save(x)
        return x * x

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy * (x * 2)


def reciprocal(input: Tensor) -> Tensor:
    """1 / input. Gradient: -dy * result**2."""
    return Reciprocal.apply(floating("reciprocal", input))  # type: ignore[no-any-return]


def square(input: Tensor) -> Tensor:
    """input * input; bools give int64, other dtypes their own. Gradient: 2 * dy * input."""
    x = tensor_only("square", input)
    return Square.apply(x.long() if x.array.dtype.kind == "b" else x)  # type: ignore[no-any-return]


def float_power(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """input ** exponent in float64; arguments and errors as pow."""
    if not isinstance(input, Tensor) and not isinstance(exponent, Tensor):
        raise TypeError(f"float_power: expected a Tensor among the operands, got {input!r} and {exponent!r}")
    x, y = (each.to(float64) if isinstance(each, Tensor) else float(each) for each in (input, exponent))
    return pow(x, y)


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input * 2 ** other, elementwise; the default floating dtype for integers."""
    tensors("ldexp", input, other)  # checks them
    if input.dtype.itemsize == 2 and input.dtype.kind in "fV":  # rounded once: the power alone may overflow
        wide = other.to(float32) if other.dtype.itemsize == 2 and other.dtype.kind in "fV" else other
        return ldexp(input.to(float32), wide).to(input.dtype)
    return floating("ldexp", input) * pow(2.0, other)
