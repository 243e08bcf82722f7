"""Norms of all elements or over dimensions, and what is measured with them: dist and renorm."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import DType, float32, float64, int64
from gpudl.backend.errors import ShapeError
from gpudl.backend.folds import Fold
from gpudl.backend.kernel import kernel
from gpudl.ops.elementwise import where
from gpudl.ops.matrix_norms import matrix_norm, vector_norm_forward
from gpudl.ops.operands import Dim, Number, dims_of, one_dim, promoted, total, widened
from gpudl.ops.reduce import Reduction, cast_first

__all__ = ["dist", "norm", "renorm"]


_FLOATS = "float32", "float64", "float16", "bfloat16"


def _summed(start: str, end: str) -> Fold:
    return Fold(f"Added<{{T}}, {{A}}, {start}, {end}>", "math/norm.cuh", slope="NormSlope<{T}, {A}>")


_FOLDS: dict[float, Fold] = {
    2: _summed("Square", "Root"),
    1: _summed("Size", "Itself"),
    0: _summed("Present", "Itself"),
}
_POWER = _summed("Power", "PowerRoot")
_LARGEST, _SMALLEST = (
    Fold(f"Extreme<{{T}}, {{A}}, {largest}, Size>", "math/extreme.cuh", "math/norm.cuh")
    for largest in ("true", "false")
)


@kernel
def norm_forward(
    x: Array, p: float, dims: tuple[int, ...], keepdim: bool, with_kept: bool
) -> tuple[Array, Array | None]:
    """The p-norm, and if asked for, of half floats the same in float32, or for infinity how many elements have it."""
    return power_norm(x, p, dims, keepdim), None


@norm_forward.cuda(*_FLOATS)
def norm_forward_cuda(
    x: Array, p: float, dims: tuple[int, ...], keepdim: bool, with_kept: bool
) -> tuple[Array, Array | None]:
    more: DType
    if math.isinf(p):
        fold, more = _LARGEST if p > 0 else _SMALLEST, int64
    else:
        fold, more = _FOLDS.get(p, _POWER), float64 if x.dtype == float64 else float32
    if with_kept and (math.isinf(p) or x.dtype.itemsize == 2):
        return fold(x, dims, keepdim, x.dtype, more, p=p, q=1 / p if p else 0)  # type: ignore[no-any-return]
    return fold(x, dims, keepdim, x.dtype, p=p, q=1 / p if p else 0), None


@vector_norm_forward.cuda("float32", "float64")
def vector_norm_forward_cuda(x: Array, order: float, dims: tuple[int, ...], keepdim: bool) -> Array:
    y: Array = norm_forward_cuda(x, order, dims, keepdim, False)[0]
    return y


@kernel
def norm_backward(dy: Array, x: Array, y: Array, kept: Array | None, p: float, dims: tuple[int, ...]) -> Array:
    """dx of y = norm(x), dims at length 1; kept: what forward gave beside it."""
    return norm_gradient(dy, x, y, p, dims)


@norm_backward.cuda(*_FLOATS, beside_half=True)
def norm_backward_cuda(dy: Array, x: Array, y: Array, kept: Array | None, p: float, dims: tuple[int, ...]) -> Array:
    if p == 0 or (kept is None and math.isinf(p)):
        return norm_backward.reference(dy, x, y, kept, p, dims)
    if math.isinf(p):
        return _POWER.slope(dy, x, dims, widened(y), kept, p=0)
    return _POWER.slope(dy, x, dims, widened(y if kept is None else kept), None, p=p)


class Norm(Reduction):
    """sum(|x|^p)^(1/p) over dimensions; max |x| for p = inf, min |x| for -inf, the count of nonzeros for 0."""

    __slots__ = ("kept", "p")
    kept: Array | None
    p: float

    def forward(ctx, x: Array, p: float, dims: tuple[int, ...], keepdim: bool) -> Array:
        ctx.shape, ctx.dims, ctx.p = x.shape, dims, p
        y, ctx.kept = norm_forward(x, p, dims, keepdim, mode.enabled and ctx.edges[0] is not None)
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        kept = None if ctx.kept is None else ctx.spread(ctx.kept)
        return norm_backward(ctx.spread(dy), x, ctx.spread(y), kept, ctx.p, ctx.dims)


def power_norm(x: Array, p: float, dims: tuple[int, ...], keepdim: bool) -> Array:
    """The p-norm of an array over dimensions."""
    xp = xp_of(x)
    if p == 2:
        return xp.sqrt(total(x * x, dims, keepdim))
    if p == 0:
        return total((x != 0).astype(x.dtype), dims, keepdim)
    size = xp.abs(x)
    if p == math.inf:
        return size.max(axis=dims, keepdims=keepdim)
    if p == -math.inf:
        return size.min(axis=dims, keepdims=keepdim)
    if p == 1:
        return total(size, dims, keepdim)
    return total(size**p, dims, keepdim) ** (1 / p)


def norm_gradient(dy: Array, x: Array, y: Array, p: float, dims: tuple[int, ...] | None) -> Array:
    """dx of y = norm(x), for arrays or Tensors; dy and y broadcast with x. 0 where the norm is, as in PyTorch.

    dims: the dimensions over which elements equal to an infinity norm share its gradient; None: each has all of it.
    """
    xp = xp_of(x)
    zero = xp.zeros_like(x)
    if p == 0:
        return zero
    if p == 1:
        return dy * _sign(x)
    if p == 2:
        return x * over(dy, y)
    if math.isinf(p):
        size = xp.abs(x)
        hit = ((size == y) | (size != size)).astype(x.dtype)
        return _sign(x) * hit * (dy if dims is None else dy / hit.sum(axis=dims, keepdims=True))
    if p > 2:
        return x * xp.abs(x) ** (p - 2) * over(dy, y, p - 1)
    # 1 stands in for 0 where the result is masked: a power of 0 would make nan of the next derivative.
    size = xp.where(x == 0, xp.zeros_like(x), xp.abs(xp.where(x == 0, xp.ones_like(x), x)) ** (p - 1))
    return _sign(x) * size * over(dy, y, p - 1)


def over(dy: Array, y: Array, power: float = 1) -> Array:
    """dy / y**power, and 0 where y is 0, in all derivatives."""
    xp = xp_of(y)
    safe = xp.where(y == 0, xp.ones_like(y), y)
    quotient = dy / (safe if power == 1 else safe**power)
    return xp.where(y == 0, xp.zeros_like(quotient), quotient)


def _sign(x: Array) -> Array:
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


def norm(
    input: Tensor,
    p: Number | str | None = "fro",
    dim: Dim = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Tensor:
    """The p-norm sum(abs(input)**p)**(1/p) of the elements.

    Args:
        p: a number; inf for the largest absolute value, -inf for the smallest, 0 for the number of nonzeros. "fro" and
            None are 2; "nuc", over two dimensions: the sum of the singular values.
        dim: the dimension or dimensions to reduce, default all.
        keepdim: keep them at length 1.
        dtype: cast to this dtype first.
    Raises: RuntimeError unless the input is floating point, and for the norm inf or -inf of no elements; IndexError if
        a dim is out of range; RuntimeError for another name.
    Gradient: dy * input * abs(input)**(p - 2) / result**(p - 1), 0 where the result is 0.
    Kernel: kernels/cuda/reduce.cu and kernels/math/norm.cuh.
    """
    if input.dtype.kind not in "fV":
        raise RuntimeError(f"norm: the input is {input.dtype}; cast it to a floating dtype first")
    x = cast_first(input, dtype, None)
    if p == "nuc":
        dims = tuple(range(input.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
        return matrix_norm(input, "nuc", dims, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: p must be a number, 'fro' or 'nuc', got {p!r}")
    if p == "fro" and not isinstance(dim, int) and dim is not None and len(dim) > 2:
        raise ShapeError(f"norm: 'fro' is over at most 2 dimensions, got dim {dim}; give p=2 for more")
    power = 2.0 if p is None or isinstance(p, str) else float(p)
    dims = dims_of("norm", dim, x.ndim)
    if (math.isinf(power) or power < 0) and any(x.shape[each] == 0 for each in dims):
        raise ShapeError(f"norm: shape {x.shape} has no elements over dim {dim}, so there is no norm {power}")
    return Norm.apply(x, power, dims, keepdim)  # type: ignore[no-any-return]


def dist(input: Tensor, other: Tensor, p: Number = 2) -> Tensor:
    """The p-norm of input - other, which broadcast; 0-d. As norm."""
    x, y = promoted("dist", input, other)
    return norm(x - y, p)


def renorm(input: Tensor, p: Number, dim: int, maxnorm: Number) -> Tensor:
    """`input` with every slice along `dim` whose p-norm exceeds maxnorm scaled down to it.

    Args:
        input: floating point, at least 2-d.
        p: the norm's power, above 0.
        dim: the dimension that counts the slices.
        maxnorm: the largest norm, at least 0.
    Raises: RuntimeError for arguments out of these ranges; IndexError if the dim is out of range.
    Gradient: through the norms of the slices that were scaled too.
    """
    if input.dtype.kind not in "fV":
        raise RuntimeError(f"renorm: the input is {input.dtype}; cast it to a floating dtype first")
    if isinstance(p, complex) or p <= 0:
        raise RuntimeError(f"renorm: p must be above 0, got {p}")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: maxnorm must be at least 0, got {maxnorm}")
    if input.ndim < 2:
        raise ShapeError(f"renorm: expected at least 2 dimensions, got shape {input.shape}")
    place = one_dim("renorm", dim, input.ndim)
    others = tuple(i for i in range(input.ndim) if i != place)
    size: Tensor = Norm.apply(input, float(p), others, True)
    return input * where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)
