"""Slots: places in flat memory where parameters keep their values and gradients, end to end.

    values     | weight .......... | bias .. | weight ...... | bias .. |        one array each; a Slot has two windows,
    gradients  | weight .......... | bias .. | weight ...... | bias .. |        one into either

What an optimizer does to all its parameters is then one pass over one array. Who else sees a window, or a view of it,
is told by reference counts (gpudl.backend.flat_memory): a gradient that somebody still holds is not overwritten, and a
parameter that shares its memory is not moved.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.dtypes import DType
from gpudl.backend.flat_memory import address, memory, memory_of, run, window


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

    def __init__(self, memory: Any, gradients: Any, start: int, shape: tuple[int, ...], dtype: DType, like: Array):
        self.memory = memory
        self.values = window(memory, start, shape, dtype, like)
        self.gradient = window(gradients, start, shape, dtype, like)
        self.start, self.stop = start, start + self.values.size

    def accepts(self, shape: tuple[int, ...], dtype: DType) -> bool:
        """True if a gradient may be put here: it fits, and nobody sees the one that was here before."""
        home = self.gradient
        return sys.getrefcount(home) == _UNSEEN and dtype == home.dtype and shape == home.shape


def home_of(node: Any, shape: tuple[int, ...], dtype: DType) -> Array | None:
    """Where a backward may write the gradient for a node at once, instead of into new memory; None for nowhere."""
    slot = getattr(node, "slot", None)  # a Leaf has one, if it is a parameter of an optimizer
    if slot is None or node.hooks or not slot.accepts(shape, dtype):
        return None
    tensor = node.tensor()
    return slot.gradient if tensor is not None and tensor._grad is None else None


def _references(slot: Slot) -> int:
    home = slot.gradient
    return sys.getrefcount(home)


def slots(shapes: Sequence[tuple[int, ...]], dtype: DType, like: Array) -> list[Slot]:
    """Places for parameters of these shapes, end to end in new memory that holds anything, on the device of `like`."""
    made: list[Slot] = []
    size = sum(map(math.prod, shapes))
    values, gradients = memory(size * dtype.itemsize, like), memory(size * dtype.itemsize, like)
    for shape in shapes:
        made.append(Slot(values, gradients, made[-1].stop if made else 0, shape, dtype, like))
    return made


def joined(arrays: Iterable[Array]) -> list[Array]:
    """The same elements in fewer arrays: windows that lie end to end come as one flat array."""
    runs: list[tuple[Any, int, Array, int]] = []  # memory, address of the end, the first array, all elements
    for array in arrays:
        memory = memory_of(array)
        if memory is None:
            runs.append((None, 0, array, 0))
            continue
        start = address(array)
        if runs and runs[-1][0] is memory and runs[-1][1] == start:
            _, _, first, size = runs.pop()
        else:
            first, size = array, 0
        runs.append((memory, start + array.nbytes, first, size + array.size))
    return [first if memory is None else run(first, size) for memory, _, first, size in runs]


def flat(first: Array, last: Array) -> Array:
    """All from one window to another of the same memory, as a flat array."""
    return run(first, (address(last) + last.nbytes - address(first)) // first.itemsize)


_UNSEEN = _references(slots([()], np.dtype(np.float64), np.empty(0))[0])
"""What getrefcount says in Slot.accepts of a window that only the slot and the local variable hold."""
