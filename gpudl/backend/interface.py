"""Backend: what a type of device supplies, and nothing else."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.place import Device
from gpudl.backend.reductions import running_by_doubling


class Backend(ABC):
    """What a device type supplies. Arrays are NumPy-compatible: `namespace` has NumPy's functions for them.

    Attributes:
        type: the device type it serves.
        family: which optimized bodies its arrays take, "cpu" or "cuda".
        array_type: the class of its arrays.
        namespace: the module (or object) with NumPy's functions for them.
    """

    type: str
    family: str
    array_type: builtins.type[Any]
    namespace: Any

    @abstractmethod
    def why_unavailable(self) -> str | None:
        """None when the device can be used here, else one line: what is missing and what to do."""

    def start(self) -> None:
        """Make the backend ready, and register it with its arrays' type; called when the device is first required."""
        return

    @abstractmethod
    def count(self) -> int:
        """How many devices of this type there are."""

    @abstractmethod
    def device_of(self, array: Array) -> Device:
        """The device that holds `array`."""

    @abstractmethod
    def from_host(self, array: np.ndarray[Any, Any], device: Device, non_blocking: bool = False) -> Array:
        """A copy of a NumPy array on `device`; `non_blocking`, it may be made later than this returns."""

    @abstractmethod
    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        """The array as a NumPy array; for host memory the array itself."""

    def to_host_later(self, array: Array) -> Callable[[], np.ndarray[Any, Any] | None]:
        """Start a copy to host memory without waiting for it: a function that gives it, or None before it is there."""
        host = self.to_host(array)
        return lambda: host

    def move(self, array: Array, device: Device) -> Array:
        """A copy on another device of this type."""
        return self.from_host(self.to_host(array), device)

    def guard(self, array: Array) -> AbstractContextManager[Any] | None:
        """A context in which operations run on the device that holds `array`; None where they do anyway."""
        return None

    def current(self) -> int:
        """The number of the device that a name without a number stands for."""
        return 0

    def full(self, shape: tuple[int, ...], value: Any, dtype: Any, device: Device) -> Array:
        """A new array of one value."""
        return self.from_host(np.full(shape, value, dtype), device)

    def empty(self, shape: tuple[int, ...], dtype: Any, device: Device) -> Array:
        """A new array that is to be written first."""
        return self.full(shape, 0, dtype, device)

    def broadcast(self, array: Array, shape: tuple[int, ...]) -> Array:
        """`array` repeated to a shape that it broadcasts to; only for reading, since elements may share memory."""
        return self.namespace.broadcast_to(array, shape)

    def sum(self, array: Array, axis: Any, keepdims: bool) -> Array:
        """The sum along axes: in a floating array's dtype, by way of float32 for half floats; else in int64."""
        if array.dtype.kind not in "fV":
            return array.sum(axis=axis, dtype=np.int64, keepdims=keepdims)
        if array.dtype.itemsize > 2:
            return array.sum(axis=axis, keepdims=keepdims)
        return array.astype(np.float32).sum(axis=axis, keepdims=keepdims).astype(array.dtype)

    def running(self, function: str, array: Array, axis: int) -> Array:
        """ "maximum" or "minimum" of the first 1, 2, ... elements along an axis."""
        return running_by_doubling(getattr(self.namespace, function), array, axis)

    def synchronize(self, device: Device) -> None:
        """Wait until all work submitted to `device` is done; host code has always finished."""
        del device
