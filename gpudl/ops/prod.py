"""Products over dimensions, and running ones. Their gradients divide by nothing that may be 0.

The product of all elements but one is the classical example of what reverse differentiation can do at the cost of a
few products: Speelpenning 1980, "Compiling fast partial derivatives of functions given by algorithms".
"""

from __future__ import annotations

from typing import Any

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float32, float64, int64
from gpudl.backend.folds import Fold
from gpudl.backend.kernel import kernel
from gpudl.backend.running import Run
from gpudl.ops.along import along_dim
from gpudl.ops.cumsum import cumsum_forward
from gpudl.ops.operands import aliased, one_dim, widened
from gpudl.ops.recurrence import Recur, recurrence, shifted
from gpudl.ops.reduce import cast_first

__all__ = ["cumprod", "prod"]


_FLOATS = "float32", "float64", "float16", "bfloat16"
_FOLD = Fold("Product<{T}, {A}>", "math/prod.cuh", slope="ProductSlope<{T}, {A}>")
_RUN, _RECUR = Run("Multiplied<{T}, {A}>", "math/prod.cuh"), Recur("OfProducts")


@kernel
def prod_forward(x: Array, dim: int, with_kept: bool) -> tuple[Array, Array | None]:
    """The product along dim, which stays at length 1, and what backward may be given instead of computing it again."""
    return x.prod(axis=dim, keepdims=True, dtype=x.dtype if x.dtype.kind in "fV" else int64), None


@prod_forward.cuda(*_FLOATS, "bool", "uint8", "int8", "int16", "int32", "int64")
def prod_forward_cuda(x: Array, dim: int, with_kept: bool) -> tuple[Array, Array | None]:
    if x.dtype.kind not in "fV":
        return _FOLD(x, dim, True, int64), None
    if not with_kept:
        return _FOLD(x, dim, True, x.dtype), None
    return _FOLD(x, dim, True, x.dtype, float64 if x.dtype == float64 else float32, planes=3)  # type: ignore[no-any-return]


@kernel
def prod_backward(dy: Array, x: Array, y: Array, kept: Array | None, dim: int) -> Array:
    """dx = dy times the product of all other elements along dim."""
    xp = xp_of(x)
    zero = x == 0
    zeros = zero.sum(axis=dim, keepdims=True)
    safe = xp.where(zero, xp.ones_like(x), x)
    # One zero among the factors leaves a derivative at itself alone, two leave none.
    rest = xp.where(zeros == 0, y, safe.prod(axis=dim, keepdims=True))
    return xp.where((zeros == 0) | (zero & (zeros == 1)), dy * (rest / safe), xp.zeros_like(x))


@prod_backward.cuda(*_FLOATS, beside_half=True)
def prod_backward_cuda(dy: Array, x: Array, y: Array, kept: Array | None, dim: int) -> Array:
    if kept is None:
        kept = prod_forward_cuda(x, dim, True)[1]
    assert kept is not None
    return _FOLD.slope(dy, x, dim, kept, None)


@kernel
def cumprod_forward(x: Array, dim: int, reverse: bool) -> Array:
    """y[k] = the product of x[:k + 1] along dim, or of x[k:] if reverse. x: any shape but 0-d."""
    flip, wide = xp_of(x).flip, widened(x)
    if reverse:
        return flip(flip(wide, dim).cumprod(axis=dim, dtype=wide.dtype), dim).astype(x.dtype)
    return wide.cumprod(axis=dim, dtype=wide.dtype).astype(x.dtype, copy=False)


@cumprod_forward.cuda(*_FLOATS, "int64")
def cumprod_forward_cuda(x: Array, dim: int, reverse: bool) -> Array:
    return _RUN.along(x, dim, reverse, x.dtype)


@kernel
def cumprod_backward(dy: Array, x: Array, y: Array, dim: int, reverse: bool) -> Array:
    """dx: sums of dy y / x before the first zero; at it, of dy times the products without it; 0 behind it."""
    xp = xp_of(x)
    zero = x == 0
    seen = cumsum_forward(zero.astype(int64), dim, reverse)
    first = zero & (seen == 1)
    before = cumsum_forward(dy * y, dim, not reverse) / xp.where(zero, xp.ones_like(x), x)
    without = cumprod_forward(xp.where(first, xp.ones_like(x), x), dim, reverse)
    at = xp.where(seen > 0, dy * without, xp.zeros_like(x)).sum(axis=dim, keepdims=True)
    return xp.where(seen == 0, before, xp.where(first, at, xp.zeros_like(x)))


@cumprod_backward.cuda(*_FLOATS)
def cumprod_backward_cuda(dy: Array, x: Array, y: Array, dim: int, reverse: bool) -> Array:
    return _RECUR(dy, x, y, None, dim, not reverse)


class Prod(ReadsHalf):
    """The product along one dimension, which stays at length 1; of integers and bools in int64."""

    __slots__ = ("dim", "kept")
    dim: int
    kept: Array | None

    def forward(ctx, x: Array, dim: int) -> Array:
        ctx.dim = dim
        y, ctx.kept = prod_forward(x, dim, mode.enabled and ctx.edges[0] is not None)
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        if x.shape[ctx.dim] == 1:
            return dy
        if isinstance(x, Tensor):
            return dy * _product_of_others(x, ctx.dim)
        return prod_backward(dy, x, y, ctx.kept, ctx.dim)


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
        y = cumprod_forward(x, dim, reverse)
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        dim, reverse = ctx.dim, ctx.reverse
        if x.shape[dim] == 1:
            return dy
        if not isinstance(x, Tensor):
            return cumprod_backward(dy, x, y, dim, reverse)
        # dy of every later product comes back through the factors between: y[k] = x[k] y[k-1].
        step = -1 if reverse else 1
        back = recurrence(shifted(x, dim, -step, 0.0), dy, dim, not reverse)
        return back * shifted(y, dim, step, 1.0)


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
    Kernel: kernels/cuda/reduce.cu and kernels/math/prod.cuh.
    """
    along = aliased("prod", dim, axis)
    x = cast_first(input, dtype, None)
    if along is None or not x.ndim:
        one_dim("prod", 0 if along is None else along, x.ndim)
        y = Prod.apply(x.reshape(-1), 0).reshape(())
        return y if dtype is None else y.to(x.dtype)  # type: ignore[no-any-return]
    place = one_dim("prod", along, x.ndim)
    y = Prod.apply(x, place)
    y = y if dtype is None else y.to(x.dtype)
    return y if keepdim or keepdims else y.squeeze(place)  # type: ignore[no-any-return]


def cumprod(input: Tensor, dim: int | None = None, *, dtype: Any = None, axis: int | None = None) -> Tensor:
    """The products of the first 1, 2, ... elements along `dim`; the input's shape. bools and integers give int64.

    Args:
        dtype: cast to this dtype first.
    Raises: IndexError if the dim is out of range.
    Gradient: for each element the sum over the products that it is in, without it; right also where there are zeros.
    Kernel: kernels/cuda/cumsum.cu and kernels/math/prod.cuh; the gradient's is kernels/cuda/recurrence.cu.
    """
    return along_dim("cumprod", Cumprod, cast_first(input, dtype, int64), aliased("cumprod", dim, axis))
