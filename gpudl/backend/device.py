"""Devices by name, the backends behind them, and the only functions that move an array between devices.

A backend serves one device type. It is registered with the type of its arrays; from then on xp_of, kernel dispatch,
transfers and error messages know it, and nothing above this folder changes.
"""

from __future__ import annotations

import builtins
import math
import re
import sys
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from gpudl.backend.arrays import Array, register_namespace
from gpudl.backend.errors import DeviceError
from gpudl.backend.reductions import blocked_sum, running_by_doubling


class Device:
    """A place where arrays live: `Device("cpu")`, `Device("cuda", 1)`. There is one object for each place.

    Attributes:
        type: "cpu", "cuda", "sim", or a registered backend's name.
        index: which of several, counted from 0; None on a type that has only one.
    """

    __slots__ = ("index", "type")
    _known: ClassVar[dict[tuple[str, int | None], Device]] = {}
    type: str
    index: int | None

    def __new__(cls, type: str, index: int | None = None) -> Device:
        known = cls._known.get((type, index))
        if known is None:
            known = cls._known[type, index] = super().__new__(cls)
            known.type, known.index = type, index
        return known

    def __reduce__(self) -> Any:
        return Device, (self.type, self.index)

    def __repr__(self) -> str:
        return (
            f"device(type={self.type!r})" if self.index is None else f"device(type={self.type!r}, index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"


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

    @abstractmethod
    def count(self) -> int:
        """How many devices of this type there are."""

    @abstractmethod
    def device_of(self, array: Array) -> Device:
        """The device that holds `array`."""

    @abstractmethod
    def from_host(self, array: np.ndarray[Any, Any], device: Device) -> Array:
        """A copy of a NumPy array on `device`."""

    @abstractmethod
    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        """The array as a NumPy array; for host memory the array itself."""

    def full(self, shape: tuple[int, ...], value: Any, dtype: Any, device: Device) -> Array:
        """A new array of one value."""
        return self.from_host(np.full(shape, value, dtype), device)

    def broadcast(self, array: Array, shape: tuple[int, ...]) -> Array:
        """`array` repeated to a shape that it broadcasts to; only for reading, since elements may share memory."""
        return self.namespace.broadcast_to(array, shape)

    def sum(self, array: Array, axis: Any, keepdims: bool) -> Array:
        """The sum along axes of a floating point array, in its dtype."""
        return array.sum(axis=axis, keepdims=keepdims)

    def running(self, function: str, array: Array, axis: int) -> Array:
        """ "maximum" or "minimum" of the first 1, 2, ... elements along an axis."""
        return running_by_doubling(getattr(self.namespace, function), array, axis)

    def synchronize(self, device: Device) -> None:
        """Wait until all work submitted to `device` is done; host code has always finished."""
        del device


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

    def from_host(self, array: np.ndarray[Any, Any], device: Device) -> Array:
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
        if array.size > _SMALL:
            return blocked_sum(array, axis, keepdims)
        return array.sum(axis=axis, keepdims=keepdims)

    def running(self, function: str, array: np.ndarray[Any, Any], axis: int) -> Any:
        return getattr(np, function).accumulate(array, axis)


CPU = Device("cpu")

# Up to so many elements copying (0.4 us for a few, 1.6 us for these) is faster than np.broadcast_to (2.3 us), and
# summing is not worth a second look.
_SMALL = 1 << 14

_backends: dict[str, Backend] = {}
_by_array_type: dict[type, Backend] = {}
_planned = {
    "cuda": "this version of gpudl computes on the CPU only; use device 'cpu' or 'auto'",
    "sim": "this version of gpudl has no emulated CUDA device; use device 'cpu'",
}
_auto: Device | None = None


def register_backend(backend: Backend) -> None:
    """Add a device type, or replace it. Dispatch, transfers and device("name:0") know it at once."""
    _backends[backend.type] = backend
    _by_array_type[backend.array_type] = backend
    register_namespace(backend.array_type, backend.namespace)


register_backend(CpuBackend())


def backend_of(array: Array) -> Backend:
    """The backend that owns `array`."""
    kind = type(array)
    backend = _by_array_type.get(kind)
    if backend is None:
        for base in kind.__mro__:
            if base in _by_array_type:
                return _by_array_type[base]
        raise TypeError(f"{kind.__name__} is not an array of any device of gpudl")
    return backend


def device_of(array: Array) -> Device:
    """The device that holds `array`."""
    return CPU if type(array) is np.ndarray else backend_of(array).device_of(array)


def available(type: str) -> bool:
    """True when tensors can be made on this device type here and now."""
    backend = _backends.get(type)
    return backend is not None and backend.why_unavailable() is None


def device(spec: str | Device, index: int | None = None) -> Device:
    """The device that a name stands for.

    "auto" is the first CUDA GPU if there is one, else the CPU, and says once on stderr which it took and why. Every
    other name means what it says: there is no silent fallback.

    Args:
        spec: "cpu", "cuda", "cuda:1", "sim", "auto", or a Device, which is returned as it is.
        index: the device's number, where the name does not give it.
    Returns: the Device. Whether it can be used here is checked when a tensor is put on it, or by `require`.
    Raises: DeviceError for a name that is no device.
    """
    if isinstance(spec, Device):
        return spec
    match = re.fullmatch(r"([a-z]+)(?::(\d+))?", spec) if isinstance(spec, str) else None
    if match is None:
        raise DeviceError(f"{spec!r} is not a device; use one of {_names()}")
    type = match[1]
    number = int(match[2]) if match[2] is not None else index
    if type == "auto" and number is None:
        return _choose()
    if type not in _backends and type not in _planned:
        raise DeviceError(f"{spec!r} is not a device; use one of {_names()}")
    if type == "cpu":
        if number not in (None, 0):
            raise DeviceError(f"{spec!r}: there is one cpu device; write 'cpu'")
        return CPU
    return Device(type, number or 0)


def require(wanted: Device) -> Backend:
    """The backend of a device that can be used here.

    Raises: DeviceError with the reason when it cannot.
    """
    backend = _backends.get(wanted.type)
    why = _planned.get(wanted.type, "no such device") if backend is None else backend.why_unavailable()
    if why is None and backend is not None and (wanted.index or 0) >= backend.count():
        why = f"there are {backend.count()} of this type, numbered from 0"
    if backend is None or why is not None:
        raise DeviceError(f"device {str(wanted)!r} is not available: {why}")
    return backend


def transfer(array: Array, target: Device) -> Array:
    """`array` on `target`: itself if it is there already, else a copy.

    Raises: DeviceError if the target is not available.
    """
    source = device_of(array)
    if source is target:
        return array
    host = backend_of(array).to_host(array)
    return host if target is CPU else require(target).from_host(host, target)


def is_on_host(array: Array) -> bool:
    """True if `array` is a NumPy array in host memory, as it is on the CPU."""
    return device_of(array) is CPU


def to_host(array: Array) -> np.ndarray[Any, Any]:
    """`array` as a NumPy array, without a copy where it is one."""
    return array if type(array) is np.ndarray else backend_of(array).to_host(array)


def synchronize(spec: str | Device = "cpu") -> None:
    """Wait until all work submitted to a device is done.

    Raises: DeviceError if it is not available.
    """
    wanted = device(spec)
    require(wanted).synchronize(wanted)


def _names() -> str:
    return ", ".join([*sorted(_backends.keys() | _planned.keys()), "auto"])


def _choose() -> Device:
    global _auto
    if _auto is None:
        try:
            cuda = Device("cuda", 0)
            require(cuda)
            _auto, why = cuda, "a CUDA GPU was found"
        except DeviceError as error:
            _auto, why = CPU, str(error)
        print(f"gpudl: device auto is {_auto} ({why})", file=sys.stderr)
    return _auto
