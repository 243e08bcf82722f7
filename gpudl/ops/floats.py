"""Signs, special values and parts of floating point numbers, and the larger and smaller that pass over nan."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import int32, largest
from gpudl.ops.choices import choice_backward
from gpudl.ops.comparison import Compare
from gpudl.ops.elementwise import sign
from gpudl.ops.operands import Binary, Number, as_tensors, tensors
from gpudl.ops.parts import kept
from gpudl.ops.unary import floating, tensor_only

__all__ = [
    "angle", "copysign", "fmax", "fmin", "frexp", "heaviside", "isneginf", "isposinf", "isreal", "nan_to_num",
    "nextafter", "positive", "real", "sgn", "signbit",
]  # fmt: skip


class NanToNum(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array, nan: float, posinf: float, neginf: float) -> Array:
        ctx.save(x)
        return xp_of(x).nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return kept(dy, xp_of(x).isfinite(x))


class Copysign(Binary):
    """abs(x) with the sign of y."""

    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        z = xp_of(x).copysign(x, y)
        ctx.save(x, z)
        ctx.note_shapes(x, y)
        return z

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, z = ctx.saved
        xp = xp_of(x)
        zero = x == 0
        dx = dz * xp.where(zero, xp.zeros_like(z), z / x) if ctx.edges[0] else None
        return ctx.fit(dx, xp.zeros_like(dz))


class Angle(Primitive):
    """0 for positive numbers, pi for negative ones."""

    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        xp = xp_of(x)
        return xp.where(x < 0, x.dtype.type(math.pi), xp.where(x != x, x, xp.zeros_like(x)))

    def backward(ctx, dy: Array) -> Array:
        return xp_of(dy).zeros_like(dy)


class Frexp(Primitive):
    """x as mantissa * 2**exponent, 0.5 <= abs(mantissa) < 1."""

    __slots__ = ()

    def forward(ctx, x: Array) -> tuple[Array, Array]:
        mantissa, exponent = xp_of(x).frexp(x)
        exponent = exponent.astype(int32)
        ctx.save(exponent.copy())
        return mantissa, exponent

    def backward(ctx, dy: Array, _: Array) -> Array:
        (exponent,) = ctx.saved
        return dy / xp_of(exponent).exp2(exponent.astype(dy.dtype))


class Fmax(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        return xp_of(x).fmax(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        return choice_backward(dz, x, y, ctx.shapes, "fmax")  # type: ignore[no-any-return]


class Fmin(Binary):
    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        return xp_of(x).fmin(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        return choice_backward(dz, x, y, ctx.shapes, "fmin")  # type: ignore[no-any-return]


class Nextafter(Binary):
    """x moved by one step, and so with x's slope; none where they are equal, as in PyTorch."""

    __slots__ = ()
    widens = False

    def forward(ctx, x: Array, y: Array) -> Array:
        ctx.save(x, y)
        ctx.note_shapes(x, y)
        return xp_of(x).nextafter(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        return ctx.fit(kept(dz, x != y), xp_of(dz).zeros_like(dz))


class Heaviside(Binary):
    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, values: Array) -> Array:
        xp = xp_of(x)
        return xp.where(x == 0, values, (x > 0).astype(x.dtype))


def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """The input with numbers in place of nan and the infinities; integers as they are.

    Args:
        input: any shape.
        nan: for nan, by default 0.
        posinf, neginf: for inf and -inf, by default the largest and smallest finite number of the dtype.
    Returns: the input's shape and dtype.
    Gradient: dy where the input is finite, else 0.
    """
    x = tensor_only("nan_to_num", input)
    if x.dtype.kind not in "fV":
        return x.clone()
    limit = largest(x.dtype)
    high, low = limit if posinf is None else posinf, -limit if neginf is None else neginf
    return NanToNum.apply(x, 0.0 if nan is None else nan, high, low)  # type: ignore[no-any-return]


def copysign(input: Tensor, other: Tensor | Number) -> Tensor:
    """abs(input) with the sign of other, also that of 0 and nan; integers in the default floating dtype.

    Args:
        input, other: Tensors whose shapes broadcast; other may be a number.
    Returns: the broadcast shape; the promoted dtype.
    Raises: ShapeError if the shapes do not broadcast; DeviceError if the devices differ.
    Gradient: dz * sign(input) * sign(other), and 0 where input is 0; 0 to other.
    """
    return Copysign.apply_pair(*as_tensors("copysign", tensor_only("copysign", input), other, floating=True))


def signbit(input: Tensor) -> Tensor:
    """True where the sign is set: negative numbers, -0.0, and nan with a sign."""
    x = tensor_only("signbit", input)
    if x.dtype.kind in "bu":
        return Compare.apply(lambda x, _: x != x, x, None)  # type: ignore[no-any-return]
    return Compare.apply(lambda x, _: xp_of(x).signbit(x), x, None)  # type: ignore[no-any-return]


def sgn(input: Tensor) -> Tensor:
    """-1, 0 or 1 by the sign: sign, which differs for complex numbers only."""
    return sign(input)


def angle(input: Tensor) -> Tensor:
    """The angle of a number in the complex plane: 0, or pi for negative ones; nan for nan. Gradient: 0."""
    return Angle.apply(floating("angle", input))  # type: ignore[no-any-return]


def real(input: Tensor) -> Tensor:
    """The input itself: gpudl has no complex numbers."""
    return tensor_only("real", input)


def positive(input: Tensor) -> Tensor:
    """The input itself.

    Raises: RuntimeError for bools.
    """
    if tensor_only("positive", input).dtype.kind == "b":
        raise RuntimeError("positive: a bool tensor has no sign; cast it to a number first")
    return input


class MantissaAndExponent(NamedTuple):
    """What frexp returns."""

    mantissa: Tensor
    exponent: Tensor


def frexp(input: Tensor) -> MantissaAndExponent:
    """input = mantissa * 2 ** exponent, with 0.5 <= abs(mantissa) < 1, or both 0.

    Args:
        input: floating, any shape.
    Returns: (mantissa, exponent), the exponent int32.
    Raises: RuntimeError for integers and bools.
    Gradient: of the mantissa, dy / 2**exponent.
    """
    if tensor_only("frexp", input).dtype.kind not in "fV":
        raise RuntimeError(f"frexp: expected floating point, got {input.dtype}")
    return MantissaAndExponent(*Frexp.apply(input))


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger of two, elementwise; where one is nan, the other. The gradient goes to the larger, input on a tie."""
    return Fmax.apply_pair(*tensors("fmax", input, other))


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of two, elementwise; the other where one is nan. The gradient goes to the smaller, input on a tie."""
    return Fmin.apply_pair(*tensors("fmin", input, other))


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next number of the dtype after input on the way to other; floating. Gradient: dz to input,
    0 where they are equal.

    Raises: RuntimeError for integers and bools; TypeError for numbers; ShapeError if the shapes do not broadcast.
    """
    x, y = tensors("nextafter", input, other)
    if x.dtype.kind not in "fV":
        raise RuntimeError(f"nextafter: expected floating point, got {x.dtype}")
    return Nextafter.apply_pair(x, y)


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 where input is negative, 1 where it is positive, `values` where it is 0. It has no gradient.

    Raises: RuntimeError if the dtypes differ; TypeError for numbers; ShapeError if the shapes do not broadcast.
    """
    if isinstance(input, Tensor) and isinstance(values, Tensor) and input.dtype != values.dtype:
        raise RuntimeError(f"heaviside: the dtypes differ, {input.dtype} and {values.dtype}")
    return Heaviside.apply_pair(*tensors("heaviside", input, values))


def isposinf(input: Tensor) -> Tensor:
    """True where the value is inf."""
    return Compare.apply(lambda x, _: x == math.inf, tensor_only("isposinf", input), None)  # type: ignore[no-any-return]


def isneginf(input: Tensor) -> Tensor:
    """True where the value is -inf."""
    return Compare.apply(lambda x, _: x == -math.inf, tensor_only("isneginf", input), None)  # type: ignore[no-any-return]


def isreal(input: Tensor) -> Tensor:
    """True everywhere: gpudl has no complex numbers."""
    return Compare.apply(lambda x, _: xp_of(x).ones(x.shape, bool), tensor_only("isreal", input), None)  # type: ignore[no-any-return]
