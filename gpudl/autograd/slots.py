"""Slots: places in flat memory where parameters keep their values and gradients, end to end.

    values     | weight .......... | bias .. | weight ...... | bias .. |        one array each; a Slot has two windows,
    gradients  | weight .......... | bias .. | weight ...... | bias .. |        one into either

What an optimizer does to all its parameters is then one pass over one array. Who else sees a window, or a view of it,
is told by reference counts: a gradient that somebody still holds is not overwritten, and a parameter that shares its
memory is not moved. NumPy gives a view of a view the owner of the memory as its base, so that the view in between
would not know of it, but stops at an array of another class; hence Memory.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.dtypes import DType

LINE = 64
"""Bytes. What begins at a multiple of it is read a cache line at a time, not two for each."""


class Memory(np.ndarray[Any, Any]):
    """Bytes that windows look into."""

    __slots__ = ()


class Slot:
    """The place of one parameter.

    Attributes:
        memory: in which the values lie, together with those of the neighbors.
        start: the offset of the first element there.
        stop: the offset of the first that is the next slot's.
        values: window onto the values, of the parameter's shape.
        gradient: likewise, in another memory at the same offset.
    """

    __slots__ = ("gradient", "memory", "start", "stop", "values")

    def __init__(self, memory: Memory, gradients: Memory, start: int, shape: tuple[int, ...], dtype: DType):
        self.memory = memory
        self.values = _window(memory, start, shape, dtype)
        self.gradient = _window(gradients, start, shape, dtype)
        self.start, self.stop = start, start + self.values.size

    def accepts(self, gradient: Array) -> bool:
        """True if a gradient may be put here: it fits, and nobody sees the one that was here before."""
        home = self.gradient
        return sys.getrefcount(home) == _UNSEEN and gradient.dtype == home.dtype and gradient.shape == home.shape


def _references(slot: Slot) -> int:
    home = slot.gradient
    return sys.getrefcount(home)


def slots(shapes: Sequence[tuple[int, ...]], dtype: DType) -> list[Slot]:
    """Places for parameters of these shapes, end to end in new memory that holds anything."""
    made: list[Slot] = []
    size = sum(map(math.prod, shapes))
    memories = [Memory(LINE + size * dtype.itemsize, np.uint8) for _ in range(2)]
    for shape in shapes:
        made.append(Slot(memories[0], memories[1], made[-1].stop if made else 0, shape, dtype))
    return made


def others(holder: Any, attribute: str) -> int:
    """How many references there are to an attribute's value, beside the attribute."""
    return sys.getrefcount(getattr(holder, attribute)) - _ONE


class _Holder:
    """Holds something once."""

    held: Any = object()


_ONE = 0
_ONE = others(_Holder, "held")


def joined(arrays: Iterable[Array]) -> list[Array]:
    """The same elements in fewer arrays: windows that lie end to end come as one flat array."""
    runs: list[tuple[Memory | None, int, int, Array]] = []  # memory, addresses of start and stop, the first array
    for array in arrays:
        memory = array.base if type(array) is np.ndarray else None
        if type(memory) is not Memory:
            runs.append((None, 0, 0, array))
            continue
        start = array.__array_interface__["data"][0]
        if runs and runs[-1][0] is memory and runs[-1][2] == start:
            _, begin, _, first = runs.pop()
        else:
            begin, first = start, array
        runs.append((memory, begin, start + array.nbytes, first))
    return [first if memory is None else _flat(memory, start, stop, first) for memory, start, stop, first in runs]


def flat(first: Array, last: Array) -> Array:
    """All from one window to another of the same memory, as a flat array."""
    address = first.__array_interface__["data"][0]
    return _flat(first.base, address, last.__array_interface__["data"][0] + last.nbytes, first)


def _flat(memory: Memory, start: int, stop: int, first: Array) -> Array:
    offset = start - memory.__array_interface__["data"][0]
    return np.ndarray(((stop - start) // first.itemsize,), first.dtype, memory, offset)


def _window(memory: Memory, start: int, shape: tuple[int, ...], dtype: DType) -> Array:
    return np.ndarray(shape, dtype, memory, -memory.__array_interface__["data"][0] % LINE + start * dtype.itemsize)


def vector(size: int, dtype: DType) -> Array:
    """A new array that holds anything and begins at a multiple of LINE."""
    return _window(Memory(LINE + size * dtype.itemsize, np.uint8), 0, (size,), dtype)


_UNSEEN = _references(Slot(Memory(LINE + 8, np.uint8), Memory(LINE + 8, np.uint8), 0, (), np.dtype(np.float64)))
"""What getrefcount says in Slot.accepts of a window that only the slot and the local variable hold."""
