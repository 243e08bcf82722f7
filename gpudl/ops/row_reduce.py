"""Combining what goes to one place: sums, products, means and extremes, for scatter_reduce and index_reduce."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive, as_array
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import backend_of
from gpudl.backend.dtypes import is_floating
from gpudl.ops.accumulate import counts_at, extreme_rows_
from gpudl.ops.rows import AddAt, Read, WriteAt, read
from gpudl.ops.shape import reshape

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def reduce_at(x: Tensor, values: Tensor, positions: Array, columns: int, reduce: str, include_self: bool) -> Tensor:
    """x with the values that go to one place combined there.

    Args:
        positions, columns: as in rows.py.
        reduce: one of REDUCTIONS.
        include_self: whether x's own elements count among the values.
    """
    if reduce not in REDUCTIONS:
        raise RuntimeError(f"reduce must be one of {', '.join(REDUCTIONS)}, got {reduce!r}")
    if not positions.size or not values.array.size:
        return x.clone()
    if columns != 1:  # from here on places are elements
        positions = (positions[:, None] * columns + xp_of(positions).arange(columns)).reshape(-1)
    if reduce in ("amax", "amin"):
        return Extreme.apply(x, values, positions, reduce == "amax", include_self)  # type: ignore[no-any-return]
    if not include_self:
        blank = values.new_full(values.shape, 1 if reduce == "prod" else 0)
        x = WriteAt.apply(x, blank, positions, 1)
    if reduce == "prod":
        products, where = _products(reshape(values, (-1,)), positions)
        return WriteAt.apply(x, products * Read.apply(x, where, 1, where.shape), where, 1)  # type: ignore[no-any-return]
    total: Tensor = AddAt.apply(x, values, positions, 1)
    if reduce == "sum":
        return total
    xp = xp_of(positions)
    count = counts_at(positions, x.array.size).reshape(x.shape) + int(include_self)
    count = wrap(as_array(xp.maximum(count, 1)), None)
    if is_floating(x.dtype):
        return total / count.to(x.dtype)
    return wrap(as_array(total.array // count.array.astype(x.dtype)), None)


def _products(values: Tensor, positions: Array) -> tuple[Tensor, Array]:
    """The product of the values of each place, and the places. Neighbors are multiplied until each place has one."""
    xp = xp_of(positions)
    order = xp.argsort(positions, kind="stable")
    places = positions[order]
    values = Read.apply(values, order, 1, order.shape)
    while True:
        first = xp.concatenate((xp.ones(1, bool), places[1:] != places[:-1]))
        if first.all():
            return values, places
        numbers = xp.arange(len(places))
        rank = numbers - backend_of(first).running("maximum", xp.where(first, numbers, 0), 0)
        left = xp.flatnonzero(rank % 2 == 0)
        paired = left[(left + 1 < len(places)) & (rank[(left + 1) % len(places)] % 2 == 1)]
        factors = Read.apply(values, paired + 1, 1, paired.shape)
        values = WriteAt.apply(values, Read.apply(values, paired, 1, paired.shape) * factors, paired, 1)
        values, places = Read.apply(values, left, 1, left.shape), places[left]


class Extreme(Primitive):
    """The largest or smallest of x and the values at each place; equal ones share the gradient."""

    __slots__ = ("positions", "value_shape")
    widens = False
    positions: Array
    value_shape: tuple[int, ...]

    def forward(ctx, x: Array, values: Array, positions: Array, largest: bool, include_self: bool) -> Array:
        xp = xp_of(x)
        ctx.positions, ctx.value_shape = positions, values.shape
        y, flat = x.copy(), values.reshape(-1)
        line = y.reshape(-1)
        if not include_self:
            line[positions] = flat  # one of them, which is no larger than the largest
        extreme_rows_(line, positions, flat, largest)
        if not is_floating(x.dtype):
            return y
        mine = as_array((x == y) | (x != x))
        if not include_self:
            mine.reshape(-1)[positions] = False
        won = line.take(positions)
        theirs = (flat == won) | (flat != flat)
        shares = xp.bincount(positions[theirs], minlength=y.size).reshape(y.shape) + mine
        ctx.save(mine, theirs.reshape(values.shape), xp.maximum(shares, 1))
        return y

    def backward(ctx, dy: Array) -> tuple[Any, Any]:
        mine, theirs, shares = ctx.saved
        xp = xp_of(dy)
        share = dy / shares.astype(dy.dtype)
        zero = xp.zeros_like(share)
        there = read(share, ctx.positions, 1, ctx.value_shape)
        return xp.where(mine, share, zero), xp.where(theirs, there, xp.zeros_like(there))
