"""Which elements a dropout keeps: bits of a random stream, the same on every device and machine for one seed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, THREADS, CudaText
from gpudl.backend.device import brought, device_of, guarded
from gpudl.backend.kernel import kernel
from gpudl.random import Stream

_TEXT = CudaText("math/philox.cuh", "cuda/random_bits.cu", kernels=("random_keep",), dtypes=("bool",))

_PART = 1 << 15  # words made at a time, so that they stay in the cache; even numbers of half words
PER_BLOCK = 8
"""Half words in a block of the stream, from which on it can be continued."""


def kept(stream: Stream, count: int, p: float) -> np.ndarray[Any, Any]:
    """(count,) bool, each false with probability p, to within 2**-33, whatever the others are.

    Element i is true if half word i of the stream's next words, the low half of a word first, is at least p * 2**32.
    """
    threshold = round(p * 2**32)
    keep = np.empty(count, bool)
    if threshold > 2**32 - 1:
        keep[...] = False
        return keep
    for start in range(0, count, 2 * _PART):
        part = keep[start : start + 2 * _PART]
        halves = stream.words(-(-len(part) // 2)).astype("<u8", copy=False).view("<u4")
        np.greater_equal(halves[: len(part)], np.uint32(threshold), out=part)
    return keep


def kept_rows(stream: Stream, first: int, rows: int, columns: int, p: float) -> np.ndarray[Any, Any]:
    """(rows, columns) bool as `kept`, the rows from `first` on of a matrix that can be made from any row on.

    Each row begins with a new block of the stream.
    """
    per_row = -(-columns // PER_BLOCK)
    part = stream.at(first * per_row)
    return kept(part, rows * per_row * PER_BLOCK, p).reshape(rows, per_row * PER_BLOCK)[:, :columns]


def signed(*words: int) -> tuple[int, ...]:
    """Words of 64 bits as the signed numbers of these bits, which is what CUDA kernels take."""
    return tuple(word - (word >> 63 << 64) for word in words)


class Drop(NamedTuple):
    """What is dropped: z * keep * scale + (high where kept, low elsewhere).

    Attributes:
        key, counter: the key and the index of the Stream whose half words the mask is made of.
        p: the probability of being dropped.
        scale: what kept elements are multiplied by.
        span: how many elements that follow each other are kept or dropped together.
        low, high: what is added to dropped and to kept elements.
    """

    key: tuple[int, int]
    counter: tuple[int, int, int]
    p: float
    scale: float
    span: int = 1
    low: float = 0.0
    high: float = 0.0

    def words(self) -> tuple[int, ...]:
        """What kernels take to make the mask: the least half word that keeps an element, and the stream's words."""
        return round(self.p * 2**32), *signed(*self.counter, *self.key)


def packed(keep: Array) -> Array:
    """The elements of a mask as bits: element i as bit i % 8, from the lowest one on, of byte i // 8."""
    return xp_of(keep).packbits(keep.reshape(-1), bitorder="little")


def unpacked(bits: Array, count: int) -> Array:
    """(count,) bool from what `packed` gave; an array, or a Tensor from a Tensor."""
    if isinstance(bits, Tensor):
        return wrap(unpacked(bits.array, count), None)
    return xp_of(bits).unpackbits(bits, bitorder="little")[:count].astype(bool)


@kernel
def random_keep_(keep: Array, key: tuple[int, int], index: tuple[int, int, int], p: float) -> None:
    """keep (rows, columns): as `kept_rows` from row 0, of the Stream of this key and index."""
    rows, columns = keep.shape
    keep[...] = brought(kept_rows(Stream(key, index), 0, rows, columns, p), device_of(keep))


@random_keep_.cuda("bool")
def random_keep_cuda_(keep: Array, key: tuple[int, int], index: tuple[int, int, int], p: float) -> None:
    rows, columns = keep.shape
    made = keep if keep.flags.c_contiguous else xp_of(keep).empty(keep.shape, bool)
    blocks = -(-rows * -(-columns // PER_BLOCK) // THREADS)
    settings = round(p * 2**32), *signed(*index, *key)
    _TEXT.launch("random_keep", (min(blocks, MOST_BLOCKS),), (THREADS,), made, rows, columns, *settings)
    if made is not keep:
        keep[...] = made


def keep_mask(stream: Stream, rows: int, columns: int, p: float, like: Array) -> Array:
    """(rows, columns) bool as `kept_rows` from row 0, made where `like` is: an array, or a Tensor beside a Tensor."""
    if isinstance(like, Tensor):
        return wrap(keep_mask(stream, rows, columns, p, like.array), None)
    with guarded(like):
        keep = xp_of(like).empty((rows, columns), bool)
        random_keep_(keep, stream.key, stream.index, p)
    return keep


def placed(mask: np.ndarray[Any, Any], like: Array) -> Array:
    """A mask made on the host where `like` is: an array, or a Tensor beside a Tensor."""
    if isinstance(like, Tensor):
        return wrap(brought(mask, like.device), None)
    return brought(mask, device_of(like))
