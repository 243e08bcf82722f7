"""The gamma function's logarithm and its derivatives: lgamma, digamma, polygamma, mvlgamma, and Hurwitz' zeta.

Computed in float64 and rounded once, whatever the dtype.
"""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float64
from gpudl.ops.operands import Number, as_tensors, sum_to_shape
from gpudl.ops.unary import floating

__all__ = ["digamma", "lgamma", "mvlgamma", "polygamma"]

# Lanczos 1964 with g = 7 and nine terms, in the form of Godfrey 2001: 15 digits.
_LANCZOS = (
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
)  # fmt: skip
# B(2k), the Bernoulli numbers.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)


class Lgamma(Primitive):
    __slots__ = ()

    def forward(ctx, x: Array) -> Array:
        ctx.save(x)
        return _lgamma(x.astype(float64)).astype(x.dtype)

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        return dy * _derivative(0, x)


class Polygamma(Primitive):
    """The n-th derivative of digamma."""

    __slots__ = ("n",)
    n: int

    def forward(ctx, n: int, x: Array) -> Array:
        ctx.n = n
        ctx.save(x)
        return _polygamma(n, x)

    def backward(ctx, dy: Array) -> tuple[None, Array]:
        (x,) = ctx.saved
        return None, dy * _derivative(ctx.n + 1, x)


class Zeta(Primitive):
    """Hurwitz' zeta function: sum over k >= 0 of (q + k)**-x."""

    __slots__ = ("shapes",)
    shapes: Any

    def forward(ctx, x: Array, q: Array) -> Array:
        ctx.save(x, q)
        ctx.shapes = x.shape, q.shape
        xp = xp_of(x)
        wide = xp.broadcast_arrays(x.astype(float64), q.astype(float64))
        return _zeta(*wide).astype(x.dtype)

    def backward(ctx, dy: Array) -> tuple[Any, Any]:
        if ctx.edges[0]:
            raise NotImplementedError("zeta: there is no formula for the derivative with respect to x; detach() it")
        x, q = ctx.saved
        slope = Zeta.apply(x + 1, q) if isinstance(q, Tensor) else _slope(x, q)
        return None, sum_to_shape(dy * (slope * -x), ctx.shapes[1])


def _slope(x: Array, q: Array) -> Array:
    wide = xp_of(x).broadcast_arrays(x.astype(float64) + 1, q.astype(float64))
    return _zeta(*wide).astype(x.dtype)


def _derivative(n: int, x: Array) -> Array:
    return Polygamma.apply(n, x) if isinstance(x, Tensor) else _polygamma(n, x)


def _lgamma(x: Array) -> Array:
    xp = xp_of(x)
    turned = x < 0.5  # there by reflection: lgamma(x) + lgamma(1 - x) = log(pi / |sin(pi x)|)
    z = xp.where(turned, 1 - x, x) - 1
    series = xp.full_like(z, _LANCZOS[0])
    for k, coefficient in enumerate(_LANCZOS[1:], 1):
        series += coefficient / (z + k)
    t = z + 7.5
    y = (z + 0.5) * (xp.log(t) - 1) + (0.5 * math.log(2 * math.pi) - 7) + xp.log(series)
    part = x - xp.rint(x)
    y = xp.where(turned, math.log(math.pi) - xp.log(abs(xp.sin(math.pi * part))) - y, y)
    return xp.where(xp.isinf(x) | ((x <= 0) & (part == 0)), math.inf, y)


def _digamma(x: Array) -> Array:
    xp = xp_of(x)
    turned = x < 0  # by reflection: digamma(1 - x) - digamma(x) = pi / tan(pi x)
    z = xp.where(turned, 1 - x, x)
    y = xp.zeros_like(z)
    for _ in range(10):  # digamma(z) = digamma(z + 1) - 1 / z, until the asymptotic series has 15 digits
        small = z < 10
        y -= xp.where(small, 1 / z, 0)
        z = xp.where(small, z + 1, z)
    square = 1 / (z * z)
    series = xp.zeros_like(z)
    for k in reversed(range(len(_BERNOULLI))):
        series = (series + _BERNOULLI[k] / (2 * k + 2)) * square
    y += xp.log(z) - 0.5 / z - series
    part = x - xp.rint(x)
    y = xp.where(turned, y - math.pi / xp.tan(math.pi * part), y)
    y = xp.where((x < 0) & (part == 0), math.nan, y)
    y = xp.where(x == 0, xp.copysign(xp.full_like(x, math.inf), -x), y)
    return xp.where(xp.isinf(x), xp.where(x > 0, math.inf, math.nan), y)


def _zeta(x: Array, q: Array) -> Array:
    """By Euler and Maclaurin from a q of at least 10 on; see Cephes' zeta (Moshier 1989)."""
    xp = xp_of(x)
    start = xp.where(xp.isfinite(q), q, xp.ones_like(q))
    a, total = start, xp.zeros_like(start)
    for _ in range(max(10, int(11 - start.min())) if start.size else 0):
        small = a < 10
        total += xp.where(small, a**-x, 0)
        a = xp.where(small, a + 1, a)
    power = a**-x
    y = total + a * power / (x - 1) + 0.5 * power
    factor, power = x, power / a
    for k in range(len(_BERNOULLI)):
        y = y + _BERNOULLI[k] / math.factorial(2 * k + 2) * factor * power
        factor = factor * (x + 2 * k + 1) * (x + 2 * k + 2)
        power = power / (a * a)
    y = xp.where(xp.isposinf(q), xp.where(x > 1, 0.0, math.nan), y)
    y = xp.where((q <= 0) & (x != xp.floor(x)), math.nan, y)
    y = xp.where((q <= 0) & (q == xp.floor(q)), math.inf, y)
    y = xp.where(xp.isnan(q) | xp.isneginf(q) | (x < 1) | xp.isnan(x), math.nan, y)
    return xp.where(x == 1, math.inf, y)


def _polygamma(n: int, x: Array) -> Array:
    xp = xp_of(x)
    wide = x.astype(float64)
    if n == 0:
        return _digamma(wide).astype(x.dtype)
    if n == 1:  # for negative x by reflection, where zeta would have to add up all terms from x on
        turned = wide < 0.5
        y = _zeta(xp.full_like(wide, 2), xp.where(turned, 1 - wide, wide))
        sine = xp.sin(math.pi * (wide - xp.rint(wide)))
        y = xp.where(turned, (math.pi / sine) ** 2 - y, y)
        return xp.where(xp.isneginf(wide), math.nan, y).astype(x.dtype)
    sign = 1.0 if n % 2 else -1.0
    return (sign * math.factorial(n) * _zeta(xp.full_like(wide, n + 1), wide)).astype(x.dtype)


def lgamma(input: Tensor) -> Tensor:
    """log(abs(gamma(input))): inf at 0 and the negative integers. Gradient: dy * digamma(input).

    Source: Lanczos 1964, "A precision approximation of the gamma function".
    """
    return Lgamma.apply(floating("lgamma", input))  # type: ignore[no-any-return]


def digamma(input: Tensor) -> Tensor:
    """The derivative of lgamma: -inf at 0, nan at the negative integers. Gradient: dy * polygamma(1, input).

    Source: Abramowitz & Stegun 1964, 6.3.5, 6.3.7, 6.3.18.
    """
    return Polygamma.apply(0, floating("digamma", input))  # type: ignore[no-any-return]


def polygamma(n: int | Tensor, input: Tensor | int | None = None) -> Tensor:
    """The n-th derivative of digamma.

    Args:
        n: >= 0.
        input: any shape. The method form has it first: `input.polygamma(n)`.
    Returns: the input's shape; integers give the default floating dtype.
    Raises: RuntimeError if n is negative; TypeError if it is no integer.
    Gradient: dy * polygamma(n + 1, input).
    Source: Abramowitz & Stegun 1964, 6.4.7 and 6.4.10.
    """
    if isinstance(n, Tensor):
        n, input = input, n  # type: ignore[assignment]
    if not isinstance(n, int) or isinstance(n, bool) or not isinstance(input, Tensor):
        raise TypeError(f"polygamma: expected an integer and a Tensor, got {type(n).__name__}, {type(input).__name__}")
    if n < 0:
        raise RuntimeError(f"polygamma: the order n must not be negative, got {n}")
    return Polygamma.apply(n, floating("polygamma", input))  # type: ignore[no-any-return]


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p.

    p (p - 1) / 4 log(pi) + sum over j = 1 to p of lgamma(input + (1 - j) / 2)

    Args:
        input: any shape.
        p: >= 1.
    Returns: the input's shape; integers give the default floating dtype.
    Raises: RuntimeError if p is not positive.
    Gradient: the sum of the digammas.
    Source: Anderson 1958, "An introduction to multivariate statistical analysis", section 7.2.
    """
    if p < 1:
        raise RuntimeError(f"mvlgamma: p must be at least 1, got {p}")
    x = floating("mvlgamma", input)
    total = lgamma(x)
    for j in range(1, p):
        total = total + lgamma(x - j / 2)
    return total + p * (p - 1) / 4 * math.log(math.pi)


def zeta(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Hurwitz' zeta function: the sum over k >= 0 of (other + k)**-input. In gpudl.special.

    Args:
        input, other: Tensors whose shapes broadcast, or one of them a number; floating.
    Returns: the broadcast shape; the promoted dtype.
    Raises: NotImplementedError in backward if `input` wants a gradient.
    Gradient: to other, -input * zeta(input + 1, other) * dy.
    Source: Abramowitz & Stegun 1964, 23.2 and 23.1.30.
    """
    return Zeta.apply(*as_tensors("zeta", input, other, floating=True))  # type: ignore[no-any-return]
