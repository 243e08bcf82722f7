"""Rotary position embedding: queries and keys turned by their positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import get_default_dtype
from gpudl.backend.errors import ShapeError
from gpudl.nn.arguments import count
from gpudl.nn.module import Module
from gpudl.ops.create import as_tensor
from gpudl.ops.embedding import embedding
from gpudl.ops.rotary_embedding import rotary_embedding

__all__ = ["RotaryEmbedding"]


class RotaryEmbedding(Module):
    """Each pair of features i of the query or key at position t turned by the angle t * base**(-2 i / dim).

    Not in PyTorch. See gpudl.nn.functional.rotary_embedding, which takes other angles.

    Args:
        dim: how many features of each head are turned; even, >= 2. Those after them stay as they are.
        base: > 0; larger ones tell more distant positions apart.
        max_seq_len: positions are 0 to max_seq_len - 1.
        interleaved: the pairs are neighbors as in the paper; False: features i and i + dim / 2, as in LLaMA and
            GPT-NeoX.
        device, dtype: of the tables.
    Shape: (..., length, features) to the same, features >= dim.
    Attributes:
        cos, sin: (max_seq_len, dim / 2), of the angles, computed in float64; buffers that state_dict leaves out.
    Raises: TypeError unless dim and max_seq_len are ints; ShapeError for an odd or negative one; ValueError for a base
        that is not positive.
    Source: Su, Lu, Pan, Murtadha, Wen & Liu 2021, arXiv:2104.09864.
    """

    cos: Tensor
    sin: Tensor

    def __init__(
        self,
        dim: int,
        base: float = 10000.0,
        max_seq_len: int = 2048,
        interleaved: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.dim = count("RotaryEmbedding", "dim", dim, 2)
        self.max_seq_len = count("RotaryEmbedding", "max_seq_len", max_seq_len, 1)
        if self.dim % 2:
            raise ShapeError(f"RotaryEmbedding: dim must be even, got {dim}")
        if not base > 0:
            raise ValueError(f"RotaryEmbedding: base must be positive, got {base}")
        self.base, self.interleaved = base, interleaved
        angles = np.outer(np.arange(self.max_seq_len), float(base) ** (-np.arange(0, self.dim, 2) / self.dim))
        for name, table in (("cos", np.cos(angles)), ("sin", np.sin(angles))):
            kind = get_default_dtype() if dtype is None else dtype
            self.register_buffer(name, as_tensor(table, dtype=kind, device=device), persistent=False)

    def forward(self, input: Tensor, offset: int = 0, positions: Tensor | None = None) -> Tensor:
        """The queries or keys turned.

        Args:
            input: (..., length, features).
            offset: the position of the first, as many as came before in a cache; the others follow.
            positions: int64 or int32, (length,), or (batch, length) for an input (batch, heads, length, features): the
                position of each, in the place of those from offset on.
        """
        if input.ndim < 2 or input.shape[-1] < self.dim:
            raise ShapeError(f"RotaryEmbedding: expected (..., length, {self.dim} or more), got {input.shape}")
        if positions is None:
            stop = offset + input.shape[-2]
            if offset < 0 or stop > self.max_seq_len:
                span = f"{offset} to {stop - 1}"
                raise ShapeError(f"RotaryEmbedding: positions {span} are not in 0 to {self.max_seq_len - 1}")
            cos, sin = (table.narrow(0, offset, stop - offset) for table in (self.cos, self.sin))
        else:
            length = (input.shape[-2],)
            if positions.shape not in (length, input.shape[:1] + length if input.ndim == 4 else length):
                raise ShapeError(f"RotaryEmbedding: positions {positions.shape} do not fit an input {input.shape}")
            cos, sin = embedding(positions, self.cos), embedding(positions, self.sin)
            if positions.ndim == 2:
                cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
        return rotary_embedding(input, cos, sin, self.interleaved)

    def extra_repr(self) -> str:
        settings = f"{self.dim}, base={self.base}, max_seq_len={self.max_seq_len}"
        return f"{settings}, interleaved=True" if self.interleaved else settings
