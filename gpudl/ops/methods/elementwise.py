"""Arithmetic, functions of single elements and comparison as methods and operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gpudl.autograd.tensor import Tensor
from gpudl.ops import (
    arithmetic,
    comparison,
    elementwise,
    exponential,
    floats,
    logic,
    powers,
    rounding,
    ternary,
    trigonometry,
)
from gpudl.ops import exp as exp_room
from gpudl.ops import sigmoid as sigmoid_room
from gpudl.ops import sqrt as sqrt_room


class ElementwiseMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: Any

    __add__ = __radd__ = add = arithmetic.add
    __sub__ = sub = subtract = arithmetic.sub
    __mul__ = __rmul__ = mul = multiply = arithmetic.mul
    __truediv__ = div = divide = arithmetic.div
    true_divide = arithmetic.true_divide
    __pow__ = pow = arithmetic.pow
    __neg__ = neg = negative = arithmetic.neg
    __floordiv__ = floor_divide = rounding.floor_divide
    __mod__ = remainder = rounding.remainder
    __rsub__ = arithmetic.rsub
    fmod = rounding.fmod
    float_power = powers.float_power
    maximum = arithmetic.maximum
    minimum = arithmetic.minimum
    fmax = floats.fmax
    fmin = floats.fmin
    lerp = ternary.lerp
    addcmul = ternary.addcmul
    addcdiv = ternary.addcdiv

    def __rtruediv__(self, other: Any) -> Tensor:
        return arithmetic.div(other, cast(Tensor, self))

    def __rfloordiv__(self, other: Any) -> Tensor:
        return rounding.floor_divide(other, cast(Tensor, self))

    def __rmod__(self, other: Any) -> Tensor:
        return rounding.remainder(other, cast(Tensor, self))

    def __rpow__(self, other: Any) -> Tensor:
        return arithmetic.pow(other, cast(Tensor, self))

    def __pos__(self) -> Tensor:
        return floats.positive(cast(Tensor, self))

    positive = floats.positive
    __abs__ = abs = absolute = elementwise.abs
    sign = elementwise.sign
    sgn = floats.sgn
    clamp = clip = elementwise.clamp
    clamp_min = elementwise.clamp_min
    clamp_max = elementwise.clamp_max
    nan_to_num = floats.nan_to_num
    copysign = floats.copysign
    signbit = floats.signbit
    nextafter = floats.nextafter
    heaviside = floats.heaviside
    frexp = floats.frexp
    ldexp = powers.ldexp
    angle = floats.angle

    @property
    def real(self) -> Tensor:
        """The tensor itself: gpudl has no complex numbers."""
        return cast(Tensor, self)

    exp = exp_room.exp
    exp2 = exponential.exp2
    expm1 = exponential.expm1
    log = exp_room.log
    log2 = exponential.log2
    log10 = exponential.log10
    log1p = exponential.log1p
    logit = exponential.logit
    logaddexp = exponential.logaddexp
    logaddexp2 = exponential.logaddexp2
    xlogy = exponential.xlogy
    sqrt = sqrt_room.sqrt
    rsqrt = sqrt_room.rsqrt
    square = powers.square
    reciprocal = powers.reciprocal
    sigmoid = sigmoid_room.sigmoid

    sin = trigonometry.sin
    cos = trigonometry.cos
    tan = trigonometry.tan
    asin = arcsin = trigonometry.asin
    acos = arccos = trigonometry.acos
    atan = arctan = trigonometry.atan
    atan2 = arctan2 = trigonometry.atan2
    sinh = trigonometry.sinh
    cosh = trigonometry.cosh
    tanh = sigmoid_room.tanh
    asinh = arcsinh = trigonometry.asinh
    acosh = arccosh = trigonometry.acosh
    atanh = arctanh = trigonometry.atanh
    sinc = trigonometry.sinc
    hypot = trigonometry.hypot
    deg2rad = trigonometry.deg2rad
    rad2deg = trigonometry.rad2deg

    ceil = rounding.ceil
    floor = rounding.floor
    trunc = fix = rounding.trunc
    round = rounding.round
    frac = rounding.frac

    __eq__ = eq = comparison.eq  # type: ignore[assignment]
    __ne__ = ne = not_equal = comparison.ne  # type: ignore[assignment]
    __lt__ = lt = less = comparison.lt
    __le__ = le = less_equal = comparison.le
    __gt__ = gt = greater = comparison.gt
    __ge__ = ge = greater_equal = comparison.ge
    __and__ = __rand__ = bitwise_and = comparison.bitwise_and
    __or__ = __ror__ = bitwise_or = comparison.bitwise_or
    __xor__ = __rxor__ = bitwise_xor = comparison.bitwise_xor
    __invert__ = bitwise_not = comparison.bitwise_not
    __lshift__ = bitwise_left_shift = logic.bitwise_left_shift
    __rshift__ = bitwise_right_shift = logic.bitwise_right_shift
    logical_and = logic.logical_and
    logical_or = logic.logical_or
    logical_xor = logic.logical_xor
    logical_not = logic.logical_not
    gcd = logic.gcd
    lcm = logic.lcm

    def __rlshift__(self, other: Any) -> Tensor:
        return logic.bitwise_left_shift(other, cast(Tensor, self))

    def __rrshift__(self, other: Any) -> Tensor:
        return logic.bitwise_right_shift(other, cast(Tensor, self))

    isnan = comparison.isnan
    isinf = comparison.isinf
    isfinite = comparison.isfinite
    isposinf = floats.isposinf
    isneginf = floats.isneginf
    isreal = floats.isreal
    isclose = comparison.isclose
    allclose = comparison.allclose
    equal = comparison.equal

    def __hash__(self) -> int:
        return id(self)
