"""Stream: random numbers made of a counter by Philox4x64-10, the generator of NumPy and of kernels/math/philox.cuh.

Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.backend.dtypes import dtype_of, float32, largest
from gpudl.random.gauss import box_muller

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Elements made at a time: what they pass through stays in the cache. Even, so that a word or pair is never split.
_PART = 1 << 15

_LOW_HALF = np.uint64(2**32 - 1)
_32 = np.uint64(32)
_11 = np.uint64(11)


class Stream:
    """A sequence of 2**66 random 64-bit words, and the numbers made of them; `gpudl.random.stream` makes one.

    Word 4 * b + j is output j of Philox4x64-10 for the key and the counter (b, *index). Every draw takes the next
    whole words, so that successive draws differ and a draw's words are known from `position` and its size. Every bit
    of every draw is fixed by this class, alike on all machines. Not for two threads at once: make a stream for each.

    Attributes:
        key: the two key words.
        index: the three high words of the counter; the block number is the lowest.
        position: the number of the next word.
    """

    __slots__ = ("_generator", "index", "key", "position")
    key: tuple[int, int]
    index: tuple[int, int, int]
    position: int

    def __init__(self, key: tuple[int, int], index: tuple[int, int, int] = (0, 0, 0)):
        self.key, self.index, self.position = key, index, 0
        self._generator: Any = None

    def __repr__(self) -> str:
        return f"Stream(key={self.key}, index={self.index}) at word {self.position}"

    def at(self, block: int) -> Stream:
        """The same stream from word 4 * block on, as a new object.

        Raises: TypeError if it is no integer; ValueError unless 0 <= block < 2**64.
        """
        block = operator.index(block)
        if not 0 <= block < 2**64:
            raise ValueError(f"Stream.at: block must be in [0, 2**64), got {block}")
        moved = Stream(self.key, self.index)
        moved.position = 4 * block
        return moved

    def words(self, count: int) -> NDArray[np.uint64]:
        """The next words.

        Args:
            count: how many, >= 0.
        Returns: (count,) uint64.
        Raises: TypeError if it is no integer; ValueError if it is negative.
        """
        count = operator.index(count)
        if count < 0:
            raise ValueError(f"Stream.words: count must not be negative, got {count}")
        if self._generator is None:
            words = (self.position // 4, *self.index)
            # NumPy adds one to its counter before each block, the first included.
            before = (sum(word << 64 * place for place, word in enumerate(words)) - 1) % 2**256
            key = self.key[0] | self.key[1] << 64
            self._generator = np.random.Philox(counter=before, key=key)
            self._generator.random_raw(self.position % 4, output=False)
        self.position += count
        return self._generator.random_raw(count)  # type: ignore[no-any-return]

    def skip(self, count: int) -> None:
        """Go on as if so many words had been drawn.

        Raises: TypeError if it is no integer; ValueError if it is negative.
        """
        count = operator.index(count)
        if count < 0:
            raise ValueError(f"Stream.skip: count must not be negative, got {count}")
        if count:
            self.position += count
            self._generator = None

    def uniform(
        self, shape: int | Sequence[int], low: float = 0.0, high: float = 1.0, dtype: Any = float32
    ) -> NDArray[Any]:
        """Numbers spread evenly over [low, high).

        u * (high - low) + low, each operation rounded to the dtype, and what rounds up to `high` is taken down to the
        next number below. float32: u is the high 24 bits of half a word over 2**24, two to a word, the low half first.
        float64: u is the high 53 bits of a word over 2**53. float16, bfloat16: the float32 number, rounded once more.

        Args:
            shape: () for one number in a 0-d array.
            low, high: finite, low < high once they are rounded to the dtype.
            dtype: float16, bfloat16, float32 or float64.
        Returns: array of the shape and dtype.
        Raises: ValueError for a negative length or a bad interval; TypeError for a dtype that is not floating point.
        """
        out = _empty("uniform", shape, dtype)
        kind = out.dtype.type
        bottom, span, below = uniform_bounds(out.dtype, low, high)
        if out.dtype.itemsize == 2:
            out[...] = self.uniform(shape, float(kind(low)), float(kind(high)))
            np.minimum(out, below, out=out)
            return out
        per_word, unit = (2, kind(2.0**-24)) if out.dtype == float32 else (1, kind(2.0**-53))
        flat = out.reshape(-1)
        for start in range(0, flat.size, _PART):
            part = flat[start : start + _PART]
            bits: NDArray[Any] = self.words(-(-part.size // per_word))
            if per_word == 2:
                bits = bits.astype("<u8", copy=False).view("<u4")[: part.size]
                bits >>= np.uint32(8)
                part[...] = bits.view("<i4")  # the sign bit is clear, and signed numbers convert faster
            else:
                bits >>= _11
                part[...] = bits.view(np.int64)
            part *= unit
            if bottom != 0 or span != 1:
                part *= span
                part += bottom
                np.minimum(part, below, out=part)
        return out

    def normal(
        self, shape: int | Sequence[int], mean: float = 0.0, std: float = 1.0, dtype: Any = float32
    ) -> NDArray[Any]:
        """Numbers of the normal distribution, two for two words: mean + std * box_muller(words).

        Computed in float64 and rounded once; see gpudl.random.gauss.

        Args:
            shape: () for one number in a 0-d array; of an odd number of elements the last pair's second is dropped.
            mean: of the distribution.
            std: standard deviation, >= 0. No number is further than 8.6 std from the mean.
            dtype: float16, bfloat16, float32 or float64.
        Returns: array of the shape and dtype, all finite.
        Raises: ValueError for a negative length, a negative std, or numbers too large for the dtype; TypeError for a
            dtype that is not floating point.
        """
        out = _empty("normal", shape, dtype)
        check_normal(out.dtype, mean, std)
        flat = out.reshape(-1)
        scratch = np.empty((5, (min(flat.size, _PART) + 1) // 2))
        for start in range(0, flat.size, _PART):
            part = flat[start : start + _PART]
            pairs = (part.size + 1) // 2
            for place, drawn in enumerate(box_muller(self.words(2 * pairs), scratch[:, :pairs])):
                drawn *= std
                drawn += mean
                part[place::2] = drawn[: (part.size + 1 - place) // 2]
        return out

    def integers(self, low: int, high: int, shape: int | Sequence[int] = ()) -> NDArray[np.int64]:
        """Whole numbers in [low, high), one word each: low + floor(word * (high - low) / 2**64).

        No word is rejected, so that the number of words does not depend on their values. The probability of each
        number is off 1 / (high - low) by less than 2**-64.

        Args:
            low, high: -2**63 <= low < high <= 2**63.
            shape: () for one number in a 0-d array.
        Returns: int64 array of the shape.
        Raises: ValueError for a bad interval or a negative length; TypeError for bounds that are no integers.
        Source: Lemire 2019, arXiv:1805.10941, without its rejection.
        """
        low, high = operator.index(low), operator.index(high)
        if not -(2**63) <= low < high <= 2**63:
            raise ValueError(f"Stream.integers: needs -2**63 <= low < high <= 2**63, got low={low}, high={high}")
        out = np.empty(_lengths("integers", shape), np.int64)
        flat = out.reshape(-1)
        offset = np.uint64(low % 2**64)  # added modulo 2**64, which is the signed sum
        for start in range(0, flat.size, _PART):
            part = flat[start : start + _PART]
            bits = self.words(part.size)
            if high - low < 2**64:
                bits = _multiply_high(bits, high - low)
            bits += offset
            part[...] = bits.view(np.int64)
        return out

    def permutation(self, count: int) -> NDArray[np.int64]:
        """The numbers 0 to count - 1 in random order: those of `count` words when these are sorted, ties in order.

        Args:
            count: how many, >= 0.
        Returns: (count,) int64.
        Raises: TypeError if it is no integer; ValueError if it is negative.
        """
        return np.argsort(self.words(count), kind="stable").astype(np.int64, copy=False)


def uniform_bounds(dtype: Any, low: float, high: float) -> tuple[Any, Any, Any]:
    """Of numbers spread over [low, high), in the dtype: low, high - low, and the largest one.

    Raises: ValueError for a bad interval.
    """
    kind, limit = dtype.type, largest(dtype)
    if not -limit <= low < high <= limit or not 0 < float(kind(high)) - float(kind(low)) <= limit:
        raise ValueError(
            f"Stream.uniform: {dtype} needs finite low < high, apart by no more than its largest number; "
            f"got low={low}, high={high}"
        )
    return kind(low), kind(high) - kind(low), np.nextafter(kind(high), kind(low))


def check_normal(dtype: Any, mean: float, std: float) -> None:
    """Raise a ValueError for a negative std, or normal numbers too large for the dtype."""
    if not std >= 0 or not abs(mean) + 9 * std <= largest(dtype):
        raise ValueError(
            f"Stream.normal: std must be >= 0, and mean and std finite and in the range of {dtype}; "
            f"got mean={mean}, std={std}"
        )


def _multiply_high(words: NDArray[np.uint64], factor: int) -> NDArray[np.uint64]:
    """The high 64 bits of words * factor, 0 <= factor < 2**64, by schoolbook multiplication of 32-bit halves.

    Overwrites `words` and returns it, fresh memory being slow.
    """
    low, high = np.uint64(factor & 0xFFFFFFFF), np.uint64(factor >> 32)
    word_low = words & _LOW_HALF
    words >>= _32
    if high == 0:
        word_low *= low
        word_low >>= _32
        words *= low
        words += word_low
        words >>= _32
        return words
    carry: NDArray[np.uint64] = words * low + (word_low * low >> _32)
    words *= high
    words += carry >> _32
    carry &= _LOW_HALF
    carry += word_low * high
    words += carry >> _32
    return words


def _lengths(caller: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    lengths = tuple(map(operator.index, shape)) if isinstance(shape, Sequence) else (operator.index(shape),)
    if any(length < 0 for length in lengths):
        raise ValueError(f"Stream.{caller}: shape must not have negative lengths, got {lengths}")
    return lengths


def _empty(caller: str, shape: int | Sequence[int], dtype: Any) -> NDArray[Any]:
    found = dtype_of(dtype)
    if found.kind not in "fV":
        raise TypeError(f"Stream.{caller}: dtype must be floating point, got {found}")
    return np.empty(_lengths(caller, shape), found)
