"""The layers of the Transformer: attention and a feed-forward network, each with a way around it.

Vaswani et al. 2017, arXiv:1706.03762; with normalization first: Xiong et al. 2020, arXiv:2002.04745.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gpudl.autograd.tensor import Tensor
from gpudl.nn.attention import MultiheadAttention
from gpudl.nn.dropout import Dropout
from gpudl.nn.fused import act_after, bias_dropout, is_plain, linear_act, linear_dropout, within
from gpudl.nn.linear import Linear
from gpudl.nn.module import Module
from gpudl.nn.normalization import LayerNorm
from gpudl.ops.gelu import gelu
from gpudl.ops.relu import relu

__all__ = ["TransformerDecoderLayer", "TransformerEncoderLayer"]

Activation = Callable[[Tensor], Tensor]
_ACTIVATIONS: dict[str, Activation] = {"relu": relu, "gelu": gelu}


class _Layer(Module):
    """Attentions and a feed-forward network, each with a way around it, a normalization and a dropout."""

    _ATTENTIONS: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if isinstance(activation, str) and activation not in _ACTIVATIONS:
            raise RuntimeError(f"{type(self).__name__}: activation should be relu/gelu, not {activation}")
        where = {"device": device, "dtype": dtype}
        for name in self._ATTENTIONS:
            attention = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **where)
            self.add_module(name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **where)
        self.norm_first = norm_first
        blocks = range(1, len(self._ATTENTIONS) + 2)
        for number in blocks:
            self.add_module(f"norm{number}", LayerNorm(d_model, layer_norm_eps, bias=bias, **where))
        for number in blocks:
            self.add_module(f"dropout{number}", Dropout(dropout))
        self.activation = _ACTIVATIONS[activation] if isinstance(activation, str) else activation

    def _around(self, norm: Module, x: Tensor, block: str, *args: Any) -> Tensor:
        """x plus what the method of this name makes of it, normalized before the method or at the end."""
        given = norm(x) if self.norm_first else x
        method = getattr(self, block)
        # A method of a subclass knows nothing of the residual, which those here add in the same step.
        y = method(given, *args, residual=x) if method.__module__ == __name__ else x + method(given, *args)
        return y if self.norm_first else norm(y)  # type: ignore[no-any-return]

    def _sa_block(
        self,
        x: Tensor,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        is_causal: bool = False,
        *,
        residual: Tensor | None = None,
    ) -> Tensor:
        """Attention of a sequence to itself, added to the residual if there is one."""
        masks = attn_mask, key_padding_mask, is_causal
        return attended(self.self_attn, self.dropout1, x, x, *masks, residual)

    def _feed_forward(self, x: Tensor, dropout: Module, residual: Tensor | None) -> Tensor:
        act = act_after(self.linear1, self.activation)
        inner = self.activation(self.linear1(x)) if act is None else linear_act(self.linear1, x, act)
        return linear_dropout(self.linear2, dropout, self.dropout(inner), residual)


def attended(
    attention: Any,
    dropout: Any,
    x: Tensor,
    mem: Tensor,
    attn_mask: Tensor | None = None,
    key_padding_mask: Tensor | None = None,
    is_causal: bool = False,
    residual: Tensor | None = None,
) -> Tensor:
    """Attention of a sequence to a memory, with dropout, added to the residual if there is one."""
    args = x, mem, mem, key_padding_mask, False, attn_mask, True, is_causal
    if is_plain(attention, MultiheadAttention):  # whose projections are no calls of modules
        merged = within(attention, attention._attend, *args)[0]
        return bias_dropout(merged, attention.out_proj.bias, dropout, residual)
    y: Tensor = dropout(attention(*args[:4], need_weights=False, attn_mask=attn_mask, is_causal=is_causal)[0])
    return y if residual is None else residual + y


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself and a feed-forward network, each added to its input and normalized.

        x = norm1(x + attention(x)),            x = norm2(x + ff(x)),    or with norm_first:
        x = x + attention(norm1(x)),            x = x + ff(norm2(x)),    ff(x) = linear2(activation(linear1(x)))

    Args:
        d_model: features of the sequence.
        nhead: heads of the attention; divides d_model.
        dim_feedforward: features between the two linear layers.
        dropout: the probability with which an attention weight, a feature of ff, or one of a block's result is made 0
            in training.
        activation: "relu", "gelu", or a function or Module.
        layer_norm_eps: eps of the normalizations.
        batch_first: (N, S, E) in the place of (S, N, E).
        norm_first: normalize before attention and ff instead of after.
        bias: of the linear layers, the attention and the normalizations.
        device, dtype: of the parameters.
    Shape: (S, N, d_model) or (S, d_model) to the same.
    Attributes:
        self_attn: MultiheadAttention; linear1, linear2: Linear; norm1, norm2: LayerNorm; dropout, dropout1, dropout2.
    Raises: RuntimeError for another activation's name; as MultiheadAttention.
    Source: Vaswani et al. 2017, arXiv:1706.03762; norm_first: Xiong et al. 2020, arXiv:2002.04745.
    """

    _ATTENTIONS = ("self_attn",)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The sequence after the layer; masks as for MultiheadAttention."""
        x = self._around(self.norm1, src, "_sa_block", src_mask, src_key_padding_mask, is_causal)
        return self._around(self.norm2, x, "_ff_block")

    def _ff_block(self, x: Tensor, *, residual: Tensor | None = None) -> Tensor:
        return self._feed_forward(x, self.dropout2, residual)


class TransformerDecoderLayer(_Layer):
    """Attention of a sequence to itself, then to a memory, and a feed-forward network; else as TransformerEncoderLayer.

        x = norm1(x + attention(x)),   x = norm2(x + attention(x, memory)),   x = norm3(x + ff(x))

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device,
            dtype: as for TransformerEncoderLayer.
    Shape: tgt (T, N, d_model) and memory (S, N, d_model), or both without N, to the shape of tgt.
    Attributes:
        self_attn, multihead_attn: MultiheadAttention; linear1, linear2: Linear; norm1, norm2, norm3: LayerNorm;
            dropout, dropout1, dropout2, dropout3.
    Raises: RuntimeError for another activation's name; as MultiheadAttention.
    Source: Vaswani et al. 2017, arXiv:1706.03762; norm_first: Xiong et al. 2020, arXiv:2002.04745.
    """

    _ATTENTIONS = ("self_attn", "multihead_attn")

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The sequence after the layer; masks as for MultiheadAttention."""
        x = self._around(self.norm1, tgt, "_sa_block", tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        to_memory = memory, memory_mask, memory_key_padding_mask, memory_is_causal
        x = self._around(self.norm2, x, "_mha_block", *to_memory)
        return self._around(self.norm3, x, "_ff_block")

    def _mha_block(
        self,
        x: Tensor,
        mem: Tensor,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        is_causal: bool = False,
        *,
        residual: Tensor | None = None,
    ) -> Tensor:
        """Attention of a sequence to the memory, added to the residual if there is one."""
        masks = attn_mask, key_padding_mask, is_causal
        return attended(self.multihead_attn, self.dropout2, x, mem, *masks, residual)

    def _ff_block(self, x: Tensor, *, residual: Tensor | None = None) -> Tensor:
        return self._feed_forward(x, self.dropout3, residual)
