"""The keys and values of the tokens that were generated so far."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.grad_mode import is_grad_enabled, no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn.arguments import count
from gpudl.ops.create import zeros

__all__ = ["KVCache"]


class KVCache:
    """Keys and values of one attention layer, kept so that each step of a generation computes those of new tokens only.

    Not in PyTorch. All memory is taken at the start; a step writes its part and copies nothing. It holds no gradients.

    Args:
        batch: sequences, or beams of all sequences.
        heads: of keys and values.
        max_len: how many tokens there is room for.
        head_dim: features of each head.
        device, dtype: of keys and values.
    Attributes:
        keys, values: (batch, heads, max_len, head_dim), of which the first `length` positions are filled.
        length: how many tokens are in it.
        max_len: how many there is room for.
    Raises: TypeError unless the numbers are ints; ShapeError for negative ones.
    """

    def __init__(
        self, batch: int, heads: int, max_len: int, head_dim: int, device: Any = None, dtype: Any = None
    ) -> None:
        named = {"batch": batch, "heads": heads, "max_len": max_len, "head_dim": head_dim}
        shape = tuple(count("KVCache", name, value) for name, value in named.items())
        self.keys = zeros(shape, device=device, dtype=dtype)
        self.values = zeros(shape, device=device, dtype=dtype)
        self.max_len = shape[2]
        self.length = 0

    def update(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add the keys and values of new tokens.

        Args:
            key, value: (batch, heads, new tokens, head_dim), of the cache's dtype and device.
        Returns: all keys and all values so far, (batch, heads, length, head_dim): views of the cache's memory, which
            stay as they are until reset or reorder.
        Raises: ShapeError if it is full, or the shapes do not fit; RuntimeError for another dtype or device, and where
            gradients would be lost: generate under gpudl.no_grad().
        """
        batch, heads, _, features = self.keys.shape
        if key.shape != value.shape or key.ndim != 4 or (*key.shape[:2], key.shape[3]) != (batch, heads, features):
            expected = f"({batch}, {heads}, new tokens, {features})"
            raise ShapeError(f"KVCache: expected key and value {expected}, got {key.shape} and {value.shape}")
        start, stop = self.length, self.length + key.shape[2]
        if stop > self.max_len:
            what = f"{start} of {self.max_len} positions are filled, and {key.shape[2]} more were given"
            raise ShapeError(f"KVCache: full: {what}; make it with a larger max_len, or reset() it")
        for each in (key, value):
            if each.dtype != self.keys.dtype or each.device is not self.keys.device:
                own = f"{self.keys.dtype} on {self.keys.device}"
                raise RuntimeError(f"KVCache: it holds {own}, got {each.dtype} on {each.device}")
            if each.requires_grad and is_grad_enabled():
                raise RuntimeError("KVCache: it holds no gradients; generate under gpudl.no_grad()")
        with no_grad():
            self.keys.narrow(2, start, stop - start).copy_(key)
            self.values.narrow(2, start, stop - start).copy_(value)
        self.length = stop
        return self.keys.narrow(2, 0, stop), self.values.narrow(2, 0, stop)

    def reset(self) -> None:
        """Forget all tokens; the memory stays."""
        self.length = 0

    def reorder(self, beams: Tensor) -> None:
        """Put sequence beams[i] in the place of sequence i, for each i: what a beam search goes on with.

        Args:
            beams: (batch,) int64 or int32, 0 <= beam < batch; some may come twice and others not at all.
        Raises: ShapeError for another number of them; IndexError for one out of range (on the CPU).
        """
        if beams.shape != self.keys.shape[:1]:
            raise ShapeError(f"KVCache: expected beams {self.keys.shape[:1]}, got {beams.shape}")
        with no_grad():
            for table in (self.keys, self.values):
                filled = table.narrow(2, 0, self.length)
                filled.copy_(filled.index_select(0, beams))

    def __repr__(self) -> str:
        batch, heads, max_len, head_dim = self.keys.shape
        return f"KVCache({batch}, {heads}, {max_len}, {head_dim}, length={self.length})"
