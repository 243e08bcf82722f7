"""Attention of a sequence to its own past, for language models that generate."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn.arguments import count
from gpudl.nn.kv_cache import KVCache
from gpudl.nn.linear import Linear
from gpudl.nn.module import Module
from gpudl.nn.rotary import RotaryEmbedding
from gpudl.ops.ranges import arange
from gpudl.ops.scaled_dot_product_attention import scaled_dot_product_attention

__all__ = ["CausalSelfAttention"]


class CausalSelfAttention(Module):
    """Attention of each token to itself and those before it, with shared keys, rotary positions and a cache if wanted.

    Not in PyTorch. The scores never exist all at once; see gpudl.nn.functional.scaled_dot_product_attention.

    Args:
        embed_dim: E, features of the tokens; >= 1.
        num_heads: H, heads of queries; divides embed_dim.
        num_kv_heads: K, heads of keys and values, each shared by H / K heads of queries; divides num_heads, which it is
            by default.
        dropout: the probability with which an attention weight is made 0 in training.
        bias: of both projections.
        rotary: turns queries and keys by their positions; may be shared by the layers of a model; or None.
        device, dtype: of the parameters.
    Shape: (N, L, E) to the same.
    Attributes:
        qkv_proj: a Linear of E to (H + 2 K) E / H features: queries, keys, values; out_proj: a Linear of E to E.
    Raises: TypeError unless the numbers are ints; ShapeError for numbers that are not positive or do not divide.
    Source: Vaswani et al. 2017, arXiv:1706.03762; shared heads: Ainslie et al. 2023, arXiv:2305.13245.
    """

    rotary: RotaryEmbedding | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        rotary: RotaryEmbedding | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = "CausalSelfAttention"
        self.embed_dim = count(name, "embed_dim", embed_dim, 1)
        self.num_heads = count(name, "num_heads", num_heads, 1)
        self.num_kv_heads = count(name, "num_kv_heads", num_heads if num_kv_heads is None else num_kv_heads, 1)
        if self.embed_dim % self.num_heads or self.num_heads % self.num_kv_heads:
            got = f"{embed_dim}, {num_heads} and {self.num_kv_heads}"
            raise ShapeError(f"{name}: num_heads must divide embed_dim, and num_kv_heads num_heads; got {got}")
        self.head_dim = self.embed_dim // self.num_heads
        self.dropout = dropout
        wide = (self.num_heads + 2 * self.num_kv_heads) * self.head_dim
        self.qkv_proj = Linear(self.embed_dim, wide, bias, device, dtype)
        self.out_proj = Linear(self.embed_dim, self.embed_dim, bias, device, dtype)
        self.rotary = rotary

    def make_cache(self, batch: int, max_len: int) -> KVCache:
        """An empty cache for this layer, of the dtype and on the device that its weights have now."""
        weight = self.qkv_proj.weight
        return KVCache(batch, self.num_kv_heads, max_len, self.head_dim, weight.device, weight.dtype)

    def forward(self, input: Tensor, cache: KVCache | None = None) -> Tensor:
        """The attention of each token.

        Args:
            input: (N, L, E); with a cache the tokens that come after those in it.
            cache: takes the tokens' keys and values, and is attended to as well.
        """
        return self.out_proj(self._attend(input, cache))  # type: ignore[no-any-return]

    def _attend(self, input: Tensor, cache: KVCache | None) -> Tensor:
        """What out_proj reads."""
        if input.ndim != 3:
            raise ShapeError(f"CausalSelfAttention: expected (N, L, {self.embed_dim}), got {input.shape}")
        batch, length, _ = input.shape
        heads = (self.num_heads, self.num_kv_heads, self.num_kv_heads)
        q, k, v = (
            part.reshape((batch, length, own, self.head_dim)).transpose(1, 2)
            for part, own in zip(self.qkv_proj(input).split([own * self.head_dim for own in heads], -1), heads)
        )
        before = 0 if cache is None else cache.length
        if self.rotary is not None:
            q, k = self.rotary(q, before), self.rotary(k, before)
        if cache is not None:
            k, v = cache.update(k, v)
        mask = None
        if before and length > 1:  # is_causal takes the queries for the first tokens
            tokens = arange(before + length, device=q.device)
            mask = tokens <= tokens[before:].unsqueeze(1)
        p = self.dropout if self.training else 0.0
        y = scaled_dot_product_attention(q, k, v, mask, p, not before, enable_gqa=self.num_kv_heads < self.num_heads)
        return y.transpose(1, 2).reshape((batch, length, self.embed_dim))

    def extra_repr(self) -> str:
        shared = "" if self.num_kv_heads == self.num_heads else f", num_kv_heads={self.num_kv_heads}"
        return f"{self.embed_dim}, {self.num_heads}{shared}, dropout={self.dropout}"
