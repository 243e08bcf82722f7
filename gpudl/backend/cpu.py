"""The CPU: NumPy arrays in host memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.interface import Backend
from gpudl.backend.place import CPU, Device
from gpudl.backend.reductions import blocked_sum

# Up to so many elements copying (0.4 us for a few, 1.6 us for these) is faster than np.broadcast_to (2.3 us), and
# summing is not worth a second look.
_SMALL = 1 << 14

# Freed at once and never written, so it takes no memory. glibc keeps free memory up to twice the largest array that was
# freed before; without this it gives what a step frees back to the system, which hands out the pages anew, one by one,
# at the next step. A training step of an LSTM or a small transformer takes 10 to 20 percent less time with it.
np.empty((1 << 25) - (1 << 16), np.uint8)


class CpuBackend(Backend):
    """NumPy arrays in host memory."""

    type = "cpu"
    family = "cpu"
    array_type = np.ndarray
    namespace = np

    def why_unavailable(self) -> str | None:
        return None

    def count(self) -> int:
        return 1

    def device_of(self, array: Array) -> Device:
        return CPU

    def from_host(self, array: np.ndarray[Any, Any], device: Device, non_blocking: bool = False) -> Array:
        return array.copy()

    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        return np.asarray(array)

    def full(self, shape: tuple[int, ...], value: Any, dtype: Any, device: Device) -> Array:
        if value == 0:
            return np.zeros(shape, dtype)
        array = np.empty(shape, dtype)
        array[...] = value  # np.full takes three times as long for a small array
        return array

    def broadcast(self, array: np.ndarray[Any, Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        if math.prod(shape) > _SMALL:
            return np.broadcast_to(array, shape)
        copy = np.empty(shape, array.dtype)
        copy[...] = array
        return copy

    def sum(self, array: np.ndarray[Any, Any], axis: Any, keepdims: bool) -> Any:
        if array.dtype.char not in "fd":
            return super().sum(array, axis, keepdims)
        if array.size > _SMALL:
            return blocked_sum(array, axis, keepdims)
        return array.sum(axis=axis, keepdims=keepdims)

    def running(self, function: str, array: np.ndarray[Any, Any], axis: int) -> Any:
        return getattr(np, function).accumulate(array, axis)
