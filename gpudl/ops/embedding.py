"""Embedding: rows of a table by number. Y. Bengio, Ducharme, Vincent & Jauvin 2003, "A neural probabilistic language
model".

    y[i] = w[index[i]],      dw[n] = sum of dy[i] over all i with index[i] = n
"""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.backend.scatter import combine_at
from gpudl.backend.strided_copy import reshaped
from gpudl.backend.take_rows import taken
from gpudl.ops.accumulate import counts_at, summed_rows
from gpudl.ops.embedding_table import check_table, renormalize_
from gpudl.ops.operands import narrowed, widened

__all__ = ["embedding"]


@kernel
def embedding_forward(w: Array, index: Array) -> Array:
    """y = w[index], (*index, features). w: (count, features); index: integers in [0, count), any shape."""
    return xp_of(w).take(w, index, axis=0)


@embedding_forward.cuda("float32", "float64", "float16", "bfloat16")
def embedding_forward_cuda(w: Array, index: Array) -> Array:
    return taken(w, index)


@kernel
def embedding_backward(dy: Array, index: Array, count: int, skipped: int, by_frequency: bool) -> Array:
    """dw (count, features): dy summed by index, 0 at row `skipped`; by_frequency: the mean in place of the sum."""
    xp, flat = xp_of(dy), index.reshape(-1)
    dw = summed_rows(count, flat, dy.reshape((flat.size, dy.shape[-1])))
    if skipped >= 0:
        dw[skipped] = 0
    if by_frequency:
        often = xp.maximum(counts_at(flat, count), 1)[:, None]
        dw = narrowed(widened(dw) / often.astype(widened(dw[:0]).dtype), dw.dtype)
    return dw


@embedding_backward.cuda("float32", "float64", "float16", "bfloat16")
def embedding_backward_cuda(dy: Array, index: Array, count: int, skipped: int, by_frequency: bool) -> Array:
    dw, flat = xp_of(dy).zeros((count, dy.shape[-1]), dy.dtype), index.reshape(-1)
    rows = reshaped(dy, (flat.size, dy.shape[-1]))
    combine_at("add", dw, flat, rows, fresh=True, skipped=skipped, divides=by_frequency)
    return dw


class Embedding(Primitive):
    __slots__ = ("by_frequency", "count", "skipped")
    widens = False
    count: int
    skipped: int
    by_frequency: bool

    def forward(ctx, w: Array, index: Array, skipped: int, by_frequency: bool) -> Array:
        ctx.count, ctx.skipped, ctx.by_frequency = w.shape[0], skipped, by_frequency
        ctx.save(index)
        return embedding_forward(w, index)

    def backward(ctx, dy: Array) -> Array:
        (index,) = ctx.saved
        adjoint: Any = _Adjoint.apply if isinstance(dy, Tensor) else embedding_backward
        return adjoint(dy, index, ctx.count, ctx.skipped, ctx.by_frequency)


class _Adjoint(Primitive):
    """embedding_backward, differentiable with respect to dy; as in PyTorch, without the division by frequency."""

    __slots__ = ("skipped",)
    widens = False
    skipped: int

    def forward(ctx, dy: Array, index: Array, count: int, skipped: int, by_frequency: bool) -> Array:
        ctx.skipped = skipped
        ctx.save(index)
        return embedding_backward(dy, index, count, skipped, by_frequency)

    def backward(ctx, ddw: Array) -> Array:
        (index,) = ctx.saved
        ddy = Embedding.apply(ddw, index, -1, False) if isinstance(ddw, Tensor) else embedding_forward(ddw, index)
        return ddy if ctx.skipped < 0 else ddy * (index != ctx.skipped)[..., None].astype(ddw.dtype)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` whose numbers stand in `input`.

    Args:
        input: int64 or int32, any shape, 0 <= input < count.
        weight: (count, features).
        padding_idx: this row gets no gradient; negative ones count from the end.
        max_norm: first scale each row that is asked for, in place, to at most this norm.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of each row by how often it stands in the input.
        sparse: only False; gradients are dense.
    Returns: (*input.shape, features), the dtype of weight.
    Raises: IndexError for a number out of range (on the CPU); ShapeError unless weight has two dimensions;
        RuntimeError for other indices' dtypes; AssertionError for a padding_idx out of range; NotImplementedError
        for sparse.
    Gradient: to each row of weight the sum of dy over its places in the input.
    Kernel: kernels/cuda/take_rows.cu, 16 bytes of a row a thread; backward kernels/cuda/accumulate.cu.
    Source: Bengio, Ducharme, Vincent & Jauvin 2003.
    """
    skipped = check_table("embedding", input, weight, padding_idx, sparse)
    if max_norm is not None:
        renormalize_("embedding", weight, input.array, max_norm, norm_type)
    return Embedding.apply(weight, input, skipped, scale_grad_by_freq)  # type: ignore[no-any-return]
