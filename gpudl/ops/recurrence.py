"""Linear recurrences along one dimension, h[k] = b[k] + a[k] h[k-1]: the gradients of running products and sums.

The gradient of a recurrence is a recurrence from the other end, so whatever is written with one has gradients of any
order, and since nothing is divided, they are right at zeros too.
"""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of

__all__: list[str] = []


class ShiftAlong(Primitive):
    """x moved one place along dim, up for 1 and down for -1; `filler` comes in at the end that becomes free."""

    __slots__ = ("dim", "step")
    dim: int
    step: int

    def forward(ctx, x: Array, dim: int, step: int, filler: float) -> Array:
        ctx.dim, ctx.step = dim, step
        return shifted(x, dim, step, filler)

    def backward(ctx, dy: Array) -> Array:
        return shifted(dy, ctx.dim, -ctx.step, 0.0)


def shifted(x: Array, dim: int, step: int, filler: float) -> Array:
    """ShiftAlong for a Tensor or an array."""
    if isinstance(x, Tensor):
        return ShiftAlong.apply(x, dim, step, filler)
    y = xp_of(x).full_like(x, filler)
    lines, moved = x.swapaxes(0, dim), y.swapaxes(0, dim)
    if step > 0:
        moved[1:] = lines[:-1]
    else:
        moved[:-1] = lines[1:]
    return y


class Recurrence(Primitive):
    """h[k] = b[k] + a[k] h[k-1] along dim, from the other end if `reverse`: closed under differentiation."""

    __slots__ = ("dim", "reverse")
    dim: int
    reverse: bool

    def forward(ctx, a: Array, b: Array, dim: int, reverse: bool) -> Array:
        ctx.dim, ctx.reverse = dim, reverse
        h = _recurred(a, b, dim, reverse)
        ctx.save(a, h)
        return h

    def backward(ctx, dh: Array) -> tuple[Any, ...]:
        a, h = ctx.saved
        step = -1 if ctx.reverse else 1
        db = recurrence(shifted(a, ctx.dim, -step, 0.0), dh, ctx.dim, not ctx.reverse)
        return db * shifted(h, ctx.dim, step, 0.0), db


def recurrence(a: Array, b: Array, dim: int, reverse: bool) -> Array:
    """Recurrence for Tensors or arrays."""
    return Recurrence.apply(a, b, dim, reverse) if isinstance(b, Tensor) else _recurred(a, b, dim, reverse)


def _recurred(a: Array, b: Array, dim: int, reverse: bool) -> Array:
    h = b.copy()
    factors, line = a.swapaxes(0, dim), h.swapaxes(0, dim)
    count = len(line)
    for k in reversed(range(count - 1)) if reverse else range(1, count):
        line[k] += factors[k] * line[k + 1 if reverse else k - 1]
    return h
