"""Exponential, Cauchy, geometric and Poisson numbers, the same on every processor: see gauss.py, whose series they use.

The exponential function is made here likewise, of additions, multiplications and scaling by powers of two.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gpudl.random.gauss import _COSINE, _LOG, _SINE, _log, _polynomial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpudl.random.philox import Stream

    Doubles = NDArray[np.float64]

_PART = 1 << 15  # elements made at a time, so that they stay in the cache
_11 = np.uint64(11)
_LN2 = 0.6931471805599453
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # their sum is ln 2; the high one has 32 bits
_EXP = [1.0 / math.factorial(n) for n in range(15)]
_SERIES_LIMIT = 0.0295  # f**2 up to which the series of the logarithm holds; see gauss.py

# ln k! - ((k + 1/2) ln k - k + ln(2 pi) / 2) for k = 1 ... 15; further on, Stirling's series.
_STIRLING = [
    0.08106146679532726, 0.0413406959554093, 0.02767792568499834, 0.020790672103765093, 0.016644691189821193,
    0.013876128823070748, 0.01189670994589177, 0.010411265261972096, 0.009255462182712733, 0.00833056343336287,
    0.007573675487951841, 0.00694284010720953, 0.006408994188004207, 0.0059513701127588475, 0.005554733551962801,
]  # fmt: skip


def log(x: Doubles) -> Doubles:
    """Natural logarithm of positive normal numbers, any shape."""
    flat = x.reshape(-1).copy()
    return _log(flat, *np.empty((3, flat.size))).reshape(x.shape)


def exp(x: Doubles) -> Doubles:
    """e**x, within 2 units in the last place: 2**k e**r, with |r| <= ln(2) / 2."""
    if x.size > _PART:
        flat = x.reshape(-1)
        return np.concatenate([exp(flat[i : i + _PART]) for i in range(0, x.size, _PART)]).reshape(x.shape)
    x = np.clip(x, -760, 720)  # further out the result is 0 or infinite anyway
    whole = np.rint(x * (1 / _LN2))
    rest = x - whole * _LN2_HIGH - whole * _LN2_LOW
    result = np.empty_like(rest)
    _polynomial(_EXP, rest, result)
    return np.ldexp(result, whole.astype(np.int32))


def log_of_complement(p: float) -> float:
    """ln(1 - p) for 0 < p < 1, exact also where 1 - p rounds to 1."""
    if p > 0.25:
        return float(log(np.array([1 - p]))[0])
    f = p / (p - 2)
    result = np.empty(1)
    _polynomial(_LOG, np.array([f * f]), result)
    return float(result[0] * f)


def exponential(stream: Stream, count: int) -> Doubles:
    """Numbers of the exponential distribution with mean 1, one word each: -ln(((word >> 11) + 1) / 2**53)."""
    out, scratch = np.empty(count), np.empty((3, _PART))
    for start in range(0, count, _PART):
        part = out[start : start + _PART]
        np.subtract(0.0, _log(_unit(stream.words(part.size)), *scratch[:, : part.size]), out=part)  # 0, never -0
    return out


def cauchy(stream: Stream, count: int) -> Doubles:
    """Numbers of the standard Cauchy distribution, one word each: tan(pi (signed word >> 11) / 2**53 + pi / 2**54)."""
    if count > _PART:
        return np.concatenate([cauchy(stream, min(_PART, count - start)) for start in range(0, count, _PART)])
    t: Doubles = ((stream.words(count).view(np.int64) >> np.int64(11)).astype(np.float64) + 0.5) * 2.0**-53
    square: Doubles = t * t
    sine, cosine = np.empty_like(t), np.empty_like(t)
    _polynomial(_SINE, square, sine)
    _polynomial(_COSINE, square, cosine)
    sine *= t
    sine /= cosine
    return sine


def geometric(stream: Stream, p: float, count: int) -> Doubles:
    """How many trials it takes until one succeeds, which each does with probability p; 0 < p < 1. One word each."""
    return np.maximum(np.ceil(exponential(stream, count) / -log_of_complement(p)), 1)


def poisson(stream: Stream, rates: Doubles) -> Doubles:
    """Numbers of the Poisson distributions with these rates.

    Rates below 10: how many uniform numbers can be multiplied before the product is at most e**-rate. Others: the
    transformed rejection PTRS. Of each 32768 elements in turn, those not done yet take the next words in each round.

    Args:
        rates: (count,), finite and >= 0.
    Source: Knuth 1969, vol. 2, 3.4.1; Hormann 1993, "The transformed rejection method for generating Poisson random
        variables"; the stable form of the density: Loader 2000.
    """
    if rates.size > _PART:
        return np.concatenate([poisson(stream, rates[i : i + _PART]) for i in range(0, rates.size, _PART)])
    out = np.zeros(rates.shape)
    left = np.flatnonzero(rates < 10)
    limit, product = exp(-rates), np.ones(rates.shape)
    while left.size:
        product[left] *= _unit(stream.words(left.size))
        left = left[product[left] > limit[left]]
        out[left] += 1
    left = np.flatnonzero(rates >= 10)
    while left.size:
        rate = rates[left]
        drawn, accepted = _poisson_round(stream, rate)
        out[left[accepted]] = drawn[accepted]
        left = left[~accepted]
    return out


def _poisson_round(stream: Stream, rate: Doubles) -> tuple[Doubles, NDArray[np.bool_]]:
    """One proposal for each rate, and whether it is accepted."""
    first, second = _unit(stream.words(2 * rate.size)).reshape(-1, 2).T
    b = 0.931 + 2.53 * np.sqrt(rate)
    a = -0.059 + 0.02483 * b
    u = first - 0.5
    distance = np.maximum(0.5 - abs(u), 2.0**-54)
    k = np.floor((2 * a / distance + b) * u + rate + 0.43)
    sure = (distance >= 0.07) & (second <= 0.9277 - 3.6224 / (b - 2))
    possible = (k >= 0) & ((distance >= 0.013) | (second <= distance))
    hat = log(second * (1.1239 + 1.1328 / (b - 3.4)) / (a / (distance * distance) + b))
    return k, sure | (possible & (hat <= _log_poisson(np.maximum(k, 0), rate)))


def _log_poisson(k: Doubles, rate: Doubles) -> Doubles:
    """ln(rate**k e**-rate / k!), without taking large numbers from each other."""
    some = np.maximum(k, 1)
    f = (some - rate) / (some + rate)
    square = f * f
    series = np.empty_like(f)
    _polynomial(_LOG, np.minimum(square, _SERIES_LIMIT), series)
    near = f * (some - rate) + some * f * (series - 2)
    deviance = np.where(square <= _SERIES_LIMIT, near, some * log(some / rate) - (some - rate))
    inverse = 1 / some
    stirling = inverse * (1 / 12 - inverse * inverse * (1 / 360 - inverse * inverse / 1260))
    small = some < 16
    stirling[small] = np.array(_STIRLING)[some[small].astype(np.int64) - 1]
    return np.where(k == 0, -rate, -deviance - 0.5 * log(2 * math.pi * some) - stirling)


def _unit(words: NDArray[np.uint64]) -> Doubles:
    """Numbers in (0, 1]."""
    numbers: Doubles = (words >> _11).astype(np.float64)
    numbers += 1
    numbers *= 2.0**-53
    return numbers
