"""The Transformer: encoder and decoder, each a stack of equal layers. Vaswani et al. 2017, arXiv:1706.03762."""

from __future__ import annotations

import copy
import math
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn import init
from gpudl.nn.arguments import count
from gpudl.nn.containers import ModuleList
from gpudl.nn.module import Module
from gpudl.nn.normalization import LayerNorm
from gpudl.nn.transformer_layers import Activation, TransformerDecoderLayer, TransformerEncoderLayer
from gpudl.ops.create import full
from gpudl.ops.relu import relu

__all__ = ["Transformer", "TransformerDecoder", "TransformerEncoder"]


class _Stack(Module):
    """Copies of one layer, one after the other, and a normalization at the end."""

    norm: Module | None

    def __init__(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        super().__init__()
        self.num_layers = count(type(self).__name__, "num_layers", num_layers)
        self.layers = ModuleList(copy.deepcopy(layer) for _ in range(self.num_layers))
        self.norm = norm

    def _normalized(self, x: Tensor) -> Tensor:
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """A stack of encoder layers, which start as copies of one.

    Args:
        encoder_layer: a TransformerEncoderLayer, or what is called as one.
        num_layers: how many copies of it.
        norm: a normalization at the end, or None.
        enable_nested_tensor, mask_check: taken and ignored: gpudl computes the places that padding hides like others.
    Shape: as the layer's.
    Attributes:
        layers: a ModuleList; num_layers; norm.
    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__(encoder_layer, num_layers, norm)
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The sequence after all layers; masks as for MultiheadAttention. is_causal=None: the mask is read."""
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal))
        return self._normalized(src)


class TransformerDecoder(_Stack):
    """A stack of decoder layers, which start as copies of one.

    Args:
        decoder_layer: a TransformerDecoderLayer, or what is called as one.
        num_layers: how many copies of it.
        norm: a normalization at the end, or None.
    Shape: as the layer's.
    Attributes:
        layers: a ModuleList; num_layers; norm.
    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The sequence after all layers; masks as for MultiheadAttention. tgt_is_causal=None: the mask is read."""
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return self._normalized(tgt)


class Transformer(Module):
    """An encoder of a source sequence, and a decoder of a target sequence that attends to what the encoder gives.

    Args:
        d_model: features of both sequences.
        nhead: heads of each attention; divides d_model.
        num_encoder_layers, num_decoder_layers: layers of the two stacks, each of which ends in a LayerNorm.
        dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias: as for
            TransformerEncoderLayer.
        custom_encoder, custom_decoder: modules in the place of the stacks, or None.
        device, dtype: of the parameters.
    Shape: src (S, N, d_model) and tgt (T, N, d_model), or both without N, to the shape of tgt.
    Attributes:
        encoder, decoder: the stacks; parameters of 2 dimensions are drawn by init.xavier_uniform_.
    Raises: as TransformerEncoderLayer.
    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = {"device": device, "dtype": dtype}
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, **where)

        if custom_encoder is None:
            custom_encoder = TransformerEncoder(TransformerEncoderLayer(*layer, **where), num_encoder_layers, norm())
        self.encoder = custom_encoder
        if custom_decoder is None:
            custom_decoder = TransformerDecoder(TransformerDecoderLayer(*layer, **where), num_decoder_layers, norm())
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        """Draw all matrices anew."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The target sequence after the decoder; masks as for MultiheadAttention."""
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(f"Transformer: expected (*, {self.d_model}) of src and tgt, got {src.shape}, {tgt.shape}")
        batch = 0 if self.batch_first else 1
        if src.ndim == tgt.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise ShapeError(f"Transformer: src and tgt differ in the number of samples: {src.shape} and {tgt.shape}")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(  # type: ignore[no-any-return]
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask (sz, sz): 0 where a query sees a key, -inf above the diagonal."""
        return full((sz, sz), -math.inf, device=device, dtype=dtype).triu(1)
