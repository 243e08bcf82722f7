"""The error function, its complement and its inverse: erf(x) = 2 / sqrt(pi) * integral of exp(-t**2) from 0 to x.

erf and erfc by rational approximations on three intervals: Cody 1969, "Rational Chebyshev approximation for the error
function", Math. Comp. 23. erfinv as the quantile of the normal distribution: Wichura 1988, algorithm AS 241, Applied
Statistics 37. Both are accurate to the rounding of float64; float32 results are float64 ones, rounded, or on the
CPU those of erf_float32.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float64
from gpudl.backend.kernel import kernel
from gpudl.ops.erf_float32 import erf_float32, erfc_float32, erfinv_float32, polynomial
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.operands import narrowed
from gpudl.ops.parts import PART_BYTES, filled, in_parts
from gpudl.ops.unary import floating

__all__ = ["erf", "erfc", "erfinv"]

_SMALL = 0.46875  # below, erf is found directly; above, by way of erfc
_NEAR_0 = (
    (0.185777706184603153, 3.16112374387056560, 113.864154151050156, 377.485237685302021, 3209.37758913846947),
    (1.0, 23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062),
)
_MIDDLE = (
    (
        2.15311535474403846e-8, 0.564188496988670089, 8.88314979438837594, 66.1191906371416295, 298.635138197400131,
        881.952221241769090, 1712.04761263407058, 2051.07837782607147, 1230.33935479799725,
    ),
    (
        1.0, 15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019, 3290.79923573345963,
        4362.61909014324716, 3439.36767414372164, 1230.33935480374942,
    ),
)  # fmt: skip
_FAR = (
    (
        0.0163153871373020978, 0.305326634961232344, 0.360344899949804439, 0.125781726111229246,
        0.0160837851487422766, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242, 1.87295284992346725, 0.527905102951428412, 0.0605183413124413191,
        0.00233520497626869185,
    ),
)  # fmt: skip
_QUANTILE_CENTER = (
    (
        2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
        13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.3871328727963666080,
    ),
    (
        5226.4952788528545610, 28729.085735721942674, 39307.895800092710610, 21213.794301586595867,
        5394.1960214247511077, 687.18700749205790830, 42.313330701600911252, 1.0,
    ),
)  # fmt: skip
_QUANTILE_SIDE = (
    (
        7.74545014278341407640e-4, 0.0227238449892691845833, 0.241780725177450611770, 1.27045825245236838258,
        3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9, 5.47593808499534494600e-4, 0.0151986665636164571966, 0.148103976427480074590,
        0.689767334985100004550, 1.67638483018380384940, 2.05319162663775882187, 1.0,
    ),
)  # fmt: skip
_QUANTILE_TAIL = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.00124266094738807843860, 0.0265321895265761230930,
        0.296560571828504891230, 1.78482653991729133580, 5.46378491116411436990, 6.65790464350110377720,
    ),
    (
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
        0.0148753612908506148525, 0.136929880922735805310, 0.599832206555887937690, 1.0,
    ),
)  # fmt: skip


@kernel
def erf_forward(x: Array) -> Array:
    """y = erf(x). x: any shape."""
    xp = xp_of(x)
    wide = x.astype(float64)
    size = abs(wide)
    inner = xp.minimum(size, _SMALL)
    near = inner * _ratio(inner * inner, _NEAR_0)
    y = xp.where(size > _SMALL, 1 - _complement(xp, size), near)
    return narrowed(xp.copysign(y, wide), x.dtype)


@erf_forward.cpu("float32", "float64")
def erf_forward_cpu(x: Array) -> Array:
    if x.dtype.char == "d" or x.nbytes <= PART_BYTES // 16:
        return filled(x, erf_forward.reference)
    return filled(x, erf_float32)


@kernel
def erf_backward(dy: Array, x: Array) -> Array:
    """dx = dy * 2 / sqrt(pi) * exp(-x**2)."""
    return dy * (xp_of(x).exp(-(x * x)) * _SLOPE)


@kernel
def erfc_forward(x: Array) -> Array:
    """y = 1 - erf(x), exact where erf is nearly 1. x: any shape."""
    xp = xp_of(x)
    wide = x.astype(float64)
    size = abs(wide)
    inner = xp.minimum(size, _SMALL)
    near = 1 - xp.copysign(inner * _ratio(inner * inner, _NEAR_0), wide)
    far = _complement(xp, size)
    return narrowed(xp.where(size > _SMALL, xp.where(wide < 0, 2 - far, far), near), x.dtype)


@erfc_forward.cpu("float32", "float64")
def erfc_forward_cpu(x: Array) -> Array:
    return filled(x, erfc_float32 if x.dtype.char == "f" else erfc_forward.reference)


@kernel
def erfc_backward(dy: Array, x: Array) -> Array:
    """dx = -dy * 2 / sqrt(pi) * exp(-x**2)."""
    return dy * (xp_of(x).exp(-(x * x)) * -_SLOPE)


@kernel
def erfinv_forward(x: Array) -> Array:
    """y with erf(y) = x; +-inf at +-1, nan beyond. x: any shape."""
    xp = xp_of(x)
    wide = x.astype(float64)
    size = abs(wide)
    half = wide * 0.5
    center = half * _ratio(xp.maximum(0.180625 - half * half, 0), _QUANTILE_CENTER)
    distance = xp.sqrt(-xp.log(xp.clip((1 - size) * 0.5, 1e-17, 0.5)))
    side = _ratio(xp.minimum(distance, 5) - 1.6, _QUANTILE_SIDE)
    tail = _ratio(xp.maximum(distance, 5) - 5, _QUANTILE_TAIL)
    far = xp.where(distance <= 5, side, tail)
    far = xp.where(size < 1, far, xp.where(size == 1, xp.inf, xp.nan))
    y = xp.where(size > 0.85, xp.copysign(far, wide), center) * math.sqrt(0.5)
    return narrowed(y, x.dtype)


@erfinv_forward.cpu("float32", "float64")
def erfinv_forward_cpu(x: Array) -> Array:
    return filled(x, erfinv_float32 if x.dtype.char == "f" else erfinv_forward.reference)


@kernel
def erfinv_backward(dy: Array, y: Array) -> Array:
    """dx = dy * sqrt(pi) / 2 * exp(y**2)."""
    return dy * (xp_of(y).exp(y * y) * (1 / _SLOPE))


for _kernel in (erf_backward, erfc_backward, erfinv_backward):
    in_parts(_kernel)
cuda_maps("math/erf.cuh", erf_forward, erf_backward, erfc_forward, erfc_backward, erfinv_forward, erfinv_backward)


_SLOPE = 2 / math.sqrt(math.pi)


def _ratio(x: Array, coefficients: tuple[Sequence[float], Sequence[float]]) -> Array:
    """The quotient of two polynomials, highest powers first."""
    above, below = (polynomial(x, each) for each in coefficients)
    above /= below
    return above


def _complement(xp: Any, size: Array) -> Array:
    """erfc of float64 numbers of at least _SMALL; for smaller ones erfc of _SMALL."""
    middle = xp.clip(size, _SMALL, 4)
    far = xp.clip(size, 4, 30)  # erfc(27) is 0
    inverse = 1 / (far * far)
    beyond = (1 / math.sqrt(math.pi) - inverse * _ratio(inverse, _FAR)) / far
    y = xp.where(size > 4, beyond, _ratio(middle, _MIDDLE))
    # exp(-a * a) with the error of a * a made good: a = coarse + rest, and coarse**2 is exact.
    a = xp.clip(size, _SMALL, 30)
    coarse = xp.floor(a * 16) * 0.0625
    return y * xp.exp(-coarse * coarse) * xp.exp((coarse - a) * (coarse + a))


class Erf(Map):
    __slots__ = ()
    kernels = erf_forward, erf_backward


class Erfc(Map):
    __slots__ = ()
    kernels = erfc_forward, erfc_backward


class Erfinv(Map):
    __slots__ = ()
    kernels = erfinv_forward, erfinv_backward
    of_result = True


def erf(input: Tensor) -> Tensor:
    """The error function, elementwise: the odd function that rises from -1 to 1.

    Args:
        input: any shape; integers and bools give the default floating dtype.
    Returns: the input's shape, in [-1, 1]; relative error some 1e-16 in float64, 3e-7 in float32.
    Gradient: dy * 2 / sqrt(pi) * exp(-input**2).
    Kernel: kernels/math/erf.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Cody 1969.
    """
    return Erf.apply(floating("erf", input))  # type: ignore[no-any-return]


def erfc(input: Tensor) -> Tensor:
    """The complement 1 - erf(input), elementwise, with all its digits where erf is nearly 1.

    Args:
        input: any shape; integers and bools give the default floating dtype.
    Returns: the input's shape, in [0, 2].
    Gradient: -dy * 2 / sqrt(pi) * exp(-input**2).
    Kernel: kernels/math/erf.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Cody 1969.
    """
    return Erfc.apply(floating("erfc", input))  # type: ignore[no-any-return]


def erfinv(input: Tensor) -> Tensor:
    """The inverse of erf, elementwise.

    Args:
        input: any shape, in [-1, 1]; integers and bools give the default floating dtype.
    Returns: the input's shape; -inf and inf at -1 and 1, nan outside.
    Gradient: dy * sqrt(pi) / 2 * exp(result**2).
    Kernel: kernels/math/erf.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Wichura 1988.
    """
    return Erfinv.apply(floating("erfinv", input))  # type: ignore[no-any-return]
