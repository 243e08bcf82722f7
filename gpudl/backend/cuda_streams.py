"""Streams and events under PyTorch's names, over CuPy's."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import Any

from gpudl.backend.cuda import CudaBackend, resolved
from gpudl.backend.device import Device


class Stream:
    """A queue of work on a device; streams run beside each other, and gpudl's own waits for none of them.

    Use it with `gpudl.cuda.stream(s)`. Memory is given back to the stream on which it was allocated: keep a tensor that
    another stream reads until that stream is done, or let the streams wait for each other.

    Args:
        device: the device; None for the current one.
        priority: lower numbers go first.
    Attributes:
        device: the Device it belongs to.
        cuda_stream: the address of CUDA's stream, for other libraries.
    """

    device: Device
    cuda_stream: int

    def __init__(self, device: Any = None, priority: int = 0):
        backend, index = resolved(device)
        with backend.on(index):
            made = backend.namespace.cuda.Stream(non_blocking=True, priority=priority)
        self._adopt(backend, index, made)

    def _adopt(self, backend: CudaBackend, index: int, stream: Any) -> Stream:
        self._backend = backend
        self.cupy = stream
        self.device = Device(backend.type, index)
        self.cuda_stream = int(stream.ptr)
        return self

    @property
    def priority(self) -> int:
        """Its priority; lower numbers go first."""
        return int(self.cupy.priority)

    def query(self) -> bool:
        """True when all that was submitted is done."""
        return bool(self.cupy.done)

    def synchronize(self) -> None:
        """Wait until all that was submitted is done."""
        self.cupy.synchronize()

    def record_event(self, event: Event | None = None) -> Event:
        """Put an event, a new one by default, behind all that was submitted; returns it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let what is submitted from now on wait for an event; the host goes on."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """Let what is submitted from now on wait for all that another stream was given so far; the host goes on."""
        self.wait_event(stream.record_event())

    def __cuda_stream__(self) -> tuple[int, int]:
        """By this other libraries take the stream: CuPy, cuda.core, Numba."""
        return 0, self.cuda_stream

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stream):
            return NotImplemented
        return (self.device, self.cuda_stream) == (other.device, other.cuda_stream)

    def __hash__(self) -> int:
        return hash((self.device, self.cuda_stream))

    def __repr__(self) -> str:
        return f"<gpudl.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class Event:
    """A mark in a stream, to wait for and to measure from.

    Args:
        enable_timing: keep the time, for elapsed_time.
        blocking: synchronize() sleeps instead of spinning.
        interprocess: allow its use by other processes; without timing.
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False):
        self._timed = enable_timing
        self._settings = {"block": blocking, "disable_timing": not enable_timing, "interprocess": interprocess}
        self._event: Any = None  # made when first recorded, on that stream's device

    def record(self, stream: Stream | None = None) -> None:
        """Mark the place behind all that a stream, by default the current one, was given so far."""
        stream = current_stream() if stream is None else stream
        backend = stream._backend
        with backend.on(stream.device.index or 0):
            if self._event is None:
                self._event = backend.namespace.cuda.Event(**self._settings)
                self._measure = backend.namespace.cuda.get_elapsed_time
            self._event.record(stream.cupy)

    def wait(self, stream: Stream | None = None) -> None:
        """Let what a stream, by default the current one, is given from now on wait for this mark."""
        if self._event is not None:
            (current_stream() if stream is None else stream).cupy.wait_event(self._event)

    def query(self) -> bool:
        """True when the device has come to the mark, or none was made."""
        return self._event is None or bool(self._event.done)

    def synchronize(self) -> None:
        """Wait until the device has come to the mark."""
        if self._event is not None:
            self._event.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds between this mark and another. On the emulated device that is the host's time, not a GPU's.

        Raises: ValueError unless both keep the time and were recorded.
        """
        if not (self._timed and end_event._timed):
            raise ValueError("elapsed_time: both events must be made with enable_timing=True")
        if self._event is None or end_event._event is None:
            raise ValueError("elapsed_time: both events must be recorded first")
        return float(self._measure(self._event, end_event._event))


def default_stream(device: Any = None) -> Stream:
    """The stream on which gpudl computes on a device unless told otherwise."""
    backend, index = resolved(device)
    return Stream.__new__(Stream)._adopt(backend, index, backend.stream_of(index))


def current_stream(device: Any = None) -> Stream:
    """The stream that this thread gives its work on a device to."""
    backend, index = resolved(device)
    with backend.on(index):
        stream = backend.namespace.cuda.get_current_stream()
    return Stream.__new__(Stream)._adopt(backend, index, stream)


class StreamContext:
    """`with gpudl.cuda.stream(s):` this thread's work goes to that stream, and its device is the current one.

    None changes nothing.
    """

    def __init__(self, stream: Stream | None):
        self._wanted = stream
        self._before: Stream | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Stream | None:
        wanted = self._wanted
        if wanted is not None:
            self._before = current_stream(wanted.device)
            self._stack.enter_context(wanted._backend.on(wanted.device.index or 0))
            self._stack.enter_context(wanted.cupy)
        return wanted

    def __exit__(self, *exception: object) -> None:
        before, self._before = self._before, None
        self._stack.close()
        if before is not None and current_stream(before.device) != before:
            set_stream(before)  # there was a set_stream inside


def set_stream(stream: Stream | None) -> None:
    """Give this thread's work on the stream's device to it from now on; its device becomes the current one."""
    if stream is not None:
        set_device(stream.device)
        stream.cupy.__enter__()  # CuPy's use() would be forgotten at the end of any `with stream`


def set_device(device: Any) -> None:
    """Make a device the current one of this thread: what names such as "cuda" stand for. Negative: no change."""
    if isinstance(device, int) and device < 0:
        return
    backend, index = resolved(device)
    with backend.on(index):  # the stream
        pass
    backend.make_current(index)


class device_context:
    """`with gpudl.cuda.device(1):` that device is the current one. None, or a negative number, changes nothing.

    Args:
        device: a number, a name, or a Device.
    """

    def __init__(self, device: Any):
        self._spec = device
        self._context: AbstractContextManager[Any] | None = None

    def __enter__(self) -> None:
        if self._spec is None or (isinstance(self._spec, int) and self._spec < 0):
            return
        backend, index = resolved(self._spec)
        self._context = backend.on(index)
        self._context.__enter__()

    def __exit__(self, *exception: object) -> None:
        if self._context is not None:
            self._context.__exit__(None, None, None)
            self._context = None
