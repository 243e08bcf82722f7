"""Streams that differ in their index alone, drawn from at once: the words of Stream, made of arrays of counters.

A Stream costs ten microseconds to make, one here one or less, which is what augmenting each sample of a batch by
numbers of its own needs. Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.random.philox import Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

_MULTIPLIERS = np.array([[0xD2E7470EE14C6C93], [0xCA5A826395121157]], np.uint64)
_LOW, _HIGH = _MULTIPLIERS & np.uint64(2**32 - 1), _MULTIPLIERS >> np.uint64(32)
_STEPS = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_ROUNDS = 10
_AHEAD = 4  # blocks made at a time, at least: a few samples take as long as one
_PART = 1 << 12  # blocks made at a time, at most, so that what they pass through stays in the cache
_FEW = 4  # streams up to which NumPy's own generator, one after another, is faster
_32, _11, _LOW_HALF = np.uint64(32), np.uint64(11), np.uint64(2**32 - 1)


class _Generator(threading.local):
    """NumPy's generator, made once a thread and set to a counter for each draw, which takes a tenth of the time."""

    philox: Any = None  # until the first draw: NumPy's random module takes a while to import

    def words(self, key: tuple[int, int], index: tuple[int, int, int], position: int, count: int) -> Words:
        """(count,) uint64: `Stream(key, index).words(count)` from `position` on."""
        # NumPy adds one to its counter before each block, the first included.
        before = (position // 4 + (index[0] << 64) + (index[1] << 128) + (index[2] << 192) - 1) % 2**256
        if self.philox is None:
            self.philox = np.random.Philox(0)
            self.state = self.philox.state
        self.state["state"]["counter"][:] = np.frombuffer(before.to_bytes(32, "little"), "<u8")
        self.state["state"]["key"][:] = key
        self.philox.state = self.state  # in which no word is left over from a block before
        skipped = position % 4
        words: Words = self.philox.random_raw(skipped + count)[skipped:]
        return words


_generator = _Generator()


class Streams:
    """Streams side by side, which all go on in step.

    Args:
        like: gives the key, and the index but for its last word.
        last: (count,) uint64, the last word of the index of each.
    """

    __slots__ = ("_blocks", "_kept", "_like", "last", "position")

    def __init__(self, like: Stream, last: Words):
        self._like, self.last, self.position = like, last, 0
        self._blocks = 0
        self._kept: Words = np.empty((len(last), 0), np.uint64)  # made, but not drawn yet

    def __len__(self) -> int:
        return len(self.last)

    def words(self, count: int) -> Words:
        """(streams, count) uint64: row by row what `Stream.words(count)` gives."""
        start, self.position = self.position, self.position + count
        if len(self.last) <= _FEW:
            words = np.empty((len(self.last), count), np.uint64)
            for row, word in zip(words, self.last.tolist(), strict=True):
                row[:] = _generator.words(self._like.key, (*self._like.index[:2], word), start, count)
            return words
        missing = count - self._kept.shape[1]
        if missing > 0:
            made = self._made(max(-(-missing // 4), _AHEAD))
            self._kept = np.concatenate((self._kept, made), axis=1)
        drawn, self._kept = self._kept[:, :count], self._kept[:, count:]
        return drawn

    def skip(self, count: int) -> None:
        """Go on as if so many words of each had been drawn."""
        if len(self.last) <= _FEW:
            self.position += count
        else:
            self.words(count)

    def uniform(self, count: int) -> NDArray[np.float64]:
        """(streams, count) float64 in [0, 1): row by row what `Stream.uniform` gives."""
        numbers: NDArray[np.float64] = (self.words(count) >> _11).view(np.int64) * 2.0**-53
        return numbers

    def _made(self, blocks: int) -> Words:
        """The next blocks of each stream, (streams, 4 * blocks)."""
        numbers = np.arange(self._blocks, self._blocks + blocks, dtype=np.uint64)
        self._blocks += blocks
        counters = np.empty((4, len(self.last), blocks), np.uint64)
        counters[0], counters[3] = numbers, self.last[:, None]
        counters[1], counters[2] = (np.uint64(word) for word in self._like.index[:2])
        flat = counters.reshape(4, -1)
        for start in range(0, flat.shape[1], _PART):
            part = flat[:, start : start + _PART]
            part[...] = philox(part, self._like.key)
        words: Words = counters.transpose(1, 2, 0).reshape(len(self.last), 4 * blocks)
        return words


def philox(counters: Words, key: tuple[int, int]) -> Words:
    """Philox4x64-10 of each column: (4, count) to (4, count) uint64."""
    even, odd = counters[::2].copy(), counters[1::2]
    for number in range(_ROUNDS):
        keys = [[(word + number * step) % 2**64] for word, step in zip(key, _STEPS, strict=True)]
        high = _multiply_high(even)
        low = even * _MULTIPLIERS
        # Each half is mixed with the other's product.
        even = high[::-1] ^ odd ^ np.array(keys, np.uint64)
        odd = low[::-1]
    return np.stack((even[0], odd[0], even[1], odd[1]))


def _multiply_high(words: Words) -> Words:
    """The high 64 bits of each row times its multiplier, by schoolbook multiplication of 32-bit halves."""
    low, high = words & _LOW_HALF, words >> _32
    carry = high * _LOW + (low * _LOW >> _32)
    product: Words = high * _HIGH + (carry >> _32) + ((carry & _LOW_HALF) + low * _HIGH >> _32)
    return product
