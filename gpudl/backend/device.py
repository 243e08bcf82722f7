"""Devices by name, the backends behind them, and the only functions that move an array between devices.

A backend serves one device type. It is registered with the type of its arrays; from then on xp_of, kernel dispatch,
transfers and error messages know it, and nothing above this folder changes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array, register_namespace
from gpudl.backend.cpu import CpuBackend
from gpudl.backend.errors import DeviceError
from gpudl.backend.interface import Backend as Backend
from gpudl.backend.place import CPU as CPU
from gpudl.backend.place import Device as Device
from gpudl.backend.strict import implicit, strict

_HERE = nullcontext()
_backends: dict[str, Backend] = {}
_by_array_type: dict[type, Backend] = {}
_on_demand = ("cuda", "sim")  # gpudl.backend.cuda has their backends, which import CuPy when they are first used
_auto: Device | None = None


def register_backend(backend: Backend) -> None:
    """Add a device type, or replace it. Dispatch, transfers and device("name:0") know it at once."""
    _backends[backend.type] = backend
    _by_array_type[backend.array_type] = backend
    register_namespace(backend.array_type, backend.namespace)


register_backend(CpuBackend())


def _backend(type: str) -> Backend | None:
    """The backend of a device type, started or not; None if there is no such type."""
    backend = _backends.get(type)
    if backend is None and type in _on_demand:
        from gpudl.backend import cuda

        backend = cuda.CUDA if type == "cuda" else cuda.SIM
    return backend


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
    backend = _backend(type)
    return backend is not None and backend.why_unavailable() is None


def device(spec: str | Device, index: int | None = None) -> Device:
    """The device that a name stands for.

    "auto" is the first CUDA GPU if there is one, else the CPU, and says once on stderr which it took and why. Every
    other name means what it says: there is no silent fallback.

    Args:
        spec: "cpu", "cuda", "cuda:1", "sim", "auto", or a Device, which is returned as it is.
        index: the device's number, where the name does not give it; by default the current device's.
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
    if type not in _backends and type not in _on_demand:
        raise DeviceError(f"{spec!r} is not a device; use one of {_names()}")
    if type == "cpu":
        if number not in (None, 0):
            raise DeviceError(f"{spec!r}: there is one cpu device; write 'cpu'")
        return CPU
    if number is None:
        backend = _backends.get(type)
        number = 0 if backend is None else backend.current()
    return Device(type, number)


def require(wanted: Device) -> Backend:
    """The backend of a device that can be used here.

    Raises: DeviceError with the reason when it cannot.
    """
    backend = _backend(wanted.type)
    why = "no such device" if backend is None else backend.why_unavailable()
    if backend is not None and why is None:
        if wanted.type not in _backends:
            backend.start()
        if (wanted.index or 0) >= backend.count():
            why = f"there are {backend.count()} of this type, numbered from 0"
    if backend is None or why is not None:
        raise DeviceError(f"device {str(wanted)!r} is not available: {why}")
    return backend


def transfer(array: Array, target: Device, non_blocking: bool = False) -> Array:
    """`array` on `target`: itself if it is there already, else a copy.

    Args:
        non_blocking: the host need not wait for a copy from pinned memory, which must not be changed meanwhile.
    Raises: DeviceError if the target is not available.
    """
    source = device_of(array)
    if source is target:
        return array
    with strict(False):  # whoever calls this has been asked for it
        backend = backend_of(array)
        if backend.type == target.type:
            return require(target).move(array, target)
        host = backend.to_host(array)
        return host if target is CPU else require(target).from_host(host, target, non_blocking)


def brought(array: Array, target: Device) -> Array:
    """`array` on `target`, for an operation that makes or gets on the host what it needs on a device.

    Raises: StrictError in strict mode, unless it is there already.
    """
    if device_of(array) is not target:
        implicit("transfer", f"a copy of {array.shape} {array.dtype} from {device_of(array)} to {target}")
    return transfer(array, target)


def guard_of(array: Array) -> AbstractContextManager[Any] | None:
    """A context in which operations run on the device that holds `array`; None where they do anyway."""
    backend = _by_array_type.get(type(array))
    return None if backend is None else backend.guard(array)


def guarded(array: Array) -> AbstractContextManager[Any]:
    """As guard_of, for a with statement."""
    return _HERE if type(array) is np.ndarray else guard_of(array) or _HERE


def is_on_host(array: Array) -> bool:
    """True if `array` is a NumPy array in host memory, as it is on the CPU."""
    return device_of(array) is CPU


def to_host(array: Array) -> np.ndarray[Any, Any]:
    """`array` as a NumPy array, without a copy where it is one.

    Raises: StrictError in strict mode, unless it is one.
    """
    if type(array) is np.ndarray:
        return array
    backend = backend_of(array)
    if backend.type != "cpu":
        implicit("transfer", f"a copy of {array.shape} {array.dtype} from {backend.device_of(array)} to the host")
    return backend.to_host(array)


def to_host_later(array: Array) -> Callable[[], np.ndarray[Any, Any] | None]:
    """Start a copy to the host that nothing waits for: a function that gives it, or None before it is there."""
    return backend_of(array).to_host_later(array)


def synchronize(spec: str | Device = "cpu") -> None:
    """Wait until all work submitted to a device is done.

    Raises: DeviceError if it is not available.
    """
    wanted = device(spec)
    require(wanted).synchronize(wanted)


def _names() -> str:
    return ", ".join([*sorted({*_backends, *_on_demand}), "auto"])


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
