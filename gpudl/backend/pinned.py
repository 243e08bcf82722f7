"""Pinned host memory: pages that stay in place, so that a device copies from them by itself while the host goes on."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gpudl.backend.cuda import CudaBackend


class Pinned:
    """The pinned memory of one backend's devices."""

    def __init__(self, backend: CudaBackend):
        cuda = backend.namespace.cuda
        self._allocate = cuda.alloc_pinned_memory
        self._kind = cuda.PinnedMemoryPointer
        self._stream = cuda.get_current_stream
        self._read: deque[tuple[Any, Any]] = deque()  # (event, array) of copies that may be under way

    def copy(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The array in pinned memory, in C order."""
        copy = self.empty(array.shape, array.dtype)
        copy[...] = array
        return copy

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
        """A new array in pinned memory that holds anything."""
        made: np.ndarray[Any, Any] = np.ndarray(shape, dtype, self._allocate(max(math.prod(shape) * dtype.itemsize, 1)))
        return made

    def holds(self, array: np.ndarray[Any, Any]) -> bool:
        """True if the array, or what it is a view of, lies in pinned memory."""
        owner: Any = array
        while isinstance(owner, np.ndarray):
            owner = owner.base
        return isinstance(owner, self._kind)

    def keep(self, array: np.ndarray[Any, Any]) -> None:
        """Keep an array until what the current stream was given so far is done."""
        read = self._read
        while read and read[0][0].done:
            read.popleft()
        read.append((self._stream().record(), array))
