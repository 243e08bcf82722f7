"""The arguments of attention, checked and laid out as its kernels take them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import float32
from gpudl.backend.errors import ShapeError
from gpudl.random import Stream

_NAME = "scaled_dot_product_attention"


class Settings(NamedTuple):
    """What attention is beside its arrays; dropout with probability p if there is a stream."""

    scale: float
    causal: bool
    p: float = 0.0
    stream: Stream | None = None

    def factor(self) -> float:
        """What a weight that dropout keeps is multiplied by."""
        return 1 / (1 - self.p) if self.p < 1 else 0.0


def laid_out(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, p: float, causal: bool, gqa: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, tuple[int, ...]]:
    """query (*outer, group, queries, features), key and value (*outer, keys, features), the mask, and (..., heads).

    On the CPU, where blocks are cut from it, `outer` is one dimension. A device's kernels read two, samples and heads,
    through their strides, so that parts of one projection need not be copied to have them merged.

    Raises: as scaled_dot_product_attention.
    """
    shapes = f"query {query.shape}, key {key.shape}, value {value.shape}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(f"{_NAME}: expected (..., length, features) of all three, got {shapes}")
    if gqa and min(query.ndim, key.ndim, value.ndim) < 3:
        raise IndexError(f"{_NAME}: enable_gqa needs (..., heads, length, features) of all three, got {shapes}")
    if not query.dtype == key.dtype == value.dtype or query.dtype.kind not in "fV":
        raise RuntimeError(
            f"{_NAME}: all three must be of one floating dtype, got {query.dtype}, {key.dtype} and {value.dtype}"
        )
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"{_NAME}: query and key need the same features, key and value the same length, got {shapes}")
    if not 0 <= p <= 1:
        raise RuntimeError(f"{_NAME}: dropout_p must be in [0, 1], got {p}")
    group = 1
    if gqa:
        heads = query.shape[-3]
        key, value = _as_many_heads(key, value)
        if not key.shape[-3] or heads % key.shape[-3]:
            raise ShapeError(f"{_NAME}: the heads of key and value must divide those of query, got {shapes}")
        group = heads // key.shape[-3]
    lead = query.shape[:-2]
    try:
        outer = np.broadcast_shapes((*lead[:-1], lead[-1] // group) if gqa else lead, key.shape[:-2], value.shape[:-2])
    except ValueError:
        hint = "" if gqa else "; give enable_gqa=True if heads share keys and values"
        raise ShapeError(f"{_NAME}: the dimensions before the last two do not broadcast: {shapes}{hint}") from None
    lead = (*outer[:-1], outer[-1] * group) if outer else ()
    outer = outer or (1,)
    _check_mask(query, mask, causal, (*lead, query.shape[-2], key.shape[-2]))
    merged = (math.prod(outer),) if type(query.array) is np.ndarray else (math.prod(outer[:-1]), outer[-1])
    q, k, v = (
        _expanded(each, heads).reshape((*merged, *between, *each.shape[-2:]))
        for each, heads, between in (
            (query, (*outer[:-1], outer[-1] * group), (group,)),
            (key, outer, ()),
            (value, outer, ()),
        )
    )
    return q, k, v, mask, lead


def _check_mask(query: Tensor, mask: Tensor | None, causal: bool, shape: tuple[int, ...]) -> None:
    if mask is None:
        return
    if causal:
        raise RuntimeError(f"{_NAME}: give attn_mask or is_causal, not both")
    if mask.dtype.kind != "b" and mask.dtype not in (query.dtype, float32):
        raise RuntimeError(f"{_NAME}: attn_mask must be bool, float32 or {query.dtype} as the query, got {mask.dtype}")
    if mask.ndim > len(shape) or any(
        have not in (1, wanted) for have, wanted in zip(reversed(mask.shape), reversed(shape))
    ):
        raise ShapeError(f"{_NAME}: attn_mask {mask.shape} does not broadcast to {shape}")


def _as_many_heads(key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """key and value with one number of heads, where one has several times those of the other."""
    most = max(key.shape[-3], value.shape[-3])
    return _repeated(key, most), _repeated(value, most)


def _repeated(x: Tensor, heads: int) -> Tensor:
    *lead, have, length, features = x.shape
    if have == heads or not have or heads % have:
        return x
    return (
        x.unsqueeze(-3).expand((*lead, have, heads // have, length, features)).reshape((*lead, heads, length, features))
    )


def _expanded(x: Tensor, lead: tuple[int, ...]) -> Tensor:
    shape = (*lead, *x.shape[-2:])
    return x if x.shape == shape else x.expand(shape)


def mask_places(mask: Tensor, lead: tuple[int, ...], q: Tensor) -> tuple[Tensor, Any]:
    """The mask as (places, group or 1, queries or 1, keys or 1), and which place each outer one takes; or None.

    Nothing is repeated: a mask for each sample serves all of its heads. For a q of two outer dimensions the mask has
    two, each as long or 1; only one of several dimensions of samples, broadcast over some of them, is repeated.
    """
    full, group = lead or (1,), q.shape[-3]
    own = (*(1,) * (len(full) + 2 - mask.ndim), *mask.shape)
    *outer, heads = own[:-2]
    split = (heads // group, group) if heads > 1 else (1, 1)
    dims, wanted = (*outer, split[0]), (*full[:-1], full[-1] // group)
    if q.ndim == 5:
        if 1 < math.prod(outer) < math.prod(full[:-1]):
            outer = list(full[:-1])
            mask = mask.expand((*outer, *own[-3:]))
        return mask.reshape((math.prod(outer), *split, *own[-2:])), None
    places = math.prod(dims)
    laid = mask.reshape((places, split[1], *own[-2:]))
    if places in (1, math.prod(wanted)):
        return laid, None
    return laid, np.broadcast_to(np.arange(places).reshape(dims), wanted).reshape(-1)
