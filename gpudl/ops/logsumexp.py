"""The logarithm of summed exponentials, log(sum(exp(x))), by way of the largest element so that exp does not overflow.

In one pass on a device: Milakov & Gimelshein 2018, arXiv:1805.02867.
"""

from __future__ import annotations

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float32, get_default_dtype
from gpudl.backend.folds import Fold
from gpudl.backend.kernel import kernel
from gpudl.ops.operands import Dim, aliased, dims_of, narrowed, total, widened
from gpudl.ops.reduce import Reduction

__all__ = ["logsumexp"]

_FOLD = Fold("Logsumexp<{T}, {A}>", "math/logsumexp.cuh", slope="LogsumexpSlope<{T}, {A}>")


@kernel
def logsumexp_forward(x: Array, dims: tuple[int, ...], keepdim: bool, with_wide: bool) -> tuple[Array, Array | None]:
    """y = log(sum(exp(x))), and for half floats, where it is asked for, the same in float32, else None."""
    xp, wide = xp_of(x), widened(x)
    if all(x.shape[dim] for dim in dims):
        high = xp.asarray(wide.max(axis=dims, keepdims=True))
        high = xp.where(xp.isfinite(high), high, xp.zeros_like(high))
        shifted = xp.asarray(wide - high)
        y = xp.log(total(xp.exp(shifted, out=shifted), dims, True)) + high
    else:
        y = total(wide, dims, True) - xp.inf
    y = xp.asarray(y if keepdim else y.squeeze(axis=dims))
    return narrowed(y, x.dtype), y if with_wide and wide is not x else None


@logsumexp_forward.cuda("float32", "float64", "float16", "bfloat16")
def logsumexp_forward_cuda(
    x: Array, dims: tuple[int, ...], keepdim: bool, with_wide: bool
) -> tuple[Array, Array | None]:
    if with_wide and x.dtype.itemsize == 2:
        return _FOLD(x, dims, keepdim, x.dtype, float32)  # type: ignore[no-any-return]
    return _FOLD(x, dims, keepdim, x.dtype), None


@kernel
def logsumexp_backward(dy: Array, x: Array, y: Array, dims: tuple[int, ...]) -> Array:
    """dx = dy exp(x - y); dy and y with the dims at length 1."""
    return dy * xp_of(x).exp(x - y)


@logsumexp_backward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def logsumexp_backward_cuda(dy: Array, x: Array, y: Array, dims: tuple[int, ...]) -> Array:
    return _FOLD.slope(dy, x, dims, widened(y), None)


class Logsumexp(Reduction):
    __slots__ = ("wide",)
    wide: Array | None

    def forward(ctx, x: Array, dims: tuple[int, ...], keepdim: bool) -> Array:
        ctx.shape, ctx.dims = x.shape, dims
        y, ctx.wide = logsumexp_forward(x, dims, keepdim, mode.enabled and ctx.edges[0] is not None)
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        if not isinstance(x, Tensor) and ctx.wide is not None:
            y = ctx.wide
        return logsumexp_backward(ctx.spread(dy), x, ctx.spread(y), ctx.dims)


def logsumexp(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, axis: Dim = None, keepdims: bool = False
) -> Tensor:
    """log(sum(exp(input))) without overflow; -inf for no elements. Integers give the default floating dtype.

    Args:
        input: any shape.
        dim, axis: the dimension or dimensions to sum over, under either name; () for all.
        keepdim, keepdims: keep them at length 1.
    Returns: the input's shape without those dimensions.
    Raises: IndexError if a dim is out of range; TypeError if it is missing.
    Gradient: dy * softmax(input) over those dimensions.
    Kernel: kernels/cuda/reduce.cu and kernels/math/logsumexp.cuh.
    Source: Milakov & Gimelshein 2018, arXiv:1805.02867.
    """
    along = aliased("logsumexp", dim, axis)
    if along is None:
        raise TypeError("logsumexp: give the dimension or dimensions to sum over, dim; () is all of them")
    x = input if input.array.dtype.kind in "fV" else input.to(get_default_dtype())
    return Logsumexp.apply(x, dims_of("logsumexp", along, x.ndim), keepdim or keepdims)  # type: ignore[no-any-return]
