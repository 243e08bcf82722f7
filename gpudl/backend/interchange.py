"""Arrays of other libraries without a copy, by DLPack and by the CUDA array interface.

A tensor on the emulated device is exported as the CUDA memory that it stands for, as CuPy exports it. Whoever takes
CUDA memory goes through the CUDA driver, which in such a process is the emulation, so it is CuPy, or it refuses.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.cuda import CUDA, CudaBackend, active
from gpudl.backend.device import Device, require
from gpudl.backend.dtypes import dtype_of

_ON_HOST = (1, 3)  # kDLCPU, and kDLCUDAHost, which is pinned memory
_ON_GPU = (2, 13)  # kDLCUDA, and kDLCUDAManaged


def _running() -> CudaBackend:
    """The backend of this process that takes CUDA memory."""
    backend = active() or CUDA
    found = require(Device(backend.type, 0))
    assert isinstance(found, CudaBackend)
    return found


def is_on_gpu(value: Any) -> bool:
    """True for an object of another library that says that it is an array in a GPU's memory."""
    return not isinstance(value, np.ndarray) and hasattr(value, "__cuda_array_interface__")


def from_gpu(value: Any) -> Array:
    """An array over the memory of an object with __cuda_array_interface__, in order with that object's stream.

    Raises: DeviceError if no GPU can be used here; TypeError for an element type that gpudl has not.
    """
    backend = _running()
    if type(value) is backend.array_type:
        array = value.view()
    else:
        with backend.on(backend.current()):
            array = backend.namespace.asarray(value)
    dtype_of(array.dtype)
    return array


def share_memory(x: Any, y: Any) -> bool:
    """True if two arrays, one of which was made of the other, have elements in the same memory."""
    if is_on_gpu(x) or is_on_gpu(y):
        addresses = [getattr(each, "__cuda_array_interface__", {"data": (0,)})["data"][0] for each in (x, y)]
        return bool(addresses[0] == addresses[1])
    return np.may_share_memory(x, y)


def from_dlpack(value: Any, copy: bool | None = None) -> Array:
    """An array over the memory of an object with __dlpack__, in order with the stream that writes it.

    Args:
        value: an array of another library.
        copy: True: always; False: never; None: where it must.
    Raises: TypeError for what is no such object, and for an element type that gpudl has not; BufferError for memory
        that neither the CPU nor CUDA can read.
    """
    if not hasattr(value, "__dlpack__") or not hasattr(value, "__dlpack_device__"):
        raise TypeError(
            f"from_dlpack: expected an array with __dlpack__ and __dlpack_device__, got {type(value).__name__}"
        )
    kind, index = value.__dlpack_device__()
    if kind in _ON_HOST:
        array = np.from_dlpack(value)
    elif kind in _ON_GPU:
        backend = _running()
        with backend.on(int(index)), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # CuPy's word on producers of older capsules
            array = backend.namespace.from_dlpack(value)
    else:
        raise BufferError(f"from_dlpack: memory of DLPack's device type {int(kind)} is neither the CPU's nor CUDA's")
    dtype_of(array.dtype)
    return array.copy() if copy else array


def to_dlpack(array: Array, **wishes: Any) -> Any:
    """A DLPack capsule over the array's memory.

    Args:
        array: the array.
        wishes: what DLPack has: stream, max_version, dl_device, copy; None for the default.
    Raises: BufferError for an element type that the array's library does not export.
    """
    if isinstance(array, np.ndarray) and wishes.get("stream") is not None:
        raise BufferError("__dlpack__: memory of the CPU has no stream; leave stream at None")
    return array.__dlpack__(**{name: wish for name, wish in wishes.items() if wish is not None})
