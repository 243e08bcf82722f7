"""Rotary position embedding: pairs of features turned by an angle that grows with the position. Su et al. 2021,
arXiv:2104.09864.

    (a, b) -> (a cos - b sin, a sin + b cos)

so that the product of a query and a key, both turned, depends on the distance of their positions alone. A pair is two
neighbors as in the paper (interleaved), or features i and i + pairs, as in GPT-NeoX and LLaMA. Turning back gives the
gradient of the input; with x's pair (a, b) and dy's (da, db), dcos = sum(da a + db b) and dsin = sum(db a - da b).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, PACK_BYTES, THREADS, CudaText, dense
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.attention_launch import laid_like, leading_row, with_rows
from gpudl.ops.operands import narrowed, sum_to_shape, widened

__all__ = ["rotary_embedding"]

_TEXT = CudaText("math/numbers.cuh", "math/packs.cuh", "cuda/rotary_embedding.cu", kernels=("rotary_embedding",))


@kernel
def rotary_embedding_forward(x: Array, cos: Array, sin: Array, interleaved: bool) -> Array:
    """y = x with its pairs turned. x: (..., features); cos, sin: broadcast to (..., pairs), 2 pairs <= features."""
    xp, pairs = xp_of(x), cos.shape[-1]
    a, b = _pairs(widened(x), pairs, interleaved)
    c, s = widened(cos), widened(sin)
    first, second = a * c - b * s, a * s + b * c
    turned = [first, second]
    if interleaved:
        turned = [xp.stack(turned, -1).reshape((*first.shape[:-1], 2 * pairs))]
    turned = [narrowed(each, x.dtype) for each in turned]
    return xp.concatenate([*turned, x[..., 2 * pairs :]], -1)


@rotary_embedding_forward.cpu("float32", "float64")
def rotary_embedding_forward_cpu(x: Array, cos: Array, sin: Array, interleaved: bool) -> Array:
    pairs = cos.shape[-1]
    y = np.empty(x.shape, x.dtype)
    y[..., 2 * pairs :] = x[..., 2 * pairs :]
    a, b = _pairs(x, pairs, interleaved)
    first, second = _pairs(y, pairs, interleaved)
    np.multiply(a, cos, out=first)
    first -= b * sin
    np.multiply(b, cos, out=second)
    second += a * sin
    return y


@rotary_embedding_forward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def rotary_embedding_forward_cuda(x: Array, cos: Array, sin: Array, interleaved: bool) -> Array:
    if cos.dtype != sin.dtype:
        return rotary_embedding_forward.reference(x, cos, sin, interleaved)
    return _turned(x, cos, sin, interleaved, 1.0)


@kernel
def rotary_embedding_backward(
    dy: Array, x: Array | None, cos: Array, sin: Array, interleaved: bool
) -> tuple[Array, Array | None, Array | None]:
    """dx, and dcos and dsin, or None for both without x."""
    dx = rotary_embedding_forward(dy, cos, -widened(sin), interleaved)
    if x is None:
        return dx, None, None
    pairs = cos.shape[-1]
    (a, b), (da, db) = (_pairs(widened(each), pairs, interleaved) for each in (x, dy))
    dcos, dsin = sum_to_shape(da * a + db * b, cos.shape), sum_to_shape(db * a - da * b, sin.shape)
    return dx, narrowed(dcos, cos.dtype), narrowed(dsin, sin.dtype)


@rotary_embedding_backward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def rotary_embedding_backward_cuda(
    dy: Array, x: Array | None, cos: Array, sin: Array, interleaved: bool
) -> tuple[Array, Array | None, Array | None]:
    # Tables that are learned are rare: their sums are the reference's.
    if x is not None or cos.dtype != sin.dtype:
        return rotary_embedding_backward.reference(dy, x, cos, sin, interleaved)  # type: ignore[no-any-return]
    return _turned(dy, cos, sin, interleaved, -1.0), None, None


def _turned(x: Array, cos: Array, sin: Array, interleaved: bool, sign: float) -> Array:
    """x with its pairs turned, or turned back where sign is -1, in memory in the order of x: one launch."""
    x, cos, sin = (with_rows(each) for each in (x, cos, sin))
    if cos.strides != sin.strides:
        cos, sin = dense(cos), dense(sin)
    y, shape = laid_like(x, x.shape[-1]), x.shape
    if not y.size:
        return y
    given, result = (_in_heads(x), _in_heads(y)) if x.ndim > 4 else (x, y)
    if x.ndim > 4:
        tables = (_in_heads(xp_of(x).broadcast_to(each, (*shape[:-1], each.shape[-1]))) for each in (cos, sin))
        cos, sin = map(with_rows, tables)
        y = result
    *outer, rows, features = (1,) * (4 - given.ndim) + given.shape
    items = rows * max(features * x.itemsize // (2 * PACK_BYTES), 1)
    heads = min(outer[0] * outer[1], 1 << 15)
    grid = min(-(-items // THREADS), -(-MOST_BLOCKS // heads)), heads
    arrays = leading_row(given), cos.data.ptr, sin.data.ptr, result.data.ptr
    _TEXT.launch(
        "rotary_embedding", grid, (THREADS,), *arrays, *outer, rows, features, cos.shape[-1], interleaved,
        cos.dtype != x.dtype, sign, *_steps(given), *_steps(cos), *_steps(result),
    )  # fmt: skip
    return y.reshape(shape)


def _in_heads(x: Array) -> Array:
    """x with its dimensions before the last three as one."""
    return x.reshape((math.prod(x.shape[:-3]), *x.shape[-3:]))


def _steps(x: Array) -> list[int]:
    """The strides, in elements, of three dimensions before the last; 0 for those that x has not, or only one of."""
    own = [0 if length == 1 else stride // x.itemsize for length, stride in zip(x.shape[:-1], x.strides)]
    return [0] * (3 - len(own)) + own


def _pairs(x: Array, pairs: int, interleaved: bool) -> tuple[Array, Array]:
    """The first and the second features of the pairs, as views."""
    if interleaved:
        return x[..., 0 : 2 * pairs : 2], x[..., 1 : 2 * pairs : 2]
    return x[..., :pairs], x[..., pairs : 2 * pairs]


class RotaryEmbedding(Primitive):
    __slots__ = ("interleaved",)
    widens = False
    interleaved: bool

    def forward(ctx, x: Array, cos: Array, sin: Array, interleaved: bool) -> Array:
        ctx.interleaved = interleaved
        ctx.save(x if ctx.edges[1] or ctx.edges[2] else None, cos, sin)
        return rotary_embedding_forward(x, cos, sin, interleaved)

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        return rotary_embedding_backward(dy, *ctx.saved, ctx.interleaved)  # type: ignore[no-any-return]


def rotary_embedding(input: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = False) -> Tensor:
    """The input with each pair (a, b) of its features as (a cos - b sin, a sin + b cos).

    Args:
        input: (..., features), floating.
        cos, sin: of the angles, floating, alike in shape, with pairs as the last dimension; they broadcast to
            (..., pairs). 1 <= pairs <= features / 2; features after the first 2 * pairs stay as they are.
        interleaved: the pairs are (0, 1), (2, 3), ... as in the paper; False: (0, pairs), (1, pairs + 1), ... as in
            GPT-NeoX and LLaMA.
    Returns: the input's shape and dtype.
    Raises: ShapeError for shapes that do not fit; RuntimeError unless all are floating.
    Gradient: dy turned back; dy's pairs with x's, a to a and b to b, and crosswise, summed, to cos and sin.
    Kernel: kernels/cuda/rotary_embedding.cu, 32 bytes a thread; turning back by the same.
    Source: Su, Lu, Pan, Murtadha, Wen & Liu 2021, arXiv:2104.09864.
    """
    name = "rotary_embedding"
    if any(each.dtype.kind not in "fV" for each in (input, cos, sin)):
        raise RuntimeError(f"{name}: all must be floating, got {input.dtype}, {cos.dtype} and {sin.dtype}")
    pairs = cos.shape[-1] if cos.ndim else 0
    fits = cos.shape == sin.shape and cos.ndim <= input.ndim and 0 < 2 * pairs <= input.shape[-1]
    lengths = zip(reversed(cos.shape[:-1]), reversed(input.shape[:-1]))
    if not fits or any(have not in (1, wanted) for have, wanted in lengths):
        expected = f"cos and sin that broadcast to {(*input.shape[:-1], 'pairs')}, 0 < 2 * pairs <= the features"
        raise ShapeError(f"{name}: expected {expected} of input {input.shape}, got {cos.shape} and {sin.shape}")
    return RotaryEmbedding.apply(input, cos, sin, interleaved)  # type: ignore[no-any-return]
