"""Attention on the CPU: blocks of its scores, so many that they stay in the cache of a core."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.ops.attention_checks import Settings
from gpudl.ops.gemm import product
from gpudl.ops.operands import sum_to_shape
from gpudl.ops.random_bits import kept_rows

_BLOCK = 1 << 16  # scores of a block: with their gradients they stay in the cache of a core

Block = tuple[slice, slice, slice]
"""Of the outer dimension, of the queries, and of the keys that those may see."""


def blocks(q: Array, k: Array, settings: Settings) -> Iterator[Block]:
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


def merged(x: Array) -> Array:
    """A block (outer, group, queries, n) with the queries of a group as one, for one matrix product."""
    return x.reshape(x.shape[0], x.shape[1] * x.shape[2], x.shape[3])


def scores(q: Array, k: Array, mask: Array | None, place: Array | None, settings: Settings, block: Block) -> Array:
    """scale q k^T + mask of a block, a new array."""
    outer, rows, seen = block
    some = q[outer, :, rows] * q.dtype.type(settings.scale)
    s = product(merged(some), k[outer, seen].swapaxes(-1, -2)).reshape((*some.shape[:-1], seen.stop))
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


def add_to_mask(dmask: Array, ds: Array, place: Array | None, block: Block) -> None:
    outer, rows, seen = block
    for number, one in enumerate(ds, outer.start):
        here = dmask[number if place is None and len(dmask) > 1 else 0 if place is None else place[number]]
        part = here[:, _cut(rows, here.shape[1]), _cut(seen, here.shape[2])]
        part += sum_to_shape(one, part.shape)


def kept_of_block(q: Array, k: Array, settings: Settings, block: Block) -> Array:
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
