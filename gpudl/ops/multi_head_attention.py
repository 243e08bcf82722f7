"""Multi-head attention: several small attentions side by side, between projections in and out. Vaswani et al. 2017.

head[h] = attention(query w_q[h]^T, key w_k[h]^T, value w_v[h]^T)
y = [head[0] ... head[H - 1]] w_out^T + b_out
"""

from __future__ import annotations

import math

from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import float32
from gpudl.backend.errors import AttentionError
from gpudl.ops.arithmetic import mul
from gpudl.ops.create import zeros
from gpudl.ops.dropout import dropout
from gpudl.ops.linear import linear
from gpudl.ops.matmul import matmul
from gpudl.ops.scaled_dot_product_attention import scaled_dot_product_attention
from gpudl.ops.shape import cat
from gpudl.ops.softmax import softmax

__all__ = ["multi_head_attention_forward"]

_NAME = "multi_head_attention_forward"


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    batch_first: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads, with projections of query, key and value before, and of the heads' results after.

    Below, L is the number of queries, S of keys, N of samples, E of features and H of heads.

    Args:
        query: (L, N, E), or (L, E) for one sample; floating.
        key, value: (S, N, features), or (S, features); E features unless the weights are separate.
        embed_dim_to_check: E.
        num_heads: H, which divides E.
        in_proj_weight: (3 E, E), for query, key and value one below the other; None with separate weights.
        in_proj_bias: (3 E,), or None.
        bias_k, bias_v: (1, 1, E), one more key and its value for all samples, seen by every query; or None.
        add_zero_attn: one more key and value, which are zeros.
        dropout_p: the probability with which an attention weight is made 0 in training.
        out_proj_weight, out_proj_bias: (E, E), and (E,) or None.
        training: whether to drop weights.
        key_padding_mask: (N, S), or (S,) for one sample: bool, True for a key to be ignored; or floating, added to
            the scores.
        need_weights: return the attention weights too, for which all scores must be held at once.
        attn_mask: (L, S), or (N H, L, S): bool, True where a query must not see a key, the opposite of
            scaled_dot_product_attention; or floating, added to the scores.
        use_separate_proj_weight: take the next three in the place of in_proj_weight.
        q_proj_weight, k_proj_weight, v_proj_weight: (E, features of query, key or value).
        static_k, static_v: (N H, S, E / H), in the place of the projected keys or values.
        average_attn_weights: return the mean of the weights over the heads.
        is_causal: a promise that attn_mask, which must be given, is causal: it then need not be read.
        batch_first: N comes before L and S in query, key, value and the result; not in PyTorch's function.
    Returns: the result, the query's shape, and the weights or None: (N, L, S), with average_attn_weights False
        (N, H, L, S), without N for one sample; S counts the keys that were added. A query that may see no key gets
        zeros, and with need_weights nan.
    Raises: AttentionError, a ShapeError that is an AssertionError too, as PyTorch's, for shapes that do not fit,
        missing weights, and masks neither bool nor floating; RuntimeError for is_causal without attn_mask, and for
        other dtypes that differ.
    Gradient: to all but bool masks, and to attn_mask only where it is read.
    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """
    _check(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight, batch_first)
    if is_causal and attn_mask is None:
        raise RuntimeError(f"{_NAME}: is_causal is a hint about attn_mask; give that too")
    batched = query.ndim == 3
    batch_first = batch_first or not batched
    if use_separate_proj_weight:
        q, k, v = _projected_by(q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias, query, key, value)
    else:
        q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias)
    q, k, v = (_in_heads(each if batched else each.unsqueeze(0), num_heads, batch_first) for each in (q, k, v))
    k = _given(k, "static_k", static_k, "bias_k", bias_k)
    v = _given(v, "static_v", static_v, "bias_v", bias_v)
    keys = k.shape[2]
    mask = _merged_mask(q, keys, attn_mask, key_padding_mask, batched)
    k, v = _with_bias(k, v, bias_k, bias_v, add_zero_attn)
    added = k.shape[2] - keys
    if mask is not None and added:
        mask = cat([mask, zeros(*mask.shape[:-1], added, dtype=mask.dtype, device=mask.device)], -1)
    p = dropout_p if training else 0.0
    weights = None
    if need_weights:
        y, weights = _with_weights(q, k, v, mask, p)
        weights = weights.mean(1) if average_attn_weights else weights
        weights = weights if batched else weights.squeeze(0)
    elif is_causal and key_padding_mask is None and not added:
        y = scaled_dot_product_attention(q, k, v, None, p, True)
    else:
        # A bool mask says here what is hidden, and there what is seen.
        y = scaled_dot_product_attention(q, k, v, ~mask if mask is not None and mask.dtype.kind == "b" else mask, p)
    y = y.permute((0, 2, 1, 3) if batch_first else (2, 0, 1, 3)).reshape(query.shape)
    return linear(y, out_proj_weight, out_proj_bias), weights


def _check(
    query: Tensor, key: Tensor, value: Tensor, features: int, heads: int, separate: bool, batch_first: bool
) -> None:
    """Raises: AttentionError."""
    shapes = f"query {query.shape}, key {key.shape} and value {value.shape}"
    if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
        raise AttentionError(f"{_NAME}: expected all three of 3 dimensions, or of 2 for one sample; got {shapes}")
    if query.shape[-1] != features:
        raise AttentionError(f"{_NAME}: expected a query (*, {features}), got {query.shape}")
    if heads < 1 or features % heads:
        raise AttentionError(f"{_NAME}: {heads} heads do not divide {features} features")
    batch = 0 if batch_first else 1
    if query.ndim == 3 and query.shape[batch] != key.shape[batch]:
        raise AttentionError(f"{_NAME}: query and key must have the same number of samples, got {shapes}")
    if key.shape[:-1] != value.shape[:-1] or (not separate and not features == key.shape[-1] == value.shape[-1]):
        expected = "key and value of the same length" + ("" if separate else f" with {features} features")
        raise AttentionError(f"{_NAME}: expected {expected}, got {shapes}")


def _projected(
    query: Tensor, key: Tensor, value: Tensor, weight: Tensor | None, bias: Tensor | None
) -> tuple[Tensor, ...]:
    """Query, key and value by one weight, with as few products as there are different tensors."""
    if weight is None:
        raise AttentionError(f"{_NAME}: in_proj_weight is None, but use_separate_proj_weight is not True")
    features = query.shape[-1]
    if weight.shape != (3 * features, features):
        raise AttentionError(f"{_NAME}: expected in_proj_weight {(3 * features, features)}, got {weight.shape}")
    if query is key and key is value:
        return linear(query, weight, bias).chunk(3, -1)
    if key is not value:
        w_q, w_k, w_v = weight.chunk(3)
        return _projected_by(w_q, w_k, w_v, bias, query, key, value)
    sizes = [features, 2 * features]
    w_q, w_kv = weight.split(sizes)
    b_q, b_kv = (None, None) if bias is None else bias.split(sizes)
    return (linear(query, w_q, b_q), *linear(key, w_kv, b_kv).chunk(2, -1))


def _projected_by(
    w_q: Tensor | None,
    w_k: Tensor | None,
    w_v: Tensor | None,
    bias: Tensor | None,
    query: Tensor,
    key: Tensor,
    value: Tensor,
) -> tuple[Tensor, ...]:
    """Query, key and value, each by its own weight."""
    if w_q is None or w_k is None or w_v is None:
        raise AttentionError(f"{_NAME}: use_separate_proj_weight needs q_proj_weight, k_proj_weight and v_proj_weight")
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return tuple(map(linear, (query, key, value), (w_q, w_k, w_v), biases))


def _in_heads(x: Tensor, heads: int, batch_first: bool) -> Tensor:
    """(N, L, E), or (L, N, E), as (N, H, L, E / H)."""
    x = x.reshape((*x.shape[:2], heads, x.shape[2] // heads))
    return x.permute((0, 2, 1, 3) if batch_first else (1, 2, 0, 3))


def _given(x: Tensor, name: str, static: Tensor | None, bias_name: str, bias: Tensor | None) -> Tensor:
    """The keys or values, (N, H, S, E / H), or what was given in their place."""
    if static is None:
        return x
    if bias is not None:
        raise AttentionError(f"{_NAME}: {bias_name} cannot be added to {name}")
    batch, heads, _, features = x.shape
    if static.ndim != 3 or static.shape[::2] != (batch * heads, features):
        raise AttentionError(f"{_NAME}: expected {name} ({batch * heads}, *, {features}), got {static.shape}")
    return static.reshape((batch, heads, *static.shape[1:]))


def _with_bias(k: Tensor, v: Tensor, bias_k: Tensor | None, bias_v: Tensor | None, zero: bool) -> tuple[Tensor, Tensor]:
    """Keys and values with those that every sample has at the end."""
    if (bias_k is None) != (bias_v is None):
        raise AttentionError(f"{_NAME}: bias_k and bias_v come together, or not at all")
    if k.shape[2] != v.shape[2]:
        raise AttentionError(f"{_NAME}: keys and values differ in number, {k.shape[2]} and {v.shape[2]}")
    batch, heads, _, features = k.shape
    shape = (batch, heads, 1, features)
    if bias_k is not None and bias_v is not None:
        ends = (bias.reshape((1, heads, 1, features)).expand(shape) for bias in (bias_k, bias_v))
        k, v = (cat([each, end], 2) for each, end in zip((k, v), ends))
    if zero:
        end = zeros(shape, dtype=k.dtype, device=k.device)
        k, v = cat([k, end], 2), cat([v, end], 2)
    return k, v


def _merged_mask(
    q: Tensor, keys: int, attn_mask: Tensor | None, padding: Tensor | None, batched: bool
) -> Tensor | None:
    """Both masks as one that broadcasts to (N, H, L, S): bool (True: hidden) if both are, else added to the scores."""
    batch, heads, queries, _ = q.shape
    masks = []
    if attn_mask is not None:
        shapes = ((queries, keys), (batch * heads, queries, keys))
        own = _fitting("attn_mask", attn_mask, q, shapes)
        masks.append(own if own.ndim == 2 else own.reshape((batch, heads, queries, keys)))
    if padding is not None:
        own = _fitting("key_padding_mask", padding, q, ((batch, keys) if batched else (keys,),))
        masks.append(own.reshape((batch, 1, 1, keys)))
    if len(masks) < 2:
        return masks[0] if masks else None
    if all(mask.dtype.kind == "b" for mask in masks):
        return masks[0] | masks[1]
    return _added(masks[0], q) + _added(masks[1], q)


def _fitting(name: str, mask: Tensor, q: Tensor, shapes: tuple[tuple[int, ...], ...]) -> Tensor:
    """A mask of one of the shapes, bool or of the query's dtype."""
    if mask.shape not in shapes:
        raise AttentionError(f"{_NAME}: expected {name} {' or '.join(map(str, shapes))}, got {mask.shape}")
    if mask.dtype.kind not in "bfV":
        raise AttentionError(f"{_NAME}: {name} must be bool or floating, got {mask.dtype}")
    if mask.dtype.kind != "b" and mask.dtype not in (q.dtype, float32):
        raise RuntimeError(f"{_NAME}: {name} must be bool, float32 or {q.dtype} as the query, got {mask.dtype}")
    return mask if mask.dtype.kind == "b" else mask.to(q.dtype)


def _added(mask: Tensor, q: Tensor) -> Tensor:
    """A mask as numbers to be added to the scores."""
    if mask.dtype.kind != "b":
        return mask
    return zeros(mask.shape, dtype=q.dtype, device=q.device).masked_fill_(mask, -math.inf)


def _with_weights(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float) -> tuple[Tensor, Tensor]:
    """softmax(q k^T / sqrt(features) + mask) v, and the softmax, (N, H, L, S), with what was dropped of it."""
    scores = matmul(mul(q, math.sqrt(1 / q.shape[-1])), k.mT)
    if mask is not None:
        scores = scores + _added(mask, q)  # which, unlike filling in -inf, lets nan through, and back, as PyTorch does
    weights = dropout(softmax(scores, -1), p)
    return matmul(weights, v), weights
