"""Which token comes next: drawn from a language model's logits, or the likeliest."""

from __future__ import annotations

import gpudl
from gpudl import Tensor

__all__ = ["sample_tokens"]


def sample_tokens(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: gpudl.Generator | None = None,
) -> Tensor:
    """One token for each row, drawn with the probabilities softmax(logits / temperature).

    Args:
        logits: (N, vocabulary), floating.
        temperature: >= 0; below 1 likely tokens get likelier, and 0 takes the likeliest one.
        top_k: draw only from the k likeliest; None for all.
        top_p: in (0, 1]: draw only from the fewest likeliest tokens whose probabilities, after top_k, sum to top_p or
            more (nucleus sampling); None for all.
        generator: draws from it in place of the program's own streams.
    Returns: (N,) int64.
    Raises: ShapeError for logits of another shape; ValueError for settings out of range; RuntimeError for logits that
        are nan.
    Source: top_k: Fan, Lewis & Dauphin 2018, arXiv:1805.04833; top_p: Holtzman et al. 2020, arXiv:1904.09751.
    """
    if logits.ndim != 2 or not logits.shape[1]:
        raise gpudl.ShapeError(f"sample_tokens: expected logits (N, vocabulary), got {logits.shape}")
    if not temperature >= 0:
        raise ValueError(f"sample_tokens: temperature must be >= 0, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"sample_tokens: top_k must be >= 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"sample_tokens: top_p must be in (0, 1], got {top_p}")
    if temperature == 0 or top_k == 1:
        return logits.argmax(-1)
    order = None
    if top_k is not None or top_p is not None:
        vocabulary = logits.shape[1]
        logits, order = logits.topk(vocabulary if top_k is None else min(top_k, vocabulary))  # the likeliest first
    p = gpudl.softmax(logits / temperature, -1)
    if top_p is not None and top_p < 1:
        before = p.cumsum(-1) - p  # 0 for the likeliest, which so always stays
        p = p.masked_fill(before >= top_p, 0)
    drawn = gpudl.multinomial(p, 1, generator=generator)
    return (drawn if order is None else order.gather(-1, drawn)).squeeze(-1)
