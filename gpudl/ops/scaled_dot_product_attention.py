"""Attention: each query's mean of the values, weighted by softmax of its products with the keys. Vaswani et al. 2017.

    s = scale q k^T + mask,   p = exp(s - lse),   y = p v,   lse = log sum exp(s) over the keys
    dv = p^T dy,   ds = p (dy v^T - sum(dy y)),   dq = scale ds k,   dk = scale ds^T q,   dmask = ds

With dropout, p is multiplied by keep / (1 - dropout) where it meets v, and dy v^T is where it meets p.

On the CPU the scores exist for one block of queries at a time: memory grows with the sequence's length, not with its
square. backward makes them again from lse, and the dropout mask from its random stream. A query that may see no key
gives 0, and its lse is +inf so that its p is 0. Vaswani et al. 2017, arXiv:1706.03762; in blocks, with lse saved: Dao
et al. 2022, arXiv:2205.14135.

The arrays of the kernels: q (outer, group, queries, features), k and v (outer, keys, features), where `group` is how
many heads of queries share one of keys; mask (places, group or 1, queries or 1, keys or 1), bool (True: is seen) or
floating (is added); place (outer,), which of the masks to take, or None where they broadcast.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.attention_checks import laid_out, mask_places
from gpudl.ops.matmul import matmul
from gpudl.ops.operands import counting, narrowed, sum_to_shape, widened
from gpudl.ops.random_bits import kept_rows, placed
from gpudl.random import Stream, sampling_stream

__all__ = ["scaled_dot_product_attention"]

_BLOCK = 1 << 16  # scores of a block: with their gradients they stay in the cache of a core


class _Settings(NamedTuple):
    """What attention is beside its arrays; dropout with probability p if there is a stream."""

    scale: float
    causal: bool
    p: float = 0.0
    stream: Stream | None = None

    def factor(self) -> float:
        """What a weight that dropout keeps is multiplied by."""
        return 1 / (1 - self.p) if self.p < 1 else 0.0


@kernel
def scaled_dot_product_attention_forward(
    q: Array, k: Array, v: Array, mask: Array | None, place: Array | None, settings: _Settings
) -> tuple[Array, Array]:
    """y (outer, group, queries, features of v) and lse (outer, group, queries)."""
    p, lse = _weights(q, k, mask, place, settings)
    keep = _kept(p, settings)
    y = (p if keep is None else p * keep) @ widened(v)[:, None]
    return narrowed(y, q.dtype), lse


@scaled_dot_product_attention_forward.cpu("float32", "float64")
def scaled_dot_product_attention_forward_cpu(
    q: Array, k: Array, v: Array, mask: Array | None, place: Array | None, settings: _Settings
) -> tuple[Array, Array]:
    y, lse = np.empty((*q.shape[:-1], v.shape[-1]), q.dtype), np.empty(q.shape[:-1], q.dtype)
    for block in _blocks(q, k, settings):
        outer, rows, seen = block
        s = _scores(q, k, mask, place, settings, block)
        high = s.max(axis=-1, keepdims=True)
        high[high == -math.inf] = 0
        s -= high
        np.exp(s, out=s)
        mass = s @ np.ones(s.shape[-1], s.dtype)
        lse[outer, :, rows] = np.where(mass == 0, math.inf, np.log(mass) + high[..., 0])
        if settings.stream is not None:
            s *= _kept_of_block(q, k, settings, block)
        some = (_merged(s) @ v[outer, seen]).reshape((*s.shape[:-1], v.shape[-1]))
        np.divide(some, np.where(mass == 0, 1, mass)[..., None], out=y[outer, :, rows])
    return y, lse


@kernel
def scaled_dot_product_attention_backward(
    dy: Array,
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None,
    place: Array | None,
    settings: _Settings,
    y: Array,
    lse: Array | None,
    for_mask: bool,
) -> tuple[Array, Array, Array, Array | None]:
    """dq, dk, dv, and the scores' gradient (outer, group, queries, keys) if the mask's is asked for, else None."""
    p, _ = _weights(q, k, mask, place, settings)
    keep, dwide = _kept(p, settings), widened(dy)
    dp = dwide @ widened(v)[:, None].swapaxes(-1, -2)
    dp, met = (dp, p) if keep is None else (dp * keep, p * keep)
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
    dq = ds @ widened(k)[:, None] * settings.scale
    dk = (ds.swapaxes(-1, -2) @ widened(q)).sum(axis=1) * settings.scale
    dv = (met.swapaxes(-1, -2) @ dwide).sum(axis=1)
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
    settings: _Settings,
    y: Array,
    lse: Array,
    for_mask: bool,
) -> tuple[Array, Array, Array, Array | None]:
    dq, dk, dv = np.empty(q.shape, q.dtype), np.zeros(k.shape, k.dtype), np.zeros(v.shape, v.dtype)
    dmask = np.zeros(mask.shape, mask.dtype) if for_mask and mask is not None else None
    for block in _blocks(q, k, settings):
        outer, rows, seen = block
        p = _scores(q, k, mask, place, settings, block)
        p -= lse[outer, :, rows, None]
        np.exp(p, out=p)
        dy_here, keys = dy[outer, :, rows], k[outer, seen]
        ds = (_merged(dy_here) @ v[outer, seen].swapaxes(-1, -2)).reshape(p.shape)
        if settings.stream is None:
            dv[outer, seen] += _merged(p).swapaxes(-1, -2) @ _merged(dy_here)
        else:
            keep = _kept_of_block(q, k, settings, block)
            ds *= keep
            dv[outer, seen] += _merged(p * keep).swapaxes(-1, -2) @ _merged(dy_here)
        ds -= np.einsum("...i,...i->...", dy_here, y[outer, :, rows])[..., None]
        ds *= p
        if dmask is not None:
            _add_to_mask(dmask, ds, place, block)
        ds *= q.dtype.type(settings.scale)
        dq[outer, :, rows] = (_merged(ds) @ keys).reshape((*ds.shape[:-1], q.shape[-1]))
        dk[outer, seen] += _merged(ds).swapaxes(-1, -2) @ _merged(q[outer, :, rows])
    return dq, dk, dv, dmask


def _weights(q: Array, k: Array, mask: Array | None, place: Array | None, settings: _Settings) -> tuple[Array, Array]:
    """softmax(scale q k^T + mask), (outer, group, queries, keys), and lse; 0 and inf where no key is seen."""
    xp = xp_of(q)
    s = widened(q) @ widened(k)[:, None].swapaxes(-1, -2) * settings.scale
    if mask is not None:
        here = mask if place is None else mask[place]
        s = xp.where(here, s, -math.inf) if here.dtype.kind == "b" else s + here
    if settings.causal:
        seen = counting(s, s.shape[3])[None, :] <= counting(s, s.shape[2])[:, None]
        s = xp.where(seen, s, -math.inf)
    high = xp.amax(s.detach() if isinstance(s, Tensor) else s, axis=-1, keepdims=True)
    high = xp.where(high == -math.inf, xp.zeros_like(high), high)
    p = xp.exp(s - high)
    mass = p.sum(axis=-1, keepdims=True)
    none = mass == 0
    lse = xp.where(none, math.inf, xp.log(mass) + high)
    return p / xp.where(none, xp.ones_like(mass), mass), lse.reshape(s.shape[:-1])


def _kept(p: Array, settings: _Settings) -> Array | None:
    """What dropout multiplies the weights by, all of them; None without dropout."""
    if settings.stream is None:
        return None
    *lead, columns = p.shape
    keep = kept_rows(settings.stream, 0, math.prod(lead), columns, settings.p).reshape(p.shape)
    return placed(keep, p).astype(p.dtype) * settings.factor()


def _mask_gradient(ds: Array, mask: Array, place: Array | None) -> Array:
    """The gradient of the scores as that of a mask which was added to them."""
    if place is None:
        return narrowed(sum_to_shape(ds, mask.shape), mask.dtype)
    ds = sum_to_shape(ds, (len(place), *mask.shape[1:]))
    hot = (counting(ds, mask.shape[0])[:, None] == place[None, :]).astype(ds.dtype)
    return narrowed((hot @ ds.reshape((len(place), -1))).reshape(mask.shape), mask.dtype)


Block = tuple[slice, slice, slice]
"""Of the outer dimension, of the queries, and of the keys that those may see."""


def _blocks(q: Array, k: Array, settings: _Settings) -> Iterator[Block]:
    """Blocks of about _BLOCK scores: several whole heads, or some queries of one."""
    outer, group, queries, _ = q.shape
    keys = k.shape[1]
    # What is causal is cut into more blocks, since each skips the keys that come after its last query.
    most = max(64, queries // 8) if settings.causal else queries
    some = max(min(queries, 16), min(queries, most, _BLOCK // max(group * keys, 1)))
    heads = max(1, _BLOCK // max(group * queries * keys, 1)) if some == queries else 1
    for first in range(0, outer, heads):
        for start in range(0, queries, some):
            stop = min(start + some, queries)
            yield slice(first, first + heads), slice(start, stop), slice(min(stop, keys) if settings.causal else keys)


def _merged(x: Array) -> Array:
    """A block (outer, group, queries, n) with the queries of a group as one, for one matrix product."""
    return x.reshape(x.shape[0], x.shape[1] * x.shape[2], x.shape[3])


def _scores(q: Array, k: Array, mask: Array | None, place: Array | None, settings: _Settings, block: Block) -> Array:
    """scale q k^T + mask of a block, a new array."""
    outer, rows, seen = block
    some = q[outer, :, rows] * q.dtype.type(settings.scale)
    s = (_merged(some) @ k[outer, seen].swapaxes(-1, -2)).reshape((*some.shape[:-1], seen.stop))
    if mask is not None:
        here = mask[_where(len(s), mask, place, block[0])][:, :, _cut(rows, mask.shape[2]), _cut(seen, mask.shape[3])]
        if here.dtype.kind == "b":
            np.copyto(s, -math.inf, where=~here)
        else:
            s += here
    if settings.causal:  # keys before the block's first query are hidden from none
        np.copyto(s[..., rows.start :], -math.inf, where=_later(rows.stop - rows.start, max(seen.stop - rows.start, 0)))
    return s


@functools.lru_cache(maxsize=8)
def _later(queries: int, keys: int) -> Array:
    """(queries, keys) bool: which keys come after a query; the same for all blocks of a size."""
    return np.arange(keys) > np.arange(queries)[:, None]


def _where(count: int, mask: Array, place: Array | None, outer: slice) -> Any:
    """Which masks a block takes: a slice, which makes no copy, where it can be one."""
    if place is None:
        return outer if mask.shape[0] > 1 else slice(None)
    return slice(place[outer.start], place[outer.start] + 1) if count == 1 else place[outer]


def _cut(part: slice, length: int) -> slice:
    return part if length > 1 else slice(None)


def _add_to_mask(dmask: Array, ds: Array, place: Array | None, block: Block) -> None:
    outer, rows, seen = block
    for number, one in enumerate(ds, outer.start):
        here = dmask[number if place is None and len(dmask) > 1 else 0 if place is None else place[number]]
        part = here[:, _cut(rows, here.shape[1]), _cut(seen, here.shape[2])]
        part += sum_to_shape(one, part.shape)


def _kept_of_block(q: Array, k: Array, settings: _Settings, block: Block) -> Array:
    """What dropout multiplies the weights of a block by."""
    (outer, group, queries, _), keys, (part, rows, seen) = q.shape, k.shape[1], block
    assert settings.stream is not None
    heads = range(part.start * group, min(part.stop, outer) * group)
    keep = np.empty((len(heads), rows.stop - rows.start, seen.stop), q.dtype)
    for place, head in enumerate(heads):
        first = head * queries + rows.start
        keep[place] = kept_rows(settings.stream, first, keep.shape[1], keys, settings.p)[:, seen]
    keep *= q.dtype.type(settings.factor())
    return keep.reshape((-1, group, *keep.shape[1:]))


class ScaledDotProductAttention(Primitive):
    __slots__ = ("place", "settings")
    place: Any
    settings: _Settings

    def forward(
        ctx, q: Array, k: Array, v: Array, mask: Array | None, place: Array | None, settings: _Settings
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
    """softmax(scale * query @ key^T + mask) @ value, in memory that does not grow with queries * keys on the CPU.

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
    Source: Vaswani et al. 2017, arXiv:1706.03762; Dao et al. 2022, arXiv:2205.14135; shared heads: Ainslie et al.
        2023, arXiv:2305.13245.
    """
    q, k, v, mask, lead = laid_out(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    shape = (*lead, query.shape[-2], value.shape[-1])
    if not q.shape[0] or not q.shape[2] or not k.shape[1]:
        return matmul(matmul(q, k.unsqueeze(1).mT), v.unsqueeze(1)).reshape(shape)
    features = query.shape[-1]
    factor = (1 / math.sqrt(features) if features else 1.0) if scale is None else float(scale)
    settings = _Settings(factor, is_causal, dropout_p, sampling_stream() if dropout_p else None)
    mask, place = (None, None) if mask is None else mask_places(mask, lead, q.shape[1])
    return ScaledDotProductAttention.apply(q, k, v, mask, place, settings).reshape(shape)  # type: ignore[no-any-return]
