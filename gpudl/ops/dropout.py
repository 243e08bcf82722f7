"""Dropout: y = x keep / (1 - p), where keep is 0 with probability p and else 1. Srivastava et al. 2014.

The mask is saved as bits. It comes from a stream of random words that depends on the seed and on how many there were
before, never on the device; see gpudl.ops.random_bits. A bias before, and what a layer's result is added to after, are
computed in the same step: y = residual + dropout(x + b), as in Shoeybi et al. 2019, arXiv:1909.08053.
"""

from __future__ import annotations

import math

import numpy as np

from gpudl.autograd.inplace import assign
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, THREADS, CudaText, dense, row_grid
from gpudl.backend.kernel import kernel
from gpudl.ops.columns import Strips
from gpudl.ops.operands import total
from gpudl.ops.random_bits import PER_BLOCK, Drop, keep_mask, kept, packed, unpacked
from gpudl.random import Stream, sampling_stream

__all__ = ["dropout"]

_TEXT = CudaText(
    "math/philox.cuh",
    "math/numbers.cuh",
    "math/packs.cuh",
    "math/columns.cuh",
    "cuda/dropout.cu",
    kernels=("dropout_forward", "dropout_backward", "dropout_bias_backward", "dropout_rows", "column_totals"),
)
_PART = 1 << 16  # elements made at a time, so that they stay in the cache; a multiple of PER_BLOCK
_MANY_ROWS = 1 << 15  # from which on a warp has eight, which leaves enough warps


@kernel
def dropout_forward(x: Array, b: Array | None, residual: Array | None, drop: Drop | None) -> tuple[Array, Array | None]:
    """y = residual + dropped(x + b), and the mask, 8 elements a byte; drop None: all are kept. b: (columns,)."""
    z = x if b is None else x + b
    bits = None
    if drop is not None:
        keep = keep_mask(Stream(drop.key, drop.counter), 1, x.size // drop.span, drop.p, x)
        bits = packed(keep)
        z = z * _factors(keep, x, drop)
        if drop.low or drop.high:
            low, high = (x.dtype.type(shift) for shift in (drop.low, drop.high))
            z = z + xp_of(x).where(_over(keep, x, drop), high, low).astype(x.dtype)
    return z if residual is None else residual + z, bits


@dropout_forward.cpu("float32", "float64")
def dropout_forward_cpu(
    x: Array, b: Array | None, residual: Array | None, drop: Drop | None
) -> tuple[Array, Array | None]:
    if drop is None or drop.span > 1 or drop.low or drop.high or not x.flags.c_contiguous:
        return dropout_forward.reference(x, b, residual, drop)  # type: ignore[no-any-return]
    stream, scale = Stream(drop.key, drop.counter), x.dtype.type(drop.scale)
    y = np.empty(x.shape, x.dtype) if b is None else x + b
    given, out = x.reshape(-1) if b is None else None, y.reshape(-1)
    bits = np.empty(-(-x.size // PER_BLOCK), np.uint8)
    for start in range(0, out.size, _PART):
        piece = out[start : start + _PART]
        keep = kept(stream, len(piece), drop.p)
        bits[start // PER_BLOCK : (start + _PART) // PER_BLOCK] = np.packbits(keep, bitorder="little")
        factors = keep.astype(x.dtype)
        factors *= scale
        np.multiply(factors, piece if given is None else given[start : start + _PART], out=piece)
    if residual is not None:
        y += residual
    return y, bits


@dropout_forward.cuda("float32", "float64", "float16", "bfloat16")
def dropout_forward_cuda(
    x: Array, b: Array | None, residual: Array | None, drop: Drop | None
) -> tuple[Array, Array | None]:
    xp, x, columns = xp_of(x), dense(x), 0 if b is None else len(b)
    if drop is not None and drop.span > 1:
        if b is not None or residual is not None:
            return dropout_forward.reference(x, b, residual, drop)  # type: ignore[no-any-return]
        bits = xp.empty(-(-x.size // drop.span // PER_BLOCK), np.uint8)
        return _rows(x, bits, drop, True), bits
    y, bits = xp.empty(x.shape, x.dtype), None
    settings: tuple[float, ...] = (1.0, 0.0, 0.0, *(0,) * 6)
    if drop is not None:
        bits = xp.empty(-(-x.size // PER_BLOCK), np.uint8)
        settings = float(drop.scale), float(drop.low), float(drop.high), *drop.words()
    around = None if b is None else dense(b), None if residual is None else dense(residual)
    _TEXT.launch("dropout_forward", *_eights(x), x, *around, y, bits, x.size, columns, *settings)
    return y, bits


@kernel
def dropout_backward(dy: Array, bits: Array, drop: Drop, with_bias: bool) -> tuple[Array, Array | None]:
    """dx = dy * keep * scale, and db, the sum of dx over rows, if there is a bias."""
    dx = dy * _factors(unpacked(bits, math.prod(dy.shape) // drop.span), dy, drop)
    return dx, total(dx.reshape((math.prod(dy.shape[:-1]), dy.shape[-1])), 0) if with_bias else None


@dropout_backward.cpu("float32", "float64")
def dropout_backward_cpu(dy: Array, bits: Array, drop: Drop, with_bias: bool) -> tuple[Array, Array | None]:
    if drop.span > 1 or not dy.flags.c_contiguous:
        return dropout_backward.reference(dy, bits, drop, with_bias)  # type: ignore[no-any-return]
    dx, scale = np.empty(dy.shape, dy.dtype), dy.dtype.type(drop.scale)
    given, out = dy.reshape(-1), dx.reshape(-1)
    for start in range(0, out.size, _PART):
        piece = out[start : start + _PART]
        of_piece = bits[start // PER_BLOCK : (start + _PART) // PER_BLOCK]
        piece[...] = np.unpackbits(of_piece, count=len(piece), bitorder="little")
        piece *= scale
        piece *= given[start : start + _PART]
    return dx, total(dx.reshape((math.prod(dy.shape[:-1]), dy.shape[-1])), 0) if with_bias else None


@dropout_backward.cuda("float32", "float64", "float16", "bfloat16")
def dropout_backward_cuda(dy: Array, bits: Array, drop: Drop, with_bias: bool) -> tuple[Array, Array | None]:
    xp, dy, scale = xp_of(dy), dense(dy), float(drop.scale)
    if drop.span > 1 or (with_bias and not dy.size):
        if with_bias:
            return dropout_backward.reference(dy, bits, drop, with_bias)  # type: ignore[no-any-return]
        return _rows(dy, bits, drop._replace(low=0.0, high=0.0), False), None
    dx = xp.empty(dy.shape, dy.dtype)
    if not with_bias:
        _TEXT.launch("dropout_backward", *_eights(dy), dy, bits, dx, dy.size, scale)
        return dx, None
    columns = dy.shape[-1]
    rows, db = dy.size // columns, xp.empty(columns, dy.dtype)
    strips = Strips(dx, rows, columns)
    sizes = rows, columns, strips.rows_of_block, scale
    _TEXT.launch("dropout_bias_backward", strips.grid, strips.block, dy, bits, dx, db, strips.sums, *sizes)
    strips.finish(_TEXT, db)
    return dx, db


def _eights(x: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The grid and block of a kernel whose threads have eight elements each."""
    return (min(-(-x.size // (8 * THREADS)), 2 * MOST_BLOCKS),), (THREADS,)


def _rows(x: Array, bits: Array, drop: Drop, draws: bool) -> Array:
    """y of whole spans kept or dropped, and of the bits, which are made if `draws`."""
    y, columns = xp_of(x).empty(x.shape, x.dtype), drop.span
    rows = x.size // columns
    each = 8 if draws and rows >= _MANY_ROWS else 1
    grid, block = row_grid(-(-rows // each), columns)
    settings = float(drop.scale), float(drop.low), float(drop.high), each, draws, *drop.words()
    _TEXT.launch("dropout_rows", grid, block, x, y, bits, rows, columns, *settings)
    return y


def _over(keep: Array, like: Array, drop: Drop) -> Array:
    """A mask in a shape that broadcasts to that of `like`."""
    if drop.span == 1:
        return keep.reshape(like.shape)
    lead, left = 0, math.prod(keep.shape)
    while left > 1:
        left //= like.shape[lead]
        lead += 1
    return keep.reshape((*like.shape[:lead], *(1,) * (like.ndim - lead)))


def _factors(keep: Array, like: Array, drop: Drop) -> Array:
    """What elements are multiplied by; not 1 times 0 or 1, so that what is infinite gives nan where it is dropped."""
    factors = _over(keep, like, drop).astype(like.dtype)
    return factors * (drop.scale if isinstance(like, Tensor) else like.dtype.type(drop.scale))


class Dropout(ReadsHalf):
    __slots__ = ("drop",)
    drop: Drop | None

    def forward(ctx, x: Array, b: Array | None, residual: Array | None, drop: Drop | None) -> Array:
        ctx.drop = drop
        y, bits = dropout_forward(x, b, residual, drop)
        ctx.save(bits)
        return y

    def backward(ctx, dy: Array) -> tuple[Array | None, ...]:
        (bits,) = ctx.saved
        with_bias = ctx.edges[1] is not None
        if ctx.drop is not None:
            dx, db = dropout_backward(dy, bits, ctx.drop, with_bias)
        else:
            dx, db = dy, total(dy.reshape((math.prod(dy.shape[:-1]), dy.shape[-1])), 0) if with_bias else None
        return dx, db, dy, None


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element 0 with probability p, and else divided by 1 - p, so that its mean stays.

    Args:
        input: floating, any shape.
        p: the probability of 0, in [0, 1], exact to 2**-33.
        training: False: the input comes back as it is.
        inplace: write the result over the input.
    Returns: the input's shape and dtype; the input itself where there is nothing to drop.
    Raises: ValueError for p out of range; RuntimeError for integers and bools.
    Gradient: dy / (1 - p) where the element was kept, else 0.
    Kernel: kernels/cuda/dropout.cu makes mask and result in one step, a block of the stream a thread.
    Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, "Dropout: a simple way to prevent neural
        networks from overfitting".
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be in [0, 1], got {p}")
    if not training or not p or not input.array.size:
        return input
    if input.dtype.kind not in "fV":
        raise RuntimeError(f"dropout: the input is {input.dtype}; cast it to a floating dtype first")
    stream = sampling_stream()
    drop = Drop(stream.key, stream.index, p, 1 / (1 - p) if p < 1 else 0.0)
    result: Tensor = Dropout.apply(input, None, None, drop)
    return assign(input, result, "dropout") if inplace else result
