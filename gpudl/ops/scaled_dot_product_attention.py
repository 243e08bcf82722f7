"""Attention: each query's mean of the values, weighted by softmax of its products with the keys. Vaswani et al. 2017.

    s = scale q k^T + mask,   p = exp(s - lse),   y = p v,   lse = log sum exp(s) over the keys
    dv = p^T dy,   ds = p (dy v^T - sum(dy y)),   dq = scale ds k,   dk = scale ds^T q,   dmask = ds

With dropout, p is multiplied by keep / (1 - dropout) where it meets v, and dy v^T is where it meets p.

The scores exist for one block of queries at a time, or one tile: memory grows with the sequence's length, not with its
square. backward makes them again from lse, and the dropout mask from its random stream. A query that may see no key
gives 0, and its lse is +inf so that its p is 0. Vaswani et al. 2017, arXiv:1706.03762; in blocks, with lse saved: Dao
et al. 2022, arXiv:2205.14135; the tiles of a GPU: Dao 2023, arXiv:2307.08691.

The arrays of the kernels: q (outer, group, queries, features), k and v (outer, keys, features), where `group` is how
many heads of queries share one of keys; mask (places, group or 1, queries or 1, keys or 1), bool (True: is seen) or
floating (is added); place (outer,), which of the masks to take, or None where they broadcast. On devices `outer` may
be two dimensions, samples and heads, so that they need not be merged; the mask has both then, and no place.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.attention_blocks import add_to_mask, blocks, kept_of_block, merged, scores
from gpudl.ops.attention_checks import Settings, laid_out, mask_places
from gpudl.ops.attention_launch import attention_backward, attention_forward
from gpudl.ops.gemm import product
from gpudl.ops.matmul import matmul
from gpudl.ops.operands import counting, narrowed, sum_to_shape, widened
from gpudl.ops.random_bits import keep_mask, placed
from gpudl.random import sampling_stream

__all__ = ["scaled_dot_product_attention"]


@kernel
def scaled_dot_product_attention_forward(
    q: Array, k: Array, v: Array, mask: Array | None, place: Array | None, settings: Settings
) -> tuple[Array, Array]:
    """y (outer, group, queries, features of v) and lse (outer, group, queries)."""
    p, lse = _weights(q, k, mask, place, settings)
    keep = _kept(p, settings)
    y = product(p if keep is None else p * keep, widened(v)[..., None, :, :])
    return narrowed(y, q.dtype), lse


@scaled_dot_product_attention_forward.cpu("float32", "float64")
def scaled_dot_product_attention_forward_cpu(
    q: Array, k: Array, v: Array, mask: Array | None, place: Array | None, settings: Settings
) -> tuple[Array, Array]:
    y, lse = np.empty((*q.shape[:-1], v.shape[-1]), q.dtype), np.empty(q.shape[:-1], q.dtype)
    for block in blocks(q, k, settings):
        outer, rows, seen = block
        s = scores(q, k, mask, place, settings, block)
        high = s.max(axis=-1, keepdims=True)
        high[high == -math.inf] = 0
        s -= high
        np.exp(s, out=s)
        mass = s @ np.ones(s.shape[-1], s.dtype)
        lse[outer, :, rows] = np.where(mass == 0, math.inf, np.log(mass) + high[..., 0])
        if settings.stream is not None:
            s *= kept_of_block(q, k, settings, block)
        some = (merged(s) @ v[outer, seen]).reshape((*s.shape[:-1], v.shape[-1]))
        np.divide(some, np.where(mass == 0, 1, mass)[..., None], out=y[outer, :, rows])
    return y, lse


@scaled_dot_product_attention_forward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def scaled_dot_product_attention_forward_cuda(
    q: Array, k: Array, v: Array, mask: Array | None, place: Array | None, settings: Settings
) -> tuple[Array, Array]:
    return attention_forward(q, k, v, mask, place, settings)


@kernel
def scaled_dot_product_attention_backward(
    dy: Array,
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None,
    place: Array | None,
    settings: Settings,
    y: Array,
    lse: Array | None,
    for_mask: bool,
) -> tuple[Array, Array, Array, Array | None]:
    """dq, dk, dv, and the scores' gradient (outer, group, queries, keys) if the mask's is asked for, else None."""
    p, _ = _weights(q, k, mask, place, settings)
    keep, dwide = _kept(p, settings), widened(dy)
    dp = product(dwide, widened(v)[..., None, :, :].swapaxes(-1, -2))
    dp, met = (dp, p) if keep is None else (dp * keep, p * keep)
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
    dq = product(ds, widened(k)[..., None, :, :]) * settings.scale
    dk = product(ds.swapaxes(-1, -2), widened(q)).sum(axis=-3) * settings.scale
    dv = product(met.swapaxes(-1, -2), dwide).sum(axis=-3)
    dmask = _mask_gradient(ds, mask, place) if for_mask else None
    return narrowed(dq, q.dtype), narrowed(dk, k.dtype), narrowed(dv, v.dtype), dmask


@scaled_dot_product_attention_backward.cpu("float32", "float64")
def scaled_dot_product_attention_backward_cpu(
    dy: Array,
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None,
    place: Array | None,
    settings: Settings,
    y: Array,
    lse: Array,
    for_mask: bool,
) -> tuple[Array, Array, Array, Array | None]:
    dq, dk, dv = np.empty(q.shape, q.dtype), np.zeros(k.shape, k.dtype), np.zeros(v.shape, v.dtype)
    dmask = np.zeros(mask.shape, mask.dtype) if for_mask and mask is not None else None
    for block in blocks(q, k, settings):
        outer, rows, seen = block
        p = scores(q, k, mask, place, settings, block)
        p -= lse[outer, :, rows, None]
        np.exp(p, out=p)
        dy_here, keys = dy[outer, :, rows], k[outer, seen]
        ds = (merged(dy_here) @ v[outer, seen].swapaxes(-1, -2)).reshape(p.shape)
        if settings.stream is None:
            dv[outer, seen] += merged(p).swapaxes(-1, -2) @ merged(dy_here)
        else:
            keep = kept_of_block(q, k, settings, block)
            ds *= keep
            dv[outer, seen] += merged(p * keep).swapaxes(-1, -2) @ merged(dy_here)
        ds -= np.einsum("...i,...i->...", dy_here, y[outer, :, rows])[..., None]
        ds *= p
        if dmask is not None:
            add_to_mask(dmask, ds, place, block)
        ds *= q.dtype.type(settings.scale)
        dq[outer, :, rows] = (merged(ds) @ keys).reshape((*ds.shape[:-1], q.shape[-1]))
        dk[outer, seen] += merged(ds).swapaxes(-1, -2) @ merged(q[outer, :, rows])
    return dq, dk, dv, dmask


@scaled_dot_product_attention_backward.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def scaled_dot_product_attention_backward_cuda(
    dy: Array,
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None,
    place: Array | None,
    settings: Settings,
    y: Array,
    lse: Array,
    for_mask: bool,
) -> tuple[Array, Array, Array, Array | None]:
    return attention_backward(dy, q, k, v, mask, place, settings, y, lse, for_mask)


def _weights(q: Array, k: Array, mask: Array | None, place: Array | None, settings: Settings) -> tuple[Array, Array]:
    """softmax(scale q k^T + mask), (outer, group, queries, keys), and lse; 0 and inf where no key is seen."""
    xp = xp_of(q)
    s = product(widened(q), widened(k)[..., None, :, :].swapaxes(-1, -2)) * settings.scale
    if mask is not None:
        here = mask if place is None else mask[place]
        s = xp.where(here, s, -math.inf) if here.dtype.kind == "b" else s + here
    if settings.causal:
        seen = counting(s, s.shape[-1])[None, :] <= counting(s, s.shape[-2])[:, None]
        s = xp.where(seen, s, -math.inf)
    high = xp.amax(s.detach() if isinstance(s, Tensor) else s, axis=-1, keepdims=True)
    high = xp.where(high == -math.inf, xp.zeros_like(high), high)
    p = xp.exp(s - high)
    mass = p.sum(axis=-1, keepdims=True)
    none = mass == 0
    lse = xp.where(none, math.inf, xp.log(mass) + high)
    return p / xp.where(none, xp.ones_like(mass), mass), lse.reshape(s.shape[:-1])


def _kept(p: Array, settings: Settings) -> Array | None:
    """What dropout multiplies the weights by, all of them; None without dropout."""
    if settings.stream is None:
        return None
    *lead, columns = p.shape
    keep = keep_mask(settings.stream, math.prod(lead), columns, settings.p, p).reshape(p.shape)
    return keep.astype(p.dtype) * settings.factor()


def _mask_gradient(ds: Array, mask: Array, place: Array | None) -> Array:
    """The gradient of the scores as that of a mask which was added to them."""
    if place is None:
        return narrowed(sum_to_shape(ds, mask.shape), mask.dtype)
    ds = sum_to_shape(ds, (len(place), *mask.shape[1:]))
    hot = (counting(ds, mask.shape[0])[:, None] == place[None, :]).astype(ds.dtype)
    return narrowed(product(hot, ds.reshape((len(place), -1))).reshape(mask.shape), mask.dtype)


class ScaledDotProductAttention(ReadsHalf):
    __slots__ = ("place", "settings")
    place: Any
    settings: Settings

    def forward(
        ctx, q: Array, k: Array, v: Array, mask: Array | None, place: Array | None, settings: Settings
    ) -> Array:
        ctx.place, ctx.settings = place, settings
        y, lse = scaled_dot_product_attention_forward(q, k, v, mask, _there(place, q), settings)
        ctx.save(q, k, v, mask, y, lse)
        return y

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        q, k, v, mask, y, lse = ctx.saved
        place = _there(ctx.place, q)
        return scaled_dot_product_attention_backward(  # type: ignore[no-any-return]
            dy, q, k, v, mask, place, ctx.settings, y, lse, ctx.edges[3] is not None
        )


def _there(place: Any, like: Array) -> Array | None:
    return None if place is None else placed(place, like)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale * query @ key^T + mask) @ value, in memory that does not grow with queries * keys.

    Args:
        query: (..., queries, features), floating; at least two dimensions.
        key: (..., keys, features).
        value: (..., keys, features of values). The dimensions before the last two broadcast.
        attn_mask: broadcasts to (..., queries, keys): bool, True where a query sees a key, or floating, added to the
            scores. A query that sees no key gives 0.
        dropout_p: the probability with which a weight is made 0, the others being divided by 1 - dropout_p; also
            outside training.
        is_causal: query i sees the keys 0 to i; not beside attn_mask.
        scale: default 1 / sqrt(features).
        enable_gqa: the heads, dimension -3, may be fewer in key and value; equal numbers of heads of query share one.
    Returns: (..., queries, features of values), the dtype of query.
    Raises: ShapeError for shapes that do not fit; RuntimeError for dtypes that differ or are not floating, a mask
        beside is_causal, a dropout_p out of range; IndexError for enable_gqa without heads.
    Gradient: to query, key, value and a floating mask; see the head of this file.
    Kernel: kernels/cuda/attention.cu, 16 queries a warp; attention_queries.cu and attention_keys.cu for the gradients,
        attention_mask.cu for a mask's; half floats by tensor cores, through strides, without atomics.
    Source: Vaswani et al. 2017, arXiv:1706.03762; Dao et al. 2022, arXiv:2205.14135; shared heads: Ainslie et al.
        2023, arXiv:2305.13245.
    """
    q, k, v, mask, lead = laid_out(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    shape = (*lead, query.shape[-2], value.shape[-1])
    if 0 in q.shape[:-1] or 0 in k.shape[:-1]:
        return matmul(matmul(q, k.unsqueeze(-3).mT), v.unsqueeze(-3)).reshape(shape)
    features = query.shape[-1]
    factor = (1 / math.sqrt(features) if features else 1.0) if scale is None else float(scale)
    settings = Settings(factor, is_causal, dropout_p, sampling_stream() if dropout_p else None)
    mask, place = (None, None) if mask is None else mask_places(mask, lead, q)
    return ScaledDotProductAttention.apply(q, k, v, mask, place, settings).reshape(shape)  # type: ignore[no-any-return]
