"""Memory that arrays look into through windows, on the host and on CUDA devices.

What matters is who else sees a window or a view of it, told by reference counts. NumPy gives a view of a view the owner
of the memory as its base, so that the view in between would not know of it, but stops at an array of another
class: Memory. CuPy's views of an array that was made of a pointer have that array as their base, and the memory
behind the pointer is an object that can be told by its class.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.device import backend_of
from gpudl.backend.dtypes import DType

LINE = 64
"""Bytes. What begins at a multiple of it is read a cache line at a time, not two for each."""


class Memory(np.ndarray[Any, Any]):
    """Bytes of the host that windows look into."""

    __slots__ = ()


@cache
def _device_memory(cuda: Any) -> type:
    class DeviceMemory(cuda.UnownedMemory):  # type: ignore[misc]
        """Bytes of a device that windows look into."""

        is_flat = True

    return DeviceMemory


def can_be_flat(array: Array) -> bool:
    """True for arrays whose like windows can be: NumPy's and CuPy's own, of no class derived from theirs."""
    if type(array) is np.ndarray:
        return True
    backend = backend_of(array)
    return type(array) is backend.array_type and hasattr(backend.namespace, "cuda")


def memory(size: int, like: Array) -> Any:
    """New memory of `size` bytes that holds anything, on the device of `like`."""
    if type(like) is np.ndarray:
        return Memory(LINE + size, np.uint8)
    namespace = backend_of(like).namespace
    with namespace.cuda.Device(like.data.device_id):
        owner = namespace.empty(size, np.uint8)
    return _device_memory(namespace.cuda)(owner.data.ptr, size, owner, like.data.device_id)


def window(memory: Any, start: int, shape: tuple[int, ...], dtype: DType, like: Array) -> Array:
    """An array of a shape, from element number `start` of some memory on. like: an array of the same device."""
    offset = start * dtype.itemsize
    if type(memory) is Memory:
        return np.ndarray(shape, dtype, memory, -address(memory) % LINE + offset)
    namespace = backend_of(like).namespace
    return namespace.ndarray(shape, dtype, namespace.cuda.MemoryPointer(memory, offset))


def vector(size: int, dtype: DType, like: Array) -> Array:
    """A new flat array that holds anything and begins at a multiple of LINE, on the device of `like`."""
    return window(memory(size * dtype.itemsize, like), 0, (size,), dtype, like)


def memory_of(array: Array) -> Any:
    """The memory into which an array is a window, or None."""
    if type(array) is np.ndarray:
        return array.base if type(array.base) is Memory else None
    if not can_be_flat(array) or array.base is not None:
        return None
    found = array.data.mem
    return found if getattr(found, "is_flat", False) else None


def address(array: Array) -> int:
    """Where the first element of an array lies."""
    if isinstance(array, np.ndarray):
        return array.__array_interface__["data"][0]  # type: ignore[no-any-return]
    return array.data.ptr  # type: ignore[no-any-return]


def run(first: Array, size: int) -> Array:
    """`size` elements of a memory as a flat array, from the first element of one of its windows on."""
    if type(first) is np.ndarray:
        return np.ndarray((size,), first.dtype, first.base, address(first) - address(first.base))
    return backend_of(first).namespace.ndarray((size,), first.dtype, first.data)


def others(holder: Any, attribute: str) -> int:
    """How many references there are to an attribute's value, beside the attribute."""
    return sys.getrefcount(getattr(holder, attribute)) - _ONE


class _Holder:
    """Holds something once."""

    held: Any = object()


_ONE = 0
_ONE = others(_Holder, "held")


def is_alone(holder: Any, attribute: str) -> bool:
    """True if the memory of the array that an attribute holds can be seen through that attribute only.

    For arrays that can_be_flat and are no windows.
    """
    if others(holder, attribute):
        return False
    # No name may be given to an array or a base here: that would be one more reference.
    if type(getattr(holder, attribute)) is not np.ndarray:
        pointer = getattr(holder, attribute).data
        seen = sys.getrefcount(pointer) - _ONE - 1  # from elsewhere than the array and the name here
        if getattr(holder, attribute).base is not None:  # made by reshape, which hands the pointer on
            if others(getattr(holder, attribute), "base") or getattr(holder, attribute).base.data is not pointer:
                return False
            seen -= 1
        return not seen and not others(pointer, "mem")
    if getattr(holder, attribute).base is None:
        return True
    base_owns = type(getattr(holder, attribute).base) is np.ndarray and getattr(holder, attribute).base.base is None
    return base_owns and not others(getattr(holder, attribute), "base")


def put(array: Array, into: Array) -> None:
    """Copy an array into a window of its shape and dtype."""
    if type(into) is np.ndarray:
        into[...] = array
    else:  # a copy of memory where neither has gaps, which takes the host less time than a kernel
        backend_of(into).namespace.copyto(into, array)
