"""gpudl.cuda: devices, streams, events and memory of GPUs, under PyTorch's names with PyTorch's meanings.

Where a function takes a `device` it also takes an emulated one, "sim", and None for the current device. In a process
that computes on the emulated device that is the current one; it never counts as a GPU.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpudl.autograd.tensor import Tensor
from gpudl.backend.cuda import CUDA, active, resolved
from gpudl.backend.cuda_streams import Event as Event
from gpudl.backend.cuda_streams import Stream as Stream
from gpudl.backend.cuda_streams import StreamContext as StreamContext
from gpudl.backend.cuda_streams import current_stream as current_stream
from gpudl.backend.cuda_streams import default_stream as default_stream
from gpudl.backend.cuda_streams import device_context as device
from gpudl.backend.cuda_streams import set_device as set_device
from gpudl.backend.cuda_streams import set_stream as set_stream
from gpudl.backend.device import Device
from gpudl.backend.errors import OutOfMemoryError as OutOfMemoryError
from gpudl.backend.residents import amount
from gpudl.random import initial_seed as initial_seed
from gpudl.random import manual_seed as _manual_seed

__all__ = [
    "Event", "OutOfMemoryError", "Stream", "StreamContext", "current_device", "current_stream", "default_stream",
    "device", "device_count", "device_of", "empty_cache", "get_device_capability", "get_device_name",
    "get_device_properties", "init", "initial_seed", "is_available", "is_initialized", "manual_seed",
    "manual_seed_all", "max_memory_allocated", "max_memory_reserved", "mem_get_info", "memory_allocated",
    "memory_reserved", "memory_stats", "memory_summary", "reset_peak_memory_stats", "set_device",
    "set_per_process_memory_fraction", "set_stream", "stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """True when there is a GPU that gpudl can compute on here. False where CUDA is emulated."""
    return CUDA.why_unavailable() is None


def is_initialized() -> bool:
    """True when a GPU, or the emulated device, has been used in this process."""
    return active() is not None


def init() -> None:
    """Start CUDA now, not at the first use.

    Raises: DeviceError if there is no GPU.
    """
    resolved(None)


def device_count(type: str | None = None) -> int:
    """How many GPUs there are, 0 for none; or, with "sim", how many emulated devices."""
    if type is None and not is_available():
        return 0
    return resolved(type or CUDA.type)[0].count()


def current_device() -> int:
    """The number of the current device."""
    return resolved(None)[1]


class device_of(device):
    """`with gpudl.cuda.device_of(tensor):` the tensor's device is the current one; no change for one on the CPU."""

    def __init__(self, obj: Tensor):
        super().__init__(None if obj.device.index is None else obj.device)


def stream(stream: Stream | None) -> StreamContext:
    """`with gpudl.cuda.stream(s):` this thread's work goes to that stream, and its device is the current one."""
    return StreamContext(stream)


def synchronize(device: Any = None) -> None:
    """Wait until all work on a device is done, on all its streams."""
    backend, index = resolved(device)
    backend.synchronize(Device(backend.type, index))


class DeviceProperties(NamedTuple):
    """What a device is.

    Attributes:
        name: the model.
        major, minor: its compute capability.
        total_memory: bytes.
        multi_processor_count: how many streaming multiprocessors it has.
        warp_size: threads that run together.
        max_threads_per_multi_processor, regs_per_multiprocessor, shared_memory_per_block,
        shared_memory_per_multiprocessor, L2_cache_size: limits of one multiprocessor, and of one block; bytes.
    """

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int
    warp_size: int
    max_threads_per_multi_processor: int
    regs_per_multiprocessor: int
    shared_memory_per_block: int
    shared_memory_per_multiprocessor: int
    L2_cache_size: int


def get_device_properties(device: Any = None) -> DeviceProperties:
    """What a device is: its name, compute capability, memory and limits."""
    backend, index = resolved(device)
    said = backend.properties(index)
    return DeviceProperties(
        backend.name_of(index),
        *(
            int(said.get(name, 0))
            for name in (
                "major", "minor", "totalGlobalMem", "multiProcessorCount", "warpSize", "maxThreadsPerMultiProcessor",
                "regsPerMultiprocessor", "sharedMemPerBlock", "sharedMemPerMultiprocessor", "l2CacheSize",
            )
        ),
    )  # fmt: skip


def get_device_name(device: Any = None) -> str:
    """The model of a device."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability of a device, (9, 0) for 9.0."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free bytes of a device and all its bytes, whoever uses them; gpudl's cached memory is not free."""
    backend, index = resolved(device)
    return backend.memory_info(index)


def memory_allocated(device: Any = None) -> int:
    """Bytes that arrays take now."""
    backend, index = resolved(device)
    return backend.memory.used(index)


def max_memory_allocated(device: Any = None) -> int:
    """Bytes that arrays took at most, since the start or reset_peak_memory_stats."""
    backend, index = resolved(device)
    return backend.memory.books(index).peak


def memory_reserved(device: Any = None) -> int:
    """Bytes taken from the device: what arrays take, and what is cached for later ones."""
    backend, index = resolved(device)
    return backend.memory.reserved(index)


def max_memory_reserved(device: Any = None) -> int:
    """Bytes taken from the device at most, as far as seen when they are given back or asked for."""
    backend, index = resolved(device)
    return backend.memory.books(index).reserved_peak


def reset_peak_memory_stats(device: Any = None) -> None:
    """Begin anew to note how much memory is used at most."""
    backend, index = resolved(device)
    backend.memory.books(index).reset_peak()


def memory_stats(device: Any = None) -> dict[str, int]:
    """PyTorch's figures that make sense here, under its names, for all sizes together (".all.")."""
    backend, index = resolved(device)
    books = backend.memory.books(index)
    reserved = backend.memory.reserved(index)
    return {
        "allocated_bytes.all.current": books.used,
        "allocated_bytes.all.peak": books.peak,
        "allocated_bytes.all.allocated": books.given,
        "allocated_bytes.all.freed": books.given - books.used,
        "allocation.all.current": books.live,
        "allocation.all.peak": books.peak_live,
        "allocation.all.allocated": books.pieces,
        "allocation.all.freed": books.pieces - books.live,
        "reserved_bytes.all.current": reserved,
        "reserved_bytes.all.peak": books.reserved_peak,
        "num_alloc_retries": books.retries,
        "num_ooms": books.failures,
    }


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """memory_stats as a table to print; `abbreviated` leaves out the counts."""
    backend, index = resolved(device)
    figures = memory_stats(device)
    free, total = backend.memory_info(index)
    lines = [f"memory of {backend.type}:{index}, {backend.name_of(index)}"]
    for word, key in (("in use", "allocated_bytes"), ("in use and cached", "reserved_bytes")):
        now, most = figures[f"{key}.all.current"], figures[f"{key}.all.peak"]
        lines.append(f"  {word:18} {amount(now):>12}   at most {amount(most):>12}")
    lines.append(f"  {'free':18} {amount(free):>12}   of      {amount(total):>12}")
    if not abbreviated:
        now, ever = figures["allocation.all.current"], figures["allocation.all.allocated"]
        lines.append(f"  {'allocations':18} {now:>12}   of      {ever:>12}")
        lines.append(f"  {'tried again':18} {figures['num_alloc_retries']:>12}   failed  {figures['num_ooms']:>12}")
    return "\n".join(lines)


def empty_cache() -> None:
    """Give cached memory of the current device back to it, for other programs. Arrays stay."""
    backend = active()
    if backend is not None:
        backend.memory.release(backend.current())


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Let arrays and the cache take no more than a part of a device's memory; beyond it, OutOfMemoryError.

    Args:
        fraction: from 0 to 1.
        device: the device.
    Raises: ValueError for another fraction.
    """
    if not isinstance(fraction, (int, float)) or not 0 <= fraction <= 1:
        raise ValueError(f"set_per_process_memory_fraction: expected a number from 0 to 1, got {fraction!r}")
    backend, index = resolved(device)
    backend.memory.set_limit(index, fraction)


def manual_seed(seed: int) -> None:
    """As gpudl.manual_seed: one seed serves all devices, which give the same numbers."""
    _manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """As gpudl.manual_seed: one seed serves all devices, which give the same numbers."""
    _manual_seed(seed)
