"""Products over dimensions, and running ones. Their gradients divide by nothing that may be 0.

The product of all elements but one is the classical example of what reverse differentiation can do at the cost of a
few products: Speelpenning 1980, "Compiling fast partial derivatives of functions given by algorithms".
"""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import int64
from gpudl.ops.along import along_dim
from gpudl.ops.cumsum import cumsum_forward
from gpudl.ops.operands import aliased, one_dim
from gpudl.ops.recurrence import recurrence, shifted
from gpudl.ops.reduce import cast_first

__all__ = ["cumprod", "prod"]


class Prod(Primitive):
    """The product along one dimension, which stays at length 1."""

    __slots__ = ("dim",)
    dim: int

    def forward(ctx, x: Array, dim: int) -> Array:
        ctx.dim = dim
        y = x.prod(axis=dim, keepdims=True, dtype=x.dtype)
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        if x.shape[ctx.dim] == 1:
            return dy
        if isinstance(x, Tensor):
            return dy * _product_of_others(x, ctx.dim)
        xp = xp_of(x)
        zero = x == 0
        zeros = zero.sum(axis=ctx.dim, keepdims=True)
        safe = xp.where(zero, xp.ones_like(x), x)
        # One zero among the factors leaves a derivative at itself alone, two leave none.
        rest = xp.where(zeros == 0, y, safe.prod(axis=ctx.dim, keepdims=True))
        return xp.where((zeros == 0) | (zero & (zeros == 1)), dy * (rest / safe), xp.zeros_like(x))


def _product_of_others(x: Tensor, dim: int) -> Tensor:
    """For each element the product of all others along dim, in a form that can be differentiated at zeros too."""
    before = Cumprod.apply(shifted(x, dim, 1, 1.0), dim, False)
    return before * Cumprod.apply(shifted(x, dim, -1, 1.0), dim, True)  # type: ignore[no-any-return]


class Cumprod(Primitive):
    """The running product along dim, from the other end if `reverse`."""

    __slots__ = ("dim", "reverse")
    dim: int
    reverse: bool

    def forward(ctx, x: Array, dim: int, reverse: bool) -> Array:
        ctx.dim, ctx.reverse = dim, reverse
        y = _running_product(x, dim, reverse)
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        dim, reverse = ctx.dim, ctx.reverse
        if x.shape[dim] == 1:
            return dy
        if not isinstance(x, Tensor):
            return _cumprod_backward(dy, x, y, dim, reverse)
        # dy of every later product comes back through the factors between: y[k] = x[k] y[k-1].
        step = -1 if reverse else 1
        back = recurrence(shifted(x, dim, -step, 0.0), dy, dim, not reverse)
        return back * shifted(y, dim, step, 1.0)


def _running_product(x: Array, dim: int, reverse: bool) -> Array:
    if not reverse:
        return x.cumprod(axis=dim, dtype=x.dtype)
    flip = xp_of(x).flip
    return flip(flip(x, dim).cumprod(axis=dim, dtype=x.dtype), dim)


def _cumprod_backward(dy: Array, x: Array, y: Array, dim: int, reverse: bool) -> Array:
    """Sums of dy y / x before the first zero; at it, sums of dy times the products without it; 0 behind it."""
    xp = xp_of(x)
    zero = x == 0
    seen = cumsum_forward(zero.astype(int64), dim, reverse)
    first = zero & (seen == 1)
    before = cumsum_forward(dy * y, dim, not reverse) / xp.where(zero, xp.ones_like(x), x)
    without = _running_product(xp.where(first, xp.ones_like(x), x), dim, reverse)
    at = xp.where(seen > 0, dy * without, xp.zeros_like(x)).sum(axis=dim, keepdims=True)
    return xp.where(seen == 0, before, xp.where(first, at, xp.zeros_like(x)))


def prod(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: int | None = None,
    keepdims: bool = False,
) -> Tensor:
    """The product of the elements; 1 for none. bools and integers give int64.

    Args:
        dim: the dimension to multiply along, default all.
        keepdim: keep it at length 1.
        dtype: cast to this dtype first.
    Raises: IndexError if the dim is out of range.
    Gradient: dy times the product of the other elements, whether or not there are zeros among them.
    """
    along = aliased("prod", dim, axis)
    x = cast_first(input, dtype, int64)
    if along is None or not x.ndim:
        one_dim("prod", 0 if along is None else along, x.ndim)
        return Prod.apply(x.reshape(-1), 0).reshape(())  # type: ignore[no-any-return]
    place = one_dim("prod", along, x.ndim)
    y = Prod.apply(x, place)
    return y if keepdim or keepdims else y.squeeze(place)  # type: ignore[no-any-return]


def cumprod(input: Tensor, dim: int | None = None, *, dtype: Any = None, axis: int | None = None) -> Tensor:
    """The products of the first 1, 2, ... elements along `dim`; the input's shape. bools and integers give int64.

    Args:
        dtype: cast to this dtype first.
    Raises: IndexError if the dim is out of range.
    Gradient: for each element the sum over the products that it is in, without it; right also where there are zeros.
    """
    return along_dim("cumprod", Cumprod, cast_first(input, dtype, int64), aliased("cumprod", dim, axis))
