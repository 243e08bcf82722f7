"""Arithmetic on two operands: add, sub, mul, div, pow, neg, maximum, minimum. Broadcasts; promotes as PyTorch does."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.ops.operands import Binary, Number, binary, promoted


class Add(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.note_shapes(x, y)
        return x + y

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        return ctx.fit(dz, dz)


class Sub(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.note_shapes(x, y)
        return x - y

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        return ctx.fit(dz, -dz if ctx.edges[1] else None)


class Mul(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        for_x, for_y = ctx.edges
        ctx.save(x if for_y else None, y if for_x else None)
        ctx.note_shapes(x, y)
        return x * y

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        for_x, for_y = ctx.edges
        return ctx.fit(dz * y if for_x else None, dz * x if for_y else None)


class Div(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x if ctx.edges[1] else None, y)
        ctx.note_shapes(x, y)
        return x / y

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        for_x, for_y = ctx.edges
        dx = dz / y
        return ctx.fit(dx if for_x else None, -dx * x / y if for_y else None)


class Pow(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        # np.power takes 50 ns an element whatever the exponent; the small ones are worth naming.
        if type(y) in (int, float) and y in _SMALL_POWERS and x.dtype.kind == "f":
            return _SMALL_POWERS[y](x)
        return x**y

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        for_x, for_y = ctx.edges
        dx = dy = None
        if for_x:
            if isinstance(y, (int, float)):
                dx = dz * y * x ** (y - 1) if y else dz * 0
            else:
                dx = dz * xp_of(y).where(y == 0, 0 * y, y * x ** (y - 1))
        if for_y:
            xp = xp_of(y)
            # The derivative x**y log(x) is 0, not nan, in the limit x -> 0 with y >= 0.
            zero = (y >= 0) & (x == 0)
            safe = xp.where(zero, xp.ones_like(y), x)
            dy = dz * xp.where(zero, xp.zeros_like(y), safe**y * xp.log(safe))
        return ctx.fit(dx, dy)


_SMALL_POWERS: dict[float, Any] = {
    1: lambda x: x.copy(),
    2: lambda x: x * x,
    3: lambda x: x * x * x,
    0.5: lambda x: xp_of(x).sqrt(x),
    -1: lambda x: 1 / x,
}


class Neg(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        return -x

    def backward(ctx, dy: Array) -> Array:
        return -dy


class Maximum(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        return xp_of(x).maximum(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        return ctx.fit(*_share(dz, x, y))


class Minimum(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        return xp_of(x).minimum(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        return ctx.fit(*_share(dz, -x, -y))


def _share(dz: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """The gradients of maximum(x, y): dz to the larger, half of it to each where they tie."""
    xp = xp_of(x)
    zero = xp.zeros_like(dz)
    both = xp.where(x == y, dz * 0.5, dz)
    return xp.where(x < y, zero, both), xp.where(x > y, zero, both)


def add(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """input + alpha * other, elementwise.

    Args:
        input, other: Tensors whose shapes broadcast, or one of them a number.
        alpha: factor on `other`.
    Returns: the broadcast shape; the promoted dtype.
    Raises: ShapeError if the shapes do not broadcast; DeviceError if the devices differ.
    Gradient: dz, and alpha * dz, summed over broadcast dimensions.
    """
    return binary(Add, input, other if alpha == 1 else other * alpha)


def sub(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """input - alpha * other, elementwise; arguments and errors as in add."""
    if getattr(input, "dtype", None) == bool or getattr(other, "dtype", None) == bool:
        raise RuntimeError("sub: bool tensors cannot be subtracted; use logical operators, or cast to an integer first")
    return binary(Sub, input, other if alpha == 1 else other * alpha)


def mul(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input * other, elementwise; arguments and errors as in add.

    Gradient: dz * other, dz * input.
    """
    return binary(Mul, input, other)


def div(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input / other, elementwise and true: integers give the default floating dtype. Dividing by 0 gives inf or nan.

    Gradient: dz / other, -dz * input / other**2.
    """
    return binary(Div, *promoted("div", input, other, floating=True))


def pow(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """input ** exponent, elementwise; arguments and errors as in add.

    Raises: RuntimeError for integers to a negative integer power, whose result is no integer.
    Gradient: dz * exponent * input**(exponent - 1), dz * result * log(input) (0 where input is 0, exponent >= 0).
    """
    x, y = promoted("pow", input, exponent)
    if isinstance(y, int) and y < 0 and isinstance(x, Tensor) and x.dtype.kind in "iu":
        raise RuntimeError(f"pow: an integer tensor cannot be raised to the power {y}; cast it to a float first")
    return binary(Pow, x if isinstance(x, Tensor) else y.new_full((), x), y)


def neg(input: Tensor) -> Tensor:
    """-input, elementwise; any dtype but bool."""
    if input.dtype == bool:
        raise RuntimeError("neg: a bool tensor has no negative; use ~ for logical not")
    return Neg.apply(input)


def maximum(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The larger of two, elementwise; nan if one is nan. The gradient goes to the larger, half to each on a tie."""
    return binary(Maximum, *_as_tensors("maximum", input, other))


def minimum(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The smaller of two, elementwise; nan if one is nan. The gradient goes to the smaller, half to each on a tie."""
    return binary(Minimum, *_as_tensors("minimum", input, other))


def _as_tensors(name: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Both promoted, a number as a 0-d tensor beside the other: their bodies ask for the operand's namespace."""
    x, y = promoted(name, x, y)
    if not isinstance(x, Tensor):
        x = y.new_full((), x)
    return x, y if isinstance(y, Tensor) else x.new_full((), y)
