"""Arithmetic, functions of single elements and comparison in place."""

from __future__ import annotations

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
from gpudl.ops.methods.in_place import ALL, OTHERS, in_place


class ElementwiseInPlaceMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    __iadd__ = add_ = in_place("add_", arithmetic.add)
    __isub__ = sub_ = subtract_ = in_place("sub_", arithmetic.sub)
    __imul__ = mul_ = multiply_ = in_place("mul_", arithmetic.mul, OTHERS)
    __itruediv__ = div_ = divide_ = in_place("div_", arithmetic.div, OTHERS)
    true_divide_ = in_place("true_divide_", arithmetic.true_divide, OTHERS)
    __ipow__ = pow_ = in_place("pow_", arithmetic.pow, ALL)
    __ifloordiv__ = floor_divide_ = in_place("floor_divide_", rounding.floor_divide, ALL)
    __imod__ = remainder_ = in_place("remainder_", rounding.remainder, ALL)
    fmod_ = in_place("fmod_", rounding.fmod, ALL)
    float_power_ = in_place("float_power_", powers.float_power, ALL)
    lerp_ = in_place("lerp_", ternary.lerp, ALL)
    addcmul_ = in_place("addcmul_", ternary.addcmul)
    addcdiv_ = in_place("addcdiv_", ternary.addcdiv)

    neg_ = negative_ = in_place("neg_", arithmetic.neg)
    abs_ = absolute_ = in_place("abs_", elementwise.abs, ALL)
    sign_ = in_place("sign_", elementwise.sign)
    sgn_ = in_place("sgn_", floats.sgn)
    clamp_ = clip_ = in_place("clamp_", elementwise.clamp, ALL)
    clamp_min_ = in_place("clamp_min_", elementwise.clamp_min, ALL)
    clamp_max_ = in_place("clamp_max_", elementwise.clamp_max, ALL)
    nan_to_num_ = in_place("nan_to_num_", floats.nan_to_num, ALL)
    copysign_ = in_place("copysign_", floats.copysign, ALL)
    nextafter_ = in_place("nextafter_", floats.nextafter, ALL)
    heaviside_ = in_place("heaviside_", floats.heaviside)
    ldexp_ = in_place("ldexp_", powers.ldexp, OTHERS)

    exp_ = in_place("exp_", exp_room.exp)
    exp2_ = in_place("exp2_", exponential.exp2)
    expm1_ = in_place("expm1_", exponential.expm1)
    log_ = in_place("log_", exp_room.log, ALL)
    log2_ = in_place("log2_", exponential.log2, ALL)
    log10_ = in_place("log10_", exponential.log10, ALL)
    log1p_ = in_place("log1p_", exponential.log1p, ALL)
    logit_ = in_place("logit_", exponential.logit, ALL)
    xlogy_ = in_place("xlogy_", exponential.xlogy, ALL)
    sqrt_ = in_place("sqrt_", sqrt_room.sqrt)
    rsqrt_ = in_place("rsqrt_", sqrt_room.rsqrt)
    square_ = in_place("square_", powers.square, ALL)
    reciprocal_ = in_place("reciprocal_", powers.reciprocal)
    sigmoid_ = in_place("sigmoid_", sigmoid_room.sigmoid)

    sin_ = in_place("sin_", trigonometry.sin, ALL)
    cos_ = in_place("cos_", trigonometry.cos, ALL)
    tan_ = in_place("tan_", trigonometry.tan)
    asin_ = arcsin_ = in_place("asin_", trigonometry.asin, ALL)
    acos_ = arccos_ = in_place("acos_", trigonometry.acos, ALL)
    atan_ = arctan_ = in_place("atan_", trigonometry.atan, ALL)
    atan2_ = arctan2_ = in_place("atan2_", trigonometry.atan2, ALL)
    sinh_ = in_place("sinh_", trigonometry.sinh, ALL)
    cosh_ = in_place("cosh_", trigonometry.cosh, ALL)
    tanh_ = in_place("tanh_", sigmoid_room.tanh)
    asinh_ = arcsinh_ = in_place("asinh_", trigonometry.asinh, ALL)
    acosh_ = arccosh_ = in_place("acosh_", trigonometry.acosh, ALL)
    atanh_ = arctanh_ = in_place("atanh_", trigonometry.atanh, ALL)
    sinc_ = in_place("sinc_", trigonometry.sinc, ALL)
    hypot_ = in_place("hypot_", trigonometry.hypot, ALL)
    deg2rad_ = in_place("deg2rad_", trigonometry.deg2rad)
    rad2deg_ = in_place("rad2deg_", trigonometry.rad2deg)

    ceil_ = in_place("ceil_", rounding.ceil)
    floor_ = in_place("floor_", rounding.floor)
    trunc_ = fix_ = in_place("trunc_", rounding.trunc)
    round_ = in_place("round_", rounding.round)
    frac_ = in_place("frac_", rounding.frac)

    eq_ = in_place("eq_", comparison.eq)
    ne_ = not_equal_ = in_place("ne_", comparison.ne)
    lt_ = less_ = in_place("lt_", comparison.lt)
    le_ = less_equal_ = in_place("le_", comparison.le)
    gt_ = greater_ = in_place("gt_", comparison.gt)
    ge_ = greater_equal_ = in_place("ge_", comparison.ge)
    __iand__ = bitwise_and_ = in_place("bitwise_and_", comparison.bitwise_and)
    __ior__ = bitwise_or_ = in_place("bitwise_or_", comparison.bitwise_or)
    __ixor__ = bitwise_xor_ = in_place("bitwise_xor_", comparison.bitwise_xor)
    bitwise_not_ = in_place("bitwise_not_", comparison.bitwise_not)
    __ilshift__ = bitwise_left_shift_ = in_place("bitwise_left_shift_", logic.bitwise_left_shift)
    __irshift__ = bitwise_right_shift_ = in_place("bitwise_right_shift_", logic.bitwise_right_shift)
    logical_and_ = in_place("logical_and_", logic.logical_and)
    logical_or_ = in_place("logical_or_", logic.logical_or)
    logical_xor_ = in_place("logical_xor_", logic.logical_xor)
    logical_not_ = in_place("logical_not_", logic.logical_not)
    gcd_ = in_place("gcd_", logic.gcd)
    lcm_ = in_place("lcm_", logic.lcm)
