"""The random numbers of augmentation: what they are for a sample depends on the seed, the epoch and its index alone."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Sequence
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.random import Stream, Streams, initial_seed, sampling_stream, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

_being_made: ContextVar[making | None] = ContextVar("samples being made", default=None)


class making:
    """While the block runs, `sample_draws` in this thread are those of these samples in this epoch.

    The DataLoader makes every sample and every batch inside of one, so that workers, their number and the size of
    batches change no draw.

    Args:
        epoch: 0 or more.
        indices: (count,) numbers of the samples in the dataset, 0 or more. An index of another type, such as a key,
            stands for a number made of its repr.
        seed: None for that of gpudl.manual_seed.
    Attributes:
        one: the place among `indices` of the only sample that is being made; None for all of them.
    """

    __slots__ = ("_alone", "_epoch", "_first", "_indices", "_seed", "_together", "_token", "one")
    one: int | None

    def __init__(self, epoch: int, indices: Sequence[Any] | NDArray[np.int64], seed: int | None = None):
        self._epoch, self._indices = epoch, indices
        self._seed = initial_seed() if seed is None else seed
        # By purpose, made at the first draw, as most samples draw none: the streams of all samples, which go on in
        # step, and those of single ones, by their places, from when one of them has drawn by itself.
        self._together: dict[str, Streams] = {}
        self._alone: dict[str, dict[int, Streams]] = {}
        self._first: dict[str, Stream] = {}  # that of sample 0, which is not drawn from
        self.one = None

    def __enter__(self) -> making:
        self._token: Token[making | None] = _being_made.set(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _being_made.reset(self._token)

    def draw(self, samples: int, count: int, purpose: str) -> NDArray[np.float64]:
        """What sample_draws gives inside of the block."""
        places = range(len(self._indices)) if self.one is None else (self.one,)
        if len(places) != samples:
            raise ValueError(f"sample_draws: {len(places)} samples are being made, not {samples}")
        if purpose not in self._first:
            self._first[purpose] = stream(purpose, self._epoch, 0, seed=self._seed)
        together, alone = self._together.get(purpose), self._alone.get(purpose)
        if self.one is None and alone is None:
            if together is None:
                numbers = np.array([_number(index) for index in self._indices], np.uint64)
                together = self._together[purpose] = Streams(self._first[purpose], numbers)
            return together.uniform(count)
        alone = self._alone.setdefault(purpose, {})
        drawn = np.empty((samples, count))
        for row, place in zip(drawn, places):
            if place not in alone:
                number = np.array([_number(self._indices[place])], np.uint64)
                alone[place] = Streams(self._first[purpose], number)
                alone[place].skip(0 if together is None else together.position)
            row[:] = alone[place].uniform(count)
        return drawn


def sample_draws(samples: int, count: int, purpose: str = "augment") -> NDArray[np.float64]:
    """The next random numbers in [0, 1) of each sample that is being made.

    A transform of one sample asks for `sample_draws(1, count)`, of a batch for one row for each of its samples; row by
    row the numbers are the same. Outside of a DataLoader they come from the next stream of `gpudl.rand` and its like.

    Args:
        samples: rows; inside of a DataLoader, as many as samples are being made.
        count: numbers for each.
        purpose: of another one, the numbers are independent: what is done to batches does not get those of what was
            done to their samples before.
    Returns: (samples, count) float64.
    Raises: ValueError if another number of samples is being made.
    """
    made = _being_made.get()
    if made is None:
        return sampling_stream().uniform((samples, count), dtype=np.float64)
    return made.draw(samples, count, purpose)


def _number(index: Any) -> int:
    """An index as a number of a stream."""
    try:
        number = operator.index(index)
    except TypeError:
        number = -1
    if number >= 0:
        return number
    return int.from_bytes(hashlib.blake2b(repr(index).encode(), digest_size=8).digest(), "little")
