"""Dropout: elements of the input made 0 at random in training."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.ops.dropout import dropout

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, each element 0 with probability p and else divided by 1 - p; in evaluation the input as it is.

    Args:
        p: in [0, 1].
        inplace: write the result over the input.
    Shape: any to the same.
    Raises: ValueError for p out of range.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must be in [0, 1], got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
