"""The seed of the program, and the streams that are named after it."""

from __future__ import annotations

import hashlib
import operator
import os
import threading
from typing import Any

from gpudl.random.philox import Stream

_lock = threading.Lock()
_seed: int | None = None
_made: dict[str, int] = {}
"""Purpose -> how many of its streams were numbered since manual_seed."""


def manual_seed(seed: int) -> None:
    """Set the seed of every stream made from now on, and number those of init_stream and sampling_stream from 0 again.

    Args:
        seed: -2**63 <= seed < 2**64; a negative one means seed + 2**64, as in PyTorch.
    Raises: TypeError if it is no integer; ValueError if it is out of range.
    """
    global _seed
    word = _seed_word("manual_seed", seed)
    with _lock:
        _seed = word
        _made.clear()


def initial_seed() -> int:
    """The seed of streams, 0 <= seed < 2**64; where manual_seed set none, the operating system drew it once."""
    with _lock:
        return _current_seed()


def seed_state() -> tuple[int, int, int]:
    """The seed, and how many streams init_stream and sampling_stream have given since manual_seed."""
    with _lock:
        return _current_seed(), _made.get("init", 0), _made.get("sample", 0)


def set_seed_state(state: tuple[int, int, int]) -> None:
    """Go back to what seed_state gave."""
    global _seed
    with _lock:
        _seed, _made["init"], _made["sample"] = state


def stream(purpose: str, *index: int, seed: int | None = None) -> Stream:
    """The stream of random numbers for one purpose: `stream("shuffle", epoch)`, `stream("dropout", layer, step)`.

    The same arguments give the same numbers always and everywhere; streams that differ in any of them are independent.

        key     = (seed, hash of purpose)
        counter = (block, number of indices, index[0] or 0, index[1] or 0)

    The hash is hashlib.blake2b(purpose in UTF-8, digest_size=8), read as a little-endian integer. Stream says how key
    and counter make numbers.

    Args:
        purpose: what the numbers are for; "init" and "sample" are those of the functions below.
        index: up to two integers, 0 <= index < 2**64. ("a",), ("a", 0) and ("a", 0, 0) are three streams.
        seed: in place of initial_seed(); the same range as manual_seed's.
    Raises: TypeError for a purpose that is no string, or integers that are none; ValueError for one out of range, or
        more than two indices.
    """
    if not isinstance(purpose, str):
        raise TypeError(f"stream: purpose must be a string, got {type(purpose).__name__}")
    if len(index) > 2:
        raise ValueError(f"stream({purpose!r}): at most 2 indices fit into the counter, got {len(index)}")
    numbers = [_integer(f"stream({purpose!r}): an index", number) for number in index]
    for number in numbers:
        if not 0 <= number < 2**64:
            raise ValueError(f"stream({purpose!r}): an index must be in [0, 2**64), got {number}")
    high = [*numbers, 0, 0]
    word = initial_seed() if seed is None else _seed_word(f"stream({purpose!r})", seed)
    digest = hashlib.blake2b(purpose.encode(), digest_size=8).digest()
    return Stream((word, int.from_bytes(digest, "little")), (len(numbers), high[0], high[1]))


def init_stream() -> Stream:
    """The stream for the next tensor to be initialized: stream("init", how many there were since manual_seed).

    Initial weights thus depend on the seed and the order in which layers are built, on no other use of random numbers.
    """
    return _next("init")


def sampling_stream() -> Stream:
    """The stream for the next call of gpudl.rand or the like: stream("sample", how many calls since manual_seed)."""
    return _next("sample")


def numbering() -> dict[str, int]:
    """How many streams of init_stream and sampling_stream were made since manual_seed."""
    with _lock:
        return dict(_made)


def renumber(made: dict[str, int]) -> None:
    """Go back to what `numbering` gave: the streams made from now on are those that were made then."""
    with _lock:
        _made.clear()
        _made.update(made)


def _next(purpose: str) -> Stream:
    with _lock:
        seed, number = _current_seed(), _made.get(purpose, 0)
        _made[purpose] = number + 1
    return stream(purpose, number, seed=seed)


def _current_seed() -> int:
    """The seed, drawn now if there is none; the caller holds the lock."""
    global _seed
    if _seed is None:
        _seed = int.from_bytes(os.urandom(8), "little")
    return _seed


def _seed_word(caller: str, seed: Any) -> int:
    number = _integer(f"{caller}: seed", seed)
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"{caller}: seed must be in [-2**63, 2**64), got {number}")
    return number % 2**64


def _integer(what: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer, got {value!r}") from None
