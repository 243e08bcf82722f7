"""Generator: a source of random numbers of one's own, and the state of the program's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.device import Device, to_host
from gpudl.backend.device import device as resolve
from gpudl.random import Stream, manual_seed, sampling_stream, stream
from gpudl.random.seed import seed_state, set_seed_state

__all__ = ["Generator", "get_rng_state", "seed", "set_rng_state"]

_FIRST_SEED = 67280421310721  # that of a new torch.Generator
_HALF = 2**64


class Generator(Stream):
    """Random numbers in a sequence of their own: `gpudl.rand(3, generator=gpudl.Generator().manual_seed(1))`.

    One seed gives the same numbers on every device and machine: gpudl.random.stream("generator", seed=seed).

    Args:
        device: what .device says; the numbers do not depend on it.
    Attributes:
        device: the same.
    """

    __slots__ = ("device",)
    device: Device

    def __init__(self, device: str | Device = "cpu"):
        self.device = resolve(device)
        self.manual_seed(_FIRST_SEED)

    def manual_seed(self, seed: int) -> Generator:
        """Start the sequence of a seed; returns the generator.

        Args:
            seed: -2**63 <= seed < 2**64; a negative one means seed + 2**64.
        Raises: TypeError if it is no integer; ValueError if it is out of range.
        """
        start = stream("generator", seed=seed)
        super().__init__(start.key, start.index)
        return self

    def seed(self) -> int:
        """Start the sequence of a seed that the operating system draws, and return that seed."""
        self.manual_seed(_drawn_seed())
        return self.key[0]

    def initial_seed(self) -> int:
        """The seed that the sequence was started with, 0 <= seed < 2**64."""
        return self.key[0]

    def get_state(self) -> Tensor:
        """The seed and the place in the sequence, for set_state: a uint8 tensor on the CPU."""
        return _packed((*self.key, self.position % _HALF, self.position // _HALF))

    def set_state(self, new_state: Tensor) -> None:
        """Go to the seed and place that get_state gave.

        Raises: TypeError for what is no state.
        """
        first, second, low, high = _unpacked(new_state, 4)
        position = low + high * _HALF
        super().__init__((first, second), self.index)
        self.position = position // 4 * 4
        self.words(position % 4)


def seed() -> int:
    """manual_seed with a seed that the operating system draws; returns that seed."""
    drawn = _drawn_seed()
    manual_seed(drawn)
    return drawn


def get_rng_state() -> Tensor:
    """The seed of the program and how many streams were taken since, for set_rng_state: a uint8 tensor on the CPU."""
    return _packed(seed_state())


def set_rng_state(new_state: Tensor) -> None:
    """Go back to where get_rng_state was called: what is drawn from here on is what was drawn from there on.

    Raises: TypeError for what is no state.
    """
    seed, init, sample = _unpacked(new_state, 3)
    set_seed_state((seed, init, sample))


def stream_of(generator: Stream | None) -> Stream:
    """What an operation draws from: the generator given, or the program's next sampling stream.

    Raises: TypeError for what is no generator.
    """
    if generator is None:
        return sampling_stream()
    if not isinstance(generator, Stream):
        raise TypeError(f"generator: expected a gpudl.Generator or None, got {type(generator).__name__}")
    return generator


def _drawn_seed() -> int:
    return int.from_bytes(os.urandom(8), "little")


def _packed(words: Sequence[int]) -> Tensor:
    return wrap(np.frombuffer(np.array(words, "<u8").tobytes(), np.uint8).copy(), None)


def _unpacked(state: Any, count: int) -> list[int]:
    if not isinstance(state, Tensor) or state.dtype != "uint8" or state.shape != (8 * count,):
        raise TypeError(f"a random state is a uint8 tensor of {8 * count} elements, as the getter of it gives")
    words: list[int] = np.frombuffer(to_host(state.array).tobytes(), "<u8").tolist()
    return words
