"""The error functions of NumPy float32 arrays in float32 arithmetic: what the kernels of erf.py run on the CPU.

The polynomials were fitted to the functions in float64, by least squares with weights that even out the relative
errors. These are below 1e-7 before rounding, and named where they stand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.ops.parts import merged


def _numbers(*numbers: float) -> tuple[Array, ...]:
    """float32 arrays, which NumPy takes faster than Python numbers."""
    return tuple(np.array(number, np.float32) for number in numbers)


# tanh(z * polynomial(z**2)) = erf(z / sqrt(2)), within 4e-8.
_AS_TANH = _numbers(
    1.6702084160158392e-09, -1.2898370016500849e-07, 3.9200112951220945e-06, -5.503408101503737e-05,
    -3.334522625664249e-05, 0.036333922296762466, 0.7978847026824951,
)  # fmt: skip
# t * polynomial(t) = erfc(a) * exp(a**2), t = 1 / (1 + 0.55 * a), within 8e-9 for 0 <= a <= 10.1.
_SCALED = _numbers(
    0.0580477491, -0.3366594613, 0.7812515497, -0.8534353375, 0.3639651537, -0.0949962512, 0.2020510435, 0.2588199377,
    0.3106635511, 0.3102920949,
)  # fmt: skip
# With w = -log(1 - x**2), erfinv(x) / x is polynomial(w - 2.5) within 6e-9 up to w = 5, and
_CENTER = _numbers(
    -8.791005257e-9, 2.323263182e-8, 4.661699791e-7, -3.462704626e-6, -4.963344963e-6, 2.183444449e-4,
    -1.252741902e-3, -4.177386872e-3, 0.2466402799, 1.501409411,
)  # fmt: skip
# polynomial(sqrt(w) - 3) within 8e-8 from there on.
_TAIL = _numbers(
    -1.667664328e-4, 8.820767107e-5, 1.300932025e-3, -3.662123810e-3, 5.761856679e-3, -7.624763064e-3, 9.435581043e-3,
    1.001674175, 2.832977057,
)  # fmt: skip
# x * polynomial(x) = exp(x) - 1, within 1e-7 for -0.1 <= x <= 0.
_SMALL_POWER = _numbers(1 / 24, 1 / 6, 1 / 2, 1)
_SQRT_2, _RATE = _numbers(math.sqrt(2), 0.55)


def polynomial(x: Array, coefficients: Sequence[Any]) -> Array:
    """Horner's rule, in one array, highest powers first; x is an array, not a Tensor."""
    y = x * coefficients[0]
    for number in coefficients[1:-1]:
        y += number
        y *= x
    y += coefficients[-1]
    return y


def erf_exponent(x: Array, square: Array | None = None) -> Array:
    """u with tanh(u) = erf(x / sqrt(2)). square: x * x, if known."""
    u = polynomial(x * x if square is None else square, _AS_TANH)
    u *= x
    return u


def erf_float32(x: Array) -> Array:
    """erf(x), within a few roundings."""
    return np.tanh(erf_exponent(x * _SQRT_2))


def erfc_float32(x: Array) -> Array:
    """erfc(x), within a few roundings, also where it is tiny. x: 1-d."""
    size = np.clip(np.abs(x), 0, 11)  # erfc(11) is 0
    t = size * _RATE
    t += 1
    np.divide(1, t, out=t)
    y = polynomial(t, _SCALED)
    y *= t
    # exp(-a * a) with the error of a * a made good: a = coarse + rest, and coarse, of 12 bits, has an exact square.
    coarse = (size.view(np.int32) & -4096).view(np.float32)
    rest = coarse - size
    size += coarse
    rest *= size
    rest *= polynomial(rest, _SMALL_POWER)  # fewer roundings than those of np.exp
    rest *= y
    y += rest
    coarse *= -coarse
    y *= np.exp(coarse, out=coarse)
    return merged(2 - y, x < 0, y)


def erfinv_float32(x: Array) -> Array:
    """erfinv(x), within a few roundings. x: 1-d."""
    w = 1 - x
    w *= 1 + x
    np.log(w, out=w)
    np.negative(w, out=w)
    y = polynomial(w - 2.5, _CENTER)
    y *= x
    far = w >= 5
    if far.any():
        beyond = w[far]
        ratio = polynomial(np.sqrt(beyond) - 3, _TAIL)
        ratio[beyond == np.inf] = np.inf
        y[far] = ratio * x[far]
    return y
