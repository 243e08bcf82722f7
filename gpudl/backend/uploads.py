"""Copies from the host to a device that run beside what the device computes."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.cuda import CudaBackend
from gpudl.backend.device import Device, require, transfer
from gpudl.backend.strict import strict


class Upload:
    """Arrays on their way to a device, in memory that the current stream may use once it has waited for them."""

    def __init__(self, arrays: list[Array], copied: Future[Any] | None = None, backend: CudaBackend | None = None):
        self._arrays, self._copied, self._backend = arrays, copied, backend

    def arrays(self) -> list[Array]:
        """The arrays; what the current stream is given from now on waits for their copies, the host does not."""
        if self._copied is not None and self._backend is not None:
            event = self._copied.result()
            self._backend.namespace.cuda.get_current_stream().wait_event(event)
        return self._arrays


class Uploads:
    """Uploads to one device, by a thread and a stream of their own.

    Args:
        target: the device. To the CPU, arrays are copied only from other devices, and at once.
    Raises: DeviceError if it is not available.
    """

    def __init__(self, target: Device):
        backend = require(target)
        self._target = target
        self._backend = backend if isinstance(backend, CudaBackend) else None
        self._index = target.index or 0
        self._reading: deque[tuple[Any, Any]] = deque()  # (event, pinned array) of copies that may be under way
        if self._backend is not None:
            with self._backend.on(self._index):
                self._stream = self._backend.namespace.cuda.Stream(non_blocking=True)
            self._thread = ThreadPoolExecutor(1, "gpudl uploads")

    def begin(self, arrays: list[Array]) -> Upload:
        """Start copies of arrays, which must not change until they are done."""
        backend = self._backend
        with strict(False):  # whoever calls this has been asked for it
            if backend is None:
                return Upload([transfer(array, self._target) for array in arrays])
            with backend.on(self._index):
                there = [
                    backend.namespace.empty(array.shape, array.dtype)
                    if isinstance(array, np.ndarray)
                    else transfer(array, self._target)
                    for array in arrays
                ]
                # The memory is the current stream's, which may still have to do with what was in it before.
                free = backend.namespace.cuda.get_current_stream().record()
        pairs = [(array, copy) for array, copy in zip(arrays, there) if isinstance(array, np.ndarray) and array.size]
        return Upload(there, self._thread.submit(self._copy, backend, pairs, free), backend)

    def now(self, arrays: list[Array]) -> list[Array]:
        """The arrays on the device, copied by the current stream; the host does not wait for that."""
        backend = self._backend
        with strict(False):
            if backend is not None:
                arrays = [self._pinned(backend, array) if isinstance(array, np.ndarray) else array for array in arrays]
            return [transfer(array, self._target, non_blocking=True) for array in arrays]

    def _copy(self, backend: CudaBackend, pairs: list[tuple[np.ndarray[Any, Any], Array]], free: Any) -> Any:
        """Copy each array to its place on the device, by way of pinned memory; returns the event of the end."""
        reading = self._reading
        while reading and reading[0][0].done:
            reading.popleft()
        with backend.on(self._index):
            stream = self._stream
            stream.wait_event(free)
            pinned = []
            for array, copy in pairs:
                pinned.append(self._pinned(backend, array))
                copy.data.copy_from_host_async(pinned[-1].ctypes.data, pinned[-1].nbytes, stream)
            done = stream.record()
        reading.append((done, pinned))
        return done

    @staticmethod
    def _pinned(backend: CudaBackend, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The array in pinned memory, in C order."""
        if backend.pinned.holds(array) and array.flags.c_contiguous:
            return array
        return backend.pinned.copy(array)
