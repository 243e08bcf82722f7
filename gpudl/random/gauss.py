"""Words to normally distributed numbers, the same on every processor.

The logarithm, sine and cosine of C libraries and of NumPy differ between processors in the last bit. Here they are
series of additions, multiplications, divisions and square roots, one array operation each: IEEE 754 fixes every bit of
those. (It is faster, too, than float64 sine and cosine of a C library that does one number at a time.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

_11 = np.uint64(11)
_MANTISSA_BITS = np.int64(52)
_SQRT_HALF = np.int64(0x3FE6A09E667F3BCD)  # the bits of sqrt(0.5)


def box_muller(words: NDArray[np.uint64], scratch: Doubles) -> tuple[Doubles, Doubles]:
    """Independent numbers of mean 0 and standard deviation 1, by Box and Muller's formula.

    For words v, w of a pair: r = sqrt(-2 ln(((v >> 11) + 1) / 2**53)), t = pi (w as a signed number >> 11) / 2**53,
    which is in [-pi/2, pi/2); the numbers are r cos(t), negated if w is odd, and r sin(t).

    Args:
        words: (2 * pairs,) uint64.
        scratch: (5, pairs) float64, overwritten; the caller keeps it for the next words, fresh memory being slow.
    Returns: the first and the second number of each pair, both (pairs,), in `scratch`; within 8.6 of 0.
    Source: Box & Muller 1958.
    """
    first, second = words.reshape(-1, 2).T
    a, b, c, d, e = scratch
    np.right_shift(first, _11, out=a.view(np.uint64))
    b[...] = a.view(np.int64)
    b += 1  # so that the logarithm is of (0, 1]
    b *= 2.0**-53
    radius = _log(b, c, d, e)
    radius *= -2
    np.sqrt(radius, out=radius)

    half_turns, square, cosine, sine = a, b, c, d
    np.right_shift(second.view(np.int64), np.int64(11), out=b.view(np.int64))
    half_turns[...] = b.view(np.int64)
    half_turns *= 2.0**-53
    np.multiply(half_turns, half_turns, out=square)
    _polynomial(_COSINE, square, cosine)
    _polynomial(_SINE, square, sine)
    sine *= half_turns
    cosine *= radius
    sine *= radius
    signs = np.left_shift(second, np.uint64(63), out=a.view(np.uint64))
    np.bitwise_xor(cosine.view(np.uint64), signs, out=cosine.view(np.uint64))
    return cosine, sine


def cosine_sine(half_turns: Doubles) -> tuple[Doubles, Doubles]:
    """cos(pi t) and sin(pi t) of finite numbers t, alike on every processor; both new arrays, off by 2e-16 at most."""
    whole = np.rint(half_turns)
    rest = half_turns - whole
    square = rest * rest
    cosine, sine = np.empty_like(square), np.empty_like(square)
    _polynomial(_COSINE, square, cosine)
    _polynomial(_SINE, square, sine)
    signs = 1 - 2 * np.mod(whole, 2)
    rest *= signs
    return cosine * signs, sine * rest


def _log(x: Doubles, b: Doubles, c: Doubles, out: Doubles) -> Doubles:
    """Natural logarithm of positive normal numbers; x, b and c are overwritten.

    x = 2**e * m with m in [sqrt(0.5), sqrt(2)), f = (m - 1) / (m + 1); ln x = e ln 2 + 2 (f + f**3 / 3 + f**5 / 5 ...)
    """
    bits, exponent, shifted = x.view(np.int64), b.view(np.int64), c.view(np.int64)
    np.subtract(bits, _SQRT_HALF, out=exponent)
    exponent >>= _MANTISSA_BITS
    np.left_shift(exponent, _MANTISSA_BITS, out=shifted)
    bits -= shifted
    m, f = x, c
    np.subtract(m, 1, out=f)
    m += 1
    f /= m
    square = np.multiply(f, f, out=x)
    _polynomial(_LOG, square, out)
    out *= f
    whole = c
    whole[...] = exponent
    whole *= math.log(2)
    out += whole
    return out


def _polynomial(coefficients: list[float], x: Doubles, out: Doubles) -> None:
    """coefficients[0] + coefficients[1] x + ... by Horner's rule, into `out`."""
    np.multiply(x, coefficients[-1], out=out)
    for coefficient in coefficients[-2:0:-1]:
        out += coefficient
        out *= x
    out += coefficients[0]


def _series(first: float, offset: int, terms: int) -> list[float]:
    """Taylor coefficients, in t**2, of cos(pi t) (offset 0) or sin(pi t) / t (1); pow is not alike everywhere."""
    coefficients = [first]
    for n in range(2 + offset, 2 * terms + offset, 2):
        coefficients.append(-coefficients[-1] * math.pi * math.pi / (n * (n - 1)))
    return coefficients


# The first term left out is below 2**-54 of the sum, on t**2 <= 1/4 and on f**2 <= 0.0295.
_COSINE = _series(1.0, 0, 12)
_SINE = _series(math.pi, 1, 11)
_LOG = [2.0 / n for n in range(1, 22, 2)]
