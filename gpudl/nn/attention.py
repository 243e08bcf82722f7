"""Attention: query, key and value projected, in several heads."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import AttentionError
from gpudl.nn import init
from gpudl.nn.arguments import count
from gpudl.nn.linear import Linear
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.ops.create import zeros
from gpudl.ops.multi_head_attention import multi_head_attention_forward

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear; the name, which PyTorch gives the output projection of its attention, stands in repr."""


class MultiheadAttention(Module):
    """Attention in several heads: y = [head[0] ... head[H - 1]] w_out^T + b_out, where
    head[h] = softmax(q[h] k[h]^T / sqrt(E / H)) v[h], and q[h] is a projection of the query to E / H features, k[h] and
    v[h] likewise. See gpudl.nn.functional.multi_head_attention_forward.

    Args:
        embed_dim: E, the features of queries and results; >= 1.
        num_heads: H, >= 1, divides embed_dim.
        dropout: the probability with which an attention weight is made 0 in training.
        bias: of the projections.
        add_bias_kv: with a key and a value of their own, learned, that every query sees.
        add_zero_attn: with one more key and value that are zeros.
        kdim, vdim: features of key and value; default embed_dim.
        batch_first: (N, L, E) in the place of (L, N, E).
        device, dtype: of the parameters.
    Shape: query (L, N, E) or (L, E), key (S, N, kdim) or (S, kdim), value (S, N, vdim) or (S, vdim); to a tuple of the
        query's shape and (N, L, S) or (L, S).
    Attributes:
        in_proj_weight: (3 E, E), if kdim and vdim are E; else None, and there are q_proj_weight (E, E), k_proj_weight
            (E, kdim) and v_proj_weight (E, vdim): drawn from U(-k, k), k = sqrt(6 / (rows + columns)).
        in_proj_bias: (3 E,), zeros, or None.
        out_proj: a Linear of E to E features, its bias zeros.
        bias_k, bias_v: (1, 1, E), drawn from the normal distribution of std sqrt(2 / (E + E)) of Glorot & Bengio, or
            None.
    Raises: TypeError unless the numbers are ints; ShapeError for numbers that are not positive, and for heads that do
        not divide embed_dim.
    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = "MultiheadAttention"
        self.embed_dim = count(name, "embed_dim", embed_dim, 1)
        self.num_heads = count(name, "num_heads", num_heads, 1)
        self.kdim = self.embed_dim if kdim is None else count(name, "kdim", kdim)
        self.vdim = self.embed_dim if vdim is None else count(name, "vdim", vdim)
        self.head_dim = self.embed_dim // self.num_heads
        if self.head_dim * self.num_heads != self.embed_dim:
            raise AttentionError(f"{name}: num_heads must divide embed_dim, got {num_heads} and {embed_dim}")
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self._qkv_same_embed_dim = self.kdim == self.vdim == self.embed_dim

        def parameter(*shape: int) -> Parameter:
            made: Parameter = Parameter(zeros(*shape, device=device, dtype=dtype))
            return made

        wide, same = self.embed_dim, self._qkv_same_embed_dim
        self.register_parameter("q_proj_weight", None if same else parameter(wide, wide))
        self.register_parameter("k_proj_weight", None if same else parameter(wide, self.kdim))
        self.register_parameter("v_proj_weight", None if same else parameter(wide, self.vdim))
        self.register_parameter("in_proj_weight", parameter(3 * wide, wide) if same else None)
        self.register_parameter("in_proj_bias", parameter(3 * wide) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(wide, wide, bias, device, dtype)
        self.register_parameter("bias_k", parameter(1, 1, wide) if add_bias_kv else None)
        self.register_parameter("bias_v", parameter(1, 1, wide) if add_bias_kv else None)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draw the projections in and the biases anew, as PyTorch: not out_proj.weight."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The attention of each query, and its weights or None.

        Args:
            query, key, value: as in Shape.
            key_padding_mask: (N, S) or (S,): bool, True for keys to be ignored; or floating, added to the scores.
            need_weights: return the weights too; without them it is faster and takes less memory.
            attn_mask: (L, S) or (N H, L, S): bool, True for keys a query must not see; or floating, added.
            average_attn_weights: the mean of the weights over the heads; False: (N, H, L, S).
            is_causal: attn_mask, which must be given, is causal, and need not be read.
        """
        args = key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal
        return self._attend(query, key, value, *args, bias=self.out_proj.bias)

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None,
        need_weights: bool,
        attn_mask: Tensor | None,
        average_attn_weights: bool,
        is_causal: bool,
        bias: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """What forward gives, with another bias of out_proj: none where it is left to what comes after."""
        return multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            bias,
            self.training,
            key_padding_mask,
            need_weights,
            attn_mask,
            not self._qkv_same_embed_dim,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            batch_first=self.batch_first,
        )
