"""Arithmetic on two operands: add, sub, mul, div, pow, neg, maximum, minimum. Broadcasts; promotes as PyTorch does."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import OneRounding
from gpudl.backend.arrays import Array, xp_of
from gpudl.ops.choices import choice_backward, difference_backward, pow_backward
from gpudl.ops.factors import div_backward, mul_backward, power_backward
from gpudl.ops.operands import Binary, Number, as_tensors, binary, fitted, operand, promoted
from gpudl.ops.rounding import whole_quotient
from gpudl.ops.unary import tensor_only

__all__ = [
    "add", "div", "divide", "maximum", "minimum", "mul", "multiply", "neg", "negative", "pow", "rsub", "sub",
    "subtract", "true_divide",
]  # fmt: skip


class Add(OneRounding, Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.note_shapes(x, y)
        return x + y

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        return ctx.fit(dz, dz)


class Sub(OneRounding, Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.note_shapes(x, y)
        return x - y

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        if ctx.edges[1] is None:
            return ctx.fit(dz, None)
        return difference_backward(dz, ctx.shapes, ctx.edges[0] is not None)  # type: ignore[no-any-return]


class Mul(OneRounding, Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        for_x, for_y = ctx.edges
        ctx.save(x if for_y else None, y if for_x else None)
        ctx.note_shapes(x, y)
        return x * y

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        return mul_backward(dz, x, y, ctx.shapes)  # type: ignore[no-any-return]


class Div(OneRounding, Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x if ctx.edges[1] else None, y)
        ctx.note_shapes(x, y)
        return x / y

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        return div_backward(dz, x, y, ctx.shapes, ctx.edges[0] is not None)  # type: ignore[no-any-return]


class Pow(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        # np.power takes 50 ns an element whatever the exponent; the small ones are worth naming.
        if x.dtype.kind in "fV":
            return _SMALL_POWERS[y](x) if type(y) in (int, float) and y in _SMALL_POWERS else x**y
        return _integer_power(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        if isinstance(y, (int, float)):
            return power_backward(dz, x, y), None
        wants = ctx.edges[0] is not None, ctx.edges[1] is not None
        return pow_backward(dz, x, y, ctx.shapes, wants)  # type: ignore[no-any-return]


_SMALL_POWERS: dict[float, Any] = {
    1: lambda x: x.copy(),
    2: lambda x: x * x,
    3: lambda x: x * x * x,
    0.5: lambda x: xp_of(x).sqrt(x),
    -1: lambda x: 1 / x,
}


def _integer_power(x: Array, y: Any) -> Array:
    """x**y for bools and integers. NumPy refuses y < 0; cut to an integer, 1/x is 0 unless x is 1 or -1."""
    if x.dtype.kind == "b":
        return x | (not y)
    if isinstance(y, (bool, int)):
        return x ** x.dtype.type(y)
    xp = xp_of(x)
    inverse = xp.where(abs(x) == 1, xp.where(y % 2 == 0, 1, x), 0)
    return xp.where(y < 0, inverse, x ** xp.maximum(y, 0)).astype(x.dtype)


class Neg(OneRounding):
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
        return choice_backward(dz, x, y, ctx.shapes, "maximum")  # type: ignore[no-any-return]


class Minimum(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        return xp_of(x).minimum(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        return choice_backward(dz, x, y, ctx.shapes, "minimum")  # type: ignore[no-any-return]


def add(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """input + alpha * other, elementwise.

    Args:
        input, other: Tensors whose shapes broadcast, or one of them a number.
        alpha: factor on `other`.
    Returns: the broadcast shape; the promoted dtype.
    Raises: ShapeError if the shapes do not broadcast; DeviceError if the devices differ; RuntimeError for an alpha
        of a higher kind than the result.
    Gradient: dz, and alpha * dz, summed over broadcast dimensions.
    """
    if alpha is not _ONE:
        input, other = _scaled("add", input, other, alpha)
    return binary(Add, input, other)


def sub(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """input - alpha * other, elementwise; arguments and errors as in add."""
    if _is_bool(input) or _is_bool(other):
        raise RuntimeError("sub: bools cannot be subtracted; use logical operators, or cast to an integer first")
    if alpha is not _ONE:
        input, other = _scaled("sub", input, other, alpha)
    return binary(Sub, input, other)


_ONE = 1  # the default factor, told from others by identity: True and 1.0 are subject to checks that it passes


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, Tensor) and value.array.dtype.kind == "b")


def _scaled(name: str, x: Any, y: Any, alpha: Number) -> tuple[Any, Any]:
    """Both promoted, the second times alpha."""
    x, y, alpha = *promoted(name, x, y), operand(name, alpha)
    dtype = (x if isinstance(x, Tensor) else y).dtype
    if isinstance(alpha, bool) and dtype.kind != "b":
        raise RuntimeError(f"{name}: a bool alpha needs a bool result, this one is {dtype}")
    if isinstance(alpha, float) and dtype.kind not in "fV":
        raise RuntimeError(f"{name}: alpha is {alpha} and the result {dtype}; an integer result needs an integer alpha")
    return x, y * fitted(f"{name}: alpha", alpha, dtype)


def mul(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input * other, elementwise; arguments and errors as in add.

    Gradient: dz * other, dz * input.
    """
    return binary(Mul, input, other)


def div(input: Tensor | Number, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, elementwise and true: integers give the default floating dtype. Dividing by 0 gives inf or nan.

    Args:
        input, other: as in add.
        rounding_mode: None, or "floor" (down) or "trunc" (toward 0), which keep the promoted dtype.
    Raises: as add; RuntimeError for another rounding_mode, and for integers divided by 0 with one.

    Gradient: dz / other, -dz * input / other**2.
    """
    if rounding_mode is not None:
        if rounding_mode not in ("floor", "trunc"):
            raise RuntimeError(f"div: rounding_mode must be None, 'floor' or 'trunc', got {rounding_mode!r}")
        return whole_quotient("div", input, other, rounding_mode == "floor")
    if not isinstance(input, Tensor) or input.array.dtype.kind not in "fV":
        input, other = promoted("div", input, other, floating=True)
    return binary(Div, input, other)


def pow(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """input ** exponent, elementwise; arguments and errors as in add.

    Raises: RuntimeError for integers to a negative integer power, whose result is no integer.
    Gradient: dz * exponent * input**(exponent - 1), dz * result * log(input) (0 where input is 0, exponent >= 0).
    """
    if not isinstance(input, Tensor) and not isinstance(exponent, Tensor):
        raise TypeError(f"pow: expected a Tensor among the operands, got {input!r} and {exponent!r}")
    x, y = promoted("pow", input, exponent)
    if isinstance(y, (bool, int)) and x.dtype.kind in "iu":
        given: Any = exponent  # y may have been wrapped around
        if given < 0:
            raise RuntimeError(f"pow: integers cannot be raised to the power {given}; cast them to a float first")
        fitted("pow", given, x.dtype)
    if not isinstance(y, bool) and _is_bool(x) and _is_bool(y):
        raise RuntimeError("pow: bools cannot be raised to powers that are bools; cast one to an integer first")
    return binary(Pow, x if isinstance(x, Tensor) else y.new_full((), x), y)


def neg(input: Tensor) -> Tensor:
    """-input, elementwise; any dtype but bool."""
    if input.dtype == bool:
        raise RuntimeError("neg: a bool tensor has no negative; use ~ for logical not")
    return Neg.apply(input)  # type: ignore[no-any-return]


def maximum(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The larger of two, elementwise; nan if one is nan. The gradient goes to the larger, half to each on a tie."""
    return binary(Maximum, *as_tensors("maximum", input, other))


def minimum(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The smaller of two, elementwise; nan if one is nan. The gradient goes to the smaller, half to each on a tie."""
    return binary(Minimum, *as_tensors("minimum", input, other))


def rsub(input: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """other - alpha * input; arguments and errors as in sub."""
    return sub(other, tensor_only("rsub", input), alpha=alpha)


def true_divide(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """div without rounding."""
    return div(input, other)


subtract, multiply, divide, negative = sub, mul, div, neg
