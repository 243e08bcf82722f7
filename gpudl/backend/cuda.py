"""CUDA devices by CuPy, and the emulated one, which is the same CuPy on gpudl.sim. CuPy is imported at first use.

Two things CuPy leaves to its user are settled here. It launches on the current device, whatever its arrays are on: so
`guard` makes an array's device the current one around an operation. And it computes on a stream that each thread has
of its own: so a thread that meets a device for the first time is set on gpudl's one stream for that device, and work
from several threads stays in order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from gpudl.backend import cuda_probe
from gpudl.backend.arrays import Array
from gpudl.backend.cuda_memory import DeviceMemory
from gpudl.backend.debug import debug
from gpudl.backend.device import Device, device, register_backend, require
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import DeviceError
from gpudl.backend.interface import Backend
from gpudl.backend.pinned import Pinned
from gpudl.backend.strict import implicit

_HERE = nullcontext()


class _Thread(threading.local):
    """The numbers of the devices that a thread computes on with gpudl's streams."""

    ready: frozenset[int] = frozenset()


class _Raw:
    """A stream of CUDA, by its address, for CuPy to take."""

    def __init__(self, address: int):
        self._address = address

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._address


class CudaBackend(Backend):
    """CuPy arrays on NVIDIA GPUs.

    Attributes:
        memory: the books of device memory.
        pinned: host memory that the device reads by itself.
    """

    type = "cuda"
    family = "cuda"
    memory: DeviceMemory
    pinned: Pinned

    def __init__(self) -> None:
        self.started = False
        self._why: str | None = None
        self._asked = False
        self._starting = threading.Lock()
        self._thread = _Thread()
        self._streams: dict[int, Any] = {}
        self._count = 0

    def running(self, function: str, array: Array, axis: int) -> Array:
        from gpudl.backend.running import RUNNING  # which imports what asks for a backend

        return RUNNING[function == "maximum"].along(array, axis, False, int64, array.dtype)[1]

    def why_unavailable(self) -> str | None:
        if self.started:
            return None
        if active() is not None:
            return self._beside()
        if not self._asked:
            self._why = self._look()
            self._asked = True
        return self._why

    def refuse(self, why: str) -> None:
        """Not to be available from now on, unless it has started."""
        self._why, self._asked = why, True

    def _beside(self) -> str:
        return "this process runs the emulated device 'sim', and a GPU needs a process of its own; or use device 'cpu'"

    def _look(self) -> str | None:
        driver = cuda_probe.driver()
        return driver.problem or cuda_probe.cupy_problem(driver.version)

    def start(self) -> None:
        """Import CuPy and make its arrays known to dispatch; called when the device is first required."""
        with self._starting:
            if self.started:
                return
            try:
                self._begin()
                import cupy

                from gpudl.backend.cupy_namespace import cupy_namespace
                from gpudl.backend.folds import TOTAL

                self._count = int(cupy.cuda.runtime.getDeviceCount())
            except (ImportError, OSError, RuntimeError) as error:
                reason = str(error).strip().split("\n")[0]
                raise DeviceError(f"device {self.type!r} does not start: {reason}; see: gpudl doctor") from error
            self.array_type = cupy.ndarray
            self.namespace = cupy_namespace()
            self._total = TOTAL
            self._runtime = cupy.cuda.runtime
            self._places: tuple[Device, ...] = tuple(Device(self.type, index) for index in range(self._count))
            self._contexts = tuple(cupy.cuda.Device(index) for index in range(self._count))
            self.memory = self._books()
            self.pinned = Pinned(self)
            _forbid_waiting()
            self.started = True
            register_backend(self)

    def _begin(self) -> None:
        """What comes before CuPy is imported."""

    def _books(self) -> DeviceMemory:
        return DeviceMemory(self, unit=512, pooled=True)  # CuPy's pool gives multiples of 512 bytes

    def count(self) -> int:
        return self._count

    def current(self) -> int:
        """The number of the current device."""
        return int(self._runtime.getDevice())

    def make_current(self, index: int) -> None:
        """Make a device the current one of this thread, for good."""
        self._contexts[index].use()

    def on(self, index: int) -> AbstractContextManager[Any]:
        """A context in which a device is the current one, and this thread computes on its stream."""
        if index not in self._thread.ready:
            self._prepare(index)
        return _HERE if self._count == 1 or self._runtime.getDevice() == index else self._contexts[index]

    def guard(self, array: Array) -> AbstractContextManager[Any] | None:
        index = array.data.device_id
        if index not in self._thread.ready:
            self._prepare(index)
        if self._count == 1 or self._runtime.getDevice() == index:
            return None
        return self._contexts[index]  # type: ignore[no-any-return]

    def _prepare(self, index: int) -> None:
        """Set this thread on gpudl's stream of a device, unless it is on one of the user's just now."""
        with self._contexts[index]:
            if not self.namespace.cuda.get_current_stream().ptr:
                # Entered and never left, so that CuPy comes back to it at the end of any other `with stream`.
                self.stream_of(index).__enter__()
                self._thread.ready |= {index}

    def stream_of(self, index: int) -> Any:
        """CuPy's object for the stream on which gpudl computes; it waits for no other and no other waits for it."""
        with self._starting:
            stream = self._streams.get(index)
            if stream is None:
                # External to CuPy, which would destroy it at exit, before the last arrays that were made on it.
                with self._contexts[index]:
                    made = _Raw(self._runtime.streamCreateWithFlags(self._runtime.streamNonBlocking))
                    stream = self._streams[index] = self.namespace.cuda.Stream.from_external(made)
        return stream

    def device_of(self, array: Array) -> Device:
        return self._places[int(array.data.device_id)]

    def from_host(self, array: np.ndarray[Any, Any], device: Device, non_blocking: bool = False) -> Array:
        with self.on(device.index or 0):
            copy = self.namespace.array(array)
            # CuPy stages pageable memory before it returns. Pinned memory the device reads by itself, later.
            if self.pinned.holds(array):
                if non_blocking:
                    self.pinned.keep(array)
                else:
                    self.namespace.cuda.get_current_stream().synchronize()
            return copy

    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        debug.report()
        with self.on(array.data.device_id):
            return np.asarray(self.namespace.asnumpy(array))

    def to_host_later(self, array: Array) -> Callable[[], np.ndarray[Any, Any] | None]:
        with self.on(array.data.device_id):
            host = self.pinned.empty(array.shape, array.dtype)
            source = array if array.flags.c_contiguous else array.copy()
            source.get(out=host, blocking=False)
            self.pinned.keep(host)  # also if nobody asks for it any more: the device writes there
            copied = self.namespace.cuda.get_current_stream().record()
        return lambda: host if copied.done else None

    def move(self, array: Array, device: Device) -> Array:
        cupy, target = self.namespace, device.index or 0
        with self.on(array.data.device_id):
            source = cupy.ascontiguousarray(array)
            there = cupy.cuda.get_current_stream()
            written = there.record()
        with self.on(target):
            here = cupy.cuda.get_current_stream()
            here.wait_event(written)
            copy = cupy.empty(array.shape, array.dtype)
            copy.data.copy_from_device_async(source.data, source.nbytes)
            done = here.record()
        with self.on(array.data.device_id):
            there.wait_event(done)  # before that stream gives the source's memory to something else
        return copy

    def sum(self, array: Array, axis: Any, keepdims: bool) -> Array:
        return self._total(array, axis, keepdims, array.dtype if array.dtype.kind in "fV" else int64, q=1)

    def full(self, shape: tuple[int, ...], value: Any, dtype: Any, device: Device) -> Array:
        with self.on(device.index or 0):
            return self.namespace.full(shape, value, dtype)

    def empty(self, shape: tuple[int, ...], dtype: Any, device: Device) -> Array:
        with self.on(device.index or 0):
            return self.namespace.empty(shape, dtype)

    def synchronize(self, device: Device) -> None:
        with self.on(device.index or 0):
            self._runtime.deviceSynchronize()
        debug.report()

    def memory_info(self, index: int) -> tuple[int, int]:
        """Free bytes of a device and all its bytes, as its driver tells them."""
        with self.on(index):
            free, total = self._runtime.memGetInfo()
            return int(free), int(total)

    def properties(self, index: int) -> dict[str, Any]:
        """What the driver says of a device."""
        return dict(self._runtime.getDeviceProperties(index))

    def name_of(self, index: int) -> str:
        """The device's name, as the driver has it."""
        name = self.properties(index)["name"]
        return name.decode() if isinstance(name, bytes) else str(name)


def _forbid_waiting() -> None:
    """Let strict mode see where CuPy waits for the device; its own mode for that knows no line."""
    try:
        from cupy._core import syncdetect
    except ImportError:  # a CuPy that keeps it elsewhere: what gpudl itself does is still seen
        return
    own = syncdetect._declare_synchronize

    def declare() -> None:
        implicit("synchronization", "an operation that waits for the device and reads its result")
        own()

    syncdetect._declare_synchronize = declare


class SimBackend(CudaBackend):
    """CuPy arrays on the emulated device."""

    type = "sim"

    def _beside(self) -> str:
        return "this process runs on a GPU, and the emulated device needs a process of its own; or use device 'cpu'"

    def _look(self) -> str | None:
        from gpudl import sim

        return cuda_probe.cupy_problem(None) or getattr(sim, "why_unavailable", lambda: None)()

    def _begin(self) -> None:
        from gpudl import sim

        sim.install()
        cuda_probe.emulated = True

    def _books(self) -> DeviceMemory:
        return DeviceMemory(self, unit=1, pooled=False)

    def name_of(self, index: int) -> str:
        return "gpudl's emulated CUDA device, on the CPU"


CUDA = CudaBackend()
SIM = SimBackend()


def active() -> CudaBackend | None:
    """The backend whose devices this process uses: a process has real ones or emulated ones, and never both."""
    return CUDA if CUDA.started else SIM if SIM.started else None


def resolved(spec: str | int | Device | None) -> tuple[CudaBackend, int]:
    """The backend and the number of a device, ready for use.

    Args:
        spec: None for the current device, a number, a name such as "cuda:1" or "sim", or a Device.
    Raises: DeviceError if it is not available, or no device with CUDA.
    """
    if spec is None or isinstance(spec, int):
        backend = active() or CUDA
        require(Device(backend.type, spec or 0))
        return backend, backend.current() if spec is None else spec
    place = device(spec)
    found = require(place)
    if not isinstance(found, CudaBackend):
        raise DeviceError(f"expected a CUDA device, or an emulated one, got {str(place)!r}")
    return found, place.index or 0


def forbid(why: str) -> None:
    """Let this process start no device; the reason is what a DeviceError then says."""
    for backend in (CUDA, SIM):
        backend.refuse(why)
