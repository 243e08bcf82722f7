"""Text as training data of language models: blocks of tokens, and the same shifted by one."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.data.dataset import Dataset
from gpudl.data.images import Transform
from gpudl.data.memmap import open_arrays


class TextDataset(Dataset[tuple[Any, Any]]):
    """Blocks of a long row of tokens: sample i is `(x, y)`, where y[j] is the token that follows x[j].

    x = tokens[i * stride : i * stride + block_size], y = the same one further; both int64. Tokens at the end that do
    not fill a block are left out.

    Args:
        tokens: what a tokenizer's `encode` gave, as list, NumPy array or Tensor; or the path of a .npy file of it,
            which is mapped, never read as a whole: `numpy.save("train.npy", numpy.array(ids, numpy.uint16))`.
        block_size: tokens of a sample, 1 or more.
        stride: from one block's begin to the next one's; None for block_size, 1 for every block there is.
        transform: applied to x, a Tensor; None for none.
        target_transform: applied to y, a Tensor; None for none.
    Attributes:
        tokens: (count,), NumPy array or memmap.
    Raises: TypeError for tokens that are no integers; ValueError if they are not in one row, or block_size or stride
        is below 1; for a path as MemmapDataset.
    """

    def __init__(
        self,
        tokens: Any,
        block_size: int,
        stride: int | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ):
        self.path = Path(tokens).expanduser().absolute() if isinstance(tokens, (str, os.PathLike)) else None
        self.block_size = operator.index(block_size)
        self.stride = self.block_size if stride is None else operator.index(stride)
        if self.block_size < 1 or self.stride < 1:
            raise ValueError(f"TextDataset: block_size and stride must be 1 or more, got {block_size} and {stride}")
        self.tokens = self._opened() if self.path else _array(tokens)
        self.transform, self.target_transform = transform, target_transform

    def _opened(self) -> np.ndarray[Any, Any]:
        assert self.path is not None
        arrays = open_arrays(self.path)
        if len(arrays) != 1:
            raise ValueError(f"TextDataset: {self.path} has {len(arrays)} arrays; tokens are one, in a .npy file")
        return _array(next(iter(arrays.values())))

    def __len__(self) -> int:
        return max(0, (len(self.tokens) - 1 - self.block_size) // self.stride + 1)

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        """Sample `index`: x and y, (block_size,) int64; transformed.

        Raises: IndexError for an index out of range.
        """
        number, count = operator.index(index), len(self)
        if not -count <= number < count:
            raise IndexError(f"TextDataset: index {number} is out of range for {count} blocks")
        begin = number % count * self.stride
        both = np.array(self.tokens[begin : begin + self.block_size + 1], np.int64)
        x: Any = wrap(both[:-1], None)
        y: Any = wrap(both[1:].copy(), None)  # so that a change of one is none of the other
        if self.transform is not None:
            x = self.transform(x)
        return x, y if self.target_transform is None else self.target_transform(y)

    @property
    def batch(self) -> Callable[[Any], tuple[Tensor, ...]] | None:
        """Makes whole batches for DataLoader; None while there are transforms, which see one sample at a time."""
        return self._batch if self.transform is None and self.target_transform is None else None

    def _batch(self, indices: Sequence[int] | np.ndarray[Any, Any]) -> tuple[Tensor, ...]:
        begins = np.asarray(indices, np.int64) * self.stride
        both = np.asarray(self.tokens)[begins[:, None] + np.arange(self.block_size + 1)]
        return wrap(both[:, :-1].astype(np.int64), None), wrap(both[:, 1:].astype(np.int64), None)

    def __getstate__(self) -> dict[str, Any]:
        """Of mapped tokens the path alone, for spawned workers."""
        return {**self.__dict__, "tokens": len(self.tokens)} if self.path else self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.path:
            self.tokens = self._opened()
            if len(self.tokens) != state["tokens"]:
                raise ValueError(f"{self.path} was changed since the dataset was pickled")

    def __repr__(self) -> str:
        return f"TextDataset({len(self)} blocks of {self.block_size}, {len(self.tokens)} tokens, stride {self.stride})"


def _array(tokens: Any) -> np.ndarray[Any, Any]:
    if isinstance(tokens, Tensor):
        tokens = tokens.numpy()
    array = tokens if isinstance(tokens, np.ndarray) else np.asarray(tokens, None if len(tokens) else np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"TextDataset: tokens must be integers, got {array.dtype}; encode text with a tokenizer")
    if array.ndim != 1:
        raise ValueError(f"TextDataset: tokens must be in one row, got shape {array.shape}")
    return array
