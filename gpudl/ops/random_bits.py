"""Which elements a dropout keeps: bits of a random stream, the same on every device and machine for one seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array
from gpudl.backend.device import device_of, transfer
from gpudl.random import Stream

_PART = 1 << 15  # words made at a time, so that they stay in the cache; even numbers of half words
_PER_BLOCK = 8  # half words in a block of the stream, from which on it can be continued


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
    per_row = -(-columns // _PER_BLOCK)
    part = stream.at(first * per_row)
    return kept(part, rows * per_row * _PER_BLOCK, p).reshape(rows, per_row * _PER_BLOCK)[:, :columns]


def placed(mask: np.ndarray[Any, Any], like: Array) -> Array:
    """A mask made on the host where `like` is: an array, or a Tensor beside a Tensor."""
    if isinstance(like, Tensor):
        return wrap(transfer(mask, like.device), None)
    return transfer(mask, device_of(like))
